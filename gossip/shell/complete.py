"""The candidates for a command's argument: what could be typed there, and what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gossip.core.text import count
from gossip.core.views import BlacklistView, MemberView
from gossip.shell import render
from gossip.shell.console import Console


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text to put in place of the last `replaces` characters before the cursor."""

    text: str
    meaning: str
    replaces: int = 0


# A command's completer sees the words typed before the one being completed.
Completer = Callable[[Console, Sequence[str]], Iterable[Candidate]]


def to_join(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer whom a join may win, first those that are no members; not the blocked, nor the node itself."""
    if before:
        return []
    rows = [_row(row) for row in console.blacklist() if row.retry_in_s is not None]
    return rows + [_member(member) for member in console.members() if not member.is_own]


def to_block(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer whom one could block: all others known but those blocked already."""
    if before:
        return []
    members = [_member(member) for member in _suspects_first(console) if not member.is_own]
    return members + [_row(row) for row in console.blacklist() if row.retry_in_s is not None]


def everybody(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer all that are known, the node itself too: suspects, the blacklisted, then the rest."""
    if before:
        return []
    members = _suspects_first(console)
    suspects = [_member(member) for member in members if member.failures]
    rest = [_member(member) for member in members if not member.failures]
    return [*suspects, *blacklisted(console, before), *rest]


def blacklisted(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer the addresses on the blacklist, with why and since when."""
    return [] if before else [_row(row) for row in console.blacklist()]


def _suspects_first(console: Console) -> list[MemberView]:
    """Return the members: suspects, those who were caught lying or worse, the others, the node itself."""

    def order(member: MemberView) -> tuple[bool, int, bool, int]:
        return member.is_own, -member.failures, member.distrusted_s is None, -member.strikes

    return sorted(console.members(), key=order)


def _member(member: MemberView) -> Candidate:
    text, state = str(member.entry.address), f"state {member.entry.state}"
    if member.is_own:
        return Candidate(text, f"this node, {state}")
    if member.failures:
        failed = count(member.failures, "failed pull", "failed pulls")
        return Candidate(text, f"suspect, {state}, {failed}")
    if member.strikes or member.distrusted_s is not None:
        return Candidate(text, f"member, {state}, {render.standing(member.strikes, member.distrusted_s)}")
    contact = "" if member.contact_s is None else f", answered {render.duration(member.contact_s)} ago"
    return Candidate(text, f"member, {state}{contact}")


def _row(row: BlacklistView) -> Candidate:
    since = f"{render.duration(row.since_s)} ago"
    if row.retry_in_s is None:
        return Candidate(str(row.address), f"blocked by hand {since}")
    return Candidate(str(row.address), f"blacklisted {since}: {render.shown(row.reason)}")


def digits(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer the ten states."""
    own = console.status().own.state
    meanings = {own: "the own state now"}
    return [] if before else [Candidate(str(digit), meanings.get(digit, "")) for digit in range(10)]


def adversaries(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer `on`, `off` and the strategies by name."""
    if before:
        return []
    named = [Candidate(name, summary) for name, summary in console.strategies().items()]
    return [Candidate("on", f"as {named[0].text}"), Candidate("off", "be honest"), *named]


def settings(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer the settings, and then the values of one that has but few."""
    views = console.tuning.settings()
    if not before:
        return [Candidate(f"{view.key} ", render.setting_meaning(view)) for view in views]
    choices = [view.choices for view in views if [view.key] == list(before)]
    return [Candidate(choice, "") for choice in (choices[0] if choices else ())]
