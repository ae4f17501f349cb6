"""`python gossipd.py sim --scorecard`: every attack, at several shares of liars, in both trust modes.

Each cell is a few runs, one seed each, of a cluster that differs from the attack-free one of the same seed
only in its liars. What is lost is shown as plainly as what is won.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from gossip.arguments import Parser
from gossip.config import ConfigError
from gossip.config.text import any_of, shown
from gossip.core.attacks import STRATEGIES
from gossip.marked import has_marks, put
from gossip.sim import scorecard_text as text
from gossip.sim.progress import painter
from gossip.sim.results import Result
from gossip.sim.run import run
from gossip.sim.scenario import NODES_MAX, Scenario
from gossip.sim.scorecard_cells import Cell, cell_of

Trust = Literal["verify", "hearsay"]
SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.5)
TRUSTS: Final[tuple[Trust, ...]] = ("verify", "hearsay")
ROUNDS, NEWS = 30.0, 10
BEGIN, END = "<!-- scorecard -->", "<!-- end of scorecard -->"
_NODES, _TRIALS = 100, 1
_SLOW_FIRST = ("endless", "flood", "sybil", "sybil_listening")  # so that no core waits for them at the end
Column = tuple[str, float, Trust]  # attack ("" for none), share of liars, trust


def main(argv: Sequence[str]) -> int:
    """Play what the arguments ask for; return 1 when in `verify` something that must hold did not."""
    args = _parser().parse_args(argv)
    attacks = _attacks(args.attack)
    for name, number, least, most in (
        ("--nodes", args.nodes, 2, NODES_MAX),
        ("--trials", args.trials, 1, 1_000_000),
        ("--jobs", args.jobs, 1, 1024),
        ("--seed", args.seed, 0, 2**63 - 1 - args.trials),
    ):
        if not least <= number <= most:
            raise ConfigError(f"{name} {number}: expected a whole number from {least} to {most}")
    if args.write is not None and not has_marks(args.write, BEGIN, END):
        raise ConfigError(
            f"--write {shown(str(args.write))}: expected a file with a line {BEGIN}, then {END}"
        )
    cells = play(attacks, args.nodes, range(args.seed, args.seed + args.trials), args.jobs)
    command = f"python gossipd.py sim --scorecard{_repeat(args, attacks)}"
    if args.json:
        print(json.dumps(text.as_json(cells), indent=1))
    else:
        print(command, *text.as_lines(cells), sep="\n")
    if args.write is not None:
        put(args.write, BEGIN, END, text.as_markdown(cells, command))
    return 1 if any(cell.breaks for cell in cells) else 0


def play(attacks: Sequence[str], nodes: int, seeds: Sequence[int], jobs: int) -> list[Cell]:
    """Run all cells, `jobs` at once, and return them in the order of the table, whatever `jobs` is."""
    columns = list(columns_of(attacks))
    tasks = [(column, seed) for column in columns for seed in seeds]
    tasks.sort(key=lambda task: (task[0][0] not in _SLOW_FIRST, -task[0][1]))
    paint = painter(len(tasks))
    runs: dict[Column, list[Result]] = {column: [] for column in columns}
    scenarios = (scenario_of(column, nodes, seed) for column, seed in tasks)
    with ProcessPoolExecutor(jobs) as pool:
        for done, ((column, _), found) in enumerate(zip(tasks, pool.map(run, scenarios), strict=True), 1):
            runs[column].append(found)
            paint(done, 0.0)
    calm = {trust: tuple(runs["", 0.0, trust]) for trust in TRUSTS}
    return [
        cell_of(attack, share, trust, tuple(runs[attack, share, trust]), calm[trust])
        for attack, share, trust in columns
    ]


def columns_of(attacks: Sequence[str]) -> Iterator[Column]:
    """Yield what is to be played; the attack-free one, against which the others are held, is first."""
    for trust in TRUSTS:
        yield "", 0.0, trust
        for attack in attacks:
            for share in SHARES:
                yield attack, share, trust


def scenario_of(column: Column, nodes: int, seed: int) -> Scenario:
    """Return what is run for one column with one seed."""
    attack, share, trust = column
    scenario = Scenario(nodes=nodes, rounds=ROUNDS, news=NEWS, liars=share, seed=seed)
    gossip = replace(scenario.settings.gossip, trust=trust)
    settings = replace(scenario.settings, gossip=gossip)
    return replace(scenario, attack=attack or scenario.attack, settings=settings)


def _attacks(given: Sequence[str]) -> list[str]:
    names = [name for text in given for name in text.split(",")]
    for name in names:
        if name not in STRATEGIES:
            raise ConfigError(f"--attack {shown(name)}: expected {any_of(STRATEGIES)}")
    return [name for name in STRATEGIES if not names or name in names]


def _repeat(args: argparse.Namespace, attacks: Sequence[str]) -> str:
    words = f" --attack {','.join(attacks)}" if len(attacks) < len(STRATEGIES) else ""
    return f"{words} --nodes {args.nodes} --trials {args.trials} --seed {args.seed}"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="gossipd.py sim --scorecard",
        description="Play every attack at 0, 5, 10, 20, 30 and 50 % liars, in both trust modes.",
        epilog="Exit status: 0 fine, 1 something that must hold in verify did not, 2 wrong arguments.",
        allow_abbrev=False,
    )
    jobs = os.cpu_count() or 1
    parser.add_argument("--scorecard", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--attack", metavar="NAME,...", action="append", default=[], help="these only; repeatable"
    )
    for name, default, what in (
        ("--nodes", _NODES, "how many nodes"),
        ("--trials", _TRIALS, "how many runs a cell, each its own seed"),
        ("--seed", 1, "the first seed"),
        ("--jobs", jobs, "how many runs at once; the result does not depend on it"),
    ):
        parser.add_argument(name, metavar="N", type=int, default=default, help=f"{what} (default {default})")
    parser.add_argument("--json", action="store_true", help="all cells as one JSON object")
    parser.add_argument(
        "--write", metavar="FILE", type=Path, help=f"put the table into a file, after {BEGIN}"
    )
    return parser
