"""A node's own clocks, as wrong as those of real machines."""

from __future__ import annotations

from gossip.core.instant import Instant

EPOCH = 1_700_000_000.0  # Unix seconds at virtual time 0


class Clock:
    """Both clocks run fast by `drift` (a share), and the wall clock is off by `offset_s` seconds."""

    def __init__(self, offset_s: float = 0.0, drift: float = 0.0) -> None:
        self.offset_s = offset_s
        self._rate = 1.0 + drift
        self._mono = 0.0

    def at(self, now: float, mono: float = 0.0) -> Instant:
        """Return the moment that a node reads at the virtual time `now`, `mono` at the earliest.

        A timer for a monotonic time must not ring a rounding error too early: it would be set for ever.
        """
        local = now * self._rate
        self._mono = max(self._mono, local, mono)
        return Instant(EPOCH + self.offset_s + local, self._mono)

    def when(self, mono: float) -> float:
        """Return the virtual time at which the monotonic clock shows `mono`."""
        return mono / self._rate
