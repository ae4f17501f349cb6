"""What a dataclass declares of a value: how it is read, and how a message says what was expected."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from gossip.config.text import any_of
from gossip.core.settings import Range, Restart

_KIND_TEXTS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}


@dataclass(frozen=True, slots=True)
class Declared:
    """One declared value."""

    key: str
    base: Any
    reader: Any  # the type that msgspec reads, bounds included
    expected: str
    restart: Restart | None = None  # what its change needs


def declared(kind: Any, prefix: str = "", but: Container[str] = ()) -> dict[str, Declared]:
    """Return what the fields of a dataclass declare, all `but` some, by their names after a prefix."""
    hints = get_type_hints(kind, include_extras=True)
    return {prefix + name: _declared(prefix + name, hint) for name, hint in hints.items() if name not in but}


def _declared(key: str, hint: Any) -> Declared:
    """Translate a declared type with its Range into what msgspec reads and what a message says."""
    base, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    bounds = next((extra for extra in extras if isinstance(extra, Range)), None)
    restart = next((extra for extra in extras if isinstance(extra, Restart)), None)
    if bounds is None:
        return Declared(key, base, base, f"expected {_kind_text(base)}", restart)
    if base in (int, float):
        meta, of = msgspec.Meta(ge=bounds.low, le=bounds.high), "from"
    else:
        meta, of = msgspec.Meta(min_length=int(bounds.low), max_length=int(bounds.high)), "of length"
    expected = f"expected {_kind_text(base)} {of} {bounds.low:.12g} to {bounds.high:.12g}"
    return Declared(key, base, Annotated[base, meta], expected, restart)


def _kind_text(base: Any) -> str:
    if get_origin(base) is Literal:
        return any_of(get_args(base))
    if get_origin(base) is tuple:
        return "a list of texts"
    return _KIND_TEXTS[base]
