"""Colours: one small table, and which of its classes a line, or a part of one, has.

Lines are plain text everywhere else; only where a terminal prints them are they painted. ANSI colours alone
are named, for those are the ones that a user's own palette has made readable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from gossip.shell import data

Fragments = list[tuple[str, str]]

# What is bold, dim, reverse or underlined is so without colours, too (NO_COLOR).
STYLES: Mapping[str, str] = {
    "refusal": "ansired",
    "warning": "ansiyellow",
    "header": "bold",
    "own": "ansicyan",
    "bad": "ansired",
    "suspect": "ansiyellow",
    "time": "dim",
    "prompt": "bold",
    "auto-suggestion": "dim",
    "bottom-toolbar": "reverse",
    "completion-menu": "bg:ansibrightblack ansiwhite",
    "completion-menu.completion.current": "bg:default fg:default reverse",
    "completion-menu.multi-column-meta": "bg:default fg:default underline",
}
_DUMB = ("", "dumb", "unknown")


class Kind(StrEnum):
    """What a line is."""

    RESULT = "result"
    REFUSAL = "refusal"
    NEWS = "news"
    TRACE = "trace"


_WARNS = re.compile(
    r"\b(blacklisted|misbehaved|distrusted|failed|poisoned)\b|, which \S+ denies$"
    r"|holds a false entry|do not merge"
)
_HEADER = re.compile(r"(address|usage|name|setting| line) {2,}\S|[a-z][^:]*:$")
_OWN_ROW = re.compile(r"\S+ +\d +\S+ +- +- +self ")
_BAD = re.compile(
    r"(?P<bad>\bblacklisted\b|\bblocked by hand\b|\bADVERSARIAL\b"
    r"|(?<= )(?:not_ascii|too_long|bad_\w+|future)(?= ))"
    r"|(?P<suspect>\bsuspect(?: \(\d+\)|\b)|\bdistrusted\b)"
)
_TIME = re.compile(r"\d\d:\d\d:\d\d(?=  )")


def has_colours(environment: Mapping[str, str]) -> bool:
    """Tell whether a user's environment wants colours, and the terminal knows any."""
    return not environment.get("NO_COLOR") and environment.get("TERM", "").lower() not in _DUMB


def paint(line: str, kind: Kind) -> Fragments:
    """Return a line in parts, each with its class; together they are the line."""
    if kind is Kind.REFUSAL:
        return [("class:refusal", line)]
    if data.is_data(line):
        return [("", line)]
    if kind is Kind.NEWS:
        return [("class:warning" if _WARNS.search(line) else "", line)]
    if kind is Kind.RESULT and _HEADER.match(line):
        return [("class:header", line)]
    if _OWN_ROW.match(line):
        return [("class:own", line)]
    time = _TIME.match(line) if kind is Kind.TRACE else None
    start = time.end() if time else 0
    return [*([("class:time", line[:start])] if time else []), *_parts(line[start:])]


def _parts(text: str) -> Fragments:
    found: Fragments = []
    at = 0
    for match in _BAD.finditer(text):
        found += [("", text[at : match.start()]), (f"class:{match.lastgroup}", match[0])]
        at = match.end()
    return [part for part in [*found, ("", text[at:])] if part[1]] or [("", "")]
