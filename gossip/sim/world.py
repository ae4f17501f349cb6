"""The simulator's interpreter of effects: one heap of moments, one seed, nodes that exchange bytes.

The daemon's twin: `Node` is the production one, and every table and reply crosses the codec. Only time
and bytes are delivered from here.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from gossip.core.address import Address
from gossip.core.effects import Join, Output, Pull, SaveSnapshot, Schedule, SendReply, Timer
from gossip.core.events import Event
from gossip.core.instant import Instant
from gossip.core.node import Node
from gossip.core.reply import compose
from gossip.core.settings import PullSettings, ReplySettings, Settings
from gossip.core.snapshot import Snapshot
from gossip.core.wire import End, Failure, Pulled, TableReader

EPOCH = 1_700_000_000.0  # Unix seconds at virtual time 0
Observer = Callable[["Actor", Event, float], None]


@dataclass(slots=True)
class Actor:
    """A node in the world. A dead one refuses connections, or swallows them when it is `silent`.

    With `suspects` it is a liar that adds a suspicion of that address to every pull's reply.
    """

    node: Node
    settings: Settings
    alive: bool = True
    silent: bool = False
    suspects: Address | None = None
    pulls: int = 0  # connections that reached it
    timers: dict[Timer, int] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        """The node's address."""
        return self.node.own.address


class World:
    """Nodes on a network where a connection fails with probability `loss`; delays are in seconds."""

    def __init__(
        self, seed: int, *, loss: float = 0.0, delay_s: tuple[float, float] = (0.0005, 0.005)
    ) -> None:
        self.now = 0.0
        self.actors: dict[Address, Actor] = {}
        self.connections = 0
        self._rng = Random(seed)
        self._loss = loss
        self._delay_s = delay_s
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._observers: list[Observer] = []
        self._is_cut: Callable[[Address, Address], bool] | None = None

    def observe(self, observer: Observer) -> None:
        """Call `observer` with every event of every node, and the virtual time."""
        self._observers.append(observer)

    def add(self, settings: Settings, address: Address, snapshot: Snapshot | None = None) -> Actor:
        """Start a node now."""
        node = Node(settings, address, Random(self._rng.random()), self.instant(), snapshot)
        actor = self.actors[address] = Actor(node, settings)
        self.carry_out(actor, node.handle_start(self.instant()))
        return actor

    def kill(self, address: Address, *, silent: bool = False) -> None:
        """Stop a node without a word; a silent one lets its callers time out."""
        actor = self.actors[address]
        actor.alive, actor.silent = False, silent

    def cut(self, is_cut: Callable[[Address, Address], bool] | None) -> None:
        """Let connections between pairs of addresses time out, or none for None."""
        self._is_cut = is_cut

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Do something at a virtual time."""
        heapq.heappush(self._heap, (when, next(self._order), what))

    def run_until(self, when: float) -> None:
        """Let everything happen up to a virtual time."""
        while self._heap and self._heap[0][0] <= when:
            self.now, _, what = heapq.heappop(self._heap)
            what()
        self.now = when

    def instant(self) -> Instant:
        """Return the time as a node reads it."""
        return Instant(EPOCH + self.now, self.now)

    def carry_out(self, actor: Actor, out: Output) -> None:
        """Interpret what a handler returned."""
        for event in out.events:
            for observer in self._observers:
                observer(actor, event, self.now)
        for effect in out.effects:
            match effect:
                case Pull(peer):
                    self._pull(actor, peer)
                case Schedule(timer, at):
                    self._schedule(actor, timer, at)
                case Join():
                    names = [Address.parse(name) for name in actor.settings.node.join]
                    self.carry_out(actor, actor.node.handle_join(names, self.instant()))
                case SendReply(peer, data):
                    self._send_reply(actor, peer, data)
                case SaveSnapshot():
                    pass

    def _schedule(self, actor: Actor, timer: Timer, at: float) -> None:
        token = actor.timers[timer] = next(self._order)

        def ring() -> None:
            if actor.alive and actor.timers.get(timer) == token:
                self.carry_out(actor, actor.node.handle_timer(timer, self.instant()))

        self.at(at, ring)

    def _pull(self, actor: Actor, peer: Address) -> None:
        self.connections += 1
        there = self._delay()
        target = self.actors.get(peer)
        timed_out = self.now + actor.settings.pull.pull_timeout_s
        if self._is_cut is not None and self._is_cut(actor.address, peer):
            self.at(timed_out, lambda: self._fail(actor, peer, "timeout"))
        elif self._rng.random() < self._loss:
            self.at(self.now + 2 * there, lambda: self._fail(actor, peer, "reset"))
        elif target is None or not (target.alive or target.silent):
            self.at(self.now + 2 * there, lambda: self._fail(actor, peer, "refused"))
        elif target.silent:
            self.at(timed_out, lambda: self._fail(actor, peer, "timeout"))
        else:
            self.at(self.now + there, lambda: self._answer(actor, target, there))

    def _answer(self, actor: Actor, target: Actor, delay_s: float) -> None:
        if not target.alive:
            self.at(self.now + delay_s, lambda: self._fail(actor, target.address, "reset"))
            return
        target.pulls += 1
        answer = target.node.answer(actor.address.host, self.instant())
        steps = (answer,) if isinstance(answer, bytes) else answer
        chunks = [step for step in steps if isinstance(step, bytes)]
        self.at(self.now + delay_s, lambda: self._arrive(actor, target.address, chunks))

    def _arrive(self, actor: Actor, peer: Address, chunks: Iterable[bytes]) -> None:
        if not actor.alive:
            return
        pulled = _read(_reader(actor.settings.pull), chunks)
        self.carry_out(actor, actor.node.handle_table(peer, pulled, self.instant()))
        if actor.suspects is not None and peer != actor.suspects:
            self._send_reply(actor, peer, compose(actor.address, "", (), (actor.suspects,), False))

    def _send_reply(self, actor: Actor, peer: Address, data: bytes) -> None:
        def arrive() -> None:
            target = self.actors.get(peer)
            if target is not None and target.alive:
                pulled = _read(_reader(target.settings.reply), [data])
                self.carry_out(
                    target, target.node.handle_reply(actor.address.host, pulled, self.instant())
                )

        self.at(self.now + self._delay(), arrive)

    def _fail(self, actor: Actor, peer: Address, reason: str) -> None:
        if actor.alive:
            self.carry_out(actor, actor.node.handle_failure(peer, Failure(reason), self.instant()))

    def _delay(self) -> float:
        return self._rng.uniform(*self._delay_s)


def _reader(limits: PullSettings | ReplySettings) -> TableReader:
    return TableReader(limits.max_bytes, limits.max_lines)


def _read(reader: TableReader, chunks: Iterable[bytes]) -> Pulled:
    for chunk in chunks:
        end = reader.feed(chunk)
        if end is not None:
            return reader.pulled(end)
    return reader.pulled(End.CLOSED)
