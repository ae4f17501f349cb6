"""The table of the moment at which this was switched on, for ever: no news, and the dead of since."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step


def _answer(scene: Scene) -> Iterator[Step]:
    own, *others = scene.before
    yield scene.tell(others, own)


STALE = Attack("repeat the table as it was when this began", _answer, lambda s: s.reply(s.before))
