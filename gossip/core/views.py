"""What a node shows of itself: plain values for the shell, the log and the tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gossip.core.address import Address
from gossip.core.beliefs import Beliefs
from gossip.core.entry import Entry
from gossip.core.events import PullFailed, PullFinished
from gossip.core.inspection import Inspection
from gossip.core.instant import Instant
from gossip.core.provenance import Record
from gossip.core.settings import Difference


@dataclass(frozen=True, slots=True)
class MemberView:
    """One row of `members`. Times are seconds before now; `contact_s` is None before the first contact.

    `blacklisted` is why, for one that is no member any more. `took_s` is how many seconds its last pull that
    it answered took, None where there was none yet. `distrusted_s` is for how many seconds more its hints are
    ignored, None where they are not.
    """

    entry: Entry
    is_own: bool
    age_s: float
    contact_s: float | None
    learned_from: str
    failures: int
    blacklisted: str = ""
    took_s: float | None = None
    strikes: int = 0
    distrusted_s: float | None = None


@dataclass(frozen=True, slots=True)
class BlacklistView:
    """One row of `blacklist`; `retry_in_s` is None for an address blocked by hand.

    `last` is the member that it was, or None.
    """

    address: Address
    reason: str
    since_s: float
    retry_in_s: float | None
    retries: int
    last: MemberView | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The node in one line. `members` counts the node itself; `strategy` is None when it is honest."""

    own: Entry
    round: int
    members: int
    blacklisted: int
    strategy: str | None
    trust: str


@dataclass(frozen=True, slots=True)
class ConvergenceView:
    """How far the last change of a state has come: `known` of `members` are known to have it.

    `since_s` is seconds since this node learned of it; `took_s` is how many seconds it took until all were
    known to have it, None while they are not.
    """

    subject: Address
    state: int
    timestamp: int
    since_s: float
    known: int
    members: int
    took_s: float | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """How much there is of what `Status` does not count.

    `table_bytes` is the table's size as last rendered; `callers` are held now, `accepted` since the start.
    """

    suspects: int
    blocked: int
    open_pulls: int
    checks_waiting: int
    table_bytes: int
    callers: int
    accepted: int


@dataclass(frozen=True, slots=True)
class JoinReport:
    """What a pull from an address that the user named found; `failure` is None when it answered."""

    address: Address
    failure: str | None
    entry: Entry | None
    entries: int
    is_member: bool
    is_blacklisted: bool = False


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting; `allowed` says in words what it may be, `choices` are all values where there are few.

    `instead` is the command that does at once what a restart would.
    """

    key: str
    value: object
    default: object
    allowed: str
    choices: tuple[str, ...]
    needs_restart: bool
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of changing settings: a `problem`, and nothing changed, or what did and what needs a restart.

    `is_misuse`: no node could change settings so.
    """

    changed: tuple[Difference, ...] = ()
    waiting: tuple[Difference, ...] = ()
    problem: str = ""
    is_misuse: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A table that was read to look at it. `failure` is None when it was read, and then `inspection` is not.

    `bytes` were read in `duration_ms`; `end` is how the reading ended.
    """

    address: Address
    duration_ms: float
    bytes: int
    failure: str | None = None
    end: str = ""
    inspection: Inspection | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of an address: what `explain` tells.

    `member` and `blacklisted` are its rows in those listings; `records` is what happened, oldest first;
    `wall` is now, in Unix seconds.
    """

    address: Address
    member: MemberView | None
    blacklisted: BlacklistView | None
    records: tuple[Record, ...]
    wall: float


def join_report(finished: PullFinished | PullFailed, entry: Entry | None, is_blacklisted: bool) -> JoinReport:
    """Return what the pull of a join found, given what is believed of its peer now."""
    if isinstance(finished, PullFailed):
        failure = f"{finished.reason}: {finished.detail}" if finished.detail else finished.reason
        return JoinReport(finished.peer, failure, entry, 0, entry is not None, is_blacklisted)
    entries = finished.lines - sum(finished.rejected.values())
    return JoinReport(finished.peer, None, entry, entries, entry is not None, is_blacklisted)


def members_of(beliefs: Beliefs, now: Instant) -> list[MemberView]:
    """Return all members: the node itself first, then by address."""
    own = beliefs.table.own
    others = (member_of(beliefs, address, now) for address in sorted(beliefs.table, key=lambda a: a.sort_key))
    return [own_view(own, now), *(view for view in others if view is not None)]


def own_view(own: Entry, now: Instant) -> MemberView:
    """Return the node's own row."""
    return MemberView(own, True, max(0.0, now.wall - own.timestamp), 0.0, "self", 0)


def member_of(beliefs: Beliefs, address: Address, now: Instant) -> MemberView | None:
    """Return a member's row, or None."""
    member = beliefs.table.get(address)
    if member is None:
        return None
    contact_s = None if member.contacted is None else now.mono - member.contacted
    age_s = max(0.0, now.wall - member.entry.timestamp)
    strikes, distrusted_s = beliefs.reputation.standing(address, now.mono)
    return MemberView(
        member.entry,
        False,
        age_s,
        contact_s,
        member.source,
        member.failures,
        took_s=member.took_s,
        strikes=strikes,
        distrusted_s=distrusted_s,
    )


def blacklist_of(beliefs: Beliefs, now: Instant) -> list[BlacklistView]:
    """Return the blacklisted and the blocked, by address."""
    records = sorted(beliefs.blacklist, key=lambda record: record.address.sort_key)
    views = (blacklisted_of(beliefs, record.address, now) for record in records)
    return [view for view in views if view is not None]


def blacklisted_of(beliefs: Beliefs, address: Address, now: Instant) -> BlacklistView | None:
    """Return an address's row in the blacklist, or None."""
    record = beliefs.blacklist.get(address)
    if record is None:
        return None
    retry_in_s = None if record.retry_at is None else max(0.0, record.retry_at - now.mono)
    last = None
    if record.entry is not None:
        age_s = max(0.0, now.wall - record.entry.timestamp)
        last = MemberView(record.entry, False, age_s, None, "", 0, record.reason)
    return BlacklistView(address, record.reason, now.mono - record.since, retry_in_s, record.retries, last)


def story_of(beliefs: Beliefs, address: Address, records: Iterable[Record], now: Instant) -> Story:
    """Return what `explain` tells of an address, given what happened."""
    is_own = address == beliefs.table.own.address
    member = own_view(beliefs.table.own, now) if is_own else member_of(beliefs, address, now)
    return Story(address, member, blacklisted_of(beliefs, address, now), tuple(records), now.wall)


def figures_of(beliefs: Beliefs, open_pulls: int, callers: int, accepted: int) -> Figures:
    """Return how much there is of everything; of pulls and callers, what is given."""
    table, waiting = beliefs.table, len(beliefs.attention)
    blocked = sum(record.retry_at is None for record in beliefs.blacklist)
    return Figures(table.suspects, blocked, open_pulls, waiting, table.rendered_bytes, callers, accepted)
