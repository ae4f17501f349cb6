"""The shell without a terminal: commands from a pipe or a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import gevent
import pytest

from gossip.shell.commands import LINE_MAX
from gossip.shell.lines import run_lines
from tests.fake_console import FakeConsole

DEADLINE_S = 20.0


def _feed(tmp_path: Path, data: bytes) -> tuple[list[str], FakeConsole]:
    """Run the commands in `data`, from a file to a file."""
    source, sink, console = tmp_path / "in", tmp_path / "out", FakeConsole()
    source.write_bytes(data)
    with source.open("rb") as input, sink.open("wb") as output:
        run_lines(console, input, output)
    return sink.read_text(encoding="utf-8").splitlines(), console


def test_lines_are_run_in_order(tmp_path: Path) -> None:
    lines, console = _feed(tmp_path, b"4\r\n\n ? \nxyzzy\n5")
    assert lines == [
        "127.0.0.1:5001 --> 4",
        "127.0.0.1:5001 --> 4",
        "128.84.213.13:5678 --> 1",
        "no such command: xyzzy; help lists all",
        "127.0.0.1:5001 --> 5",
    ]
    assert not console.is_stopped


def test_what_needs_a_terminal_is_refused(tmp_path: Path) -> None:
    lines, _ = _feed(tmp_path, b"watch\n4\n")
    assert lines == ["watch needs a terminal: gossipd.py attach", "127.0.0.1:5001 --> 4"]


def test_lines_that_are_no_text_or_too_long(tmp_path: Path) -> None:
    too_long = f"the line is too long: at most {LINE_MAX} bytes"
    data = b"\xff\x00\n" + b"x" * LINE_MAX * 40 + b"\n1\n" + b"y" * (LINE_MAX + 1) + b"\n2\n" + b"z" * 70_000
    lines, _ = _feed(tmp_path, data)
    assert lines == [
        r"no such command: \xff\x00; help lists all",
        too_long,
        "127.0.0.1:5001 --> 1",
        too_long,
        "127.0.0.1:5001 --> 2",
        too_long,
    ]


def test_what_would_never_end_is_refused(tmp_path: Path) -> None:
    lines, console = _feed(tmp_path, b"trace 10.0.0.2:7000 --json\n1\n")
    refusal = "trace needs a terminal, or gossipd.py call trace 10.0.0.2:7000 --json"
    assert lines == [refusal, "127.0.0.1:5001 --> 1"]
    assert not console.watchers


def test_quit_ends_the_lines(tmp_path: Path) -> None:
    lines, console = _feed(tmp_path, b"quit\n1\n")
    assert lines == []
    assert console.is_stopped


def test_closed_streams_end_the_lines_quietly(tmp_path: Path) -> None:
    with open(os.devnull, "rb") as input, (tmp_path / "out").open("wb") as output:
        run_lines(FakeConsole(), input, output)
        run_lines(FakeConsole(), None, output)
        run_lines(FakeConsole(), input, None)
    run_lines(FakeConsole(), input, output)


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as read_end, open(writing, "wb", buffering=0) as write_end:
        yield read_end, write_end


def test_waiting_for_a_line_does_not_stop_other_greenlets(
    pipe: tuple[IO[bytes], IO[bytes]], tmp_path: Path
) -> None:
    read_end, write_end = pipe
    sink = tmp_path / "out"
    with sink.open("wb") as output:
        shell = gevent.spawn(run_lines, FakeConsole(), read_end, output)
        for number in range(5):
            write_end.write(b"%d\n" % number)
            with gevent.Timeout(DEADLINE_S):
                while len(sink.read_bytes().splitlines()) <= number:
                    gevent.sleep(0.001)
        assert not shell.ready()
        write_end.close()
        shell.get(timeout=DEADLINE_S)


def test_a_broken_output_ends_the_lines_quietly(
    pipe: tuple[IO[bytes], IO[bytes]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    read_end, write_end = pipe
    read_end.close()
    (tmp_path / "in").write_bytes(b"1\n2\n")
    console = FakeConsole()
    with (tmp_path / "in").open("rb") as input:
        run_lines(console, input, write_end)
    assert console.own.state == 1
    assert capfd.readouterr() == ("", "")
