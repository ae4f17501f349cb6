"""The listener of a node that speaks TLS: a greenlet for every caller, whom its first byte gives away.

A TLS caller speaks first (0x16, a handshake); one that speaks plain text says nothing before it has read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic

import gevent
from gevent import Greenlet, socket

from gossip.core.attacks import Step
from gossip.core.settings import ListenerSettings, ReplySettings
from gossip.net.listener import Answer, Listener
from gossip.net.tls.problem import REQUIRED, TlsProblem, TlsReason
from gossip.net.tls.stream import TlsStream, drain
from gossip.net.tls.tls import Tls

_HANDSHAKE = b"\x16"
_CHUNK = 16_384


class TlsListener(Listener):
    """Answers by TLS, and with `tls.mode = "prefer"` in plain text whoever waits for that.

    A reply by TLS goes to `on_reply(its IP, what it sent, the IPs that its certificate is for)`.
    """

    def __init__(
        self,
        tls: Tls,
        sock: socket.socket,
        settings: ListenerSettings,
        reply: ReplySettings,
        answer: Callable[[str], Answer],
        on_reply: Callable[..., None],
        on_crash: Callable[[Greenlet], None],
        on_exhausted: Callable[[OSError], None],
    ) -> None:
        super().__init__(sock, settings, reply, _later, on_reply, on_crash, on_exhausted)
        self._tls = tls
        self._table = answer

    def do_handle(self, sock: socket.socket, host: str, left: memoryview | Iterator[Step]) -> None:
        """Give a greenlet to a caller."""
        self._hold(self._meet, sock, host)

    def _meet(self, sock: socket.socket, host: str) -> None:
        """Answer a caller by the way that it speaks, or refuse it, and say why."""
        settings = self._tls.settings
        deadline = monotonic() + settings.handshake_timeout_s
        may_be_plain = settings.mode == "prefer"
        wait_s = settings.hello_wait_s if may_be_plain else settings.handshake_timeout_s
        try:
            first = _first_byte(sock, wait_s)
        except OSError:
            return  # reset: a caller that wants nothing
        try:
            if first == _HANDSHAKE:
                stream = self._tls.answer(sock, deadline)
                self._serve_by_tls(stream, host)
            elif may_be_plain:
                self._serve(sock, host, _unsent(self._table(host)))
            else:
                raise _plain(first, wait_s)
        except TlsProblem as problem:
            self._tls.refuse(host, problem)
            _send_away(sock, b"" if first == _HANDSHAKE else REQUIRED)

    def _serve_by_tls(self, stream: TlsStream, host: str) -> None:
        """Send an answer, and read the reply where there is room for one more."""
        with suppress(OSError):  # the caller went away, or was too slow
            if not self._send(stream, _unsent(self._table(host)), monotonic() + self._timeout_s):
                return
            stream.settimeout(self._reply.reply_timeout_s)
            stream.shutdown(socket.SHUT_WR)
            if len(self._lingering) + len(self._repliers) >= self._reply.max_waiting:
                return
            self._repliers.add(gevent.getcurrent())
            deadline = monotonic() + self._reply.reply_timeout_s
            first = stream.recv(_CHUNK)
            if first:
                self._read_reply(stream, host, first, deadline, self._tls.hosts_of(stream, deadline))


def _later(_: str) -> Answer:
    """Answer nothing yet: who calls is to be met by a greenlet first."""
    return iter(())


def _unsent(answer: Answer) -> memoryview | Iterator[Step]:
    return memoryview(answer) if isinstance(answer, bytes) else answer


def _first_byte(sock: socket.socket, wait_s: float) -> bytes | None:
    """Return a caller's first byte, which stays to be read; b"" at its end, None when it waits."""
    sock.settimeout(wait_s)
    try:
        first: bytes = sock.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return None
    return first


def _plain(first: bytes | None, waited_s: float) -> TlsProblem:
    if first is None:
        what = f"it said nothing for {waited_s:g} s"
    else:
        what = "it sent something that is no ClientHello" if first else "it ended its side and said nothing"
    detail = f"{what}, so it speaks plain text; a node's tls.mode must be prefer or require to call here"
    return TlsProblem(TlsReason.PLAIN_CALLER, detail)


def _send_away(sock: socket.socket, word: bytes) -> None:
    """End a refused connection so that what was said last, a word or an alert, arrives."""
    with suppress(OSError):
        sock.settimeout(0.0)  # it fits the buffer of any new connection
        if word:
            sock.send(word)
        sock.shutdown(socket.SHUT_WR)
        drain(sock)
