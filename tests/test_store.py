"""The snapshot's file: whatever stops a save, it loads; whatever is in it, nothing is overwritten."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.snapshot import KeptBlacklisted, KeptMember, Snapshot
from gossip.store import DamagedFile, Store, StoreError
from tests.peers import no_descriptor_left

ADDRESS = Address("127.0.0.1", 5001)
SIX = Address("::1", 5001)


@pytest.fixture(autouse=True)
def closes_its_files() -> Iterator[None]:
    with no_descriptor_left():
        yield


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_lock = Store(str(tmp_path), ADDRESS)
    yield with_lock
    with_lock.close()


def snapshot(last: int, members: int = 2, address: Address = ADDRESS) -> Snapshot:
    return Snapshot(
        address,
        last,
        tuple(
            KeptMember(Entry(Address("10.0.0.1", 1 + i), 1_630_281_124 + i, i % 10), "join")
            for i in range(members)
        ),
        (
            KeptBlacklisted(SIX, "refused", 12.5, 99.25, 3, Entry(SIX, 5, 6)),
            KeptBlacklisted(Address("10.0.0.9", 9), "blocked", 12.5, None, 0, None),
        ),
    )


OLD, NEW = snapshot(1), snapshot(2, members=50)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


def set_aside(store: Store, data: bytes) -> str:
    """Put `data` in the file's place and load: it must be moved, unchanged. Return the reason."""
    store.path.write_bytes(data)
    with pytest.raises(DamagedFile) as damaged:
        store.load()
    assert damaged.value.aside.read_bytes() == data
    assert not store.path.exists()
    assert store.load() is None
    damaged.value.aside.unlink()
    return str(damaged.value)


# Round trips.


@pytest.mark.parametrize("address", [ADDRESS, SIX])
def test_what_was_saved_is_loaded_also_by_the_next_process(tmp_path: Path, address: Address) -> None:
    folder = tmp_path / "made" / "as needed"
    store = Store(str(folder), address)
    assert store.load() is None
    for kept in (snapshot(1, 3, address), snapshot(0, 0, address), snapshot(2, 500, address)):
        store.save(kept)
        assert store.load() == kept
    store.close()
    again = Store(str(folder), address)
    assert again.load() == kept
    assert list(files(folder)) == [store.path.name]
    again.close()


# Crashes.


class Crash(BaseException):
    """The end of the process at some call."""


class HalfWritten:
    """A file of which a write stops half-way."""

    def __init__(self, file: Any, error: BaseException) -> None:
        self._file, self._error = file, error

    def __enter__(self) -> HalfWritten:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._file.write(data[: len(data) // 2])
        raise self._error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), Crash()])
@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace", "open 2", "fsync 2"])
def test_a_save_that_stops_at_any_step_leaves_a_file_that_loads(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    store.save(OLD)
    name, _, nth = step.partition(" ")
    replaced = "fdopen" if name == "write" else name
    real, calls = getattr(os, replaced), []

    def broken(*args: Any, **more: Any) -> Any:
        calls.append(args)
        if name == "write":
            return HalfWritten(real(*args, **more), error)
        if len(calls) < int(nth or 1):
            return real(*args, **more)
        raise error

    monkeypatch.setattr(os, replaced, broken)
    with pytest.raises(type(error)):
        store.save(NEW)
    monkeypatch.undo()
    assert calls
    assert store.load() == (NEW if nth else OLD)  # the second ones come after the rename
    store.save(NEW)
    assert store.load() == NEW


def save_for_ever(folder: str, tell: int) -> None:
    store = Store(folder, ADDRESS)
    number = 1 if (kept := store.load()) is None else kept.last_timestamp
    while True:
        number += 1
        store.save(snapshot(number, members=number % 300))
        os.write(tell, b"%d\n" % number)


def test_kill_9_in_the_midst_of_saves_leaves_the_last_that_was_finished_or_the_next(tmp_path: Path) -> None:
    rng = random.Random(5)
    for _ in range(20):
        hear, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                save_for_ever(str(tmp_path), tell)
            finally:
                os._exit(1)
        os.close(tell)
        told = os.read(hear, 65_536)
        time.sleep(rng.uniform(0, 0.01))  # somewhere in the midst of the next ones
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "the child failed by itself"
        while more := os.read(hear, 65_536):
            told += more
        os.close(hear)
        finished = int(told.split()[-1])
        store = Store(str(tmp_path), ADDRESS)
        kept = store.load()
        assert kept is not None
        assert kept.last_timestamp in (finished, finished + 1)
        assert kept == snapshot(kept.last_timestamp, members=kept.last_timestamp % 300)
        store.close()


# Damage.


def test_a_file_cut_at_any_length_is_set_aside(store: Store) -> None:
    store.save(OLD)
    whole = store.path.read_bytes()
    for length in range(len(whole) - 1):
        assert set_aside(store, whole[:length])
    store.path.write_bytes(whole[:-1])  # only the last newline is lost, and it says nothing
    assert store.load() == OLD


def test_a_file_with_any_byte_changed_is_set_aside(store: Store) -> None:
    store.save(OLD)
    whole = store.path.read_bytes()
    for at in range(len(whole)):
        for bit in (1, 0x20, 0x80):
            assert set_aside(store, whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])


