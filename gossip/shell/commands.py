"""All the commands of the shell: what `registry.py` runs and completes, once this module is imported."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from gossip.core.settings import Settings
from gossip.shell import actions, data, listings, raw, render, tuning
from gossip.shell.console import Console
from gossip.shell.registry import (
    GROUPS,
    JSON,
    LINE_MAX,
    REGISTRY,
    SHELL,
    Command,
    CommandError,
    Result,
    UsageError,
    address,
    candidates,
    command,
    find,
    joined,
    listed,
    name_of,
    names,
    needs_terminal,
    run,
)

__all__ = [
    "LINE_MAX",
    "REGISTRY",
    "Command",
    "Result",
    "UsageError",
    "actions",
    "address",
    "candidates",
    "command",
    "listings",
    "name_of",
    "needs_terminal",
    "raw",
    "run",
    "told",
    "tuning",
]

_OF_SETTINGS = tuple(f"{section.name}." for section in fields(Settings))

_SHORT = "short ones, as Pygossip has them"
_MORE = "help COMMAND tells what its options mean, with an example; Tab completes"


def told(line: str) -> tuple[str, ...]:
    """Return how the news begins that the result of a line tells itself."""
    address = joined(line)
    if address:
        return (f"{address} ",)
    return _OF_SETTINGS if name_of(line) in ("set", "reload") else ()


@command(
    "help",
    "help [COMMAND]",
    "list the commands, or explain one",
    arguments=names,
    most=1,
    options=(JSON,),
    example="help members",
    group=SHELL,
)
def _help(console: Console, args: list[str], *, json: bool = False) -> Result:
    shown = [find(args[0])] if args else listed()
    if json:
        return Result((data.line([_fields(found) for found in shown]),))
    if not args:
        return Result((*_listing(), _MORE))
    return Result((f"{shown[0].usage}  {shown[0].summary}", *_explained(console, shown[0])))


def _listing() -> list[str]:
    """List the commands in groups, those of one character apart."""
    grouped: dict[str, dict[str, str]] = {group: {} for group in (*GROUPS, _SHORT)}
    for found in listed():
        group = found.group if len(found.name) > 1 else _SHORT
        grouped[group][found.usage] = found.summary  # the ten digits are one line
    rows = [(f"  {usage}", summary) for group in grouped.values() for usage, summary in group.items()]
    lines = iter(render.aligned(rows))
    return [line for group in grouped for line in (f"{group}:", *(next(lines) for _ in grouped[group]))]


def _explained(console: Console, found: Command) -> list[str]:
    """Render what a command's arguments and options mean, and how it is typed."""
    rows = [(f"  {option.usage}", _meaning(option.meaning, option.choices)) for option in found.options]
    if found.explained and found.arguments is not None:
        rows += [(f"  {offer.text}", offer.meaning) for offer in found.arguments(console, ())]
    lines = render.aligned(rows) if rows else []
    return [*lines, f"example: {found.example}"] if found.example else lines


def _meaning(meaning: str, choices: tuple[str, ...]) -> str:
    return f"{meaning}: {', '.join(choices)}" if choices else meaning


def _fields(found: Command) -> dict[str, Any]:
    options = [
        {"name": f"--{option.name}", "meaning": option.meaning, "choices": option.choices}
        for option in found.options
    ]
    named = {"name": found.name, "usage": found.usage, "summary": found.summary}
    return {**named, "options": options, "example": found.example or None}


@command("stop", "stop", "stop the node, also from an attached shell", example="stop", group=SHELL)
@command(
    "quit",
    "quit",
    "leave this shell: the node's own stops it, an attached one does not",
    example="quit",
    group=SHELL,
)
def _quit(console: Console, args: list[str]) -> Result:
    console.stop()
    return Result(stop=True)


@command("detach", "detach", "leave an attached shell; the node goes on", example="detach", group=SHELL)
def _detach(console: Console, args: list[str]) -> Result:
    raise CommandError("this is the node's own shell: quit stops the node")
