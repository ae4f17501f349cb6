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
from contextlib import contextmanager
from fcntl import ioctl
from termios import FIONREAD
from time import monotonic

import gevent
from gevent import Greenlet, socket
from gevent.monkey import get_original
from gevent.server import StreamServer

from gossip.core.attacks import Step
from gossip.core.settings import ListenerSettings, ReplySettings
from gossip.core.wire import End, Pulled, TableReader
from gossip.net.descriptors import open_files_max
from gossip.net.lingering import Lingering

Answer = bytes | Iterator[Step]
_CHUNK = 16_384
_NOTHING = bytes(4)  # 0 as a C int
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

    max_accept = 100

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
        self._timeout_s = settings.answer_timeout_s
        self._send_buffer = settings.send_buffer_bytes or sys.maxsize
        self._reply = reply
        self._answer = answer
        self._on_reply = on_reply
        self._on_crash = on_crash
        self._on_exhausted = on_exhausted
        self._exhausted_told = -_EXHAUSTED_TOLD_EVERY_S
        self._max_callers = max(1, min(settings.max_callers, open_files_max() - _OTHER_DESCRIPTORS))
        self._callers: dict[Greenlet, None] = {}
        self._replying = 0
        self._calls = get_original("select", "poll")()  # gevent's own would let others run
        self._calls.register(sock.fileno(), select.POLLIN)
        self._lingering = Lingering(self.loop, reply.reply_timeout_s, self._spoke)

    def do_read(self) -> tuple[socket.socket, str, memoryview | Iterator[Step]] | None:
        """Accept and serve callers while there are any; return the first that needs a greenlet."""
        for _ in range(self.max_accept):
            try:
                fd, address = self.socket._accept()
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._back_off(error)
                    return None
                continue  # it went away while it waited
            host = address[0].removeprefix("::ffff:")
            try:
                answer = self._answer(host)
            except BaseException:
                os.close(fd)
                raise  # a bug of ours: gevent tells the hub, and goes on
            left = self._serve_at_once(fd, host, answer) if isinstance(answer, bytes) else answer
            if left is not None:
                return socket.socket(self._family, socket.SOCK_STREAM, 0, fileno=fd), host, left
            if not self._calls.poll(0):  # a tenth of what it costs to accept in vain
                return None
        return None

    def close_callers(self) -> None:
        """End whatever callers are still connected."""
        self._lingering.close()
        gevent.killall(list(self._callers))

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
        if len(self._lingering) + self._replying < self._reply.max_waiting:
            try:
                sock.shutdown(_socket.SHUT_WR)
            except OSError:  # it went away
                sock.close()
                return
            self._make_room()
            self._lingering.add(sock, host)
            return
        unread = self._reply.max_bytes
        try:
            # Closing over unread bytes would reset the connection, so they are read out.
            while unread > 0 and ioctl(sock, FIONREAD, _NOTHING) != _NOTHING:
                unread -= len(sock.recv(_CHUNK, _socket.MSG_DONTWAIT))
        except OSError:
            pass  # it went away
        sock.close()

    def _make_room(self) -> None:
        """Drop the caller held longest when there are too many: it has had the most time."""
        if len(self._lingering) + len(self._callers) >= self._max_callers:
            self._drop_longest()

    def _drop_longest(self) -> None:
        if self._callers:
            # It is out at once: each caller of a burst must evict another one.
            longest = next(iter(self._callers))
            del self._callers[longest]
            longest.kill(block=False)
        elif len(self._lingering):
            self._lingering.drop_longest()

    def _back_off(self, error: OSError) -> None:
        """Let what is held free something, before the next one is accepted."""
        self.stop_accepting()
        self._drop_longest()
        if monotonic() - self._exhausted_told >= _EXHAUSTED_TOLD_EVERY_S:
            self._exhausted_told = monotonic()
            self._on_exhausted(error)
        gevent.spawn_later(_BACK_OFF_S, self._start_accepting_if_started).link_exception(self._on_crash)

    # What takes longer, in a greenlet each.

    def _serve(self, sock: socket.socket, host: str, left: memoryview | Iterator[Step]) -> None:
        """Send what is left of an answer until its deadline; gevent closes the socket."""
        deadline = monotonic() + self._timeout_s
        with self._held():
            for step in (left,) if isinstance(left, memoryview) else _politely(left):
                left_s = deadline - monotonic()
                if left_s <= 0:
                    return
                if isinstance(step, bytes | memoryview):
                    sock.settimeout(left_s)
                    sock.sendall(step)
                else:
                    gevent.sleep(min(step, left_s))
            self._end(_socket.socket(self._family, _socket.SOCK_STREAM, 0, sock.detach()), host)

    def _spoke(self, sock: _socket.socket, host: str, data: bytes, deadline: float) -> None:
        ours = socket.socket(self._family, socket.SOCK_STREAM, 0, fileno=sock.detach())
        gevent.spawn(self._read_reply, ours, host, data, deadline)

    def _read_reply(self, sock: socket.socket, host: str, data: bytes, deadline: float) -> None:
        """Read what the caller says until it ends its side.

        Closing over unread bytes would reset the connection, so what is no reply is read out too.
        """
        self._replying += 1
        try:
            with self._held(), sock:
                reader = TableReader(self._reply.max_bytes, self._reply.max_lines)
                end, size = None, 0
                while True:
                    size += len(data)
                    if end is None:
                        end = reader.feed(data) if data else End.CLOSED
                        if end is not None and reader.size:
                            self._on_reply(host, reader.pulled(end))
                    left_s = deadline - monotonic()
                    if not data or size >= self._reply.max_bytes or left_s <= 0:
                        return
                    sock.settimeout(left_s)
                    data = sock.recv(_CHUNK)
        finally:
            self._replying -= 1

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Count the current greenlet as a caller's, whose faults end with it."""
        me = gevent.getcurrent()
        me.link_exception(self._on_crash)
        self._make_room()
        self._callers[me] = None
        try:
            yield
        except OSError:
            pass  # The caller went away, or was too slow for the deadline.
        finally:
            self._callers.pop(me, None)


def _politely(steps: Iterator[Step]) -> Iterator[Step]:
    """Wait after each step: sending to a fast reader never does, and an endless answer would stop us."""
    for step in steps:
        yield step
        yield 0.0
