"""Who is in a run: addresses, racks, clocks, and who will lie. Everything is drawn from the seed."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.settings import Settings
from gossip.core.snapshot import KeptMember, Snapshot
from gossip.sim.actor import Actor
from gossip.sim.clock import Clock
from gossip.sim.scenario import Scenario, Stop
from gossip.sim.world import World

_DATA_DIR = "kept"  # never opened: it only says that there is one


def address_of(number: int) -> Address:
    """Return the address of a node by its number, from 1; each has an IP of its own."""
    return Address(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5001)


def cluster(world: World, settings: Settings, nodes: int) -> list[Actor]:
    """Start nodes that know each other already."""
    return Cast(world, Scenario(nodes=nodes, settings=settings), Random(nodes)).start()


class Cast:
    """The nodes of a scenario, in racks that are dealt in turn."""

    def __init__(self, world: World, scenario: Scenario, rng: Random) -> None:
        self._world = world
        self._scenario = scenario
        self._rng = rng
        self._numbers = scenario.nodes
        # Snapshots cost a simulation much: they are taken only where somebody comes back with one.
        self._keeps = any(isinstance(fault, Stop) and fault.keep for fault in scenario.faults)
        self.addresses = [address_of(number) for number in range(1, scenario.nodes + 1)]
        self.liars = set(self._drawn_evenly(scenario.liars_count))

    def start(self) -> list[Actor]:
        """Start all nodes, which know each other already or are to join a few."""
        scenario = self._scenario
        clocks = [self._clock() for _ in self.addresses]
        entries = [
            Entry(address, int(clock.at(0.0).wall), scenario.settings.node.state)
            for address, clock in zip(self.addresses, clocks, strict=True)
        ]
        known = tuple(KeptMember(entry, "join") for entry in entries)
        actors = []
        for entry, clock in zip(entries, clocks, strict=True):
            kept = None
            if scenario.start == "together":
                # As if it had said its first entry before: what all know already is no news.
                kept = Snapshot(entry.address, entry.timestamp - 1, known, ())
            actors.append(self._add(entry.address, kept, clock))
        return actors

    def newcomer(self) -> Actor:
        """Start a node that nobody knows, and that joins."""
        self._numbers += 1
        return self._add(address_of(self._numbers), None, self._clock())

    def rack(self, number: int) -> list[Address]:
        """Return who is in a rack, numbered from 1."""
        return self.addresses[number - 1 :: self._scenario.racks]

    def _add(self, address: Address, kept: Snapshot | None, clock: Clock) -> Actor:
        # Three to join through, far apart: they are not all in one rack that is lost.
        third = max(1, len(self.addresses) // 3)
        join = tuple(str(each) for each in self.addresses[::third][:3] if each != address)
        data_dir = _DATA_DIR if self._keeps else ""
        common = self._scenario.settings
        node = replace(common.node, listen=str(address), advertise="", join=join, data_dir=data_dir)
        adversary = replace(common.adversary, on=False, victim=self._scenario.victim)
        # Nobody asks for stories here, and to keep them takes a third of the time where many lie.
        explain = replace(common.explain, history=0)
        settings = replace(common, node=node, adversary=adversary, explain=explain)
        return self._world.add(settings, address, kept, clock)

    def _clock(self) -> Clock:
        clocks = self._scenario.clocks
        offset_s = self._rng.uniform(-clocks.offset_s, clocks.offset_s)
        return Clock(offset_s, self._rng.uniform(-clocks.drift, clocks.drift))

    def _drawn_evenly(self, count: int) -> list[Address]:
        """Draw nodes, as many from each rack as can be."""
        racks = [self.rack(number) for number in range(1, self._scenario.racks + 1)]
        for rack in racks:
            self._rng.shuffle(rack)
        dealt = [rack[at] for at in range(len(racks[0])) for rack in racks if at < len(rack)]
        return dealt[:count]
