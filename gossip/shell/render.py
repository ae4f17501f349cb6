"""What the shell shows, as text: listings, the toolbar, the news; no line holds a control character."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gossip.core import events
from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.provenance import Record
from gossip.core.settings import Difference
from gossip.core.text import count, printable, setting_text
from gossip.core.views import BlacklistView, JoinReport, MemberView, SettingView, Status, Story

_TEXT_MAX = 200  # a reason or a source: more than this is nothing a user reads
_TYPED_MAX = 40  # what was typed, shown back in an error
_SETTING_HEADER = ("setting", "value", "default", "needs")  # a row of all defaults fits 80 columns
_MEMBER_HEADER = ("address", "state", "age", "last contact", "round-trip", "learned from", "health")
_BLACKLIST_HEADER = ("address", "reason", "since", "next retry", "retries")


def shown(text: str) -> str:
    """Escape a reason or a source, and cut it where nobody would read on."""
    return printable(text, _TEXT_MAX)


def typed(text: str) -> str:
    """Show back what a user typed, in an error line."""
    return printable(text, _TYPED_MAX)


def duration(seconds: float | None) -> str:
    """Render seconds in two units at most: `3s`, `2m05s`, `1h02m`, `4d03h`; `never` for None."""
    if seconds is None or not math.isfinite(seconds):
        return "never"
    sign = "-" if seconds <= -1 else ""  # a member's clock may be ahead of ours
    whole = int(abs(seconds))
    if whole < 60:
        return f"{sign}{whole}s"
    minutes, rest_s = divmod(whole, 60)
    if minutes < 60:
        return f"{sign}{minutes}m{rest_s:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{sign}{hours}h{minutes:02}m"
    return f"{sign}{hours // 24}d{hours % 24:02}h"


def round_trip(seconds: float | None) -> str:
    """Render how long a pull took: `12ms`, `1.2s`; `-` for None."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f}ms" if seconds >= 0.001 else "<1ms"
    return f"{seconds:.1f}s"


def state_line(address: Address, state: int) -> str:
    """Render `ip:port --> digit`, the seed's line of a state."""
    return f"{address} --> {state}"


def csv(members: Iterable[MemberView]) -> list[str]:
    """Render the seed's `!`: `ip:port,timestamp,state`, one line a member."""
    return [member.entry.line.decode("ascii") for member in members]


def states(members: Iterable[MemberView]) -> list[str]:
    """Render the seed's `?`: `ip:port --> digit`, one line a member."""
    return [state_line(member.entry.address, member.entry.state) for member in members]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Render rows of the same length as columns two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def member_table(members: Iterable[MemberView]) -> list[str]:
    """Render `members`: a header and one aligned line a member."""
    return aligned([_MEMBER_HEADER, *map(_member_row, members)])


def _member_row(member: MemberView) -> tuple[str, ...]:
    return (
        str(member.entry.address),
        str(member.entry.state),
        duration(member.age_s),
        "-" if member.is_own else duration(member.contact_s),
        round_trip(member.took_s),
        "self" if member.is_own else shown(member.learned_from) or "-",
        _health(member),
    )


def _health(member: MemberView) -> str:
    if member.blacklisted:
        return f"blacklisted: {shown(member.blacklisted)}"
    return (
        f"suspect ({member.failures})" if member.failures else standing(member.strikes, member.distrusted_s)
    )


def standing(strikes: int, distrusted_s: float | None) -> str:
    """Render in a word or two what is held against one that answers; `ok` where nothing is."""
    if distrusted_s is not None:
        return "distrusted"
    return count(strikes, "strike", "strikes") if strikes else "ok"


def blacklist_table(rows: Sequence[BlacklistView]) -> list[str]:
    """Render `blacklist`: a header and one aligned line an address, or one line when it is empty."""
    if not rows:
        return ["the blacklist is empty"]
    return aligned([_BLACKLIST_HEADER, *map(_blacklist_row, rows)])


def _blacklist_row(row: BlacklistView) -> tuple[str, ...]:
    retry = "never (blocked)" if row.retry_in_s is None else duration(max(0.0, row.retry_in_s))
    return (str(row.address), shown(row.reason), duration(row.since_s), retry, str(row.retries))


def story(told: Story) -> list[str]:
    """Render `explain`: what an address is now, then what happened, oldest first."""
    lines = []
    if told.member is not None:
        member = told.member
        held = _held_against(member)
        failed = f"{count(member.failures, 'failed pull', 'failed pulls')} in a row"
        health = failed if member.failures else "answering" if held else "in good health"
        learned = "this node itself" if member.is_own else f"learned from {shown(member.learned_from)}"
        contact = "" if member.is_own else f", last contact {_ago(member.contact_s)}, {health}"
        lines.append(
            f"{state_line(member.entry.address, member.entry.state)}: {held}{learned}, "
            f"state set {_ago(member.age_s)}{contact}"
        )
    if told.blacklisted is not None:
        row = told.blacklisted
        if row.retry_in_s is None:
            lines.append(f"{told.address}: blocked by hand {_ago(row.since_s)}")
        else:
            why = f"{shown(row.reason)}; next retry in {duration(row.retry_in_s)}"
            lines.append(f"{told.address}: blacklisted {_ago(row.since_s)}: {why}")
    if not lines:
        known = "no member, not blacklisted" if told.records else "nothing is known of it"
        lines.append(f"{told.address}: {known}")
    rows = [_story_row(told, record) for record in told.records]
    return lines + ([f"  {line}" for line in aligned(rows)] if rows else [])


