"""The same wrong digits of all others, stamped now in every answer: no change of theirs ever lasts."""

from __future__ import annotations

from gossip.core.attacks.scene import Scene, lying
from gossip.core.entry import Entry


def _lies(scene: Scene) -> list[Entry]:
    # From the digits of when it began: the node itself may believe its lies by now.
    states = {entry.address: entry.state for entry in scene.before}
    return [
        Entry(address, max(scene.now, timestamp), (states.get(address, state) + 1) % 10)
        for address, timestamp, state in scene.targets
    ]


FREEZE = lying("give others the same wrong digits, stamped now each time", _lies)
