"""The adversarial answers: what a node sends instead of its table when it is told to.

A strategy is a pure function from what the node knows (a Scene) to the bytes it sends over time.
To add one, write it in a file of its own here and name it in STRATEGIES.
"""

from __future__ import annotations

from gossip.core.attacks.garbage import garbage
from gossip.core.attacks.scene import Scene, Step, Strategy

__all__ = ["STRATEGIES", "Scene", "Step", "Strategy"]

STRATEGIES: dict[str, Strategy] = {"garbage": garbage}
