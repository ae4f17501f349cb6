"""Ten thousand callers that never read, held at once: what they cost in memory, and whom they delay."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from time import monotonic, sleep

from gossip.bench.callers import latencies_s, table_of
from gossip.bench.rows import Row, ms
from gossip.bench.servers import BenchError, Server, node
from gossip.load.target import usage_of
from gossip.net.descriptors import raise_limit

_HELD, _MEMBERS, _CALLS = 10_000, 10_000, 1500
_RECEIVE_BUFFER = 4096
_PATIENCE_S = 20.0
_KIB = 1024


def measure() -> list[Row]:
    """Time honest pulls before, while and after the others are held."""
    allowed = raise_limit()
    if allowed < _HELD + 500:
        raise BenchError(f"{allowed} files may be open, and {_HELD + 500} are needed: raise ulimit -Hn")
    # Held for longer than it takes to measure.
    with node(_MEMBERS, "listener.answer_timeout_s=60") as server:
        size = len(table_of(server))
        before = latencies_s(server, size, _CALLS)
        rss, open_files = _rss(server), _open_files(server)
        held = _hold(server)
        try:
            # The system buffers the whole answer to the first few hundred, who are then let go.
            _wait(server, lambda: _open_files(server) >= 0.95 * _HELD, "nearly all callers are held")
            meanwhile = latencies_s(server, size, _CALLS)
            still = _open_files(server) - open_files
            each = (_rss(server) - rss) / still
        finally:
            for sock in held:
                sock.close()
        _wait(server, lambda: _open_files(server) <= open_files + 16, "all callers are let go")
        after = latencies_s(server, size, _CALLS)
    how = f"honest pull of {_MEMBERS:,} members, p99"
    base = f"{ms(_p99(before))} before"
    return [
        Row(f"{how}, {still:,} held", ms(_p99(meanwhile)), base, (_p99(meanwhile) / _p99(before),), 5.0),
        Row(f"{how}, once they have gone", ms(_p99(after)), base, (_p99(after) / _p99(before),)),
        Row(
            "RSS of a caller that never reads", f"{each / _KIB:.1f} KiB", "15 KiB", (each / _KIB / 15,), 1.0
        ),
    ]


def _hold(server: Server) -> list[socket.socket]:
    held = []
    for _ in range(_HELD):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        sock.settimeout(_PATIENCE_S)
        sock.connect(tuple(server.address))
        held.append(sock)
    return held


def _p99(times: list[float]) -> float:
    return times[int(0.99 * len(times))]


def _rss(server: Server) -> int:
    usage = usage_of(server.pid)
    if usage is None:
        raise BenchError(f"{server.name} has ended")
    return usage.rss_bytes


def _open_files(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def _wait(server: Server, is_so: Callable[[], bool], what: str) -> None:
    deadline = monotonic() + _PATIENCE_S
    while not is_so():
        if monotonic() > deadline:
            raise BenchError(f"waited in vain until {what}; {_open_files(server)} files are open")
        sleep(0.05)
