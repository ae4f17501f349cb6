"""The control socket: commands for a running node from other processes of its user.

A greenlet a client reads requests and obeys them one by one; another one sends. Between them is a bounded
queue: news that does not fit is left out and counted, and whoever does not read its answers, of which the
next one waits for the last, is sent away.
So no client, however slow or strange, holds up the node or another client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import time

import gevent
from gevent import Greenlet, Timeout, socket
from gevent.event import Event as Flag
from gevent.lock import Semaphore
from gevent.queue import Full, Queue
from gevent.server import StreamServer

from gossip.core.events import Event
from gossip.core.settings import ControlSettings
from gossip.shell import picture, protocol, render
from gossip.shell.commands import Result, UsageError, address, candidates, name_of, run
from gossip.shell.console import Console
from gossip.shell.protocol import (
    Answer,
    Complete,
    Follow,
    Hello,
    Look,
    Looked,
    News,
    Offer,
    Offers,
    Outcome,
    Problem,
    Request,
    Run,
    Trace,
    Traced,
    Untrace,
)
from gossip.shell.sockets import is_same
from gossip.shell.tracing import Tracer

_QUEUE_MAX = 256  # lines of news, and an answer, that wait for one client
_CHUNK_BYTES = 16_384
_IDLE_S = 300.0  # without a word from a client that follows no news
_PROBLEMS_MAX = 20  # then it speaks something else
_CLOSE_S = 0.5  # for what is still to be sent at the end


class ControlServer:
    """Serves one node's control socket; `crashed` is told of a greenlet that died of a bug of ours."""

    def __init__(
        self,
        sock: socket.socket,
        path: Path,
        console: Console,
        settings: ControlSettings,
        crashed: Callable[[Greenlet], None],
    ) -> None:
        self.path = path
        self._inode = path.lstat().st_ino
        self._console = console
        self._node = str(console.status().own.address)
        self._settings = settings
        self._crashed = crashed
        self._clients: set[_Client] = set()
        self._is_stopping = False
        self._closed = Flag()
        self._server = StreamServer(sock, self._serve, spawn=self._spawn)

    def use(self, settings: ControlSettings) -> None:
        """Go by these settings from now on; who is connected stays."""
        self._settings = settings
        for client in self._clients:
            client.timeout_s = settings.timeout_s

    def start(self) -> None:
        """Take clients from now on."""
        self._server.start()

    def tell(self, event: Event) -> None:
        """Tell an event to those who follow the news, or trace whom it is about; never waits."""
        followers = [client for client in self._clients if client.follows]
        line = render.news(event) if followers else None
        if line is not None:
            for client in followers:
                client.tell(News, line)
        for client in [client for client in self._clients if client.tracer is not None]:
            client.trace(event)

    def begin_stop(self) -> None:
        """Obey nobody any more; callable from any greenlet, returns at once."""
        self._is_stopping = True

    def close(self) -> None:
        """Send what is due, disconnect all and take the socket away; takes a second at most."""
        self.begin_stop()
        self._closed.set()
        self._server.stop()
        if is_same(self.path, self._inode):
            with suppress(OSError):
                self.path.unlink()
        clients = list(self._clients)
        gevent.joinall([gevent.spawn(client.finish) for client in clients], timeout=2 * _CLOSE_S)

    def _spawn(self, handle: Callable[..., None], *args: object) -> None:
        gevent.spawn(handle, *args).link_exception(self._crashed)

    def _serve(self, sock: socket.socket, _: object) -> None:
        client = _Client(sock, self._settings.timeout_s, self._crashed)
        try:
            if len(self._clients) >= self._settings.max_clients:
                client.put(Problem(f"{len(self._clients)} clients are connected, as many as may be"))
                return
            self._clients.add(client)
            client.put(Hello(self._node))
            self._obey(client)
        except Full:
            pass  # it does not read
        finally:
            client.finish()
            self._clients.discard(client)

    def _obey(self, client: _Client) -> None:
        problems = 0
        for line in client.lines():
            try:
                request = protocol.read_request(line)
            except ValueError as error:
                problems += 1
                client.put(Problem(render.shown(str(error))))
                if problems >= _PROBLEMS_MAX:
                    return
                continue
            answer = self._answer(client, request)
            client.put(answer)
            if isinstance(answer, Outcome) and answer.stop:
                if self._is_stopping:
                    self._closed.wait()  # the end of the connection says that the node is down
                return
            gevent.sleep(0)  # many requests in one piece must not hold up the node

    def _answer(self, client: _Client, request: Request) -> Answer:
        match request:
            case Run(id, text):
                result = self._run(text)
                return Outcome(id, result.ok, result.lines, result.stop, result.is_misuse, result.opens)
            case Complete(id, text):
                found = candidates(self._console, text)
                return Offers(id, tuple(Offer(one.text, one.meaning, one.replaces) for one in found))
            case Follow(id):
                client.follows = True
                return Outcome(id, ok=True)
            case Look(id):
                return Looked(id, picture.take(self._console))
            case Trace(id, text, json):
                try:
                    client.tracer = Tracer(address(text), self._console.status().own.address, json=json)
                except UsageError as error:
                    return Outcome(id, ok=False, lines=(str(error),), is_misuse=True)
                return Outcome(id, ok=True)
            case Untrace(id):
                client.tracer = None
                return Outcome(id, ok=True)

    def _run(self, line: str) -> Result:
        if name_of(line) in ("quit", "detach"):
            return Result((f"{self._node} goes on; stop stops it",), stop=True)
        if self._is_stopping:
            return Result((f"{self._node} is stopping",), ok=False)
        result = run(self._console, line)
        if result.stop:
            self.begin_stop()
            return Result((f"{self._node} stops",), stop=True)
        return result


