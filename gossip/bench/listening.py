"""What a caller costs the listener, beside the least that it takes in C and gevent's own StreamServer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from gossip.bench.callers import cpu_s_per_call, table_of
from gossip.bench.rows import Row, us
from gossip.bench.servers import STOCK, Server, node, other

_ROUNDS = 15
_NO_REPLIES = "reply.max_waiting=0"


def measure(minimal: Path, folder: Path) -> list[Row]:
    """Compare at three sizes of the table, and for callers that come one at a time."""
    rows = []
    for members, calls, burst, plain, replying in (
        (3, 640, 64, 1.3, 2.0),
        (250, 640, 64, 1.3, 2.0),
        (10_000, 160, 16, 2.0, None),
        (3, 320, 1, None, None),
    ):
        rows += _compare(minimal, folder, members, calls, burst, plain, replying)
    return rows


def _compare(
    minimal: Path,
    folder: Path,
    members: int,
    calls: int,
    burst: int,
    plain: float | None,
    replying: float | None,
) -> list[Row]:
    with ExitStack() as stack:
        quiet = stack.enter_context(node(members, _NO_REPLIES))
        usual = stack.enter_context(node(members))
        table = folder / f"table-{members}"
        table.write_bytes(table_of(quiet))
        least = stack.enter_context(other("C", [str(minimal)], table))
        stock = stack.enter_context(other("StreamServer", STOCK, table))
        spent = _rounds([least, quiet, usual, stock], calls, burst)
    how = f"{members:,} members, " + ("one caller at a time" if burst == 1 else f"bursts of {burst} callers")

    def row(what: str, one: Server, base: Server, target: float | None, *, at_least: bool = False) -> Row:
        ratios = tuple(a / b for a, b in zip(spent[one.pid], spent[base.pid], strict=True))
        mine, theirs = (f"{us(median(spent[server.pid]))} {server.name}" for server in (one, base))
        return Row(f"{what}, {how}", mine, theirs, ratios, target, ">=" if at_least else "<=")

    return [
        row("plain pull", quiet, least, plain),
        row("pull with the reply layer on, no reply", usual, least, replying),
        row("StreamServer, the same bytes", stock, quiet, 3.0 if plain is not None else None, at_least=True),
    ]


def _rounds(servers: Sequence[Server], calls: int, burst: int) -> dict[int, list[float]]:
    """Take turns, so that whatever else the machine does meets all of them."""
    spent: dict[int, list[float]] = {server.pid: [] for server in servers}
    sizes = {server.pid: len(table_of(server)) for server in servers}
    for _ in range(_ROUNDS):
        for server in servers:
            spent[server.pid].append(cpu_s_per_call(server, sizes[server.pid], calls, burst))
    return spent
