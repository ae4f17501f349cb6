"""The writer: order, no torn line, no waiting, whatever the reader does."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from gossip.log import EventLog, Writer, open_destination
from gossip.log.facts import SnapshotDamaged
from gossip.log.writer import write_lines

ROOT = Path(__file__).parents[1]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that holds 4,096 bytes; the test's writer closes the second end."""
    read_fd, write_fd = os.pipe()
    fcntl.fcntl(write_fd, fcntl.F_SETPIPE_SZ, 4096)
    yield read_fd, write_fd
    os.close(read_fd)


class Reader(threading.Thread):
    """Reads a descriptor to its end, a little at a time."""

    def __init__(self, fd: int, step: int = 997) -> None:
        super().__init__(daemon=True)
        self.fd, self.step, self.data = fd, step, b""
        self.start()

    def run(self) -> None:
        parts = []
        while part := os.read(self.fd, self.step):
            parts.append(part)
        self.data = b"".join(parts)

    def lines(self) -> list[dict[str, object]]:
        """Wait for the end and return the lines; fail when one is torn."""
        self.join(30)
        assert not self.is_alive() and (not self.data or self.data.endswith(b"\n"))
        return [json.loads(line) for line in self.data.splitlines()]


def counted(number: int, padding: int = 0) -> SnapshotDamaged:
    """Make an event of which each one is written, with a number, as long as wanted."""
    return SnapshotDamaged(str(number), "x" * padding, "")


def never() -> bool:
    return False


def test_ten_thousand_events_reach_a_slow_reader_in_order(pipe: tuple[int, int]) -> None:
    writer = Writer(pipe[1], 10_000)
    log = EventLog(writer, "debug").bind("n")
    for number in range(10_000):
        log.emit(counted(number, number % 300))
    reader = Reader(pipe[0])
    writer.close(30)
    assert [int(str(line["path"])) for line in reader.lines()] == list(range(10_000))
    assert writer.dropped == 0


def test_a_reader_that_never_reads_costs_events_but_no_time(pipe: tuple[int, int]) -> None:
    writer = Writer(pipe[1], 100)
    log = EventLog(writer, "debug").bind("n")
    for number in range(1000):
        log.emit(counted(number, 100))
        gevent.sleep(0)  # the writer gets its turns, and is stuck after 4,096 bytes
    begun = time.monotonic()
    writer.close(0.2)
    assert time.monotonic() - begun < 2.0
    assert writer.dropped > 800
    log.emit(counted(1000))  # too late: dropped, without an error

    reader = Reader(pipe[0])  # the process lives on, and somebody reads after all
    writer.greenlet.join(10)
    *events, report = reader.lines()
    numbers = [int(str(event["path"])) for event in events]
    assert numbers == sorted(numbers)
    assert (report["event"], report["level"], report["node"]) == ("events_dropped", "warning", "n")
    assert report["count"] == writer.dropped == 1001 - len(numbers)


def test_drops_are_reported_once_there_is_room(pipe: tuple[int, int]) -> None:
    writer = Writer(pipe[1], 50)
    log = EventLog(writer, "debug").bind("n")
    for number in range(80):
        log.emit(counted(number))
    threadpool = gevent.get_hub().threadpool
    received: list[dict[str, object]] = []
    with os.fdopen(os.dup(pipe[0]), "rb") as stream:
        while not received or received[-1]["event"] != "events_dropped":
            received.append(json.loads(threadpool.apply(stream.readline)))
        log.emit(counted(80))
        writer.close(10)
        received += map(json.loads, stream)
    assert [line.get("path") for line in received] == [*map(str, range(50)), None, "80"]
    assert received[50]["count"] == writer.dropped == 30


def test_a_report_of_several_nodes_names_none(pipe: tuple[int, int]) -> None:
    writer = Writer(pipe[1], 1)
    logs = EventLog(writer, "debug")
    for node in ("a", "b"):
        logs.bind(node).emit(counted(0))
    reader = Reader(pipe[0])
    writer.close(10)
    started, report = reader.lines()
    assert (started["node"], report["event"], "node" in report) == ("a", "events_dropped", False)
    assert str(report["id"]).startswith("*/")


