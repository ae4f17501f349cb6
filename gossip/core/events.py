"""Facts in the past tense: what the core tells the log, the metrics and the shell.

The name of an event in the log is its class's name in snake_case; its fields are the event's own.
`level` is the level it is logged at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gossip.core.address import Address
from gossip.core.levels import Level
from gossip.core.purpose import Purpose
from gossip.core.reply import ReplyProblem
from gossip.core.wire import End, Reason

Misdeed = Literal["rejected_lines", "false_hints"]
Distrust = Literal["not_trusted", "disproved_before"]
FIRST_HAND = "first-hand"  # the `source` of what a member said of itself


@dataclass(frozen=True, slots=True)
class Event:
    """A fact; the base of all events."""

    level: ClassVar[Level] = "info"


@dataclass(frozen=True, slots=True)
class PullFinished(Event):
    """A peer answered. `lines` were read; `taken` entries changed what is believed here."""

    peer: Address
    purpose: Purpose
    duration_ms: float
    bytes: int
    lines: int
    taken: int
    rejected: dict[Reason, int]
    end: End
    sample: str | None = None  # the first rejected line, escaped and cut


@dataclass(frozen=True, slots=True)
class PullFailed(Event):
    """A pull ended before a line was read; `failures` is the count in a row, for a member."""

    level: ClassVar[Level] = "warning"
    peer: Address
    purpose: Purpose
    duration_ms: float
    bytes: int
    reason: str
    failures: int
    detail: str | None = None  # what a person can act on, where a reason is not enough


@dataclass(frozen=True, slots=True)
class MemberAdded(Event):
    """A node was admitted, on its own word."""

    member: Address
    state: int
    timestamp: int
    source: str


@dataclass(frozen=True, slots=True)
class StateChanged(Event):
    """A member's entry was replaced and its state is another; `source` said so."""

    member: Address
    previous: int
    state: int
    timestamp: int
    source: str


@dataclass(frozen=True, slots=True)
class EntryRestamped(Event):
    """A member said the same state again, with another timestamp."""

    level: ClassVar[Level] = "debug"
    member: Address
    state: int
    timestamp: int
    source: str


@dataclass(frozen=True, slots=True)
class OwnStateSet(Event):
    """This node's user set its state."""

    previous: int
    state: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class OwnEntryRefuted(Event):
    """A peer held an entry for this node that beats its own; the own state was stamped anew."""

    level: ClassVar[Level] = "warning"
    peer: Address
    seen_timestamp: int
    seen_state: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class CandidateHeard(Event):
    """An unknown address was mentioned and will be pulled from."""

    level: ClassVar[Level] = "debug"
    candidate: Address
    source: str


@dataclass(frozen=True, slots=True)
class CandidateRefused(Event):
    """A candidate was not admitted."""

    candidate: Address
    reason: str


@dataclass(frozen=True, slots=True)
class HintHeard(Event):
    """A peer holds a newer entry of a member, which will be asked itself."""

    level: ClassVar[Level] = "debug"
    member: Address
    source: str
    timestamp: int
    state: int


@dataclass(frozen=True, slots=True)
class HintIgnored(Event):
    """A hint was not worth a check, for a reason that its source gave."""

    level: ClassVar[Level] = "debug"
    member: Address
    source: Address
    reason: Distrust


@dataclass(frozen=True, slots=True)
class SuspicionHeard(Event):
    """A peer's pull from a member failed; the member is checked soon."""

    level: ClassVar[Level] = "debug"
    member: Address
    source: Address


@dataclass(frozen=True, slots=True)
class LeavingHeard(Event):
    """A member said that it is shutting down; it is checked soon."""

    member: Address


@dataclass(frozen=True, slots=True)
class ReplyRead(Event):
    """A caller said something after it had read the table."""

    level: ClassVar[Level] = "debug"
    peer: Address
    bytes: int
    lines: int
    rejected: dict[Reason, int]
    suspects: int
    leaving: bool


@dataclass(frozen=True, slots=True)
class ReplyRefused(Event):
    """A caller's reply was refused whole; `caller` is the IP that it came from."""

    level: ClassVar[Level] = "warning"
    caller: str
    reason: ReplyProblem
    bytes: int


@dataclass(frozen=True, slots=True)
class ClusterMismatch(Event):
    """A peer is of another cluster, or of none; told once per peer and minute."""

    level: ClassVar[Level] = "warning"
    peer: Address
    theirs: str
    ours: str


@dataclass(frozen=True, slots=True)
class HintDisproved(Event):
    """A member's own word was older than what `source` had said of it: false or stale."""

    level: ClassVar[Level] = "warning"
    member: Address
    source: Address
    timestamp: int
    state: int


@dataclass(frozen=True, slots=True)
class StrikeGiven(Event):
    """A peer misbehaved; `strikes` are held against it now."""

    level: ClassVar[Level] = "warning"
    peer: Address
    reason: Misdeed
    strikes: int


@dataclass(frozen=True, slots=True)
class PeerDistrusted(Event):
    """A peer's hints, those of its tables or those `in_reply`, are ignored for `for_s` seconds."""

    level: ClassVar[Level] = "warning"
    peer: Address
    for_s: float
    in_reply: bool = False


@dataclass(frozen=True, slots=True)
class MemberSuspected(Event):
    """A member's pull failed; it is checked again soon."""

    member: Address
    failures: int


@dataclass(frozen=True, slots=True)
class MemberBlacklisted(Event):
    """A node is not selected, not served and not heard about until a retry succeeds."""

    level: ClassVar[Level] = "warning"
    member: Address
    reason: str
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class RetryFailed(Event):
    """A blacklisted node did not answer a retry as a member must; the back-off doubled."""

    member: Address
    reason: str
    retry_in_s: float


@dataclass(frozen=True, slots=True)
class MemberForgiven(Event):
    """A blacklisted node answered a retry."""

    member: Address
    state: int
    after_s: float


@dataclass(frozen=True, slots=True)
class MemberForgotten(Event):
    """A node had been blacklisted for so long that nothing is kept of it."""

    member: Address


@dataclass(frozen=True, slots=True)
class MemberBlocked(Event):
    """The user blocked an address for good."""

    member: Address


@dataclass(frozen=True, slots=True)
class MemberUnblocked(Event):
    """The user took an address off the blacklist."""

    member: Address


@dataclass(frozen=True, slots=True)
class AdversarySet(Event):
    """Adversarial gossip was switched; `strategy` is None when the node answers honestly."""

    level: ClassVar[Level] = "warning"
    strategy: str | None


@dataclass(frozen=True, slots=True)
class SettingChanged(Event):
    """A setting has another value from now on."""

    setting: str
    previous: object
    value: object
