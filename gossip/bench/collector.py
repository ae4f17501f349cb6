"""A collector that takes everything: `python -m gossip.bench.collector TCP_PORT HTTP_PORT`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from gevent import socket
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from gevent.server import StreamServer

from gossip.load.target import HOST


def main(tcp_port: int, http_port: int) -> None:
    """Listen on both, print a line, and serve until killed."""

    def read(sock: socket.socket, _: object) -> None:
        while sock.recv(65_536):
            pass

    def take(
        environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], object]
    ) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        start("204 No Content", [])
        return []

    StreamServer((HOST, tcp_port), read).start()
    WSGIServer((HOST, http_port), take, log=None).start()
    print("listening", flush=True)
    Event().wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
