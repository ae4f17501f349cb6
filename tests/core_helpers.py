"""Addresses, entries, tables, settings and a driven node for the tests of the pure core."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.effects import Effect, Output, Pull, SaveSnapshot, SendReply
from gossip.core.entry import Entry
from gossip.core.events import Event
from gossip.core.instant import Instant
from gossip.core.node import Node
from gossip.core.reply import compose
from gossip.core.settings import PullSettings, Settings
from gossip.core.snapshot import Snapshot
from gossip.core.wire import Decoded, End, Failure, Pulled, Rules, TableReader, decode

# A law holds or not, however busy the machine is.
settings.register_profile("core", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("core")

WALL = 1_700_000_000
SKEW_S = 60
OWN = Address("10.0.0.1", 5001)
A, B, C, D = (Address(f"10.0.1.{host}", 5001) for host in (1, 2, 3, 4))
STRANGER = Address("203.0.113.9", 7000)
RULES = Rules(max_line_bytes=128, latest=WALL + SKEW_S, loopback_ok=False)
ANYTHING = RULES._replace(latest=float("inf"), loopback_ok=True)
REFUSED = Failure("refused")

ips = st.one_of(
    st.sampled_from([A, B, C, D]).map(lambda address: address.host),
    st.ip_addresses(v=4, network="172.16.0.0/12").map(str),
    st.ip_addresses(v=6, network="2001:db8::/32").map(str),
)
addresses = st.builds(Address, ips, st.integers(1, 65_535))
entries = st.builds(Entry, addresses, st.integers(0, WALL), st.integers(0, 9))
# Few addresses, times and states, so that ties and overlaps are the rule.
close_entries = st.builds(Entry, st.sampled_from([A, B, C]), st.integers(WALL, WALL + 3), st.integers(0, 3))


def at(mono: float, wall: float | None = None) -> Instant:
    """Return the moment at `mono`, with a wall clock that runs along unless another is given."""
    return Instant(WALL + mono if wall is None else wall, mono)


def nth(number: int) -> Address:
    return Address(f"10.1.{number // 200}.{number % 200 + 1}", 5001)


def make_settings(**sections: dict[str, Any]) -> Settings:
    """Return settings without jitter, with these values of each section replaced."""
    sections["attention"] = {"jitter_rounds": 0.0, **sections.get("attention", {})}
    changed = {name: replace(getattr(Settings(), name), **values) for name, values in sections.items()}
    return replace(Settings(), **changed)


def table_of(*entries: Entry) -> Pulled:
    """Return the table that a peer with these entries serves."""
    return Pulled(b"".join(entry.line + b"\n" for entry in entries), End.CLOSED)


def decode_all(
    data: bytes, end: End = End.CLOSED, rules: Rules = RULES, known: Sequence[bytes] = ()
) -> Decoded:
    return decode(Pulled(data, end), set(known), rules, 1_000_000)


def read_in_chunks(chunks: Sequence[bytes], limits: PullSettings) -> Pulled:
    """Read chunks until the table ends, as a puller does, and hold the reader to its bound."""
    reader = TableReader(limits.max_bytes, limits.max_lines)
    for chunk in chunks:
        end = reader.feed(chunk)
        assert reader.size <= limits.max_bytes + len(chunk)
        if end is not None:
            return reader.pulled(end)
    return reader.pulled(End.CLOSED)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut data at these places (taken modulo its length)."""
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(marks)]


def pulls(effects: Sequence[Effect]) -> list[Address]:
    return [effect.peer for effect in effects if isinstance(effect, Pull)]


def replies(out: Output) -> dict[Address, bytes]:
    """Return the replies that are to be sent, by the peer they answer."""
    return {effect.peer: effect.data for effect in out.effects if isinstance(effect, SendReply)}


def saves(out: Output) -> list[bool]:
    """Return, for each snapshot that is asked for, whether it is urgent."""
    return [effect.urgent for effect in out.effects if isinstance(effect, SaveSnapshot)]


def of_kind(out: Output, *kinds: type[Event]) -> list[Event]:
    return [event for event in out.events if isinstance(event, kinds)]


class World:
    """A node under test; `mono` is the time of the next call, and a pull stays open until its result."""

    def __init__(
        self,
        seed: int = 1,
        own: Address = OWN,
        mono: float = 100.0,
        kept: Snapshot | None = None,
        **sections: dict[str, Any],
    ) -> None:
        self.mono = mono
        self.wall_ahead = 0.0
        self.settings = make_settings(**sections)
        self.node = Node(self.settings, own, Random(seed), self.now, kept)

    @property
    def now(self) -> Instant:
        return at(self.mono, WALL + self.mono + self.wall_ahead)

    def word(self, peer: Address, state: int = 0, age_s: int = 50) -> Entry:
        return Entry(peer, int(self.now.wall) - age_s, state)

    def answer(self, peer: Address, *said: Entry) -> Output:
        """Let an open pull of `peer` bring these entries."""
        return self.node.handle_table(peer, table_of(*said), self.now)

    def pulled(self, peer: Address, data: bytes) -> Output:
        """Pull `peer` by hand and let it answer with these bytes, then an empty line."""
        self.node.connect(peer, self.now)
        return self.node.handle_table(peer, Pulled(data, End.EMPTY_LINE), self.now)

    def called(
        self,
        caller: Address,
        *said: Entry,
        suspects: Iterable[Address] = (),
        leaving: bool = False,
        cluster: str = "",
        host: str | None = None,
    ) -> Output:
        """Let a caller reply, from its own IP unless another `host` is given."""
        data = compose(caller, cluster, [entry.line for entry in said], suspects, leaving)
        return self.replied(host or caller.host, data)

    def replied(self, host: str, data: bytes) -> Output:
        """Let these bytes come in as a reply, through the reader that the listener uses."""
        limits = self.settings.reply
        reader = TableReader(limits.max_bytes, limits.max_lines)
        return self.node.handle_reply(host, reader.pulled(reader.feed(data) or End.CLOSED), self.now)

    def say(self, peer: Address, *said: Entry) -> Output:
        """Pull `peer` by hand and let it answer with these entries."""
        self.node.connect(peer, self.now)
        return self.answer(peer, *said)

    def fail(self, peer: Address, failure: Failure = REFUSED) -> Output:
        """Let an open pull of `peer` fail."""
        return self.node.handle_failure(peer, failure, self.now)

    def admit(self, *peers: Address) -> list[Entry]:
        """Make members of peers, on their own word, and return their entries."""
        words = [self.word(peer) for peer in peers]
        for word in words:
            self.say(word.address, word)
        return words

    def tick(self, after_s: float = 3.0) -> Output:
        """Let time pass, then let a round begin."""
        self.mono += after_s
        return self.node.handle_tick(self.now)

    def believed(self) -> dict[Address, Entry]:
        """Return what the served table says, own entry left out."""
        _, *others = decode_all(self.node.table(), rules=ANYTHING).entries
        return {entry.address: entry for entry in others}

    def blacklisted(self) -> dict[Address, str]:
        """Return the reason of each blacklisted address."""
        return {view.address: view.reason for view in self.node.blacklist(self.now)}
