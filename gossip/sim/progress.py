"""One line at a terminal that says how far the runs have come."""

from __future__ import annotations

import sys
from collections.abc import Callable

_WIDTH = 30
_CLEAR = "\r\x1b[K"


def painter(trials: int) -> Callable[[int, float], None]:
    """Return what is to be told the number of whole runs and the share of the next; all of them clear it."""
    if not sys.stderr.isatty():
        return lambda _done, _share: None
    shown = ""

    def paint(done: int, share: float) -> None:
        nonlocal shown
        line = "" if done == trials else bar((done + min(1.0, share)) / trials, done, trials)
        if line != shown:
            shown = line
            sys.stderr.write(_CLEAR + line)
            sys.stderr.flush()

    return paint


def bar(share: float, done: int, trials: int) -> str:
    """Return the bar, and how many runs are through."""
    full = int(_WIDTH * share)
    return f"{'█' * full}{'░' * (_WIDTH - full)} {share:4.0%}  run {done + 1} of {trials}"
