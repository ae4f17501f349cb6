"""The listener: every caller gets the table at once, in one write, and a graceful end; it may then reply.

Nearly all callers take the table and go: they are served in the accept callback itself, on the raw
descriptor, for little more than what that costs in C. Whoever needs longer (a write that does not fit, an
adversarial answer, a reply) gets a greenlet for a bounded time, and delays nobody else.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic

import gevent
from gevent import Greenlet, socket
from gevent.monkey import get_original
from gevent.server import StreamServer

from gossip.core.attacks import Step
from gossip.core.settings import ListenerSettings, ReplySettings
from gossip.core.wire import End, Pulled, TableReader
from gossip.net.descriptors import open_files_max
from gossip.net.lingering import Lingering, close_without_reset

Answer = bytes | Iterator[Step]
_CHUNK = 16_384
_CALLERS_A_TURN, _BYTES_A_TURN = 100, 1024 * 1024
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_BACK_OFF_S = 0.1
_CROWD = 256  # from so many held callers on, the system is to buffer less for each
_EXHAUSTED_TOLD_EVERY_S = 60.0
_OTHER_DESCRIPTORS = 128  # pulls, files, the event loop


def listening_socket(host: str, port: int, backlog: int) -> socket.socket:
    """Bind and listen; raise OSError. A wildcard IPv6 socket takes IPv4 callers too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        sock.bind((host, port))
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


