"""What is kept across a restart, and that the own timestamp never goes back, whatever crashes when."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core import events as ev
from gossip.core.beliefs import Beliefs
from gossip.core.blacklist import Blacklisted
from gossip.core.effects import Join, Output, Pull, Purpose
from gossip.core.entry import Entry
from gossip.core.node import Node
from gossip.core.reply import compose
from gossip.core.settings import Settings
from gossip.core.snapshot import KeptBlacklisted, KeptMember, Snapshot, restore, take
from gossip.core.wire import End, Pulled
from tests.core_helpers import (
    OWN,
    WALL,
    A,
    B,
    C,
    World,
    addresses,
    at,
    entries,
    make_settings,
    nth,
    pulls,
    saves,
    table_of,
)

DATA = {"data_dir": "somewhere"}
members = st.builds(KeptMember, entries, st.sampled_from(["user", "caller", str(A)]))
blacklisted = st.builds(
    KeptBlacklisted,
    addresses,
    st.sampled_from(["refused", "misbehaving", "left"]),
    st.integers(WALL - 10_000, WALL).map(float),
    st.one_of(st.none(), st.integers(WALL - 500, WALL + 500).map(float)),
    st.integers(0, 9),
    st.none(),
)
snapshots = st.builds(
    Snapshot,
    st.just(OWN),
    st.integers(0, WALL + 100),
    st.lists(members, max_size=6, unique_by=lambda member: member.entry.address).map(tuple),
    st.lists(blacklisted, max_size=6, unique_by=lambda record: record.address).map(tuple),
)


@given(snapshots, st.integers(0, 50), st.floats(0.0, 1e6))
def test_what_is_taken_is_restored(kept: Snapshot, later_s: int, mono: float) -> None:
    """Whatever the monotonic clock of the next life shows, times are kept as the wall clock's."""
    listed = {record.address for record in kept.blacklist}
    kept = replace(kept, members=tuple(one for one in kept.members if one.entry.address not in listed))
    beliefs = Beliefs(Settings(), Entry(OWN, WALL, 0), Random(1))
    now = at(float(round(mono)), WALL + later_s)
    restore(beliefs, kept, now)
    assert take(beliefs, kept.last_timestamp, now) == kept


def test_a_snapshot_holds_members_blacklist_and_blocks() -> None:
    world = World(node=DATA)
    a, b, _ = world.admit(A, B, C)
    world.node.block(B, world.now)
    world.node.connect(C, world.now)
    world.fail(C)
    kept = world.node.snapshot(world.now)
    assert kept.address == OWN
    assert kept.last_timestamp == world.node.own.timestamp
    assert kept.members == (KeptMember(a, "user"),)
    by_hand, refused = kept.blacklist
    assert by_hand == KeptBlacklisted(B, "blocked", world.now.wall, None, 0, b)
    assert (refused.address, refused.reason, refused.retries) == (C, "refused", 0)
    assert refused.retry_at is not None
    assert 7.5 <= refused.retry_at - world.now.wall <= 12.5


def restarted(world: World, down_s: float, mono: float = 5.0) -> World:
    """Return the node's next life, on a machine whose monotonic clock began anew."""
    kept = world.node.snapshot(world.now)
    again = World(2, mono=mono, node=DATA)
    again.wall_ahead = world.now.wall + down_s - again.now.wall
    again.node = Node(again.settings, OWN, Random(3), again.now, kept)
    return again


def test_a_restarted_node_rejoins_its_members_without_an_address_to_join() -> None:
    world = World(node=DATA)
    words = world.admit(A, B)
    again = restarted(world, 60.0)
    assert set(again.believed().values()) == set(words)
    assert Join() not in again.node.handle_start(again.now).effects
    first = again.tick()
    assert Join() not in first.effects
    assert pulls(first.effects)[0] in (A, B)
    assert again.node.members(again.now)[1].learned_from == "user"


def test_blocks_and_retry_times_outlive_a_restart() -> None:
    world = World(node=DATA)
    world.admit(A, B)
    world.node.block(B, world.now)
    world.node.connect(A, world.now)
    world.fail(A)
    due = next(v.retry_in_s for v in world.node.blacklist(world.now) if v.address == A)
    assert due is not None
    again = restarted(world, 2.0)
    views = {view.address: view for view in again.node.blacklist(again.now)}
    assert views[A].retry_in_s == pytest.approx(due - 2.0)
    assert (views[B].retry_in_s, views[B].reason) == (None, "blocked")
    assert pulls(again.tick(due - 2.5).effects) == []
    assert Pull(A, Purpose.RETRY) in again.tick(1.0).effects
    with pytest.raises(ValueError, match="blocked"):
        again.node.connect(B, again.now)


def test_a_retry_that_was_due_while_the_node_was_down_is_due_at_once() -> None:
    world = World(node=DATA)
    world.node.connect(A, world.now)
    world.fail(A)
    again = restarted(world, 5000.0)
    (view,) = again.node.blacklist(again.now)
    assert (view.retry_in_s, view.since_s) == (0.0, pytest.approx(5000.0))
    assert Pull(A, Purpose.RETRY) in again.tick(0.1).effects


def test_a_clock_that_went_back_while_the_node_was_down_blacklists_for_no_longer() -> None:
    world = World(node=DATA)
    world.node.connect(A, world.now)
    world.fail(A)
    again = restarted(world, -10_000.0)
    (view,) = again.node.blacklist(again.now)
    assert view.since_s == 0.0
    assert ev.MemberForgotten(A) in again.tick(86_401.0).events


