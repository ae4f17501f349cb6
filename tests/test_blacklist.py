"""The blacklist by itself, then what blacklists a node and what brings it back (PROTOCOL.md, section 4)."""

from __future__ import annotations

from random import Random

import pytest

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.blacklist import Blacklist
from gossip.core.effects import Output, Pull, Purpose, Schedule
from gossip.core.entry import Entry
from gossip.core.settings import BlacklistSettings
from gossip.core.wire import Failure
from tests.core_helpers import WALL, A, B, C, World, nth, of_kind, pulls

ENTRY = Entry(A, WALL, 3)
BASE_S, MAX_S = 10.0, 600.0


def blacklist(size_max: int = 100, seed: int = 1) -> Blacklist:
    return Blacklist(BlacklistSettings(forget_after_s=1000.0), size_max, Random(seed))


def test_the_back_off_doubles_from_base_to_max_with_jitter_of_a_quarter() -> None:
    factors = set()
    for seed in range(50):
        listed = blacklist(seed=seed)
        delays = [listed.add(A, "refused", ENTRY, 0.0), *(listed.failed_again(A, 0.0) for _ in range(9))]
        for retries, delay in enumerate(delays):
            factor = delay / min(BASE_S * 2**retries, MAX_S)
            assert 0.75 <= factor <= 1.25
            factors.add(factor)
    assert max(factors) - min(factors) > 0.45


def test_the_back_off_bears_any_number_of_retries() -> None:
    listed = blacklist()
    listed.add(A, "refused", ENTRY, 0.0)
    assert all(listed.failed_again(A, 0.0) <= 1.25 * MAX_S for _ in range(2000))


def test_a_retry_is_due_when_its_delay_is_over() -> None:
    listed = blacklist()
    delay = listed.add(A, "refused", ENTRY, 100.0)
    assert listed.due(100.0 + delay - 0.01) == []
    assert listed.due(100.0 + delay) == [A]
    again = listed.failed_again(A, 200.0)
    assert listed.due(200.0 + again - 0.01) == []
    assert listed.due(200.0 + again) == [A]


def test_hearsay_that_beats_the_last_entry_earns_one_early_retry() -> None:
    listed = blacklist()
    listed.add(A, "refused", ENTRY, 0.0)
    assert not listed.hear(ENTRY)
    assert not listed.hear(ENTRY._replace(timestamp=WALL - 1))
    assert listed.hear(ENTRY._replace(timestamp=WALL + 1))
    assert not listed.hear(ENTRY._replace(timestamp=WALL + 2))


def test_no_hearsay_counts_for_who_never_was_a_member_or_is_blocked() -> None:
    listed = blacklist()
    listed.add(A, "refused", None, 0.0)
    listed.block(B, Entry(B, WALL, 3), 0.0)
    assert not listed.hear(ENTRY._replace(timestamp=WALL + 1))
    assert not listed.hear(Entry(B, WALL + 1, 3))


def test_who_was_blacklisted_for_long_is_forgotten() -> None:
    listed = blacklist()
    listed.add(A, "refused", ENTRY, 0.0)
    listed.failed_again(A, 900.0)  # a retry does not renew it
    assert listed.forget(999.9) == []
    assert listed.forget(1000.0) == [A]
    assert A not in listed


def test_beyond_the_bound_the_oldest_is_forgotten() -> None:
    listed = blacklist(size_max=3)
    for number in range(5):
        listed.add(nth(number), "refused", None, float(number))
    assert listed.forget(10.0) == [nth(0), nth(1)]
    assert len(listed) == 3


def test_a_block_by_hand_is_for_good_and_outside_the_bound() -> None:
    listed = blacklist(size_max=1)
    assert listed.block(A, ENTRY, 0.0)
    assert not listed.block(A, ENTRY, 0.0)
    listed.add(B, "refused", None, 0.0)
    assert listed.due(1e9) == [B]
    assert listed.forget(1.0) == []
    assert listed.forget(1e9) == [B]
    assert listed.is_blocked(A)
    assert listed.remove(A) is not None
    assert not listed.is_blocked(A)


# What a node does about it.


def fail_rounds(world: World, peer: Address, times: int) -> list[Output]:
    """Let every pull of `peer` fail, `times` times, one a round."""
    outs = []
    while len(outs) < times:
        opened = pulls(world.tick().effects)
        outs += [world.fail(who) for who in opened if who == peer]
    return outs


def blacklisted_world() -> World:
    world = World()
    world.admit(A)
    fail_rounds(world, A, 5)
    return world


def test_failed_pulls_make_a_suspect_and_at_the_configured_count_a_blacklisted_node() -> None:
    world = World(blacklist={"failures_to_blacklist": 3})
    world.admit(A)
    first, second, third = fail_rounds(world, A, 3)
    assert first.events[1:] == [ev.MemberSuspected(A, 1)]
    assert second.events[1:] == [ev.MemberSuspected(A, 2)]
    (banned,) = of_kind(third, ev.MemberBlacklisted)
    assert isinstance(banned, ev.MemberBlacklisted)
    assert (banned.member, banned.reason) == (A, "refused")
    assert world.blacklisted() == {A: "refused"}
    assert world.believed() == {}


def test_a_suspect_is_checked_soon_and_an_answer_clears_it() -> None:
    world = World(blacklist={"failures_to_blacklist": 2})
    (word,) = world.admit(A)
    world.tick()
    (timer,) = world.fail(A).effects
    assert isinstance(timer, Schedule)
    assert world.now.mono < timer.at < world.now.mono + 3.0
    world.mono = timer.at
    assert world.node.handle_timer(timer.timer, world.now).effects == [Pull(A, Purpose.CHECK)]
    world.answer(A, word)
    fail_rounds(world, A, 1)
    assert world.blacklisted() == {}


