"""The target: a node of our own where that is asked for, and what /proc says of a local one."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from time import monotonic, time

import gevent
from gevent import socket, subprocess

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.settings import Settings
from gossip.core.snapshot import KeptMember, Snapshot
from gossip.store import Store

GOSSIPD = Path(__file__).parents[2] / "gossipd.py"
HOST = "127.0.0.1"
_FIRST_PORT, _LAST_PORT = 10_000, 32_000  # below those that the system gives to callers
_PORT_TRIES = 100
_START_S, _STOP_S = 30.0, 10.0
_LISTEN = "0A"
_BACKLOG_MAX, _CALLERS_MAX = 65_535, 100_000
_USUAL = Settings()  # never lowered


class TargetError(Exception):
    """There is nobody to pull from; the text is one line for the user."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far: seconds of CPU, and bytes of memory now."""

    cpu_s: float
    rss_bytes: int


def usage_of(pid: int | None) -> Usage | None:
    """Read the usage of a process, None where that cannot be."""
    try:
        # Behind the name, which may hold anything: state is field 3, utime and stime 14 and 15.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def waited_s() -> float:
    """Return how long this process was ready to run and had no core, 0 where the system does not tell."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    return 0.0


def listening_pid(target: Address) -> int | None:
    """Find the process that listens at an address of this machine, None where it cannot be told."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(target)}
    if not inodes:
        return None
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):  # it ended, or is somebody else's
            if any(_link(fd) in inodes for fd in (process / "fd").iterdir()):
                return int(process.name)
    return None


def _link(path: Path) -> str:
    with suppress(OSError):
        return os.readlink(path)
    return ""


def _listening_inodes(target: Address) -> list[str]:
    """Find the sockets that listen at an address, in the system's own tables."""
    wanted = {_hex(target.host)}
    if target.is_loopback:  # elsewhere, who listens on every interface here may not be the target
        wanted |= {_hex("::"), _hex("0.0.0.0")}
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for row in Path(table).read_text().splitlines()[1:]:
                fields = row.split()
                host, _, port = fields[1].partition(":")
                if fields[3] == _LISTEN and int(port, 16) == target.port and host in wanted:
                    found.append(fields[9])
    return found


def _hex(host: str) -> str:
    """Write an IP as /proc/net/tcp does: words of four bytes, each in the machine's own order."""
    packed = ip_address(host).packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


@contextmanager
def spawned(
    members: int, clients: int, settings: Sequence[str], now: int | None = None
) -> Iterator[tuple[Address, int]]:
    """Run a node with a table of so many lines, and end it; give its address and process id.

    `now` is when its members were heard of, in Unix seconds.
    """
    with tempfile.TemporaryDirectory(prefix="gossipd-load-") as name:
        folder = Path(name)
        address = Address(HOST, free_port())
        _write_members(folder, address, members, int(time()) if now is None else now)
        arguments = ["--no-shell", "--listen", str(address), "--log-file", str(folder / "events.jsonl")]
        for setting in (*_settings(folder, members, clients), "control.socket=", *settings):
            arguments += ["--set", setting]
        with (folder / "stderr").open("wb") as stderr:
            node = subprocess.Popen(
                [sys.executable, str(GOSSIPD), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is for the load alone: the node is measured to its end
            )
        try:
            _wait_until_up(node, address, folder / "stderr")
            yield address, node.pid
        finally:
            _end(node)


def _settings(folder: Path, members: int, clients: int) -> list[str]:
    """Keep a table of members that never answer, and everybody who calls."""
    return [
        f"node.data_dir={folder}",
        "node.shutdown_s=1.0",
        "gossip.interval_s=3600.0",
        f"gossip.max_members={max(_USUAL.gossip.max_members, members)}",
        "reply.tell_leaving=0",
        f"listener.backlog={min(_BACKLOG_MAX, max(_USUAL.listener.backlog, 2 * clients))}",
        f"listener.max_callers={min(_CALLERS_MAX, max(_USUAL.listener.max_callers, 2 * clients))}",
    ]


def invented(members: int, now: int) -> list[Entry]:
    """Make up members on loopback, so that whatever a node asks them is refused at once, on this machine."""
    hosts = (f"127.{100 + n // 62_500}.{n // 250 % 250}.{n % 250 + 1}" for n in range(members))
    return [Entry(Address(host, 7000), now - n % 86_400, n % 10) for n, host in enumerate(hosts)]


def _write_members(folder: Path, own: Address, members: int, now: int) -> None:
    """Write the snapshot of a node that has met all but itself of so many members."""
    kept = [KeptMember(entry, "load") for entry in invented(members - 1, now)]
    store = Store(str(folder), own)
    try:
        store.save(Snapshot(own, now, tuple(kept), ()))
    finally:
        store.close()


def free_port() -> int:
    """Find a port of loopback that nobody holds, below those that the system gives to callers."""
    for port in random.sample(range(_FIRST_PORT, _LAST_PORT), _PORT_TRIES):
        with socket.socket() as sock, suppress(OSError):
            sock.bind((HOST, port))
            return port
    raise TargetError(f"no free port on {HOST} in {_PORT_TRIES} tries")


def _wait_until_up(node: subprocess.Popen, address: Address, stderr: Path) -> None:
    deadline = monotonic() + _START_S
    while monotonic() < deadline:
        if node.poll() is not None:
            said = stderr.read_text(errors="replace").strip().rpartition("\n")[2]
            raise TargetError(f"the node to pull from ended with status {node.returncode}: {said}")
        with suppress(OSError), socket.create_connection(tuple(address), timeout=1.0):
            return
        gevent.sleep(0.02)
    raise TargetError(f"the node to pull from did not listen on {address} within {_START_S:.0f} s")


def _end(node: subprocess.Popen) -> None:
    node.terminate()
    try:
        node.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        node.kill()
        node.wait()
