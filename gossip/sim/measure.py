"""What the simulator measures: how news spreads, and how a death is found out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from random import Random

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.events import Event, MemberBlacklisted, StateChanged
from gossip.core.settings import Settings
from gossip.core.snapshot import KeptMember, Snapshot
from gossip.sim.world import EPOCH, Actor, World

_GIVE_UP_ROUNDS = 30

@dataclass(frozen=True, slots=True)
class Spread:
    """How many rounds each piece of news took until all knew; `unknown` never reached all."""

    rounds: tuple[float, ...]
    unknown: int
    connections_per_round: float

    def quantile(self, q: float) -> float:
        """Return the q-quantile of the rounds, by the nearest rank; infinity when news was lost."""
        if self.unknown:
            return math.inf
        return quantile(self.rounds, q)


@dataclass(frozen=True, slots=True)
class Detection:
    """How many rounds each live node took to blacklist each dead one, and what was blacklisted wrongly."""

    rounds: tuple[float, ...]
    until_all: tuple[float, ...]
    missed: int
    wrong: int
    member_hours: float


def quantile(values: tuple[float, ...], q: float) -> float:
    """Return the q-quantile by the nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, math.ceil(q * len(ranked)) - 1)]


def cluster(world: World, settings: Settings, nodes: int) -> list[Actor]:
    """Start nodes that know each other already, each on an IP of its own."""
    addresses = [Address(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 5001) for i in range(1, nodes + 1)]
    stamp = int(EPOCH)  # what each node stamps itself with at the start: nothing is news then
    entries = [Entry(address, stamp, 0) for address in addresses]
    kept = [KeptMember(entry, "join") for entry in entries]
    actors = []
    for address in addresses:
        snapshot = Snapshot(address, stamp - 1, tuple(kept), ())
        node = replace(settings.node, listen=str(address))
        actors.append(world.add(replace(settings, node=node), address, snapshot))
    return actors


def spread(
    settings: Settings, nodes: int, *, news: int, every_rounds: float, seed: int, loss: float = 0.0
) -> Spread:
    """Let random nodes change their state, one after the other, and time how each change reaches all.

    What has not reached all `_GIVE_UP_ROUNDS` after the last change counts as unknown.
    """
    world = World(seed, loss=loss)
    actors = cluster(world, settings, nodes)
    interval_s = settings.gossip.interval_s
    rng = Random(seed)
    origins = rng.sample(actors, news)
    begun: dict[Address, tuple[float, int]] = {}
    known: dict[Address, int] = dict.fromkeys((actor.address for actor in origins), 1)
    rounds: dict[Address, float] = {}

    def learn(actor: Actor, event: Event, at: float) -> None:
        if isinstance(event, StateChanged) and event.member in begun:
            began, timestamp = begun[event.member]
            if event.timestamp == timestamp:
                known[event.member] += 1
                if known[event.member] == nodes:
                    rounds[event.member] = (at - began) / interval_s

    world.observe(learn)
    warm_up = 3 * interval_s  # every node has had its first round by then

    def change(actor: Actor) -> None:
        out = actor.node.set_state(rng.randint(1, 9), world.instant())
        begun[actor.address] = (world.now, actor.node.own.timestamp)
        world.carry_out(actor, out)

    for number, actor in enumerate(origins):
        world.at(warm_up + number * every_rounds * interval_s, partial(change, actor))
    world.run_until(warm_up)
    before = world.connections
    give_up = warm_up + (news * every_rounds + _GIVE_UP_ROUNDS) * interval_s
    while len(rounds) < news and world.now < give_up:
        world.run_until(world.now + interval_s)
    per_round = (world.connections - before) * interval_s / (world.now - warm_up) / nodes
    return Spread(tuple(rounds.values()), news - len(rounds), per_round)


def detection(
    settings: Settings,
    nodes: int,
    *,
    deaths: int,
    hours: float,
    loss: float,
    seed: int,
    silent: bool = False,
) -> Detection:
    """Kill some nodes, one after the other, and time how each death is found out; count wrong verdicts.

    The dead refuse connections, as a machine does whose process died; silent ones let callers time out.
    """
    world = World(seed, loss=loss)
    actors = cluster(world, settings, nodes)
    interval_s = settings.gossip.interval_s
    rng = Random(seed)
    died: dict[Address, float] = {}
    found: dict[Address, dict[Address, float]] = {}
    wrong = 0

    def judge(actor: Actor, event: Event, at: float) -> None:
        nonlocal wrong
        if isinstance(event, MemberBlacklisted):
            if event.member in died:
                found[event.member].setdefault(actor.address, (at - died[event.member]) / interval_s)
            else:
                wrong += 1

    world.observe(judge)
    spacing_s = hours * 3600 / (deaths + 1)
    for number, victim in enumerate(rng.sample(actors, deaths), 1):

        def die(victim: Actor = victim) -> None:
            died[victim.address] = world.now
            found[victim.address] = {}
            world.kill(victim.address, silent=silent)

        world.at(number * spacing_s, die)
    world.run_until(hours * 3600)
    alive = {actor.address for actor in actors if actor.alive}
    rounds = tuple(at for by in found.values() for who, at in by.items() if who in alive)
    until_all = tuple(max(at for who, at in by.items() if who in alive) for by in found.values())
    missed = len(alive) * deaths - len(rounds)
    return Detection(rounds, until_all, missed, wrong, hours * nodes)
