"""`python gossipd.py sim`: arguments to a scenario, its runs, and their summary.

Exit status 0: fine. 1: something that must hold did not; the command that repeats it is printed.
2: wrong arguments, settings or scenario.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gossip.arguments import Parser
from gossip.config import ConfigError
from gossip.sim import plot, progress, reading, report, results, scorecard
from gossip.sim.run import run
from gossip.sim.scenario import Links, Scenario

_TRIALS_MAX = 1_000_000
_EPILOG = """\
What is given here replaces what the scenario says; config/scenarios/ shows how to write one's own. The same
seed gives the same run. Exit status: 0 fine, 1 something that must hold did not, 2 wrong arguments."""
# An argument, what it takes, what of the scenario it replaces (of which part), and what it is.
_REPLACING: tuple[tuple[str, str, type, Any, str], ...] = (
    ("--nodes", "N", int, Scenario, "how many nodes"),
    ("--liars", "SHARE", float, Scenario, "the share of them that lies, 0 to 1, once all know all"),
    ("--attack", "NAME", str, Scenario, "how they lie"),
    ("--loss", "SHARE", float, Links, "the share of connections that fail, 0 to 1"),
    ("--rounds", "N", float, Scenario, "how many rounds the faults last"),
    ("--news", "N", int, Scenario, "how many changes of state are timed"),
    ("--seed", "N", int, Scenario, "what decides everything; of several trials, the first's"),
)


def main(argv: Sequence[str]) -> int:
    """Run what the arguments ask for and return the exit status; raise ConfigError."""
    if "--scorecard" in argv:
        return scorecard.main(argv)
    args = _parser().parse_args(argv)
    if args.list:
        width = max(map(len, reading.shipped()))
        for name, path in reading.shipped().items():
            print(f"{name:{width}}  {reading.read(path).scenario.story}")
        return 0
    scenario = _scenario(args)
    if args.plot is not None:
        plot.library()
    summary = _run(scenario, args.trials)
    if args.json:
        print(json.dumps(results.as_json(summary), indent=1))
    else:
        print(*report.as_lines(summary, scenario), sep="\n")
    if args.plot is not None:
        plot.draw(summary, scenario.story or f"{scenario.nodes} nodes", Path(args.plot))
    for bad in summary.violations:
        print(f"to repeat it: {repeat(argv, bad.seed)}", file=sys.stderr)
    return 1 if summary.violations else 0


def repeat(argv: Sequence[str], seed: int) -> str:
    """Return the command that repeats one run of what these arguments asked for."""
    kept, words = [], iter(argv)
    for word in words:
        name, equals, _ = word.partition("=")
        if name in ("--seed", "--trials", "--plot"):
            if not equals:
                next(words, None)
        elif name != "--json":
            kept.append(word)
    return shlex.join(["python", "gossipd.py", "sim", *kept, "--seed", str(seed)])


def _run(scenario: Scenario, trials: int) -> results.Summary:
    """Run a scenario with one seed after the other, up to the first violation."""
    paint = progress.painter(trials)
    runs: list[results.Result] = []
    for number in range(trials):
        seeded = replace(scenario, seed=scenario.seed + number)
        runs.append(run(seeded, lambda share: paint(len(runs), share)))
        if runs[-1].violation is not None:
            break
    paint(trials, 0.0)
    return results.Summary(tuple(runs))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="gossipd.py sim",
        description="Simulate a cluster with the code that runs in production.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("--scenario", metavar="NAME|FILE", help="what happens, see --list")
    parser.add_argument("--list", action="store_true", help="list the scenarios that come with gossipd")
    parser.add_argument(
        "--scorecard", action="store_true", help="play every attack; `sim --scorecard --help` tells how"
    )
    for name, metavar, kind, _, what in _REPLACING:
        parser.add_argument(name, metavar=metavar, type=kind, help=what)
    parser.add_argument("--trials", metavar="N", type=int, default=1, help="how many runs, each its own seed")
    parser.add_argument("--config", metavar="FILE", help="settings, instead of config/gossipd.toml")
    parser.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], help="one setting; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")
    parser.add_argument("--plot", metavar="FILE", help="draw a chart, such as out.svg (needs matplotlib)")
    return parser


def _scenario(args: argparse.Namespace) -> Scenario:
    """Return the scenario that the arguments ask for; raise ConfigError."""
    if not 1 <= args.trials <= _TRIALS_MAX:
        raise ConfigError(f"--trials {args.trials}: expected a whole number from 1 to {_TRIALS_MAX}")
    told = reading.Told(Scenario(), {})
    if args.scenario is not None:
        told = reading.read(reading.find(args.scenario))
    scenario = reading.with_settings(told, args.config, args.set)
    given: dict[Any, dict[str, Any]] = {Scenario: {}, Links: {}}
    for name, _, _, part, _ in _REPLACING:
        key = name.removeprefix("--")
        value = getattr(args, key)
        if value is not None:
            given[part][key] = reading.value_of(part, key, value, name)
    links = replace(scenario.links, **given[Links])
    scenario = replace(scenario, **given[Scenario], links=links)
    reading.check(scenario, args.scenario or "sim")
    return scenario
