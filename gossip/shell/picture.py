"""A node at one moment, as data: what `watch` shows, and what goes over the control socket for it.

As in `data.py`, `_s` is seconds, a `timestamp` Unix seconds, and what is not known is null.
"""

from __future__ import annotations

from itertools import chain

import msgspec

from gossip.core.views import BlacklistView, ConvergenceView, MemberView
from gossip.shell.console import Console
from gossip.shell.data import seconds


class Row(msgspec.Struct, frozen=True):
    """A member; or, where `blacklisted` says why, one that is none: `retry_in_s` is null if by hand."""

    address: str
    state: int | None
    age_s: float | None
    contact_s: float | None
    round_trip_s: float | None
    failures: int
    is_own: bool = False
    blacklisted: str | None = None
    retry_in_s: float | None = None
    strikes: int = 0
    distrusted_s: float | None = None


class Spread(msgspec.Struct, frozen=True):
    """How far the last change is known to have come; `took_s` is null while not all are known to have it."""

    address: str
    state: int
    timestamp: int
    since_s: float
    known: int
    members: int
    took_s: float | None


class Picture(msgspec.Struct, frozen=True):
    """A node, its members (itself first, then by address), the blacklisted, and the last change."""

    address: str
    state: int
    members: int
    blacklisted: int
    strategy: str | None
    round: int
    trust: str
    rows: tuple[Row, ...]
    convergence: Spread | None


def take(console: Console) -> Picture:
    """Take the picture of a node now."""
    status, convergence = console.status(), console.convergence()
    return Picture(
        str(status.own.address),
        status.own.state,
        status.members,
        status.blacklisted,
        status.strategy,
        status.round,
        status.trust,
        tuple(chain(map(_member, console.members()), map(_blacklisted, console.blacklist()))),
        None if convergence is None else _spread(convergence),
    )


def _member(view: MemberView) -> Row:
    return Row(
        str(view.entry.address),
        view.entry.state,
        seconds(view.age_s),
        None if view.is_own else seconds(view.contact_s),
        seconds(view.took_s),
        view.failures,
        view.is_own,
        strikes=view.strikes,
        distrusted_s=seconds(view.distrusted_s),
    )


def _blacklisted(row: BlacklistView) -> Row:
    state, age_s = (None, None) if row.last is None else (row.last.entry.state, row.last.age_s)
    retry_in_s = seconds(row.retry_in_s)
    return Row(
        str(row.address), state, seconds(age_s), None, None, 0, blacklisted=row.reason, retry_in_s=retry_in_s
    )


def _spread(view: ConvergenceView) -> Spread:
    return Spread(
        str(view.subject),
        view.state,
        view.timestamp,
        round(view.since_s, 3),
        view.known,
        view.members,
        seconds(view.took_s),
    )
