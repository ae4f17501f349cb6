"""The node over time: rounds, joining, its own state, and its invariants under random histories."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossip.core import events as ev
from gossip.core.effects import Join, Output, Pull, Purpose, Schedule, Timer
from gossip.core.entry import Entry
from gossip.core.wire import End, Pulled
from tests.core_helpers import OWN, WALL, A, B, World, at, nth, pulls
from tests.node_machine import NodeMachine


def test_the_first_round_comes_at_a_random_phase_of_the_period() -> None:
    phases = set()
    for seed in range(20):
        (first,) = World(seed).node.handle_start(at(100.0)).effects
        assert isinstance(first, Schedule)
        assert first.timer is Timer.ROUND
        assert 100.0 <= first.at <= 103.0
        phases.add(first.at)
    assert len(phases) == 20


def test_one_seed_reproduces_a_node() -> None:
    def history() -> list[Output]:
        world = World(7)
        world.admit(*(nth(number) for number in range(10)))
        return [world.node.handle_start(world.now), *(world.tick() for _ in range(10))]

    assert history() == history()


def started() -> tuple[World, float]:
    """Return a node with one member and the time of its first round."""
    world = World()
    world.admit(A)
    (first,) = world.node.handle_start(world.now).effects
    assert isinstance(first, Schedule)
    return world, first.at


def test_rounds_keep_a_fixed_period_without_drift() -> None:
    world, first = started()
    for number in range(50):
        now = at(first + 3.0 * number + 0.01 * (number % 7))  # timers go off a little late
        (schedule, *_) = world.node.handle_tick(now).effects
        assert schedule == Schedule(Timer.ROUND, pytest.approx(first + 3.0 * (number + 1)))


@pytest.mark.parametrize("pause_s", [3.0, 7.5, 100_000.0])
def test_a_pause_is_not_made_up_for(pause_s: float) -> None:
    world, first = started()
    late = first + pause_s
    (schedule, *_) = world.node.handle_tick(at(late)).effects
    assert schedule == Schedule(Timer.ROUND, pytest.approx(late + 3.0))


def test_a_round_pulls_one_live_member() -> None:
    world, first = started()
    assert world.node.handle_tick(at(first)).effects == [
        Schedule(Timer.ROUND, pytest.approx(first + 3.0)),
        Pull(A, Purpose.ROUND),
    ]
    assert pulls(world.node.handle_timer(Timer.ROUND, at(first + 3.0)).effects) == []  # it is still open


def test_every_member_is_pulled_once_before_any_is_pulled_twice() -> None:
    world = World()
    members = {word.address: word for word in world.admit(*(nth(number) for number in range(12)))}
    for _ in range(3):
        pulled = []
        for _ in members:
            (peer,) = pulls(world.tick().effects)
            pulled.append(peer)
            world.answer(peer, members[peer])
        assert set(pulled) == set(members)


def test_a_newcomer_is_pulled_as_soon_as_any_other_member() -> None:
    for seed in range(10):
        world = World(seed)
        words = {word.address: word for word in world.admit(*(nth(number) for number in range(10)))}
        for number in range(15):
            if number == 5:  # half of the permutation is left
                words |= {word.address: word for word in world.admit(A)}
            (peer,) = pulls(world.tick().effects)
            world.answer(peer, words[peer])
            if peer == A:
                break
        assert number <= 10


def test_a_long_table_goes_round_from_round_to_round() -> None:
    world = World()
    world.admit(*(nth(number) for number in range(100)))
    served = [world.node.table() for _ in range(5) if world.tick()]
    assert len(set(served)) == 5
    assert len({frozenset(table.split(b"\n")) for table in served}) == 1


def test_a_node_joins_at_its_start_and_in_every_round_without_a_live_member() -> None:
    world = World(node={"join": ("seed.example:5001",)})
    assert Join() in world.node.handle_start(world.now).effects
    assert Join() in world.tick().effects
    assert world.node.handle_join([A, B, A, OWN], world.now).effects == [
        Pull(A, Purpose.JOIN),
        Pull(B, Purpose.JOIN),
    ]
    world.answer(A, world.word(A))
    assert Join() not in world.tick(1.0).effects
    world.fail(A)
    world.node.block(A, world.now)
    assert Join() in world.tick().effects


def test_a_node_without_an_address_to_join_asks_for_none() -> None:
    assert Join() not in World().node.handle_start(at(100.0)).effects
    assert Join() not in World().tick().effects


def test_a_finished_pull_is_told_with_its_numbers() -> None:
    world = World()
    (word,) = world.admit(A)
    world.tick()
    world.mono += 0.25
    data = word.line + b"\nnonsense\n#word\n" + world.word(A, state=4, age_s=0).line + b"\n"
    out = world.node.handle_table(A, Pulled(data, End.QUIET), world.now)
    assert out.events[0] == ev.PullFinished(
        A, Purpose.ROUND, 250.0, len(data), 4, 1, {"bad_fields": 1}, End.QUIET, "nonsense"
    )


def test_a_result_of_a_pull_that_is_not_open_is_our_misuse() -> None:
    world = World()
    with pytest.raises(KeyError):
        world.answer(A, world.word(A))
    world.node.connect(A, world.now)
    world.node.abandon_pull(A)
    with pytest.raises(KeyError):
        world.fail(A)


def test_a_node_neither_connects_to_nor_blocks_itself() -> None:
    world = World()
    for refuse in (world.node.connect, world.node.block):
        with pytest.raises(ValueError, match="itself"):
            refuse(OWN, world.now)


def test_a_new_state_is_served_at_once() -> None:
    world = World()
    world.admit(A)
    world.mono += 5.0
    out = world.node.set_state(7, world.now)
    assert out.events == [ev.OwnStateSet(0, 7, WALL + 105)]
    assert world.node.table().startswith(b"10.0.0.1:5001,%d,7\n" % (WALL + 105))
    for state in (-1, 10):
        with pytest.raises(ValueError, match="one digit"):
            world.node.set_state(state, world.now)


own_changes = st.lists(
    st.one_of(
        st.integers(-5000, 5000), st.integers(0, 9).map(str), st.tuples(st.integers(0, 40), st.integers(0, 9))
    ),
    max_size=20,
)


@given(own_changes)
def test_own_timestamps_only_grow_whatever_the_clock_does(changes: list[object]) -> None:
    world = World()
    (a,) = world.admit(A)
    for change in changes:
        before = world.node.own
        match change:
            case int(jump):
                world.wall_ahead += jump
            case str(state):
                world.node.set_state(int(state), world.now)
                assert world.node.own.timestamp == max(int(world.now.wall), before.timestamp + 1)
            case (int(ahead), int(state)):
                world.tick()
                world.answer(A, a, Entry(OWN, max(0, int(world.now.wall) + ahead), state))
        assert world.node.own == before or world.node.own.timestamp > before.timestamp


def test_the_views_show_the_node_first_then_members_by_address() -> None:
    world = World(node={"state": 3})
    b, a = world.admit(B, A)
    world.mono += 10.0
    own, first, second = world.node.members(world.now)
    assert (own.entry, own.is_own, own.learned_from) == (world.node.own, True, "self")
    assert (first.entry, second.entry) == (a, b)
    assert (first.age_s, first.contact_s, first.learned_from, first.failures) == (60.0, 10.0, "user", 0)
    status = world.node.status()
    assert (status.own, status.members, status.blacklisted, status.trust) == (world.node.own, 3, 0, "verify")


def test_a_joining_node_has_a_larger_budget_for_a_while() -> None:
    world = World(attention={"joining_rounds": 2})
    world.node.handle_join([A], world.now)
    strangers = [world.word(nth(number)) for number in range(200)]
    checks = [pulls(world.answer(A, world.word(A), *strangers).effects)]
    for _ in range(4):
        for peer in checks[-1]:
            assert world.fail(peer).effects == []  # a result does not renew the budget
        checks.append([peer for peer in pulls(world.tick().effects) if peer != A])
    assert [len(checked) for checked in checks] == [32, 32, 32, 2, 2]
    assert len({peer for checked in checks for peer in checked}) == 100


def test_a_node_that_knows_all_it_has_heard_of_joins_no_longer() -> None:
    world = World()
    (a,) = world.admit(A)
    world.tick()
    out = world.answer(A, a, *(world.word(nth(number)) for number in range(50)))
    assert len(pulls(out.effects)) == 4


TestNode: type = NodeMachine.TestCase
TestNode.settings = settings(max_examples=200, stateful_step_count=60)  # type: ignore[attr-defined]
