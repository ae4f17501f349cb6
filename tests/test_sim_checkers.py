"""The simulator's checkers catch broken nodes, and its meters count what happened."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from gossip.core.address import Address
from gossip.core.beliefs import Beliefs
from gossip.core.entry import Entry
from gossip.core.events import Event
from gossip.core.instant import Instant
from gossip.core.settings import Settings
from gossip.core.table import Table
from gossip.sim import swarm
from gossip.sim.checkers import Truth
from gossip.sim.cli import main
from gossip.sim.results import Result, Summary, as_json, pull_theory, spread_of
from gossip.sim.run import run
from gossip.sim.scenario import ClockJump, Links, Newcomers, Partition, Scenario, Stop

FORGING = Scenario(nodes=20, liars=0.3, attack="forge", rounds=12, news=2, seed=5)


def trusting(trust: Literal["verify", "hearsay"]) -> Settings:
    return replace(Settings(), gossip=replace(Settings().gossip, trust=trust))


def believe_hearsay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the core: merge what peers say of members, in `verify` too."""

    def hear(
        self: Beliefs, entry: Entry, source: Address, now: Instant, *, in_reply: bool = False
    ) -> list[Event]:
        member = self.table.get(entry.address)
        if member is None or not entry.beats(member.entry):
            return []
        return self._replace(member, entry, str(source), now)

    monkeypatch.setattr(Beliefs, "hear", hear)


def test_a_node_that_believes_liars_is_caught(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(FORGING).violation is None
    believe_hearsay(monkeypatch)
    words = ["--nodes", "20", "--liars", "0.3", "--attack", "forge", "--seed", "5", "--trials=9", "--json"]
    assert main(words) == 1
    out, error = capsys.readouterr()
    assert "never said" in out
    again = "--nodes 20 --liars 0.3 --attack forge --seed 5"
    assert error == f"to repeat it: python gossipd.py sim {again}\n"
    assert main(again.split()) == 1
    assert "VIOLATION with seed 5" in capsys.readouterr().out


def test_a_belief_that_no_event_told_of_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def hear(self: Beliefs, entry: Entry, *_: object, in_reply: bool = False) -> list[Event]:
        member = self.table.get(entry.address)
        if member is not None and entry.beats(member.entry):
            self.table.put(entry, "", 0.0)
        return []

    monkeypatch.setattr(Beliefs, "hear", hear)
    assert "never said" in (run(FORGING).violation or "")


def test_an_own_timestamp_that_goes_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    set_own = Table.set_own
    monkeypatch.setattr(
        Table, "set_own", lambda self, entry: set_own(self, entry._replace(timestamp=1_600_000_000))
    )
    assert "stamped itself 1600000000 after" in (run(replace(FORGING, liars=0.0)).violation or "")


def test_too_many_checks_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gossip.core.pulls.Pulls.pokes_left", lambda self: 9)
    assert "pulls (poke) in a round, of 4 allowed" in (run(replace(FORGING, liars=0.0)).violation or "")


def test_nodes_that_never_forgive_do_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Beliefs, "retry_due", lambda self, now: None)
    cut = Partition(count=5, for_rounds=60)
    scenario = Scenario(nodes=10, rounds=70, news=0, faults=(cut,), converge_rounds=30)
    found = run(scenario)
    assert "no agreement 30 rounds after the last fault" in (found.violation or "")
    monkeypatch.undo()
    assert run(replace(scenario, converge_rounds=0)).violation is None


def test_the_truth_is_what_was_said_where_somebody_listens() -> None:
    one, liar, nobody = Address("10.0.0.1", 1), Address("10.0.0.2", 1), Address("10.0.0.3", 1)
    truth = Truth({liar})
    truth.hear(Entry(one, 5, 1))
    truth.hear(Entry(liar, 5, 1))
    assert not truth.is_false(Entry(one, 5, 1))
    assert truth.is_false(Entry(one, 5, 2))
    assert not truth.is_false(Entry(liar, 9, 9))
    assert truth.is_false(Entry(nobody, 5, 1))
    truth.listens([nobody])
    assert not truth.is_false(Entry(nobody, 5, 1))


def test_hearsay_among_liars_is_poisoned_and_verify_is_not() -> None:
    poisoned = run(replace(FORGING, settings=trusting("hearsay")))
    assert poisoned.violation is None
    assert max(poisoned.poisoned) > 0.2
    assert max(run(FORGING).poisoned) == 0


def test_liars_are_honest_until_all_know_them() -> None:
    found = run(replace(FORGING, settings=trusting("hearsay"), warm_up_rounds=5))
    assert found.poisoned[:5] == (0.0,) * 5


def test_a_death_is_timed_by_each_and_by_all() -> None:
    found = run(Scenario(nodes=15, news=0, rounds=40, faults=(Stop(count=2),)))
    assert found.violation is None
    assert (len(found.deaths), len(found.deaths_all), found.missed) == (26, 2, 0)
    assert max(found.deaths) == max(found.deaths_all)
    assert found.wrong == 0


def test_who_loses_most_connections_wrongs_others_and_a_partition_does_not() -> None:
    hasty = replace(Settings(), blacklist=replace(Settings().blacklist, failures_to_blacklist=1))
    lossy = Scenario(nodes=15, news=0, rounds=30, settings=hasty, links=Links(loss=0.2))
    assert run(lossy).wrong > 20
    parted = replace(lossy, links=Links(), faults=(Partition(count=5, for_rounds=20),))
    assert run(parted).wrong == 0


def test_newcomers_and_clocks_set_back_break_nothing() -> None:
    faults = (ClockJump(count=3, jump_s=-600), Newcomers(at_round=1, count=3, every_rounds=1))
    found = run(Scenario(nodes=12, rounds=15, faults=(*faults, Stop(at_round=8, count=6, for_rounds=2))))
    assert found.violation is None
    assert found.unknown == 0


def test_a_spread_is_by_the_nearest_rank() -> None:
    spread = spread_of(range(1, 101))
    assert spread is not None
    assert (spread.count, spread.mean, spread.p50, spread.p99, spread.max) == (100, 50.5, 50, 99, 100)
    assert spread_of([]) is None
    assert pull_theory(1000) == pytest.approx(9.696, abs=0.001)


def test_a_summary_counts_all_runs() -> None:
    runs: tuple[Result, ...] = tuple(run(Scenario(nodes=8, rounds=5, news=2, seed=seed)) for seed in (1, 2))
    told = as_json(Summary(runs))
    assert told["trials"] == 2
    assert told["seeds"] == [1, 2]
    assert told["news_rounds"] == as_json(Summary(runs[::-1]))["news_rounds"]
    assert told["pulls_per_node_round"] == round(sum(each.connections for each in runs) / 2 / 8 / 5, 6)


@pytest.mark.parametrize("seed", range(1, 7))
def test_random_clusters_hold(seed: int) -> None:
    found = swarm.run_seed(seed)
    assert found.violation is None, swarm.told(found)


def test_a_swarm_says_how_to_repeat_what_did_not_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    believe_hearsay(monkeypatch)
    seeds = (seed for seed in range(1, 60) if swarm.drawn(seed).attack == "forge" and swarm.drawn(seed).liars)
    seed = next(seeds)
    found = swarm.run_seed(seed)
    assert found.violation is not None
    assert f"python -m gossip.sim.swarm --seed {seed} --seeds 1" in swarm.told(found)
