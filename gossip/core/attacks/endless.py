"""A table that never ends: every line of it parses."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.invented import invented_nets
from gossip.core.attacks.scene import Attack, Scene, Step


def _answer(scene: Scene) -> Iterator[Step]:
    yield scene.tell(scene.others).removesuffix(b"\n")
    yield from invented_nets(scene)


ENDLESS = Attack("send valid lines for ever", _answer)
