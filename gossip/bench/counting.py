"""What it costs to count an event for /metrics, beside writing it as a line of the log."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

from gossip.bench.rows import Row, us
from gossip.core.address import Address
from gossip.core.effects import Purpose
from gossip.core.events import Event, HintHeard, PullFailed, PullFinished, StateChanged
from gossip.core.wire import End, Reason
from gossip.log.events import EventLog
from gossip.metrics.counters import Counters

_TIMES, _ROUNDS = 2000, 15
_TARGET = 0.25
_PEER = Address("127.0.0.1", 5002)
_EVENTS: tuple[Event, ...] = (
    PullFinished(_PEER, Purpose.ROUND, 1.234, 29_000, 1000, 1, {Reason.FUTURE: 2}, End.EMPTY_LINE),
    PullFailed(_PEER, Purpose.CHECK, 0.321, 0, "refused", 1),
    StateChanged(_PEER, 1, 2, 1_700_000_000, "first-hand"),
    HintHeard(_PEER, str(_PEER), 1_700_000_000, 2),
)


class _Nowhere:
    """Takes lines and forgets them."""

    render_dropped: Callable[[int], bytes] | None = None

    def write(self, line: bytes) -> None:
        """Forget a line."""


def measure() -> Row:
    """Compare the mean of some kinds of events."""
    count, log = Counters(lambda: 1_700_000_003.5).take, EventLog(_Nowhere(), "debug").bind("bench").emit
    counted = [_cpu_s(count) for _ in range(_ROUNDS)]
    logged = [_cpu_s(log) for _ in range(_ROUNDS)]
    ratios = tuple(one / other for one, other in zip(counted, logged, strict=True))
    what = f"counting an event for /metrics, {len(_EVENTS)} kinds"
    return Row(what, us(min(counted)), f"{us(min(logged))} to log it", ratios, _TARGET)


def _cpu_s(take: Callable[[Event], None]) -> float:
    """Return CPU seconds for one event."""
    began = process_time()
    for _ in range(_TIMES):
        for event in _EVENTS:
            take(event)
    return (process_time() - began) / (_TIMES * len(_EVENTS))
