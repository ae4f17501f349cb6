"""The moment at which a handler runs, as its caller read it."""

from __future__ import annotations

from typing import NamedTuple


class Instant(NamedTuple):
    """Both clocks, read once: `wall` stamps entries, `mono` measures every wait.

    wall: Unix seconds; it may jump when the machine's clock is set.
    mono: seconds from an arbitrary start; it never goes back.
    """

    wall: float
    mono: float
