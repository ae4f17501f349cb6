"""One pull: connect, read the table to its end, close. Decides nothing about what it reads."""

from __future__ import annotations

import errno
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


def pull(peer: Address, limits: PullSettings, source: str | None) -> Pulled | Failure:
    """Read the table of `peer`, from the local IP `source` (None: any), and never raise for its faults.

    The whole pull, connecting included, takes at most `pull_timeout_s`.
    """
    deadline = monotonic() + limits.pull_timeout_s
    reader = TableReader(limits)
    try:
        with closing(_connect(peer, limits.pull_timeout_s, source)) as sock:
            end = _read(sock, reader, limits.quiet_s, deadline)
    except TimeoutError:
        return Failure("timeout", reader.size)
    except OSError as error:
        if error.errno in _OURS:
            return Failure(_OURS[error.errno], reader.size, ours=True)
        return Failure(_THEIRS.get(error.errno or 0, _name(error)), reader.size)
    if end in (End.TIMEOUT, End.RESET) and not reader.has_line:
        return Failure(str(end), reader.size)
    return reader.pulled(end)


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
