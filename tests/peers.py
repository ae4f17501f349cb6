"""Peers for the loopback tests: plain blocking sockets in real threads, while gevent has the main thread.

Nothing is monkey-patched. What a test waits for it polls for, with a deadline.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace, TracebackType
from typing import Any, cast

import gevent
import pytest

from gossip.core.address import Address

PATIENCE_S = 15.0  # how long anything may take on a busy machine before a test gives up on it
Behaviour = Callable[[socket.socket, "Peer"], None]

# For every module whose tests open sockets.
ON_LOOPBACK = [
    pytest.mark.filterwarnings("error::ResourceWarning", "error::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("closes_its_sockets"),
]


def until(holds: Callable[[], object], what: str = "the condition", timeout_s: float = PATIENCE_S) -> None:
    """Let gevent run until `holds()`; fail after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come about in {timeout_s:g} s"
        gevent.sleep(0.005)


def in_thread(function: Callable[..., Any], *args: object) -> Any:
    """Call a blocking function in a real thread while gevent runs, and return what it returns."""
    results: list[tuple[Any, Exception | None]] = []

    def call() -> None:
        try:
            results.append((function(*args), None))
        except Exception as error:  # noqa: BLE001 - raised again in the test's own thread
            results.append((None, error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    until(lambda: results, str(function), 2 * PATIENCE_S)
    thread.join()
    value, error = results[0]
    if error is not None:
        raise error
    return value


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Fail when there are more open descriptors at the end than at the start."""
    gevent.get_hub().threadpool.apply(int)  # what gevent opens once and keeps
    gevent.sleep(0)
    before = _descriptors()
    yield
    if _descriptors() > before:
        gc.collect()  # a socket that was lost is closed with a ResourceWarning, which fails the test
    until(lambda: _descriptors() <= before, f"closing all but {before} descriptors")


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Peer:
    """A server of which each connection is handled by `behave` in a thread of its own.

    `faults` are the socket errors that `behave` met; its connections close when it returns. `over`
    is set at the end of the test: a peer that holds its connection open waits for it.
    """

    def __init__(self, behave: Behaviour, host: str = "127.0.0.1", port: int = 0) -> None:
        self._behave = behave
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=self._family, backlog=128)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.address = Address(host, self._socket.getsockname()[1])
        self.callers: list[str] = []
        self.faults: list[OSError] = []
        self.over = threading.Event()

    def __enter__(self) -> Peer:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.over.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "a peer's thread hangs"
        self._socket.close()

    def hold(self) -> None:
        """Wait for the end of the test."""
        self.over.wait(2 * PATIENCE_S)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                conn, caller = self._socket.accept()
                self.callers.append(caller[0])
                thread = threading.Thread(target=self._handle, args=(conn,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _handle(self, conn: socket.socket) -> None:
        with conn:
            conn.settimeout(PATIENCE_S)
            try:
                self._behave(conn, self)
            except OSError as error:
                self.faults.append(error)


def sends(*parts: bytes | float, keep_open: bool = False) -> Behaviour:
    """Behave thus: send each part, or wait for so many seconds, then end, or hold the connection open."""

    def behave(conn: socket.socket, peer: Peer) -> None:
        for part in parts:
            if isinstance(part, bytes):
                conn.sendall(part)
            else:
                peer.over.wait(part)
        if keep_open:
            peer.hold()

    return behave


def sends_for_ever(part: bytes, every_s: float = 0.0) -> Behaviour:
    """Behave thus: send `part` again and again, until the puller has had enough."""

    def behave(conn: socket.socket, peer: Peer) -> None:
        while not peer.over.wait(every_s):
            conn.sendall(part)

    return behave


def reset(conn: socket.socket) -> None:
    """Close a connection with a reset instead of a graceful end."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def free_addresses(count: int, host: str = "127.0.0.1") -> list[Address]:
    """Find addresses to listen on, below the ports that outgoing connections are given."""
    found: list[Address] = []
    for port in random.sample(range(12_000, 32_000), 1_000):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                assert error.errno == errno.EADDRINUSE
                continue
        found.append(Address(host, port))
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


def call(address: Address, first: bytes = b"", receive_buffer: int | None = None) -> socket.socket:
    """Connect as a caller and send something, if anything; on loopback this waits for nobody."""
    sock = socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(PATIENCE_S)
    try:
        sock.connect((address.host, address.port))
        if first:
            sock.sendall(first)
    except OSError:
        sock.close()
        raise
    return sock


def read_to_end(sock: socket.socket) -> bytes:
    """Read to the FIN; a reset raises ConnectionResetError."""
    parts = []
    while part := sock.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def read_away(sock: socket.socket) -> None:
    """Read to the end, whatever it is, and keep nothing."""
    with contextlib.suppress(ConnectionResetError):
        while sock.recv(65_536):
            pass


def say(address: Address, behave: Behaviour, source: str = "127.0.0.1") -> None:
    """Read the table as a caller from `source`, then behave like that, and end the side."""
    server, nobody = (address.host, address.port), cast(Peer, SimpleNamespace(over=threading.Event()))

    def dialogue() -> None:
        with socket.create_connection(server, PATIENCE_S, source_address=(source, 0)) as sock:
            read_to_end(sock)
            with contextlib.suppress(OSError):
                behave(sock, nobody)
                sock.shutdown(socket.SHUT_WR)

    in_thread(dialogue)


def has_ended(sock: socket.socket) -> bool:
    """Tell whether the other side ended a connection on which nothing was sent."""
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False


def is_connected(sock: socket.socket) -> bool:
    """Tell whether the other side still takes bytes: after its close it answers them with a reset."""
    try:
        sock.send(b"x")
    except (ConnectionResetError, BrokenPipeError):
        return False
    return True


class Crowd:
    """Many callers of one address, all held open; a thread makes each of them `act` in turn, for ever."""

    def __init__(self, sockets: Sequence[socket.socket], act: Callable[[socket.socket], object]) -> None:
        self._sockets = sockets
        self._act = act
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Crowd:
        for sock in self._sockets:
            sock.setblocking(False)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "a crowd's thread hangs"
        for sock in self._sockets:
            sock.close()

    def _run(self) -> None:
        while not self._over.wait(0.002):
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    self._act(sock)
