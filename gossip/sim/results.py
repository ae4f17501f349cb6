"""What a run found, and what many runs of one scenario found together. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One run. `violation` is None when everything held; the run ends with the first one.

    Times are in rounds. `news` took so long until all knew, `unknown` more never did; `deaths` took each
    observer so long, `deaths_all` all of them, and `missed` were never noticed by somebody who should have.
    `rounds` is how long faults lasted: connections and bytes are of that time, of all nodes together.
    `poisoned` is the share of honest entries about others that are false, round by round from the start.
    `converged` is None when it was not required, or not reached.
    """

    seed: int
    nodes: int
    liars: int
    interval_s: float
    rounds: float
    member_hours: float
    news: tuple[float, ...]
    unknown: int
    deaths: tuple[float, ...]
    deaths_all: tuple[float, ...]
    missed: int
    wrong: int
    strikes: int
    distrusted: int
    caught: float
    connections: int
    bytes: int
    outside: int
    victim: int
    poisoned: tuple[float, ...]
    converged: float | None
    violation: str | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, quantiles (by the nearest rank) and maximum of some times, and how many there were."""

    count: int
    mean: float
    p50: float
    p99: float
    max: float


def spread_of(values: Iterable[float]) -> Spread | None:
    """Summarize times; None where there are none."""
    ranked = sorted(values)
    if not ranked:
        return None
    mean = sum(ranked) / len(ranked)
    return Spread(len(ranked), mean, quantile(ranked, 0.5), quantile(ranked, 0.99), ranked[-1])


def quantile(ranked: Sequence[float], q: float) -> float:
    """Return the q-quantile of sorted values by the nearest rank."""
    return ranked[min(len(ranked) - 1, math.ceil(q * len(ranked)) - 1)]


def pull_theory(nodes: int) -> float:
    """Return ln n + log2 ln n: the rounds that asynchronous pull from random nodes takes on average."""
    natural = math.log(max(3, nodes))
    return natural + math.log2(natural)


def contact_bound(nodes: int) -> float:
    """Return log3 n: what one two-way contact a round, all at the same time, cannot beat."""
    return math.log(nodes, 3)


@dataclass(frozen=True, slots=True)
class Summary:
    """Many runs of one scenario, each with a seed of its own."""

    runs: tuple[Result, ...]

    @property
    def violations(self) -> list[Result]:
        """The runs in which something did not hold."""
        return [run for run in self.runs if run.violation is not None]

    @property
    def news(self) -> Spread | None:
        return spread_of(took for run in self.runs for took in run.news)

    @property
    def unknown(self) -> int:
        return sum(run.unknown for run in self.runs)

    @property
    def deaths(self) -> Spread | None:
        return spread_of(took for run in self.runs for took in run.deaths)

    @property
    def deaths_all(self) -> Spread | None:
        return spread_of(took for run in self.runs for took in run.deaths_all)

    @property
    def converged(self) -> Spread | None:
        return spread_of(run.converged for run in self.runs if run.converged is not None)

    @property
    def wrong(self) -> int:
        return sum(run.wrong for run in self.runs)

    @property
    def wrong_rate(self) -> float:
        """Wrong blacklistings an hour and member, all observers counted."""
        hours = sum(run.member_hours for run in self.runs)
        return self.wrong / hours if hours else 0.0

    @property
    def node_rounds(self) -> float:
        return sum(run.nodes * run.rounds for run in self.runs) or 1.0

    @property
    def connections(self) -> float:
        """Pulls a node and round."""
        return sum(run.connections for run in self.runs) / self.node_rounds

    @property
    def bytes(self) -> float:
        """Bytes read a node and round."""
        return sum(run.bytes for run in self.runs) / self.node_rounds

    @property
    def poisoned(self) -> list[float]:
        """The mean poisoned share, round by round, of the runs that lasted so long."""
        length = max((len(run.poisoned) for run in self.runs), default=0)
        rounds = ([run.poisoned[at] for run in self.runs if at < len(run.poisoned)] for at in range(length))
        return [sum(shares) / len(shares) for shares in rounds]


def as_json(summary: Summary) -> dict[str, object]:
    """Return a summary as what JSON can hold; the same runs give the same bytes on every machine."""
    first = summary.runs[0]
    return {
        "nodes": first.nodes,
        "liars": first.liars,
        "interval_s": first.interval_s,
        "trials": len(summary.runs),
        "news_rounds": _spread(summary.news),
        "news_unknown": summary.unknown,
        "theory_rounds": {
            "pull": _rounded(pull_theory(first.nodes)),
            "contact_bound": _rounded(contact_bound(first.nodes)),
        },
        "death_rounds": _spread(summary.deaths),
        "death_rounds_until_all": _spread(summary.deaths_all),
        "deaths_missed": sum(run.missed for run in summary.runs),
        "wrong_blacklistings": summary.wrong,
        "wrong_blacklistings_per_member_hour": _rounded(summary.wrong_rate),
        "honest_strikes": sum(run.strikes for run in summary.runs),
        "honest_distrusted": sum(run.distrusted for run in summary.runs),
        "liars_blacklisted_share": _rounded(sum(run.caught for run in summary.runs) / len(summary.runs)),
        "pulls_per_node_round": _rounded(summary.connections),
        "bytes_per_node_round": _rounded(summary.bytes),
        "pulls_outside": sum(run.outside for run in summary.runs),
        "pulls_victim": sum(run.victim for run in summary.runs),
        "poisoned_share": [_rounded(share) for share in summary.poisoned],
        "converged_rounds": _spread(summary.converged),
        "violations": [{"seed": run.seed, "what": run.violation} for run in summary.violations],
        "seeds": [run.seed for run in summary.runs],
    }


def _spread(spread: Spread | None) -> dict[str, float | int] | None:
    if spread is None:
        return None
    return {
        "count": spread.count,
        "mean": _rounded(spread.mean),
        "p50": _rounded(spread.p50),
        "p99": _rounded(spread.p99),
        "max": _rounded(spread.max),
    }


def _rounded(value: float) -> float:
    return round(value, 6)