class _Client:
    """One connection: lines in, a queue of answers out."""

    def __init__(self, sock: socket.socket, timeout_s: float, crashed: Callable[[Greenlet], None]) -> None:
        self.follows = False
        self.timeout_s = timeout_s
        self.tracer: Tracer | None = None
        self._sock = sock
        self._lost = dict[type[News | Traced], int]()
        self._queue: Queue[tuple[bytes, Semaphore | None] | None] = Queue(_QUEUE_MAX)
        self._is_sent = Semaphore(1)  # the last answer: one may be as large as the table
        self._sender = gevent.spawn(self._send)
        self._sender.link_exception(crashed)

    def lines(self) -> Iterator[bytes]:
        """Give each line until the client ends, or neither asks nor listens for long."""
        pending = b""
        while chunk := self._receive():
            *ended, pending = (pending + chunk).split(b"\n")
            for line in [*ended, pending]:
                if len(line) > protocol.LINE_MAX_BYTES:
                    self.put(Problem(f"a line is over {protocol.LINE_MAX_BYTES} bytes"))
                    return
            yield from (line for line in ended if line.strip())

    def put(self, answer: Answer) -> None:
        """Queue an answer; raise Full when the client has not read for `timeout_s`, or is gone."""
        if not self._is_sent.acquire(timeout=self.timeout_s) or self._sender.ready():
            raise Full
        self._queue.put((protocol.encode(answer), self._is_sent), timeout=self.timeout_s)

    def tell(self, kind: type[News | Traced], line: str) -> None:
        """Queue a line of news, or of the trace, or count it as lost."""
        lost = self._lost.pop(kind, 0)
        try:
            self._queue.put_nowait((protocol.encode(kind(line, lost)), None))
        except Full:
            self._lost[kind] = lost + 1

    def trace(self, event: Event) -> None:
        """Queue an event as a line of the trace, if it is about whom the client traces."""
        line = self.tracer.line(event, time()) if self.tracer is not None else None
        if line is not None:
            self.tell(Traced, line)

    def finish(self) -> None:
        """Send what is queued, for a moment at most, and disconnect; doing so again is nothing."""
        with suppress(Full):
            self._queue.put_nowait(None)
            self._sender.join(_CLOSE_S)
        self._sender.kill()
        self._shut()

    def _receive(self) -> bytes:
        try:
            listens = self.follows or self.tracer is not None
            with Timeout(None if listens else _IDLE_S, TimeoutError):
                data: bytes = self._sock.recv(_CHUNK_BYTES)
                return data
        except OSError:  # it is gone, or silent
            return b""

    def _send(self) -> None:
        try:
            for data, is_sent in iter(self._queue.get, None):
                with Timeout(self.timeout_s, TimeoutError):
                    self._sock.sendall(data)
                if is_sent is not None:
                    is_sent.release()
        except OSError:  # it is gone, or does not read
            self._shut()  # ends `lines`
        finally:
            self._is_sent.release()  # nobody waits for what never will be

    def _shut(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
