"""Pokes and suspicions: how deaths and changes travel, and that slander kills nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.effects import Effect, Output, Pull, Purpose, Schedule, Timer
from gossip.core.entry import Entry
from tests.core_helpers import A, B, C, D, World, nth, of_kind, pulls, replies

TRUSTED_S = 30.0  # `suspicion_rounds`: for half of it at least, and all of it at most, an answer is trusted


def of_purpose(out: Output, purpose: Purpose) -> list[Address]:
    return [effect.peer for effect in out.effects if isinstance(effect, Pull) and effect.purpose is purpose]


def crowd(size: int = 20, **sections: dict[str, object]) -> tuple[World, dict[Address, Entry]]:
    world = World(**sections)
    return world, {word.address: word for word in world.admit(*(nth(number) for number in range(size)))}


@pytest.mark.parametrize("pokes", [0, 1, 2, 5])
def test_a_new_state_pokes_so_many_members_with_a_reply(pokes: int) -> None:
    world, words = crowd(gossip={"pokes": pokes})
    out = world.node.set_state(7, world.now)
    poked = of_purpose(out, Purpose.POKE)
    assert len(set(poked)) == len(out.effects) == pokes
    for peer in poked:
        data = replies(world.pulled(peer, words[peer].line + b"\n"))[peer]
        assert data.startswith(b"#from 10.0.0.1:5001\n" + world.node.own.line + b"\n")


def test_there_are_at_most_two_pokes_a_round() -> None:
    world, words = crowd()
    for _ in range(3):
        poked = []
        for state in range(10):
            out = world.node.set_state(state, world.now)
            poked += of_purpose(out, Purpose.POKE)
            for peer in pulls(out.effects):
                world.answer(peer, words[peer])
        assert len(poked) == 4
        for peer in pulls(world.tick().effects):
            world.answer(peer, words[peer])


def test_a_poke_needs_members_that_are_free() -> None:
    world = World()
    assert world.node.set_state(7, world.now).effects == []
    world.admit(A)
    world.tick()
    assert world.node.set_state(8, world.now).effects == []


def fail_until(world: World, words: dict[Address, Entry], gone: Address, times: int) -> list[Output]:
    """Let every pull of `gone` fail and all others answer, until it has failed `times` times."""
    outs: list[Output] = []
    while len(outs) < times:
        for peer in pulls(world.tick().effects):
            if peer == gone:
                outs.append(world.fail(peer))
                for other in pulls(outs[-1].effects):
                    if other != gone:
                        world.answer(other, words[other])
            else:
                world.answer(peer, words[peer])
    return outs


def test_the_second_failure_in_a_row_pokes_others_and_no_other_failure_does() -> None:
    world, words = crowd(6)
    outs = fail_until(world, words, nth(0), 5)
    assert [len(of_purpose(out, Purpose.POKE)) for out in outs] == [0, 2, 0, 0, 0]
    assert of_kind(outs[-1], ev.MemberBlacklisted) != []


def test_who_has_failed_is_not_poked_itself() -> None:
    world, words = crowd(2)
    _, second = fail_until(world, words, nth(0), 2)
    assert of_purpose(second, Purpose.POKE) == [nth(1)]


# Suspicions.


def test_a_suspicion_of_a_member_leads_to_one_check_whoever_else_says_so() -> None:
    world = World()
    words = {word.address: word for word in world.admit(A, B, C, D)}
    world.mono += TRUSTED_S + 1.0
    out = world.called(A, suspects=[B])
    assert of_kind(out, ev.SuspicionHeard) == [ev.SuspicionHeard(B, A)]
    assert out.effects == [Pull(B, Purpose.CHECK)]
    for caller in (A, C, D):
        assert pulls(world.called(caller, suspects=[B]).effects) == []
    assert pulls(world.answer(B, words[B]).effects) == []
    for caller in (A, C, D):
        assert of_kind(world.called(caller, suspects=[B]), ev.SuspicionHeard) == []
    world.mono += 4.0  # those that were heard while it was being checked
    assert pulls(world.node.handle_timer(Timer.CHECKS, world.now).effects) == []


@pytest.mark.parametrize(("after_s", "checked"), [(0.0, False), (14.9, False), (30.1, True)])
@pytest.mark.parametrize("contact", ["admission", "pull"])
def test_no_suspicion_is_followed_for_a_while_after_the_member_answered(
    contact: str, after_s: float, checked: bool
) -> None:
    world = World()
    _, b = world.admit(A, B)
    if contact == "pull":
        world.mono += 100.0
        world.say(B, b)
    world.mono += after_s
    out = world.called(A, suspects=[B])
    assert (pulls(out.effects) == [B], of_kind(out, ev.SuspicionHeard) != []) == (checked, checked)


def test_nothing_comes_of_suspicions_about_strangers_the_blacklisted_itself_or_this_node() -> None:
    world = World()
    world.admit(A, B)
    world.node.block(B, world.now)
    world.mono += TRUSTED_S + 1.0
    out = world.called(A, suspects=[A, B, C, world.node.own.address])
    assert ([type(event) for event in out.events], out.effects) == ([ev.ReplyRead], [])


def test_what_this_node_found_out_itself_is_not_checked_sooner_for_others_saying_so() -> None:
    world, words = crowd(6, attention={"jitter_rounds": 0.25})
    while nth(0) not in (opened := pulls(world.tick(20.0).effects)):
        for peer in opened:
            world.answer(peer, words[peer])
    (recheck,) = world.fail(nth(0)).effects
    assert isinstance(recheck, Schedule)
    for number in range(1, 6):
        assert world.called(nth(number), suspects=[nth(0)]).effects == []
    assert world.node.members(world.now)[1].failures == 1


def test_suspicions_get_half_of_a_rounds_checks_and_hold_up_no_hint() -> None:
    world, words = crowd(50, attention={"joining_rounds": 0})
    world.tick(200.0)
    out = world.called(nth(0), suspects=[nth(number) for number in range(1, 40)])
    checked = of_purpose(out, Purpose.CHECK)
    assert len(checked) == 2
    hints = [words[nth(number)]._replace(timestamp=int(world.now.wall)) for number in range(40, 50)]
    assert len(of_purpose(world.called(nth(1), *hints), Purpose.CHECK)) == 2


def test_a_hint_that_is_due_later_is_not_forgotten_when_the_share_of_suspicions_is_used_up() -> None:
    world, words = crowd(9, attention={"joining_rounds": 0, "jitter_rounds": 0.25})
    busy = pulls(world.tick(200.0).effects)
    for at in (1, 2, 3):
        for effect in world.called(nth(0), suspects=[nth(at)]).effects:
            assert isinstance(effect, Schedule)
    world.mono += 0.75
    assert len(of_purpose(world.node.handle_timer(Timer.CHECKS, world.now), Purpose.CHECK)) == 2
    subject = next(nth(at) for at in (5, 6) if nth(at) not in busy)
    hint = words[subject]._replace(timestamp=int(world.now.wall))
    (timer,) = world.called(nth(0), hint).effects
    assert isinstance(timer, Schedule)
    world.mono = timer.at
    assert pulls(world.node.handle_timer(timer.timer, world.now).effects) == [subject]


def live(
    world: World, rounds: int, answer: Callable[[Address], Output], each_round: Callable[[], list[Output]]
) -> list[Pull]:
    """Drive a node by hand through whole rounds, timers included, and return its pulls."""
    done: list[Pull] = []
    timers: dict[Timer, float] = {}

    def carry_out(effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Schedule):
                timers[effect.timer] = effect.at
            elif isinstance(effect, Pull):
                done.append(effect)
                carry_out(answer(effect.peer).effects)

    carry_out(world.node.handle_start(world.now).effects)
    for _ in range(rounds):
        world.mono, end = timers[Timer.ROUND], timers[Timer.ROUND] + 2.99
        carry_out(world.node.handle_tick(world.now).effects)
        for out in each_round():
            carry_out(out.effects)
        while timers.get(Timer.CHECKS, end) < end:
            world.mono = max(world.mono, timers.pop(Timer.CHECKS))
            carry_out(world.node.handle_timer(Timer.CHECKS, world.now).effects)
    return done


@pytest.mark.parametrize("liars", [1, 10, 40])
@pytest.mark.parametrize("forged_leaving", [False, True])
def test_any_number_of_liars_blacklists_nobody_and_costs_a_bounded_number_of_checks(
    liars: int, forged_leaving: bool
) -> None:
    """Bound: one check in 5 rounds for suspicions of one member, one in 5 for leaving said in its name."""
    rounds, victim = 200, nth(0)
    world, words = crowd(liars + 10, attention={"jitter_rounds": 0.25})
    world.mono += 100.0

    def slander() -> list[Output]:
        outs = [
            world.called(nth(number), suspects=[victim, *(nth(other) for other in range(1, liars + 10))])
            for number in range(10, liars + 10)
        ]
        forged = [world.called(victim, leaving=True)] * forged_leaving
        return outs + forged

    done = live(world, rounds, lambda peer: world.answer(peer, words[peer]), slander)
    assert world.blacklisted() == {}
    assert set(world.believed()) == set(words)
    assert all(view.failures == 0 for view in world.node.members(world.now))
    checks = [pull.peer for pull in done if pull.purpose is Purpose.CHECK]
    kinds = 2 if forged_leaving else 1
    for member in words:
        assert checks.count(member) <= (kinds if member == victim else 1) * (rounds / 5 + 1)
    assert len(checks) <= 2 * rounds + 1
    assert checks.count(victim) >= rounds / 25  # and yet it is heard


def test_slander_does_not_finish_off_who_failed_now_and_then() -> None:
    rounds, victim = 200, nth(0)
    world, words = crowd(15, attention={"jitter_rounds": 0.25})
    attempts = 0

    def answer(peer: Address) -> Output:
        nonlocal attempts
        attempts += peer == victim
        return world.fail(peer) if peer == victim and attempts % 4 else world.answer(peer, words[peer])

    def slander() -> list[Output]:
        return [world.called(nth(number), suspects=[victim]) for number in range(1, 15)]

    live(world, rounds, answer, slander)
    assert attempts > 20
    assert world.blacklisted() == {}
