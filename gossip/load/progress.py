"""One line at a terminal that says how far a load has come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import gevent

from gossip.load.clients import Tally
from gossip.load.options import PULLING, Options

_EVERY_S = 0.2
_WIDTH = 30
_CLEAR = "\r\x1b[K"


@contextmanager
def shown(options: Options, tally: Tally) -> Iterator[None]:
    """Show a progress bar on standard error meanwhile, if that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    painter = gevent.spawn(_paint, options, tally, monotonic())
    try:
        yield
    finally:
        painter.kill()
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()


def _paint(options: Options, tally: Tally, began: float) -> None:
    while True:
        sys.stderr.write(_CLEAR + line(options, tally, monotonic() - began))
        sys.stderr.flush()
        gevent.sleep(_EVERY_S)


def line(options: Options, tally: Tally, elapsed_s: float) -> str:
    """Return the bar, how many pulls were answered and failed, and how fast."""
    pulls = tally.latency_us.count
    failed = sum(count for (kind, _), count in tally.errors.items() if kind in PULLING)
    if options.duration_s is not None:
        share = elapsed_s / options.duration_s
    else:
        share = (pulls + failed) / (options.pulls or 1)
    full = int(_WIDTH * min(1.0, share))
    bar = "█" * full + "░" * (_WIDTH - full)
    speed = pulls / elapsed_s if elapsed_s else 0.0
    return f"{bar} {min(1.0, share):4.0%}  {pulls:,} pulls, {speed:,.0f}/s, {failed:,} failed"
