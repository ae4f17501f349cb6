"""Was a pull answered whole? Pure; equal tables, which most are, are never looked at line by line."""

from __future__ import annotations

from collections.abc import Set

from gossip.core.reply import cluster_of
from gossip.core.wire import Decoded, End, Pulled, Rules, decode

_RULES = Rules(max_line_bytes=128, latest=float("inf"), loopback_ok=True)


class Checker:
    """Checks tables from the first byte to the end of the connection.

    `known` is the last one that was found whole: what equals it needs no check.
    """

    def __init__(self) -> None:
        self.known = b""
        self.cluster = ""
        self._lines: Set[bytes] = frozenset()

    def problem(self, data: bytes) -> str | None:
        """Return what is wrong with a table, empty line included, or None."""
        if not data:
            return "empty"
        if data != b"\n" and not data.endswith(b"\n\n"):
            return "truncated"  # or it never said that it was whole, which for a node of ours is the same
        if data.find(b"\n\n") not in (-1, len(data) - 2):
            return "bytes_after_end"
        decoded = self._decode(data)
        if decoded.rejected:
            return "bad_line"
        if decoded.lines == len(decoded.directives):
            return "no_entry"
        self.known = data
        self.cluster = cluster_of(decoded)
        self._lines = decoded.seen - frozenset(decoded.directives)
        return None

    def _decode(self, data: bytes) -> Decoded:
        return decode(Pulled(data[:-1], End.EMPTY_LINE), self._lines, _RULES, len(data))
