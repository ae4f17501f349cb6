"""All clients of a load at once: each does what its kind does, again and again, until the pulls are done."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from time import monotonic

import gevent
from gevent import Greenlet
from gevent.event import Event

from gossip.load.clients import ACTS, Load, NotWhole
from gossip.load.options import PULLING
from gossip.load.pace import Pace

_AFTER_ERROR_S = 0.01  # a target that refuses is not to be asked as fast as this process can
_NAMES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EMFILE: "no_descriptors",
    errno.ENFILE: "no_descriptors",
    errno.EADDRNOTAVAIL: "no_local_port",
}


class Swarm:
    """The clients of one load; they begin when it is made."""

    def __init__(self, load: Load, clients: Mapping[str, int], pace: Pace, duration_s: float | None) -> None:
        self._load = load
        self._pace = pace
        self._duration_s = duration_s
        self._pullers: list[Greenlet] = []
        self._others: list[Greenlet] = []
        for kind, count in clients.items():
            work, group = (self._pull, self._pullers) if kind in PULLING else (self._pester, self._others)
            group += [gevent.spawn(work, kind) for _ in range(count)]
        self._began = monotonic()
        pace.begin()

    def wait(self, interrupted: Event) -> float:
        """Wait until all pulls are done, open ones too, or for the interruption; return the seconds."""
        if self._pullers:
            done = gevent.spawn(gevent.joinall, self._pullers, raise_error=True)
        else:
            done = gevent.spawn(gevent.sleep, self._duration_s)
        gevent.wait([done, interrupted], count=1)
        done.kill()
        return monotonic() - self._began

    def end(self) -> None:
        """End all clients; what they were at counts neither as answered nor as failed."""
        everybody = [*self._pullers, *self._others]
        gevent.killall(everybody)
        for greenlet in everybody:
            if greenlet.exception is not None:  # a bug of ours: the numbers are worth nothing
                raise greenlet.exception

    def _pull(self, kind: str) -> None:
        act, tally = ACTS[kind], self._load.tally
        while (due := self._pace.next_due()) is not None:
            tally.connections[kind] += 1
            try:
                act(self._load)
            except (OSError, NotWhole) as error:
                tally.errors[kind, reason_of(error)] += 1
                gevent.sleep(_AFTER_ERROR_S)
            else:
                tally.latency_us.record(int(1_000_000 * (monotonic() - due)))

    def _pester(self, kind: str) -> None:
        act, tally = ACTS[kind], self._load.tally
        while True:
            tally.connections[kind] += 1
            try:
                act(self._load)
            except OSError as error:
                tally.errors[kind, reason_of(error)] += 1
                gevent.sleep(_AFTER_ERROR_S)


def reason_of(error: OSError | NotWhole) -> str:
    """Name an error in one word."""
    if isinstance(error, NotWhole):
        return str(error)
    if isinstance(error, TimeoutError):
        return "timeout"
    code = error.errno or 0
    return _NAMES.get(code, errno.errorcode.get(code, "os_error").lower())
