"""Whom to pull from this round: live members in a random permutation."""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random

from gossip.core.address import Address


class Permutation:
    """Deals every live member once before any twice, in random order.

    Each member is visited within a bounded number of rounds, and the next one is still a random
    live member. Never the one pulled longest ago: all nodes would herd on the same.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._left: list[Address] = []
        self._is_left: set[Address] = set()

    def add(self, address: Address) -> None:
        """Let a new member be dealt in this permutation already, at a random place."""
        if address not in self._is_left:
            self._is_left.add(address)
            self._left.append(address)
            place = self._rng.randrange(len(self._left))
            self._left[place], self._left[-1] = self._left[-1], self._left[place]

    def next(self, live: Collection[Address], free: Callable[[Address], bool]) -> Address | None:
        """Deal the next member that is live and free, or None when there is none.

        A member that is live but not free (a pull from it is open) keeps its place.
        """
        for _ in range(2):
            for index in range(len(self._left) - 1, -1, -1):
                address = self._left[index]
                if address not in live:
                    self._take(index)
                elif free(address):
                    return self._take(index)
            fresh = [address for address in live if address not in self._is_left]
            self._rng.shuffle(fresh)
            self._left += fresh
            self._is_left.update(fresh)
        return None

    def _take(self, index: int) -> Address:
        address = self._left.pop(index)
        self._is_left.remove(address)
        return address
