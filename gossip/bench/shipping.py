"""What a node spends that tells 1,000 events a second and ships them to a collector on the same machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gossip.bench.rows import Row
from gossip.bench.servers import BenchError
from gossip.load.target import HOST, free_port

_RATE, _FOR_S = 1000, 10.0
_TARGET = 0.1


def measure(folder: Path) -> Sequence[Row]:
    """Return the share of a core with each sink, beside the same events into a file and nowhere."""
    tcp, http = free_port(), free_port()
    with _child("gossip.bench.collector", str(tcp), str(http)):
        nowhere = _share()
        into_file = _share(f"log.file={folder / 'events.jsonl'}")
        shares = {
            sink: _share(f"log.sinks={sink}", f"log.spool_dir={folder / sink.partition(':')[0]}")
            for sink in (f"syslog+tcp://{HOST}:{tcp}", f"http://{HOST}:{http}/in")
        }
    told = f"{_RATE:,} events a second"
    what = f"CPU of a node, {told} into a file"
    rows = [Row(what, f"{into_file:.1%} of a core", f"{nowhere:.1%} with no log", (into_file / nowhere,))]
    for sink, share in shares.items():
        what = f"CPU of a node, {told} shipped by {sink.partition(':')[0]}"
        rows.append(Row(what, f"{share:.1%} of a core", f"{into_file:.1%} into a file", (share / into_file,)))
        bound = f"{_TARGET:.0%} of a core"
        rows.append(
            Row("the same, against its bound", f"{share:.1%} of a core", bound, (share / _TARGET,), 1.0)
        )
    return rows


def _share(*sets: str) -> float:
    """Return the share of a core over the time in which it tells; BenchError if not all was shipped."""
    port = free_port()
    own = (f"node.listen={HOST}:{port}", "control.socket=", *sets)
    with _child("gossip.bench.emitter", str(_RATE), str(_FOR_S), *own) as child:
        told, used_s = _line(child).split()
        sent = _line(child)
    if not 0 < int(told) <= int(sent):
        raise BenchError(f"{sets}: of {told} events {sent} were shipped")
    return float(used_s) / _FOR_S


@contextmanager
def _child(module: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process of ours, once it says that it has begun."""
    command = (sys.executable, "-m", module, *args)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            _line(child)
            yield child
        finally:
            child.kill()


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        raise BenchError(f"{child.args!a} ended")
    return line.strip()
