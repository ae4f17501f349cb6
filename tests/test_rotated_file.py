"""A file that rotates: by size, by age, on request; whole lines only, and none lost."""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gossip.core.events import SettingChanged
from gossip.core.settings import LogSettings
from gossip.log import EventLog, Writer
from gossip.shell.above_prompt import AbovePrompt
from gossip.ship.files import RotatedFile
from gossip.ship.outlet import OutletError, open_outlet
from tests.collectors import numbers, with_sinks

LINE = b'{"ts":"2026-11-23T00:00:00.000000Z","event":"setting_changed","value":%4d}\n'
BORN = 1_795_392_000.0  # the ts of LINE
SIZE = len(LINE % 0)


def never() -> bool:
    return False


def lines(start: int, stop: int) -> list[bytes]:
    return [LINE % number for number in range(start, stop)]


class Clock:
    def __init__(self) -> None:
        self.now = BORN

    def __call__(self) -> float:
        return self.now


def test_it_turns_by_size_and_keeps_as_many_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = RotatedFile(str(path), LogSettings(rotate_max_bytes=4096, rotate_keep=2))
    per_file = 4096 // SIZE
    assert file.put(b"", lines(0, 5 * per_file), never).lines == 5 * per_file
    file.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log", "log.1", "log.2"]
    found = [numbers((tmp_path / name).read_bytes().splitlines()) for name in ("log.2", "log.1", "log")]
    assert [len(part) for part in found] == [per_file] * 3
    assert [number for part in found for number in part] == list(range(2 * per_file, 5 * per_file))


def test_a_line_longer_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    file = RotatedFile(str(tmp_path / "log"), LogSettings(rotate_max_bytes=4096))
    file.put(b"", [b"a\n", b"x" * 9000 + b"\n", b"b\n"], never)
    file.close()
    sizes = [(tmp_path / name).stat().st_size for name in ("log.2", "log.1", "log")]
    assert sizes == [2, 9001, 2]


def test_it_turns_by_age_which_a_restart_does_not_take_back(tmp_path: Path) -> None:
    clock, settings = Clock(), LogSettings(rotate_max_age_s=100)
    path = tmp_path / "log"
    first = RotatedFile(str(path), settings, clock)
    first.put(b"", lines(0, 2), never)
    first.close()
    clock.now += 99
    second = RotatedFile(str(path), settings, clock)
    second.put(b"", lines(2, 3), never)
    assert not (tmp_path / "log.1").exists()
    clock.now += 1
    second.put(b"", lines(3, 4), never)
    second.close()
    assert numbers((tmp_path / "log.1").read_bytes().splitlines()) == [0, 1, 2]
    assert numbers(path.read_bytes().splitlines()) == [3]


def test_a_clock_that_is_set_back_does_not_make_it_young_for_years(tmp_path: Path) -> None:
    clock = Clock()
    file = RotatedFile(str(tmp_path / "log"), LogSettings(rotate_max_age_s=100), clock)
    file.put(b"", lines(0, 1), never)
    for passed in (-1e9, 99):
        clock.now += passed
        file.put(b"", lines(1, 2), never)
        assert not (tmp_path / "log.1").exists()
    clock.now += 1
    file.put(b"", lines(2, 3), never)
    file.close()
    assert (tmp_path / "log.1").exists()


def test_without_an_age_it_turns_by_size_only(tmp_path: Path) -> None:
    clock = Clock()
    file = RotatedFile(str(tmp_path / "log"), LogSettings(rotate_max_age_s=0), clock)
    file.put(b"", lines(0, 1), never)
    clock.now += 1e9
    file.put(b"", lines(1, 2), never)
    file.close()
    assert not (tmp_path / "log.1").exists()


def test_it_is_reopened_where_somebody_moved_it_away(tmp_path: Path) -> None:
    path = tmp_path / "log"
    outlet = open_outlet(with_sinks(f"file:{path}"), no_shell=True, at_terminal=False, above_prompt=None)
    assert outlet is not None
    log = EventLog(outlet, "info").bind("n")
    log.emit(SettingChanged("number", "", 0))
    outlet._writers[0].greenlet.join(0.1)
    path.rename(tmp_path / "moved")
    log.emit(SettingChanged("number", "", 1))
    outlet._writers[0].greenlet.join(0.1)
    outlet.reopen()
    log.emit(SettingChanged("number", "", 2))
    outlet.close(5)
    assert numbers((tmp_path / "moved").read_bytes().splitlines()) == [0, 1]
    assert numbers(path.read_bytes().splitlines()) == [2]


