"""Wrong digits of all others with the largest timestamp that parses: whoever takes it keeps it for ever."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.forge import wrong
from gossip.core.attacks.scene import Attack, Scene, Step
from gossip.core.entry import Entry

LARGEST = 999_999_999_999


def _lies(scene: Scene) -> Iterator[Entry]:
    return (Entry(entry.address, LARGEST, wrong(scene, entry.state)) for entry in scene.targets)


def _answer(scene: Scene) -> Iterator[Step]:
    # The honest lines keep the rejected from being most, which would be a strike; newest-wins takes the lies.
    yield scene.tell([*scene.others, *_lies(scene)])


def _reply(scene: Scene) -> bytes:
    return scene.reply(_lies(scene))


MAX = Attack("give others wrong digits with the largest timestamp", _answer, _reply)
