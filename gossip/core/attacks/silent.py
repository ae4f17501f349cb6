"""A connection that is accepted and never answered."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step

_WAIT_S = 60.0


def _answer(scene: Scene) -> Iterator[Step]:
    while True:
        yield _WAIT_S


SILENT = Attack("accept callers and never answer", _answer)
