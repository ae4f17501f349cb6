"""How far the last change of a state is known to have come: who was seen to hold it.

Only what was seen counts: the line of the change stood in the last table that was pulled from a member, or in
its reply, or in what led to the check that found the change. A pull costs one look at a set, however long the
table. A liar can claim to hold a change, as it can claim anything, and in a reply also for others at its own
IP: their own tables put that right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.attention import Mention
from gossip.core.entry import Entry
from gossip.core.instant import Instant
from gossip.core.table import Table
from gossip.core.views import ConvergenceView


class Convergence:
    """The last change that this node learned of, its own included, and who is known to have it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._change: Entry | None = None
        self._line = b""
        self._since = 0.0
        self._known: set[Address] = set()  # but this node; those who have left may still be in it
        self._took_s: float | None = None

    def note(self, events: Iterable[ev.Event], now: Instant, claims: Sequence[Mention] = ()) -> None:
        """Begin anew with the last change among these events; `claims` are what peers had said before it."""
        for event in events:
            match event:
                case ev.StateChanged(member, _, state, timestamp):
                    self._begin(Entry(member, timestamp, state), now)
                case ev.OwnStateSet():
                    self._begin(self._table.own, now)
        for claim in claims:
            if claim.source is not None and claim.entry == self._change:
                self._known.add(claim.source)

    def seen(self, peer: Address, lines: Set[bytes], now: Instant, *, whole: bool) -> None:
        """Note that a peer holds these lines; where they are its `whole` table, it holds no other."""
        if self._change is None:
            return
        if self._line in lines or self._stamped_anew() in lines:
            self._known.add(peer)
            self._complete(now)
        elif whole and peer != self._change.address:
            self._known.discard(peer)

    def view(self, now: Instant) -> ConvergenceView | None:
        """Return how far the last change has come; None before the first or without its subject."""
        change = self._change
        if change is None or self._held(change.address) is None:
            return None
        known, members = self._count(), len(self._table) + 1
        took_s = self._took_s if known == members else None
        since_s = now.mono - self._since
        return ConvergenceView(
            change.address, change.state, change.timestamp, since_s, known, members, took_s
        )

    def _begin(self, change: Entry, now: Instant) -> None:
        self._change, self._line, self._since = change, change.line, now.mono
        self._known, self._took_s = {change.address} - {self._table.own.address}, None

    def _complete(self, now: Instant) -> None:
        """Note when all had it for the first time; they are counted only once there are enough of them."""
        surplus = len(self._known) - len(self._table)
        if surplus > 0 or (surplus == 0 and self._took_s is None):
            self._known &= self._table.members
            if self._took_s is None and len(self._known) == len(self._table):
                self._took_s = now.mono - self._since

    def _stamped_anew(self) -> bytes | None:
        """Return the line of the same state that its subject has stamped since, or None."""
        assert self._change is not None
        held = self._held(self._change.address)
        return held.line if held is not None and held.state == self._change.state else None

    def _count(self) -> int:
        return len(self._known & self._table.members) + 1

    def _held(self, subject: Address) -> Entry | None:
        own = self._table.own
        if subject == own.address:
            return own
        member = self._table.get(subject)
        return member.entry if member is not None else None
