"""What a listener costs with gevent as it comes: `python -m gossip.bench.stock PORT FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from gevent import socket
from gevent.server import StreamServer

_BACKLOG = 4096


def main(port: int, table: bytes) -> None:
    """Serve the same bytes to every caller, in a greenlet each, and print a line once that listens."""

    def serve(sock: socket.socket, address: tuple[str, int]) -> None:
        sock.sendall(table)

    server = StreamServer(("127.0.0.1", port), serve, backlog=_BACKLOG)
    server.start()
    print("listening", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())
