"""How a message shows what was found: escaped and cut, so that it stays one short line."""

from __future__ import annotations

from collections.abc import Iterable

from gossip.core.text import printable

_SHOWN_HEAD, _SHOWN_TAIL = 50, 29  # the tail keeps the line number at the end of a TOML error


def shown(value: object) -> str:
    """Render a found value much as TOML writes it, in one short line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{cut(value)}"'
    try:
        return cut(repr(value))
    except (ValueError, RecursionError):  # too many digits, or nested too deeply
        return "(too long to show)"


def cut(text: str) -> str:
    """Escape a text and, where it is long, leave out its middle."""
    if len(text) > _SHOWN_HEAD + _SHOWN_TAIL:
        return f"{printable(text[:_SHOWN_HEAD])}…{printable(text[-_SHOWN_TAIL:])}"
    return printable(text)


def any_of(choices: Iterable[str]) -> str:
    """List what may be chosen from."""
    return " or ".join(f'"{choice}"' for choice in choices)
