"""How much an event matters, what part of the node it is about, and the settings that combine both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

Level = Literal["debug", "info", "warning", "error"]
Module = Literal[
    "pull",
    "reply",
    "membership",
    "hints",
    "blacklist",
    "own",
    "listener",
    "tls",
    "store",
    "control",
    "http",
    "log",
    "process",
]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)  # the least important first
MODULES: Final[tuple[Module, ...]] = get_args(Module)


def read_levels(level: str, levels: Sequence[str]) -> dict[Module, Level]:
    """Return the level of each module: `level`, or what MODULE=LEVEL in `levels` says; raise ValueError."""
    read = dict.fromkeys(MODULES, _level(level))
    named: set[str] = set()
    for text in levels:
        name, equals, own = text.partition("=")
        if not equals:
            raise ValueError("expected MODULE=LEVEL, such as pull=warning")
        if name in named:
            raise ValueError(f"expected each module once, and {name} is named twice")
        named.add(name)
        read[_module(name)] = _level(own)
    return read


def _level(text: str) -> Level:
    for level in LEVELS:
        if level == text:
            return level
    raise ValueError(f"unknown level, expected one of {', '.join(LEVELS)}")


def _module(text: str) -> Module:
    for module in MODULES:
        if module == text:
            return module
    raise ValueError(f"unknown module, expected one of {', '.join(MODULES)}")
