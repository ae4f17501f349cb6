"""Events as JSON, one object a line: `ts`, `level`, `event`, `node`, `id`, then the event's own fields.

A line is printable ASCII whatever a peer sent, so it can neither break nor drive a terminal. Fields
that are None are left out. structlog's global configuration is not used: a demo runs many nodes in
one process. An event that is filtered costs one look-up in a dictionary, and takes no number.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import inf
from typing import Any, Protocol

import gevent
import msgspec
import structlog

from gossip.core.address import Address
from gossip.core.events import Event
from gossip.core.levels import LEVELS, read_levels
from gossip.core.settings import LogSettings
from gossip.log.catalogue import CATALOGUE, Kind
from gossip.log.facts import EventsDropped
from gossip.log.sampler import Sampler
from gossip.log.writer import LineSink

_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SCALARS = frozenset({str, int, float, bool})
_NOBODY = "*"  # in the place of a node's address, where a line is of several nodes
_encoder = msgspec.json.Encoder()


class Waiting(Protocol):
    """A call that is to come."""

    def stop(self) -> None:
        """Call it off."""


def _call_later(after_s: float, function: Callable[[], None]) -> Waiting:
    """Call a function that never waits from the event loop; what it raises is reported as a `hub_error`."""
    timer: Waiting = gevent.get_hub().loop.timer(after_s)
    timer.start(function)  # type: ignore[attr-defined]
    return timer


def event_log(writer: LineSink | None, settings: LogSettings) -> EventLog:
    """Return the log that settings ask for."""
    return EventLog(writer, settings.level, settings.levels, _sampling(settings))


def _sampling(settings: LogSettings) -> tuple[float, int, int]:
    return settings.repeat_window_s, settings.repeat_burst, settings.repeat_max_keys


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the nodes of a log have in common; `boot` is no other start's."""

    boot: str
    enabled: Mapping[type, Kind | None]
    call_later: Callable[[float, Callable[[], None]], Waiting]
    clock: Callable[[], float]


class EventLog:
    """Renders events at or above the level of their module for a writer; without one it does nothing.

    `sampling` is what each node's Sampler goes by: window in seconds, burst, keys. By default all is written.
    """

    def __init__(
        self,
        writer: LineSink | None,
        level: str,
        levels: Sequence[str] = (),
        sampling: tuple[float, int, int] = (0.0, 1, 1),
        call_later: Callable[[float, Callable[[], None]], Waiting] = _call_later,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over the writer's report of drops; raise ValueError for an unknown level or module."""
        self._writes = writer is not None
        self._enabled: dict[type, Kind | None] = {}
        self._nodes: dict[str, NodeLog] = {}
        boot = f"{time.time_ns() // 1_000_000:x}{os.urandom(2).hex()}"
        self._sampling = sampling
        self._shared = _Shared(boot, self._enabled, call_later, clock)
        self._logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
            _Sink(writer),
            processors=[_common_first, _encode],
            wrapper_class=structlog.make_filtering_bound_logger(LEVELS[0]),  # `_enabled` filters before
            context_class=dict,
        )
        self.set_levels(level, levels)
        self._anybody = NodeLog(_NOBODY, self._logger, self._shared, Sampler(*sampling))
        if writer is not None:
            writer.render_dropped = self._render_dropped

    def set_levels(self, level: str, levels: Sequence[str] = ()) -> None:
        """Log from now on as `log.level` and `log.levels` say; raise ValueError, and change nothing."""
        lowest = {module: LEVELS.index(own) for module, own in read_levels(level, levels).items()}
        for kind in CATALOGUE.values():
            is_on = self._writes and LEVELS.index(kind.level) >= lowest[kind.module]
            self._enabled[kind.event] = kind if is_on else None

    def bind(self, node: str) -> NodeLog:
        """Return the log of one node, named by its own address: the same one each time."""
        if node not in self._nodes:
            logger = self._logger.bind(node=node)
            self._nodes[node] = NodeLog(node, logger, self._shared, Sampler(*self._sampling))
        return self._nodes[node]

    def use(self, settings: LogSettings) -> None:
        """Log from other levels on, and tell repeats otherwise; the destination stays."""
        self.set_levels(settings.level, settings.levels)
        if self._sampling != _sampling(settings):
            self._sampling = _sampling(settings)
            for node in self._nodes.values():
                node.flush()  # windows of another length would wait for those that have begun
                node.sampler.use(*self._sampling)

    def close(self) -> None:
        """Write what is held back; call it before the writer is closed."""
        for node in self._nodes.values():
            node.flush()

    def _render_dropped(self, count: int) -> bytes:
        """Render the report of drops; it names the node only if there is but one to name."""
        kind = CATALOGUE["events_dropped"]
        named = {"node": next(iter(self._nodes))} if len(self._nodes) == 1 else {}
        fields = {"event": kind.name, **named, **self._anybody.fields_of(kind, EventsDropped(count))}
        return _encode(None, kind.level, _common_first(None, kind.level, fields))


