"""The simulator's network, clocks and connections hold to the limits that the real ones hold to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from random import Random

import pytest

from gossip.core.address import Address
from gossip.core.attacks import Step
from gossip.core.settings import Settings
from gossip.core.wire import End, Failure, Pulled
from gossip.sim.cast import address_of, cluster
from gossip.sim.clock import EPOCH, Clock
from gossip.sim.connection import Connection
from gossip.sim.network import Cut, Network
from gossip.sim.scenario import Links
from gossip.sim.world import World

ONE, TWO, THREE = (address_of(number) for number in (1, 2, 3))
FIXED = Links(delay_low_s=0.1, delay_high_s=0.1)


def pulled(
    links: Links, answer: bytes | Iterator[Step], speed: int | None = None
) -> tuple[Pulled | Failure, float]:
    """Let node 1 pull from node 2, which answers so; return the result and when it came."""
    world = World(1, links)
    caller, target = cluster(world, Settings(), 2)
    for actor in (caller, target):
        actor.timers.clear()
    target.node.answer = lambda host, now: answer  # type: ignore[method-assign]
    if speed is not None:
        world.network.bytes_per_s[target.address] = speed
    results: list[tuple[Pulled | Failure, float]] = []
    connection = Connection(
        world, world.network, caller, target.address, target, lambda found: results.append((found, world.now))
    )
    connection.open()
    world.run_until(100.0)
    assert len(results) == 1
    return results[0]


def waits(*steps: Step) -> Iterator[Step]:
    yield from steps


def test_a_table_arrives_after_a_round_trip() -> None:
    assert pulled(FIXED, b"x,1,1\n\n") == (Pulled(b"x,1,1\n", End.EMPTY_LINE), 0.2)


def test_a_peer_that_pauses_longer_than_quiet_s_has_ended_its_table() -> None:
    found, at = pulled(FIXED, waits(b"x,1,1\n", 0.4, b"y,1,1\n", 0.6, b"z,1,1\n"))
    assert found == Pulled(b"x,1,1\ny,1,1\n", End.QUIET)
    assert at == pytest.approx(0.2 + 0.4 + 0.5, abs=0.001)


def test_a_peer_that_says_nothing_times_out() -> None:
    assert pulled(FIXED, waits(60.0)) == (Failure("timeout", 0), 5.0)


def test_one_that_drips_is_cut_at_the_time_out_and_what_it_said_is_read() -> None:
    found, at = pulled(FIXED, (step for step in repeat((b"x,1,1\n", 0.3)) for step in step))
    assert isinstance(found, Pulled)
    assert (found.end, at) == (End.TIMEOUT, 5.0)
    assert found.data.count(b"\n") == 16


@pytest.mark.parametrize(("step", "end"), [(b"x,1,1\n", End.MAX_LINES), (b"x" * 4096, End.MAX_BYTES)])
def test_an_endless_answer_ends_where_the_limits_say(step: bytes, end: End) -> None:
    found, _ = pulled(FIXED, repeat(step))
    assert isinstance(found, Pulled)
    assert found.end is end


def test_an_endless_answer_of_nothing_ends() -> None:
    assert pulled(FIXED, repeat(b"")) == (Failure("timeout", 0), 5.0)


def test_an_answer_that_ends_without_a_word_is_an_empty_table() -> None:
    assert pulled(FIXED, waits())[0] == Pulled(b"", End.CLOSED)


def test_a_clogged_link_takes_its_time() -> None:
    table = b"x,1,1\n" * 1000 + b"\n"
    found, at = pulled(FIXED, table, speed=6000)
    assert found == Pulled(table[:-1], End.EMPTY_LINE)
    assert at == pytest.approx(0.2 + len(table) / 6000, abs=0.01)


def test_a_cut_table_is_a_reset_with_what_had_come() -> None:
    table = b"x,1,1\n" * 1000 + b"\n"
    found, _ = pulled(replace(FIXED, truncated=1.0), table)
    assert isinstance(found, Pulled)
    assert found.end is End.RESET
    assert table.startswith(found.data)
    assert len(found.data) < len(table)


def test_lost_connections_are_reset() -> None:
    assert pulled(replace(FIXED, loss=1.0), b"x,1,1\n\n") == (Failure("reset"), 0.2)


def test_a_cut_divides_its_side_from_the_others() -> None:
    cut, one_way = Cut({ONE}), Cut({ONE}, one_way=True)
    assert cut.divides(ONE, TWO) and cut.divides(TWO, ONE)
    assert not cut.divides(TWO, THREE)
    assert one_way.divides(TWO, ONE) and not one_way.divides(ONE, TWO)
    assert not one_way.divides(TWO, THREE)


def test_one_way_pairs_are_so_many_and_stay_the_same() -> None:
    network = Network(Links(one_way=0.3), Random(1))
    pairs = [(address_of(a), address_of(b)) for a in range(1, 60) for b in range(1, 60) if a != b]
    cut = [network.is_cut(*pair) for pair in pairs]
    assert cut == [network.is_cut(*pair) for pair in pairs]
    assert sum(cut) / len(cut) == pytest.approx(0.3, abs=0.03)
    network.heal(0.0)
    assert not any(network.is_cut(*pair) for pair in pairs)


def test_a_long_tail_is_mostly_short_and_within_its_bounds() -> None:
    network = Network(Links(delay="long_tail", delay_low_s=0.1, delay_high_s=2.1), Random(1))
    delays = sorted(network.delay_s(ONE, TWO) for _ in range(2000))
    assert delays[0] >= 0.1 and delays[-1] <= 2.1
    assert delays[1000] < 0.3
    assert delays[-20] > 1.5


def test_a_clock_is_off_and_drifts_but_never_goes_back() -> None:
    clock = Clock(offset_s=-5.0, drift=0.01)
    assert clock.at(100.0) == (EPOCH - 5.0 + 101.0, 101.0)
    assert clock.at(50.0).mono == 101.0
    assert clock.at(clock.when(202.0), 202.0).mono >= 202.0
    clock.offset_s = -3600.0
    assert clock.at(300.0).wall == pytest.approx(EPOCH - 3600.0 + 303.0)


def test_what_a_restarted_node_said_is_not_lost_with_its_data_and_is_without() -> None:
    for keep, expected in ((True, 2), (False, 1)):
        world = World(3)
        settings = replace(Settings(), node=replace(Settings().node, data_dir="kept"))
        address = Address("10.0.0.1", 5001)
        actor, other = world.add(settings, address), world.add(settings, Address("10.0.0.2", 5001))
        world.carry_out(actor, actor.node.connect(other.address, world.instant(actor)))
        world.run_until(10.0)
        world.kill(address)
        world.run_until(11.0)
        assert world.restart(address, keep=keep).node.status().members == expected
