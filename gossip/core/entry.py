"""One line of the table: what a node last said of its own state, and the one ordering of such lines."""

from __future__ import annotations

from typing import NamedTuple

from gossip.core.address import Address


class Entry(NamedTuple):
    """address, timestamp (whole Unix seconds, the owner's clock), state (0 to 9)."""

    address: Address
    timestamp: int
    state: int

    def beats(self, other: Entry) -> bool:
        """Tell whether this entry supersedes the other: the greater (timestamp, state) wins.

        A total order, ties within one second included, so that merging is commutative,
        associative and idempotent.
        """
        return (self.timestamp, self.state) > (other.timestamp, other.state)

    @property
    def line(self) -> bytes:
        """The entry as it goes over the wire, without the newline."""
        address, timestamp, state = self
        return f"{address},{timestamp},{state}".encode("ascii")
