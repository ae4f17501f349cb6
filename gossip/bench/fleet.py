"""Members that answer: `python -m gossip.bench.fleet FILE` serves a table at its addresses but the first."""

from __future__ import annotations

import sys
from pathlib import Path

from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

from gossip.core.address import Address
from gossip.net.descriptors import raise_limit
from gossip.net.listener import listening_socket

_BACKLOG = 16


def main(table: bytes) -> None:
    """Listen at every address, print a line, and serve until it is killed; the first address is left out."""
    raise_limit()

    def serve(sock: socket.socket, caller: tuple[str, int]) -> None:
        sock.sendall(table)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65_536):
            pass

    for line in table.split()[1:]:
        address = Address.parse(line.partition(b",")[0].decode("ascii"))
        StreamServer(listening_socket(address.host, address.port, _BACKLOG), serve).start()
    print("listening", flush=True)
    Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]).read_bytes())
