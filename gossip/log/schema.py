"""The JSON Schema of the log's lines, from the types of the events' fields: one definition an event.

A type that is not known here is an error: what the log renders as it likes, nobody can rely on.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from gossip.core.address import Address
from gossip.core.events import Event
from gossip.core.levels import LEVELS
from gossip.log.catalogue import CATALOGUE, Kind
from gossip.log.facts import EventsDropped
from gossip.log.meanings import COMMON, meaning_of, unit_of

Schema = dict[str, Any]

_SIMPLE: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_SHARED: Mapping[str, Schema] = {
    "address": {"type": "string", "pattern": r"^([0-9.]+|\[[0-9a-f:]+\]):[1-9][0-9]{0,4}$"},
    "ts": {
        "type": "string",
        "format": "date-time",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$",
    },
    "level": {"enum": list(LEVELS)},
    "node": {"type": "string"},
    "id": {"type": "string", "pattern": "/[0-9a-f]+/[1-9][0-9]*$"},
    "repeated": {"type": "integer", "minimum": 1},
}


def schema() -> Schema:
    """Return the schema of a line."""
    shared = {
        name: {**shape, **({"description": COMMON[name]} if name in COMMON else {})}
        for name, shape in _SHARED.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of gossipd's log",
        "oneOf": [_ref(name) for name in CATALOGUE],
        "$defs": shared | {name: schema_of(kind) for name, kind in CATALOGUE.items()},
    }


def schema_of(kind: Kind) -> Schema:
    """Return the schema of the lines of one kind of events."""
    required = ["ts", "level", "event", "node", "id"]
    if kind.event is EventsDropped:
        required.remove("node")
    properties: Schema = {
        "ts": _ref("ts"),
        "level": {"const": kind.level},
        "event": {"const": kind.name},
        "node": _ref("node"),
        "id": _ref("id"),
    }
    for name, hint, is_optional in fields_of(kind.event):
        unit = f" ({unit_of(name)})" if unit_of(name) else ""
        described = {"description": f"{meaning_of(kind.name, name)}{unit}"}
        properties[name] = _shape(hint, f"{kind.event.__name__}.{name}") | described
        required += [] if is_optional else [name]
    if kind.key is not None:
        properties["repeated"] = _ref("repeated")
    return {
        "description": inspect.cleandoc(kind.event.__doc__ or ""),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def fields_of(event: type[Event]) -> list[tuple[str, Any, bool]]:
    """Return the name and type of each field, and whether it may be left out."""
    hints = get_type_hints(event)
    fields = []
    for name in (field.name for field in dataclasses.fields(event)):
        hint, is_optional = hints[name], False
        if get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint):
            (hint,) = [part for part in get_args(hint) if part is not NoneType]
            is_optional = True
        fields.append((name, hint, is_optional))
    return fields


def _shape(hint: Any, where: str) -> Schema:
    if hint in _SIMPLE:
        return {"type": _SIMPLE[hint]}
    if hint is Address:
        return _ref("address")
    if hint is object:  # a setting's value
        return {"type": [*_SIMPLE.values(), "array"]}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": _shape(get_args(hint)[0], where)}
    choices = choices_of(hint)
    if choices:
        return {"enum": choices}
    if get_origin(hint) is dict:
        names, values = get_args(hint)
        return {
            "type": "object",
            "propertyNames": _shape(names, where),
            "additionalProperties": _shape(values, where),
        }
    raise TypeError(f"{where}: {hint} is no type of a field; choose a scalar, a closed set, or an Address")


def choices_of(hint: Any) -> list[str]:
    """Return what a closed set of texts consists of; nothing for any other type."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [str(one) for one in hint] if isinstance(hint, type) and issubclass(hint, StrEnum) else []


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