def _held_against(member: MemberView) -> str:
    """Render what leads the story of one that lied or misbehaved."""
    parts = [] if member.distrusted_s is None else [f"distrusted for {duration(member.distrusted_s)}"]
    parts += [count(member.strikes, "strike", "strikes")] if member.strikes else []
    return "".join(f"{part}; " for part in parts)


def _story_row(told: Story, record: Record) -> tuple[str, ...]:
    began, ended = _ago(told.wall - record.first), _ago(told.wall - record.last)
    when = began if began == ended else f"{began} to {ended}"
    if record.count > 1:
        when = f"{when}, {record.count} times"
    source = "from itself" if record.source == str(told.address) else f"from {shown(record.source)}"
    detail = shown(record.detail) if record.detail else ""
    return (when, record.what, ", ".join(part for part in (detail, source if record.source else "") if part))


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{duration(seconds)} ago"


def join_report(report: JoinReport) -> str:
    """Render in one line what a join found."""
    if report.failure is not None:
        blacklisted = "; it is blacklisted" if report.is_blacklisted else ""
        return f"{report.address} failed: {shown(report.failure)}{blacklisted}"
    entries = count(report.entries, "entry", "entries")
    if report.entry is None:
        return f"{report.address} answered with {entries} but did not list itself, so it is no member"
    line = state_line(report.address, report.entry.state)
    if not report.is_member:
        return f"{line}: answered with {entries} but was not admitted"
    return f"{line}: a member; its table has {entries}"


def own_line(own: Entry) -> str:
    """Render the own address and state."""
    return state_line(own.address, own.state)


def adversary_line(strategy: str | None) -> str:
    """Render whether the node answers adversarially, and how."""
    return "adversarial gossip off" if strategy is None else f"adversarial gossip on: {shown(strategy)}"


def difference(each: Difference) -> str:
    """Render a setting that has another value now."""
    return f"{each.setting}: {setting_text(each.previous)} -> {setting_text(each.value)}"


def waiting(each: Difference) -> str:
    """Render a setting that will have another value after a restart."""
    return f"{each.setting}: needs a restart, still {setting_text(each.previous)}"


def setting_table(views: Iterable[SettingView]) -> list[str]:
    """Render `set`: a header and one aligned line a setting; the default only where it is not the value."""
    return aligned([_SETTING_HEADER, *map(_setting_row, views)])


def _setting_row(view: SettingView) -> tuple[str, ...]:
    default = setting_text(view.default) if view.value != view.default else ""
    restart = "restart" if view.needs_restart else ""
    return (view.key, shown(setting_text(view.value)), shown(default), restart)


def setting(view: SettingView) -> list[str]:
    """Render one setting: what it is, what it could be, and what a change needs."""
    value, default = setting_text(view.value), setting_text(view.default)
    as_default = "as by default" if view.value == view.default else f"by default {default}"
    choices = f": {', '.join(view.choices)}" if view.choices and view.choices[0] not in view.allowed else ""
    instead = f"; {view.instead} does it at once" if view.instead else ""
    changes = f"needs a restart{instead}" if view.needs_restart else "changes at once"
    return [f"{view.key} is {value}, {as_default}", f"allowed: {view.allowed}{choices}", f"it {changes}"]


def setting_meaning(view: SettingView) -> str:
    """Render in a few words what a setting is and may be."""
    restart = "; needs a restart" if view.needs_restart else ""
    return f"now {setting_text(view.value)}, {view.allowed}{restart}"


def toolbar(status: Status) -> str:
    """Render the node in one line; what matters least comes last, for narrow terminals cut it."""
    parts = (
        own_line(status.own),
        count(status.members, "member", "members"),
        f"{status.blacklisted} blacklisted",
        "honest" if status.strategy is None else f"ADVERSARIAL: {shown(status.strategy)}",
        f"round {status.round}",
        f"trust {shown(status.trust)}",
    )
    return " | ".join(parts)


def news(event: events.Event) -> str | None:
    """Render an event as the line shown above the prompt; None for what is not news to a user."""
    match event:
        case events.StateChanged() if event.source not in (events.FIRST_HAND, str(event.member)):
            return f"{state_line(event.member, event.state)}, says {shown(event.source)}"
        case events.StateChanged() | events.MemberAdded():
            return state_line(event.member, event.state)
        case events.HintDisproved():
            return f"{event.source} said {state_line(event.member, event.state)}, which {event.member} denies"
        case events.MemberBlacklisted():
            retry = duration(event.retry_in_s)
            return f"{event.member} blacklisted: {shown(event.reason)}; next retry in {retry}"
        case events.MemberForgiven():
            return f"{event.member} forgiven after {duration(event.after_s)}, its state is {event.state}"
        case events.MemberForgotten():
            return f"{event.member} forgotten"
        case events.OwnEntryRefuted():
            return f"{event.peer} holds a false entry of this node, state {event.seen_state}; refuted"
        case events.StrikeGiven():
            return f"{event.peer} misbehaved: {shown(event.reason)} (strike {event.strikes})"
        case events.LeavingHeard():
            return f"{event.member} says that it leaves"
        case events.ClusterMismatch():
            theirs = f"cluster {shown(event.theirs)}" if event.theirs else "no cluster"
            return f"{event.peer} is of {theirs}, this node of {event.ours}: they do not merge"
        case events.SettingChanged():
            return difference(Difference(event.setting, event.previous, event.value))
        case events.PeerDistrusted():
            where = " in its replies" if event.in_reply else ""
            return f"{event.peer} is distrusted{where} for {duration(event.for_s)}"
        case _:
            return None
