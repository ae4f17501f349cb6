"""Handing a batch to a collector, and knowing whether it was taken.

`deliver` returns once it was, raises Refused when the collector will not have these very events, and any
other OSError when it may have them next time. Whoever calls sets the deadline, and calls `close` after
a failure.

A stream has no acknowledgement, so one is made: we end our side after each batch, the collector ends its own
once it has read everything, and then it must still answer a new connection, which the next batch uses. One
that was killed or stopped in between resets ours, or does not answer, and the batch is sent again.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import re
import struct
import termios
from collections.abc import Callable, Sequence
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from typing import Any, Final, Protocol

import gevent
from gevent import socket

from gossip.config.sinks import Sink
from gossip.ship.connect import Unsent, addresses, connect, end_and_await_end, is_open, naming

_REFUSALS: Final = frozenset({400, 413, 422})  # about what was sent; others are about the way or the moment
_SHOWN_CHARS: Final = 200
_ANSWER_MAX_BYTES: Final = 65_536
_READ_MAX_BYTES: Final = 1024 * 1024  # of an answer, its head and framing too: it may have no end
_DATAGRAM_MAX_BYTES: Final = 65_507
_DATAGRAMS_IN_A_ROW: Final = 256
_SECRET_MAX_BYTES: Final = 65_536
_LOOK_S: Final = 0.005


class Refused(OSError):
    """The collector will not have these events, or not so many at once."""


class Transport(Protocol):
    """A way to a collector."""

    def deliver(self, payload: Sequence[bytes]) -> None:
        """Send, and return once it was taken; raises OSError."""

    def close(self) -> None:
        """Drop the connection."""


class _Connection:
    """One connection, kept from batch to batch."""

    def __init__(self, open_one: Callable[[], Any]) -> None:
        self._open = open_one
        self._sock: Any = None

    def get(self) -> Any:
        """Return the open connection or, if there is none or it has ended, another."""
        if self._sock is None or not is_open(self._sock):
            self.close()
            self._sock = self._open()
        return self._sock

    def keep(self, sock: Any) -> None:
        """Take one that was opened elsewhere."""
        self._sock = sock

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


class Stream:
    """Bytes over TCP or TLS."""

    def __init__(self, sink: Sink) -> None:
        self._open = partial(connect, sink)
        self._connection = _Connection(self._open)
        self._confirm = self._sent if sink.option("confirm") == "sent" else self._ended

    def deliver(self, payload: Sequence[bytes]) -> None:
        """Send, and wait for a sign that it was read."""
        sock = self._connection.get()
        sock.sendall(b"".join(payload))
        self._confirm(sock)

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def _ended(self, sock: Any) -> None:
        end_and_await_end(sock)
        following = self._open()  # it is there still
        is_whole = not _unacknowledged(sock) and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._connection.close()
        if not is_whole:
            following.close()
            raise Unsent(errno.ECONNRESET, "the collector closed the connection before it had everything")
        self._connection.keep(following)

    def _sent(self, sock: Any) -> None:
        """Wait until the collector's system has it all, which says nothing of the collector."""
        while _unacknowledged(sock):
            gevent.sleep(_LOOK_S)
        if not is_open(sock):
            raise Unsent(errno.ECONNRESET, "the collector closed the connection")


class Datagrams:
    """Messages over UDP: sent, and no more is known."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._sock: Any = None

    def deliver(self, payload: Sequence[bytes]) -> None:
        """Send each as a datagram, or none where one is too long for that: that is Refused."""
        if max(map(len, payload)) > _DATAGRAM_MAX_BYTES:
            raise Refused(errno.EMSGSIZE, "too long for a datagram")
        if self._sock is None:
            family, kind, protocol, _, address = addresses(self._sink, socket.SOCK_DGRAM)[0]
            self._sock = socket.socket(family, kind, protocol)
            self._sock.connect(address)
        for place, message in enumerate(payload, 1):
            self._sock.send(message)
            if place % _DATAGRAMS_IN_A_ROW == 0:
                gevent.sleep(0)  # nothing else makes them wait, and there may be 100,000

    def close(self) -> None:
        """Drop the socket."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None


class _Bounded(io.RawIOBase):
    """What a collector says, up to a bound; others have their turn at each read."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._left = _READ_MAX_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        gevent.sleep(0)  # one that keeps talking must not keep the hub: the deadline would never come
        count = self._raw.readinto(memoryview(buffer)[: self._left]) if self._left else 0
        self._left -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    """An answer that is read through such a bound: the standard library knows none for much of it."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Bounded(self.fp.detach()))


class Http:
    """Requests over HTTP or HTTPS, each acknowledged by a 2xx.

    The standard library's client writes the request and reads the answer; the socket is gevent's, which no
    patching of modules is needed for.
    """

    def __init__(self, sink: Sink, content_type: str, *, is_gzipped: bool) -> None:
        self._sink = sink
        self._connection = _Connection(partial(connect, sink))
        self._headers = {"Content-Type": content_type, "User-Agent": "gossipd"}
        if is_gzipped:
            self._headers["Content-Encoding"] = "gzip"

    def deliver(self, payload: Sequence[bytes]) -> None:
        """Post, and wait for the answer."""
        client = HTTPConnection(self._sink.host, self._sink.port)
        client.response_class = _Answer
        client.sock = self._connection.get()
        client.request("POST", self._sink.target, b"".join(payload), self._all_headers())
        try:
            answer = client.getresponse()
            text = answer.read(_ANSWER_MAX_BYTES)
        except RemoteDisconnected:
            raise Unsent(errno.ECONNRESET, "closed the connection without an answer") from None
        except (HTTPException, ValueError) as error:  # ValueError: the size of a chunk is negative
            reason = str(error) or type(error).__name__
            raise Unsent(errno.EPROTO, f"what came back is no HTTP: {reason[:_SHOWN_CHARS]}") from None
        if not answer.isclosed() or answer.will_close:
            self._connection.close()
        if 200 <= answer.status < 300:
            return
        said = " ".join(text.decode("utf-8", "replace").split())[:_SHOWN_CHARS]
        kind = Refused if answer.status in _REFUSALS else Unsent
        raise kind(errno.EPROTO, f"{answer.status} {answer.reason}" + (f": {said}" if said else ""))

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()

    def _all_headers(self) -> dict[str, str]:
        path = self._sink.option("authorization")
        if not path:
            return self._headers
        with naming(path), open(os.path.expanduser(path), "rb") as file:
            secret = file.read(_SECRET_MAX_BYTES).strip()  # anew each time: it may be renewed
        if not re.fullmatch(rb"[ -~]+", secret):
            raise Unsent(errno.EINVAL, f"{path}: expected one line of printable ASCII")
        return {**self._headers, "Authorization": secret.decode("ascii")}


def transport(sink: Sink) -> Transport:
    """Return the way to a sink that is beyond this process."""
    match sink.kind:
        case "syslog+udp":
            return Datagrams(sink)
        case "http" | "https":
            content_type = sink.option("type", "application/x-ndjson")
            return Http(sink, content_type, is_gzipped=sink.option("gzip", "yes") == "yes")
        case "loki+http" | "loki+https":
            return Http(sink, "application/json", is_gzipped=True)
        case _:
            return Stream(sink)


def _unacknowledged(sock: Any) -> int:
    """Return how many bytes the other side's system has not acknowledged."""
    count: tuple[int] = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
    return count[0]
