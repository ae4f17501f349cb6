"""What a node costs while nothing happens: a thousand members that answer, and a pull every three seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep, time

from gossip.bench.rows import Row
from gossip.bench.servers import BenchError, node
from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.load.target import invented

_MEMBERS, _SETTLE_S, _FOR_S = 1000, 7.0, 30.0
_TARGET = 0.01


def measure(folder: Path) -> Row:
    """Return the share of a core."""
    now = int(time())
    members = invented(_MEMBERS, now)
    table = folder / "fleet"
    nobody = Entry(Address("127.0.0.1", 1), now, 0)
    table.write_bytes(b"\n".join(entry.line for entry in (nobody, *members)) + b"\n\n")
    fleet = subprocess.Popen([sys.executable, "-m", "gossip.bench.fleet", str(table)], stdout=subprocess.PIPE)
    try:
        assert fleet.stdout is not None
        if not fleet.stdout.readline():
            raise BenchError("the members of the idle node did not start")
        with node(_MEMBERS + 1, "gossip.interval_s=3.0", now=now) as server:
            sleep(_SETTLE_S)  # its first round, and what it writes after its start, are not what is measured
            began, before = monotonic(), server.cpu_s
            sleep(_FOR_S)
            share = (server.cpu_s - before) / (monotonic() - began)
    finally:
        fleet.kill()
        fleet.communicate()
    what = f"CPU of an idle node, {_MEMBERS:,} members, a pull every 3 s, over {_FOR_S:.0f} s"
    return Row(what, f"{share:.2%} of a core", f"{_TARGET:.0%} of a core", (share / _TARGET,), 1.0)
