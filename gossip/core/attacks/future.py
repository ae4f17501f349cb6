"""Wrong digits of all others, stamped as far ahead as is still taken: nothing newer can come for as long."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.attacks.forge import wrong
from gossip.core.attacks.scene import Scene, lying
from gossip.core.entry import Entry


def _lies(scene: Scene) -> Iterator[Entry]:
    # Further ahead than an owner may refute (half of the skew): it has to wait for its clock.
    return (Entry(entry.address, scene.latest, wrong(scene, entry.state)) for entry in scene.targets)


FUTURE = lying("give others wrong digits, as far ahead in time as is taken", _lies)
