"""The simulator's interpreter of effects: the daemon's twin.

`Node` is the production one, and every table and reply crosses the codec. Only time and bytes are
delivered from here. One seed decides everything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

from gossip.core.address import Address
from gossip.core.effects import (
    AnswerAt,
    Effect,
    Join,
    Output,
    Pull,
    SaveSnapshot,
    Schedule,
    SendReply,
    Timer,
)
from gossip.core.events import Event
from gossip.core.instant import Instant
from gossip.core.node import Node
from gossip.core.settings import Settings
from gossip.core.snapshot import Snapshot
from gossip.core.wire import End, Failure, Pulled, TableReader
from gossip.sim.actor import Actor
from gossip.sim.clock import EPOCH, Clock
from gossip.sim.connection import Connection
from gossip.sim.network import Network
from gossip.sim.scenario import Links
from gossip.sim.timeline import Timeline

__all__ = ["EPOCH", "Actor", "World"]

_SAVE_EVERY_S = 1.0  # as keeper.py does
Observer = Callable[[Actor, Event, float], None]
Watcher = Callable[[Actor, Pull], None]
Starter = Callable[[Actor], None]


class World(Timeline):
    """Nodes on a network, in virtual time."""

    def __init__(self, seed: int, links: Links | None = None) -> None:
        super().__init__()
        self.actors: dict[Address, Actor] = {}
        self.network = Network(links or Links(), Random(f"{seed} network"))
        self.alive = 0  # how many
        self.connections = 0
        self.bytes = 0  # of tables and replies, as read
        self.pulls_outside: dict[Address, int] = {}  # where nobody of the cluster listens
        self._rng = Random(f"{seed} nodes")
        self._routes: dict[Address, Actor] = {}
        self._observers: dict[type[Event] | None, list[Observer]] = {}
        self._observing: dict[type[Event], list[Observer]] = {}
        self._watchers: list[Watcher] = []
        self._starters: list[Starter] = []
        self._answering: list[Callable[[tuple[Address, ...]], None]] = []

    # Who looks on.

    def observe(self, observer: Observer, *kinds: type[Event]) -> None:
        """Call `observer` with every event of these kinds (none: of all), and the virtual time."""
        for kind in kinds or (None,):
            self._observers.setdefault(kind, []).append(observer)
        self._observing.clear()

    def on_pull(self, watcher: Watcher) -> None:
        """Call `watcher` with every pull that a node orders."""
        self._watchers.append(watcher)

    def on_start(self, starter: Starter) -> None:
        """Call `starter` with every node that starts, and starts again."""
        self._starters.append(starter)

    def on_aliases(self, watcher: Callable[[tuple[Address, ...]], None]) -> None:
        """Call `watcher` with the further addresses that an adversary answers at from now on."""
        self._answering.append(watcher)

    # Who is there.

    def add(
        self,
        settings: Settings,
        address: Address,
        snapshot: Snapshot | None = None,
        clock: Clock | None = None,
    ) -> Actor:
        """Start a node now."""
        clock = clock or Clock()
        node = Node(settings, address, self._seeded(), clock.at(self.now), snapshot)
        actor = Actor(address, node, settings, clock, up_since=self.now, kept=snapshot)
        self.actors[address] = self._routes[address] = actor
        self._start(actor)
        return actor

    def kill(self, address: Address, *, silent: bool = False) -> None:
        """Stop a node without a word; a silent one lets its callers time out."""
        actor = self.actors[address]
        self.alive -= actor.alive
        actor.alive, actor.silent = False, silent
        actor.life += 1
        actor.open = 0
        actor.save_due = False
        actor.timers.clear()

    def restart(self, address: Address, *, keep: bool) -> Actor:
        """Start a node again, with what its data folder holds or with nothing."""
        actor = self.actors[address]
        if not keep:
            actor.kept = None
        now = actor.clock.at(self.now)
        actor.node = Node(actor.settings, address, self._seeded(), now, actor.kept)
        actor.alive, actor.silent, actor.up_since = True, False, self.now
        self._start(actor)
        return actor

    def find(self, address: Address) -> Actor | None:
        """Return who listens at an address, or None."""
        return self._routes.get(address)

    def instant(self, actor: Actor) -> Instant:
        """Return the time as a node reads it."""
        return actor.clock.at(self.now)

    # What nodes do.

    def carry_out(self, actor: Actor, out: Output) -> None:
        """Interpret what a handler returned."""
        for event in out.events:
            kind = type(event)
            observers = self._observing.get(kind)
            if observers is None:
                observers = [*self._observers.get(kind, ()), *self._observers.get(None, ())]
                self._observing[kind] = observers
            for observer in observers:
                observer(actor, event, self.now)
        for effect in out.effects:
            self._carry_out(actor, effect)

    def _carry_out(self, actor: Actor, effect: Effect) -> None:
        match effect:
            case Pull(peer):
                self._pull(actor, peer, effect)
            case Schedule(timer, at):
                self._schedule(actor, timer, at)
            case SendReply(peer, data):
                self.send_reply(actor, peer, data)
            case SaveSnapshot(urgent):
                self._save(actor, urgent)
            case AnswerAt(addresses):
                self._answer_at(actor, addresses)
            case Join():
                names = [Address.parse(name) for name in actor.settings.node.join]
                self.carry_out(actor, actor.node.handle_join(names, self.instant(actor)))

    def send_reply(self, actor: Actor, peer: Address, data: bytes) -> None:
        """Send a reply on the connection of the pull from `peer`; nothing says whether it arrived."""
        target = self.find(peer)
        if target is None or not target.alive or self.network.is_lost(self.network.links.replies_lost):
            return
        speed = self.network.speed(actor.address, target.address)
        takes_s = self.network.delay_s(actor.address, target.address) + (len(data) / speed if speed else 0.0)
        limits, life = target.settings.reply, target.life
        if takes_s > limits.reply_timeout_s or not limits.max_waiting:
            return

        def arrive() -> None:
            if target.life == life and not self.network.is_cut(actor.address, target.address):
                reader = TableReader(limits.max_bytes, limits.max_lines)
                end = reader.feed(data) or End.CLOSED
                self.bytes += reader.size
                pulled = reader.pulled(end)
                now = self.instant(target)
                self.carry_out(target, target.node.handle_reply(actor.address.host, pulled, now))

        self.at(self.now + takes_s, arrive)

    def _start(self, actor: Actor) -> None:
        self.alive += 1
        for starter in self._starters:
            starter(actor)
        life = actor.life

        def begin() -> None:
            if actor.life == life:
                self.carry_out(actor, actor.node.handle_start(self.instant(actor)))

        self.at(self.now, begin)  # not at once: whoever starts at the same time is there then

    def _pull(self, actor: Actor, peer: Address, order: Pull) -> None:
        self.connections += 1
        actor.open += 1
        for watcher in self._watchers:
            watcher(actor, order)
        target = self._routes.get(peer)
        if target is None:
            self.pulls_outside[peer] = self.pulls_outside.get(peer, 0) + 1
        done = partial(self._pulled, actor, actor.life, peer)
        Connection(self, self.network, actor, peer, target, done).open()

    def _pulled(self, actor: Actor, life: int, peer: Address, result: Pulled | Failure) -> None:
        if actor.life != life:
            return
        actor.open -= 1
        now = self.instant(actor)
        if isinstance(result, Failure):
            self.bytes += result.received
            self.carry_out(actor, actor.node.handle_failure(peer, result, now))
        else:
            self.bytes += len(result.data)
            self.carry_out(actor, actor.node.handle_table(peer, result, now))

    def _schedule(self, actor: Actor, timer: Timer, mono: float) -> None:
        def ring() -> None:
            if actor.timers.get(timer) == number:
                now = actor.clock.at(self.now, mono)
                self.carry_out(actor, actor.node.handle_timer(timer, now))

        number = actor.timers[timer] = self.at(actor.clock.when(mono), ring)

    def _answer_at(self, actor: Actor, addresses: tuple[Address, ...]) -> None:
        """Lead callers of these addresses to a node, and no longer those of the addresses it had before."""
        for address in actor.also_at:
            del self._routes[address]
        # Where another node listens already, nobody else can.
        actor.also_at = tuple(address for address in addresses if address not in self._routes)
        self._routes |= dict.fromkeys(actor.also_at, actor)
        for watcher in self._answering:
            watcher(actor.also_at)

    def _save(self, actor: Actor, urgent: bool) -> None:
        """Keep a node's snapshot, at once or a little later; a crash before then loses it."""
        if urgent:
            actor.kept = actor.node.snapshot(self.instant(actor))
            actor.save_due = False
        elif not actor.save_due:
            actor.save_due, life = True, actor.life

            def save() -> None:
                if actor.save_due and actor.life == life:
                    self._save(actor, urgent=True)

            self.at(self.now + _SAVE_EVERY_S, save)

    def _seeded(self) -> Random:
        return Random(self._rng.getrandbits(64))