def test_what_cannot_be_renamed_or_opened_costs_events_only(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    file = RotatedFile(str(folder / "log"), LogSettings(rotate_max_bytes=4096))
    writer = Writer(file, 1000)
    for line in lines(0, 10):
        writer.write(line)
    writer.greenlet.join(0.1)
    (folder / "log").unlink()
    folder.rmdir()
    file.reopen()
    writer.write(LINE % 10)
    writer.close(5)
    assert writer.dropped == 1 and writer.greenlet.successful()


def test_a_file_that_may_not_be_moved_grows_and_no_event_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "log"
    in_the_way = tmp_path / "log.1" / "x"  # a file never takes the place of a folder
    in_the_way.parent.mkdir()
    in_the_way.touch()
    file = RotatedFile(str(path), LogSettings(rotate_max_bytes=4096, rotate_keep=1))
    assert [file.put(b"", lines(start, start + 100), never).lines for start in (0, 100)] == [100, 100]
    assert numbers(path.read_bytes().splitlines()) == list(range(200))
    in_the_way.unlink()
    in_the_way.parent.rmdir()
    file.put(b"", lines(200, 201), never)
    file.close()
    assert numbers((tmp_path / "log.1").read_bytes().splitlines()) == list(range(200))
    assert numbers(path.read_bytes().splitlines()) == [200]


def test_a_path_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "log"):
        with pytest.raises(OutletError, match=f"log.sinks: 'file:{path}': cannot be opened"):
            open_outlet(with_sinks(f"file:{path}"), no_shell=True, at_terminal=False, above_prompt=None)


def test_a_local_sink_and_the_log_file_each_get_every_line(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    settings = with_sinks(f"file:{a}", file=str(b))
    outlet = open_outlet(settings, no_shell=True, at_terminal=False, above_prompt=None)
    assert outlet is not None
    EventLog(outlet, "info").bind("n").emit(SettingChanged("number", "", 7))
    outlet.close(5)
    assert a.read_bytes() == b.read_bytes() and json.loads(a.read_bytes())["value"] == 7
    assert outlet.shippers() == [] and outlet.dropped == 0


def test_a_pipe_is_written_to_and_never_turns(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = RotatedFile(str(path), LogSettings(rotate_max_bytes=4096))
    assert file.put(b"", lines(0, 100), never).lines == 100
    assert os.read(reader, 100 * SIZE) == b"".join(lines(0, 100))
    file.close()
    os.close(reader)
    assert list(tmp_path.iterdir()) == [path]


@contextmanager
def no_descriptor_free() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_turns_that_fail_for_want_of_a_descriptor_cost_no_old_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for number in (1, 2):
        (tmp_path / f"log.{number}").write_text(f"{number}\n")
    file = RotatedFile(str(path), LogSettings(rotate_max_bytes=4096, rotate_keep=3))
    file.put(b"", lines(0, 4096 // SIZE), never)
    with no_descriptor_free():
        for _ in range(5):
            error = file.put(b"", lines(100, 101), never).error
            assert error is not None and error.errno == errno.EMFILE
    file.put(b"", lines(100, 101), never)
    file.close()
    kept = {name: (tmp_path / name).read_bytes() for name in ("log", "log.1", "log.2", "log.3")}
    assert kept == {
        "log": LINE % 100,
        "log.1": b"".join(lines(0, 4096 // SIZE)),
        "log.2": b"1\n",
        "log.3": b"2\n",
    }


def test_a_file_that_cannot_be_reopened_yet_is_later(tmp_path: Path) -> None:
    path = tmp_path / "log"
    file = RotatedFile(str(path), LogSettings())
    path.rename(tmp_path / "moved")
    file.reopen()
    with no_descriptor_free():
        assert file.put(b"", lines(0, 1), never).error is not None
    file.put(b"", lines(1, 2), never)
    file.close()
    assert path.read_bytes() == LINE % 1 and not (tmp_path / "moved").read_bytes()


def test_a_link_stays_and_the_file_that_it_leads_to_turns(tmp_path: Path) -> None:
    path, there = tmp_path / "log", tmp_path / "disk" / "log"
    there.parent.mkdir()
    path.symlink_to(there)
    file = RotatedFile(str(path), LogSettings(rotate_max_bytes=4096))
    file.put(b"", lines(0, 100), never)
    file.close()
    assert path.is_symlink() and sorted(each.name for each in tmp_path.iterdir()) == ["disk", "log"]
    assert (tmp_path / "disk" / "log.1").exists()


def test_a_file_whose_first_line_is_damaged_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"ts":"\xff\xfe"}\n')
    file = RotatedFile(str(path), LogSettings())
    assert file.put(b"", lines(0, 1), never).lines == 1
    file.close()


def test_one_that_is_the_terminal_is_written_above_the_prompt_and_not_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = AbovePrompt()
    shown: list[str] = []
    above.show_by(shown.append)
    with (tmp_path / "terminal").open("w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        settings = with_sinks(f"file:{terminal.name}", f"file:{tmp_path / 'log'}")
        outlet = open_outlet(settings, no_shell=False, at_terminal=True, above_prompt=above)
    assert outlet is not None
    outlet.write(LINE % 0)
    outlet.close(5.0)
    assert shown == [(LINE % 0).decode().rstrip()]
    assert ((tmp_path / "log").read_bytes(), (tmp_path / "terminal").read_bytes()) == (LINE % 0, b"")
