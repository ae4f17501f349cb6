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

    def add(self, address: Address) -> None:
        """Let a new member be dealt in this permutation already, at a random place."""
        if address not in self._left:
            self._left.insert(self._rng.randint(0, len(self._left)), address)

    def next(self, live: Collection[Address], free: Callable[[Address], bool]) -> Address | None:
        """Deal the next member that is live and free, or None when there is none.

        A member that is live but not free (a pull from it is open) keeps its place.
        """
        for _ in range(2):
            for index in range(len(self._left) - 1, -1, -1):
                address = self._left[index]
                if address not in live:
                    del self._left[index]
                elif free(address):
                    del self._left[index]
                    return address
            held_back = set(self._left)
            fresh = [address for address in live if address not in held_back]
            self._rng.shuffle(fresh)
            self._left += fresh
        return None
