"""Random clusters with random settings and random faults, each from its seed: `python -m gossip.sim.swarm`.

Each seed draws a whole scenario. Whatever must hold, must hold there too; the first seed for which it does
not is printed with the command that repeats it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from random import Random
from typing import Literal

from gossip.arguments import Parser
from gossip.core.attacks import STRATEGIES
from gossip.core.settings import Settings
from gossip.sim.progress import painter
from gossip.sim.results import Result
from gossip.sim.run import run
from gossip.sim.scenario import (
    ClockJump,
    Clocks,
    Clog,
    Fault,
    Links,
    Newcomers,
    Partition,
    Scenario,
    Slow,
    Stop,
    Storm,
)

_SEEDS = 200
_ROUNDS = 20.0


def main(argv: Sequence[str]) -> int:
    """Run many seeds and return the exit status: 1 when something did not hold."""
    parser = Parser(prog="python -m gossip.sim.swarm", description="Run random scenarios, one a seed.")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the first seed (default 1)")
    parser.add_argument("--seeds", type=int, default=_SEEDS, metavar="N", help=f"how many (default {_SEEDS})")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many at once (default 1)")
    args = parser.parse_args(argv)
    for name, number in (("--seeds", args.seeds), ("--jobs", args.jobs)):
        if number < 1:
            parser.error(f"{name} is a whole number from 1 up, found {number}")
    paint = painter(args.seeds)
    wrong = blamed = 0
    with ProcessPoolExecutor(args.jobs) as pool:
        for done, found in enumerate(pool.map(run_seed, range(args.seed, args.seed + args.seeds)), 1):
            paint(min(done, args.seeds), 0.0)
            wrong += found.wrong
            if found.violation is not None:
                blamed += 1
                print(told(found), file=sys.stderr)
    print(f"{args.seeds} random clusters: {blamed} violations, {wrong} live members blacklisted")
    return 1 if blamed else 0


def told(found: Result) -> str:
    """Say what did not hold, and how to see it again."""
    command = f"python -m gossip.sim.swarm --seed {found.seed} --seeds 1"
    return f"VIOLATION with seed {found.seed}: {found.violation}\nto repeat it: {command}"


def run_seed(seed: int) -> Result:
    """Run the scenario of a seed."""
    return run(drawn(seed))


def drawn(seed: int) -> Scenario:
    """Draw a scenario from its seed: a small cluster, its settings, its network, its liars, its faults."""
    rng = Random(f"{seed} swarm")
    nodes = rng.randint(4, 24)
    lie = rng.random() < 0.5
    return Scenario(
        story=f"swarm {seed}",
        nodes=nodes,
        racks=rng.randint(1, 4),
        rounds=_ROUNDS,
        news=rng.randint(0, 8),
        news_every_rounds=rng.choice([0.1, 0.5, 2.0]),
        liars=rng.uniform(0.05, 0.5) if lie else 0.0,
        attack=rng.choice(list(STRATEGIES)),
        seed=seed,
        links=_links(rng),
        clocks=Clocks(rng.choice([0.0, 1.0, 20.0]), rng.choice([0.0, 0.0001, 0.01])),
        faults=tuple(_fault(rng, nodes) for _ in range(rng.randint(0, 4))),
        settings=_settings(rng),
    )


def _links(rng: Random) -> Links:
    return Links(
        delay=rng.choice(["uniform", "long_tail"]),
        delay_low_s=rng.choice([0.0005, 0.02]),
        delay_high_s=rng.choice([0.02, 0.2, 0.4]),  # there and back within any time-out
        loss=rng.choice([0.0, 0.05, 0.3]),
        truncated=rng.choice([0.0, 0.0, 0.2]),
        replies_lost=rng.choice([0.0, 0.3]),
        one_way=rng.choice([0.0, 0.0, 0.1]),
    )


def _fault(rng: Random, nodes: int) -> Fault:
    at_round, for_rounds = rng.uniform(0, _ROUNDS), rng.uniform(0.1, _ROUNDS)
    count = rng.randint(1, max(1, nodes // 2))
    kind = rng.choice(["stop", "partition", "slow", "clog", "storm", "clock_jump", "newcomers"])
    match kind:
        case "stop":
            hows: list[Literal["crash", "silent", "leave"]] = ["crash", "silent", "leave"]
            every_rounds, keep = rng.choice([0.0, 1.0]), rng.random() < 0.5
            # Some stay down: a few, so that there is a cluster left.
            gone = rng.random() < 0.3
            return Stop(
                at_round=at_round,
                count=1 if gone else count,
                how=rng.choice(hows),
                every_rounds=every_rounds,
                for_rounds=0.0 if gone else for_rounds,
                keep=keep,
            )
        case "partition":
            return Partition(
                at_round=at_round, count=count, for_rounds=for_rounds, one_way=rng.random() < 0.3
            )
        case "slow":
            return Slow(at_round=at_round, count=count, for_rounds=for_rounds, delay_s=rng.uniform(0.1, 4.0))
        case "clog":
            speed = rng.choice([500, 5000, 50_000])
            return Clog(at_round=at_round, count=count, for_rounds=for_rounds, bytes_per_s=speed)
        case "storm":
            return Storm(
                at_round=at_round, for_rounds=for_rounds, loss=rng.random(), truncated=rng.choice([0.0, 0.5])
            )
        case "clock_jump":
            return ClockJump(at_round=at_round, count=count, jump_s=rng.uniform(-3600, 30))
    return Newcomers(at_round=at_round, count=rng.randint(1, 3), every_rounds=rng.choice([0.0, 1.0]))


def _settings(rng: Random) -> Settings:
    """Draw settings from extremes that people choose, with waits that end while somebody still looks."""
    settings = Settings()
    gossip, attention, pull = settings.gossip, settings.attention, settings.pull
    blacklist = settings.blacklist
    return replace(
        settings,
        gossip=replace(
            gossip,
            interval_s=rng.choice([0.5, 1.0, 3.0, 10.0]),
            pokes=rng.randint(0, 4),
            max_clock_skew_s=rng.choice([30.0, 60.0, 600.0]),
        ),
        attention=replace(
            attention,
            checks_per_round=rng.randint(1, 8),
            checks_per_round_joining=rng.randint(8, 32),
            joining_rounds=rng.choice([0, 5, 40]),
            cooldown_rounds=rng.choice([0.0, 1.0, 3.0]),
            jitter_rounds=rng.choice([0.0, 0.25, 1.0]),
            candidate_retry_s=rng.choice([30.0, 120.0]),
            max_open_pulls=rng.choice([4, 64]),
            queue_max=rng.choice([64, 8192]),
            queue_max_per_source=rng.choice([16, 64]),
            distrust_s=rng.choice([60.0, 600.0]),
        ),
        blacklist=replace(
            blacklist,
            failures_to_blacklist=rng.randint(1, 6),
            strikes_to_blacklist=rng.randint(1, 4),
            blacklist_base_s=rng.choice([1.0, 10.0]),
            blacklist_max_s=rng.choice([20.0, 120.0]),
        ),
        pull=replace(
            pull,
            pull_timeout_s=rng.choice([1.0, 5.0]),
            quiet_s=rng.choice([0.1, 0.5]),
            max_lines=rng.choice([100, 1000]),
        ),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
