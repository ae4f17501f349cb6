"""The scorecard: what cells make of runs, verdicts, tables, and that it is the same whatever the jobs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gossip import cli
from gossip.core.attacks import STRATEGIES
from gossip.marked import put
from gossip.sim import scorecard_text as text
from gossip.sim.results import Result
from gossip.sim.scorecard import BEGIN, END, SHARES, columns_of, scenario_of
from gossip.sim.scorecard_cells import Cell, cell_of, verdicts

ROOT = Path(__file__).resolve().parents[1]
ATTACKS_MD = ROOT / "docs" / "ATTACKS.md"
CALM = Result(
    seed=1,
    nodes=10,
    liars=0,
    interval_s=3.0,
    rounds=30.0,
    member_hours=10 * 100 / 3600,
    news=(2.0, 4.0),
    unknown=0,
    deaths=(),
    deaths_all=(),
    missed=0,
    wrong=0,
    strikes=0,
    distrusted=0,
    caught=0.0,
    connections=300,
    bytes=0,
    outside=0,
    victim=0,
    poisoned=(0.0, 0.0),
    converged=0.0,
)


def lied_to(**found: object) -> Result:
    return replace(CALM, **({"liars": 3, "member_hours": 7 * 100 / 3600} | found))  # type: ignore[arg-type]


def cell(*runs: Result, attack: str = "forge", share: float = 0.3, trust: str = "verify") -> Cell:
    return cell_of(attack, share, trust, runs, [CALM])


def test_a_cell_is_a_multiple_of_the_attack_free_runs() -> None:
    found = cell(lied_to(news=(3.0, 9.0), connections=900), lied_to(news=(3.0, 3.0), connections=600))
    assert (found.news_mean, found.news_p99) == (4.5, 9.0)
    assert (found.news_mean_x, found.news_p99_x) == (1.5, 2.25)
    assert (found.pulls, found.pulls_x) == (2.5, 2.5)
    assert (found.trials, found.news, found.unknown) == (2, 4, 0)


def test_the_worst_of_poison_and_of_the_victims_pulls_counts_and_harm_adds_up() -> None:
    one = lied_to(poisoned=(0.0, 0.4, 0.1), victim=10, wrong=1, strikes=2, distrusted=3, caught=1.0)
    two = lied_to(poisoned=(0.0, 0.2, 0.3), victim=5, wrong=1, strikes=1, distrusted=0, caught=0.0)
    found = cell(one, two, trust="hearsay")
    assert (found.poisoned, found.poisoned_last) == (0.4, 0.2)
    assert (found.wrong, found.strikes, found.distrusted, found.caught) == (2, 3, 3, 0.5)
    assert found.victim == 1.0


def test_the_victims_pulls_are_shared_among_the_hours_that_began() -> None:
    in_two_hours = lied_to(victim=20, member_hours=7 * 1.5)
    assert cell(in_two_hours).victim == 1.0
    assert cell(replace(in_two_hours, member_hours=7 * 1.0)).victim == 2.0


def test_news_that_never_arrived_took_infinitely_long() -> None:
    found = cell(lied_to(news=(2.0,) * 199, unknown=1))
    assert (found.news_mean, found.news_p99, found.unknown, found.news) == (math.inf, 2.0, 1, 200)
    found = cell(lied_to(news=(), unknown=2))
    assert (found.news_mean, found.news_p99) == (math.inf, math.inf)
    assert "never" in text.as_lines([found])[3]
    assert json.loads(json.dumps(text.as_json([found])))["cells"][0]["news_mean"] is None


def test_only_poison_in_verify_and_violations_break() -> None:
    poison = lied_to(poisoned=(0.1, 0.0))
    assert cell(poison).breaks
    assert not cell(poison, trust="hearsay").breaks
    assert cell(lied_to(violation="x (round 3.00)"), trust="hearsay").breaks
    assert not cell(lied_to(news=(90.0, 90.0), wrong=5, victim=900)).breaks


def met(*cells: Cell) -> list[bool]:
    return [verdict.met for verdict in verdicts([cell(CALM, attack="", share=0.0), *cells])]


def test_each_target_is_judged_by_the_cells_it_is_about() -> None:
    slow = lied_to(news=(4.0, 4.0))  # 1.33 of the mean, and 1 of the maximum
    assert met(cell(lied_to())) == [True, True, True, True]
    assert met(cell(lied_to(poisoned=(0.1, 0.0)))) == [False, True, True, True]
    assert met(cell(slow)) == [True, False, True, True]
    assert met(cell(lied_to(news=(0.1, 6.0)))) == [True, True, False, True]
    assert met(cell(lied_to(victim=11))) == [True, True, True, False]
    assert met(cell(slow, share=0.5), cell(lied_to())) == [True] * 4
    assert met(cell(slow, trust="hearsay"), cell(lied_to())) == [True] * 4
    assert met(cell(lied_to(wrong=1)), cell(lied_to(), attack="slander")) == [True] * 5
    assert met(cell(lied_to(wrong=1), attack="slander")) == [True, True, True, False, True]


def test_a_verdict_names_who_misses_the_worst_first() -> None:
    late = [cell(lied_to(news=(at, at)), attack=name) for name, at in (("frame", 6.0), ("sybil", 9.0))]
    found = {verdict.target: verdict.found for verdict in verdicts([*late, cell(lied_to())])}
    assert found["honest news at 30%, mean: <= 1.3 x"] == (
        "sybil at 30% 3.00, frame at 30% 2.00; the other 1 cells meet it"
    )
    assert found["0 % poisoned, every attack and share"] == "at most 0.00%"


def test_a_little_poison_is_not_shown_as_none() -> None:
    row = text.as_lines([cell(lied_to(poisoned=(0.0001,)))])[3].split()
    assert row[3:5] == ["0.01", "%"]


def test_every_attack_is_played_at_every_share_in_both_modes_after_the_attack_free_one() -> None:
    columns = list(columns_of(list(STRATEGIES)))
    assert len(columns) == 2 * (1 + len(STRATEGIES) * len(SHARES)) == len(set(columns))
    assert columns[0] == ("", 0.0, "verify")
    scenario = scenario_of(("forge", 0.3, "hearsay"), 50, 7)
    assert (scenario.nodes, scenario.liars, scenario.attack, scenario.seed) == (50, 0.3, "forge", 7)
    assert scenario.settings.gossip.trust == "hearsay"


def test_a_small_scorecard_is_the_same_whatever_the_jobs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "sim",
        "--scorecard",
        "--attack",
        "forge,reflect",
        "--nodes",
        "12",
        "--trials",
        "1",
        "--seed",
        "3",
    ]
    file = tmp_path / "x.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    outs = []
    for jobs in ("1", "2"):
        assert cli.main([*words, "--json", "--jobs", jobs, "--write", str(file)]) == 0
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]
    cells = json.loads(outs[0])["cells"]
    by = {(one["attack"], one["share"], one["trust"]): one for one in cells}
    assert len(by) == len(cells) == 22
    assert by["", 0.0, "verify"]["news_mean_x"] == 1.0
    assert all(one["poisoned"] == 0 for one in cells if one["trust"] == "verify")
    assert by["forge", 0.3, "hearsay"]["poisoned"] > 0.1
    assert 0 < by["reflect", 0.3, "verify"]["victim"] <= 1
    written = file.read_text()
    assert written.startswith(
        f"before\n{BEGIN}\n    python gossipd.py sim --scorecard --attack forge,reflect "
    )
    assert written.endswith(f"|\n{END}\nafter\n") and "old" not in written
    assert written.count("\n| reflect |") == 10


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--attack nice", 'gossipd: --attack "nice": expected "garbage" or '),
        ("--nodes 1", "--nodes 1: expected a whole number from 2 to 10000"),
        ("--trials 0", "--trials 0: expected a whole number from 1 to"),
        ("--jobs 0", "--jobs 0: expected a whole number from 1 to"),
        ("--seed -1", "--seed -1: expected a whole number from 0 to"),
        ("--write README.md", f'--write "README.md": expected a file with a line {BEGIN}, then {END}'),
        ("--loss 0.1", "unrecognized arguments: --loss 0.1"),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], words: str, expected: str) -> None:
    try:
        status = cli.main(["sim", "--scorecard", *words.split()])
    except SystemExit as stopped:
        status = stopped.code  # type: ignore[assignment]
    assert status == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_the_table_replaces_only_what_is_between_the_marks(tmp_path: Path) -> None:
    file = tmp_path / "x.md"
    file.write_text(f"a\n{BEGIN}\n{END}\nb\n")
    for table in ("one", "two"):
        put(file, BEGIN, END, table)
    assert file.read_text() == f"a\n{BEGIN}\ntwo\n{END}\nb\n"


def test_every_attack_has_its_section_in_order_and_its_rows() -> None:
    written = ATTACKS_MD.read_text()
    assert re.findall(r"^### `(\w+)`$", written, re.M) == list(STRATEGIES)
    table = written.partition(BEGIN)[2].partition(END)[0]
    lacking = re.search(r"^Not measured yet: ([^(]*)", written, re.M)
    unmeasured = re.findall(r"`(\w+)`", lacking[1]) if lacking else []
    for attack in STRATEGIES:
        rows = 0 if attack in unmeasured else 2 * len(SHARES)
        assert len(re.findall(rf"^\| {attack} \|", table, re.M)) == rows, attack
