"""When the next pull is due: at once in a closed loop, at fixed times in an open one.

In an open loop a pull is timed from when it was due, not from when a client came round to it: a target
that stalls cannot hide the pulls that would have been made meanwhile («coordinated omission»).
"""

from __future__ import annotations

from time import monotonic

import gevent

LATE_S = 0.01


class Pace:
    """Hands out the pulls of one load, to all its clients.

    `woke_late` counts pulls that a free client started late (this process was too busy), `found_late`
    those for which no client was free when they were due.
    """

    def __init__(self, pulls: int | None, duration_s: float | None, rate: float | None) -> None:
        self._pulls = pulls
        self._duration_s = duration_s
        self._rate = rate
        self._began = self._ends = 0.0
        self.taken = 0
        self.woke_late = 0
        self.found_late = 0
        self.begin()

    def begin(self) -> None:
        """Count time from now on."""
        self._began = monotonic()
        self._ends = self._began + (self._duration_s or float("inf"))

    def next_due(self) -> float | None:
        """Return when the next pull is due, once that time has come, or None when all are done."""
        now = monotonic()
        if (self._pulls is not None and self.taken >= self._pulls) or now >= self._ends:
            return None
        due = now if self._rate is None else self._began + self.taken / self._rate
        if due >= self._ends:
            return None
        self.taken += 1
        if due > now:
            while (left_s := due - monotonic()) > 0:  # a timer may be a little early
                gevent.sleep(left_s)
            self.woke_late += monotonic() > due + LATE_S
        else:
            self.found_late += now > due + LATE_S
        return due

    def missed(self) -> int:
        """Return how many pulls were due by now, or before the end, and never started."""
        if self._rate is None:
            return 0
        due = int((min(monotonic(), self._ends) - self._began) * self._rate)
        return max(0, (due if self._pulls is None else min(due, self._pulls)) - self.taken)
