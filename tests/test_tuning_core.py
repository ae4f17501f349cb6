"""A node of the core whose settings change: all parts go by them, and what comes of it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from operator import attrgetter
from random import Random

import pytest

from gossip.config.live import with_values
from gossip.core import events as ev
from gossip.core.effects import Join, Output, Schedule, Timer
from gossip.core.provenance import Provenance
from tests.core_helpers import OWN, A, B, C, World, of_kind, pulls
from tests.tuning_helpers import LIVE, keys_of, other, with_other


def held(thing: object) -> object:
    """Return all that an object of the core holds, in plain values; but dice, and when the next round is."""
    if isinstance(thing, dict):
        return {str(key): held(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple | set | frozenset):
        return [held(each) for each in thing]
    if not type(thing).__module__.startswith("gossip.") or isinstance(thing, str):
        return thing
    if is_dataclass(thing):
        return {each.name: held(getattr(thing, each.name)) for each in fields(thing)}
    return {name: held(value) for name, value in vars(thing).items() if name not in ("_rng", "_tick_at")}


@pytest.mark.parametrize("key", keys_of(LIVE))
def test_after_a_round_a_changed_node_is_as_one_that_began_so(key: str) -> None:
    changed = World(node={"join": ("10.0.1.1:5001",)})
    settings = with_other(changed.settings, key)
    born = World()
    born.node = type(born.node)(settings, OWN, Random(1), born.now)
    out = changed.node.change(settings, changed.now)
    previous, value = attrgetter(key)(changed.settings), other(key)
    assert of_kind(out, ev.SettingChanged) == [ev.SettingChanged(key, previous, value)]
    for world in (changed, born):
        world.tick()
    assert held(changed.node) == held(born.node)


# What comes of it.


def changed(world: World, **values: object) -> Output:
    """Change settings of a world's node, `gossip__pokes=3` being `gossip.pokes`."""
    pairs = [(key.replace("__", "."), value) for key, value in values.items()]
    world.settings = with_values(world.settings, pairs)
    return world.node.change(world.settings, world.now)


@pytest.mark.parametrize("interval_s", [0.5, 60.0])
def test_rounds_of_another_length_begin_at_a_random_phase(interval_s: float) -> None:
    firsts = set()
    for seed in range(20):
        world = World(seed)
        (order,) = changed(world, gossip__interval_s=interval_s).effects
        assert isinstance(order, Schedule) and order.timer is Timer.ROUND
        assert world.mono <= order.at <= world.mono + interval_s
        firsts.add(round((order.at - world.mono) / interval_s, 1))
        world.mono = order.at
        assert Schedule(Timer.ROUND, order.at + interval_s) in world.node.handle_tick(world.now).effects
    assert len(firsts) > 5


def test_a_change_of_something_else_leaves_the_round_as_it_is() -> None:
    assert changed(World(), gossip__pokes=1).effects == []


def test_trust_changes_what_hearsay_does() -> None:
    world = World()
    a, b = world.admit(A, B)
    newer = b._replace(timestamp=b.timestamp + 9, state=7)
    assert of_kind(world.say(A, a, newer), ev.StateChanged) == []
    world.node._beliefs.attention.collect(B)
    changed(world, gossip__trust="hearsay")
    assert world.node.status().trust == "hearsay"
    assert of_kind(world.say(A, a, newer), ev.StateChanged) == [
        ev.StateChanged(B, b.state, 7, newer.timestamp, str(A))
    ]


def test_who_is_a_member_stays_one_when_the_table_may_hold_fewer() -> None:
    world = World()
    world.admit(A, B)
    changed(world, gossip__max_members=1)
    assert {A, B} <= world.believed().keys()
    world.node.connect(C, world.now)
    out = world.answer(C, world.word(C))
    assert of_kind(out, ev.CandidateRefused) == [ev.CandidateRefused(C, "table_full")]


def test_a_lower_bound_of_failures_holds_from_the_next_one_on() -> None:
    world = World()
    world.admit(A)
    changed(world, blacklist__failures_to_blacklist=1)
    world.tick()
    world.fail(A)
    assert A in world.blacklisted()


def test_a_larger_budget_of_checks_counts_from_the_next_round_on() -> None:
    world = World(attention={"checks_per_round": 1, "joining_rounds": 0})
    peers = world.admit(A, B, C)
    newer = [entry._replace(timestamp=entry.timestamp + 5) for entry in peers]
    for _ in range(3):
        world.tick()
        world.node._pulls._open.clear()
    world.say(A, *newer[1:])
    assert len(world.node._beliefs.attention) >= 1
    changed(world, attention__checks_per_round=8, attention__cooldown_rounds=0.0)
    world.node._pulls._open.clear()
    world.tick()
    assert len(world.node._beliefs.attention) == 0


def test_a_stop_tells_as_many_as_are_to_be_told_now() -> None:
    world = World()
    world.admit(A, B)
    changed(world, reply__tell_leaving=0)
    assert pulls(world.node.handle_stop(world.now).effects) == []


def test_lines_are_read_by_the_limits_of_now() -> None:
    world = World()
    world.admit(A)
    changed(world, pull__max_lines=1)
    world.node.connect(A, world.now)
    (finished,) = of_kind(world.answer(A, world.word(A), world.word(B)), ev.PullFinished)
    assert isinstance(finished, ev.PullFinished) and finished.lines == 1


def test_other_names_to_join_are_asked_for_in_the_next_round() -> None:
    world = World(node={"join": (str(A),)})
    world.tick()
    world.node.handle_join([A], world.now)
    world.answer(A, world.word(A))
    asked = [Join() in world.tick().effects for _ in range(5)]
    assert asked == [True, False, True, False, False]  # the waits double
    changed(world, node__join=(str(A), str(B)))
    assert Join() in world.tick().effects
    assert pulls(world.node.handle_join([A, B], world.now).effects) == [B]
    changed(world, node__join=())
    assert all(Join() not in world.tick().effects for _ in range(9))


def test_a_shorter_history_cuts_stories_and_none_drops_them() -> None:
    told = Provenance(10, 100)
    for strikes in range(6):
        told.record([ev.StrikeGiven(A, "rejected_lines", strikes)], 1.0 + strikes)
    told.use(2, 100)
    told.record([ev.StrikeGiven(A, "rejected_lines", 9)], 9.0)
    assert [record.first for record in told.of(A)] == [1, 6, 9]
    told.use(0, 100)
    assert told.of(A) == []


def test_a_table_is_rendered_at_the_pace_of_now() -> None:
    world = World(listener={"render_min_s": 60.0})
    table = world.node._beliefs.table
    for number in range(1000):
        table.put(world.word(A._replace(port=number + 1)), "", world.mono)
    world.node.answer("10.0.0.9", world.now)
    late = world.word(B)
    table.put(late, "", world.mono)
    assert late.line not in bytes(world.node.answer("10.0.0.9", world.now))  # type: ignore[arg-type]
    changed(world, listener__render_min_s=0.0)
    assert late.line in bytes(world.node.answer("10.0.0.9", world.now))  # type: ignore[arg-type]
