"""One sink's shipper: reads the spool from where the sink has come to, a batch at a time, and never gives up.

- The point moves on, and is kept on disk, only once a batch was taken: at least once, in order.
- Batches that a collector refuses are halved until the event that it will not have is alone; that one is
  given up after three tries with back-off between them. All that is lost is counted and told.
- Files are read, and batches put into their format, in a native thread; the hub only sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, NamedTuple, TypeVar

import gevent
from gevent import Greenlet, Timeout
from gevent.event import Event as Flag
from gevent.threadpool import ThreadPool

from gossip.config.sinks import Sink
from gossip.core.events import Event
from gossip.core.settings import LogSettings
from gossip.log import facts
from gossip.ship import offsets
from gossip.ship.backoff import wait_s
from gossip.ship.connect import Unsent
from gossip.ship.formats import Encode, Head, head_of, unix_ns
from gossip.ship.offsets import Offset
from gossip.ship.segments import Point
from gossip.ship.spool import Spool
from gossip.ship.transports import Refused, Transport

REFUSALS_MAX: Final = 3  # of one event
_KILL_S: Final = 0.1

T = TypeVar("T")
Tell = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class ShipperView:
    """How a sink's shipping goes; counts are since the start, but `dropped` and `refused`, which are kept."""

    name: str
    lag_events: int
    lag_bytes: int
    lag_s: float  # the age of the oldest event that was not taken
    sent: int
    retries: int
    dropped: int  # the spool was full
    refused: int  # the collector would not have them


class _Batch(NamedTuple):
    begins: Point
    ends: Point
    head: Head  # of the first event
    payload: Sequence[bytes]


