"""The codec: bytes of a table to entries, each bad line to a reason, and where a table ends.

PROTOCOL.md, section 1. Whatever bytes come in, nothing here raises, and time and memory stay in
proportion to what the limits of `pull.*` let through.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from gossip.core.address import Address, parse_cached
from gossip.core.entry import Entry

_LINE = re.compile(rb"([\x21-\x2b\x2d-\x7e]+),(0|[1-9][0-9]{0,11}),([0-9])")
ENTRY_LINE_BYTES = 64  # no entry is longer
_NOT_PRINTABLE = re.compile(rb"[^\x20-\x7e]")
_TIMESTAMP = re.compile(rb"0|[1-9][0-9]{0,11}")
_SAMPLE_BYTES = 48
_EMPTY_LINES = (b"\n\n", b"\n\r\n")


class Reason(StrEnum):
    """Why a line was rejected; checked in this order."""

    NOT_ASCII = "not_ascii"
    TOO_LONG = "too_long"
    BAD_FIELDS = "bad_fields"
    BAD_ADDRESS = "bad_address"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_STATE = "bad_state"
    FUTURE = "future"


class End(StrEnum):
    """Why reading a table stopped."""

    CLOSED = "closed"
    EMPTY_LINE = "empty_line"
    QUIET = "quiet"
    TIMEOUT = "timeout"
    RESET = "reset"
    MAX_BYTES = "max_bytes"
    MAX_LINES = "max_lines"


# The peer did not say that its table was whole: an unfinished last line is nobody's fault.
CUT = frozenset({End.TIMEOUT, End.RESET, End.MAX_BYTES, End.MAX_LINES})


class Pulled(NamedTuple):
    """The bytes of one pulled table, before the empty line, and how it ended."""

    data: bytes
    end: End


class Failure(NamedTuple):
    """A pull that ended before a line was read.

    `ours` says that this machine was at fault (out of descriptors or ports), not the peer; `detail` is for
    a person.
    """

    reason: str
    received: int = 0
    ours: bool = False
    detail: str | None = None


class TableReader:
    """Collects the chunks of a table, or of a reply, and tells when it has ended."""

    def __init__(self, max_bytes: int, max_lines: int) -> None:
        self._max_bytes = max_bytes
        self._max_lines = max_lines
        self._buffer = bytearray()
        self._lines = 0

    @property
    def size(self) -> int:
        """How many bytes were taken in."""
        return len(self._buffer)

    @property
    def has_line(self) -> bool:
        """Whether one whole line was read: before that, a broken connection is a failed pull."""
        return self._lines > 0

    def feed(self, chunk: bytes) -> End | None:
        """Take a chunk; return how the table ended, or None when more is to be read.

        What lies behind the end is dropped, so that the result does not depend on the chunks.
        """
        seen = len(self._buffer)
        self._buffer += chunk
        del self._buffer[self._max_bytes :]
        end = self._empty_line(max(0, seen - 2))
        lines = self._lines + self._buffer.count(b"\n", seen)
        if lines >= self._max_lines:
            self._cut_after_line(self._max_lines - self._lines, seen)
            lines, end = self._max_lines, End.MAX_LINES
        self._lines = lines
        if end is None and len(self._buffer) >= self._max_bytes:
            return End.MAX_BYTES
        return end

    def pulled(self, end: End) -> Pulled:
        """Return what was read."""
        return Pulled(bytes(self._buffer), end)

    def _empty_line(self, start: int) -> End | None:
        if start == 0 and self._buffer.startswith((b"\n", b"\r\n")):
            self._buffer.clear()
            return End.EMPTY_LINE
        found = [at for mark in _EMPTY_LINES if (at := self._buffer.find(mark, start)) >= 0]
        if not found:
            return None
        del self._buffer[min(found) + 1 :]
        return End.EMPTY_LINE

    def _cut_after_line(self, count: int, start: int) -> None:
        at = start
        for _ in range(count):
            at = self._buffer.index(b"\n", at) + 1
        del self._buffer[at:]


class Rules(NamedTuple):
    """What a line is held against: its length, the latest timestamp, whether loopback may be named."""

    max_line_bytes: int
    latest: float
    loopback_ok: bool


@dataclass(slots=True)
class Decoded:
    """A table, line by line.

    `entries` are those of lines not in `known`, in order; `directives` are the lines that begin with
    `#`; `seen` holds every line of the table.
    """

    lines: int = 0
    entries: list[Entry] = field(default_factory=list)
    directives: list[bytes] = field(default_factory=list)
    seen: Set[bytes] = frozenset()
    rejected: dict[Reason, int] = field(default_factory=dict)
    sample: str | None = None

    @property
    def mostly_rejected(self) -> bool:
        """Whether more lines were rejected than not."""
        return 2 * sum(self.rejected.values()) > self.lines

    def reject(self, reason: Reason, line: bytes) -> None:
        """Count a rejected line, and keep the first as a sample."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
        if self.sample is None:
            self.sample = escape(line[:_SAMPLE_BYTES])

    def word_of(self, subject: Address, held: Entry | None) -> Entry | None:
        """Return the greatest entry of `subject` in this table, `held` being the one known before."""
        word = held if held is not None and held.line in self.seen else None
        for entry in self.entries:
            if entry.address == subject and (word is None or entry.beats(word)):
                word = entry
        return word


