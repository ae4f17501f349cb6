"""One pull: connect, read the table to its end, reply if there is something to say, close.

Decides nothing about what it reads.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import closing
from time import monotonic

from gevent import socket

from gossip.core.address import Address
from gossip.core.settings import PullSettings
from gossip.core.wire import End, Failure, Pulled, TableReader

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


Take = Callable[[Pulled | Failure], bytes | None]


def pull(peer: Address, limits: PullSettings, source: str | None, take: Take) -> None:
    """Read the table of `peer`, calling from the local IP `source` (None: any); its faults never raise.

    `take` is called once with the result, and returns the reply to send, or None. All in all this takes
    at most `pull_timeout_s`.
    """
    deadline = monotonic() + limits.pull_timeout_s
    try:
        sock = _connect(peer, limits.pull_timeout_s, source)
    except OSError as error:
        take(_failure(error))
        return
    with closing(sock):
        reply = take(_result(sock, limits, deadline))
        if reply is not None:
            _send(sock, reply, deadline)


def source_for(peer: Address, host: str) -> str | None:
    """Return the IP to call from: the one that is listened on, where the peer can be reached from it."""
    if host in ("0.0.0.0", "::") or (":" in host) != peer.is_ipv6:
        return None
    return host if Address(host, 1).is_loopback == peer.is_loopback else None


def _result(sock: socket.socket, limits: PullSettings, deadline: float) -> Pulled | Failure:
    reader = TableReader(limits.max_bytes, limits.max_lines)
    try:
        end = _read(sock, reader, limits.quiet_s, deadline)
    except OSError as error:
        return _failure(error, reader.size)
    if end in (End.TIMEOUT, End.RESET) and not reader.has_line:
        return Failure(str(end), reader.size)
    return reader.pulled(end)


def _send(sock: socket.socket, reply: bytes, deadline: float) -> None:
    try:
        sock.settimeout(max(0.001, deadline - monotonic()))
        sock.sendall(reply)
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # A listener need not wait for a reply.


def _failure(error: OSError, received: int = 0) -> Failure:
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


def _read(sock: socket.socket, reader: TableReader, quiet_s: float, deadline: float) -> End:
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
