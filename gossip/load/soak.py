"""The soak: a mixed load on a cluster of real nodes, for long, and whether they are still well after it.

`python -m gossip.load.soak` (`make soak`) loads all nodes at once with every kind of client, again and
again, with a rest after each load; meanwhile the nodes change their states in turn. It fails on a lost
answer, a node that ended, an error in a log, memory or descriptors that grow (soak_judge.py says how that
is told), tables that are not right at the end, and a node that does not end in order. Exit status: 0 it
passed, 1 it did not or was interrupted, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import median
from time import monotonic

import gevent
from gevent import subprocess
from gevent.event import Event

from gossip.arguments import Parser
from gossip.load.soak_judge import Burst, Level, NodeStory, burst_of
from gossip.load.soak_nodes import INTERVAL_S, Node, cluster, wait_until_agreed, wait_until_joined
from gossip.load.soak_report import Verdict, as_json, as_lines
from gossip.load.target import GOSSIPD, TargetError, usage_of

_NODES_MAX = 50
_CLIENTS, _RATE = 40, 200  # for each node: what pesters comes on top of the rate
_MIX = "honest=23,reply=8,never_read=3,slow=3,rubbish=2,flood=1"
_LOADS_LEAST = 3  # with fewer there is no growth to tell
_BURST_S, _REST_S = (1.0, 20.0), (1.0, 4.0)  # the least and the most; between them a share of the whole
_BURST_SHARE, _REST_SHARE = 0.08, 0.08
_LOAD_EXTRA_S = 60.0  # to start and end on a busy machine, its last pulls' time-out included
_TICK_S, _CHANGE_EVERY_S = 0.1, 2 * INTERVAL_S
_AGREED_S = 60 * INTERVAL_S


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a soak is, and of how many nodes."""

    duration_s: float
    nodes: int
    as_json: bool

    @property
    def burst_s(self) -> float:
        """How long one load lasts."""
        return min(max(self.duration_s * _BURST_SHARE, _BURST_S[0]), _BURST_S[1])

    @property
    def rest_s(self) -> float:
        """How long the rest after it lasts; its second half is measured."""
        return min(max(self.duration_s * _REST_SHARE, _REST_S[0]), _REST_S[1])


def parse(argv: Sequence[str]) -> Plan:
    """Read the arguments; a mistake ends the process with status 2, as argparse does."""
    parser = Parser(prog="soak", description="A mixed load on a cluster of real nodes, for long.")
    parser.add_argument("--duration-s", type=float, default=600.0, metavar="S", help="default 600")
    parser.add_argument("--nodes", type=int, default=5, metavar="N", help=f"2 to {_NODES_MAX} (default 5)")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object")
    args: argparse.Namespace = parser.parse_args(argv)
    if not 0 < args.duration_s < float("inf"):
        parser.error(f"--duration-s is a number above 0, found {args.duration_s}")
    if not 2 <= args.nodes <= _NODES_MAX:
        parser.error(f"--nodes is a whole number from 2 to {_NODES_MAX}, found {args.nodes}")
    return Plan(args.duration_s, args.nodes, args.json)


