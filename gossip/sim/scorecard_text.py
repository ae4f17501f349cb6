"""The scorecard as a table at a terminal, as Markdown and as JSON. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from gossip.sim.scorecard_cells import Cell, verdicts

_COLUMNS: Final = (
    ("attack", "attack"),
    ("liars", "liars"),
    ("runs", "runs"),
    ("poisoned", "poisoned: worst"),
    ("at end", "at the end"),
    ("news x", "news: mean"),
    ("p99 x", "news: p99"),
    ("lost", "news lost"),
    ("wrong", "wrongly blacklisted"),
    ("victim", "pulls of the victim"),
    ("strikes", "honest: strikes"),
    ("distr.", "honest: distrusted"),
    ("caught", "liars caught"),
    ("pulls x", "pulls"),
)
_TITLES: Final = {
    "verify": "trust = verify: only first-hand contact changes what is believed",
    "hearsay": "trust = hearsay: entries of known members are merged, the nearest to the seed's protocol",
}


def as_lines(cells: Sequence[Cell]) -> list[str]:
    """Return the tables of both modes, and the verdicts, line by line."""
    lines: list[str] = []
    for trust, title in _TITLES.items():
        rows = [_row(cell) for cell in cells if cell.trust == trust]
        lines += ["", title, _aligned([short for short, _ in _COLUMNS]), *map(_aligned, rows)]
    lines += ["", "targets, in verify:"]
    for one in verdicts(cells):
        lines.append(f"  {'met    ' if one.met else 'NOT MET'}  {one.target}: {one.found}")
    for cell in cells:
        lines += [
            f"VIOLATION, {cell.attack or 'no attack'} at {cell.share:.0%}, {cell.trust}, seed {seed}: {what}"
            for seed, what in cell.violations
        ]
    return lines


def as_markdown(cells: Sequence[Cell], command: str) -> str:
    """Return verdicts and tables as Markdown, below the command that repeats them."""
    lines = [f"    {command}", "", "| target in `verify` |  | found |", "| --- | --- | --- |"]
    for one in verdicts(cells):
        lines.append(f"| {one.target} | {'met' if one.met else '**not met**'} | {one.found} |")
    for trust, title in _TITLES.items():
        lines += [
            "",
            f"**{title}**",
            "",
            _piped([full for _, full in _COLUMNS]),
            _piped(["---"] * len(_COLUMNS)),
        ]
        lines += [_piped(_row(cell)) for cell in cells if cell.trust == trust]
    return "\n".join(lines)


def as_json(cells: Sequence[Cell]) -> dict[str, object]:
    """Return all of it as what JSON can hold; the same cells give the same bytes on every machine."""
    return {
        "cells": [{key: _plain(value) for key, value in asdict(cell).items()} for cell in cells],
        "targets": [asdict(one) for one in verdicts(cells)],
    }


def _plain(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _row(cell: Cell) -> list[str]:
    return [
        cell.attack or "none",
        f"{cell.share:.0%}",
        str(cell.trials),
        _share(cell.poisoned),
        _share(cell.poisoned_last),
        _times(cell.news_mean, cell.news_mean_x),
        _times(cell.news_p99, cell.news_p99_x),
        f"{cell.unknown} of {cell.news}" if cell.unknown else "0",
        str(cell.wrong),
        f"{cell.victim:.2f}" if cell.victim else "0",
        str(cell.strikes),
        str(cell.distrusted),
        _share(cell.caught),
        _times(cell.pulls, cell.pulls_x),
    ]


def _share(share: float) -> str:
    """Return a percentage that shows 0 only for nothing."""
    return "0 %" if not share else f"{100 * share:.2f} %" if share < 0.01 else f"{100 * share:.0f} %"


def _times(value: float, multiple: float | None) -> str:
    if math.isinf(value):
        return "never"
    return f"{multiple:.2f}" if multiple is not None else "-"


def _aligned(row: Sequence[str]) -> str:
    attack, liars, runs, *rest = row
    return f"{attack:16}{liars:>6}{runs:>6}" + "".join(f"{each:>10}" for each in rest)


def _piped(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"
