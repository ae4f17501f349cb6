"""Scenario files, the command line of the simulator, and that a seed decides everything."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gossip import cli
from gossip.config import ConfigError
from gossip.sim import plot, reading
from gossip.sim.cli import main, repeat
from gossip.sim.progress import bar
from gossip.sim.report import as_lines
from gossip.sim.results import Summary
from gossip.sim.run import run
from gossip.sim.scenario import Chosen, Fault, Scenario, Stop

ROOT = Path(__file__).resolve().parents[1]
SMALL, SHORT = 12, 8.0


def shrunk(scenario: Scenario) -> Scenario:
    """Return the same story with few nodes and in few rounds."""
    scale = SHORT / scenario.rounds

    def shorter(fault: Fault) -> Fault:
        changes: dict[str, Any] = {"at_round": fault.at_round * scale}
        for key in ("for_rounds", "every_rounds"):
            if hasattr(fault, key):
                changes[key] = getattr(fault, key) * scale
        if isinstance(fault, Chosen):
            changes["count"] = min(fault.count, SMALL)
        return replace(fault, **changes)

    return replace(
        scenario,
        nodes=SMALL,
        racks=min(scenario.racks, SMALL),
        rounds=SHORT,
        news=min(3, scenario.news),
        news_every_rounds=1.0,
        faults=tuple(map(shorter, scenario.faults)),
    )


@pytest.mark.parametrize("name", reading.shipped())
def test_every_shipped_scenario_tells_a_story_and_holds(name: str) -> None:
    told = reading.read(reading.find(name))
    scenario = shrunk(reading.with_settings(told, None, ()))
    assert scenario.story.endswith((".", "?"))
    found = run(scenario)
    assert found.violation is None
    assert found.news
    lines = as_lines(Summary((found,)), scenario)
    assert lines[0] == scenario.story
    assert lines[-1] == "Everything that must hold, held."


def test_there_are_a_dozen(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(reading.shipped()) >= 12
    assert all(len(line) <= 110 for line in lines)


def test_a_seed_gives_the_same_bytes_whatever_the_hashes_are() -> None:
    words = shlex.split("sim --scenario churn --nodes 15 --rounds 12 --liars 0.2 --attack forge --json")
    outs = []
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "gossipd.py", *words], cwd=ROOT, env=environment, capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        outs.append(done.stdout)
    assert outs[0] == outs[1]
    assert json.loads(outs[0])["news_rounds"]["count"] > 0


def test_another_seed_gives_another_run() -> None:
    one = Scenario(nodes=10, rounds=5)
    assert run(one) == run(one)
    assert run(one).news != run(replace(one, seed=2)).news


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nodes = 1", "x.toml: nodes = 1: expected a whole number from 2 to 10000"),
        ("nods = 1", "x.toml: nods: unknown; expected one of story, nodes, "),
        ('[links]\nloss = "a"', 'x.toml: links.loss = "a": expected a number from 0 to 1'),
        ("links = 1", "x.toml: links = 1: expected a section, as [links]"),
        ("fault = 1", "x.toml: fault = 1: expected a list of tables"),
        ("[[fault]]\ncount = 1", 'x.toml: fault 1: kind = "": expected "stop" or '),
        ('[[fault]]\nkind = "stop"', "expected one of count, share and rack above 0"),
        ('[[fault]]\nkind = "stop"\ncount = 1\njump_s = 1', "fault 1: jump_s: unknown; expected one of"),
        ('[[fault]]\nkind = "stop"\nrack = 2', "x.toml: fault 1: rack = 2: expected at most racks = 1"),
        ('attack = "nice"', 'x.toml: attack = "nice": expected "garbage" or '),
        ("[links]\ndelay_low_s = 1", "links.delay_low_s = 1.0: expected at most delay_high_s = 0.005"),
        ("nodes = 2\nracks = 3", "x.toml: racks = 3: expected at most nodes = 2"),
        ('victim = "home"', 'x.toml: victim = "home": '),
        ("nodes =", "x.toml: not valid TOML: "),
    ],
)
def test_a_mistake_in_a_scenario_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        reading.read(file)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_come_from_the_file_then_the_scenario_then_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("[settings]\ngossip.pokes = 1\ngossip.interval_s = 7\n")
    scenario = reading.with_settings(reading.read(file), None, ["gossip.pokes=3"])
    assert (scenario.settings.gossip.pokes, scenario.settings.gossip.interval_s) == (3, 7)
    file.write_text("[settings]\ngossip.pokes = -1\n")
    with pytest.raises(ConfigError, match=r"x\.toml: settings: gossip\.pokes = -1: expected a whole number"):
        reading.with_settings(reading.read(file), None, ())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--liars 2", "--liars = 2.0: expected a number from 0 to 1"),
        ("--trials 0", "--trials 0: expected a whole number from 1 to"),
        ("--scenario nothing", "--scenario nothing: no such scenario; there are bad_clocks, "),
        ("--scenario no/file", "file: cannot be read"),
        ("--attack nice", 'attack = "nice": expected'),
        ("--set gossip.pokes=x", "--set gossip.pokes=x: expected"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_line(
    capsys: pytest.CaptureFixture[str], words: str, expected: str
) -> None:
    assert cli.main(["sim", *words.split()]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_arguments_replace_what_the_scenario_says(capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split("--scenario rumour --nodes 10 --rounds 4 --news 1 --loss 0.1 --seed 9 --trials 2")
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "10 nodes, 10% of connections lost, trust verify, 4 rounds of 3 s; seeds 9 to 10" in out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == [9, 10]


def test_the_command_that_repeats_a_run_names_its_seed_alone() -> None:
    given = ["--nodes", "9", "--seed", "3", "--trials=5", "--json", "--plot", "a b.svg", "--set", "a.b=c d"]
    assert repeat(given, 7) == "python gossipd.py sim --nodes 9 --set 'a.b=c d' --seed 7"


def test_a_chart_without_its_library_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["sim", "--nodes", "5", "--plot", "out.svg"]) == 2
    assert "pip install -r requirements-plot.txt" in capsys.readouterr().err


def test_a_chart_is_the_same_for_the_same_run(tmp_path: Path) -> None:
    found = Summary((run(Scenario(nodes=10, rounds=8, faults=(Stop(count=1),))),))
    for name in ("one.svg", "two.svg"):
        plot.draw(found, "ten nodes", tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_the_bar_says_how_far_it_is() -> None:
    assert bar(0.5, 3, 8) == "█" * 15 + "░" * 15 + "  50%  run 4 of 8"
