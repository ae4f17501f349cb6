"""The benchmarks measure what they say: the same bytes from each server, and verdicts from the medians."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gossip.bench import merging, secured, shipping, telling
from gossip.bench.__main__ import main
from gossip.bench.callers import cpu_s_per_call, latencies_s, table_of
from gossip.bench.rows import Row, as_markdown
from gossip.bench.servers import STOCK, BenchError, built_in_c, node, other
from gossip.load.target import HOST, free_port
from tests.processes import ROOT


def test_a_row_is_judged_by_its_median_ratio() -> None:
    row = Row("what", "3 µs", "2 µs", (1.4, 1.2, 9.0), 1.4)
    assert (row.ratio, row.is_met) == (1.4, True)
    assert Row("what", "3 µs", "2 µs", (1.4, 1.5, 9.0), 1.4).is_met is False
    assert Row("what", "3 µs", "2 µs", (3.1,), 3.0, ">=").is_met is True
    assert Row("what", "3 µs", "2 µs", (2.9,), 3.0, ">=").is_met is False
    assert Row("what", "3 µs", "2 µs", (2.9,)).is_met is None


def test_the_table_shows_each_row_with_its_range_and_verdict() -> None:
    rows = [Row("a", "3 µs", "2 µs", (1.4, 1.2, 9.0), 1.3), Row("b", "1", "2", (0.5,))]
    lines = as_markdown(rows).split("\n")
    assert lines[2] == "| a | 3 µs | 2 µs | 1.4 (1.2 to 9) | <= 1.3 | **not met** |"
    assert lines[3] == "| b | 1 | 2 | 0.5 |  |  |"


def test_what_is_compared_serves_the_same_bytes_and_costs_something(tmp_path: Path) -> None:
    table = tmp_path / "table"
    with node(20) as ours:
        table.write_bytes(table_of(ours))
        with other("stock", STOCK, table) as stock:
            assert table_of(stock) == table_of(ours)
            for server in (ours, stock):
                size = len(table_of(server))
                assert cpu_s_per_call(server, size, 64, 16) > 0
                times = latencies_s(server, size, 10)
                assert len(times) == 10
                assert times == sorted(times)
            with pytest.raises(BenchError, match="bytes of 3"):
                latencies_s(ours, 3, 1)


def test_who_was_pinned_to_a_core_may_use_all_afterwards() -> None:
    before = os.sched_getaffinity(0)
    with node(3):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_a_missing_compiler_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BenchError, match="apt-get install gcc"):
        built_in_c(tmp_path)


def test_a_file_without_marks_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "notes.md"
    file.write_text("nothing\n")
    with pytest.raises(SystemExit):
        main(["--write", str(file)])
    assert "<!-- bench -->" in capsys.readouterr().err


def test_a_changing_table_is_rendered_as_often_as_render_min_s_allows() -> None:
    rendered, _ = merging._serve_changing(merging._RENDER_MIN_S)
    assert 0.9 * merging._FOR_S / merging._RENDER_MIN_S <= rendered <= merging._FOR_S / merging._RENDER_MIN_S


def test_what_the_log_costs_is_measured_for_what_is_written_counted_and_filtered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "_ROUNDS", 2)
    written, _, counted, filtered, _ = telling.measure()
    assert written.ratio > counted.ratio > 0
    assert filtered.ratio > 0


def test_shipping_is_measured_once_all_was_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "_FOR_S", 0.3)
    port = str(free_port())
    with shipping._child("gossip.bench.collector", port, str(free_port())):
        share = shipping._share(f"log.sinks=tcp://{HOST}:{port}", f"log.spool_dir={tmp_path}")
    assert 0 < share < 2


def test_the_documented_table_can_be_written() -> None:
    text = (ROOT / "docs" / "PERFORMANCE.md").read_text()
    assert text.index("<!-- bench -->") < text.index("| what |") < text.index("<!-- end of bench -->")


def test_what_tls_costs_is_measured_at_both_ends(tmp_path: Path) -> None:
    rows = secured.measure(tmp_path, rounds=1, calls=3)
    assert [row.what.partition(",")[0] for row in rows] == [
        "listener",
        "listener",
        "puller",
        "puller",
        "listener",
    ]
    assert all(row.ratio > 1 for row in rows)
