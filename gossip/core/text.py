"""Text made fit to show, what users and strangers wrote first of all."""

from __future__ import annotations

import re

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


def printable(text: str, limit: int | None = None) -> str:
    """Escape whatever could break a line or drive a terminal, and cut to `limit` characters."""
    head = text if limit is None else text[: limit + 1]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in head)
    return shown if limit is None or len(shown) <= limit else shown[: limit - 3] + "..."


def setting_text(value: object) -> str:
    """Write a setting's value as `set` takes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(printable, value)) or "[]"
    return printable(value) or '""' if isinstance(value, str) else repr(value)


def snake_case(name: str) -> str:
    """Write a class's name as the log does an event's: `PullFailed` is `pull_failed`."""
    return _WORD_START.sub("_", name).lower()


def count(number: int, singular: str, plural: str) -> str:
    """Write a number with its noun."""
    return f"{number} {singular if number == 1 else plural}"