@given(
    st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_of_something_else_is_set_aside(store: Store, data: bytes) -> None:
    assert set_aside(store, data)


def signed(body: bytes, **header: object) -> bytes:
    head = {"format": "gossipd snapshot", "version": 1, "sha256": hashlib.sha256(body).hexdigest(), **header}
    return json.dumps(head).encode() + b"\n" + body + b"\n"


def body_of(store: Store, kept: Snapshot) -> bytes:
    store.save(kept)
    return store.path.read_bytes().split(b"\n")[1]


@pytest.mark.parametrize(
    ("kept", "header", "change", "reason"),
    [
        (OLD, {"version": 2}, (b"", b""), "version 2"),
        (OLD, {"format": "another"}, (b"", b""), "'another'"),
        (OLD, {"sha256": "0" * 64}, (b"", b""), "digest"),
        (OLD, {"more": 1}, (b"", b""), "more"),
        (snapshot(1, address=SIX), {}, (b"", b""), r"\[::1\]:5001, not of 127"),
        (OLD, {}, (b"10.0.0.1", b"0.0.0.0"), "unspecified"),
        (OLD, {}, (b"10.0.0.9", b"10.0.0.09"), "leading zeros"),
        (OLD, {}, (b'"members"', b'"Members"'), "members"),
        (OLD, {}, (b"127.0.0.1", b"\xff\xfe"), "utf-8"),
    ],
)
def test_a_whole_file_that_says_what_it_must_not_is_set_aside(
    store: Store, kept: Snapshot, header: dict[str, object], change: tuple[bytes, bytes], reason: str
) -> None:
    body = body_of(store, kept)
    assert set_aside(store, signed(body.replace(*change), **header))
    store.path.write_bytes(signed(body.replace(*change), **header))
    with pytest.raises(DamagedFile, match=f"(?i){reason}"):
        store.load()


def test_damaged_files_do_not_overwrite_each_other(store: Store, tmp_path: Path) -> None:
    (tmp_path / "127.0.0.1_5001.damaged-2").symlink_to("nowhere")
    for data in (b"first", b"second", b"third"):
        store.path.write_bytes(data)
        with pytest.raises(DamagedFile):
            store.load()
        store.save(OLD)
    (tmp_path / "127.0.0.1_5001.damaged-2").unlink()
    assert sorted(files(tmp_path).values())[:3] == [b"first", b"second", b"third"]
    assert store.load() == OLD


# Folders that cannot be used, and the lock.


@pytest.mark.parametrize("folder", ["file", "file/below", "~no-such-user-here/x", "a\0b", "x" * 300])
def test_a_folder_that_cannot_be_used_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=r"node\.data_dir = .*cannot be used") as error:
        Store(folder, ADDRESS)
    assert "\n" not in str(error.value)


def test_a_file_that_can_be_neither_read_nor_set_aside_is_one_line(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.path.mkdir()
    with pytest.raises(StoreError, match=r"^\S+json: cannot be read \(Is a directory\)$"):
        store.load()
    store.path.rmdir()
    store.path.write_bytes(b"damaged")
    monkeypatch.setattr(os, "replace", lambda *_: os.rmdir("/proc"))
    with pytest.raises(StoreError, match=r"^\S+json: damaged, cannot be set aside \([^\n]+\)$"):
        store.load()
    assert store.path.read_bytes() == b"damaged"


def test_the_lock_is_one_per_folder_and_address_and_held_until_the_close(tmp_path: Path) -> None:
    store = Store(str(tmp_path), ADDRESS)
    with pytest.raises(StoreError, match=r"another process runs 127\.0\.0\.1:5001 on it; [^\n]+$"):
        Store(str(tmp_path), ADDRESS)
    Store(str(tmp_path), SIX).close()
    Store(str(tmp_path / "other"), ADDRESS).close()
    store.close()
    again = Store(str(tmp_path), ADDRESS)
    store.close()  # its descriptor's number is the other's now
    with pytest.raises(StoreError, match="another process"):
        Store(str(tmp_path), ADDRESS)
    again.close()
