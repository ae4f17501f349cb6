"""Callers in bursts: what each costs the server in CPU, and how long each has to wait."""

from __future__ import annotations

import socket
from time import perf_counter

from gossip.bench.servers import BenchError, Server

_CHUNK = 1 << 20
_TIMEOUT_S = 30.0


def table_of(server: Server) -> bytes:
    """Return what the server serves."""
    with socket.create_connection((server.address.host, server.address.port), _TIMEOUT_S) as sock:
        return b"".join(iter(lambda: sock.recv(_CHUNK), b""))


def cpu_s_per_call(server: Server, size: int, calls: int, burst: int) -> float:
    """Call in bursts, each answer read to its end before the next burst; return the server's CPU a call."""
    _bursts(server, size, max(1, calls // 20), burst)
    before = server.cpu_s
    made = _bursts(server, size, calls, burst)
    return (server.cpu_s - before) / made


def latencies_s(server: Server, size: int, calls: int) -> list[float]:
    """Call one after the other and return how long each took, sorted."""
    times = []
    for _ in range(calls):
        began = perf_counter()
        _burst(server, size, 1)
        times.append(perf_counter() - began)
    return sorted(times)


def _bursts(server: Server, size: int, calls: int, burst: int) -> int:
    number = max(1, calls // burst)
    for _ in range(number):
        _burst(server, size, burst)
    return number * burst


def _burst(server: Server, size: int, burst: int) -> None:
    sockets = []
    try:
        for _ in range(burst):
            sock = socket.socket()
            sockets.append(sock)
            sock.settimeout(_TIMEOUT_S)
            sock.connect(tuple(server.address))
        for sock in sockets:
            received = 0
            while chunk := sock.recv(_CHUNK):
                received += len(chunk)
            if received != size:
                raise BenchError(f"{server.name} sent {received} bytes of {size}")
    finally:
        for sock in sockets:
            sock.close()
