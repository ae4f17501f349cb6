"""What each attack achieves: in verify nothing about anybody else, in hearsay what its name says."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.attacks import STRATEGIES
from gossip.core.effects import Output
from gossip.core.entry import Entry
from gossip.core.wire import Pulled
from gossip.log.events import EventLog
from gossip.shell import render
from tests.attack_stage import DEAD, HONEST, LIAR, VICTIM, Stage
from tests.core_helpers import OWN, A, B, World, pulls

ROUNDS = 8
POISONS_HEARSAY = {"forge", "freeze", "future"}


@cache
def after(name: str, trust: str) -> Stage:
    """Return what a stage has come to after some rounds of an attack; not to be changed."""
    stage = Stage(name, trust)
    stage.rounds(ROUNDS)
    return stage


def of(stage: Stage, kind: type[ev.Event]) -> list[ev.Event]:
    return [event for event in stage.events if isinstance(event, kind)]


def pull(world: World, peer: Address, stage: Stage) -> None:
    """Let a node pull from the liar, at its own address or an alias."""
    pulled = stage.answer_to(world.node.own.address)
    assert isinstance(pulled, Pulled)
    world.node.connect(peer, world.now)
    world.node.handle_table(peer, pulled, world.now)


@pytest.mark.parametrize("name", STRATEGIES)
def test_in_verify_no_attack_changes_what_is_believed_of_the_honest(name: str) -> None:
    stage = after(name, "verify")
    assert stage.believed == stage.words
    assert stage.strangers <= set(stage.liar.node._adversary.aliases)
    assert stage.node.blacklisted().keys() <= {LIAR, DEAD}
    assert stage.liar.believed().keys() >= set(HONEST), "it goes on pulling and believing honestly"


@pytest.mark.parametrize("name", STRATEGIES)
def test_in_hearsay_the_forgers_poison_and_nobody_else(name: str) -> None:
    stage = after(name, "hearsay")
    wrong = {peer for peer in HONEST if stage.believed[peer].state != stage.words[peer].state}
    assert bool(wrong) == (name in POISONS_HEARSAY)
    assert stage.strangers <= set(stage.liar.node._adversary.aliases)
    assert stage.node.blacklisted().keys() <= {LIAR, DEAD}


@pytest.mark.parametrize("trust", ["verify", "hearsay"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_who_is_struck_out(name: str, trust: str) -> None:
    """Only who sends no table at all: every other attack leaves its liar a member, to go on."""
    always = {"garbage", "silent"}
    caught = {LIAR} & after(name, trust).node.blacklisted().keys()
    assert bool(caught) == (name in always)


def test_in_verify_a_forger_is_distrusted_after_three_subjects() -> None:
    for name in POISONS_HEARSAY:
        stage = after(name, "verify")
        assert len({event.member for event in of(stage, ev.HintDisproved)}) >= 3  # type: ignore[attr-defined]
        assert of(stage, ev.PeerDistrusted)
        assert not of(after(name, "hearsay"), ev.PeerDistrusted)


def test_freeze_keeps_the_same_lie_over_changes_of_the_owner_in_hearsay() -> None:
    stage = Stage("freeze", "hearsay")
    stage.rounds(2)
    lie = stage.believed[A].state
    assert lie == (stage.words[A].state + 1) % 10
    for state in (5, 7):
        stage.words[A] = Entry(A, int(stage.node.now.wall), state)
        stage.carry_out(stage.node.node.connect(A, stage.node.now))
        assert stage.believed[A].state == state
        stage.rounds(1)
        assert stage.believed[A].state == lie


def test_future_stands_against_the_owners_refutation_for_as_long_as_the_skew() -> None:
    stage = Stage("future", "hearsay")
    stage.rounds(1)
    lie = stage.believed[A]
    owner = World(own=A)
    owner.mono = stage.node.mono
    owner.admit(B)
    before = owner.node.own
    owner.say(B, lie)
    assert owner.node.own == before, "too far ahead to be refuted"
    owner.mono += 40
    owner.tick()
    owner.say(B, lie)
    assert owner.node.own.beats(lie)


@pytest.mark.parametrize("trust", ["verify", "hearsay"])
def test_stale_rolls_nothing_back(trust: str) -> None:
    stage = Stage("stale", trust)
    stage.words[A] = Entry(A, int(stage.node.now.wall), 9)
    stage.carry_out(stage.node.node.connect(A, stage.node.now))
    stage.rounds(ROUNDS)
    assert stage.believed[A].state == 9


def test_slander_costs_checks_and_kills_nobody() -> None:
    stage = Stage("slander")
    stage.node.mono += 100  # trust in who answered is over
    stage.liar.mono = stage.node.mono
    stage.liar_calls()
    assert {event.member for event in of(stage, ev.SuspicionHeard)} == set(HONEST)  # type: ignore[attr-defined]
    assert set(stage.asked) <= set(HONEST) and len(stage.asked) == 2, "no more than half of a round's checks"
    assert not stage.node.blacklisted().keys() - {DEAD}


def test_resurrect_earns_the_dead_one_early_retry() -> None:
    calm, stage = Stage(None), Stage("resurrect")
    for one in (calm, stage):
        one.rounds(1)
    assert (calm.asked.count(DEAD), stage.asked.count(DEAD)) == (0, 1)
    assert stage.node.blacklisted()[DEAD] == "refused"


def test_reflect_makes_who_hears_it_call_the_victim_once() -> None:
    for trust in ("verify", "hearsay"):
        assert after("reflect", trust).asked.count(VICTIM) == 1


def test_the_invented_are_asked_within_the_budget_and_never_members() -> None:
    for name in ("sybil", "flood", "endless"):
        stage = Stage(name, attention={"joining_rounds": 0})
        stage.rounds(1)
        del stage.asked[:]
        stage.rounds(5)
        invented = [peer for peer in stage.asked if peer.host.startswith("198.")]
        assert 0 < len(invented) <= 5 * stage.node.settings.attention.checks_per_round
        assert not stage.strangers


def test_the_listening_sybils_become_members_within_the_limit_per_ip() -> None:
    stage = Stage("sybil_listening")
    stage.rounds(2 * ROUNDS)
    assert stage.strangers == set(stage.liar.node._adversary.aliases)
    assert len(stage.strangers) == 32
    stage = Stage("sybil_listening", gossip={"max_members_per_ip": 10})
    stage.rounds(ROUNDS)
    assert len(stage.strangers) == 9  # and the liar


def test_who_joins_by_a_listening_sybil_learns_of_nobody_else() -> None:
    stage = Stage("sybil_listening")
    newcomer = World(own=B)
    pull(newcomer, LIAR, stage)
    assert {view.entry.address for view in newcomer.node.members(newcomer.now)} == {B, LIAR}
    heard = newcomer.tick().effects
    assert not any(getattr(effect, "peer", LIAR).host != LIAR.host for effect in heard)


def test_equivocate_makes_two_honest_nodes_believe_different_digits() -> None:
    stage = after("equivocate", "verify")
    other = World(own=B)
    pull(other, LIAR, stage)
    one, two = stage.node.believed()[LIAR], other.believed()[LIAR]
    assert one.timestamp == two.timestamp
    assert one.state != two.state


def test_frame_makes_an_honest_relay_look_like_a_liar() -> None:
    stage = Stage("frame")
    stage.rounds(3)
    selves = [LIAR, *stage.strangers]
    assert len(selves) == 5
    judge = World(own=B, mono=stage.node.mono)
    for peer in selves:
        pull(judge, peer, stage)
    # The node on the stage has the lowest address: it is the one that is framed.
    out = judge.pulled(OWN, stage.node.node.table().removesuffix(b"\n"))
    events = list(out.events)
    while asked := [peer for peer in pulls(out.effects) if peer in selves]:
        out = Output()
        for peer in asked:
            answered = judge.node.handle_table(peer, stage.answer_to(B), judge.now)
            out.effects += answered.effects
            events += answered.events
    accused = {event.source for event in events if isinstance(event, ev.HintDisproved)}
    assert accused == {OWN}
    assert [event.peer for event in events if isinstance(event, ev.StrikeGiven)] == [OWN]
    assert judge.believed()[LIAR] == stage.liar.node.own, "what it was told itself"


def test_nothing_injected_reaches_a_terminal_or_breaks_a_log_line() -> None:
    stage = after("inject", "verify")
    lines: list[bytes] = []

    class Sink:
        def write(self, line: bytes) -> None:
            lines.append(line)

    log = EventLog(Sink(), "debug").bind("node")  # type: ignore[arg-type]
    for event in stage.events:
        log.emit(event)
        assert (render.news(event) or "").isprintable()
    assert lines and all(line.count(b"\n") == 1 and line[:-1].isascii() for line in lines)
    assert all(line[:-1].decode().isprintable() for line in lines)
    story = render.story(stage.node.node.explain(LIAR, stage.node.now))
    assert any("lines rejected" in line for line in story)
    assert all(line.isprintable() for line in story)


@settings(max_examples=40)
@given(st.sampled_from(list(STRATEGIES)), st.sampled_from(["verify", "hearsay"]), st.integers(0, 10**6))
def test_no_attack_makes_a_node_fail_or_go_over_its_limits(name: str, trust: str, seed: int) -> None:
    stage = Stage(name, trust, seed)
    stage.rounds(3)
    attention = stage.node.node._beliefs.attention
    assert len(attention) <= stage.node.settings.attention.queue_max
    budget = stage.node.settings.attention.checks_per_round_joining
    assert len(stage.asked) <= 3 * (budget + 2 + 2 * stage.node.settings.gossip.pokes)
