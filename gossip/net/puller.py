"""One pull: connect, read the table to its end, reply if there is something to say, close.

Decides nothing about what it reads. With `tls` a peer is called by TLS, by plain text, or by one and then the
other, as its settings say.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import closing, suppress
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from gevent import socket

from gossip.core.address import Address
from gossip.core.settings import PullSettings
from gossip.core.wire import End, Failure, Pulled, TableReader
from gossip.net.tls.problem import OTHER_WAY, REQUIRED, PlainPeer, TlsProblem, TlsReason

if TYPE_CHECKING:
    from gossip.net.tls.tls import Tls, Way

_CHUNK = 65_536
_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: choose the port at connect, so that ports are not used up
_OURS = {
    errno.EMFILE: "no_descriptors",
    errno.ENFILE: "no_descriptors",
    errno.EADDRNOTAVAIL: "no_local_port",
    errno.ENOBUFS: "no_memory",
    errno.ENOMEM: "no_memory",
}
_THEIRS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
}


_TLS_ONLY = "it speaks TLS only: set tls.mode to prefer or require here"
Take = Callable[[Pulled | Failure], bytes | None]


class Stream(Protocol):
    """What a pull uses of a socket, or of a TLS connection."""

    def settimeout(self, timeout_s: float) -> None: ...
    def recv(self, size: int) -> bytes: ...
    def sendall(self, data: bytes) -> None: ...
    def shutdown(self, how: int) -> None: ...


def pull(peer: Address, limits: PullSettings, source: str | None, take: Take, tls: Tls | None = None) -> None:
    """Read the table of `peer`, calling from the local IP `source` (None: any); its faults never raise.

    `take` is called once with the result, and returns the reply to send, or None. All in all this takes
    at most `pull_timeout_s`.
    """
    deadline = monotonic() + limits.pull_timeout_s
    ways = tls.ways(peer) if tls is not None else (None,)
    for way in ways:
        try:
            sock = _connect(peer, max(0.001, deadline - monotonic()), source)
        except OSError as error:
            if tls is not None:
                tls.found(peer, is_plain=False)  # it may come back with TLS
            take(_failure(error))
            return
        with closing(sock):
            stream, result = _attempt(sock, way, peer, limits, deadline)
            if way is not ways[-1] and isinstance(result, Failure) and result.reason in OTHER_WAY:
                continue
            if tls is not None:
                tls.found(peer, is_plain=way is None and isinstance(result, Pulled))
            reply = take(result)
            if reply is not None:
                _send(stream, reply, deadline)
            return


def source_for(peer: Address, host: str) -> str | None:
    """Return the IP to call from: the one that is listened on, where the peer can be reached from it."""
    if host in ("0.0.0.0", "::") or (":" in host) != peer.is_ipv6:
        return None
    return host if Address(host, 1).is_loopback == peer.is_loopback else None


def _attempt(
    sock: socket.socket, way: Way | None, peer: Address, limits: PullSettings, deadline: float
) -> tuple[Stream, Pulled | Failure]:
    if way is None:
        return sock, _result(sock, limits, deadline)
    try:
        stream = way(sock, peer, deadline)
    except PlainPeer as plain:
        _read_away(sock, plain.received, limits, deadline)
        return sock, _failure(plain)
    except OSError as error:
        return sock, _failure(error)
    return stream, _result(stream, limits, deadline)


def _read_away(sock: socket.socket, received: bytes, limits: PullSettings, deadline: float) -> None:
    """Read an unasked table to its end: a seed's server stops for good where a caller goes first."""
    reader = TableReader(limits.max_bytes, limits.max_lines)
    if reader.feed(received) is None:
        with suppress(OSError):
            _read(sock, reader, limits.quiet_s, deadline)


def _result(sock: Stream, limits: PullSettings, deadline: float) -> Pulled | Failure:
    reader = TableReader(limits.max_bytes, limits.max_lines)
    try:
        end = _read(sock, reader, limits.quiet_s, deadline)
    except OSError as error:
        return _failure(error, reader.size)
    if end in (End.TIMEOUT, End.RESET) and not reader.has_line:
        return Failure(str(end), reader.size)
    pulled = reader.pulled(end)
    if pulled.data.startswith(REQUIRED):
        return Failure(str(TlsReason.REQUIRED), reader.size, detail=_TLS_ONLY)
    return pulled


def _send(sock: Stream, reply: bytes, deadline: float) -> None:
    try:
        sock.settimeout(max(0.001, deadline - monotonic()))
        sock.sendall(reply)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # A listener need not wait for a reply.


def _failure(error: OSError, received: int = 0) -> Failure:
    if isinstance(error, TlsProblem):
        return Failure(str(error.reason), received, detail=error.detail)
    if isinstance(error, TimeoutError):
        return Failure("timeout", received)
    if error.errno in _OURS:
        return Failure(_OURS[error.errno], received, ours=True)
    return Failure(_THEIRS.get(error.errno or 0, _name(error)), received)


def _connect(peer: Address, timeout_s: float, source: str | None) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if peer.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if source is not None:
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
        sock.settimeout(timeout_s)
        sock.connect((peer.host, peer.port))
    except BaseException:
        sock.close()
        raise
    return sock


def _read(sock: Stream, reader: TableReader, quiet_s: float, deadline: float) -> End:
    while True:
        left_s = deadline - monotonic()
        if left_s <= 0:
            return End.TIMEOUT
        sock.settimeout(min(left_s, quiet_s) if reader.size else left_s)
        try:
            chunk = sock.recv(_CHUNK)
        except TimeoutError:
            return End.QUIET if reader.size and left_s > quiet_s else End.TIMEOUT
        except ConnectionResetError:
            return End.RESET
        if not chunk:
            return End.CLOSED
        end = reader.feed(chunk)
        if end is not None:
            return end


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "os_error").lower()
