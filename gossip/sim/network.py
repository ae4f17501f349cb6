"""The network: how long bytes take, what is lost, and who cannot reach whom."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from random import Random
from zlib import crc32

from gossip.core.address import Address
from gossip.sim.scenario import Links

_WHOLE = 2**32


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Nodes that no others reach; unless it is one way, they reach no others either."""

    side: Container[Address]
    one_way: bool = False

    def divides(self, caller: Address, peer: Address) -> bool:
        """Tell whether it keeps a caller from its peer."""
        inside, outside = caller in self.side, peer not in self.side
        return inside == outside if not self.one_way else not inside and not outside


class Network:
    """Every link is as `links` says, and worse where a fault says so. All draws come from `rng`."""

    def __init__(self, links: Links, rng: Random) -> None:
        self.links = links
        self.cuts: list[Cut] = []
        self.extra_s: dict[Address, float] = {}  # by sender
        self.bytes_per_s: dict[Address, int] = {}
        self.healed_at = float("-inf")  # virtual time; when somebody was last cut off no longer
        self._rng = rng
        self._salt = rng.getrandbits(32)

    def delay_s(self, sender: Address, receiver: Address) -> float:
        """Draw how long the next bytes take."""
        links = self.links
        drawn = self._rng.random()
        if links.delay == "long_tail":
            drawn *= drawn * drawn * drawn * drawn
        delay = links.delay_low_s + drawn * (links.delay_high_s - links.delay_low_s)
        return delay + self.extra_s.get(sender, 0.0) if self.extra_s else delay

    def is_lost(self, share: float) -> bool:
        """Draw whether one of the `share` that is lost is this one."""
        return share > 0 and self._rng.random() < share

    def somewhere_in(self, size: int) -> int:
        """Draw after how many of `size` bytes a table is cut."""
        return self._rng.randrange(size + 1)

    def is_cut(self, caller: Address, peer: Address) -> bool:
        """Tell whether a caller's connection to a peer goes nowhere now."""
        if any(cut.divides(caller, peer) for cut in self.cuts):
            return True
        if not self.links.one_way:
            return False
        pair = f"{self._salt} {caller} {peer}".encode()
        return crc32(pair) < self.links.one_way * _WHOLE

    def speed(self, one: Address, other: Address) -> int | None:
        """Return the bytes a second between two nodes, None for no limit."""
        if not self.bytes_per_s:
            return None
        speeds = [self.bytes_per_s[node] for node in (one, other) if node in self.bytes_per_s]
        return min(speeds, default=None)

    def heal(self, now: float) -> None:
        """End every fault and every loss; delays stay."""
        self.healed_at = now
        links = self.links
        self.links = Links(links.delay, links.delay_low_s, links.delay_high_s)
        self.cuts.clear()
        self.extra_s.clear()
        self.bytes_per_s.clear()
