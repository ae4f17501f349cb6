"""Virtual time: one heap of moments."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count


class Timeline:
    """What is to happen, by virtual time in seconds; at the same time, in the order it was asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, when: float, what: Callable[[], None]) -> int:
        """Do something at a virtual time, now if that is over; return a number that no other call returns."""
        number = next(self._order)
        heapq.heappush(self._heap, (max(when, self.now), number, what))
        return number

    def run_until(self, when: float) -> None:
        """Let everything happen up to a virtual time."""
        heap = self._heap
        while heap and heap[0][0] <= when:
            self.now, _, what = heapq.heappop(heap)
            what()
        self.now = when