class Soak:
    """One soak of a cluster that is up, from the first rest to the verdict."""

    def __init__(self, plan: Plan, nodes: Sequence[Node], interrupted: Event) -> None:
        self._plan = plan
        self._nodes = nodes
        self._interrupted = interrupted
        self._rng = Random()
        self._turns = cycle(nodes)
        self._began = self._change_due = monotonic()
        self._loads = self._changes = 0
        self._bursts: dict[Node, list[Burst]] = {node: [] for node in nodes}
        self._levels: dict[Node, list[Level]] = {node: [] for node in nodes}

    def run(self, tell: Callable[[str], None]) -> Verdict:
        """Load and rest by turns until the time is up, something ended, or the user has enough."""
        ends = self._began + self._plan.duration_s
        self._rest()
        while not self._is_over() and (self._loads < _LOADS_LEAST or monotonic() < ends):
            self._load()
            self._rest()
            tell(self._progress())
        return self._end()

    def _is_over(self) -> bool:
        are_up = [node.is_up() for node in self._nodes]
        return self._interrupted.is_set() or not all(are_up)

    def _ticks(self, for_s: float) -> Iterator[float]:
        """Change states meanwhile, and give the time at every tick, for so long or until it is over."""
        ends = monotonic() + for_s
        while not self._is_over() and (now := monotonic()) < ends:
            if now >= self._change_due:
                node = next(self._turns)
                node.set_state((node.state + self._rng.randint(1, 9)) % 10)
                self._changes += 1
                self._change_due = now + _CHANGE_EVERY_S
            yield now
            self._interrupted.wait(_TICK_S)

    def _rest(self) -> None:
        """Leave the nodes in peace, and take the medians of what they hold in the second half."""
        settled = monotonic() + self._plan.rest_s / 2
        samples: dict[Node, list[Level]] = {node: [] for node in self._nodes}
        for now in self._ticks(self._plan.rest_s):
            if now >= settled:
                for node in self._nodes:
                    if (level := node.level()) is not None:
                        samples[node].append(level)
        for node, levels in samples.items():
            if levels:
                self._levels[node].append(
                    Level(
                        median(level.rss_bytes for level in levels),
                        median(level.descriptors for level in levels),
                    )
                )

    def _load(self) -> None:
        """Run one load against every node, all at once."""
        loads: list[subprocess.Popen] = []
        try:
            for node in self._nodes:
                loads.append(_start(node, self._plan.burst_s))
            for _ in self._ticks(self._plan.burst_s + _LOAD_EXTRA_S):
                if all(load.poll() is not None for load in loads):
                    break
            for load in loads:
                if load.poll() is None:  # it is over, so the figures so far; or the load hangs
                    load.send_signal(signal.SIGINT if self._is_over() else signal.SIGKILL)
            self._loads += 1
            for node, load in zip(self._nodes, loads, strict=True):
                burst = _figures(load)
                if burst.problem is None or not self._is_over():  # cut off at its start, it has none
                    self._bursts[node].append(burst)
        finally:
            for load in loads:
                if load.poll() is None:
                    load.kill()
                    load.wait()

    def _progress(self) -> str:
        bursts = [burst for bursts in self._bursts.values() for burst in bursts]
        lost = sum(sum(burst.lost.values()) for burst in bursts)
        return (
            f"{monotonic() - self._began:4.0f} s: {sum(burst.pulls for burst in bursts):,} pulls answered "
            f"whole, {lost:,} not; {self._changes} changes of state"
        )

    def _end(self) -> Verdict:
        """Wait until the tables agree, end the nodes in order, and read their logs."""
        are_up = [node.is_up() for node in self._nodes]  # of each, to the last
        wrong = wait_until_agreed(self._nodes, _AGREED_S) if all(are_up) else {}
        elapsed_s = monotonic() - self._began
        for node in self._nodes:
            node.terminate()
        statuses = [node.stop() for node in self._nodes]
        stories = [
            NodeStory(
                address=node.address,
                bursts=self._bursts[node],
                levels=self._levels[node],
                events=node.events(),
                ended_early=node.ended_early,
                exit_status=status,
                wrong=wrong.get(node),
            )
            for node, status in zip(self._nodes, statuses, strict=True)
        ]
        return Verdict(stories, self._loads, self._changes, elapsed_s, self._interrupted.is_set())


def _start(node: Node, burst_s: float) -> subprocess.Popen:
    """Start a mixed load against a node; in its own session, for Ctrl-C is for the soak alone."""
    arguments = ["--mix", _MIX, "--clients", str(_CLIENTS), "--rate", str(_RATE)]
    arguments += ["--duration-s", str(burst_s), "--json"]
    return subprocess.Popen(
        [sys.executable, str(GOSSIPD), "load", node.address, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _figures(load: subprocess.Popen) -> Burst:
    """Wait for a load that is about to end, and read what it measured."""
    try:
        out, err = load.communicate(timeout=_LOAD_EXTRA_S)
    except subprocess.TimeoutExpired:
        return Burst(problem="it did not end in time")
    try:
        return burst_of(json.loads(out))
    except ValueError:
        said = err.decode(errors="replace").strip().rpartition("\n")[2]
        return Burst(problem=said or f"it ended with status {load.returncode}")


def main(argv: Sequence[str]) -> int:
    """Run a soak, print its figures and the verdict, and return the exit status."""
    plan = parse(argv)
    if usage_of(os.getpid()) is None:
        return _refuse("a soak reads memory from /proc, and this system has none: run it on Linux")
    interrupted = Event()
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    held = [gevent.signal_handler(number, interrupted.set) for number in ending]
    folder = Path(tempfile.mkdtemp(prefix="gossipd-soak-"))
    try:
        with cluster(folder, plan.nodes) as nodes:
            _tell("nodes: " + ", ".join(f"{node.address} (pid {node.pid})" for node in nodes))
            wait_until_joined(nodes, interrupted.is_set)
            verdict = Soak(plan, nodes, interrupted).run(_tell)
    except TargetError as error:
        shutil.rmtree(folder)
        return _refuse("interrupted before the first load" if interrupted.is_set() else str(error))
    finally:
        for handler in held:
            handler.cancel()
    if verdict.failures:
        _tell(f"logs: {folder}")
    else:
        shutil.rmtree(folder)
    if plan.as_json:
        print(json.dumps(as_json(verdict)))
    else:
        print(*as_lines(verdict), sep="\n")
    return 0 if verdict.has_passed else 1


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _refuse(line: str) -> int:
    _tell(f"gossipd: {line}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
