"""When to ask for what `node.join` names, and whom of it to pull from.

Until somebody there has answered, in every round. Then now and then for those that are still unknown: the
first to answer may be a liar, or stand in a small part of the cluster that knows of nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from gossip.core.address import Address
from gossip.core.beliefs import Beliefs
from gossip.core.instant import Instant
from gossip.core.settings import Settings


class Joining:
    """Whether this node has joined, and when it tries the rest of `node.join` again."""

    def __init__(self, settings: Settings, beliefs: Beliefs, now: Instant) -> None:
        self._names: tuple[str, ...] = ()
        self.use(settings)
        self._beliefs = beliefs
        self._answered = len(beliefs.table) > 0
        self._wait(self._interval_s, now.mono)

    def use(self, settings: Settings) -> None:
        """Go by these settings from now on; other names are asked for in the next round."""
        self._interval_s = settings.gossip.interval_s
        self._wait_max_s = max(settings.blacklist.blacklist_max_s, self._interval_s)
        if settings.node.join != self._names:
            self._names = settings.node.join
            self._wait(self._interval_s / 2, -inf)

    def begin_round(self, mono: float) -> bool:
        """Tell whether to ask for the names now; once joined, after waits that double."""
        if not self._names:
            return False
        if not self._has_joined():
            self._wait(self._interval_s, mono)
            return True
        is_over = mono >= self._again_at
        if is_over:
            self._wait(min(2 * self._wait_s, self._wait_max_s), mono)
        return is_over

    def answered(self) -> None:
        """Note that somebody who was asked to join through has answered."""
        self._answered = True

    def whom(self, addresses: Sequence[Address]) -> list[Address]:
        """Return whom to pull from of what the names stand for: all, or once joined those yet unknown.

        Who is blacklisted is then tried again by the blacklist's rules.
        """
        table, blacklist = self._beliefs.table, self._beliefs.blacklist
        if not self._has_joined():
            # Who is told to join only itself has nobody to wait for.
            self._answered = set(addresses) == {table.own.address}
            return list(dict.fromkeys(addresses))
        return [each for each in dict.fromkeys(addresses) if each not in table and each not in blacklist]

    def _has_joined(self) -> bool:
        """Tell whether one of `node.join` has answered and there are members.

        That somebody else called first is not enough: two halves of a cluster would never meet.
        """
        return self._answered and len(self._beliefs.table) > 0

    def _wait(self, wait_s: float, mono: float) -> None:
        self._wait_s, self._again_at = wait_s, mono + wait_s
