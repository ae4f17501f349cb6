"""The other end of the control socket: a shell on a node in another process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count

import gevent
from gevent import Timeout, socket
from gevent.event import AsyncResult

from gossip.core.text import printable
from gossip.shell import protocol
from gossip.shell.commands import Result
from gossip.shell.complete import Candidate
from gossip.shell.picture import Picture
from gossip.shell.protocol import (
    Answer,
    Complete,
    Follow,
    Hello,
    Look,
    Looked,
    News,
    Offers,
    Outcome,
    Problem,
    Request,
    Run,
    Trace,
    Traced,
    Untrace,
)
from gossip.shell.shells import Lines
from gossip.shell.sockets import SocketError

_HELLO_S = 5.0
_COMPLETE_S = 1.0  # who waits longer for a Tab types on
_LOOK_S = 2.0
_TOOLBAR_EVERY_S = 1.0
_TOOLBAR_WAIT_S = 60.0  # behind a command that takes its time
_CHUNK_BYTES = 65_536
_LINE_MAX_BYTES = 64 * 1024 * 1024  # a hundred thousand members and more
_Awaited = Outcome | Offers | Looked


class Gone(SocketError):
    """The node has ended the connection."""


class Remote:
    """A connection to a node: each request waits for its own answer, and news comes in between."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connection; raise SocketError when a node that has no room, or none, is there."""
        self._sock = sock
        self._lines = _lines(sock)
        self._ids = count(1)
        self._waiting: dict[int, AsyncResult[_Awaited]] = {}
        self._on_news: Callable[[str], None] = lambda line: None
        self._on_trace: Callable[[str], None] = lambda line: None
        try:
            with Timeout(_HELLO_S, TimeoutError):
                hello = next(self._lines, None)
        except TimeoutError:
            hello = None
        if not isinstance(hello, Hello):
            sock.close()
            why = (
                printable(hello.problem, 200)
                if isinstance(hello, Problem)
                else "it does not speak as a node does"
            )
            raise SocketError(f"the control socket is of no use: {why}")
        self.node = printable(hello.node, 100)
        self._reader = gevent.spawn(self._read)

    @property
    def is_gone(self) -> bool:
        """Whether the connection has ended."""
        return bool(self._reader.ready())

    def follow(self, tell: Callable[[str], None], gone: Callable[[], None]) -> None:
        """Call `tell` with every line of news from now on, and `gone` once the connection has ended."""
        self._on_news = tell
        self.when_gone(gone)
        self.ask(Follow(next(self._ids)))

    def when_gone(self, gone: Callable[[], None]) -> None:
        """Call `gone` once the connection has ended."""
        self._reader.rawlink(lambda _: gone())

    def trace(self, address: str, tell: Callable[[str], None], *, json: bool = False) -> None:
        """Call `tell` with every event about an address from now on; it must not block."""
        self._on_trace = tell
        self.ask(Trace(next(self._ids), address, json))

    def untrace(self) -> None:
        """End the trace; raise TimeoutError when the node is busy, or Gone."""
        self._on_trace = lambda line: None
        with Timeout(_COMPLETE_S, TimeoutError):
            self.ask(Untrace(next(self._ids)))

    def run(self, line: str) -> Outcome:
        """Run a command; raise Gone when the node ends before it has answered."""
        outcome = self.ask(Run(next(self._ids), line))
        assert isinstance(outcome, Outcome)
        return outcome

    def complete(self, text: str) -> Offers:
        """Ask for what could complete a text; raise TimeoutError when the node is busy, or Gone."""
        with Timeout(_COMPLETE_S, TimeoutError):
            offers = self.ask(Complete(next(self._ids), text))
        assert isinstance(offers, Offers)
        return offers

    def look(self) -> Picture:
        """Ask for a picture of the node; raise TimeoutError when it is busy, or Gone."""
        with Timeout(_LOOK_S, TimeoutError):
            looked = self.ask(Look(next(self._ids)))
        assert isinstance(looked, Looked)
        return looked.picture

    def ask(self, request: Request) -> _Awaited:
        """Send a request and wait for its answer; raise Gone when the connection has ended."""
        waiting: AsyncResult[_Awaited] = AsyncResult()
        self._waiting[request.id] = waiting
        try:
            if self.is_gone:
                raise Gone(f"{self.node} has gone away")
            with suppress(OSError):  # the reader finds out, and tells
                self._sock.sendall(protocol.encode(request))
            answer: _Awaited = waiting.get()
            return answer
        finally:
            del self._waiting[request.id]

    def wait_end(self, timeout_s: float) -> None:
        """Wait until the node has ended the connection, for at most `timeout_s`."""
        self._reader.join(timeout_s)

    def close(self) -> None:
        """Disconnect."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._reader.join(1)
        self._sock.close()

    def _read(self) -> None:
        for answer in self._lines:
            if isinstance(answer, News | Traced):
                tell = self._on_news if isinstance(answer, News) else self._on_trace
                if answer.lost:
                    tell(f"({answer.lost} lines left out)")
                tell(printable(answer.line))
            elif isinstance(answer, Outcome | Offers | Looked) and answer.id in self._waiting:
                self._waiting[answer.id].set(answer)
        for waiting in list(self._waiting.values()):
            waiting.set_exception(Gone(f"{self.node} has gone away"))


class RemoteShell:
    """The shell of a node behind its control socket, which goes on without it."""

    def __init__(self, remote: Remote) -> None:
        self.has_left = False
        self._remote = remote
        self._toolbar = remote.node
        self._poller = gevent.spawn(self._poll)

    def run(self, line: str) -> Result:
        """Run a command at the node."""
        try:
            outcome = self._remote.run(line)
        except Gone:
            return Result(ok=False, stop=True)
        self.has_left = self.has_left or outcome.stop
        lines = tuple(map(printable, outcome.lines))
        return Result(lines, outcome.ok, outcome.stop, outcome.is_misuse, printable(outcome.opens))

    def trace(self, address: str, show: Callable[[str], None], *, json: bool = False) -> None:
        """Show what happens about an address at the node, until the user or the node ends it."""
        lines = Lines()
        with suppress(Gone):
            try:
                self._remote.trace(address, lines.put, json=json)
                lines.show(show)
            finally:
                with suppress(TimeoutError, Gone):
                    self._remote.untrace()

    def candidates(self, text: str) -> Sequence[Candidate]:
        """Ask the node what could complete the last word; nothing while it is busy."""
        try:
            offers = self._remote.complete(text).offers
        except (TimeoutError, Gone):
            return []
        return [
            Candidate(printable(o.text), printable(o.meaning), min(o.replaces, len(text))) for o in offers
        ]

    def toolbar(self) -> str:
        """Return the node in one line, as it was a second ago."""
        return self._toolbar

    def look(self) -> Picture | None:
        """Ask the node for a picture of it; None when it is busy, or has gone away."""
        try:
            return self._remote.look()
        except (TimeoutError, Gone):
            return None

    def leave(self) -> None:
        """Leave the node running."""
        self.has_left = True

    def close(self) -> None:
        """Ask nothing more, and disconnect."""
        self._poller.kill()
        self._remote.close()

    def _poll(self) -> None:
        with suppress(Gone):
            while True:
                with suppress(TimeoutError), Timeout(_TOOLBAR_WAIT_S, TimeoutError):
                    lines = self._remote.run("status").lines
                    self._toolbar = printable(" ".join(lines), 200)
                gevent.sleep(_TOOLBAR_EVERY_S)


def _lines(sock: socket.socket) -> Iterator[Answer | None]:
    """Give each answer until the connection ends, None for one of a kind that a newer node may have."""
    pending = b""
    with suppress(OSError):
        while chunk := sock.recv(_CHUNK_BYTES):
            *ended, pending = (pending + chunk).split(b"\n")
            for line in ended:
                yield _answer(line)
            if len(pending) > _LINE_MAX_BYTES:
                return


def _answer(line: bytes) -> Answer | None:
    try:
        return protocol.read_answer(line)
    except ValueError:
        return None
