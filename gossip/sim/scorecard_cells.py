"""What the scorecard makes of its runs: a cell for each attack, share of liars and trust mode. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gossip.sim.results import Result, quantile

NEWS_AT, NEWS_MOST = 0.3, 1.3  # the share of liars and the multiple of the target


@dataclass(frozen=True, slots=True)
class Cell:
    """What some runs of one attack found together. `share` is 0, and `attack` empty, for the attack-free one.

    `poisoned` and `poisoned_last` are shares of honest entries about others: the worst of any round, and
    that of the last (mean of the runs). Times are in rounds; `..._x` are multiples of the attack-free
    cell, None where that has nothing to compare with, and infinite where the news did not arrive.
    `victim` is pulls of the victim by each node in an hour or a part of one, of the worst run. `wrong`,
    `strikes` and `distrusted` happened to honest nodes, in all runs together; `caught` is the share of all
    pairs of an honest node and a liar in which the liar was blacklisted once.
    """

    attack: str
    share: float
    trust: str
    trials: int
    poisoned: float
    poisoned_last: float
    news_mean: float
    news_p99: float
    news_mean_x: float | None
    news_p99_x: float | None
    news: int
    unknown: int
    wrong: int
    victim: float
    strikes: int
    distrusted: int
    caught: float
    pulls: float
    pulls_x: float | None
    violations: tuple[tuple[int, str], ...]

    @property
    def breaks(self) -> bool:
        """Whether something did not hold that must: poison in `verify`, or any violation."""
        return bool(self.violations) or (self.trust == "verify" and self.poisoned > 0)


def cell_of(attack: str, share: float, trust: str, runs: Sequence[Result], calm: Sequence[Result]) -> Cell:
    """Sum up the runs of a cell; `calm` are the attack-free ones of the same seeds."""
    mean, p99 = _times(runs)
    calm_mean, calm_p99 = _times(calm)
    return Cell(
        attack=attack,
        share=share,
        trust=trust,
        trials=len(runs),
        poisoned=max(max(run.poisoned, default=0.0) for run in runs),
        poisoned_last=sum(run.poisoned[-1] for run in runs if run.poisoned) / len(runs),
        news_mean=mean,
        news_p99=p99,
        news_mean_x=_multiple(mean, calm_mean),
        news_p99_x=_multiple(p99, calm_p99),
        news=sum(len(run.news) + run.unknown for run in runs),
        unknown=sum(run.unknown for run in runs),
        wrong=sum(run.wrong for run in runs),
        victim=max(_victim(run) for run in runs),
        strikes=sum(run.strikes for run in runs),
        distrusted=sum(run.distrusted for run in runs),
        caught=sum(run.caught for run in runs) / len(runs),
        pulls=_pulls(runs),
        pulls_x=_multiple(_pulls(runs), _pulls(calm)),
        violations=tuple((run.seed, run.violation) for run in runs if run.violation is not None),
    )


def _times(runs: Sequence[Result]) -> tuple[float, float]:
    """Return mean and p99 of the rounds that news took; what never arrived took infinitely long."""
    ranked = sorted(took for run in runs for took in run.news)
    lost = sum(run.unknown for run in runs)
    if not ranked:
        return (math.inf, math.inf) if lost else (0.0, 0.0)
    return (math.inf if lost else sum(ranked) / len(ranked)), quantile([*ranked, *[math.inf] * lost], 0.99)


def _victim(run: Result) -> float:
    honest = run.nodes - run.liars
    hours = math.ceil(run.member_hours / honest)  # a candidate that refused is tried again after an hour
    return run.victim / run.nodes / max(1, hours)


def _pulls(runs: Sequence[Result]) -> float:
    return sum(run.connections for run in runs) / (sum(run.nodes * run.rounds for run in runs) or 1.0)


def _multiple(value: float, of: float) -> float | None:
    return value / of if 0 < of < math.inf else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, whether it is met, and what was found: of what does not meet it, cell by cell."""

    target: str
    met: bool
    found: str


def verdicts(cells: Sequence[Cell]) -> list[Verdict]:
    """Hold the cells of `verify` against the targets."""
    verify = [cell for cell in cells if cell.trust == "verify"]
    at_share = [cell for cell in verify if cell.share == NEWS_AT]
    slander = [cell for cell in verify if cell.attack == "slander"]
    told: list[tuple[str, list[Cell], Callable[[Cell], float], float, str]] = [
        ("0 % poisoned, every attack and share", verify, lambda cell: cell.poisoned, 0.0, ".2%"),
        *(
            (f"honest news at {NEWS_AT:.0%}, {name}: <= {NEWS_MOST} x", at_share, figure, NEWS_MOST, ".2f")
            for name, figure in (("mean", _mean_x), ("p99", _p99_x))
        ),
        ("no live honest node blacklisted by slander", slander, lambda cell: cell.wrong, 0, "d"),
        ("a victim: <= 1 connection a node and hour", verify, lambda cell: cell.victim, 1.0, ".2f"),
    ]
    return [_verdict(*one) for one in told if one[1]]


def _mean_x(cell: Cell) -> float:
    return cell.news_mean_x or 0.0


def _p99_x(cell: Cell) -> float:
    return cell.news_p99_x or 0.0


def _verdict(
    target: str, cells: Sequence[Cell], figure: Callable[[Cell], float], most: float, form: str
) -> Verdict:
    over = [cell for cell in cells if figure(cell) > most]
    if not over:
        return Verdict(target, True, f"at most {max(map(figure, cells)):{form}}")
    over.sort(key=figure, reverse=True)
    named = (f"{cell.attack or 'no attack'} at {cell.share:.0%} {figure(cell):{form}}" for cell in over)
    return Verdict(target, False, f"{', '.join(named)}; the other {len(cells) - len(over)} cells meet it")
