"""A node's timers, a greenlet each; setting one again replaces it."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
from gevent import Greenlet

from gossip.core.effects import Timer


class Timers:
    """Calls `ring` when a timer is due; `died` is told of one that a bug ended."""

    def __init__(self, ring: Callable[[Timer], object], died: Callable[[Greenlet], None]) -> None:
        self._ring = ring
        self._died = died
        self._set: dict[Timer, Greenlet] = {}

    def set(self, timer: Timer, at: float) -> None:
        """Set a timer to `at`, in seconds of the monotonic clock."""
        earlier = self._set.pop(timer, None)
        if earlier is not None and earlier is not gevent.getcurrent():
            earlier.kill(block=False)
        greenlet = gevent.spawn_later(max(0.0, at - time.monotonic()), self._ring, timer)
        greenlet.link_exception(self._died)
        self._set[timer] = greenlet

    def greenlets(self) -> list[Greenlet]:
        """Return those that are set, to end them."""
        return list(self._set.values())
