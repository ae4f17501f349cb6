"""What an event costs: one that is written, rendered and queued, and one below its module's level."""

from __future__ import annotations

import json
from collections.abc import Callable
from statistics import median
from time import process_time
from typing import Any

from gossip.bench.rows import Row, ns, us
from gossip.core.address import Address
from gossip.core.events import EntryRestamped, PullFailed, PullFinished
from gossip.core.purpose import Purpose
from gossip.core.settings import LogSettings
from gossip.core.wire import End, Reason
from gossip.log.events import event_log

_ROUNDS, _WRITTEN, _FILTERED = 15, 2_000, 50_000
_WRITTEN_MAX_S, _FILTERED_MAX_S = 20e-6, 0.3e-6
_PEER = Address("10.0.0.2", 7000)


class Kept:
    """A queue of lines, in place of a writer's."""

    def __init__(self) -> None:
        self.render_dropped: Callable[[int], bytes] | None = None
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        """Keep a line."""
        self.lines.append(line)


def measure() -> list[Row]:
    """Compare with writing the same line as JSON, and with calling a function that does nothing."""
    kept = Kept()
    logs = event_log(kept, LogSettings())
    log = logs.bind("127.0.0.1:5001")
    finished = PullFinished(_PEER, Purpose.ROUND, 1.031, 5600, 200, 1, {Reason.FUTURE: 1}, End.EMPTY_LINE)
    failed = PullFailed(_PEER, Purpose.ROUND, 1.031, 0, "refused", 1)
    restamped = EntryRestamped(_PEER, 1, 1_700_000_000, "pull")
    log.emit(finished)
    line = json.loads(kept.lines[0])
    by_json = _rounds(json.dumps, line, _WRITTEN)
    by_nothing = _rounds(_nothing, finished, _FILTERED)
    rows: list[Row] = []
    for what, event, bound_s, baseline, name, text in (
        ("an event that is written", finished, _WRITTEN_MAX_S, by_json, "json.dumps of the same", us),
        ("an event that repeats others, and is counted", failed, None, by_json, "json.dumps of a line", us),
        ("an event below its level", restamped, _FILTERED_MAX_S, by_nothing, "an empty call", ns),
    ):
        spent = _rounds(log.emit, event, _FILTERED if event is restamped else _WRITTEN)
        kept.lines.clear()
        each = median(spent)
        ratios = tuple(one / other for one, other in zip(spent, baseline, strict=True))
        rows.append(Row(what, text(each), f"{text(median(baseline))} {name}", ratios))
        if bound_s is not None:
            rows.append(Row("the same, against its bound", text(each), text(bound_s), (each / bound_s,), 1.0))
    logs.close()
    return rows


def _nothing(event: object) -> None:
    """Do nothing."""


def _rounds(call: Callable[[Any], object], given: object, number: int) -> list[float]:
    """Return the CPU seconds of one call, of each round."""
    spent = []
    for _ in range(_ROUNDS):
        began = process_time()
        for _ in range(number):
            call(given)
        spent.append((process_time() - began) / number)
    return spent
