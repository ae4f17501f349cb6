"""The kinds of clients: one function each, for what such a client does once.

A pull's faults are raised: OSError, or NotWhole. What pesters goes on quietly however it is cut off,
and raises only when it cannot call at all.
"""

from __future__ import annotations

import _socket
import errno
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from time import monotonic

import gevent
from gevent import socket

from gossip.core.address import Address
from gossip.core.reply import compose
from gossip.load.check import Checker
from gossip.load.histogram import Histogram

_CHUNK = 262_144
_TABLE_MAX = 64 * 1024 * 1024
_READ = 1  # gevent's flag of a watcher
_SMALL_BUFFER = 2048  # so that a table stays in the target's hands, not in the kernel's
_HOLD_S = 5.0
_SLOW_BYTES, _SLOW_EVERY_S = 64, 0.05
_RUBBISH_MAX, _RUBBISH_PAUSE_S = 4096, 0.02
_REAP_EVERY_S = 0.1
_FLOOD_BURST, _FLOOD_PAUSE_S = 20, 0.1
_RESET = struct.pack("ii", 1, 0)
_REPLY_LINES = 3


class NotWhole(Exception):
    """A pull ended in order, but not with a whole table; the text is one word."""


@dataclass(slots=True)
class Tally:
    """What all clients did. `latency_us` is of answered pulls, in microseconds from when they were due."""

    latency_us: Histogram = field(default_factory=Histogram)
    received: int = 0
    connections: Counter[str] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)


class Load:
    """What the clients of one load share; `own` is an address of ours at which nobody listens."""

    def __init__(self, target: Address, timeout_s: float, own: Address, rng: Random) -> None:
        self.target = (target.host, target.port)
        self.family = socket.AF_INET6 if target.is_ipv6 else socket.AF_INET
        self.timeout_s = timeout_s
        self.own = own
        self.rng = rng
        self.checker = Checker()
        self.tally = Tally()
        # Never held across a switch of greenlets: each chunk is done with before the next wait.
        self.buffer = bytearray(_CHUNK)
        self.view = memoryview(self.buffer)
        self.loop = gevent.get_hub().loop
        self.wait: Callable[[object], None] = gevent.get_hub().wait
        self._open: dict[_socket.socket, float] = {}

    @contextmanager
    def pulling(self) -> Iterator[_socket.socket]:
        """Connect for a pull, which `reap` ends when its time is up."""
        # Bare sockets, one wait a pull and no timer: 42 µs of CPU, where gevent's own takes 61.
        sock = _socket.socket(self.family, socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)
        self._open[sock] = deadline = monotonic() + self.timeout_s
        try:
            _call(self, sock)
            yield sock
        except OSError:
            if monotonic() >= deadline:
                raise TimeoutError from None
            raise
        finally:
            del self._open[sock]
            sock.close()

    def reap(self) -> None:
        """Wake the pulls whose time is up, for ever: they find their connection ended."""
        while True:
            gevent.sleep(_REAP_EVERY_S)
            now = monotonic()
            for sock, deadline in list(self._open.items()):
                if deadline > now:
                    break  # a dict is in the order of insertion, so the rest began later
                with suppress(OSError):  # not connected: that wakes it, too
                    sock.shutdown(socket.SHUT_RDWR)


# Those that pull.


def honest(load: Load) -> None:
    """Pull the table, to the end of the connection, and check it whole."""
    with load.pulling() as sock:
        _read_whole(load, sock)


def with_reply(load: Load) -> None:
    """Pull the table, check it whole, and say who is calling and a little hearsay."""
    with load.pulling() as sock:
        _read_whole(load, sock)
        lines = [line for line in load.checker.known.split(b"\n", _REPLY_LINES)[:_REPLY_LINES] if line]
        entries = [line for line in lines if not line.startswith(b"#")]
        with suppress(OSError):  # a listener need not wait for a reply
            sock.send(compose(load.own, load.checker.cluster, entries, (), leaving=False))
            sock.shutdown(socket.SHUT_WR)


def _read_whole(load: Load, sock: _socket.socket) -> None:
    """Read to the end; what equals the last whole table is compared as it comes in, and never copied."""
    deadline = monotonic() + load.timeout_s
    known, at, other = load.checker.known, 0, None
    watcher = load.loop.io(sock.fileno(), _READ)
    try:
        load.wait(watcher)  # for the table itself: that it is connected by then goes without saying
        while True:
            try:
                count = sock.recv_into(load.buffer)
            except BlockingIOError:
                load.wait(watcher)
                continue
            if not count:
                break
            if other is None:
                if known.startswith(load.view[:count], at):
                    at += count
                    continue
                other = bytearray(known[:at])
            other += load.view[:count]
            if len(other) > _TABLE_MAX:
                raise NotWhole("endless")
    finally:
        watcher.close()
        load.tally.received += at if other is None else len(other)
    if monotonic() >= deadline:
        raise TimeoutError
    if other is not None or at < len(known) or not known:
        problem = load.checker.problem(known[:at] if other is None else bytes(other))
        if problem is not None:
            raise NotWhole(problem)


# Those that pester.


def never_read(load: Load) -> None:
    """Connect, and hold the connection without reading a byte."""
    with closing(_connect(load, _SMALL_BUFFER)):
        gevent.sleep(_HOLD_S)


def slow(load: Load) -> None:
    """Read a few bytes at a time, until the end or until the target has had enough."""
    until = monotonic() + load.timeout_s
    with closing(_connect(load, _SMALL_BUFFER)) as sock, suppress(OSError):
        while monotonic() < until and (chunk := sock.recv(_SLOW_BYTES)):
            load.tally.received += len(chunk)
            gevent.sleep(_SLOW_EVERY_S)


def rubbish(load: Load) -> None:
    """Send rubbish at once, then read whatever comes."""
    until = monotonic() + load.timeout_s
    with closing(_connect(load)) as sock, suppress(OSError):
        sock.sendall(load.rng.randbytes(load.rng.randint(1, _RUBBISH_MAX)))
        sock.shutdown(socket.SHUT_WR)
        while monotonic() < until and (count := sock.recv_into(load.buffer)):
            load.tally.received += count
            gevent.sleep(0)  # a target that never ends must not keep all others waiting
    gevent.sleep(_RUBBISH_PAUSE_S)


def flood(load: Load) -> None:
    """Connect and close at once, with a reset as often as not, in bursts of random length."""
    with closing(_socket.socket(load.family, socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)) as sock:
        _call(load, sock)
        if load.rng.getrandbits(1):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    if load.rng.randrange(_FLOOD_BURST) == 0:
        gevent.sleep(_FLOOD_PAUSE_S)


def _call(load: Load, sock: _socket.socket) -> None:
    """Begin to connect, without waiting for it."""
    failed = sock.connect_ex(load.target)
    if failed not in (0, errno.EINPROGRESS):
        raise OSError(failed, os.strerror(failed))


def _connect(load: Load, receive_buffer: int = 0) -> socket.socket:
    sock = socket.socket(load.family, socket.SOCK_STREAM)
    try:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(load.timeout_s)
        sock.connect(load.target)
    except BaseException:
        sock.close()
        raise
    return sock


ACTS: dict[str, Callable[[Load], None]] = {
    "honest": honest,
    "reply": with_reply,
    "never_read": never_read,
    "slow": slow,
    "rubbish": rubbish,
    "flood": flood,
}
