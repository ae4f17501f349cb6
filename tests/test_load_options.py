"""The load generator's pure parts: what it refuses, how clients are shared out, what it reports."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.load.histogram import Histogram
from gossip.load.options import KINDS, parse, parse_mix, shares
from gossip.load.report import Server, Summary, as_json, as_lines
from tests.config_helpers import refused_in_one_line

MIX = "honest=85,reply=5,never_read=2,slow=2,rubbish=4,flood=2"

# What it refuses.


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["192.0.2.1:5001"], "--allow-remote"),
        (["[2001:db8::1]:5001"], "--allow-remote"),
        (["localhost:5001"], "TARGET 'localhost:5001'"),
        ([], "TARGET"),
        (["127.0.0.1:5001", "--spawn"], "--spawn"),
        (["127.0.0.1:5001", "--members", "5"], "--spawn"),
        (["127.0.0.1:5001", "--clients", "0"], "--clients"),
        (["127.0.0.1:5001", "--rate", "nan"], "--rate"),
        (["127.0.0.1:5001", "--pulls", "5", "--duration-s", "5"], "--pulls"),
        (["127.0.0.1:5001", "--mix", "honset=1"], "honset"),
        (["127.0.0.1:5001", "--mix", "honest=-1"], "weight"),
        (["127.0.0.1:5001", "--mix", "flood=1"], "nobody pulls"),
        (["127.0.0.1:5001", "--mix", MIX, "--clients", "5"], "too few"),
    ],
)
def test_refused_in_one_line(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused_in_one_line(parse, args, capsys)


def test_loopback_needs_no_permission() -> None:
    for target in ("127.0.0.1:5001", "127.200.0.1:5001", "[::1]:5001"):
        assert str(parse([target]).target) == target


# Its pure parts.

MIXES = st.dictionaries(st.sampled_from(KINDS), st.integers(1, 1000), min_size=1)


@given(MIXES, st.integers(6, 5000))
def test_clients_are_shared_out_by_weight(mix: dict[str, int], clients: int) -> None:
    assert parse_mix(",".join(f"{kind}={weight}" for kind, weight in mix.items())) == mix
    given_ = shares(mix, clients)
    assert sum(given_.values()) == clients
    for kind, weight in mix.items():
        assert given_[kind] >= 1
        assert abs(given_[kind] - clients * weight / sum(mix.values())) <= len(mix)


def summary(*, own_cpu_s: float = 1.0, woke_late: int = 0, failed: int = 0) -> Summary:
    latency = Histogram()
    for value in range(1000, 101_000, 1000):
        latency.record(value)
    errors = {("honest", "reset"): failed} if failed else {}
    counts = {"honest": 100}
    server = Server(123, 0.01, 50 * 2**20, 2**20)
    late = (woke_late, 0, 0)
    return Summary("x", counts, 50.0, 2.0, latency, 9, counts, errors, *late, own_cpu_s, server, False)


def test_the_summary_tells_quantiles_and_the_cost_to_the_server() -> None:
    told = as_json(summary())
    times = {"p50": 50.015, "p90": 90.047, "p99": 99.007, "p99_9": 100.0, "max": 100.0, "mean": 50.5}
    assert told["latency_ms"] == times
    assert told["pulls_per_s"] == 50
    cost = {"cpu_us_per_pull": 100.0, "cpu_share": 0.005, "rss_bytes": 50 * 2**20, "rss_growth_bytes": 2**20}
    assert told["server"] == {"pid": 123} | cost
    json.dumps(told)
    assert any("CPU 100 µs a pull" in line for line in as_lines(summary()))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (summary(own_cpu_s=1.8), "The generator was the bottleneck: it used 90% of a core"),
        (summary(woke_late=2), "The generator fell behind"),
    ],
)
def test_a_generator_that_was_the_bottleneck_says_so(made: Summary, said: str) -> None:
    assert made.was_bottleneck
    assert any(line.startswith(said) for line in as_lines(made))
    assert not summary().was_bottleneck
    assert summary().notes == []


def test_only_a_failed_pull_makes_the_exit_status() -> None:
    assert (summary().exit_status, summary(failed=3).exit_status) == (0, 1)
    assert any("honest reset 3" in line for line in as_lines(summary(failed=3)))
