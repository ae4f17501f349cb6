"""A chart of a summary, drawn with matplotlib, which only `--plot` needs."""

from __future__ import annotations

from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any

from gossip.config import ConfigError
from gossip.sim.results import Summary, pull_theory

_HINT = "needs matplotlib: pip install -r requirements-plot.txt"


def draw(summary: Summary, title: str, path: Path) -> None:
    """Draw how fast news and deaths became known, and what was poisoned; ConfigError where it cannot be."""
    matplotlib = library()
    matplotlib.rcParams["svg.hashsalt"] = "gossipd"  # the same runs give the same file
    figure = import_module("matplotlib.figure").Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1)
    figure.suptitle(title, fontsize=10)
    _draw_known(above, "news known to all", [took for run in summary.runs for took in run.news])
    _draw_known(above, "a death known to a node", [took for run in summary.runs for took in run.deaths])
    theory = pull_theory(summary.runs[0].nodes)
    above.axvline(theory, linestyle=":", color="grey", label="theory of pull: ln n + log2 ln n")
    above.set(xlabel="rounds", ylabel="share", ylim=(0, 1.02), xlim=(0, None))
    above.legend(loc="lower right")
    below.plot(range(1, len(summary.poisoned) + 1), summary.poisoned, color="tab:red")
    below.set(xlabel="round of the run", ylabel="poisoned share of beliefs", ylim=(-0.02, 1.02))
    try:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--plot {path}: cannot be written ({error})") from None


def library() -> Any:
    """Return matplotlib; ConfigError says how to get it."""
    try:
        return import_module("matplotlib")
    except ModuleNotFoundError:
        raise ConfigError(f"--plot {_HINT}") from None


def _draw_known(axes: Any, label: str, times: list[float]) -> None:
    if times:
        shares = accumulate(1 / len(times) for _ in times)
        axes.step(sorted(times), list(shares), where="post", label=label)
