"""The soak: a short one of real nodes, one that must fail, one that is interrupted, and how it judges."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gossip.load.soak import parse
from gossip.load.soak_judge import (
    Burst,
    Level,
    NodeStory,
    burst_of,
    descriptor_growth,
    failures,
    rss_growth,
)
from gossip.load.soak_nodes import difference
from gossip.load.soak_report import Verdict, as_json, as_lines
from tests.config_helpers import refused_in_one_line
from tests.conftest import Tell
from tests.processes import ROOT, environment, wait_until

MIB = 2**20
LIMIT_S = 100.0
SHORT = ("--duration-s", "8")


class Running:
    """A soak that runs, with its temporary folder under `home`."""

    def __init__(self, home: Path, *args: str) -> None:
        self.home = home
        self._err = home / "err"
        with (home / "out").open("wb") as out, self._err.open("wb") as err:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "gossip.load.soak", *args],
                cwd=ROOT,
                env={**environment(home), "TMPDIR": str(home)},
                stdout=out,
                stderr=err,
            )

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def out(self) -> str:
        return (self.home / "out").read_text()

    @property
    def pids(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"\(pid (\d+)\)", self.err)]

    def wait_loads(self) -> None:
        wait_until(lambda: "pulls answered" in self.err or self.popen.poll() is not None, self._said, LIMIT_S)
        assert self.popen.poll() is None, self._said()

    def wait_exit(self) -> int:
        return self.popen.wait(LIMIT_S)

    def left(self) -> list[int]:
        """Return the nodes that still run."""
        return [pid for pid in self.pids if os.path.exists(f"/proc/{pid}")]

    def folders(self) -> list[Path]:
        return list(self.home.glob("gossipd-soak-*"))

    def _said(self) -> str:
        return self.out + self.err


@contextmanager
def soaking(home: Path, *args: str) -> Iterator[Running]:
    soak = Running(home, *args)
    try:
        yield soak
    finally:
        if soak.popen.poll() is None:
            soak.popen.terminate()  # it ends its nodes
            soak.wait_exit()


# With real nodes.


def test_five_nodes_stand_a_short_soak(tmp_path: Path, tell_figure: Tell) -> None:
    with soaking(tmp_path, *SHORT, "--json") as soak:
        status = soak.wait_exit()
    told = json.loads(soak.out)
    assert told["failures"] == []
    assert (status, told["passed"], told["interrupted"]) == (0, True, False)
    assert len(soak.pids) == len(told["nodes"]) == 5
    assert told["loads"] >= 3
    assert told["changes"] >= 5  # each node changed under load, and all know the last state of each
    for node in told["nodes"]:
        assert node["pulls"] >= 300
        assert (node["lost"], node["exit_status"]) == ({}, 0)
        assert node["descriptors"]["last"] <= node["descriptors"]["most"]
        assert 10 * MIB < node["rss_bytes"]["first"] < 500 * MIB
        assert node["cpu_us_per_pull"] > 0
        assert node["warnings"]["reply_refused"]  # the clients that send rubbish were there
    assert soak.left() == []
    assert soak.folders() == []
    pulls = sum(node["pulls"] for node in told["nodes"])
    tell_figure(f"soak: {pulls:,} pulls of {told['loads']} loads on 5 nodes, none lost")


def test_a_node_that_dies_fails_the_soak_and_the_others_are_ended(tmp_path: Path) -> None:
    with soaking(tmp_path, *SHORT, "--nodes", "2") as soak:
        soak.wait_loads()
        os.kill(soak.pids[1], signal.SIGKILL)
        assert soak.wait_exit() == 1
    lines = soak.out.splitlines()
    address = re.findall(r"(\S+) \(pid", soak.err)[1]
    assert f"FAIL: {address}: it ended by itself with status -9" in lines
    assert not [line for line in lines if line.startswith("PASS")]
    assert soak.left() == []
    logs = [path.name for folder in soak.folders() for path in folder.glob("*.jsonl")]
    assert len(logs) == 2  # kept, for whoever wants to know why


def test_an_interruption_ends_all_with_the_figures_so_far(tmp_path: Path) -> None:
    with soaking(tmp_path, *SHORT, "--nodes", "2") as soak:
        soak.wait_loads()
        soak.popen.send_signal(signal.SIGINT)
        assert soak.wait_exit() == 1
    assert "FAIL" not in soak.out
    assert soak.out.splitlines()[-1].startswith("INTERRUPTED")
    assert "Traceback" not in soak.err
    assert soak.left() == []
    assert soak.folders() == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--duration-s", "0"], "--duration-s"),
        (["--duration-s", "nan"], "--duration-s"),
        (["--nodes", "1"], "--nodes"),
        (["--nodes", "51"], "--nodes"),
        (["127.0.0.1:5001"], "127.0.0.1:5001"),
    ],
)
def test_refused_in_one_line(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused_in_one_line(parse, args, capsys)


# How it judges.


def levels(rss_mib: Sequence[float], descriptors: Sequence[float] = ()) -> list[Level]:
    """Pair them up; without descriptors they are steady."""
    return [
        Level(rss * MIB, count)
        for rss, count in zip(rss_mib, descriptors or [8.0] * len(rss_mib), strict=True)
    ]


WELL = NodeStory(
    address="127.0.0.1:5001",
    bursts=[Burst(pulls=100, p99_ms=5.0, connections=150, cpu_us=15_000.0)] * 3,
    levels=levels([30, 36, 36, 36.2]),
    events={("info", "listener_started"): 1, ("warning", "pull_failed"): 4},
    ended_early=None,
    exit_status=0,
    wrong=None,
)


def verdict(story: NodeStory, *, interrupted: bool = False) -> Verdict:
    return Verdict([story], 3, 12, 20.0, interrupted)


def test_a_node_that_is_well_passes() -> None:
    assert failures(WELL) == []
    assert verdict(WELL).has_passed
    assert as_lines(verdict(WELL))[-1] == "PASS: 3 loads on 1 nodes, 12 changes of state, 20 s"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"bursts": [*WELL.bursts, Burst(pulls=90, lost={"honest timeout": 2, "reply reset": 1})]},
            "3 answers were lost (honest timeout 2, reply reset 1), and 390 came whole",
        ),
        ({"bursts": [*WELL.bursts, Burst(problem="no answer")]}, "a load gave no figures: no answer"),
        ({"bursts": [Burst()]}, "not one pull was answered"),
        ({"events": {**WELL.events, ("error", "greenlet_crashed"): 2}}, "2 of greenlet_crashed in its log"),
        ({"events": {**WELL.events, ("error", "hub_error"): 1}}, "1 of hub_error in its log"),
        ({"events": {("info", "listener_started"): 2}}, "its log tells of 2 starts, not of one"),
        ({"events": {}}, "its log tells of 0 starts, not of one"),
        ({"ended_early": -11, "exit_status": -11}, "it ended by itself with status -11"),
        ({"ended_early": 0}, "it ended by itself with status 0"),
        ({"exit_status": 1}, "it ended on SIGTERM with status 1"),
        ({"exit_status": None}, "it did not end on SIGTERM and was killed"),
        ({"wrong": "its table lacks it"}, "its table lacks it"),
        (
            {"levels": levels([30, 36, 36, 44])},
            "RSS at rest grew from 36.0 to 44.0 MiB, over 43.6",
        ),
        (
            {"levels": levels([30, 36, 36, 36], [8, 9, 9, 17])},
            "descriptors at rest grew from 8 to 17, over 16",
        ),
    ],
)
def test_what_is_not_well_is_one_line_and_no_pass(change: dict[str, object], said: str) -> None:
    story = replace(WELL, **change)  # type: ignore[arg-type]
    assert failures(story) == [f"127.0.0.1:5001: {said}"]
    assert not verdict(story).has_passed
    assert as_lines(verdict(story))[-1] == f"FAIL: 127.0.0.1:5001: {said}"
    json.dumps(as_json(verdict(story)))


@pytest.mark.parametrize(
    ("rss_mib", "is_too_much"),
    [
        ([30, 36, 36, 36, 36, 36, 36, 36], False),
        ([30, 60, 36, 36, 36, 36, 36, 36], False),  # the first load is the warm-up
        ([30, 36, 36, 36, 36, 36, 36, 43.5], False),  # within a tenth and 4 MiB
        ([30, 33, 34, 35, 36, 37, 38, 39], False),  # caches that fill
        ([30, 36, 36, 36, 36, 36, 90, 36, 36, 36], False),  # one odd rest
        ([30, 36, 36, 36, 36, 36, 36, 36, 36, 90], True),  # at the end, with one other
        ([30, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54], True),  # little by little
        ([30, 36, 36, 36, 36, 60, 60, 60, 60, 60], True),  # in one step
    ],
)
def test_growth_of_memory(rss_mib: list[float], is_too_much: bool) -> None:
    growth = rss_growth(levels(rss_mib))
    assert growth is not None
    assert growth.is_too_much == is_too_much


@pytest.mark.parametrize(
    ("descriptors", "is_too_much"),
    [
        ([8, 8, 8, 8], False),
        ([8, 200, 8, 8], False),  # gone at the end
        ([8, 16, 16, 16], False),
        ([8, 40, 40, 40], True),  # what the first load left and never went
        ([8, 10, 12, 14, 16, 18, 20], True),
    ],
)
def test_growth_of_descriptors(descriptors: list[float], is_too_much: bool) -> None:
    growth = descriptor_growth(levels([36] * len(descriptors), descriptors))
    assert growth is not None
    assert growth.is_too_much == is_too_much


def test_too_few_rests_are_no_pass() -> None:
    short = replace(WELL, levels=WELL.levels[:3])
    assert rss_growth(short.levels) is None
    assert verdict(short).failures == ["127.0.0.1:5001: growth could not be judged, with 3 rests"]
    assert verdict(short, interrupted=True).failures == []
    assert not verdict(short, interrupted=True).has_passed


def test_only_what_pulls_can_lose_an_answer() -> None:
    told = {
        "pulls": 7,
        "errors": {"honest": {"truncated": 2}, "reply": {"reset": 1}, "flood": {"refused": 9}},
        "latency_ms": {"p50": 1.0, "p99": 4.5},
        "connections": {"honest": 8, "reply": 2, "flood": 30},
        "server": {"cpu_us_per_pull": 50.0},
    }
    lost = {"honest truncated": 2, "reply reset": 1}
    assert burst_of(told) == Burst(7, lost, p99_ms=4.5, connections=40, cpu_us=2000.0)
    assert burst_of({**told, "server": None}).cpu_us == 0.0


def test_a_table_that_is_not_as_it_should_be() -> None:
    assert difference({"a": 1, "b": 2}, {"b": 2, "a": 1}) is None
    said = difference({"a": 1, "x": 2}, {"a": 3, "b": 2})
    assert said == "its table lacks b; lists x, which is none of these nodes; says 1 of a, which was set to 3"
