"""Wrong digits of all others, stamped as far ahead as is still taken: nothing newer can come for as long."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.forge import wrong
from gossip.core.attacks.scene import Attack, Scene, Step
from gossip.core.entry import Entry


def _lies(scene: Scene) -> Iterator[Entry]:
    # Further ahead than an owner may refute (half of the skew): it has to wait for its clock.
    return (Entry(entry.address, scene.latest, wrong(scene, entry.state)) for entry in scene.targets)


def _answer(scene: Scene) -> Iterator[Step]:
    yield scene.tell(_lies(scene))


def _reply(scene: Scene) -> bytes:
    return scene.reply(_lies(scene))


FUTURE = Attack("give others wrong digits, as far ahead in time as is taken", _answer, _reply)