def decode(pulled: Pulled, known: Set[bytes], rules: Rules, max_lines: int) -> Decoded:
    """Decode a table; lines in `known` are counted but not parsed again.

    Comparing whole lines runs in C and costs a fifth of parsing them, so that a pull costs what
    is new and not what is known. Lines that begin with `#` belong to the reply layer.
    """
    lines, _ = lines_of(pulled, rules, max_lines)
    seen = set(lines)
    fresh = seen - known
    decoded = Decoded(lines=len(lines), seen=seen)
    for line in [line for line in lines if line in fresh] if fresh else ():
        if line.startswith(b"#"):
            decoded.directives.append(line)
            continue
        entry = parse_line(line, rules)
        if isinstance(entry, Entry):
            decoded.entries.append(entry)
        else:
            decoded.reject(entry, line)
    return decoded


def lines_of(pulled: Pulled, rules: Rules, max_lines: int) -> tuple[list[bytes], bytes]:
    """Return the lines to judge, without their newlines, and the unfinished one that is not judged."""
    data = pulled.data
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    *lines, tail = data.split(b"\n")
    del lines[max_lines:]
    if tail and len(lines) < max_lines:
        whole = isinstance(parse_line(tail, rules), Entry)
        if whole or pulled.end not in CUT or len(tail) > rules.max_line_bytes:
            lines.append(tail)
            tail = b""
    return lines, tail


def parse_line(line: bytes, rules: Rules) -> Entry | Reason:
    """Return the entry of one line, without its newline, or the first reason against it."""
    entry = _entry_of(line) if len(line) <= ENTRY_LINE_BYTES else None
    if entry is None:
        return _reason_against(line, rules)
    if not rules.loopback_ok and entry.address.is_loopback:
        return Reason.BAD_ADDRESS
    return entry if entry.timestamp <= rules.latest else Reason.FUTURE


@lru_cache(maxsize=4096)  # 300 bytes each: what is heard and not believed is heard again, and from many
def _entry_of(line: bytes) -> Entry | None:
    """Return the entry that a line of at most ENTRY_LINE_BYTES stands for, of whatever time, or None."""
    fields = _LINE.fullmatch(line)
    if fields is None:
        return None
    address = parse_cached(fields[1].decode("ascii"))
    return None if address is None else Entry(address, int(fields[2]), int(fields[3]))


def _reason_against(line: bytes, rules: Rules) -> Reason:
    """Return the first reason against a line that is no entry."""
    if _NOT_PRINTABLE.search(line):
        return Reason.NOT_ASCII
    if len(line) > rules.max_line_bytes:
        return Reason.TOO_LONG
    fields = line.split(b",")
    if len(fields) != 3:
        return Reason.BAD_FIELDS
    address = parse_cached(fields[0].decode("ascii"))
    if address is None or (address.is_loopback and not rules.loopback_ok):
        return Reason.BAD_ADDRESS
    if not _TIMESTAMP.fullmatch(fields[1]):
        return Reason.BAD_TIMESTAMP
    return Reason.BAD_STATE


def escape(data: bytes) -> str:
    """Return bytes from a stranger as printable ASCII on one line."""
    return repr(data)[2:-1]
