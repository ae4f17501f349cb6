"""Strikes and false hints: the record by itself, then what a node makes of it."""

from __future__ import annotations

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.effects import Output, Pull, Purpose
from gossip.core.entry import Entry
from gossip.core.reputation import Reputation
from gossip.core.wire import End, Pulled
from tests.core_helpers import A, B, C, D, World, nth, of_kind, pulls

GARBAGE = Pulled(b"Gossiping something adversarial:)\n", End.CLOSED)


def reputation() -> Reputation:
    return Reputation(strike_decay_s=100.0, distrust_s=50.0)


def test_strikes_add_up_and_each_decays_by_itself() -> None:
    held = reputation()
    assert [held.strike(A, mono) for mono in (0.0, 60.0, 99.9)] == [1, 2, 3]
    assert held.strike(A, 100.0) == 3
    assert held.strike(A, 1000.0) == 1
    assert held.strike(B, 1000.0) == 1


def test_false_hints_about_three_different_subjects_earn_a_strike() -> None:
    held = reputation()
    assert [held.disprove(D, subject, 0.0) for subject in (A, B, C)] == [False, False, True]


def test_false_hints_about_one_subject_count_once() -> None:
    held = reputation()
    assert not any(held.disprove(D, subject, 0.0) for subject in (A, A, A, B, B))
    assert not held.disprove(C, C, 0.0)


def test_after_three_all_hints_are_ignored_for_a_while() -> None:
    held = reputation()
    for subject in (A, B, C):
        held.disprove(D, subject, 10.0)
    assert held.ignores(D, nth(1), 59.9)
    assert not held.ignores(D, nth(1), 60.0)
    assert not held.ignores(A, nth(1), 10.0)
    assert not held.disprove(D, nth(1), 60.0)  # the next strike takes three again


def test_while_it_is_distrusted_a_peer_earns_no_further_strike() -> None:
    held = reputation()
    earned = [held.disprove(D, nth(number), 10.0) for number in range(12)]
    assert earned == [False, False, True] + [False] * 9
    assert [held.disprove(D, nth(number), 60.0) for number in range(3)] == [False, False, True]


def test_what_is_held_against_a_peer_now_is_told() -> None:
    held = reputation()
    assert held.standing(A, 0.0) == (0, None)
    held.strike(A, 0.0)
    held.strike(A, 10.0)
    assert held.standing(A, 99.9) == (2, None)
    assert held.standing(A, 100.0) == (1, None)
    for subject in (A, B, C):
        held.disprove(D, subject, 10.0)
    assert held.standing(D, 20.0) == (0, 40.0)
    assert held.standing(D, 60.0) == (0, None)


def test_a_member_that_is_distrusted_is_shown_as_such_until_it_is_forgiven() -> None:
    world = World(attention={"distrust_s": 50.0})
    world.admit(A, B, C, D)
    beliefs = world.node._beliefs
    for subject in (A, B, C):
        beliefs.reputation.disprove(D, subject, world.now.mono)
    beliefs.strike(D, "false_hints", world.now)
    assert _held(world) == {A: (0, None), B: (0, None), C: (0, None), D: (1, 50.0)}
    world.mono += 50.0
    assert _held(world)[D] == (1, None)


def _held(world: World) -> dict[Address, tuple[int, float | None]]:
    views = world.node.members(world.now)
    return {view.entry.address: (view.strikes, view.distrusted_s) for view in views if not view.is_own}


def test_before_that_only_hints_about_the_same_subject_are_ignored() -> None:
    held = reputation()
    held.disprove(D, A, 10.0)
    assert held.ignores(D, A, 11.0)
    assert not held.ignores(D, B, 11.0)
    held.expire(60.0)
    assert not held.ignores(D, A, 60.0)


def test_what_has_not_yet_decayed_survives_an_expiry() -> None:
    held = reputation()
    held.strike(A, 0.0)
    held.disprove(A, B, 20.0)
    held.disprove(A, C, 60.0)
    held.expire(75.0)
    assert held.strike(A, 76.0) == 2
    assert not held.ignores(A, B, 76.0)
    assert held.ignores(A, C, 76.0)


