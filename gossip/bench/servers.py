"""The servers that are compared: a node, gevent's own StreamServer, and the least that it takes in C."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gossip.core.address import Address
from gossip.load.target import HOST, free_port, spawned

_MINIMAL_C = Path(__file__).with_name("minimal.c")
_CORES = sorted(os.sched_getaffinity(0))


class BenchError(Exception):
    """Something that the benchmark needs is not there; the text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves a table."""

    name: str
    address: Address
    pid: int

    @property
    def cpu_s(self) -> float:
        """How much CPU it has used so far, in seconds, to the nanosecond."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextmanager
def _apart(server: Server) -> Iterator[Server]:
    """Give the server one core, and this process another, where it may use two."""
    if len(_CORES) < 2:
        yield server
        return
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {_CORES[0]})
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {_CORES[1]})
    try:
        yield server
    finally:
        os.sched_setaffinity(0, before)


def built_in_c(folder: Path) -> Path:
    """Build the minimal server with the system's C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise BenchError("no C compiler (cc) was found; on Debian: apt-get install gcc libc6-dev")
    program = folder / "minimal"
    subprocess.run([compiler, "-O2", "-o", str(program), str(_MINIMAL_C)], check=True)
    return program


@contextmanager
def node(members: int, *settings: str, now: int | None = None) -> Iterator[Server]:
    """Run a node with a table of so many lines; `now` is when its members were heard of (default: now)."""
    with spawned(members, 1, settings, now) as (address, pid), _apart(Server("node", address, pid)) as server:
        yield server


@contextmanager
def other(name: str, command: Sequence[str], table: Path) -> Iterator[Server]:
    """Run `command PORT FILE`, which serves the bytes of a file and says when it listens."""
    address = Address(HOST, free_port())
    process = subprocess.Popen([*command, str(address.port), str(table)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise BenchError(f"{command[0]} did not listen on {address}")
        with _apart(Server(name, address, process.pid)) as server:
            yield server
    finally:
        process.kill()
        process.communicate()


STOCK = (sys.executable, "-m", "gossip.bench.stock")
