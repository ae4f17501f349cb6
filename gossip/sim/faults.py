"""What goes wrong when: the faults of a scenario on the timeline, and the end of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from random import Random

from gossip.core.address import Address
from gossip.sim.cast import Cast
from gossip.sim.meters import Deaths
from gossip.sim.network import Cut
from gossip.sim.scenario import (
    Chosen,
    ClockJump,
    Clog,
    Fault,
    Newcomers,
    Partition,
    Scenario,
    Slow,
    Stop,
    Storm,
)
from gossip.sim.world import World

_LEAVING_S = 1.0  # that a node which leaves has for telling so


class Faults:
    """Puts the faults of a scenario on the timeline; `revived` is told of each node that is back."""

    def __init__(
        self,
        world: World,
        cast: Cast,
        scenario: Scenario,
        rng: Random,
        deaths: Deaths,
        revived: Callable[[Address], None],
    ) -> None:
        self._world = world
        self._cast = cast
        self._interval_s = scenario.settings.gossip.interval_s
        self._faults = scenario.faults
        self._rng = rng
        self._deaths = deaths
        self._revived = revived
        self._down: dict[Address, bool] = {}  # who is to come back, and whether with its data
        self._links = scenario.links
        self._storms: list[Storm] = []
        self._over = False

    def begin(self) -> None:
        """Count the rounds of all faults from now."""
        for fault in self._faults:
            self._after(fault.at_round, partial(self._strike, fault))

    def heal(self) -> None:
        """End all faults: everybody is back and within reach, but those that stopped for good."""
        self._over = True
        self._world.network.heal(self._world.now)
        for address in list(self._down):
            self._return(address)
        for actor in self._world.actors.values():
            actor.clock.offset_s = 0.0

    def _after(self, rounds: float, what: Callable[[], None]) -> None:
        def unless_over() -> None:
            if not self._over:
                what()

        self._world.at(self._world.now + rounds * self._interval_s, unless_over)

    def _strike(self, fault: Fault) -> None:
        network = self._world.network
        match fault:
            case Stop():
                for at, address in enumerate(self._choose(fault)):
                    self._after(at * fault.every_rounds, partial(self._stop, address, fault))
            case Newcomers():
                for at in range(fault.count):
                    self._after(at * fault.every_rounds, lambda: self._revived(self._cast.newcomer().address))
            case Partition():
                cut = Cut(frozenset(self._choose(fault)), fault.one_way)
                network.cuts.append(cut)
                self._after(fault.for_rounds, partial(self._mend, cut))
            case Storm():
                self._storm(fault)
            case Slow():
                slow = dict.fromkeys(self._choose(fault), fault.delay_s)
                network.extra_s |= slow
                self._after(fault.for_rounds, lambda: _drop(network.extra_s, slow))
            case Clog():
                clogged = dict.fromkeys(self._choose(fault), fault.bytes_per_s)
                network.bytes_per_s |= clogged
                self._after(fault.for_rounds, lambda: _drop(network.bytes_per_s, clogged))
            case ClockJump():
                for address in self._choose(fault):
                    self._world.actors[address].clock.offset_s += fault.jump_s

    def _choose(self, fault: Chosen) -> list[Address]:
        """Draw nodes from those that were there from the start."""
        if fault.rack:
            return self._cast.rack(fault.rack)
        everyone = self._cast.addresses
        count = fault.count or round(fault.share * len(everyone))
        return self._rng.sample(everyone, min(count, len(everyone)))

    def _stop(self, address: Address, fault: Stop) -> None:
        actor = self._world.actors[address]
        if not actor.alive:
            return
        if fault.how == "leave":
            self._world.carry_out(actor, actor.node.handle_stop(self._world.instant(actor)))
            actor.timers.clear()
            life = actor.life
            self._world.at(self._world.now + _LEAVING_S, lambda: self._kill(address, fault, life))
        else:
            self._kill(address, fault, actor.life)

    def _kill(self, address: Address, fault: Stop, life: int) -> None:
        world = self._world
        actor = world.actors[address]
        if actor.life != life:
            return
        if fault.how == "leave":
            actor.kept = actor.node.snapshot(world.instant(actor))
        world.kill(address, silent=fault.how == "silent")
        self._deaths.begin(address)
        if fault.for_rounds:
            self._down[address] = fault.keep
            if self._over:
                self._return(address)
            else:
                self._after(fault.for_rounds, partial(self._return, address))

    def _return(self, address: Address) -> None:
        keep = self._down.pop(address, None)
        if keep is not None:
            self._world.restart(address, keep=keep)
            self._revived(address)

    def _mend(self, cut: Cut) -> None:
        self._world.network.cuts.remove(cut)
        self._world.network.healed_at = self._world.now

    def _storm(self, fault: Storm) -> None:
        self._storms.append(fault)
        self._weather()
        self._after(fault.for_rounds, partial(self._calm, fault))

    def _calm(self, fault: Storm) -> None:
        self._storms.remove(fault)
        self._weather()

    def _weather(self) -> None:
        """Let the links be as bad as they are without a storm, and as each storm makes them."""
        links = self._links
        for storm in self._storms:
            links = replace(
                links,
                loss=_either(links.loss, storm.loss),
                truncated=_either(links.truncated, storm.truncated),
                replies_lost=_either(links.replies_lost, storm.replies_lost),
            )
        self._world.network.links = links


def _drop(held: dict[Address, float] | dict[Address, int], gone: Iterable[Address]) -> None:
    for address in gone:
        held.pop(address, None)


def _either(one: float, other: float) -> float:
    """Return the chance that at least one of two independent things happens."""
    return 1 - (1 - one) * (1 - other)
