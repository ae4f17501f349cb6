"""A node that has a lot to tell: `python -m gossip.bench.emitter RATE FOR_S [SECTION.KEY=VALUE]...`.

Prints a line when it begins, one with how many events it told and how many seconds of CPU that took, all
threads included, and one with how many of them were shipped, once that is done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import gevent

from gossip.config import load_settings
from gossip.core.address import Address
from gossip.core.effects import Purpose
from gossip.core.events import PullFinished
from gossip.core.wire import End, Reason
from gossip.daemon import Daemon
from gossip.log.events import NodeLog, event_log
from gossip.ship.outlet import open_outlet

_STEP_S, _PATIENCE_S, _LOOK_S = 0.01, 10.0, 0.05
_PEER = Address("10.0.0.2", 7000)
_EVENT = PullFinished(_PEER, Purpose.ROUND, 1.031, 56_000, 1000, 1, {Reason.BAD_STATE: 1}, End.CLOSED)


def main(rate: int, for_s: float, sets: Sequence[str]) -> None:
    """Run the node, and tell `rate` events a second for `for_s`."""
    settings = load_settings(sets=sets)
    outlet = open_outlet(settings, no_shell=False, at_terminal=True, above_prompt=None)
    log = event_log(outlet, settings.log).bind(settings.node.listen)
    daemon = Daemon(settings, log)
    daemon.start()
    if outlet is not None:
        outlet.ship(log.emit, daemon.crashed)
    print("begins", flush=True)
    before_s = time.process_time()
    told = _tell(log, rate, for_s)
    print(told, time.process_time() - before_s, flush=True)
    until = time.monotonic() + _PATIENCE_S
    while outlet is not None and time.monotonic() < until:
        if all(view.sent >= told for view in outlet.shippers()):
            break
        gevent.sleep(_LOOK_S)
    views = [] if outlet is None else outlet.shippers()
    print(min((view.sent for view in views), default=told), flush=True)
    daemon.shut_down()
    if outlet is not None:
        outlet.close(1.0)


def _tell(log: NodeLog, rate: int, for_s: float) -> int:
    began = time.monotonic()
    told = 0
    while (passed_s := time.monotonic() - began) < for_s:
        due = int(passed_s * rate)
        for _ in range(due - told):
            log.emit(_EVENT)
        told = max(told, due)
        gevent.sleep(_STEP_S)
    return told


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
