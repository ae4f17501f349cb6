"""The nodes of a soak: real processes, what they are told, and what is seen of them from outside."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

import gevent
from gevent import socket, subprocess

from gossip.core.address import Address
from gossip.core.wire import End, Pulled, Rules, decode
from gossip.load.soak_judge import Level
from gossip.load.target import GOSSIPD, HOST, TargetError, free_port, usage_of

INTERVAL_S = 0.5
_UP_S, _STOP_S, _CALL_S, _POLL_S = 60.0, 15.0, 5.0, 0.1
_RULES = Rules(max_line_bytes=128, latest=float("inf"), loopback_ok=True)


class Node:
    """One node: its shell is on a pipe, for changes of its state, and its events go to a file."""

    def __init__(self, folder: Path, port: int, state: int, joined: Node | None) -> None:
        self.address = str(Address(HOST, port))
        self.state = state
        self.ended_early: int | None = None
        self._port = port
        self._log, self._stderr = folder / f"{port}.jsonl", folder / f"{port}.stderr"
        arguments = ["--listen", self.address, "--state", str(state), "--log-file", str(self._log)]
        for setting in (f"gossip.interval_s={INTERVAL_S}", f"node.data_dir={folder}", "control.socket="):
            arguments += ["--set", setting]
        if joined is not None:
            arguments += ["--join", joined.address]
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, str(GOSSIPD), *arguments],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is for the soak alone, which ends its nodes in order
            )

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def is_up(self) -> bool:
        """Return whether it still runs; remember how it ended if it does not."""
        self.ended_early = self._process.poll()
        return self.ended_early is None

    def set_state(self, digit: int) -> None:
        """Tell it its new state."""
        self.state = digit
        with suppress(OSError):  # it ended, which is_up() tells
            self._process.stdin.write(b"%d\n" % digit)

    def level(self) -> Level | None:
        """Read what it holds now, None if it is gone."""
        usage = usage_of(self.pid)
        with suppress(OSError):
            if usage is not None:
                return Level(usage.rss_bytes, len(os.listdir(f"/proc/{self.pid}/fd")))
        return None

    def table(self) -> dict[str, int]:
        """Pull its table; raise OSError."""
        data = b""
        with socket.create_connection((HOST, self._port), timeout=_CALL_S) as sock:
            while chunk := sock.recv(65_536):
                data += chunk
        decoded = decode(Pulled(data, End.CLOSED), frozenset(), _RULES, len(data))
        return {str(entry.address): entry.state for entry in decoded.entries}

    def stop(self) -> int | None:
        """Wait for the end that it was told of, and return the exit status; None if it had to be killed."""
        try:
            return int(self._process.wait(_STOP_S))
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.kill()

    def terminate(self) -> None:
        """Tell it to end in order."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        with suppress(OSError):
            self._process.stdin.close()

    def events(self) -> Counter[tuple[str, str]]:
        """Count what its log tells, by level and name; what cannot be read counts as an error."""
        told: Counter[tuple[str, str]] = Counter()
        if self._log.exists():
            with self._log.open("rb") as lines:
                for line in lines:
                    kind, times = _read(line)
                    told[kind] += times
        return told

    def last_words(self) -> str:
        """Return the last line that it wrote to standard error."""
        return self._stderr.read_text(errors="replace").strip().rpartition("\n")[2]


def _read(line: bytes) -> tuple[tuple[str, str], int]:
    """Return the level and name of a line's event, and how many such events it stands for."""
    try:
        event = json.loads(line)
        return (str(event["level"]), str(event["event"])), int(event.get("repeated", 1))
    except (ValueError, KeyError, TypeError):
        return ("error", "unreadable_line"), 1


@contextmanager
def cluster(folder: Path, count: int) -> Iterator[list[Node]]:
    """Start so many nodes that join through the first, and end them all, killed if need be."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    nodes: list[Node] = []
    try:
        for port in ports:
            nodes.append(Node(folder, port, len(nodes) % 10, nodes[0] if nodes else None))
        yield nodes
    finally:
        for node in nodes:
            node.kill()


def wait_until_joined(nodes: Sequence[Node], is_over: Callable[[], bool]) -> None:
    """Wait until each lists all; raise TargetError saying who does not, or when it is over before."""
    for node, wrong in wait_until_agreed(nodes, _UP_S, is_over).items():
        said = node.last_words() if node.ended_early is not None else wrong
        raise TargetError(f"the cluster did not come up: {node.address}: {said}")


def wait_until_agreed(
    nodes: Sequence[Node], within_s: float, is_over: Callable[[], bool] = lambda: False
) -> Mapping[Node, str]:
    """Wait until each node lists all with the states they were told last; return who does not, and why."""
    deadline = monotonic() + within_s
    wanted = {node.address: node.state for node in nodes}
    while wrong := {node: said for node in nodes if (said := _wrong(node, wanted)) is not None}:
        if monotonic() > deadline or is_over() or any(node.ended_early is not None for node in wrong):
            return wrong
        gevent.sleep(_POLL_S)
    return {}


def _wrong(node: Node, wanted: Mapping[str, int]) -> str | None:
    if not node.is_up():
        return "it has ended"
    try:
        table = node.table()
    except OSError as error:
        return f"its table could not be pulled ({error.strerror or error})"
    return difference(table, wanted)


def difference(table: Mapping[str, int], wanted: Mapping[str, int]) -> str | None:
    """Say in what a table is not as wanted, None if it is."""
    said = [f"lacks {address}" for address in sorted(wanted.keys() - table.keys())]
    said += [f"lists {address}, which is none of these nodes" for address in sorted(table.keys() - wanted)]
    said += [
        f"says {table[address]} of {address}, which was set to {state}"
        for address, state in sorted(wanted.items())
        if table.get(address, state) != state
    ]
    return f"its table {'; '.join(said)}" if said else None