def test_clearing_starts_afresh() -> None:
    held = reputation()
    held.strike(A, 0.0)
    held.disprove(A, B, 0.0)
    held.clear(A)
    assert held.strike(A, 1.0) == 1
    assert not held.ignores(A, B, 1.0)


# What a node makes of it.


def garbage(world: World) -> Output:
    world.node.connect(A, world.now)
    return world.node.handle_table(A, GARBAGE, world.now)


def lie(world: World, liar_word: Entry, truth: Entry) -> Output:
    """Let a member hint at a newer entry than `truth`, and the subject answer the check with `truth`."""
    world.mono += 4.0
    out = world.say(liar_word.address, liar_word, truth._replace(timestamp=truth.timestamp + 5))
    assert out.effects == [Pull(truth.address, Purpose.CHECK)]
    return world.answer(truth.address, truth)


def test_a_table_of_mostly_rejected_lines_is_a_strike_and_the_third_blacklists() -> None:
    world = World()
    world.admit(A)
    assert garbage(world).events[1:] == [ev.StrikeGiven(A, "rejected_lines", 1)]
    assert garbage(world).events[1:] == [ev.StrikeGiven(A, "rejected_lines", 2)]
    assert A in world.believed()
    garbage(world)
    assert world.blacklisted() == {A: "misbehaving"}
    assert world.believed() == {}


def test_who_was_forgiven_starts_without_strikes() -> None:
    world = World()
    (word,) = world.admit(A)
    for _ in range(3):
        garbage(world)
    assert Pull(A, Purpose.RETRY) in world.tick(60.0).effects
    world.answer(A, word)
    assert garbage(world).events[1:] == [ev.StrikeGiven(A, "rejected_lines", 1)]


def test_strikes_far_apart_do_not_add_up() -> None:
    world = World(blacklist={"strike_decay_s": 600.0})
    world.admit(A)
    for _ in range(6):
        garbage(world)
        world.mono += 300.1
    assert world.blacklisted() == {}


def test_a_hint_that_its_subjects_own_word_does_not_bear_out_is_disproved() -> None:
    world = World()
    liar, truth = world.admit(A, B)
    out = lie(world, liar, truth)
    assert out.events[1:] == [ev.HintDisproved(B, A, truth.timestamp + 5, truth.state)]
    assert world.believed()[B] == truth


def test_a_hint_as_old_as_the_subjects_own_word_is_true() -> None:
    world = World()
    teller, _ = world.admit(A, B)
    newer = world.word(B, state=7, age_s=0)
    world.say(A, teller, newer)
    out = world.answer(B, newer)
    assert of_kind(out, ev.HintDisproved) == []
    assert world.believed()[B] == newer


def test_three_disproved_hints_are_a_strike_and_distrust() -> None:
    world = World()
    liar, *truths = world.admit(D, A, B, C, nth(1))
    first, second, third = (lie(world, liar, truth) for truth in truths[:3])
    for out in (first, second):
        assert of_kind(out, ev.StrikeGiven, ev.PeerDistrusted) == []
    assert of_kind(third, ev.StrikeGiven, ev.PeerDistrusted) == [
        ev.PeerDistrusted(D, 600.0),
        ev.StrikeGiven(D, "false_hints", 1),
    ]
    newer = world.word(nth(1), age_s=0)
    assert pulls(world.say(D, liar, newer).effects) == []
    world.tick(601.0)
    newer = world.word(nth(1), age_s=0)
    assert of_kind(world.say(D, liar, newer), ev.HintHeard) != []


def test_what_a_distrusted_peer_had_said_waits_no_longer_to_be_checked() -> None:
    world = World(attention={"joining_rounds": 0})
    liar, *truths = world.admit(D, *map(nth, range(10)))
    world.tick()
    by_address = {truth.address: truth for truth in truths}
    lies = [truth._replace(timestamp=truth.timestamp + 5) for truth in truths]
    first, second, third, *_ = pulls(world.say(D, liar, *lies).effects)
    for peer in (first, second):
        world.answer(peer, by_address[peer])
    assert len(world.node._beliefs.attention) > 0
    out = world.answer(third, by_address[third])
    assert of_kind(out, ev.PeerDistrusted) == [ev.PeerDistrusted(D, 600.0)]
    assert len(world.node._beliefs.attention) == 0


