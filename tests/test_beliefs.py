"""Hearsay directs attention; only first-hand contact changes what is believed (PROTOCOL.md, section 2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.effects import Pull, Purpose, Schedule, Timer
from gossip.core.entry import Entry
from gossip.core.wire import End, Pulled, Reason
from tests.core_helpers import (
    SKEW_S,
    STRANGER,
    WALL,
    A,
    B,
    C,
    D,
    World,
    close_entries,
    nth,
    of_kind,
    pulls,
)

BOTH = pytest.mark.parametrize("trust", ["verify", "hearsay"])


def world_of(trust: str, **sections: dict[str, object]) -> World:
    return World(gossip={"trust": trust, **sections.pop("gossip", {})}, **sections)


@BOTH
def test_a_stranger_heard_of_is_asked_and_a_member_only_on_its_own_word(trust: str) -> None:
    world = world_of(trust)
    (a,) = world.admit(A)
    rumour = world.word(B, state=9)
    out = world.say(A, a, rumour)
    assert out.events[1:] == [ev.CandidateHeard(B, str(A))]
    assert out.effects == [Pull(B, Purpose.CHECK)]
    assert set(world.believed()) == {A}
    own_word = world.word(B, state=2)
    out = world.answer(B, own_word)
    assert of_kind(out, ev.MemberAdded) == [ev.MemberAdded(B, 2, own_word.timestamp, str(A))]
    assert world.believed()[B] == own_word


@BOTH
def test_a_candidate_whose_table_lacks_its_own_entry_is_not_admitted(trust: str) -> None:
    world = world_of(trust)
    (a,) = world.admit(A)
    world.say(A, a, world.word(B))
    out = world.answer(B, a, world.word(C))
    assert out.events[1:] == [ev.CandidateRefused(B, "no_own_entry")]
    assert set(world.believed()) == {A}
    assert world.node.entry_of(C) is None  # and what it says of others is not heard


@BOTH
def test_a_candidate_whose_table_is_mostly_rejected_is_not_admitted(trust: str) -> None:
    world = world_of(trust)
    world.node.connect(B, world.now)
    rubbish = Pulled(b"x\ny\n" + world.word(B).line + b"\n", End.CLOSED)
    out = world.node.handle_table(B, rubbish, world.now)
    assert out.events[1:] == [ev.CandidateRefused(B, "rejected_lines")]
    assert world.believed() == {}


def test_loopback_is_heard_of_only_from_a_peer_on_loopback() -> None:
    near, nearer = Address("127.0.0.1", 5002), Address("127.0.0.1", 5003)
    world = World()
    assert world.say(A, world.word(A), world.word(near)).effects == []
    assert world.say(near, world.word(near), world.word(nearer)).effects == [Pull(nearer, Purpose.CHECK)]


def test_admission_ends_the_rest_of_a_refused_candidate() -> None:
    world = World()
    (a,) = world.admit(A)
    world.say(A, a, world.word(B))
    world.fail(B)
    world.admit(B)
    world.mono += 10.0
    assert world.say(A, a, world.word(B, age_s=0)).effects == [Pull(B, Purpose.CHECK)]


def test_a_refused_candidate_is_left_alone_for_a_while() -> None:
    world = World(attention={"candidate_retry_s": 100.0})
    (a,) = world.admit(A)
    world.say(A, a, world.word(B))
    assert world.fail(B).events[1:] == [ev.CandidateRefused(B, "refused")]
    world.mono += 99.0
    assert world.say(A, a, world.word(B)).effects == []
    world.mono += 2.0
    assert world.say(A, a, world.word(B)).effects == [Pull(B, Purpose.CHECK)]


def test_a_hint_changes_nothing_until_its_subject_confirms_it() -> None:
    world = world_of("verify")
    a, b = world.admit(A, B)
    newer = world.word(B, state=7, age_s=0)
    out = world.say(A, a, newer)
    assert out.events[1:] == [ev.HintHeard(B, str(A), newer.timestamp, 7)]
    assert out.effects == [Pull(B, Purpose.CHECK)]
    assert world.believed()[B] == b
    truth = newer._replace(state=8)
    assert world.answer(B, truth).events[1:] == [ev.StateChanged(B, 0, 8, truth.timestamp, "first-hand")]
    assert world.believed()[B] == truth


def test_hearsay_that_does_not_beat_what_is_held_costs_no_check() -> None:
    world = world_of("verify")
    a, b = world.admit(A, B)
    assert world.say(A, a, b).effects == []
    assert world.say(A, a, b._replace(timestamp=b.timestamp - 1, state=9)).effects == []


def test_hearsay_about_a_member_is_merged_if_trust_says_so() -> None:
    world = world_of("hearsay")
    a, _ = world.admit(A, B)
    newer = world.word(B, state=7, age_s=0)
    out = world.say(A, a, newer)
    assert (out.events[1:], out.effects) == ([ev.StateChanged(B, 0, 7, newer.timestamp, str(A))], [])
    assert world.believed()[B] == newer
    world.say(A, a, world.word(B, state=1, age_s=10))
    assert world.believed()[B] == newer


@BOTH
def test_a_nodes_own_word_is_taken_even_with_a_lower_timestamp(trust: str) -> None:
    world = world_of(trust)
    world.admit(A)
    for age_s, state in ((0, 4), (500, 5), (500, 4), (300, 4)):
        word = world.word(A, state=state, age_s=age_s)
        world.say(A, word)
        assert world.believed()[A] == word


@BOTH
def test_an_entry_of_the_future_is_rejected_from_whomever_it_comes(trust: str) -> None:
    world = world_of(trust)
    a, b = world.admit(A, B)
    for subject, held in ((A, a), (B, b), (C, None)):
        out = world.say(A, a, b, world.word(subject, state=9, age_s=-SKEW_S - 1))
        assert isinstance(out.events[0], ev.PullFinished)
        assert out.events[0].rejected == {Reason.FUTURE: 1}
        assert world.node.entry_of(subject) == held
        assert out.effects == []
    ahead = world.word(A, state=9, age_s=-SKEW_S)
    world.say(A, ahead)
    assert world.believed()[A] == ahead


@BOTH
def test_nothing_heard_of_this_node_changes_its_state(trust: str) -> None:
    world = world_of(trust, node={"state": 3})
    (a,) = world.admit(A)
    own = world.node.own
    world.say(A, a, own._replace(timestamp=own.timestamp - 1, state=9))
    assert world.node.own == own
    world.say(A, a, own._replace(timestamp=own.timestamp + 9, state=9))
    assert world.node.own.state == 3


@BOTH
def test_a_node_admits_no_more_than_max_members(trust: str) -> None:
    world = world_of(trust, gossip={"max_members": 2})
    world.admit(A, B)
    out = world.say(C, world.word(C))
    assert out.events[1:] == [ev.CandidateRefused(C, "table_full")]
    assert set(world.believed()) == {A, B}


def test_checks_are_spread_by_jitter() -> None:
    dues = set()
    for seed in range(20):
        world = World(seed, attention={"jitter_rounds": 0.25})
        (a,) = world.admit(A)
        (effect,) = world.say(A, a, world.word(B)).effects
        assert isinstance(effect, Schedule)
        assert effect.timer is Timer.CHECKS
        assert 0 <= effect.at - world.now.mono <= 0.25 * 3.0
        dues.add(effect.at)
        world.mono = effect.at
        assert world.node.handle_timer(Timer.CHECKS, world.now).effects == [Pull(B, Purpose.CHECK)]
    assert len(dues) == 20


def test_a_subject_is_checked_once_a_cool_down() -> None:
    world = World(attention={"cooldown_rounds": 2.0})
    a, _ = world.admit(A, B)
    first, second = world.word(B, state=1, age_s=9), world.word(B, state=2, age_s=8)
    assert pulls(world.say(A, a, first).effects) == [B]
    world.answer(B, first)
    (timer,) = world.say(A, a, second).effects
    assert timer == Schedule(Timer.CHECKS, world.now.mono + 6.0)
    world.mono += 6.0
    assert world.node.handle_timer(Timer.CHECKS, world.now).effects == [Pull(B, Purpose.CHECK)]
    world.answer(B, second)
    (timer,) = world.say(A, a, world.word(B, state=3, age_s=0)).effects
    assert timer == Schedule(Timer.CHECKS, world.now.mono + 6.0)


def test_one_check_answers_all_who_mention_its_subject() -> None:
    world = World()
    a, b = world.admit(A, B)
    world.node.connect(C, world.now)
    rumour = world.word(C)
    assert world.say(A, a, rumour).effects == []
    assert world.say(B, b, rumour).effects == []
    assert world.answer(C, rumour).effects == []
    checks = [effect for effect in world.tick(60.0).effects if isinstance(effect, Pull)]
    assert [effect.purpose for effect in checks] == [Purpose.ROUND]


@BOTH
def test_who_was_asked_by_hand_is_heard_even_if_it_is_no_member(trust: str) -> None:
    world = world_of(trust)  # a host name may lead to a node that calls itself something else
    out = world.say(STRANGER, world.word(A))
    assert set(world.believed()) == set()
    assert out.effects == [Pull(A, Purpose.CHECK)]


def test_a_flood_of_candidates_costs_no_more_than_half_the_budget_of_a_round() -> None:
    world = World(attention={"joining_rounds": 0})
    (a,) = world.admit(A)
    world.tick()
    opened = pulls(world.answer(A, a, *(world.word(nth(number)) for number in range(500))).effects)
    for _ in range(5):
        assert len(opened) == 2
        for peer in opened:
            assert world.fail(peer).effects == []
        opened = [peer for peer in pulls(world.tick().effects) if peer != A]
        world.answer(A, a)


SUBJECTS = (A, B, C)
TELLERS = (D, STRANGER)
tellings = st.lists(st.tuples(st.sampled_from(TELLERS), st.lists(close_entries, max_size=4)), max_size=5)


def merged(tellings: list[tuple[object, list[Entry]]]) -> dict[object, Entry]:
    """Return what a node that trusts hearsay believes of the subjects after these tables."""
    world = world_of("hearsay")
    told = {word.address: word for word in world.admit(*SUBJECTS, *TELLERS)}
    for teller, heard in tellings:
        world.say(teller, told[teller], *heard)  # type: ignore[arg-type, index]
    return {subject: entry for subject, entry in world.believed().items() if subject in SUBJECTS}


@given(tellings, st.randoms(use_true_random=False))
def test_merging_hearsay_is_commutative_associative_and_idempotent(
    heard: list[tuple[object, list[Entry]]], random: object
) -> None:
    base = merged([])
    expected = dict(base)
    for entry in (entry for _, entries in heard for entry in entries):
        expected[entry.address] = max(
            expected[entry.address], entry, key=lambda held: (held.timestamp, held.state)
        )
    shuffled = heard[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    all_at_once = [(D, [entry for _, entries in heard for entry in entries])]
    one_by_one = [(teller, [entry]) for teller, entries in heard for entry in reversed(entries)]
    for telling in (heard, shuffled, all_at_once, one_by_one, heard + shuffled + one_by_one):
        assert merged(telling) == expected


def test_the_law_of_merging_is_tried_on_entries_that_do_change_the_table() -> None:
    newest = Entry(A, WALL + 100, 5)
    assert merged([(D, [newest])])[A] == newest
