"""What an adversarial strategy is given and what it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from gossip.core.entry import Entry

Step = bytes | float  # bytes to send, or seconds to wait


@dataclass(frozen=True, slots=True)
class Scene:
    """The honest table, the caller's IP, the time in Unix seconds, and a seeded generator."""

    own: Entry
    table: bytes
    caller: str
    wall: float
    rng: Random


Strategy = Callable[[Scene], Iterator[Step]]