def test_a_blacklisted_node_is_neither_selected_nor_heard_about() -> None:
    world = blacklisted_world()
    (b,) = world.admit(B)
    stale = world.word(A, age_s=500)
    for _ in range(2):
        assert pulls(world.tick().effects) == [B]
        assert world.answer(B, b, stale).effects == []
    assert A not in world.believed()


def test_a_blacklisted_node_is_retried_after_its_back_off_and_forgiven_when_it_answers() -> None:
    world = blacklisted_world()
    (view,) = world.node.blacklist(world.now)
    assert view.retry_in_s is not None
    assert pulls(world.tick(view.retry_in_s - 0.1).effects) == []
    assert Pull(A, Purpose.RETRY) in world.tick(0.2).effects
    word = world.word(A, state=4, age_s=0)
    (event,) = world.answer(A, word).events[1:]
    assert isinstance(event, ev.MemberForgiven)
    assert (event.member, event.state) == (A, 4)
    assert world.believed() == {A: word}
    assert world.blacklisted() == {}


def test_a_retry_that_became_due_again_while_one_was_under_way_waits_for_the_new_back_off() -> None:
    world = blacklisted_world()
    assert Pull(A, Purpose.RETRY) in world.tick(100.0).effects
    assert pulls(world.tick().effects) == []
    assert pulls(world.fail(A).effects) == []
    assert pulls(world.tick().effects) == []


@pytest.mark.parametrize("own_entry", [None, "another's"])
def test_a_retry_without_an_own_entry_fails_like_one_without_an_answer(own_entry: str | None) -> None:
    world = blacklisted_world()
    world.tick(100.0)
    out = world.answer(A, *([world.word(C)] if own_entry else []))
    assert [type(event) for event in out.events] == [ev.PullFinished, ev.RetryFailed]
    (view,) = world.node.blacklist(world.now)
    assert view.retries == 1
    assert view.retry_in_s is not None and view.retry_in_s >= 0.75 * 2 * BASE_S


def test_news_of_a_blacklisted_node_earns_it_one_early_retry() -> None:
    world = blacklisted_world()
    (b,) = world.admit(B)
    out = world.say(B, b, world.word(A, age_s=0))
    assert out.effects == [Pull(A, Purpose.RETRY)]
    world.fail(A)
    assert world.say(B, b, world.word(A, age_s=-20)).effects == []


def test_a_command_to_connect_blacklists_who_cannot_be_reached_at_once() -> None:
    world = World()
    assert world.node.connect(A, world.now).effects == [Pull(A, Purpose.USER)]
    world.fail(A, Failure("timeout"))
    assert world.blacklisted() == {A: "timeout"}


def test_a_command_to_connect_takes_over_the_pull_under_way() -> None:
    world = World()
    world.admit(A)
    world.tick()
    assert world.node.connect(A, world.now) == Output()
    world.fail(A)
    assert world.blacklisted() == {A: "refused"}


@pytest.mark.parametrize("purpose", ["round", "user"])
def test_failures_of_this_machine_count_for_nothing(purpose: str) -> None:
    world = World(blacklist={"failures_to_blacklist": 1})
    world.admit(A)
    if purpose == "round":
        world.tick()
    else:
        world.node.connect(A, world.now)
    out = world.fail(A, Failure("no_descriptors", ours=True))
    assert [type(event) for event in out.events] == [ev.PullFailed]
    assert getattr(out.events[0], "failures", None) == 0
    assert world.blacklisted() == {}


def test_a_failed_join_counts_for_nothing() -> None:
    world = World(node={"join": ("seed",)})
    assert world.node.handle_join([A], world.now).effects == [Pull(A, Purpose.JOIN)]
    assert [type(event) for event in world.fail(A).events] == [ev.PullFailed]
    assert world.node.handle_join([A], world.now).effects == [Pull(A, Purpose.JOIN)]


def test_block_removes_a_member_and_its_late_answer_is_ignored() -> None:
    world = World()
    (word,) = world.admit(A)
    world.tick()
    assert world.node.block(A, world.now).events == [ev.MemberBlocked(A)]
    assert world.node.block(A, world.now).events == []
    out = world.answer(A, word, world.word(C))
    assert ([type(event) for event in out.events], out.effects) == ([ev.PullFinished], [])
    assert world.believed() == {}
    with pytest.raises(ValueError, match="blocked"):
        world.node.connect(A, world.now)


def test_block_ignores_a_late_failure_and_outlasts_every_retry() -> None:
    world = World()
    world.admit(A)
    world.tick()
    world.node.block(A, world.now)
    assert [type(event) for event in world.fail(A).events] == [ev.PullFailed]
    assert pulls(world.tick(10**7).effects) == []
    assert world.blacklisted() == {A: "blocked"}


def test_unblock_lets_a_node_be_asked_and_admitted_again() -> None:
    world = World()
    world.node.block(A, world.now)
    out = world.node.unblock(A, world.now)
    assert (out.events, out.effects) == ([ev.MemberUnblocked(A)], [Pull(A, Purpose.CHECK)])
    assert world.node.unblock(A, world.now).events == []
    world.answer(A, world.word(A))
    assert set(world.believed()) == {A}


def test_a_node_forgotten_is_not_raised_from_the_dead_by_hearsay() -> None:
    world = World(blacklist={"forget_after_s": 60.0})
    world.admit(A, B)
    for _ in range(6):
        world.node.connect(A, world.now)
        world.fail(A)
    assert ev.MemberForgotten(A) in world.tick(61.0).events
    out = world.say(B, world.word(B, age_s=0), world.word(A, age_s=0))
    assert out.effects == [Pull(A, Purpose.CHECK)]
    world.fail(A)
    assert set(world.believed()) == {B}
