"""`python -m gossip.bench [--write FILE]`: run all benchmarks, and print (or put into a file) their table.

In the file the table replaces what is between `<!-- bench -->` and `<!-- end of bench -->`.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import gevent

from gossip.bench import counting, held, idle, listening, memory, merging, shipping, telling
from gossip.bench.rows import Row, as_markdown
from gossip.bench.servers import BenchError, built_in_c
from gossip.load.target import TargetError
from gossip.marked import has_marks, put

_BEGIN, _END = "<!-- bench -->", "<!-- end of bench -->"


def main(argv: Sequence[str]) -> int:
    """Return 0 when all ran, whatever they found, and 1 when one could not."""
    parser = argparse.ArgumentParser(prog="python -m gossip.bench", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this file")
    path = parser.parse_args(argv).write
    if path is not None and not has_marks(path, _BEGIN, _END):
        parser.error(f"{path} has no line {_BEGIN} with a line {_END} after it")
    try:
        text = _all()
    except (BenchError, TargetError, OSError, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(text)
    if path is not None:
        put(path, _BEGIN, _END, text)
    return 0


def _all() -> str:
    began = monotonic()
    with tempfile.TemporaryDirectory(prefix="gossipd-bench-") as name:
        folder = Path(name)
        minimal = built_in_c(folder)
        parts: list[tuple[str, Callable[[], Sequence[Row]]]] = [
            ("a pulled table", merging.measure),
            ("the log", telling.measure),
            ("counting events", lambda: [counting.measure()]),
            ("memory", lambda: [memory.measure()]),
            ("the listener", lambda: listening.measure(minimal, folder)),
            ("held callers", held.measure),
            ("shipping events", lambda: shipping.measure(folder)),
            ("an idle node", lambda: [idle.measure(folder)]),
        ]
        rows: list[Row] = []
        for what, measure in parts:
            print(f"bench: {what} ...", file=sys.stderr, flush=True)
            rows += measure()
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    machine = (
        f"{_processor()}, {os.cpu_count()} cores; {platform.system()} {platform.release()}; Python "
        f"{platform.python_version()}, gevent {gevent.__version__}; {monotonic() - began:.0f} s; load {load}"
    )
    return f"{machine}\n\n{as_markdown(rows)}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
