"""The honest table, a byte a second: whoever waits for its end waits for long."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step

_EVERY_S = 1.0


def _answer(scene: Scene) -> Iterator[Step]:
    # The own line comes at once: a reader that loses patience took a line, and has no failure to count.
    start = scene.table.index(scene.own.line) + len(scene.own.line) + 1
    yield scene.table[:start]
    for at in range(start, len(scene.table)):
        yield _EVERY_S
        yield scene.table[at : at + 1]


DRIP = Attack("send the table a byte a second", _answer)
