"""Events as JSON, one object a line: `ts`, `level`, `event`, `node`, then the event's own fields.

A line is printable ASCII whatever a peer sent, so it can neither break nor drive a terminal. Fields
that are None are left out. structlog's global configuration is not used: a demo runs many nodes in
one process.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import structlog

from gossip.core.address import Address
from gossip.core.events import Event, Level
from gossip.core.settings import LogSettings
from gossip.log.writer import LineSink, Writer

LEVELS = ("debug", "info", "warning", "error")

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SCALARS = frozenset({str, int, float, bool})
_encoder = msgspec.json.Encoder()


class EventLog:
    """Renders events at or above a level for a writer; without a writer it does nothing."""

    def __init__(self, writer: LineSink | None, level: str) -> None:
        """Take over the writer's report of drops; raise ValueError for an unknown level."""
        self._writer = writer
        self._nodes: dict[str, NodeLog] = {}
        self._enabled = self._from(level)
        self._logger = structlog.wrap_logger(
            _Sink(writer),
            processors=[_plain_fields, _encode],
            wrapper_class=structlog.make_filtering_bound_logger(LEVELS[0]),  # NodeLog looks at the level
            context_class=dict,
        )
        if writer is not None:
            writer.render_dropped = self._render_dropped

    def bind(self, node: str) -> NodeLog:
        """Return the log of one node, named by its own address."""
        if node not in self._nodes:
            self._nodes[node] = NodeLog(self._logger.bind(node=node), self._enabled)
        return self._nodes[node]

    def use(self, settings: LogSettings) -> None:
        """Log from another level on, with another buffer; the destination stays."""
        self._enabled = self._from(settings.level)
        for log in self._nodes.values():
            log.enabled = self._enabled
        if isinstance(self._writer, Writer):
            self._writer.max_events = settings.buffer_max_events

    def _from(self, level: str) -> frozenset[str]:
        lowest = LEVELS.index(level)
        return frozenset(LEVELS[lowest:] if self._writer is not None else ())

    def _render_dropped(self, count: int) -> bytes:
        """Render the report of drops; it names the node only if there is but one to name."""
        node = next(iter(self._nodes)) if len(self._nodes) == 1 else None
        fields = {"node": node, "event": "events_dropped", "count": count}
        return _encode(None, "warning", _plain_fields(None, "warning", fields))


class NodeLog:
    """The log of one node."""

    def __init__(self, logger: structlog.typing.FilteringBoundLogger, enabled: frozenset[str]) -> None:
        self.enabled = enabled
        self._methods = {level: getattr(logger, level) for level in LEVELS}

    def emit(self, event: Event) -> None:
        """Log a fact of the core, under its class's name and level."""
        if event.level in self.enabled:
            kind: type = type(event)  # mypy mistakes the hash of a dataclass for that of its class
            name, fields = _schema(kind)
            self._methods[event.level](name, **{field: getattr(event, field) for field in fields})

    def fact(self, name: str, /, level: Level = "info", **fields: object) -> None:
        """Log a fact of the daemon itself; `name` is in snake_case and the past tense."""
        if level in self.enabled:
            self._methods[level](name, **fields)


class _Sink:
    """What structlog hands finished lines to: one method a level, all the same."""

    def __init__(self, writer: LineSink | None) -> None:
        self.debug = self.info = self.warning = self.error = writer.write if writer else _ignore


def _ignore(line: bytes) -> None:
    """Drop a line."""


@cache
def _schema(kind: type) -> tuple[str, tuple[str, ...]]:
    name = _WORD_START.sub("_", kind.__name__).lower()
    return name, tuple(field.name for field in dataclasses.fields(kind))


def _plain_fields(_: object, level: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Put the common keys first, leave None out, and write addresses as text."""
    line = {"ts": timestamp(time.time_ns()), "level": level, "event": fields.pop("event")}
    for key, value in fields.items():
        if value is not None:
            line[key] = value if type(value) in _SCALARS else _plain(value)
    return line


def timestamp(ns: int) -> str:
    """Write nanoseconds since the epoch as UTC in ISO 8601, always with six decimals."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


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
