"""The candidates for a command's argument: what could be typed there, and what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

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


def addresses(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer all other nodes known: members and blacklisted."""
    if before:
        return []
    members = [
        Candidate(str(member.entry.address), f"member, state {member.entry.state}")
        for member in console.members()
        if not member.is_own
    ]
    return members + blacklisted(console, before)


def blacklisted(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer the addresses on the blacklist."""
    if before:
        return []
    return [Candidate(str(row.address), render.shown(row.reason)) for row in console.blacklist()]


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
