"""Daemons and listeners on loopback, with small times, and single pulls, for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import gevent
import pytest
from gevent import Greenlet

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.settings import (
    AttentionSettings,
    BlacklistSettings,
    GossipSettings,
    ListenerSettings,
    NodeSettings,
    PullSettings,
    ReplySettings,
    Settings,
)
from gossip.core.wire import Failure, Pulled
from gossip.daemon import Daemon
from gossip.log import facts
from gossip.log.events import EventLog
from gossip.net.listener import Answer, listening_socket
from gossip.net.puller import pull
from gossip.net.tls.tls import Tls
from gossip.secure import listener_for

QUICK = ListenerSettings(answer_timeout_s=0.5)
PATIENT_REPLY = ReplySettings(reply_timeout_s=30)  # who ends within a test was made to


class Facts:
    """A log that remembers, in place of `NodeLog`: every event, and the daemon's own facts as rendered."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self.facts: list[tuple[str, dict[str, object]]] = []
        self.render_dropped = None
        self._log = EventLog(self, "debug").bind("127.0.0.1:1")

    def emit(self, event: ev.Event) -> None:
        self.events.append(event)
        self._log.emit(event)

    def flush(self) -> None:
        self._log.flush()

    def write(self, line: bytes) -> None:
        if type(self.events[-1]).__module__ == facts.__name__:
            fields = json.loads(line)
            _, _, name, _, _ = (fields.pop(key) for key in ("ts", "level", "event", "node", "id"))
            self.facts.append((name, fields))

    def of(self, kind: type[ev.Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def named(self, name: str) -> list[dict[str, object]]:
        return [fields for found, fields in self.facts if found == name]


class Running:
    """A daemon and what it told its log."""

    def __init__(
        self,
        address: Address,
        *join: object,
        interval_s: float = 0.05,
        quiet_s: float = 0.2,
        pull_timeout_s: float = 1.0,
        jitter: float = 0.25,
        failures: int = 2,
        **node: Any,
    ) -> None:
        node = {"listen": str(address), "join": tuple(map(str, join)), "shutdown_s": 1.0, **node}
        settings = Settings(
            node=NodeSettings(**node),
            gossip=GossipSettings(interval_s=interval_s),
            attention=AttentionSettings(candidate_retry_s=0.2, jitter_rounds=jitter),
            blacklist=BlacklistSettings(
                failures_to_blacklist=failures, blacklist_base_s=0.2, blacklist_max_s=0.4
            ),
            pull=PullSettings(pull_timeout_s=pull_timeout_s, quiet_s=quiet_s),
        )
        self.log = Facts()
        self.may_crash = False
        self.daemon = Daemon(settings, self.log, Random(address.port))  # type: ignore[arg-type]
        self.address = self.daemon.address
        self.daemon.start()

    def shut_down(self) -> None:
        self.daemon.shut_down()

    def vanish(self) -> None:
        """End as a process that is killed does: nobody is told, and nothing more is kept."""
        daemon = self.daemon
        daemon._is_down = True
        daemon.stopping.set()
        greenlets = [*daemon._timers.greenlets(), *daemon._pulls._open.values(), daemon._joining]
        if daemon._keeper is not None:
            greenlets.append(daemon._keeper._saver)
            daemon._keeper.abandon()
        if daemon._listener is not None:
            daemon._listener.stop()
            daemon._listener.close_callers()
        gevent.killall([greenlet for greenlet in greenlets if greenlet is not None])

    def states(self) -> dict[Address, int]:
        return {view.entry.address: view.entry.state for view in self.daemon.members()}

    def blacklisted(self) -> dict[Address, str]:
        return {view.address: view.reason for view in self.daemon.blacklist()}

    def learned_from(self) -> dict[Address, str]:
        return {view.entry.address: view.learned_from for view in self.daemon.members()}

    def pulled(self, peer: Address) -> int:
        return sum(event.peer == peer for event in self.log.of(ev.PullFinished))


Start = Callable[..., Running]


@contextmanager
def running() -> Iterator[Start]:
    """Give what starts daemons; stop them all at the end, and fail when a greenlet died unexpectedly."""
    started: list[Running] = []

    def start(address: Address, *join: object, **settings: Any) -> Running:
        started.append(Running(address, *join, **settings))
        return started[-1]

    yield start
    gevent.joinall([gevent.spawn(one.daemon.shut_down) for one in started], raise_error=True)
    crashes = [one.log.named("greenlet_crashed") for one in started if not one.may_crash]
    assert not any(crashes), crashes


@contextmanager
def served(
    answer: Callable[[str], Answer],
    settings: ListenerSettings = QUICK,
    host: str = "127.0.0.1",
    *,
    reply: ReplySettings = PATIENT_REPLY,
    replies: list[Any] | None = None,
    crashes: list[Greenlet] | None = None,
    tls: Tls | None = None,
) -> Iterator[Address]:
    """Run a listener, one of TLS if so wanted, that puts what callers say into `replies`.

    Fail when a caller's greenlet dies of a bug, unless `crashes` collects these.
    """
    heard = replies if replies is not None else []
    found = crashes if crashes is not None else []
    sock = listening_socket(host, 0, settings.backlog)
    calls = (lambda *said: heard.append(said), found.append, pytest.fail)
    listener = listener_for(tls)(sock, settings, reply, answer, *calls)
    listener.start()
    try:
        yield Address(host, listener.server_port)
    finally:
        gevent.sleep(0)  # whoever was accepted just now begins
        listener.stop()
        listener.close_callers()
    assert crashes is not None or not found


def pull_once(
    peer: Address,
    limits: PullSettings,
    source: str | None,
    reply: bytes | None = None,
    tls: Tls | None = None,
) -> Pulled | Failure:
    """Pull, answer with `reply` and return the result, which is to be given exactly once."""
    results: list[Pulled | Failure] = []

    def take(result: Pulled | Failure) -> bytes | None:
        results.append(result)
        return reply

    pull(peer, limits, source, take, tls)
    (result,) = results
    return result
