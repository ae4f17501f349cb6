"""The HTTP server of a node: metrics, health and members, for who watches it from elsewhere.

A connection is one request and its answer, within one deadline; nobody changes anything here. A page is made
before its first byte is sent, without waiting, so what goes wrong after that is the caller's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import gevent
from gevent import Greenlet, Timeout
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from gossip.core.address import split_host_port
from gossip.core.settings import HttpSettings, Settings
from gossip.daemon import Daemon
from gossip.health import BEAT_S, Health
from gossip.log.events import EventLog
from gossip.log.facts import HttpOpened
from gossip.metrics.counters import Counters
from gossip.metrics.gauges import Shipping, Sources, registry_of
from gossip.net.listener import listening_socket
from gossip.pages import Page, Pages

_BACKLOG = 64
_BACK_OFF_S = 0.1
_STOP_S = 0.2  # for answers under way at the end
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 14\r\n\r\nnot a request\n"

Application = Callable[[dict[str, Any], Callable[..., object]], Iterable[bytes]]


class Crash(Exception):
    """A page could not be made, for a bug of ours."""


def open_http(
    first: Daemon,
    settings: Settings,
    log: EventLog,
    lines_dropped: Callable[[], int] = lambda: 0,
    shipping: Callable[[], Sequence[Shipping]] = tuple,
) -> HttpServer:
    """Serve a node's pages where `http.listen` says; raise OSError where that cannot be."""
    health, counters = Health(first, settings), Counters()
    sources = Sources(
        first,
        lambda: first.tuning.now,
        lambda: health.obstacle() is None,
        lines_dropped,
        shipping,
        lambda: None if first.tls is None else first.tls.certificate_until(),
    )
    pages = Pages(first, health, registry_of(counters, sources), counters.answers.add)
    server = HttpServer(pages.answer, settings.http, first.crashed)
    first.watch(counters.take)
    first.watch(health.take)
    first.tuning.follow(health.use)

    def on_beat(late_s: float) -> None:
        health.beat()
        counters.loop_lag.observe(late_s)

    server.start(on_beat)
    log.bind(str(first.address)).emit(HttpOpened(settings.http.listen))
    return server


class HttpServer:
    """Serves pages; `crashed` is told of a greenlet that died of a bug of ours. Making one raises OSError."""

    def __init__(
        self,
        answer: Callable[[str, str, str, str], Page],
        settings: HttpSettings,
        crashed: Callable[[Greenlet], None],
    ) -> None:
        listen = settings.listen
        host, port = split_host_port(f"127.0.0.1{listen}" if listen.startswith(":") else listen)
        sock = listening_socket(host.strip("[]"), port, _BACKLOG)
        # The name is given: gevent would look one up, and wait for it.
        self._server = _Server(
            sock,
            _application(answer),
            spawn=_Callers(settings.max_callers, crashed),
            log=None,
            error_log=None,
            handler_class=_Handler,
            environ={"SERVER_NAME": host},
        )
        self._server.timeout_s = settings.timeout_s
        self._server.crashed = crashed
        self._crashed = crashed
        self._beating: Greenlet | None = None

    def start(self, on_beat: Callable[[float], None]) -> None:
        """Take callers, and tell `on_beat` every `BEAT_S` how late it is, in seconds."""
        self._server.start()
        self._beating = gevent.spawn(_beat, on_beat)
        self._beating.link_exception(self._crashed)

    def close(self) -> None:
        """End; answers under way have a moment."""
        if self._beating is not None:
            self._beating.kill()
        self._server.stop(_STOP_S)


def _beat(on_beat: Callable[[float], None]) -> None:
    while True:
        due = monotonic() + BEAT_S
        gevent.sleep(BEAT_S)
        on_beat(max(0.0, monotonic() - due))


def _application(answer: Callable[[str, str, str, str], Page]) -> Application:
    def application(environ: dict[str, Any], begin: Callable[..., object]) -> Iterable[bytes]:
        method, path, query = (environ[key] for key in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING"))
        page = answer(method, path, query, environ.get("HTTP_ACCEPT", ""))
        headers = [
            ("Content-Type", page.kind),
            ("Content-Length", str(len(page.body))),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
            *page.headers,
        ]
        begin(page.status, headers)
        return [] if method == "HEAD" else [page.body]

    return application


class _Callers(Pool):  # type: ignore[misc]
    """At most so many greenlets, whose crashes are told."""

    def __init__(self, size: int, crashed: Callable[[Greenlet], None]) -> None:
        super().__init__(size)
        self._crashed = crashed

    def add(self, greenlet: Greenlet, *args: Any, **kwargs: Any) -> None:
        super().add(greenlet, *args, **kwargs)
        greenlet.link_exception(self._crashed)


class _Server(WSGIServer):  # type: ignore[misc]
    """gevent's own, but for what happens when descriptors run out: that is no bug, and passes."""

    timeout_s: float
    crashed: Callable[[Greenlet], None]

    def do_read(self) -> Any:
        try:
            return super().do_read()
        except OSError as error:
            if self.is_fatal_error(error):
                raise
            self.stop_accepting()
            again = gevent.spawn_later(_BACK_OFF_S, self._start_accepting_if_started)
            again.link_exception(self.crashed)
            return None


class _Handler(WSGIHandler):  # type: ignore[misc]
    """Serves one request within the server's time; what callers do wrong ends with their connection."""

    headers_sent = False

    def handle(self) -> None:
        with Timeout(self.server.timeout_s, False), suppress(OSError):
            super().handle()

    def read_request(self, line: str) -> bool:
        """Read the request's head; no request here has a body that is worth reading."""
        is_read: bool = super().read_request(line)
        self.content_length = 0
        del self.headers["Transfer-Encoding"], self.headers["Content-Length"]
        return is_read

    def handle_error(self, kind: type[BaseException], error: BaseException, trace: object) -> None:
        """Let go of a caller that went away or is too slow; say so when it is a bug, and die of it."""
        self.close_connection = True
        if not self.headers_sent:
            self._send_error_response_if_possible(500)
            raise Crash(self.path) from error

    def _handle_client_error(self, error: Exception) -> tuple[str, bytes]:
        return "400", _BAD_REQUEST
