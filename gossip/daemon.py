"""The daemon: owns one Node, carries out its orders and tells its facts; starts and stops it in order.

The only place where the core meets clocks, sockets and greenlets.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random

import gevent
from gevent import Greenlet
from gevent.event import Event as Flag

from gossip.aliases import Aliases
from gossip.config import advertised
from gossip.config.source import Reread
from gossip.core import adversary, effects, views
from gossip.core.address import Address, split_host_port
from gossip.core.attacks import Step
from gossip.core.effects import Join, Output, Pull, Purpose, SaveSnapshot, Schedule, SendReply, Timer
from gossip.core.entry import Entry
from gossip.core.events import Event
from gossip.core.instant import Instant
from gossip.core.node import Node
from gossip.core.settings import Settings
from gossip.core.views import (
    BlacklistView,
    ConvergenceView,
    Figures,
    JoinReport,
    MemberView,
    Reading,
    Status,
    Story,
)
from gossip.core.wire import Failure, Pulled
from gossip.keeper import Keeper, load
from gossip.log import facts
from gossip.log.events import NodeLog
from gossip.net.listener import Listener, listening_socket
from gossip.net.names import resolve_all
from gossip.net.puller import Take, pull, source_for
from gossip.pulling import Pulling
from gossip.readings import Readings
from gossip.secure import listener_for, open_tls
from gossip.store import Store
from gossip.timers import Timers
from gossip.tuning import Tuning

_PATIENCE_S = 1.0  # with open pulls, at the stop
Watcher = Callable[[Event], None]


class Daemon:
    """One running node. What a shell may ask of it is in `shell/console.py`.

    With a data folder, making one takes its lock; StoreError where that cannot be.
    """

    def __init__(
        self, settings: Settings, log: NodeLog, rng: Random | None = None, reread: Reread | None = None
    ) -> None:
        self._settings = settings
        self._log = log
        self.tuning = Tuning(settings, reread, self._use, self.status, log)
        host, port = split_host_port(settings.node.listen)
        self._listen = (host.strip("[]"), port)
        address = advertised(settings)
        self.tls = open_tls(settings.tls, address, log, self.tuning)
        store = Store(settings.node.data_dir, address) if settings.node.data_dir else None
        kept = load(store, log) if store is not None else None
        self._node = Node(settings, address, rng or Random(), _now(), kept)
        self._keeper: Keeper | None = None
        if store is not None:
            self._keeper = Keeper(store, lambda: self._node.snapshot(_now()), log, self.crashed)
        self._listener: Listener | None = None
        self._aliases = Aliases(lambda port: self._listen_at(self._listen[0], port), log)
        self._timers = Timers(self._on_timer, self._died)
        self._pulls = Pulling(self._call, self._handle, self._node.abandon_pull, self.crashed)
        self._readings = Readings(self._node.inspect, _now, self._call, self._spawn)
        self._joining: Greenlet | None = None
        self._watchers: list[Watcher] = []
        self._is_down = False
        self.stopping = Flag()
        self.exit_status = 0

    @property
    def address(self) -> Address:
        """The address that others know this node by."""
        return self._node.own.address

    @property
    def listen(self) -> str:
        """Where it listens, as the settings say."""
        return self._settings.node.listen

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher`, which must not block, with every event until the function returned is called."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    # Start and stop.

    def start(self) -> None:
        """Listen and gossip from now on; raise OSError when the address cannot be listened on."""
        try:
            self._listener = self._listen_at(*self._listen)
        except OSError:
            if self._keeper is not None:
                self._keeper.abandon()
            raise
        self._listener.start()
        self._log.emit(facts.ListenerStarted(self._settings.node.listen, self._settings.gossip.trust))
        self._interpret(self._node.handle_start(_now()))

    def stop(self) -> None:
        """Begin the orderly stop and return at once."""
        self.stopping.set()

    def shut_down(self) -> None:
        """Stop in order, within `shutdown_s`: listener, rounds, leaving notice, open pulls, snapshot."""
        if self._is_down:
            return
        self._is_down = True
        self.stopping.set()
        shutdown_s = self._settings.node.shutdown_s
        deadline = time.monotonic() + shutdown_s
        save_s = min(1.0, shutdown_s / 4) if self._keeper is not None else 0.0
        if self._listener is not None:
            self._listener.stop()
        self._aliases.close()
        rounds = [*self._timers.greenlets(), self._joining, *self._readings.open.values()]
        gevent.killall([greenlet for greenlet in rounds if greenlet is not None])
        self._interpret(self._node.handle_stop(_now()))
        self._pulls.finish(min(_PATIENCE_S, deadline - save_s - time.monotonic()))
        if self._listener is not None:
            self._listener.close_callers()
        if self._keeper is not None:
            self._keeper.close(max(save_s, deadline - time.monotonic()))
        self._log.flush()  # what is held back, so that the last line is the last
        self._log.emit(facts.NodeStopped(self.status().round, self.exit_status))

    # What a shell asks (shell/console.py).

    def status(self) -> Status:
        """Return the node in one line."""
        return self._node.status()

    def figures(self) -> Figures:
        """Return how much there is of what `status` does not count."""
        return self._node.figures(*(self._listener.counts if self._listener is not None else (0, 0)))

    def members(self) -> Sequence[MemberView]:
        """Return all members: the node itself first, then by address."""
        return self._node.members(_now())

    def blacklist(self) -> Sequence[BlacklistView]:
        """Return the blacklisted and the blocked, by address."""
        return self._node.blacklist(_now())

    def convergence(self) -> ConvergenceView | None:
        """Return how far the last change is known to have come, None before the first."""
        return self._node.convergence(_now())

    def join(self, address: Address) -> JoinReport:
        """Pull from an address now and wait for the result (at most the pull's time-out)."""
        if any(row.address == address and row.retry_in_s is None for row in self.blacklist()):
            return JoinReport(address, "blocked by hand", None, 0, is_member=False, is_blacklisted=True)
        self._interpret(self._node.connect(address, _now()))
        finished = self._pulls.outcome(address)
        if finished is None:  # never begun, or killed
            return JoinReport(address, "the node is stopping", None, 0, is_member=False)
        is_blacklisted = any(row.address == address for row in self.blacklist())
        return views.join_report(finished, self._node.entry_of(address), is_blacklisted)

    def set_state(self, state: int) -> Entry:
        """Set the own state, 0 to 9, and return the own entry."""
        self._interpret(self._node.set_state(state, _now()))
        return self._node.own

    def set_adversary(self, strategy: str | None) -> str | None:
        """Lie by one of `strategies`, or be honest for None; return what would permit a refused one."""
        refusal = adversary.refusal(self._settings, strategy) if strategy is not None else None
        if refusal is None:
            self._interpret(self._node.set_adversary(strategy))
        return refusal

    def strategies(self) -> Mapping[str, str]:
        """Return what each adversarial strategy does, by name, the configured one first."""
        return adversary.summaries(self._settings.adversary)

    def block(self, address: Address) -> bool:
        """Blacklist an address for good; return False when it was blocked already."""
        return bool(self._interpret(self._node.block(address, _now())).events)

    def unblock(self, address: Address) -> bool:
        """Take an address off the blacklist; return False when it was not on it."""
        return bool(self._interpret(self._node.unblock(address, _now())).events)

    def explain(self, address: Address) -> Story:
        """Return all that is known of an address, and how it came to be."""
        return self._node.explain(address, _now())

    def _use(self, settings: Settings) -> None:
        self._settings = settings
        self._interpret(self._node.change(settings, _now()))
        for listener in (self._listener, *self._aliases):
            if listener is not None:
                listener.use(settings.listener, settings.reply)

    def read(self, address: Address) -> Reading:
        """Read the table of an address on a connection of its own, and believe nothing of it."""
        return self._readings.read(address, self._pulls.get(address))

    # The interpreter of effects.

    def _interpret(self, out: Output) -> Output:
        for event in out.events:
            self._log.emit(event)
            for watcher in self._watchers:
                watcher(event)
        for effect in out.effects:
            match effect:
                case Pull(peer, purpose) if self.stopping.is_set() and purpose is not Purpose.LEAVE:
                    self._node.abandon_pull(peer)
                case Pull(peer):
                    self._pulls.start(peer, self._readings.open.get(peer))
                case SendReply():
                    pass  # `Pulling` sends it, on the pull's own connection.
                case effects.AnswerAt(addresses):
                    self._aliases.answer_at(() if self.stopping.is_set() else addresses)
                case SaveSnapshot(urgent):
                    if self._keeper is not None:
                        self._keeper.ask(urgent=urgent)
                case Schedule(timer, at):
                    if not self.stopping.is_set():
                        self._timers.set(timer, at)
                case Join():
                    # A name may take longer to look up than a round: one look-up at a time.
                    if self._joining is None or self._joining.ready():
                        self._joining = self._spawn(self._join)
        return out

    def _on_timer(self, timer: Timer) -> None:
        self._interpret(self._node.handle_timer(timer, _now()))

    def _call(self, peer: Address, take: Take) -> None:
        pull(peer, self._settings.pull, source_for(peer, self._listen[0]), take, self.tls)

    def _handle(self, peer: Address, result: Pulled | Failure) -> Output:
        if isinstance(result, Failure):
            return self._interpret(self._node.handle_failure(peer, result, _now()))
        return self._interpret(self._node.handle_table(peer, result, _now()))

    def _join(self) -> None:
        addresses, unresolved = resolve_all(self._settings.node.join)
        for name, reason in unresolved:
            self._log.emit(facts.JoinUnresolved(name, reason))
        self._interpret(self._node.handle_join(addresses, _now()))

    def _listen_at(self, host: str, port: int) -> Listener:
        settings = self._settings.listener
        sock = listening_socket(host, port, settings.backlog)
        calls = (self._answer, self._on_reply, self.crashed, self._exhausted)
        return listener_for(self.tls)(sock, settings, self._settings.reply, *calls)

    def _answer(self, caller: str) -> bytes | Iterator[Step]:
        return self._node.answer(caller, _now())

    def _on_reply(self, caller: str, reply: Pulled, vouched: frozenset[str] | None = None) -> None:
        self._interpret(self._node.handle_reply(caller, reply, _now(), vouched))

    def _exhausted(self, error: OSError) -> None:
        self._log.emit(facts.ListenerExhausted(str(error)))

    # No silent death.

    def _spawn(self, function: Callable[..., object], *args: object) -> Greenlet:
        greenlet = gevent.spawn(function, *args)
        greenlet.link_exception(self.crashed)
        return greenlet

    def crashed(self, greenlet: Greenlet) -> None:
        """Tell of a greenlet that died of a bug; the exit status will, too."""
        self.exit_status = 1
        trace = "".join(traceback.format_exception(greenlet.exception))
        self._log.emit(facts.GreenletCrashed(str(greenlet), trace))

    def _died(self, greenlet: Greenlet) -> None:
        """Stop when a greenlet died that the node cannot go on without."""
        self.crashed(greenlet)
        self.stop()


def _now() -> Instant:
    return Instant(time.time(), time.monotonic())
