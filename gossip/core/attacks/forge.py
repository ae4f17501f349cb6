"""Wrong digits of all others, each just new enough to beat what its owner said."""

from __future__ import annotations

from gossip.core.attacks.scene import Scene, lying
from gossip.core.entry import Entry


def wrong(scene: Scene, state: int) -> int:
    """Return any digit but this one."""
    return (state + 1 + int(9 * scene.rng.random())) % 10


def _lies(scene: Scene) -> list[Entry]:
    latest = scene.latest
    return [
        Entry(address, timestamp + 1 if timestamp < latest else latest, wrong(scene, state))
        for address, timestamp, state in scene.targets
    ]


FORGE = lying("give others wrong digits that just beat their own", _lies)
