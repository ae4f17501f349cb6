"""An HTTP collector in real threads that fails on purpose, in the ways it is told to."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.processes import HOST, free_ports

FAULTS = ("500", "429", "reset", "half", "silent", "rubbish", "closed")


class Collector:
    """Fails once for each of `faults`, in this order, then takes everything but what holds `poison`."""

    def __init__(self, *faults: str, poison: str = "", max_lines: int = 1_000_000) -> None:
        self.faults = list(faults)
        self.poison = poison
        self.max_lines = max_lines
        self.taken: list[dict[str, Any]] = []
        self.seen: list[dict[str, Any]] = []  # of batches that were not taken, too
        self.headers: list[dict[str, str]] = []
        self.answers: Counter[int] = Counter()
        self.ended = threading.Event()
        (self.port,) = free_ports(1)
        self.url = f"http://{HOST}:{self.port}/in?a=b"
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        collector = self

        class Handler(_Handler):
            owner = collector

        self._server = _Server((HOST, self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def numbers(self) -> list[int]:
        return [event["value"] for event in self.taken if event["event"] == "setting_changed"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Collector

    def do_POST(self) -> None:
        owner, length = self.owner, int(self.headers["Content-Length"])
        fault = owner.faults.pop(0) if owner.faults else ""
        if fault == "reset":
            self.rfile.read(length // 2)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        body = gzip.decompress(self.rfile.read(length))
        events = [json.loads(line) for line in body.splitlines()]
        owner.headers.append(dict(self.headers) | {"path": self.path})
        owner.seen += events
        if fault in ("half", "closed"):  # it may have kept some, but does not say so
            owner.taken += events[: len(events) // 2] if fault == "half" else []
            self.close_connection = True
        elif fault == "silent":
            owner.ended.wait(20)
            self.close_connection = True
        elif fault == "rubbish":
            self.wfile.write(b"220 this is no HTTP\r\n")
            self.close_connection = True
        elif fault:
            self._answer(int(fault))
        elif owner.poison and owner.poison in body.decode():
            self._answer(400)
        elif len(events) > owner.max_lines:
            self._answer(413)
        else:
            owner.taken += events
            self._answer(204)

    def _answer(self, status: int) -> None:
        self.owner.answers[status] += 1
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "8")
        self.end_headers()
        if status != 204:
            self.wfile.write(b"for fun\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of nodes that were killed."""


@contextmanager
def collecting(*faults: str, **settings: Any) -> Iterator[Collector]:
    """Run a collector, already started."""
    collector = Collector(*faults, **settings)
    collector.start()
    yield collector
    collector.stop()
