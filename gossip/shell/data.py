"""What the shell shows, as data for scripts: what `--json` prints.

One JSON value on one line of printable ASCII. Names keep their meaning; `_s` is seconds, a `timestamp` Unix
seconds, and what is not known is null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.provenance import Record
from gossip.core.views import BlacklistView, JoinReport, MemberView, SettingView, Status, Story, Tuned

Fields = dict[str, Any]


def line(value: Fields | Sequence[Fields]) -> str:
    """Write a value as one line of JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).replace("\x7f", "\\u007f")


def is_data(shown: str) -> bool:
    """Tell whether a line is one that `line` wrote; an IPv6 address begins with a bracket, too."""
    return shown.startswith(("{", "[{")) or shown == "[]"


def entry(own: Entry) -> Fields:
    """Return what a node says of itself."""
    return {"address": str(own.address), "state": own.state, "timestamp": own.timestamp}


def member(view: MemberView) -> Fields:
    """Return a row of `members`."""
    return {
        **entry(view.entry),
        "age_s": seconds(view.age_s),
        "contact_s": None if view.is_own else seconds(view.contact_s),
        "round_trip_s": seconds(view.took_s),
        "learned_from": view.learned_from or None,
        "failures": view.failures,
        "is_own": view.is_own,
        "blacklisted": view.blacklisted or None,
        "strikes": view.strikes,
        "distrusted_s": seconds(view.distrusted_s),
    }


def blacklisted(row: BlacklistView) -> Fields:
    """Return a row of `blacklist`; `retry_in_s` is null for an address blocked by hand."""
    return {
        "address": str(row.address),
        "reason": row.reason,
        "since_s": seconds(row.since_s),
        "retry_in_s": seconds(row.retry_in_s),
        "retries": row.retries,
        "state": row.last.entry.state if row.last is not None else None,
    }


def story(told: Story) -> Fields:
    """Return what `explain` tells."""
    return {
        "address": str(told.address),
        "member": None if told.member is None else member(told.member),
        "blacklisted": None if told.blacklisted is None else blacklisted(told.blacklisted),
        "records": [_record(record) for record in told.records],
    }


def _record(record: Record) -> Fields:
    return {
        "first_timestamp": record.first,
        "last_timestamp": record.last,
        "count": record.count,
        "what": record.what,
        "source": record.source or None,
        "detail": record.detail or None,
    }


def status(now: Status) -> Fields:
    """Return what `status` tells; `strategy` is null for an honest node."""
    return {
        **entry(now.own),
        "members": now.members,
        "blacklisted": now.blacklisted,
        "strategy": now.strategy,
        "round": now.round,
        "trust": now.trust,
    }


def join_report(report: JoinReport) -> Fields:
    """Return what a join found; `failure` is null when the node answered."""
    return {
        "address": str(report.address),
        "failure": report.failure,
        "state": None if report.entry is None else report.entry.state,
        "entries": report.entries,
        "is_member": report.is_member,
        "is_blacklisted": report.is_blacklisted,
    }


def adversary(strategy: str | None, strategies: Mapping[str, str]) -> Fields:
    """Return how the node lies, null when it is honest, and how it could."""
    known = [{"name": name, "summary": summary} for name, summary in strategies.items()]
    return {"strategy": strategy, "strategies": known}


def blocked(address: Address, *, is_blocked: bool, is_changed: bool) -> Fields:
    """Return what `block` or `unblock` did."""
    return {"address": str(address), "is_blocked": is_blocked, "is_changed": is_changed}


def setting(view: SettingView) -> Fields:
    """Return a row of `set`; `choices` is null where there are too many to list."""
    return {
        "setting": view.key,
        "value": view.value,
        "default": view.default,
        "allowed": view.allowed,
        "choices": view.choices or None,
        "needs_restart": view.needs_restart,
    }


def tuned(done: Tuned) -> Fields:
    """Return what was changed, and what is another only after a restart."""
    return {
        "changed": [each._asdict() for each in done.changed],
        "needs_restart": [
            {"setting": key, "value": value, "wanted": wanted} for key, value, wanted in done.waiting
        ],
    }


def seconds(value: float | None) -> float | None:
    """Round to milliseconds; None for what is not known, or for ever."""
    return None if value is None or not math.isfinite(value) else round(value, 3)