class Shipper:
    """Ships to one sink until it is closed."""

    def __init__(
        self,
        sink: Sink,
        spool: Spool,
        settings: LogSettings,
        encode: Encode,
        transport: Transport,
        rng: Random,
    ) -> None:
        self._sink = sink
        self._spool = spool
        self._settings = settings
        self._encode = encode
        self._transport = transport
        self._rng = rng
        self._path = spool.folder / f"{sink.key}{offsets.SUFFIX}"
        found = offsets.load(self._path)
        self._is_damaged = found is None and self._path.exists()
        kept = found or Offset(sink.name, *spool.bases[0])
        self.at = kept.point
        self._dropped, self._refused = kept.dropped, kept.refused
        self._sent = self._retries = self._failures = self._refusals = 0
        self._at_once = settings.batch_max_events
        self._is_told = self._is_idle = self._closing = self._is_unkept = False
        self._oldest_s = time.time()
        self._wake = Flag()
        self._tell: Tell = _tell_nobody
        self._pool = ThreadPool(1)
        self.greenlet: Any = None

    def start(self, tell: Tell) -> Greenlet:
        """Ship from now on, and tell of trouble by `tell`; return the greenlet."""
        self._tell = tell
        if self._is_damaged:
            tell(facts.OffsetDamaged(self._sink.name, str(self._path)))
        self.greenlet = Greenlet.spawn(self._run)
        return self.greenlet

    def notice(self) -> None:
        """Be told that the spool has grown."""
        if self._is_idle or self._is_enough():
            if self._is_idle:
                self._oldest_s = time.time()
                self._is_idle = False
            self._wake.set()

    def finish(self) -> None:
        """Ship what there is, and stop there; return at once."""
        self._closing = True
        self._wake.set()

    def close(self) -> None:
        """Stop now; what was not taken stays in the spool."""
        if self.greenlet is not None:
            self.greenlet.kill()
        self._transport.close()
        gevent.spawn(self._pool.kill).join(_KILL_S)  # it waits for a disk that hangs

    def view(self) -> ShipperView:
        """Return how it is going."""
        end = self._spool.end
        lag_s = max(0.0, time.time() - self._oldest_s) if end.byte > self.at.byte else 0.0
        return ShipperView(
            self._sink.name,
            max(0, end.line - self.at.line),
            max(0, end.byte - self.at.byte),
            lag_s,
            self._sent,
            self._retries,
            self._dropped,
            self._refused,
        )

    def _run(self) -> None:
        while True:
            if self.at.byte < self._spool.end.byte:
                self._gather()
                self._try_once()
            elif self._closing:
                return
            else:
                self._is_idle = True
                self._wake.clear()
                self._wake.wait()

    def _is_enough(self) -> bool:
        end = self._spool.end
        settings = self._settings
        return (
            end.line - self.at.line >= settings.batch_max_events
            or end.byte - self.at.byte >= settings.batch_max_bytes
        )

    def _gather(self) -> None:
        """Wait for a full batch, but no longer than `batch_wait_s`."""
        self._wake.clear()
        if not self._closing and not self._failures and not self._is_enough():
            self._wake.wait(self._settings.batch_wait_s)

    def _try_once(self) -> None:
        """Send one batch; wait before the next one if it was not taken."""
        failure: OSError
        try:
            batch: _Batch = self._in_thread(self._read)
            if batch.begins.byte > self.at.byte:
                self._skip(batch.begins)
            if batch.ends == batch.begins:
                return
            self._oldest_s = unix_ns(batch.head.ts) / 1e9 or self._oldest_s
            timeout_s = self._settings.ship_timeout_s
            with Timeout(timeout_s, Unsent(f"not taken within {timeout_s:g} s")):
                self._transport.deliver(batch.payload)
        except Refused as refused:
            failure, events = refused, batch.ends.line - batch.begins.line
            if events > 1:
                self._at_once = events // 2
                self._transport.close()
                return
        except OSError as error:
            failure, events = error, 0
        else:
            self._taken(batch)
            return
        self._transport.close()
        self._failures += 1
        self._retries += 1
        self._tell_failure(failure)
        self._refusals += events
        if self._refusals >= REFUSALS_MAX:
            self._give_up(batch, failure)
        settings = self._settings
        gevent.sleep(wait_s(self._failures, settings.retry_base_s, settings.retry_max_s, self._rng))

    def _read(self) -> _Batch:
        """Read a batch and put it into its format; runs in the thread."""
        begins, data = self._spool.read(self.at, self._at_once, self._settings.batch_max_bytes)
        lines = data.splitlines(keepends=True)
        if not lines:
            return _Batch(begins, begins, Head(), ())
        ends = Point(begins.byte + len(data), begins.line + len(lines))
        return _Batch(begins, ends, head_of(lines[0]), self._encode(lines))

    def _in_thread(self, function: Callable[[], T]) -> T:
        """Call what may block in the thread; its OSError comes as a value, or gevent would print it there."""

        def call() -> tuple[T | None, OSError | None]:
            try:
                return function(), None
            except OSError as error:
                return None, error

        value, error = self._pool.spawn(call).get()
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    def _taken(self, batch: _Batch) -> None:
        self._sent += batch.ends.line - batch.begins.line
        # Slowly: each step too far is a refused request.
        self._at_once = min(self._settings.batch_max_events, self._at_once + 1 + self._at_once // 8)
        self._failures = 0
        if self._is_told:
            self._is_told = False
            self._tell(facts.ShippingResumed(self._sink.name))
        self._move_to(batch.ends)

    def _give_up(self, batch: _Batch, why: OSError) -> None:
        self._refused += 1
        head = batch.head
        self._tell(facts.EventRefused(self._sink.name, _reason(why), head.ts, head.event))
        self._move_to(batch.ends)

    def _skip(self, to: Point) -> None:
        """Pass over what is no longer in the spool."""
        missed = max(0, to.line - self.at.line)  # less than none where a segment was damaged
        self._dropped += missed
        if missed:
            self._tell(facts.SpoolDropped(self._sink.name, missed))
        self._move_to(to)

    def _move_to(self, point: Point) -> None:
        self.at = point
        self._refusals = 0
        offset = Offset(self._sink.name, *point, dropped=self._dropped, refused=self._refused)
        try:
            self._in_thread(lambda: offsets.save(self._path, offset))
            self._is_unkept = False
        except OSError as error:  # a full disk: after a crash, some is sent again
            if not self._is_unkept:
                self._is_unkept = True
                self._tell(facts.OffsetUnsaved(self._sink.name, _reason(error)))

    def _tell_failure(self, failure: OSError) -> None:
        """Tell of the first failure only: the back-off repeats it, and its event is shipped, too."""
        if not self._is_told:
            self._is_told = True
            self._tell(facts.ShippingFailed(self._sink.name, _reason(failure)))


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def _tell_nobody(event: Event) -> None:
    """Say nothing: there is no log yet."""
