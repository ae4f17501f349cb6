"""Many members that do exist, behind one liar: the more of them there are, the fewer pulls bring news.

They name only each other, so that who learns of the cluster from one of them learns of nobody else.
"""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step
from gossip.core.entry import Entry

ALIASES = 32


def _selves(scene: Scene) -> list[Entry]:
    return [Entry(alias, scene.own.timestamp, at % 10) for at, alias in enumerate(scene.aliases)]


def _answer(scene: Scene) -> Iterator[Step]:
    yield scene.tell(_selves(scene))


SYBIL_LISTENING = Attack(
    f"be {ALIASES} members more, that name only each other",
    _answer,
    lambda scene: scene.reply(_selves(scene)),
    ALIASES,
)
