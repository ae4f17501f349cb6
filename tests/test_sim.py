"""Clusters in virtual time, on the production core: how fast news travels, how deaths are found out."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from gossip.core.address import Address
from gossip.core.events import Event, MemberBlacklisted, PullFinished, StateChanged
from gossip.core.reply import compose
from gossip.core.settings import Settings
from gossip.sim import figures as measured
from gossip.sim.cast import cluster
from gossip.sim.network import Cut
from gossip.sim.results import spread_of
from gossip.sim.world import Actor, World
from tests.conftest import Tell


@pytest.mark.parametrize(("trust", "bound"), [("hearsay", 7.0), ("verify", 10.0)])
def test_news_reaches_hundreds_of_nodes(
    trust: Literal["verify", "hearsay"], bound: float, tell_figure: Tell
) -> None:
    spread, line = measured.news(trust, 400, 4, seed=11)  # `make figures` has the thousand, and a round more
    tell_figure(f"{line}; target: p99 <= {bound:g}")
    assert spread.p99 <= bound


def test_a_death_is_known_to_all_of_a_hundred(tell_figure: Tell) -> None:
    found, line = measured.deaths(100, 8, 0.2, seed=12)
    tell_figure(f"{line}; target: p99 <= 15")
    spread = spread_of(found.deaths_all)
    assert found.missed == 0
    assert spread is not None
    assert spread.p99 <= 15


def test_lost_connections_blacklist_nobody(tell_figure: Tell) -> None:
    rate, line = measured.wrong_verdicts(60, 0.2, seed=13)
    tell_figure(f"{line}; target: < 0.01")
    assert rate < 0.01


def test_a_star_of_joins_becomes_a_whole_cluster() -> None:
    world, settings = World(5), Settings()
    hub = Address("10.0.0.1", 5001)
    world.add(settings, hub)
    for number in range(2, 31):
        node = replace(settings.node, join=(str(hub),))
        world.add(replace(settings, node=node), Address(f"10.0.0.{number}", 5001))
    world.run_until(8 * settings.gossip.interval_s)
    assert {actor.node.status().members for actor in world.actors.values()} == {30}


def test_a_member_that_leaves_is_known_to_have_left_sooner_than_one_that_dies() -> None:
    def rounds_until_three_know(*, leaves: bool) -> float:
        world = World(6)
        actors = cluster(world, Settings(), 30)
        gone, knowing = actors[3], dict[Address, float]()

        def note(actor: Actor, event: Event, at: float) -> None:
            if isinstance(event, MemberBlacklisted) and event.member == gone.address:
                knowing.setdefault(actor.address, at)

        world.observe(note)
        world.run_until(30.0)
        if leaves:
            world.carry_out(gone, gone.node.handle_stop(world.instant(gone)))
            world.run_until(30.1)
        world.kill(gone.address)
        world.run_until(200.0)
        assert len(knowing) == 29
        return (sorted(knowing.values())[2] - 30.0) / 3.0

    assert rounds_until_three_know(leaves=True) < 1.5 < 3 < rounds_until_three_know(leaves=False)


def test_a_partition_heals() -> None:
    """What was blacklisted while the network was cut is forgiven, and the news of both halves meets."""
    world, settings = World(9), Settings()
    actors = cluster(world, settings, 20)
    world.network.cuts.append(Cut({actor.address for actor in actors[:10]}))
    world.run_until(300.0)
    assert {actor.node.status().members for actor in actors} == {10}
    for actor in (actors[0], actors[15]):
        world.carry_out(actor, actor.node.set_state(7, world.instant(actor)))
    world.network.cuts.clear()
    world.run_until(1500.0)
    for actor in actors:
        assert actor.node.status().members == 20
        for changed in (actors[0], actors[15]):
            entry = actor.node.entry_of(changed.address)
            assert entry is not None
            assert entry.state == 7


def test_slander_costs_the_slandered_a_bounded_number_of_pulls() -> None:
    """Liars that suspect a live node in every reply blacklist nobody; each node checks it now and then."""
    world, settings = World(10), Settings()
    actors = cluster(world, settings, 40)
    victim, liars = actors[0], actors[1:20]

    def slander(actor: Actor, event: Event, at: float) -> None:
        if isinstance(event, PullFinished) and actor in liars and event.peer != victim.address:
            suspects = (victim.address,)
            world.send_reply(actor, event.peer, compose(actor.address, "", (), suspects, False))

    world.observe(slander, PullFinished)
    wrong: list[Event] = []
    world.observe(lambda _, event, __: wrong.append(event) if isinstance(event, MemberBlacklisted) else None)
    world.run_until(60.0)
    before = victim.pulls
    rounds = 100
    world.run_until(60.0 + rounds * settings.gossip.interval_s)
    pulls_a_round = (victim.pulls - before) / rounds
    assert wrong == []
    # One pull a round is its due; each of 39 others follows a suspicion once in 5 to 10 rounds at most.
    assert pulls_a_round <= 1.5 + 39 / 5


def test_a_change_is_told_by_the_members_own_word_only() -> None:
    world = World(14)
    actors = cluster(world, Settings(), 20)
    sources: list[str] = []

    def note(actor: Actor, event: Event, at: float) -> None:
        if isinstance(event, StateChanged):
            sources.append(event.source)

    world.observe(note)
    world.run_until(9.0)
    world.carry_out(actors[0], actors[0].node.set_state(9, world.instant(actors[0])))
    world.run_until(60.0)
    assert sources == ["first-hand"] * 19
