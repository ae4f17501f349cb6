"""The figures that the protocol is held to: `python -m gossip.sim.figures` prints them, at full size.

News: in how many rounds a change of one node's state is known to all of 1,000. Deaths: in how many rounds all
live nodes of 100 have blacklisted a dead one, while 5 % of all connections fail, and how often a live one is
blacklisted. The theory beside them is told in `results.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from gossip.core.settings import Settings
from gossip.sim.results import Result, Spread, contact_bound, pull_theory, spread_of
from gossip.sim.run import run
from gossip.sim.scenario import Links, Scenario, Stop

_LOSS = Links(loss=0.05)


def news(trust: Literal["verify", "hearsay"], nodes: int, changes: int, seed: int) -> tuple[Spread, str]:
    """Measure the spread of news, and say it in one line."""
    settings = Settings()
    settings = replace(settings, gossip=replace(settings.gossip, trust=trust))
    every_rounds = 0.5
    found = run(
        Scenario(
            nodes=nodes,
            news=changes,
            news_every_rounds=every_rounds,
            rounds=changes * every_rounds,
            seed=seed,
            settings=settings,
        )
    )
    _check(found)
    spread = spread_of(found.news)
    assert spread is not None and not found.unknown
    line = (
        f"news, {trust:7}: {nodes} nodes, {changes} changes: rounds until all know: "
        f"p50 {spread.p50:.1f}, p99 {spread.p99:.1f}; "
        f"{found.connections / nodes / found.rounds:.2f} connections a node and round "
        f"(theory: pull {pull_theory(nodes):.1f} on average; log3 n is {contact_bound(nodes):.1f})"
    )
    return spread, line


def deaths(nodes: int, number: int, hours: float, seed: int, *, silent: bool = False) -> tuple[Result, str]:
    """Measure how deaths are found out with 5 % of connections failing, and say it in one line.

    The dead refuse connections, as a machine does whose process died; silent ones let callers time out.
    """
    rounds = hours * 3600 / Settings().gossip.interval_s
    every_rounds = rounds / (number + 1)
    stop = Stop(count=number, every_rounds=every_rounds, how="silent" if silent else "crash")
    found = run(Scenario(nodes=nodes, news=0, rounds=rounds, seed=seed, links=_LOSS, faults=(stop,)))
    _check(found)
    one, everybody = spread_of(found.deaths), spread_of(found.deaths_all)
    assert one is not None and everybody is not None
    line = (
        f"deaths: {nodes} nodes, {number} die and {'swallow' if silent else 'refuse'} connections, 5 % loss: "
        f"rounds until a node knows: p50 {one.p50:.1f}, p99 {one.p99:.1f}; "
        f"until all know: p50 {everybody.p50:.1f}, p99 {everybody.p99:.1f}"
    )
    return found, line


def wrong_verdicts(nodes: int, hours: float, seed: int) -> tuple[float, str]:
    """Count the live that are blacklisted with 5 % of connections failing, and say it in one line."""
    rounds = hours * 3600 / Settings().gossip.interval_s
    found = run(Scenario(nodes=nodes, news=0, rounds=rounds, seed=seed, links=_LOSS))
    _check(found)
    rate = found.wrong / found.member_hours
    line = (
        f"wrong verdicts: {nodes} nodes, {hours:g} h, 5 % loss: {found.wrong} live members blacklisted in "
        f"{found.member_hours:.0f} member-hours: {rate:.4f} an hour and member, all observers counted"
    )
    return rate, line


def _check(found: Result) -> None:
    if found.violation is not None:
        raise SystemExit(f"gossipd: seed {found.seed}: {found.violation}")


def main() -> None:
    """Print all figures at full size; this takes some minutes."""
    for trust in ("hearsay", "verify"):
        print(news(trust, 1000, 100, 1)[1], flush=True)
    print(deaths(100, 30, 1.0, 2)[1], flush=True)
    print(deaths(100, 30, 1.0, 3, silent=True)[1], flush=True)
    print(wrong_verdicts(100, 10.0, 4)[1], flush=True)


if __name__ == "__main__":
    main()
