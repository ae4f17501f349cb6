"""What was typed before: kept in a file, and searched by a few of its letters."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable

from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from gossip.shell import render

_SEARCHED_MAX = 5000  # lines; a search is made at each key
_FOUND_MAX = 40


def matching(letters: str, lines: Iterable[str]) -> list[str]:
    """Return the lines, newest first, that have these letters in this order; the closest together come first.

    `lines` are oldest first. Capitals are as small letters.
    """
    newest = list(dict.fromkeys(reversed(list(lines)[-_SEARCHED_MAX:])))
    spans = [(span, line) for line in newest if (span := _span(letters.lower(), line.lower())) is not None]
    spans.sort(key=lambda found: found[0])
    return [line for _, line in spans[:_FOUND_MAX]]


def _span(letters: str, line: str) -> int | None:
    """Return the length of the shortest part of a line with these letters in order, or None without one."""
    if not letters:
        return 0
    best: int | None = None
    start = line.find(letters[0])
    while start >= 0:
        at: int = start
        for letter in letters[1:]:
            at = line.find(letter, at + 1)
            if at < 0:
                return best  # nor from any later start
        length = at - start + 1
        best = length if best is None else min(best, length)
        start = line.find(letters[0], start + 1)
    return best


class _SafeFileHistory(FileHistory):
    """A history file whose disk may fill up: the prompt goes on."""

    def __init__(self, path: str, warn: Callable[[str], None]) -> None:
        super().__init__(path)
        self._warn: Callable[[str], None] | None = warn

    def store_string(self, string: str) -> None:
        try:
            super().store_string(string)
        except OSError as error:
            if self._warn is not None:
                self._warn(f"the history is not kept: {render.shown(str(error))}")
            self._warn = None


def open_history(path: str, warn: Callable[[str], None]) -> tuple[History, str]:
    """Open the history for reading and writing; in memory, with a line saying why, where that fails."""
    if not path:
        return InMemoryHistory(), ""
    expanded = os.path.expanduser(path)
    try:
        os.makedirs(os.path.dirname(expanded) or ".", mode=0o700, exist_ok=True)
        # Others on the machine have no business reading what was typed.
        fd = os.open(expanded, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o600)
        with os.fdopen(fd) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # reading a pipe would wait for ever
                raise ValueError(f"{expanded} is no regular file")
    except (OSError, ValueError) as error:
        return InMemoryHistory(), f"the history is not kept: {render.shown(str(error))}"
    return _SafeFileHistory(expanded, warn), ""
