"""Runs a load from its arguments to its summary and exit status.

0: every pull was answered whole. 1: one was not, or there is nobody to pull from. 2: wrong arguments.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from random import Random
from time import process_time

import gevent
from gevent import socket
from gevent.event import Event

from gossip.core.address import Address
from gossip.load import report
from gossip.load.clients import Load, NotWhole, honest
from gossip.load.options import Options, parse
from gossip.load.pace import Pace
from gossip.load.progress import shown
from gossip.load.swarm import Swarm, reason_of
from gossip.load.target import TargetError, Usage, listening_pid, spawned, usage_of, waited_s
from gossip.net.descriptors import raise_limit

_OTHER_DESCRIPTORS = 64  # standard streams, the event loop, files of this program


def main(argv: Sequence[str]) -> int:
    """Run the load that the arguments ask for, print its summary, and return the exit status."""
    options = parse(argv)
    allowed = raise_limit()
    if options.clients_in_all + _OTHER_DESCRIPTORS > allowed:
        most = max(0, allowed - _OTHER_DESCRIPTORS)
        return _refuse(
            f"--clients {options.clients_in_all}: this process may open {allowed} files, enough for {most} "
            "clients; raise the hard limit (ulimit -Hn) or take fewer",
            status=2,
        )
    interrupted = Event()
    held = [gevent.signal_handler(number, interrupted.set) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        with _target(options) as (target, pid), _address_of_nobody(target) as own:
            summary = _measure(
                options, Load(target, options.timeout_s, own, Random()), target, pid, interrupted
            )
    except TargetError as error:
        return _refuse(str(error))
    finally:
        for handler in held:
            handler.cancel()
    if options.as_json:
        print(json.dumps(report.as_json(summary)))
    else:
        print(*report.as_lines(summary), sep="\n")
    return summary.exit_status


@contextmanager
def _target(options: Options) -> Iterator[tuple[Address, int | None]]:
    """Give whom to pull from, and its process id if that can be told."""
    if options.target is not None:
        yield options.target, listening_pid(options.target)
        return
    with spawned(options.members, options.clients_in_all, options.settings) as (address, pid):
        yield address, pid


@contextmanager
def _address_of_nobody(target: Address) -> Iterator[Address]:
    """Give an address of this machine, as the target sees it, at which nobody listens meanwhile."""
    family = socket.AF_INET6 if target.is_ipv6 else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    with closing(taken):
        try:
            with closing(socket.socket(family, socket.SOCK_DGRAM)) as asked:
                asked.connect((target.host, target.port))  # sends nothing: it only finds the way there
                host = asked.getsockname()[0]
            taken.bind((host, 0))
        except OSError as error:
            raise TargetError(f"{target} cannot be called from here ({error.strerror or error})") from None
        yield Address(host, taken.getsockname()[1])


def _measure(
    options: Options, load: Load, target: Address, pid: int | None, interrupted: Event
) -> report.Summary:
    with _reaping(load):
        _try_once(load, target)
        return _run(options, load, target, pid, interrupted)


@contextmanager
def _reaping(load: Load) -> Iterator[None]:
    reaper = gevent.spawn(load.reap)
    try:
        yield
    finally:
        reaper.kill()


def _run(
    options: Options, load: Load, target: Address, pid: int | None, interrupted: Event
) -> report.Summary:
    pace = Pace(options.pulls, options.duration_s, options.rate)
    before, cpu_s, wait_s = usage_of(pid), process_time(), waited_s()
    swarm = Swarm(load, options.clients, pace, options.duration_s)
    try:
        with shown(options, load.tally):
            elapsed_s = swarm.wait(interrupted)
        missed = 0 if interrupted.is_set() else pace.missed()
        after, cpu_s, wait_s = usage_of(pid), process_time() - cpu_s, waited_s() - wait_s
    finally:
        swarm.end()
    tally = load.tally
    return report.Summary(
        target=str(target),
        clients=options.clients,
        rate=options.rate,
        elapsed_s=elapsed_s,
        latency_us=tally.latency_us,
        received=tally.received,
        connections=tally.connections,
        errors=tally.errors,
        woke_late=pace.woke_late,
        found_late=pace.found_late,
        missed=missed,
        own_cpu_s=cpu_s,
        server=_server(pid, before, after),
        interrupted=interrupted.is_set(),
        own_wait_s=wait_s,
    )


def _try_once(load: Load, target: Address) -> None:
    """Pull once before all others, uncounted: TargetError if nobody is there.

    A table that is not whole is for the load to find.
    """
    try:
        honest(load)
    except NotWhole:
        pass
    except OSError as error:
        raise TargetError(f"{target} does not answer ({reason_of(error)})") from None
    load.tally.received = 0


def _server(pid: int | None, before: Usage | None, after: Usage | None) -> report.Server | None:
    if pid is None or before is None or after is None:
        return None
    return report.Server(pid, after.cpu_s - before.cpu_s, after.rss_bytes, after.rss_bytes - before.rss_bytes)


def _refuse(line: str, status: int = 1) -> int:
    print(f"gossipd: {line}", file=sys.stderr)
    return status
