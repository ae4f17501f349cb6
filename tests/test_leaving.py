"""Leaving: a member that says so is off the table at once, and nobody else can say it in its name."""

from __future__ import annotations

from gossip.core import events as ev
from gossip.core.effects import Pull, Purpose
from gossip.core.wire import Failure
from tests.core_helpers import A, World, of_kind, pulls, replies
from tests.test_liveness import crowd, of_purpose


def test_who_says_that_it_leaves_is_checked_and_one_failed_pull_is_enough() -> None:
    world = World()
    world.admit(A)
    out = world.called(A, leaving=True)
    assert of_kind(out, ev.LeavingHeard) == [ev.LeavingHeard(A)]
    assert out.effects == [Pull(A, Purpose.CHECK)]
    assert world.called(A, leaving=True).effects == []
    assert of_kind(world.fail(A), ev.MemberBlacklisted) != []
    assert world.blacklisted() == {A: "left"}


def test_a_member_that_answers_the_check_has_not_left() -> None:
    world = World()
    (a,) = world.admit(A)
    world.called(A, leaving=True)
    world.answer(A, a)
    assert world.called(A, leaving=True).effects == []  # not believed again at once
    world.tick()
    assert of_kind(world.fail(A), ev.MemberBlacklisted) == []
    assert set(world.believed()) == {A}


def test_an_answer_to_a_pull_from_before_it_said_so_does_not_deny_that_it_leaves() -> None:
    world = World()
    (a,) = world.admit(A)
    world.tick()  # a pull from it is under way
    world.mono += 0.1
    assert pulls(world.called(A, leaving=True).effects) == []
    world.answer(A, a)
    world.tick()
    assert of_kind(world.fail(A), ev.MemberBlacklisted) != []
    assert world.blacklisted() == {A: "left"}


def test_a_failure_of_this_machine_does_not_count_against_who_leaves() -> None:
    world = World()
    world.admit(A)
    world.called(A, leaving=True)
    world.fail(A, Failure("no_descriptors", ours=True))
    assert world.blacklisted() == {}


def test_a_node_that_stops_tells_a_few_members_and_says_so_in_every_reply() -> None:
    world, words = crowd(10)
    (under_way,) = pulls(world.tick().effects)
    out = world.node.handle_stop(world.now)
    told = of_purpose(out, Purpose.LEAVE)
    assert len(set(told)) == len(out.effects) == 3
    for peer in [*told, under_way]:
        data = replies(world.pulled(peer, words[peer].line + b"\n"))[peer]
        assert data.endswith(b"\n#leaving 10.0.0.1:5001\n\n")


def test_a_node_that_is_to_tell_nobody_tells_nobody() -> None:
    world = World(reply={"tell_leaving": 0})
    (a,) = world.admit(A)
    (under_way,) = pulls(world.tick().effects)
    assert world.node.handle_stop(world.now).effects == []
    newer = a.line + b"\n"
    assert b"#leaving" not in replies(world.pulled(under_way, newer)).get(under_way, b"")


def test_who_left_and_calls_again_is_back_soon() -> None:
    world = World()
    (a,) = world.admit(A)
    world.called(A, leaving=True)
    world.fail(A)
    world.mono += 3.0
    assert world.called(A).effects == [Pull(A, Purpose.RETRY)]
    world.answer(A, a)
    assert (set(world.believed()), world.blacklisted()) == ({A}, {})
