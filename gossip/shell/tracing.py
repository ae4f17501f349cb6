"""The events about one address, as lines: what `trace` shows. Whoever shows them says what time it is."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.text import snake_case
from gossip.shell import data, render

_ABOUT_ITSELF = (ev.OwnStateSet, ev.OwnEntryRefuted, ev.AdversarySet)  # they name no address
_NAME_WIDTH = 18

# How a field is told where "name value" would not do.
_TOLD: Mapping[str, Callable[[object], str]] = {
    "bytes": lambda value: f"{value} bytes",
    "duration_ms": lambda value: f"{value} ms",
    "end": lambda value: f"ended by {str(value).replace('_', ' ')}",
    "failures": lambda value: f"failures in a row: {value}",
    "lines": lambda value: f"{value} lines",
    "member": lambda value: f"about {value}",
    "previous": lambda value: f"before {value}",
    "purpose": lambda value: f"for {value}",
    "reason": str,
    "rejected": lambda value: f"rejected {_counts(value)}",
    "sample": lambda value: f'such as "{value}"',
    "source": lambda value: f"from {value}",
    "taken": lambda value: f"{value} taken",
    "timestamp": lambda value: f"of {value}",
}


class Tracer:
    """Tells the events about an address, at the node with the address `own`; as JSON where `json`."""

    def __init__(self, address: Address, own: Address, *, json: bool = False) -> None:
        self._address = address
        self._own = own
        self._json = json

    def line(self, event: ev.Event, wall: float) -> str | None:
        """Return the line of an event at `wall` (Unix seconds), or None for one about others."""
        if not concerns(event, self._address, self._own):
            return None
        return json_line(event, wall, self._own) if self._json else told(event, self._address, wall)


def concerns(event: ev.Event, address: Address, own: Address) -> bool:
    """Tell whether an event is about an address, or came from it; `own` is the node's."""
    if address == own and isinstance(event, _ABOUT_ITSELF):
        return True
    return any(value in (address, str(address)) for value in _fields(event).values())


def told(event: ev.Event, address: Address, wall: float) -> str:
    """Render an event about an address: the time of day, what happened, and details."""
    details = (_detail(field, value, address) for field, value in _fields(event).items())
    shown = ", ".join(detail for detail in details if detail)
    clock = time.strftime("%H:%M:%S", time.localtime(wall))
    return f"{clock}  {name(event).replace('_', ' '):{_NAME_WIDTH}}  {shown}".rstrip()


def json_line(event: ev.Event, wall: float, own: Address) -> str:
    """Render an event as the log has it: one JSON object; what is None is left out."""
    fields = {key: _plain(value) for key, value in _fields(event).items() if value is not None}
    at = f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    return data.line({"ts": at, "level": event.level, "event": name(event), "node": str(own), **fields})


def name(event: ev.Event) -> str:
    """Return an event's name in the log."""
    return snake_case(type(event).__name__)


def _fields(event: ev.Event) -> dict[str, object]:
    kind: type = type(event)  # mypy mistakes the hash of a dataclass for that of its class
    return {field: getattr(event, field) for field in _names(kind)}


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, Address):
        return [_plain(inner) for inner in value]
    return value if type(value) in (str, int, float, bool) else str(value)


def _detail(field: str, value: object, address: Address) -> str:
    """Render a field; nothing for one that is empty, or that is the address whose trace it is."""
    if value in (None, "") or value is False or value == {}:
        return ""
    if value in (address, str(address)):
        return "it said so" if field == "source" else ""
    if field.endswith("_s") and isinstance(value, int | float):
        return f"{field[:-2].replace('_', ' ')} {render.duration(value)}"
    if value is True:
        return field.replace("_", " ")
    return render.shown(_TOLD[field](value) if field in _TOLD else f"{field.replace('_', ' ')} {value}")


def _counts(value: object) -> str:
    counted = value.items() if isinstance(value, Mapping) else ()
    return " ".join(f"{reason} {number}" for reason, number in counted)
