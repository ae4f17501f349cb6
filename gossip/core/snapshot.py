"""What a node keeps across restarts."""

from __future__ import annotations

from dataclasses import dataclass

from gossip.core.address import Address
from gossip.core.beliefs import Beliefs
from gossip.core.blacklist import Blacklisted
from gossip.core.entry import Entry
from gossip.core.instant import Instant


@dataclass(frozen=True, slots=True)
class KeptMember:
    """A member: what was last believed of it, and where it was learned."""

    entry: Entry
    source: str


@dataclass(frozen=True, slots=True)
class KeptBlacklisted:
    """A blacklisted address; `since` and `retry_at` are Unix seconds, None for one blocked by hand."""

    address: Address
    reason: str
    since: float
    retry_at: float | None
    retries: int
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Members, blacklist, and a timestamp that no own entry given out so far exceeds."""

    address: Address
    last_timestamp: int
    members: tuple[KeptMember, ...]
    blacklist: tuple[KeptBlacklisted, ...]


def take(beliefs: Beliefs, ceiling: int, now: Instant) -> Snapshot:
    """Return what is to be kept; `ceiling` is a timestamp that no own entry exceeds."""
    to_wall = now.wall - now.mono
    return Snapshot(
        address=beliefs.table.own.address,
        last_timestamp=ceiling,
        members=tuple(
            KeptMember(member.entry, member.source)
            for member in (beliefs.table.get(address) for address in beliefs.table)
            if member is not None
        ),
        blacklist=tuple(
            KeptBlacklisted(
                record.address,
                record.reason,
                record.since + to_wall,
                None if record.retry_at is None else record.retry_at + to_wall,
                record.retries,
                record.entry,
            )
            for record in beliefs.blacklist
        ),
    )


def restore(beliefs: Beliefs, kept: Snapshot, now: Instant) -> None:
    """Put back what was kept; a retry that was due while the node was down is due now."""
    to_mono = now.mono - now.wall
    for record in kept.blacklist:
        beliefs.blacklist.put(
            Blacklisted(
                record.address,
                record.reason,
                min(now.mono, record.since + to_mono),
                None if record.retry_at is None else record.retry_at + to_mono,
                record.entry,
                record.retries,
            )
        )
    for member in kept.members:
        address = member.entry.address
        if address != beliefs.table.own.address and address not in beliefs.blacklist:
            beliefs.table.put(member.entry, member.source, now.mono)
