"""A node under random histories: tables, replies, failures, time, restarts and commands in any order."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.effects import Join, Output, Pull, Purpose, SaveSnapshot, Schedule, SendReply, Timer
from gossip.core.entry import Entry
from gossip.core.node import Node
from gossip.core.reply import compose
from gossip.core.settings import PullSettings
from gossip.core.snapshot import Snapshot
from gossip.core.wire import End, Failure, Pulled
from tests.core_helpers import (
    ANYTHING,
    OWN,
    SKEW_S,
    A,
    B,
    C,
    D,
    World,
    decode_all,
    nth,
    read_in_chunks,
)

PEERS = (A, B, C, D, nth(1), nth(2), Address("2001:db8::7", 5001), Address("127.0.0.1", 5009))
STRANGER_HOST = "198.51.100.77"
peers = st.sampled_from(PEERS)
ages = st.sampled_from([-SKEW_S - 9, -SKEW_S, -5, 0, 1, 10, 500])
claims = st.lists(st.tuples(st.sampled_from([*PEERS, OWN]), ages, st.integers(0, 2)), max_size=6)
junk = st.lists(
    st.sampled_from([b"x", b"\xff", b"10.0.1.1:5001,1", b"#word", b"#suspect x", b"1" * 200]), max_size=4
)


class NodeMachine(RuleBasedStateMachine):
    """What must hold after each step of any history.

    The limits are so small that histories meet them. With `joining_rounds` 0, a round has the larger
    budget exactly if it began without a live member.
    """

    MAX_OPEN, MAX_MEMBERS, BUDGET, BUDGET_JOINING, POKES = 4, 5, 2, 3, 1

    @initialize(trust=st.sampled_from(["verify", "verify", "hearsay"]), seed=st.integers(0, 99))
    def start(self, trust: str, seed: int) -> None:
        self.trust, self.seed = trust, seed
        self.world = World(
            seed,
            node={"join": ("seed",), "data_dir": "somewhere"},
            gossip={"trust": trust, "max_members": self.MAX_MEMBERS, "pokes": self.POKES},
            attention={
                "checks_per_round": self.BUDGET,
                "checks_per_round_joining": self.BUDGET_JOINING,
                "joining_rounds": 0,
                "jitter_rounds": 0.25,
                "suspicion_rounds": 2.0,
                "candidate_retry_s": 10.0,
                "distrust_s": 20.0,
                "queue_max": 8,
                "queue_max_per_source": 3,
                "max_open_pulls": self.MAX_OPEN,
            },
            blacklist={
                "failures_to_blacklist": 3,
                "strikes_to_blacklist": 2,
                "blacklist_base_s": 2.0,
                "blacklist_max_s": 8.0,
                "forget_after_s": 60.0,
            },
        )
        self.heard: set[Entry] = set()
        self.own_words: set[Entry] = set()
        self.kept: Snapshot | None = None
        self.asked_to_save = False
        self.own = self.world.node.own
        self.begin()

    def begin(self) -> None:
        """Begin a life of the node, the first or the next."""
        self.node = self.world.node
        self.open: dict[Address, Purpose] = {}
        self.timers: dict[Timer, float] = {}
        self.suspected: set[Address] = set()  # who waits to be checked because others suspect it
        self.wanted: set[Address] = set()  # and who for another reason
        self.leaving = False
        self.join_answered = self.node.status().members > 1
        self.join_again_at = self.world.mono + self.world.settings.gossip.interval_s
        self.new_round(self.BUDGET_JOINING)
        self.carry_out(self.node.handle_start(self.world.now))

    def new_round(self, budget: int) -> None:
        self.checks, self.suspicions, self.pokes, self.budget = 0, 0, 0, budget

    def carry_out(self, out: Output) -> None:
        blacklisted = self.world.blacklisted()
        for event in out.events:
            match event:
                case ev.SuspicionHeard(member) | ev.LeavingHeard(member):
                    self.suspected.add(member)
                case ev.HintHeard(member) | ev.MemberSuspected(member) | ev.CandidateHeard(member):
                    self.wanted.add(member)
        for effect in out.effects:
            match effect:
                case Pull(peer, purpose):
                    self.note_pull(peer, purpose, blacklisted)
                case SendReply(peer, data):
                    assert data.startswith(b"#from 10.0.0.1:5001\n")
                    assert data.endswith(b"\n\n")
                    assert (b"\n#leaving 10.0.0.1:5001\n" in data) is self.leaving
                case Schedule(timer, when):
                    assert when >= self.world.mono
                    self.timers[timer] = when
                case SaveSnapshot(urgent):
                    self.asked_to_save = True
                    if urgent:
                        self.save()
                case Join():
                    assert not self.has_joined() or self.world.mono >= self.join_again_at
                    self.join_again_at = self.world.mono + self.world.settings.gossip.interval_s

    def note_pull(self, peer: Address, purpose: Purpose, blacklisted: dict[Address, str]) -> None:
        assert peer not in self.open, "two pulls of one peer"
        assert peer != OWN
        assert blacklisted.get(peer) != "blocked"
        if purpose is not Purpose.USER:
            assert len(self.open) < self.MAX_OPEN
        if purpose not in (Purpose.USER, Purpose.JOIN):
            assert (purpose is Purpose.RETRY) == (peer in blacklisted)
        self.checks += purpose in (Purpose.CHECK, Purpose.RETRY)
        assert self.checks <= self.budget
        self.suspicions += purpose is Purpose.CHECK and peer in self.suspected - self.wanted
        assert self.suspicions <= self.BUDGET // 2
        self.pokes += purpose is Purpose.POKE
        assert self.pokes <= 2 * self.POKES
        self.suspected.discard(peer)
        self.wanted.discard(peer)
        self.open[peer] = purpose

    def has_joined(self) -> bool:
        return self.join_answered and self.node.status().members > 1

    def close(self, which: int) -> tuple[Address, Purpose]:
        peer = list(self.open)[which % len(self.open)]
        return peer, self.open.pop(peer)

    def claimed(self, claims: list[tuple[Address, int, int]]) -> list[Entry]:
        entries = [self.world.word(subject, state, age_s) for subject, age_s, state in claims]
        self.heard.update(entries)
        return entries

    @rule(late_s=st.sampled_from([0.0, 0.05, 4.0, 100.0]))
    def begin_round(self, late_s: float) -> None:
        self.world.mono = max(self.world.mono, self.timers.pop(Timer.ROUND)) + late_s
        self.new_round(self.BUDGET_JOINING if self.node.status().members == 1 else self.BUDGET)
        self.carry_out(self.node.handle_timer(Timer.ROUND, self.world.now))
        assert Timer.ROUND in self.timers

    @precondition(lambda self: Timer.CHECKS in self.timers)
    @rule()
    def look_at_checks(self) -> None:
        self.world.mono = max(self.world.mono, self.timers.pop(Timer.CHECKS))
        self.carry_out(self.node.handle_timer(Timer.CHECKS, self.world.now))

    @precondition(lambda self: self.open)
    @rule(
        which=st.integers(0, 9),
        own_age=st.one_of(st.none(), ages),
        claims=claims,
        junk=junk,
        end=st.sampled_from([End.CLOSED, End.EMPTY_LINE, End.EMPTY_LINE]),
    )
    def answer(
        self,
        which: int,
        own_age: int | None,
        claims: list[tuple[Address, int, int]],
        junk: list[bytes],
        end: End,
    ) -> None:
        peer, purpose = self.close(which)
        self.join_answered |= purpose is Purpose.JOIN
        entries = self.claimed(claims if own_age is None else [(peer, own_age, 1), *claims])
        self.own_words.update(entry for entry in entries if entry.address == peer)
        data = b"".join(line + b"\n" for line in [*(entry.line for entry in entries), *junk])
        out = self.node.handle_table(peer, Pulled(data, end), self.world.now)
        assert end is End.EMPTY_LINE or not any(isinstance(effect, SendReply) for effect in out.effects)
        self.carry_out(out)

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 9), ours=st.sampled_from([False, False, True]))
    def fail(self, which: int, ours: bool) -> None:
        failure = Failure("timeout", ours=ours)
        self.carry_out(self.node.handle_failure(self.close(which)[0], failure, self.world.now))

    @rule(
        caller=st.sampled_from([*PEERS, OWN]),
        forged=st.sampled_from([False, False, False, True]),
        claims=claims,
        junk=junk,
        suspects=st.lists(st.sampled_from([*PEERS, OWN]), max_size=4),
        leaving=st.booleans(),
    )
    def reply(
        self,
        caller: Address,
        forged: bool,
        claims: list[tuple[Address, int, int]],
        junk: list[bytes],
        suspects: list[Address],
        leaving: bool,
    ) -> None:
        lines = [*(entry.line for entry in self.claimed(claims)), *junk]
        data = compose(caller, "", lines, suspects, leaving).removesuffix(b"\n")
        before, blacklist = self.world.believed(), self.world.blacklisted()
        host = STRANGER_HOST if forged else caller.host
        self.carry_out(self.node.handle_reply(host, Pulled(data, End.EMPTY_LINE), self.world.now))
        after = self.world.believed()
        assert self.world.blacklisted() == blacklist
        assert set(after) == set(before)
        assert after == before or (self.trust == "hearsay" and not forged)

    @rule(addresses=st.lists(st.sampled_from([*PEERS, OWN]), max_size=8))
    def join(self, addresses: list[Address]) -> None:
        if not self.has_joined():
            self.join_answered = set(addresses) == {OWN}
        self.carry_out(self.node.handle_join(addresses, self.world.now))

    @rule(peer=peers)
    def connect(self, peer: Address) -> None:
        if self.world.blacklisted().get(peer) != "blocked":
            self.carry_out(self.node.connect(peer, self.world.now))
            self.open[peer] = Purpose.USER  # a pull under way is taken over

    @rule(peer=peers, for_good=st.sampled_from([True, False, False]))
    def block_or_unblock(self, peer: Address, for_good: bool) -> None:
        change = self.node.block if for_good else self.node.unblock
        self.carry_out(change(peer, self.world.now))

    @rule(state=st.integers(0, 9), clock_s=st.sampled_from([0, 0, -1000, 40, 1000]))
    def set_state(self, state: int, clock_s: int) -> None:
        self.world.wall_ahead += clock_s
        self.carry_out(self.node.set_state(state, self.world.now))
        assert self.node.own.state == state

    @precondition(lambda self: self.asked_to_save)
    @rule()
    def save(self) -> None:
        self.kept = self.node.snapshot(self.world.now)
        self.asked_to_save = False

    @rule(orderly=st.booleans(), down_s=st.sampled_from([0.0, 0.5, 30.0]))
    def restart(self, orderly: bool, down_s: float) -> None:
        """Stop or crash, and come back: with the last snapshot that was kept, if there is one."""
        if orderly:
            self.leaving = True
            self.carry_out(self.node.handle_stop(self.world.now))
            while self.open:
                self.answer(0, 0, [], [], End.EMPTY_LINE)
            self.kept = self.node.snapshot(self.world.now)
        self.world.mono += down_s
        self.world.node = Node(self.world.settings, OWN, Random(self.seed), self.world.now, self.kept)
        assert self.world.node.own.timestamp >= self.own.timestamp
        if orderly:
            assert self.world.node.own.timestamp > self.own.timestamp
        self.own = self.world.node.own
        self.begin()

    @invariant()
    def the_served_table_is_whole_and_holds_nobody_blacklisted(self) -> None:
        pulled = read_in_chunks([self.node.table()], PullSettings())
        assert pulled.end is End.EMPTY_LINE
        assert pulled.data + b"\n" == self.node.table()  # one empty line, and nothing behind it
        served = decode_all(pulled.data, rules=ANYTHING)
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
