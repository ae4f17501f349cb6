"""Look-ups of names that outlive the patience of who asks."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import gevent
from gevent import Greenlet


class LookUps:
    """Runs look-ups, one at a time for each key.

    One that its caller no longer waits for goes on, and the next caller waits for it, too: each one that
    hangs holds a thread of the hub's pool, which snapshots and other names need.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, Greenlet] = {}

    def result(self, key: Hashable, look_up: Callable[[], Any]) -> Any:
        """Return what a look-up returns, or raise its OSError; the deadline is the caller's, as a Timeout."""
        if key not in self._under_way:
            self._under_way[key] = gevent.spawn(self._run, key, look_up)
        found = self._under_way[key].get()
        if isinstance(found, OSError):
            raise found
        return found

    def _run(self, key: Hashable, look_up: Callable[[], Any]) -> Any:
        try:
            return look_up()
        except OSError as error:  # as a value, for whoever waits
            return error
        finally:
            del self._under_way[key]
