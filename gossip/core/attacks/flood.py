"""A table of 65,536 members, nearly all invented: it is to fill whoever keeps what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from gossip.core.attacks.invented import NET, invented_nets
from gossip.core.attacks.scene import Attack, Scene, Step

LINES = 65_536


def _answer(scene: Scene) -> Iterator[Step]:
    nets = islice(invented_nets(scene), LINES // NET)
    first = next(nets)
    yield scene.tell(()).removesuffix(b"\n") + first[first.index(b"\n") + 1 :]  # the own line is one of them
    yield from nets


FLOOD = Attack("send 65,536 lines, each of another member", _answer)
