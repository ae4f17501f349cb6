"""A summary as a table to read. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gossip.sim.results import Spread, Summary, contact_bound, pull_theory
from gossip.sim.scenario import Scenario

_BARS = "▁▂▃▄▅▆▇█"
_BARS_MAX = 60


def as_lines(summary: Summary, scenario: Scenario) -> list[str]:
    """Return the table, line by line."""
    runs, first = summary.runs, summary.runs[0]
    lines = [*([scenario.story] if scenario.story else []), _setting(summary, scenario), ""]
    lines += _times(summary)
    lines.append(
        f"{'theory: news, rounds':26}{pull_theory(first.nodes):8.1f} = ln n + log2 ln n, asynchronous pull; "
        f"at best {contact_bound(first.nodes):.1f} = log3 n"
    )
    lines.append("")
    if summary.unknown:
        lines.append(f"{'news lost':26}{summary.unknown} of {_items(summary)}")
    missed = sum(run.missed for run in runs)
    if missed:
        lines.append(f"{'deaths not found out':26}{missed} times, of all pairs of the dead and the living")
    lines += [
        f"{'poisoned':26}{_poison(summary.poisoned)}",
        f"{'wrongly blacklisted':26}{summary.wrong} live ones: {summary.wrong_rate:.3g} an hour and member",
        f"{'honest ones punished':26}{sum(run.strikes for run in runs)} strikes, "
        f"{sum(run.distrusted for run in runs)} times distrusted",
    ]
    if first.liars:
        caught = sum(run.caught for run in runs) / len(runs)
        lines.append(f"{'liars blacklisted':26}{caught:.1%} of all pairs of an honest node and a liar")
    lines.append(
        f"{'a node and round':26}{summary.connections:.2f} pulls, {_bytes(summary.bytes)} read "
        "(while faults last)"
    )
    outside, victim = sum(run.outside for run in runs), sum(run.victim for run in runs)
    if outside:
        lines.append(f"{'pulls where nobody is':26}{outside:,}, of these {victim:,} of {scenario.victim}")
    return [*lines, "", *_verdict(summary, scenario)]


def _setting(summary: Summary, scenario: Scenario) -> str:
    runs = summary.runs
    parts = [f"{scenario.nodes:,} nodes"]
    if scenario.liars_count:
        parts.append(f"{scenario.liars_count:,} of them liars ({scenario.attack})")
    if scenario.links.loss:
        parts.append(f"{scenario.links.loss:.0%} of connections lost")
    parts.append(f"trust {scenario.settings.gossip.trust}")
    parts.append(f"{scenario.rounds:g} rounds of {scenario.settings.gossip.interval_s:g} s")
    seeds = f"seeds {runs[0].seed} to {runs[-1].seed}" if len(runs) > 1 else f"seed {runs[0].seed}"
    return f"{', '.join(parts)}; {seeds}"


def _times(summary: Summary) -> list[str]:
    interval_s = summary.runs[0].interval_s
    rows: list[tuple[str, Spread | None, float]] = [
        ("news: all know, rounds", summary.news, 1.0),
        ("                seconds", summary.news, interval_s),
        ("a death: one knows, rounds", summary.deaths, 1.0),
        ("         all know, rounds", summary.deaths_all, 1.0),
        ("all agree after, rounds", summary.converged, 1.0),
    ]
    lines = [f"{'':26}{'mean':>8}{'p50':>8}{'p99':>8}{'max':>8}{'number':>9}"]
    for name, spread, unit in rows:
        if spread is not None:
            figures = (spread.mean, spread.p50, spread.p99, spread.max)
            lines.append(f"{name:26}{''.join(f'{unit * each:8.1f}' for each in figures)}{spread.count:9,}")
    return lines


def _items(summary: Summary) -> int:
    return sum(len(run.news) + run.unknown for run in summary.runs)


def _poison(shares: Sequence[float]) -> str:
    most = max(shares, default=0.0)
    if not most:
        return "nothing: no honest node believed what was never said"
    step = -(-len(shares) // _BARS_MAX)
    bars = "".join(_BARS[min(7, int(8 * max(shares[at : at + step])))] for at in range(0, len(shares), step))
    return f"{most:.1%} of beliefs at the most, {shares[-1]:.1%} at the end  {bars}"


def _bytes(size: float) -> str:
    return f"{size:,.0f} bytes" if size < 10_000 else f"{size / 1000:,.0f} kB"


def _verdict(summary: Summary, scenario: Scenario) -> list[str]:
    bad = summary.violations
    if not bad and scenario.settings.gossip.trust == "hearsay" and scenario.liars_count:
        return ["Everything that must hold, held; among liars, hearsay promises nothing of what is believed."]
    if not bad:
        return ["Everything that must hold, held."]
    return [f"VIOLATION with seed {run.seed}: {run.violation}" for run in bad]
