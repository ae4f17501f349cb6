"""When the keeper saves: counted, with a store that remembers, fails or hangs on demand."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import Greenlet

from gossip import keeper as keeper_module
from gossip.keeper import Keeper
from tests.nodes import Facts
from tests.peers import PATIENCE_S, until

FULL = OSError(errno.ENOSPC, "No space left on device")
NEVER = 3600.0


class FakeStore:
    """Remembers what was saved, by number; `gate` is waited for in each save."""

    path = Path("/somewhere/127.0.0.1_5001.json")

    def __init__(self) -> None:
        self.saved: list[int] = []
        self.begun = 0
        self.inside = 0
        self.most_inside = 0
        self.closed_after: list[int] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def save(self, snapshot: int) -> None:
        self.begun += 1
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            assert self.gate.wait(PATIENCE_S)
            if self.error is not None:
                raise self.error
            self.saved.append(snapshot)
        finally:
            self.inside -= 1

    def close(self) -> None:
        self.closed_after.append(len(self.saved))


class Kept:
    """A keeper, what it is made of, and the snapshots that it took: 1, 2, 3 …"""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.log = Facts()
        self.crashes: list[Greenlet] = []
        self.taken = 0
        self.keeper = Keeper(self.store, self._take, self.log, self.crashes.append)  # type: ignore[arg-type]

    def _take(self) -> Any:
        self.taken += 1
        return self.taken

    def ask(self, urgent: bool = False) -> None:
        self.keeper.ask(urgent=urgent)

    def told(self) -> list[tuple[str, object]]:
        return [(name, fields.get("reason")) for name, fields in self.log.facts]


@pytest.fixture
def kept() -> Iterator[Kept]:
    one = Kept()
    yield one
    one.store.gate.set()
    one.store.error = None
    one.keeper.close(PATIENCE_S)


Times = Callable[[float, float], None]


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    """Set how often is saved at most, and how soon a failed save is tried again."""

    def set_times(every_s: float, retry_s: float) -> None:
        monkeypatch.setattr(keeper_module, "_EVERY_S", every_s)
        monkeypatch.setattr(keeper_module, "_RETRY_S", retry_s)

    return set_times


FAILED = ("snapshot_failed", FULL.strerror)
RECOVERED = ("snapshot_recovered", None)


# How often.


def test_many_changes_at_once_are_one_save_and_the_next_waits_for_its_second(
    kept: Kept, times: Times
) -> None:
    for _ in range(100):
        kept.ask()
    until(lambda: kept.store.saved == [1], "the first save")
    times(NEVER, NEVER)
    for _ in range(100):
        kept.ask()
    gevent.sleep(0.05)
    assert (kept.store.saved, kept.taken) == ([1], 1)
    kept.keeper.close(PATIENCE_S)
    assert kept.store.saved == [1, 2]


def test_changes_without_end_are_saved_at_most_once_a_second_and_the_last_is_among_them(
    kept: Kept, times: Times
) -> None:
    every_s = 0.1
    times(every_s, NEVER)
    began = time.monotonic()
    while time.monotonic() < began + 10 * every_s:
        kept.ask()
        gevent.sleep(0.003)
    assert 2 <= len(kept.store.saved) <= 1 + (time.monotonic() - began) / every_s
    before = kept.store.begun
    kept.ask()
    until(lambda: kept.store.begun > before and not kept.store.inside, "the last save")
    assert kept.store.saved == list(range(1, kept.taken + 1))


def test_the_shipped_times() -> None:
    assert (keeper_module._EVERY_S, keeper_module._RETRY_S) == (1.0, 5.0)


def test_an_urgent_save_is_done_before_it_returns_and_does_for_those_that_wait(
    kept: Kept, times: Times
) -> None:
    times(NEVER, NEVER)
    kept.ask(urgent=True)
    assert kept.store.saved == [1]
    kept.ask()
    kept.ask(urgent=True)
    assert kept.store.saved == [1, 2]
    times(0.01, NEVER)
    kept.ask()
    kept.ask(urgent=True)
    gevent.sleep(0.05)
    assert kept.store.saved == [1, 2, 3]


# A disk that fails.


@pytest.mark.parametrize("urgent", [False, True])
def test_a_failing_disk_is_told_once_tried_again_and_its_recovery_told(
    kept: Kept, times: Times, urgent: bool
) -> None:
    times(0.001, 0.01)
    kept.store.error = FULL
    kept.ask(urgent)
    until(lambda: kept.store.begun >= 4, "the third retry")
    assert kept.told() == [FAILED]
    assert kept.log.named("snapshot_failed")[0]["path"] == str(kept.store.path)
    kept.store.error = None
    until(lambda: kept.store.saved, "the recovery")
    until(lambda: kept.told() == [FAILED, RECOVERED], "the news of it")
    begun = kept.store.begun
    gevent.sleep(0.05)
    assert kept.store.begun == begun

    kept.store.error = FULL
    kept.ask(urgent)
    until(lambda: kept.told() == [FAILED, RECOVERED, FAILED], "the second failure")


def test_changes_while_the_disk_fails_do_not_make_more_retries(kept: Kept, times: Times) -> None:
    times(0.001, NEVER)
    kept.store.error = FULL
    for _ in range(50):
        kept.ask()
        gevent.sleep(0.001)
    until(lambda: kept.told() == [FAILED])
    assert kept.store.begun == 1


def test_a_bug_in_a_save_is_reported_and_the_next_change_is_saved(kept: Kept, times: Times) -> None:
    times(0.001, NEVER)
    kept.store.error = TypeError("a bug")
    kept.ask()
    until(lambda: kept.crashes, "the report")
    kept.store.error = None
    kept.ask()
    until(lambda: kept.store.saved, "the next save")


# A disk that is slow.


def test_a_slow_save_holds_up_neither_the_hub_nor_more_than_one_thread(kept: Kept, times: Times) -> None:
    times(0.001, NEVER)
    kept.store.gate.clear()
    kept.ask()
    until(lambda: kept.store.inside, "the slow save")
    for _ in range(50):
        kept.ask()
        gevent.sleep(0.002)  # a hub that is blocked would not come back from it: the gate is closed
    assert (kept.store.begun, kept.taken, kept.store.saved) == (1, 1, [])
    assert gevent.get_hub().threadpool.apply(int) == 0  # a look-up of a name, say
    kept.store.gate.set()
    until(lambda: kept.store.saved == [1, 2], "the one save of all those changes")
    assert kept.store.most_inside == 1


def test_an_urgent_save_follows_the_slow_one_that_is_under_way(kept: Kept, times: Times) -> None:
    times(0.001, NEVER)
    kept.store.gate.clear()
    kept.ask()
    until(lambda: kept.store.inside, "the slow save")
    opener = threading.Timer(0.1, kept.store.gate.set)
    opener.start()
    kept.ask(urgent=True)
    assert (kept.store.saved, kept.store.most_inside) == ([1, 2], 1)
    opener.join()


def test_an_older_snapshot_never_overwrites_a_newer_one(kept: Kept) -> None:
    pool, free = gevent.get_hub().threadpool, threading.Event()
    size, pool.maxsize = pool.maxsize, 1
    try:
        holding = pool.spawn(free.wait, PATIENCE_S)
        kept.ask()
        until(lambda: kept.taken == 1, "a save that waits for its thread")
        kept.ask(urgent=True)
        assert kept.store.saved == [2]
    finally:
        free.set()
        pool.maxsize = size
    holding.get()
    kept.keeper.close(PATIENCE_S)
    assert kept.store.saved == [2, 3]
    assert kept.told() == []


# The close.


def test_the_close_saves_last_once_and_lets_go(kept: Kept) -> None:
    kept.ask()
    kept.keeper.close(PATIENCE_S)
    kept.keeper.close(PATIENCE_S)
    kept.ask()
    kept.ask(urgent=True)
    gevent.sleep(0.02)
    assert kept.store.saved == [1]
    assert kept.store.closed_after == [1]


@pytest.mark.parametrize("error", [None, FULL])
def test_a_close_while_a_save_runs_saves_after_it_and_nothing_comes_later(
    kept: Kept, times: Times, error: OSError | None
) -> None:
    times(0.001, 0.001)
    kept.store.gate.clear()
    kept.store.error = error
    kept.ask()
    until(lambda: kept.store.inside, "the slow save")
    kept.ask()
    closing = gevent.spawn(kept.keeper.close, PATIENCE_S)
    until(lambda: kept.taken == 2, "the last snapshot")
    assert kept.store.closed_after == []
    kept.store.gate.set()
    closing.get(timeout=PATIENCE_S)
    gevent.sleep(0.02)
    assert kept.store.saved == ([] if error else [1, 2])
    assert (kept.store.begun, len(kept.store.closed_after)) == (2, 1)
    assert kept.told() == ([FAILED] if error else [])


def test_a_close_does_not_wait_for_a_disk_that_hangs_and_keeps_the_lock(kept: Kept) -> None:
    kept.store.gate.clear()
    kept.keeper.close(0.1)
    assert kept.told() == [("snapshot_failed", "not within 0.1 s")]
    assert kept.store.closed_after == []
    kept.store.gate.set()
    until(lambda: kept.store.saved == [1], "the write, which comes about after all")


def test_a_folder_that_is_abandoned_is_let_go_without_a_save(kept: Kept) -> None:
    kept.keeper.abandon()
    kept.keeper.close(PATIENCE_S)
    kept.ask(urgent=True)
    assert (kept.store.saved, kept.store.closed_after) == ([], [0])
