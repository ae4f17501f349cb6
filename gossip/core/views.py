"""What a node shows of itself: plain values for the shell, the log and the tests."""

from __future__ import annotations

from dataclasses import dataclass

from gossip.core.address import Address
from gossip.core.entry import Entry


@dataclass(frozen=True, slots=True)
class MemberView:
    """One row of `members`. Times are seconds before now; `contact_s` is None before the first contact."""

    entry: Entry
    is_own: bool
    age_s: float
    contact_s: float | None
    learned_from: str
    failures: int


@dataclass(frozen=True, slots=True)
class BlacklistView:
    """One row of `blacklist`; `retry_in_s` is None for an address blocked by hand."""

    address: Address
    reason: str
    since_s: float
    retry_in_s: float | None
    retries: int


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
class JoinReport:
    """What a pull from an address that the user named found; `failure` is None when it answered."""

    address: Address
    failure: str | None
    entry: Entry | None
    entries: int
    is_member: bool
    is_blacklisted: bool = False
