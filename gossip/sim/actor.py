"""A node on the stage: the production one, its clock, and what the world keeps of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gossip.core.address import Address
from gossip.core.effects import Timer
from gossip.core.node import Node
from gossip.core.settings import Settings
from gossip.core.snapshot import Snapshot
from gossip.sim.clock import Clock


@dataclass(slots=True, eq=False)
class Actor:
    """A node in the world. One that is down refuses connections, or swallows them when it is `silent`.

    `kept` is what its data folder holds. `life` counts its starts: what was under way ends with a life.
    """

    address: Address
    node: Node
    settings: Settings
    clock: Clock
    alive: bool = True
    silent: bool = False
    life: int = 1
    up_since: float = 0.0  # virtual time
    kept: Snapshot | None = None
    save_due: bool = False
    pulls: int = 0  # connections that reached it
    open: int = 0  # its own pulls under way
    timers: dict[Timer, int] = field(default_factory=dict)
    also_at: tuple[Address, ...] = ()