def test_neither_the_node_itself_nor_the_blacklisted_are_restored_as_members() -> None:
    own, a = Entry(OWN, WALL, 1), Entry(A, WALL, 1)
    beliefs = Beliefs(Settings(), own, Random(1))
    record = KeptBlacklisted(A, "refused", WALL, WALL + 1.0, 0, None)
    kept = Snapshot(OWN, WALL, (KeptMember(own, ""), KeptMember(a, "")), (record,))
    restore(beliefs, kept, at(0.0))
    assert len(beliefs.table) == 0
    assert isinstance(beliefs.blacklist.get(A), Blacklisted)


def test_a_node_without_a_data_dir_asks_for_no_snapshot() -> None:
    world = World()
    world.admit(A)
    outs = [world.node.handle_start(world.now), world.node.set_state(3, world.now), world.tick()]
    assert [saves(out) for out in outs] == [[], [], []]


def test_every_change_worth_keeping_asks_once_until_the_snapshot_is_taken() -> None:
    world = World(node=DATA)
    assert saves(world.node.handle_start(world.now)) == [False]
    assert saves(world.tick()) == []  # asked for already
    changes = [
        lambda: world.say(A, world.word(A)),
        lambda: world.say(A, world.word(A, state=3)),
        lambda: world.node.block(B, world.now),
        lambda: world.node.unblock(B, world.now),
        lambda: world.node.set_state(4, world.now),
    ]
    for change in changes:
        world.node.snapshot(world.now)
        world.mono += 10.0
        out = world.tick()
        assert saves(out) == []  # nothing changed
        for peer in pulls(out.effects):
            world.node.abandon_pull(peer)
        assert saves(change()) == [False]


def test_a_burst_of_own_states_asks_urgently_but_seldom() -> None:
    world = World(node=DATA)
    world.node.handle_start(world.now)
    urgent = 0
    for number in range(500):
        out = world.node.set_state(number % 10, world.now)
        urgent += saves(out).count(True)
        kept = world.node.snapshot(world.now)
        assert kept.last_timestamp >= world.node.own.timestamp
    assert 1 <= urgent <= 500 / 17 + 6


def test_restarts_in_a_loop_do_not_run_ahead_of_the_clock_by_more_than_one_each() -> None:
    world = World(node=DATA)
    kept: Snapshot | None = None
    for number in range(50):  # within one second
        node = Node(world.settings, OWN, Random(number), world.now, kept)
        node.handle_start(world.now)
        kept = node.snapshot(world.now)
    assert node.own.timestamp <= int(world.now.wall) + 50


steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.integers(1, 40)),
        st.tuples(st.just("clock"), st.sampled_from([-5000.0, -30.0, -0.5, 0.0, 0.25, 1.0, 20.0])),
        st.tuples(st.just("refute"), st.integers(0, 60)),
        st.tuples(st.just("save"), st.just(0)),
        st.tuples(st.just("crash"), st.sampled_from([0.0, 0.3, 5.0, 600.0])),
    ),
    max_size=30,
)


@given(steps, st.booleans())
def test_no_own_timestamp_is_lower_than_one_ever_handed_out_whatever_crashes_when(
    steps: list[tuple[str, float]], lazy: bool
) -> None:
    """The interpreter honours urgent orders at once, and others later or, when it is `lazy`, never.

    A life's first timestamp is >= all that were handed out: one that was not ahead of the clock need not be
    on disk, and the clock may still show its second. It is > all that were when the order was urgent.
    """
    wall, mono = float(WALL), 0.0
    settings = make_settings(node=DATA, gossip={"pokes": 0})
    kept: Snapshot | None = None
    node = Node(settings, OWN, Random(1), at(mono, wall))
    highest, urgently = 0, -1

    def carry_out(out: Output) -> None:
        nonlocal kept, highest, urgently
        if True in saves(out):
            kept = node.snapshot(at(mono, wall))
            urgently = node.own.timestamp
        assert node.own.timestamp >= highest
        highest = node.own.timestamp

    carry_out(node.handle_start(at(mono, wall)))
    node.connect(A, at(mono, wall))
    carry_out(node.handle_table(A, table_of(Entry(A, WALL - 9, 0)), at(mono, wall)))
    for step, value in steps:
        mono += 0.01
        match step:
            case "set":
                for number in range(int(value)):
                    carry_out(node.set_state(number % 10, at(mono, wall)))
            case "clock":  # a node reads its clock at the next event only
                wall += value
                out = node.handle_tick(at(mono, wall))
                carry_out(out)
                for peer in pulls(out.effects):
                    node.abandon_pull(peer)
            case "refute":
                data = compose(A, "", [Entry(OWN, int(wall + value), 9).line], [], False)
                carry_out(node.handle_reply(A.host, Pulled(data[:-1], End.EMPTY_LINE), at(mono, wall)))
            case "save" if not lazy:
                kept = node.snapshot(at(mono, wall))
            case "crash":
                wall += value
                node = Node(settings, OWN, Random(1), at(mono, wall), kept)
                assert node.own.timestamp >= highest
                assert node.own.timestamp > urgently
                carry_out(node.handle_start(at(mono, wall)))


def test_a_snapshot_that_was_taken_but_never_written_promises_nothing() -> None:
    """Only what an urgent order saved is counted on: a save under way may die with the process."""
    world = World(node=DATA, gossip={"pokes": 0})
    world.node.handle_start(world.now)
    on_disk = world.node.snapshot(world.now)
    for number in range(100):
        out = world.node.set_state(number % 10, world.now)
        if True in saves(out):
            on_disk = world.node.snapshot(world.now)
        world.node.snapshot(world.now)  # taken, and lost
        assert on_disk.last_timestamp >= world.node.own.timestamp


def test_many_members_are_kept() -> None:
    world = World(node=DATA)
    world.admit(*(nth(number) for number in range(300)))
    assert len(world.node.snapshot(world.now).members) == 300
