"""Connections to collectors. Deadlines are the caller's, as a gevent Timeout."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import gevent
from gevent import socket, ssl

from gossip.config.sinks import Sink
from gossip.lookups import LookUps

_READ_BYTES: Final = 65_536
_READS_MAX: Final = 16
_look_ups: Final = LookUps()


class Unsent(OSError):
    """The batch was not taken, or not known to be; it may be next time."""


def connect(sink: Sink) -> Any:
    """Return a connected socket, its certificate checked where it is TLS; raises OSError."""
    sock = _first_open(addresses(sink, socket.SOCK_STREAM))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a request's head and body are two writes
    if not sink.is_tls:
        return sock
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ca = sink.option("ca")
        if ca:
            with naming(ca):
                context.load_verify_locations(os.path.expanduser(ca))
        else:
            context.load_default_certs()
        return context.wrap_socket(sock, server_hostname=sink.host)
    except BaseException:  # a time-out, too
        sock.close()
        raise


def addresses(sink: Sink, kind: int) -> list[Any]:
    """Look a sink's name up, as `getaddrinfo` does; raises OSError."""
    look_up = partial(socket.getaddrinfo, sink.host, sink.port, type=kind)
    return list(_look_ups.result((sink.host, sink.port, kind), look_up))


def _first_open(found: list[Any]) -> Any:
    """Connect to the first address that answers; raise the last one's OSError."""
    for place, (family, kind, protocol, _, address) in enumerate(found, 1):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            if isinstance(error, Unsent) or place == len(found):
                raise
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise OSError(errno.EADDRNOTAVAIL, "its name has no address")


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Say which file it is that cannot be used."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{path}: {error.strerror or error}") from None


def is_open(sock: Any) -> bool:
    """Return whether the other side has neither ended nor reset; what it said is read and dropped."""
    sock.settimeout(0.0)
    try:
        for _ in range(_READS_MAX):
            if not sock.recv(_READ_BYTES):
                return False
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(None)
    return True


def end_and_await_end(sock: Any) -> None:
    """End our side and read the other to its end; raises OSError, such as when it was reset."""
    if isinstance(sock, ssl.SSLSocket):
        sock.unwrap()
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(_READ_BYTES):
        gevent.sleep(0)  # one that keeps talking must not keep the hub
