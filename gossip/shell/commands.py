"""All the commands of the shell: what `registry.py` runs and completes, once this module is imported."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from gossip.core.settings import Settings
from gossip.shell import actions, data, listings, render, tuning
from gossip.shell.console import Console
from gossip.shell.registry import (
    JSON,
    LINE_MAX,
    REGISTRY,
    Command,
    CommandError,
    Result,
    candidates,
    command,
    find,
    joined,
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
    "actions",
    "candidates",
    "command",
    "listings",
    "name_of",
    "needs_terminal",
    "run",
    "told",
    "tuning",
]

_OF_SETTINGS = tuple(f"{section.name}." for section in fields(Settings))

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
)
def _help(console: Console, args: list[str], *, json: bool = False) -> Result:
    shown = [find(args[0])] if args else list(REGISTRY.values())
    if json:
        return Result((data.line([_fields(found) for found in shown]),))
    by_usage = {found.usage: found.summary for found in shown}  # the ten digits are one line
    lines = render.aligned(list(by_usage.items()))
    return Result((*lines, *(_explained(console, shown[0]) if args else [_MORE])))


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


@command("stop", "stop", "stop the node, also from an attached shell", example="stop")
@command(
    "quit", "quit", "leave this shell: the node's own stops it, an attached one does not", example="quit"
)
def _quit(console: Console, args: list[str]) -> Result:
    console.stop()
    return Result(stop=True)


@command("detach", "detach", "leave an attached shell; the node goes on", example="detach")
def _detach(console: Console, args: list[str]) -> Result:
    raise CommandError("this is the node's own shell: quit stops the node")