def test_a_false_hint_about_one_subject_is_not_followed_twice() -> None:
    world = World()
    liar, truth = world.admit(A, B)
    lie(world, liar, truth)
    world.mono += 30.0
    out = world.say(A, liar, truth._replace(timestamp=truth.timestamp + 9))
    assert (of_kind(out, ev.HintHeard), out.effects) == ([], [])
    world.tick(600.0)  # a while later it is given another hearing
    assert of_kind(world.say(A, liar, world.word(B, age_s=0)), ev.HintHeard) != []


def test_what_was_said_after_a_check_began_is_not_held_against_it() -> None:
    world = World()
    teller, truth = world.admit(A, B)
    world.node.connect(B, world.now)  # B is being asked while A tells of a change
    newer = world.word(B, state=5, age_s=0)
    world.say(A, teller, newer)
    assert of_kind(world.answer(B, truth), ev.HintDisproved) == []


def test_who_is_blacklisted_as_misbehaving_is_not_forgiven_by_an_answer_that_was_under_way() -> None:
    world = World(blacklist={"strikes_to_blacklist": 1})
    liar, *truths = world.admit(D, A, B, C)
    for truth in truths[:2]:
        lie(world, liar, truth)
    world.say(D, liar, truths[2]._replace(timestamp=truths[2].timestamp + 5))
    while D not in pulls(world.tick().effects):
        pass
    world.answer(C, truths[2])
    assert world.blacklisted() == {D: "misbehaving"}
    world.answer(D, liar)
    assert world.blacklisted() == {D: "misbehaving"}


def lie_in_a_reply(world: World, liar: Address, truth: Entry) -> Output:
    world.mono += 4.0
    out = world.called(liar, truth._replace(timestamp=truth.timestamp + 5))
    assert out.effects == [Pull(truth.address, Purpose.CHECK)]
    return world.answer(truth.address, truth)


def test_false_hints_in_replies_cost_no_strike_and_do_not_silence_the_peers_tables() -> None:
    world = World(blacklist={"strikes_to_blacklist": 1})
    teller, *truths = world.admit(D, A, B, C, nth(1))
    outs = [lie_in_a_reply(world, D, truth) for truth in truths[:3]]
    assert all(of_kind(out, ev.HintDisproved) for out in outs)
    told = [of_kind(out, ev.PeerDistrusted) for out in outs]
    assert told == [[], [], [ev.PeerDistrusted(D, 600.0, in_reply=True)]]
    assert not any(of_kind(out, ev.StrikeGiven, ev.MemberBlacklisted) for out in outs)
    news = truths[3]._replace(timestamp=truths[3].timestamp + 9)
    out = world.called(D, news)
    assert of_kind(out, ev.HintIgnored) == [ev.HintIgnored(nth(1), D, "not_trusted")]
    assert world.say(D, teller, news).effects == [Pull(nth(1), Purpose.CHECK)]


def test_false_hints_in_tables_do_not_silence_replies_but_cost_strikes() -> None:
    world = World(blacklist={"strikes_to_blacklist": 2})
    liar, *truths = world.admit(D, A, B, C, nth(1))
    last = [lie(world, liar, truth) for truth in truths[:3]][-1]
    assert of_kind(last, ev.StrikeGiven) == [ev.StrikeGiven(D, "false_hints", 1)]
    news = truths[3]._replace(timestamp=truths[3].timestamp + 9)
    assert pulls(world.say(D, liar, news).effects) == []
    assert world.called(D, news).effects == [Pull(nth(1), Purpose.CHECK)]


def test_two_false_hints_in_tables_and_one_in_a_reply_are_not_three() -> None:
    world = World()
    liar, *truths = world.admit(D, A, B, C)
    for truth in truths[:2]:
        lie(world, liar, truth)
    out = lie_in_a_reply(world, D, truths[2])
    assert of_kind(out, ev.StrikeGiven, ev.PeerDistrusted) == []
