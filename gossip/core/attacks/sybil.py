"""Members that do not exist, others each time: all are to be asked, and to fill what has a bound."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.invented import invented
from gossip.core.attacks.scene import Attack, Scene, Step

_PER_ANSWER = 1024


def _answer(scene: Scene) -> Iterator[Step]:
    yield scene.tell([*scene.others, *invented(scene, _PER_ANSWER)])


SYBIL = Attack(
    "add 1,024 members that do not exist",
    _answer,
    lambda scene: scene.reply(invented(scene, scene.reply_lines)),
)
