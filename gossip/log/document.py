"""`python -m gossip.log.document`: write what is generated from the catalogue of events.

These are docs/EVENTS.md, for who reads the log, and config/events.schema.json, for what reads it.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from gossip.core.address import Address
from gossip.core.levels import Module
from gossip.log.catalogue import CATALOGUE, Kind
from gossip.log.meanings import COMMON, MODULES, meaning_of, unit_of
from gossip.log.schema import choices_of, fields_of, schema

_ROOT = Path(__file__).resolve().parents[2]
PAGE_FILE, SCHEMA_FILE = _ROOT / "docs" / "EVENTS.md", _ROOT / "config" / "events.schema.json"
_TYPES = {str: "text", int: "whole number", float: "number", bool: "true or false", Address: "`ip:port`"}
_INTRODUCTION = """\
# Events

What a node tells in its log: one JSON object a line, one line an event. `make docs` generates this page from
`gossip/log/catalogue.py`, and [config/events.schema.json](../config/events.schema.json), a JSON Schema of the
same: the tests hold every line that they make a node write against it.

## What every line has

First come these, in this order but for `repeated`, which is last; then the event's own fields. A field that
has no value is left out.
"""
_LEVELS = """\

## Levels and modules

`log.level` is the least level that is written; `log.levels` names others for single modules:

    python gossipd.py --set log.level=warning --set log.levels=membership=info,hints=debug
"""
_REPEATS = """\

## Repeats

One fault, told again and again, must not fill a disk. Events of a kind *repeat* one another when the fields
that are named with it are the same. In `log.repeat_window_s` (10 s) the first `log.repeat_burst` (5) of them
are written at once; the others are counted, and at the end of that time, or when the node stops, one line has
the last one's fields and `"repeated"`: how many it stands for. So every event is written or counted, and the
sum of `repeated` (1 where it is missing) is how many there were.

Up to `log.repeat_max_keys` (256) such groups of a kind are told apart at once; beyond it events of that kind
count as repeats whatever their fields are, for strangers choose some of these. Kinds that are the story of
the node are never held back, `pull_finished` among them: how often a node pulls, it decides itself.
"""


def page() -> str:
    """Return the page that explains every event."""
    parts = [_INTRODUCTION, *_table(("field", "meaning"), COMMON.items())]
    parts += [_LEVELS, *_table(("module", "is about", "events"), map(_module_row, MODULES)), _REPEATS]
    for module in MODULES:
        parts.append(f"## {module}\n")
        parts += [line for kind in _of(module) for line in _section(kind)]
    return "\n".join(parts).rstrip("\n") + "\n"


def schema_text() -> str:
    """Return the schema as it is in its file."""
    return json.dumps(schema(), indent=2) + "\n"


def _section(kind: Kind) -> Iterator[str]:
    yield f"### {kind.name}\n"
    yield inspect.cleandoc(kind.event.__doc__ or "") + "\n"
    same = " and ".join(f"`{name}`" for name in kind.repeats or ())
    yield f"Level {kind.level}; {f'repeats have the same {same}' if same else 'each one is written'}.\n"
    rows = [
        (
            f"`{name}`",
            _type_text(name, hint),
            meaning_of(kind.name, name) + ("; may be missing" if is_optional else ""),
        )
        for name, hint, is_optional in fields_of(kind.event)
    ]
    if rows:
        yield from _table(("field", "type", "meaning"), rows)
        yield ""


def _type_text(name: str, hint: Any) -> str:
    choices = choices_of(hint)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if hint is object:
        return "any"
    if get_origin(hint) is tuple:
        return f"list of {_type_text('', get_args(hint)[0])}s"
    if get_origin(hint) is dict:
        names, values = get_args(hint)
        return f"object: {_type_text('', values)} by {_type_text('', names)}"
    return f"{_TYPES[hint]}, {unit_of(name)}" if unit_of(name) else _TYPES[hint]


def _module_row(module: Module) -> tuple[str, ...]:
    names = ", ".join(f"[{kind.name}](#{kind.name})" for kind in _of(module))
    return f"`{module}`", MODULES[module], names


def _of(module: Module) -> list[Kind]:
    return [kind for kind in CATALOGUE.values() if kind.module == module]


def _table(head: Sequence[str], rows: Any) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cells)} |"


def main() -> int:
    """Write both files; return the exit status."""
    PAGE_FILE.write_text(page(), "utf-8")
    SCHEMA_FILE.write_text(schema_text(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
