"""The spool: whole lines, in order, whatever ended the process that wrote them; and its bound."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossip.ship import offsets
from gossip.ship.offsets import Offset
from gossip.ship.segments import Point, segment_name
from gossip.ship.spool import Spool, SpoolError

MIB = 1_048_576
LINE = b"%062d\n"
BEGIN = Point(0, 0)


def never() -> bool:
    return False


def lines(start: int, stop: int) -> list[bytes]:
    return [LINE % number for number in range(start, stop)]


def read_all(spool: Spool, at: Point = BEGIN) -> list[int]:
    """Read to the end, a little at a time."""
    found: list[int] = []
    while True:
        begins, data = spool.read(at, 7, 1000)
        if not data:
            return found
        found += map(int, data.splitlines())
        at = Point(begins.byte + len(data), begins.line + data.count(b"\n"))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    one = Spool(tmp_path, MIB)
    yield one
    one.close()
    one.release()


def again(spool: Spool) -> Spool:
    """Open the folder as the next process does, after this one is gone."""
    spool.close()
    spool.release()
    return Spool(spool.folder, MIB)


def test_what_was_written_is_read_in_order(spool: Spool) -> None:
    assert spool.put(b"", lines(0, 3000), never).lines == 3000
    assert spool.end == Point(3000 * 63, 3000)
    assert spool.put(b"", lines(3000, 3010), never).lines == 10
    assert len(spool.bases) == 2  # the first was complete
    assert read_all(spool) == list(range(3010))
    assert read_all(spool, Point(63 * 2999, 2999)) == list(range(2999, 3010))


def test_a_line_longer_than_a_read_comes_whole_and_alone(spool: Spool) -> None:
    spool.put(b"", [b"x" * 5000 + b"\n", b"y\n"], never)
    assert spool.read(BEGIN, 1, 1000) == (Point(0, 0), b"x" * 5000 + b"\n")
    assert spool.read(Point(5001, 1), 10, 1000) == (Point(5001, 1), b"y\n")


@given(cut=st.integers(0, 10 * 63))
@settings(max_examples=25, deadline=None)
def test_a_crash_at_any_byte_leaves_whole_lines_that_are_gone_on_from(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"), MIB)
    spool.put(b"", lines(0, 10), never)
    os.truncate(spool.folder / segment_name(spool.bases[-1]), cut)
    spool = again(spool)
    whole = cut // 63
    assert spool.end == Point(63 * whole, whole)
    spool.put(b"", lines(whole, 20), never)
    assert read_all(spool) == list(range(20))
    spool.close()
    spool.release()


def test_a_line_that_a_full_disk_cut_is_not_read_before_it_is_finished(spool: Spool) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        cut = spool.put(b"", lines(0, 100), never)
        still = spool.put(cut.torn, lines(100, 101), never)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (cut.lines, len(cut.torn), still.lines, still.torn) == (80, 40, 0, cut.torn)
    assert spool.end == Point(79 * 63, 79) and read_all(spool) == list(range(79))
    assert spool.put(cut.torn, lines(100, 110), never).lines == 10
    assert spool.end == Point(90 * 63, 90)
    assert read_all(spool) == [*range(80), *range(100, 110)]


def test_what_every_reader_has_passed_is_deleted(spool: Spool) -> None:
    spool.readers = lambda: [Point(400_000, 6349), Point(130_000, 2063)]
    for start in range(0, 6000, 1000):
        spool.put(b"", lines(start, start + 1000), never)
    names = {path.name for path in spool.folder.glob("events-*")}
    assert names == {segment_name(base) for base in spool.bases}
    assert [base.byte for base in spool.bases] == [126_000, 252_000]


def test_a_full_disk_is_emptied_of_what_was_read_by_all(spool: Spool) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        cut = spool.put(b"", lines(0, 100), never)
        spool.readers = lambda: [spool.end]
        then = spool.put(cut.torn, lines(80, 100), never)  # as a new file it has room again
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (cut.lines, then.lines, then.torn, spool.end) == (80, 20, b"", Point(100 * 63, 100))
    assert spool.bases == (Point(79 * 63, 79),) and len(list(spool.folder.glob("events-*"))) == 1
    assert read_all(spool, spool.bases[0]) == list(range(79, 100))


def test_a_full_spool_drops_the_oldest_segments_only(spool: Spool) -> None:
    for start in range(0, 30_000, 500):
        spool.put(b"", lines(start, start + 500), never)
    held = sum(path.stat().st_size for path in spool.folder.glob("events-*"))
    assert MIB - 2 * 65_536 < held <= MIB + 500 * 63
    begins, data = spool.read(Point(0, 0), 1, 1000)
    assert begins == spool.bases[0] and int(data) == begins.line > 0
    assert read_all(spool, begins) == list(range(begins.line, 30_000))


def test_lines_never_get_numbers_that_were_shipped(spool: Spool) -> None:
    spool.put(b"", lines(0, 10), never)
    offsets.save(spool.folder / "a.offset", Offset("a", 50 * 63, 50))  # a power cut took the lines after 10
    spool = again(spool)
    assert spool.end == Point(50 * 63, 50)
    spool.put(b"", lines(50, 60), never)
    assert read_all(spool, Point(50 * 63, 50)) == list(range(50, 60))
    assert read_all(spool) == [*range(10), *range(50, 60)]
    spool.close()
    spool.release()


def test_a_segment_that_somebody_removed_is_passed_over(spool: Spool) -> None:
    spool.put(b"", lines(0, 2000), never)
    spool.put(b"", lines(2000, 2010), never)
    (spool.folder / segment_name(spool.bases[0])).unlink()
    assert spool.read(Point(0, 0), 1, 100) == (spool.bases[1], LINE % 2000)


@pytest.mark.parametrize(
    "damaged",
    [b'{"sink":"\xff"}', b'{"sink":"a","byte":1%018d,"line":0}' % 0],  # no segment can have that name
)
def test_a_damaged_offset_keeps_nobody_from_the_start(damaged: bytes, spool: Spool) -> None:
    spool.put(b"", lines(0, 10), never)
    (spool.folder / "a.offset").write_bytes(damaged)
    second = again(spool)
    second.put(b"", lines(10, 20), never)
    third = again(second)
    assert read_all(third) == list(range(20))
    third.close()
    third.release()


def test_a_damaged_offset_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.offset"
    assert offsets.load(path) is None
    path.write_bytes(b'{"sink":"a","byte":1')
    assert offsets.load(path) is None
    offsets.save(path, Offset("a", 7, 1, 2, 3))
    assert offsets.load(path) == Offset("a", 7, 1, dropped=2, refused=3)
    offsets.forget_others(tmp_path, ["b"])
    assert not path.exists()


def test_a_folder_is_of_one_process(spool: Spool) -> None:
    with pytest.raises(SpoolError, match="another process ships from it; stop that one"):
        Spool(spool.folder, MIB)


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match=r"cannot be used .* is no folder"):
        Spool(tmp_path / "file", MIB)
    with pytest.raises(SpoolError, match="cannot be used"):
        Spool("~nobody-of-this-name/x", MIB)
