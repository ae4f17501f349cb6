"""Keeps a node's snapshot on disk: soon after a change, and at most once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
from gevent import Greenlet
from gevent.monkey import get_original

from gossip.core.snapshot import Snapshot
from gossip.log.events import NodeLog
from gossip.log.facts import SnapshotDamaged, SnapshotFailed, SnapshotRecovered
from gossip.store import DamagedFile, Store, StoreError

_EVERY_S = 1.0
_RETRY_S = 5.0
# A lock between native threads: gevent's own would need a hub in the thread that writes.
_native_lock: Callable[[], object] = get_original("threading", "Lock")


class Keeper:
    """Saves what `take` returns, by `store`; a failure is told once, and tried again."""

    def __init__(
        self, store: Store, take: Callable[[], Snapshot], log: NodeLog, on_crash: Callable[[Greenlet], None]
    ) -> None:
        self._store = store
        self._take = take
        self._log = log
        self._on_crash = on_crash
        self._lock = _native_lock()
        self._taken = 0
        self._saved = 0
        self._last = -_EVERY_S
        self._is_due = False
        self._saver: Greenlet | None = None
        self._failing = False
        self._is_open = True

    def ask(self, *, urgent: bool) -> None:
        """Save soon or, when it is urgent, before returning; after the close, not at all."""
        if not self._is_open:
            return
        self._is_due = True
        if urgent:
            self._begin()
            self._note(self._save(*self._number()))
        # One at a time: a disk that hangs must not take one thread after the other.
        if self._is_due and (self._saver is None or self._saver.ready()):
            self._saver = gevent.spawn(self._save_in_thread)
            self._saver.link_exception(self._on_crash)

    def close(self, within_s: float) -> None:
        """Save for the last time, which the disk has `within_s` for, and let go of the folder."""
        if not self._is_open:
            return
        self._is_open = False
        if self._saver is not None:
            self._saver.kill()  # a save under way in its thread goes on, and this one follows it
        saving = gevent.spawn(gevent.get_hub().threadpool.apply, self._save, self._number())
        saving.link_exception(self._on_crash)
        saving.join(within_s)
        if saving.ready():
            self._note(saving.value)
            self._store.close()
        else:  # The lock stays until the process ends: the write may still come about.
            self._note(OSError(f"not within {within_s:.1f} s"))

    def abandon(self) -> None:
        """Let go of the folder without a save."""
        self._is_open = False
        self._store.close()

    def _save_in_thread(self) -> None:
        while self._is_due:
            gevent.sleep(max(0.0, self._last + _EVERY_S - time.monotonic()))
            if self._is_due:  # no urgent save came before this one
                self._begin()
                self._note(gevent.get_hub().threadpool.apply(self._save, self._number()))
                if self._failing:
                    gevent.sleep(_RETRY_S)

    def _begin(self) -> None:
        self._last = time.monotonic()
        self._is_due = False  # what changes from here on asks anew

    def _number(self) -> tuple[int, Snapshot]:
        self._taken += 1
        return self._taken, self._take()

    def _save(self, number: int, snapshot: Snapshot) -> OSError | None:
        """Write a snapshot unless a later one was written already; runs in any thread."""
        with self._lock:  # type: ignore[attr-defined]
            if number <= self._saved:
                return None
            try:
                self._store.save(snapshot)
            except OSError as error:
                return error
            self._saved = number
            return None

    def _note(self, error: OSError | None) -> None:
        if error is not None:
            self._is_due = True
            if not self._failing:
                reason = error.strerror or str(error)
                self._log.emit(SnapshotFailed(str(self._store.path), reason))
        elif self._failing:
            self._log.emit(SnapshotRecovered(str(self._store.path)))
        self._failing = error is not None


def load(store: Store, log: NodeLog) -> Snapshot | None:
    """Return what was kept, if anything; raise StoreError, and let go of the folder, if it is unreadable."""
    try:
        return store.load()
    except StoreError:
        store.close()
        raise
    except DamagedFile as damaged:
        log.emit(SnapshotDamaged(str(store.path), str(damaged.aside), str(damaged)))
        return None
