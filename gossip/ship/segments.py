"""The bookkeeping of the spool: one endless run of lines, cut into segments, and points within it. Pure.

A point counts bytes and lines since the spool began. A segment's name is the point of its first byte, so
how far behind a reader is, and what it has missed, are differences, and no file has to be read for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

SEGMENTS: Final = 16  # of a full spool: the oldest goes as a whole when there is no room
SEGMENT_MIN_BYTES, SEGMENT_MAX_BYTES = 64 * 1024, 8 * 1024 * 1024
_NAME = re.compile(r"events-(\d{18})-(\d{15})\.jsonl", re.ASCII)


class Point(NamedTuple):
    """A place between two lines: how many bytes and lines are before it."""

    byte: int
    line: int


def segment_name(base: Point) -> str:
    """Name the segment that begins at a point; names sort as points do."""
    return f"events-{base.byte:018d}-{base.line:015d}.jsonl"


def bases_of(names: Iterable[str]) -> list[Point]:
    """Return where the segments among some file names begin, the oldest first."""
    found = (_NAME.fullmatch(name) for name in names)
    return sorted(Point(int(match[1]), int(match[2])) for match in found if match)


def segment_bytes(max_bytes: int) -> int:
    """Return at what size a segment of a spool of `max_bytes` is complete."""
    return min(SEGMENT_MAX_BYTES, max_bytes // SEGMENTS)


def base_for(bases: Sequence[Point], at: Point) -> Point:
    """Return the base of the segment that holds the line at a point, else that of the next that is there."""
    return next((base for base in reversed(bases) if base.byte <= at.byte), bases[0])


def read_by_all(bases: Sequence[Point], readers: Iterable[Point]) -> Sequence[Point]:
    """Return the segments that every reader has passed; the last one, which is written to, stays."""
    passed = min(readers, default=bases[-1]).byte
    return [base for base, following in pairwise(bases) if following.byte <= passed]


def too_old(bases: Sequence[Point], end: Point, max_bytes: int) -> Sequence[Point]:
    """Return the oldest segments, which have to go for the rest to be within `max_bytes`."""
    return [base for base in bases[:-1] if end.byte - base.byte > max_bytes]
