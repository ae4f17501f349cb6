"""Addresses, entries, tables, settings and a driven node for the tests of the pure core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gossip.core.address import Address
from gossip.core.effects import Effect, Join, Output, Pull, Purpose, Schedule, Timer
from gossip.core.entry import Entry
from gossip.core.events import Event
from gossip.core.instant import Instant
from gossip.core.node import Node
from gossip.core.settings import PullSettings, Settings
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
    reader = TableReader(limits)
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


def of_kind(out: Output, *kinds: type[Event]) -> list[Event]:
    return [event for event in out.events if isinstance(event, kinds)]


class World:
    """A node under test; `mono` is the time of the next call, and a pull stays open until its result."""

    def __init__(self, seed: int = 1, **sections: dict[str, Any]) -> None:
        self.mono = 100.0
        self.wall_ahead = 0.0
        self.settings = make_settings(**sections)
        self.node = Node(self.settings, OWN, Random(seed), self.now)

    @property
    def now(self) -> Instant:
        return at(self.mono, WALL + self.mono + self.wall_ahead)

    def word(self, peer: Address, state: int = 0, age_s: int = 50) -> Entry:
        return Entry(peer, int(self.now.wall) - age_s, state)

    def answer(self, peer: Address, *said: Entry) -> Output:
        """Let an open pull of `peer` bring these entries."""
        return self.node.handle_table(peer, table_of(*said), self.now)

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


PEERS = (A, B, C, D, nth(1), nth(2), Address("2001:db8::7", 5001), Address("127.0.0.1", 5009))
peers = st.sampled_from(PEERS)
ages = st.sampled_from([-SKEW_S - 9, -SKEW_S, -5, 0, 1, 10, 500])
claims = st.lists(st.tuples(st.sampled_from([*PEERS, OWN]), ages, st.integers(0, 2)), max_size=6)
junk = st.lists(st.sampled_from([b"x", b"\xff", b"10.0.1.1:5001,1", b"#word", b"1" * 200]), max_size=4)


class NodeMachine(RuleBasedStateMachine):
    """Tables, failures, time and commands in any order, and what must hold after each of them.

    The limits are so small that histories meet them. With `joining_rounds` 0, a round has the larger
    budget exactly if it began without a live member.
    """

    MAX_OPEN, MAX_MEMBERS, BUDGET, BUDGET_JOINING = 4, 5, 2, 3

    @initialize(trust=st.sampled_from(["verify", "verify", "hearsay"]), seed=st.integers(0, 99))
    def start(self, trust: str, seed: int) -> None:
        self.trust = trust
        self.world = World(
            seed,
            node={"join": ("seed",)},
            gossip={"trust": trust, "max_members": self.MAX_MEMBERS},
            attention={
                "checks_per_round": self.BUDGET,
                "checks_per_round_joining": self.BUDGET_JOINING,
                "joining_rounds": 0,
                "jitter_rounds": 0.25,
                "candidate_retry_s": 10.0,
                "distrust_s": 20.0,
                "queue_max": 8,
                "queue_max_per_source": 3,
                "max_open_pulls": self.MAX_OPEN,
            },
            blacklist={
                "failures_to_blacklist": 2,
                "strikes_to_blacklist": 2,
                "blacklist_base_s": 2.0,
                "blacklist_max_s": 8.0,
                "forget_after_s": 60.0,
            },
        )
        self.node = self.world.node
        self.open: dict[Address, Purpose] = {}
        self.timers: dict[Timer, float] = {}
        self.heard: set[Entry] = set()
        self.own_words: set[Entry] = set()
        self.checks, self.budget = 0, self.BUDGET_JOINING
        self.own = self.node.own
        self.carry_out(self.node.handle_start(self.world.now))

    def carry_out(self, out: Output) -> None:
        blacklisted = self.world.blacklisted()
        for effect in out.effects:
            match effect:
                case Pull(peer, purpose):
                    assert peer not in self.open, "two pulls of one peer"
                    assert peer != OWN
                    assert blacklisted.get(peer) != "blocked"
                    if purpose is not Purpose.USER:
                        assert len(self.open) < self.MAX_OPEN
                    if purpose not in (Purpose.USER, Purpose.JOIN):
                        assert (purpose is Purpose.RETRY) == (peer in blacklisted)
                    self.checks += purpose in (Purpose.CHECK, Purpose.RETRY)
                    assert self.checks <= self.budget
                    self.open[peer] = purpose
                case Schedule(timer, when):
                    assert when >= self.world.mono
                    self.timers[timer] = when
                case Join():
                    assert self.node.status().members == 1

    def close(self, which: int) -> Address:
        peer = list(self.open)[which % len(self.open)]
        del self.open[peer]
        return peer

    @rule(late_s=st.sampled_from([0.0, 0.05, 4.0, 100.0]))
    def begin_round(self, late_s: float) -> None:
        self.world.mono = max(self.world.mono, self.timers.pop(Timer.ROUND)) + late_s
        self.checks = 0
        self.budget = self.BUDGET_JOINING if self.node.status().members == 1 else self.BUDGET
        self.carry_out(self.node.handle_timer(Timer.ROUND, self.world.now))
        assert Timer.ROUND in self.timers

    @precondition(lambda self: Timer.CHECKS in self.timers)
    @rule()
    def look_at_checks(self) -> None:
        self.world.mono = max(self.world.mono, self.timers.pop(Timer.CHECKS))
        self.carry_out(self.node.handle_timer(Timer.CHECKS, self.world.now))

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 9), own_age=st.one_of(st.none(), ages), claims=claims, junk=junk)
    def answer(
        self, which: int, own_age: int | None, claims: list[tuple[Address, int, int]], junk: list[bytes]
    ) -> None:
        peer = self.close(which)
        if own_age is not None:
            claims = [(peer, own_age, 1), *claims]
        entries = [self.world.word(subject, state, age_s) for subject, age_s, state in claims]
        self.heard.update(entries)
        self.own_words.update(entry for entry in entries if entry.address == peer)
        data = b"".join(line + b"\n" for line in [*(entry.line for entry in entries), *junk])
        self.carry_out(self.node.handle_table(peer, Pulled(data, End.CLOSED), self.world.now))

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 9), ours=st.sampled_from([False, False, True]))
    def fail(self, which: int, ours: bool) -> None:
        failure = Failure("timeout", ours=ours)
        self.carry_out(self.node.handle_failure(self.close(which), failure, self.world.now))

    @rule(addresses=st.lists(st.sampled_from([*PEERS, OWN]), max_size=8))
    def join(self, addresses: list[Address]) -> None:
        self.carry_out(self.node.handle_join(addresses, self.world.now))

    @rule(peer=peers)
    def connect(self, peer: Address) -> None:
        if self.world.blacklisted().get(peer) != "blocked":
            self.carry_out(self.node.connect(peer, self.world.now))

    @rule(peer=peers, for_good=st.sampled_from([True, False, False]))
    def block_or_unblock(self, peer: Address, for_good: bool) -> None:
        change = self.node.block if for_good else self.node.unblock
        self.carry_out(change(peer, self.world.now))

    @rule(state=st.integers(0, 9), clock_s=st.sampled_from([0, 0, -1000, 40, 1000]))
    def set_state(self, state: int, clock_s: int) -> None:
        self.world.wall_ahead += clock_s
        self.carry_out(self.node.set_state(state, self.world.now))
        assert self.node.own.state == state

    @invariant()
    def the_served_table_is_whole_and_holds_nobody_blacklisted(self) -> None:
        served = decode_all(self.node.table(), rules=ANYTHING)
        assert served.rejected == {}
        assert served.entries[0] == self.node.own
        listed = [entry.address for entry in served.entries]
        assert len(listed) == len(set(listed)) == self.node.status().members <= self.MAX_MEMBERS + 1
        assert not set(listed) & set(self.world.blacklisted())

    @invariant()
    def members_spoke_for_themselves(self) -> None:
        members = {view.entry for view in self.node.members(self.world.now) if not view.is_own}
        assert members <= (self.own_words if self.trust == "verify" else self.heard)
        assert {entry.address for entry in members} <= {entry.address for entry in self.own_words}

    @invariant()
    def own_timestamps_only_grow(self) -> None:
        assert self.node.own == self.own or self.node.own.timestamp > self.own.timestamp
        self.own = self.node.own