class NodeLog:
    """The log of one node: numbers its lines, and holds repeats back."""

    def __init__(
        self, node: str, logger: structlog.typing.FilteringBoundLogger, shared: _Shared, sampler: Sampler
    ) -> None:
        self._ids = f"{node}/{shared.boot}/"
        self._number = 0
        self._methods = {level: getattr(logger, level) for level in LEVELS}
        self._enabled = shared.enabled
        self.sampler = sampler
        self._call_later, self._clock = shared.call_later, shared.clock
        self._flushing: Waiting | None = None

    def emit(self, event: Event) -> None:
        """Log a fact of the core or of the daemon; raise KeyError for one that the catalogue lacks."""
        kind = self._enabled[type(event)]
        if kind is None:
            return
        if kind.key is not None:
            now = self._clock()
            self._tell_repeats(now)
            if not self.sampler.passes(kind, event, now):
                self._flush_later(now)
                return
        self._methods[kind.level](kind.name, **self.fields_of(kind, event))

    def flush(self) -> None:
        """Write all that is held back."""
        if self._flushing is not None:
            self._flushing.stop()
            self._flushing = None
        self._tell_repeats(inf)

    def fields_of(self, kind: Kind, event: Event) -> dict[str, object]:
        """Return an event's own fields as JSON knows them, after the next number of this node's lines."""
        self._number += 1
        fields: dict[str, object] = {"id": f"{self._ids}{self._number}"}
        for name in kind.fields:
            value = getattr(event, name)
            if value is not None:
                fields[name] = value if type(value) in _SCALARS else _plain(value)
        return fields

    def _tell_repeats(self, now: float) -> None:
        for kind, event, times in self.sampler.due(now):
            self._methods[kind.level](kind.name, **self.fields_of(kind, event), repeated=times)

    def _flush_later(self, now: float) -> None:
        end = self.sampler.next_end()
        if end is not None and self._flushing is None:
            self._flushing = self._call_later(max(0.0, end - now), self._flush_due)

    def _flush_due(self) -> None:
        self._flushing = None
        now = self._clock()
        self._tell_repeats(now)
        self._flush_later(now)


class _Sink:
    """What structlog hands finished lines to: one method a level, all the same."""

    def __init__(self, writer: LineSink | None) -> None:
        self.debug = self.info = self.warning = self.error = writer.write if writer else _ignore


def _ignore(line: bytes) -> None:
    """Drop a line."""


def _common_first(_: object, level: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Put the common keys before the event's own."""
    line = {"ts": timestamp(time.time_ns()), "level": level, "event": fields.pop("event")}
    line.update(fields)
    return line


def timestamp(ns: int) -> str:
    """Write nanoseconds since the epoch as UTC in ISO 8601, always with six decimals."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def _plain(value: object) -> object:
    """Turn a value into what JSON knows; all that is not known becomes its text."""
    if value is None or type(value) in _SCALARS:
        return value
    if isinstance(value, Address):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return str(value)


def _encode(_: object, __: str, line: Mapping[str, Any]) -> bytes:
    """Write one line of printable ASCII."""
    try:
        data = _encoder.encode(line)
    except UnicodeEncodeError:
        data = _encoder.encode(_encodable(line))
    if not data.isascii() or b"\x7f" in data:
        data = _NOT_PRINTABLE.sub(_escape, data.decode()).encode("ascii")
    return data + b"\n"


def _encodable(value: object) -> object:
    """Replace lone surrogates, which UTF-8 cannot write."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_encodable(key): _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_encodable(inner) for inner in value]
    return value


def _escape(match: re.Match[str]) -> str:
    """Escape a character as JSON does: beyond U+FFFF as a surrogate pair."""
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