class Listener(StreamServer):  # type: ignore[misc]
    """Answers every caller with `answer(its IP)`; a caller's faults end with its own connection.

    A caller's reply goes to `on_reply(its IP, what it sent)`. `on_crash` is told of greenlets that die of
    a bug of ours, `on_exhausted` when descriptors or memory run out, once a minute at most.
    """

    max_accept = 10  # callers that need a greenlet, in a turn

    def __init__(
        self,
        sock: socket.socket,
        settings: ListenerSettings,
        reply: ReplySettings,
        answer: Callable[[str], Answer],
        on_reply: Callable[[str, Pulled], None],
        on_crash: Callable[[Greenlet], None],
        on_exhausted: Callable[[OSError], None],
    ) -> None:
        super().__init__(sock, self._serve)
        self._family = sock.family
        self._answer = answer
        self._on_reply: Callable[..., None] = on_reply
        self._on_crash = on_crash
        self._on_exhausted = on_exhausted
        self._exhausted_told = -_EXHAUSTED_TOLD_EVERY_S
        self._callers: dict[Greenlet, None] = {}
        self._accepted = 0
        self._repliers: set[Greenlet] = set()
        self._calls = get_original("select", "poll")()  # gevent's own would let others run
        self._calls.register(sock.fileno(), select.POLLIN)
        self._lingering = Lingering(self.loop, reply, self._spoke)
        self.use(settings, reply)

    def use(self, settings: ListenerSettings, reply: ReplySettings) -> None:
        """Go by these settings from now on; the backlog stays."""
        self._timeout_s = settings.answer_timeout_s
        self._send_buffer = settings.send_buffer_bytes or sys.maxsize
        self._max_callers = max(1, min(settings.max_callers, open_files_max() - _OTHER_DESCRIPTORS))
        self._reply = reply
        self._lingering.use(reply)

    @property
    def counts(self) -> tuple[int, int]:
        """How many callers are held now, and how many were accepted."""
        return len(self._lingering) + len(self._callers), self._accepted

    def do_read(self) -> tuple[socket.socket, str, memoryview | Iterator[Step]] | None:
        """Accept and serve callers while there are any; return the first that needs a greenlet.

        After so many callers, or bytes, it is the turn of the others in this process.
        """
        written = 0
        for _ in range(_CALLERS_A_TURN):
            try:
                fd, address = self.socket._accept()
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._back_off(error)
                    return None
                if self.is_fatal_error(error):
                    raise
                continue  # it went away while it waited
            self._accepted += 1
            host = address[0].removeprefix("::ffff:")
            try:
                answer = self._answer(host)
            except BaseException:
                os.close(fd)
                raise  # a bug of ours: gevent tells the hub, and goes on
            left = self._serve_at_once(fd, host, answer) if isinstance(answer, bytes) else answer
            if left is not None:
                return socket.socket(self._family, socket.SOCK_STREAM, 0, fileno=fd), host, left
            written += len(answer)  # type: ignore[arg-type]
            if written > _BYTES_A_TURN or not self._calls.poll(0):  # a tenth of what accepting in vain costs
                return None
        return None

    def do_handle(self, sock: socket.socket, host: str, left: memoryview | Iterator[Step]) -> None:
        """Give a greenlet to a caller."""
        self._hold(self._serve, sock, host, left)

    def close_callers(self) -> None:
        """End whatever callers are still connected; the listener is stopped."""
        gevent.killall(list(self._callers))
        self._lingering.close()

    def _serve_at_once(self, fd: int, host: str, table: bytes) -> memoryview | None:
        """Write the table; return what did not fit, or None when the caller is dealt with."""
        sock = _socket.socket(self._family, _socket.SOCK_STREAM, 0, fd)
        if len(table) > self._send_buffer and len(self._lingering) + len(self._callers) >= _CROWD:
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, self._send_buffer)
        try:
            sent = sock.send(table, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:  # it went away
            sock.close()
            return None
        if sent < len(table):
            sock.detach()
            return memoryview(table)[sent:]
        self._end(sock, host)
        return None

    def _end(self, sock: _socket.socket, host: str) -> None:
        """End an answer, and wait for a reply where there is room for one more."""
        if len(self._lingering) + len(self._repliers) >= self._reply.max_waiting:
            close_without_reset(sock, self._reply.max_bytes)
            return
        try:
            sock.shutdown(_socket.SHUT_WR)
        except OSError:  # it went away
            sock.close()
            return
        self._make_room()
        self._lingering.add(sock, host)

    def _make_room(self) -> None:
        while len(self._lingering) + len(self._callers) >= self._max_callers:
            self._drop_longest()

    def _drop_longest(self) -> None:
        """Drop the caller held longest: it has had the most time. Who may only reply still goes first."""
        if len(self._lingering):
            self._lingering.drop_longest()
        elif self._callers:
            # It is out at once: each caller of a burst must evict another one.
            longest = next(iter(self._callers))
            del self._callers[longest]
            longest.kill(block=False)

    def _back_off(self, error: OSError) -> None:
        """Let what is held free something, before the next one is accepted."""
        self.stop_accepting()
        self._drop_longest()
        if monotonic() - self._exhausted_told >= _EXHAUSTED_TOLD_EVERY_S:
            self._exhausted_told = monotonic()
            self._on_exhausted(error)
        gevent.spawn_later(_BACK_OFF_S, self._start_accepting_if_started).link_exception(self._on_crash)

    # What takes longer, in a greenlet each.

    def _hold(self, serve: Callable[..., None], sock: socket.socket, *args: object) -> Greenlet:
        """Let `serve` deal with a caller, whose socket is closed afterwards, even if it never began."""
        self._make_room()
        greenlet = gevent.spawn(serve, sock, *args)
        self._callers[greenlet] = None
        greenlet.link_exception(self._on_crash)
        greenlet.rawlink(lambda _: self._let_go(greenlet, sock))
        return greenlet

    def _let_go(self, greenlet: Greenlet, sock: socket.socket) -> None:
        self._callers.pop(greenlet, None)
        self._repliers.discard(greenlet)
        sock.close()

    def _serve(self, sock: socket.socket, host: str, left: memoryview | Iterator[Step]) -> None:
        """Send what is left of an answer until its deadline."""
        whole = False
        with suppress(OSError):  # the caller went away, or was too slow
            whole = self._send(sock, left, monotonic() + self._timeout_s)
        if whole:
            self._callers.pop(gevent.getcurrent(), None)  # whose place it may take now
            self._end(_socket.socket(self._family, _socket.SOCK_STREAM, 0, sock.detach()), host)

    def _send(self, sock: socket.socket, left: memoryview | Iterator[Step], deadline: float) -> bool:
        for step in (left,) if isinstance(left, memoryview) else _politely(left):
            left_s = deadline - monotonic()
            if left_s <= 0:
                return False
            if isinstance(step, bytes | memoryview):
                sock.settimeout(left_s)
                sock.sendall(step)
            else:
                gevent.sleep(min(step, left_s))
        return True

    def _spoke(self, sock: _socket.socket, host: str, data: bytes, deadline: float) -> None:
        ours = socket.socket(self._family, socket.SOCK_STREAM, 0, fileno=sock.detach())
        self._repliers.add(self._hold(self._read_reply, ours, host, data, deadline))

    def _read_reply(
        self, sock: socket.socket, host: str, data: bytes, deadline: float, *vouched: frozenset[str]
    ) -> None:
        """Read what the caller says until it ends its side; `vouched` is for `on_reply`, too.

        Closing over unread bytes would reset the connection, so what is no reply is read out too.
        """
        reader = TableReader(self._reply.max_bytes, self._reply.max_lines)
        end, size = None, 0
        with suppress(OSError):  # the caller went away, or was too slow
            while True:
                size += len(data)
                if end is None:
                    end = reader.feed(data) if data else End.CLOSED
                    if end is not None and reader.size:
                        self._on_reply(host, reader.pulled(end), *vouched)
                left_s = deadline - monotonic()
                if not data or size >= self._reply.max_bytes or left_s <= 0:
                    return
                sock.settimeout(left_s)
                data = sock.recv(_CHUNK)


def _politely(steps: Iterator[Step]) -> Iterator[Step]:
    """Wait after each step: sending to a fast reader never does, and an endless answer would stop us."""
    for step in steps:
        yield step
        yield 0.0
