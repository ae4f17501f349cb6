"""The dead among the living, with states set just now."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.scene import Attack, Scene, Step
from gossip.core.entry import Entry


def _raised(scene: Scene) -> list[Entry]:
    return [Entry(entry.address, max(scene.now, entry.timestamp), entry.state) for entry in scene.dead]


def _answer(scene: Scene) -> Iterator[Step]:
    yield scene.tell([*_raised(scene), *scene.others])


def _reply(scene: Scene) -> bytes:
    return scene.reply(_raised(scene))


RESURRECT = Attack("list the blacklisted as alive", _answer, _reply)
