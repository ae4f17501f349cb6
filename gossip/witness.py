"""Who believes what, and who was caught: a demo's whole truth, for it runs every node of its cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.text import printable
from gossip.daemon import Daemon


class Witness:
    """Watches all nodes and tells how many of the digits that the honest believe of each other are true.

    A digit is false when its owner never said it with that timestamp; one that is only old is true.
    """

    def __init__(self, honest: Sequence[Daemon], liars: Sequence[Daemon]) -> None:
        self._honest = honest
        self._liars = [liar.address for liar in liars]
        self._said: dict[Address, set[Entry]] = {}
        self._accusers: dict[Address, set[Address]] = {}
        for daemon in honest:
            self._said[daemon.address] = {daemon.status().own}
            daemon.watch(partial(self._note, daemon))

    def line(self) -> str:
        """Return the state of the cluster in one line."""
        believed = list(self._believed())
        false = [what for entry, what in believed if entry not in self._said[entry.address]]
        parts = [f"{len(believed) - len(false)} of {len(believed)} digits believed are true"]
        if false:
            parts[0] += f" (not: {false[0]})"
        caught = [self._by(liar) for liar in self._liars if liar in self._accusers]
        framed = [self._by(one.address) for one in self._honest if one.address in self._accusers]
        parts.append(f"caught: {', '.join(caught) or 'nobody'}")
        if framed:
            parts.append(f"accused though honest: {', '.join(framed)}")
        return printable(f"the cluster: {'; '.join(parts)}")

    def _believed(self) -> Iterator[tuple[Entry, str]]:
        for daemon in self._honest:
            for row in daemon.members():
                entry = row.entry
                if entry.address in self._said and not row.is_own:
                    yield entry, f"{daemon.address} believes {entry.address} --> {entry.state}"

    def _by(self, accused: Address) -> str:
        return f"{accused} by {len(self._accusers[accused])} of {len(self._honest)}"

    def _note(self, daemon: Daemon, event: ev.Event) -> None:
        match event:
            case ev.OwnStateSet() | ev.OwnEntryRefuted():
                self._said[daemon.address].add(daemon.status().own)
            case ev.StrikeGiven(accused) | ev.PeerDistrusted(accused) | ev.MemberBlacklisted(accused):
                self._accusers.setdefault(accused, set()).add(daemon.address)
            case _:
                pass
