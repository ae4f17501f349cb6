"""What the service manager is told, if there is one: ready, reloading, stopping, well (systemd's sd_notify).

- A node is ready once it listens. Whether it has joined is in the status line only: who starts first in a
  cluster waits for others, and must not be ended for it.
- The watchdog is fed while the node is well, as `/healthz` says.
- Each message is a datagram on a socket of its own, so that a manager that was away is found again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import CLOCK_MONOTONIC, clock_gettime_ns

import gevent
from gevent import Greenlet, socket

from gossip.core.settings import Settings
from gossip.core.text import count
from gossip.daemon import Daemon
from gossip.health import BEAT_S, Health
from gossip.log.events import NodeLog
from gossip.log.facts import ManagerUnreachable

_SEND_S = 1.0
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True, slots=True)
class Manager:
    """Where a service manager listens, and how often it wants to hear that all is well (None: never)."""

    path: str
    watchdog_s: float | None = None

    def send(self, message: str) -> None:
        """Send one message; raise OSError where nobody takes it within a second."""
        address = "\0" + self.path[1:] if self.path.startswith("@") else self.path
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(_SEND_S)
            sock.connect(address)
            sock.send(message.encode())


def manager_of(environment: MutableMapping[str, str], pid: int) -> Manager | None:
    """Take the manager of process `pid` out of an environment, so that no child takes it for its own."""
    path, every, whose = (environment.pop(name, "") for name in _VARIABLES)
    if not path.startswith(("/", "@")):
        return None
    is_watched = every.isascii() and every.isdigit() and int(every) > 0 and whose in ("", str(pid))
    return Manager(path, int(every) / 1e6 if is_watched else None)


class Service:
    """Keeps a manager informed of one node from `start` until `close`."""

    def __init__(self, node: Daemon, health: Health, manager: Manager, log: NodeLog) -> None:
        self._node = node
        self._health = health
        self._manager = manager
        self._log = log
        self._told = ""
        self._is_heard = True
        self._greenlet: Greenlet | None = None

    def start(self) -> None:
        """Say that the node is ready, and go on."""
        self._greenlet = gevent.spawn(self._run)
        self._greenlet.link_exception(self._node.crashed)

    def close(self) -> None:
        """Say nothing more."""
        if self._greenlet is not None:
            self._greenlet.kill()

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Say that settings are read, and afterwards that they have been."""
        if not self._node.stopping.is_set():
            self._send("RELOADING=1", f"MONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}")
        try:
            yield
        finally:
            if not self._node.stopping.is_set():
                self._send("READY=1")

    def _run(self) -> None:
        watchdog_s = self._manager.watchdog_s
        every_s = BEAT_S if watchdog_s is None else min(BEAT_S, watchdog_s / 2)
        is_known = self._send("READY=1", *self._news())
        is_stopping = False
        while True:
            if is_stopping:
                gevent.sleep(every_s)
            elif self._node.stopping.wait(every_s):
                is_stopping = True
                self._send("STOPPING=1", "STATUS=stopping")
                continue
            self._health.beat(every_s)
            is_fed = watchdog_s is not None and self._health.problem() is None
            news = [] if is_stopping else [*([] if is_known else ["READY=1"]), *self._news()]
            is_known = self._send(*(["WATCHDOG=1"] if is_fed else []), *news) or is_known

    def _news(self) -> list[str]:
        """Return the status line, where it is another than was told last."""
        status = self._node.status()
        why = self._health.problem() or self._health.obstacle()
        members = count(status.members, "member", "members")
        line = f"{members}, {status.blacklisted} blacklisted; {f'not ready: {why}' if why else 'ready'}"
        if line == self._told:
            return []
        self._told = line
        return [f"STATUS={line}"]

    def _send(self, *assignments: str) -> bool:
        """Send what there is to say, and return whether that was taken."""
        if not assignments:
            return True
        try:
            self._manager.send("\n".join(assignments))
        except OSError as error:
            if self._is_heard:
                self._log.emit(ManagerUnreachable(self._manager.path, error.strerror or str(error)))
            self._is_heard, self._told = False, ""
        else:
            self._is_heard = True
        return self._is_heard


def open_service(first: Daemon, settings: Settings, log: NodeLog) -> Service | None:
    """Keep the manager that the environment names informed, if it names one."""
    manager = manager_of(os.environ, os.getpid())
    if manager is None:
        return None
    health = Health(first, settings)
    first.watch(health.take)
    first.tuning.follow(health.use)
    service = Service(first, health, manager, log)
    first.tuning.reloading = service.reloading
    service.start()
    return service
