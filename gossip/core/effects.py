"""Orders: what the core asks its interpreter (the daemon, the simulator) to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gossip.core.address import Address
from gossip.core.events import Event
from gossip.core.purpose import Purpose as Purpose


class Timer(StrEnum):
    """The timers of a node; setting one again replaces it."""

    ROUND = "round"
    CHECKS = "checks"


@dataclass(frozen=True, slots=True)
class Pull:
    """Pull the table of `peer`, then call `handle_table` or `handle_failure`, exactly once."""

    peer: Address
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Schedule:
    """Call `handle_timer(timer)` at `at`, in seconds of the monotonic clock."""

    timer: Timer
    at: float


@dataclass(frozen=True, slots=True)
class Join:
    """Resolve the names of `node.join` and call `handle_join` with what they stand for now."""


@dataclass(frozen=True, slots=True)
class SendReply:
    """Send a reply on the connection of the pull from `peer` whose table was just handled."""

    peer: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class SaveSnapshot:
    """Ask `Node.snapshot` and keep it; `urgent`: before anything more is sent to anybody."""

    urgent: bool


@dataclass(frozen=True, slots=True)
class AnswerAt:
    """Answer callers at these further addresses from now on, and at no others: an adversary's aliases."""

    addresses: tuple[Address, ...]


Effect = Pull | Schedule | Join | SendReply | SaveSnapshot | AnswerAt


@dataclass(slots=True)
class Output:
    """What a handler returns: orders to carry out and facts to tell, each in order."""

    effects: list[Effect] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
