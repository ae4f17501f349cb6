"""Lines that are longer than the terminal is wide: broken between words, and cut between parts."""

from __future__ import annotations

import re

from gossip.shell import data
from gossip.shell.theme import Fragments

_COLUMN = re.compile(r" {2,}(?=\S)")
_ROOM_MIN = 24  # columns that what goes on in the next line needs
_INDENT = 2
_PART = " | "
_TYPED = "gossipd.py "


def folded(parts: Fragments, columns: int) -> Fragments:
    """Break a line between words, going on below its last column.

    Data stays whole, and what is to be typed at a user's own shell: they are copied.
    """
    line = "".join(text for _, text in parts)
    if len(line) <= columns or data.is_data(line) or _TYPED in line:
        return parts
    indent, cuts = _cuts(line, columns)
    found: Fragments = []
    at = 0
    for style, text in parts:
        start = 0
        for cut in (cut - at for cut in cuts if at <= cut < at + len(text)):
            found += [(style, text[start:cut]), ("", "\n" + " " * indent)]
            start = cut + 1
        found.append((style, text[start:]))
        at += len(text)
    return [part for part in found if part[1]]


def _cuts(line: str, columns: int) -> tuple[int, list[int]]:
    """Return how far the further lines are indented, and which spaces a new line takes the place of."""
    starts = [match.end() for match in _COLUMN.finditer(line)]
    indent = max((start for start in starts if start <= columns - _ROOM_MIN), default=_INDENT)
    cuts: list[int] = []
    at, room, first = 0, columns, indent
    while len(line) - at > room:
        cut = line.rfind(" ", at + first, at + room + 1)
        if cut < 0:  # a word wider than the terminal
            cut = line.find(" ", at + room)
        if cut < 0:
            break
        cuts.append(cut)
        at, room, first = cut + 1, max(1, columns - indent), 1
    return indent, cuts


def fitting(text: str, columns: int) -> str:
    """Leave out the last parts of a line such as `a | b | c` that do not fit; the first one stays."""
    while len(text) > columns and _PART in text:
        text = text.rpartition(_PART)[0]
    return text
