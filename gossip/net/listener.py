"""The listener: every caller gets the table at once, in one write, and a graceful end; it may then reply.

A stuck, slow or hostile caller costs one greenlet for a bounded time and delays nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic

import gevent
from gevent import Greenlet, socket
from gevent.server import StreamServer

from gossip.core.attacks import Step
from gossip.core.settings import ListenerSettings, ReplySettings
from gossip.core.wire import End, Pulled, TableReader

Answer = bytes | Iterator[Step]
_CHUNK = 16_384


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
    a bug of ours.
    """

    def __init__(
        self,
        sock: socket.socket,
        settings: ListenerSettings,
        reply: ReplySettings,
        answer: Callable[[str], Answer],
        on_reply: Callable[[str, Pulled], None],
        on_crash: Callable[[Greenlet], None],
    ) -> None:
        super().__init__(sock, self._serve)
        self._settings = settings
        self._reply = reply
        self._answer = answer
        self._on_reply = on_reply
        self._waiting = 0
        self._on_crash = on_crash
        self._callers: dict[Greenlet, None] = {}

    def close_callers(self) -> None:
        """End whatever callers are still connected."""
        gevent.killall(list(self._callers))

    def _serve(self, sock: socket.socket, address: tuple[str, int]) -> None:
        me = gevent.getcurrent()
        me.link_exception(self._on_crash)
        if len(self._callers) >= self._settings.max_callers:
            # The caller held longest has had the most time: it makes room, so that nobody waits. It
            # is out at once: each caller of a burst must evict another one.
            longest = next(iter(self._callers))
            del self._callers[longest]
            longest.kill(block=False)
        self._callers[me] = None
        try:
            self._serve_until(sock, address[0], monotonic() + self._settings.answer_timeout_s)
        except OSError:
            pass  # The caller went away, or was too slow for the deadline.
        finally:
            self._callers.pop(me, None)

    def _serve_until(self, sock: socket.socket, host: str, deadline: float) -> None:
        host = host.removeprefix("::ffff:")
        for step in _steps(self._answer(host)):
            left_s = deadline - monotonic()
            if left_s <= 0:
                return
            if isinstance(step, bytes):
                sock.settimeout(left_s)
                sock.sendall(step)
            else:
                gevent.sleep(min(step, left_s))
        sock.shutdown(socket.SHUT_WR)
        if self._waiting < self._reply.max_waiting:
            self._waiting += 1
            try:
                self._read_reply(sock, host, monotonic() + self._reply.reply_timeout_s)
            finally:
                self._waiting -= 1

    def _read_reply(self, sock: socket.socket, host: str, deadline: float) -> None:
        """Read what the caller says, if anything, until it ends its side.

        Closing over unread bytes would reset the connection, so what is no reply is read out too.
        """
        reader = TableReader(self._reply.max_bytes, self._reply.max_lines)
        end, unread = None, self._reply.max_bytes
        while unread > 0 and (left_s := deadline - monotonic()) > 0:
            sock.settimeout(left_s)
            chunk = sock.recv(min(_CHUNK, unread))
            unread -= len(chunk)
            if end is None:
                end = reader.feed(chunk) if chunk else End.CLOSED
                if end is not None and reader.size:
                    self._on_reply(host, reader.pulled(end))
            if not chunk:
                return


def _steps(answer: Answer) -> Iterable[Step]:
    if isinstance(answer, bytes):
        yield answer
        return
    for step in answer:
        yield step
        yield 0.0  # Sending to a fast reader never waits: an endless strategy would stop the whole node.