def test_a_closed_pipe_stops_the_writer_for_good() -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    writer = Writer(write_fd, 100)
    writer.write(b"1\n")
    writer.greenlet.join(10)
    assert writer.greenlet.dead and writer.greenlet.successful()
    writer.write(b"2\n")
    writer.close(10)
    assert writer.dropped == 2
    with pytest.raises(OSError):
        os.fstat(write_fd)


def test_a_full_disk_costs_events_only() -> None:
    writer = Writer(os.open("/dev/full", os.O_WRONLY), 100)
    log = EventLog(writer, "debug").bind("n")
    for _ in range(3):
        log.emit(counted(0))
    writer.close(10)
    assert writer.dropped == 3 and writer.greenlet.successful()


def test_a_line_that_a_full_disk_cut_is_finished_later(tmp_path: Path) -> None:
    path = tmp_path / "log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lines = [b"%062d\n" % number for number in range(100)]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        cut = write_lines(fd, b"", lines, never)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert cut.error is not None and cut.error.errno == errno.EFBIG
    assert (cut.lines, len(cut.torn)) == (80, 80 * 63 - 5000)
    assert write_lines(fd, cut.torn, lines[90:], never).lines == 10
    os.close(fd)
    assert path.read_bytes() == b"".join(lines[:80] + lines[90:])


def test_a_non_blocking_descriptor_is_waited_for(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = Writer(pipe[1], 1000)
    for number in range(1000):
        writer.write(b'{"number":%d}\n' % number)
    reader = Reader(pipe[0])
    writer.close(10)
    assert [line["number"] for line in reader.lines()] == list(range(1000))


STALLED = """
from gevent import monkey; monkey.patch_all()
import gevent
from gossip.log import EventLog, open_destination
from gossip.log.facts import NodeStopped
writer = open_destination("", no_shell=True, at_terminal=False, max_events=10_000)
log = EventLog(writer, "info").bind("n")
for number in range(10_000):
    log.emit(NodeStopped(number, 0))
    if number % 100 == 0:
        gevent.sleep(0)
writer.close(0.2)
"""


def test_a_stalled_reader_does_not_hold_up_the_end_of_the_process() -> None:
    command = [sys.executable, "-c", STALLED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as child:
        assert child.wait(20) == 0
        output, errors = child.communicate()
    assert errors == b"" and output.endswith(b"\n")
    numbers = [json.loads(line)["round"] for line in output.splitlines()]
    assert numbers == list(range(len(numbers))) and len(numbers) < 10_000


def test_destinations(tmp_path: Path) -> None:
    assert open_destination("", no_shell=False, at_terminal=True, max_events=16) is None
    for file, no_shell, at_terminal in (("", True, False), ("", False, False), ("-", False, True)):
        writer = open_destination(file, no_shell=no_shell, at_terminal=at_terminal, max_events=16)
        assert writer is not None
        writer.close(10)
    with pytest.raises(FileNotFoundError):
        open_destination(str(tmp_path / "no" / "log"), no_shell=False, at_terminal=True, max_events=16)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError):
        open_destination(str(tmp_path / "fifo"), no_shell=False, at_terminal=True, max_events=16)


@pytest.mark.parametrize(
    ("arguments", "stream"),
    [
        ('"", no_shell=True, at_terminal=True', "stdout"),
        ('"", no_shell=False, at_terminal=False', "stderr"),
        ('"-", no_shell=False, at_terminal=True', "stdout"),
    ],
)
def test_the_standard_streams(arguments: str, stream: str) -> None:
    code = (
        "from gossip.log import open_destination\n"
        f"writer = open_destination({arguments}, max_events=16)\n"
        "writer.write(b'{}\\n'); writer.close(10)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert {"stdout": done.stdout, "stderr": done.stderr} == {"stdout": b"", "stderr": b""} | {
        stream: b"{}\n"
    }
