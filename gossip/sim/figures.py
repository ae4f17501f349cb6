"""The figures that the protocol is held to: `python -m gossip.sim.figures` prints them, at full size.

News: in how many rounds a change of one node's state is known to all of 1,000. Deaths: in how many rounds all
live nodes of 100 have blacklisted a dead one, while 5 % of all connections fail, and how often a live one is
blacklisted. The theory beside them: asynchronous uniform pull needs ln n + log2 ln n rounds on
average; log3 n is what one two-way contact a round, all at the same time, cannot beat.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

from gossip.core.settings import Settings
from gossip.sim.measure import Detection, Spread, detection, quantile, spread


def news(trust: Literal["verify", "hearsay"], nodes: int, changes: int, seed: int) -> tuple[Spread, str]:
    """Measure the spread of news, and say it in one line."""
    settings = Settings()
    settings = replace(settings, gossip=replace(settings.gossip, trust=trust))
    measured = spread(settings, nodes, news=changes, every_rounds=0.5, seed=seed)
    pull = math.log(nodes) + math.log2(math.log(nodes))
    line = (
        f"news, {trust:7}: {nodes} nodes, {changes} changes: rounds until all know: "
        f"p50 {measured.quantile(0.5):.1f}, p99 {measured.quantile(0.99):.1f}; "
        f"{measured.connections_per_round:.2f} connections a node and round "
        f"(theory: pull {pull:.1f} on average; log3 n is {math.log(nodes, 3):.1f})"
    )
    return measured, line


def deaths(
    nodes: int, number: int, hours: float, seed: int, *, silent: bool = False
) -> tuple[Detection, str]:
    """Measure how deaths are found out with 5 % of connections failing, and say it in one line."""
    found = detection(Settings(), nodes, deaths=number, hours=hours, loss=0.05, seed=seed, silent=silent)
    how = "swallow connections" if silent else "refuse connections"
    line = (
        f"deaths: {nodes} nodes, {number} die and {how}, 5 % loss: rounds until a node knows: "
        f"p50 {quantile(found.rounds, 0.5):.1f}, p99 {quantile(found.rounds, 0.99):.1f}; until all know: "
        f"p50 {quantile(found.until_all, 0.5):.1f}, p99 {quantile(found.until_all, 0.99):.1f}"
    )
    return found, line


def wrong_verdicts(nodes: int, hours: float, seed: int) -> tuple[Detection, str]:
    """Count the live that are blacklisted with 5 % of connections failing, and say it in one line."""
    found = detection(Settings(), nodes, deaths=0, hours=hours, loss=0.05, seed=seed)
    rate = found.wrong / found.member_hours
    line = (
        f"wrong verdicts: {nodes} nodes, {hours:g} h, 5 % loss: {found.wrong} live members blacklisted in "
        f"{found.member_hours:g} member-hours: {rate:.4f} an hour and member, all observers counted"
    )
    return found, line


def main() -> None:
    """Print all figures at full size; this takes some minutes."""
    for trust in ("hearsay", "verify"):
        print(news(trust, 1000, 100, 1)[1], flush=True)
    print(deaths(100, 30, 1.0, 2)[1], flush=True)
    print(deaths(100, 30, 1.0, 3, silent=True)[1], flush=True)
    print(wrong_verdicts(100, 10.0, 4)[1], flush=True)


if __name__ == "__main__":
    main()
