"""What is measured, with global truth: how news travels, how deaths are found out, who is wronged."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.sim.actor import Actor
from gossip.sim.checkers import LEARNED, Truth, learned
from gossip.sim.world import World


@dataclass(slots=True, eq=False)
class Item:
    """One piece of news: when it began, who knows it, and after how long all did (seconds)."""

    origin: Address
    timestamp: int
    began: float
    knowing: set[Address] = field(default_factory=set)
    took_s: float | None = None


class News:
    """Times how long each change of an honest node takes until all honest live nodes know it."""

    def __init__(self, world: World, truth: Truth) -> None:
        self._world = world
        self._truth = truth
        self.items: list[Item] = []
        self._open: dict[Address, list[Item]] = {}
        world.observe(self._learned, *LEARNED)
        world.on_start(self._started)

    def begin(self, origin: Actor) -> None:
        """Note that a node has just changed its state."""
        item = Item(origin.address, origin.node.own.timestamp, self._world.now, {origin.address})
        self.items.append(item)
        self._open.setdefault(origin.address, []).append(item)

    def settle(self) -> None:
        """Note what all know by now because those that did not are gone."""
        for items in list(self._open.values()):
            for item in list(items):
                self._finish(item)

    def _learned(self, actor: Actor, event: ev.Event, _: float) -> None:
        assert isinstance(event, LEARNED)
        if event.member not in self._open:
            return
        held = learned(actor, event)
        for item in list(self._open[event.member]):
            if held is None or held.timestamp < item.timestamp or self._truth.is_false(held):
                item.knowing.discard(actor.address)
            else:
                item.knowing.add(actor.address)
                self._finish(item)

    def _started(self, actor: Actor) -> None:
        for items in self._open.values():
            for item in items:
                entry = actor.node.entry_of(item.origin)
                if entry is None or entry.timestamp < item.timestamp:
                    item.knowing.discard(actor.address)

    def _finish(self, item: Item) -> None:
        # Most of the time too few know it, and that is seen without looking at each.
        actors, knowing, liars = self._world.actors, item.knowing, self._truth.liars
        if len(knowing) + len(liars) < self._world.alive:
            return
        if all(address in knowing or address in liars for address, actor in actors.items() if actor.alive):
            item.took_s = self._world.now - item.began
            self._open[item.origin].remove(item)


class Deaths:
    """Times how long each honest live node takes to blacklist each one that went down."""

    def __init__(self, world: World, liars: Set[Address]) -> None:
        self._world = world
        self._liars = liars
        self._died: dict[Address, float] = {}
        self._found: dict[Address, dict[Address, float]] = {}
        self.took_s: list[float] = []
        self.until_all_s: list[float] = []
        self.missed = 0
        world.observe(self._blacklisted, ev.MemberBlacklisted)
        world.on_start(lambda actor: self.settle(actor.address))

    def begin(self, address: Address) -> None:
        """Note that a node went down just now."""
        self._died[address] = self._world.now
        self._found[address] = {}

    def settle(self, address: Address) -> None:
        """Close the record of a node that comes back, whoever had not noticed."""
        if self._died.pop(address, None) is not None:
            self.took_s += self._found.pop(address).values()

    def finish(self) -> None:
        """Close all records: whoever was there, and is, should know of the death by now."""
        for address, died in list(self._died.items()):
            found = self._found[address]
            witnesses = [
                actor.address
                for actor in self._world.actors.values()
                if actor.alive and actor.up_since <= died and actor.address not in self._liars
            ]
            missed = sum(witness not in found for witness in witnesses)
            self.missed += missed
            if not missed and witnesses:
                self.until_all_s.append(max(found[witness] for witness in witnesses))
            self.settle(address)

    def _blacklisted(self, actor: Actor, event: ev.Event, at: float) -> None:
        assert isinstance(event, ev.MemberBlacklisted)
        if event.member in self._died and actor.address not in self._liars:
            self._found[event.member].setdefault(actor.address, at - self._died[event.member])


class Verdicts:
    """Counts what honest nodes do to honest ones that deserve it not."""

    def __init__(self, world: World, liars: Set[Address]) -> None:
        self._world = world
        self._liars = liars
        self.wrong = 0
        self.strikes = 0
        self.distrusted = 0
        self.liars_caught: set[tuple[Address, Address]] = set()
        world.observe(self._blacklisted, ev.MemberBlacklisted)
        world.observe(self._punished, ev.StrikeGiven, ev.PeerDistrusted)

    def _blacklisted(self, actor: Actor, event: ev.Event, at: float) -> None:
        assert isinstance(event, ev.MemberBlacklisted)
        target = self._world.find(event.member)
        if actor.address in self._liars or target is None or not target.alive:
            return
        if target.address in self._liars:
            self.liars_caught.add((actor.address, target.address))
            return
        network = self._world.network
        # A pull that fails now may have begun before the member was back, or within reach again.
        patience_s = actor.settings.pull.pull_timeout_s
        since = max(target.up_since, network.healed_at)
        waits = network.extra_s
        slow_s = waits.get(target.address, 0.0) + waits.get(actor.address, 0.0)
        if at - since <= patience_s or slow_s >= patience_s:
            return
        self.wrong += not network.is_cut(actor.address, target.address)

    def _punished(self, actor: Actor, event: ev.Event, _: float) -> None:
        assert isinstance(event, ev.StrikeGiven | ev.PeerDistrusted)
        if actor.address in self._liars or event.peer in self._liars:
            return
        if isinstance(event, ev.StrikeGiven):
            self.strikes += 1
        else:
            self.distrusted += 1
