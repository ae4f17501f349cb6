"""Repeats: the first few events of a fault pass, and one line tells of the rest at the end of a window.

Pure: the time, in monotonic seconds, is an argument. A window begins with the first event of its key, so
windows end in the order in which they began. A kind has at most `max_keys` windows at once, and one more, in
which further events repeat one another whatever their fields are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from gossip.core.events import Event
from gossip.log.catalogue import Kind


class Repeat(NamedTuple):
    """The last of the events that a window held back, and how many it stands for."""

    kind: Kind
    event: Event
    times: int


@dataclass(slots=True)
class _Window:
    kind: Kind
    ends: float
    passed: int = 0
    held: int = 0
    last: Event | None = None


class Sampler:
    """Decides which events pass at once; `window_s` = 0: all do."""

    def __init__(self, window_s: float, burst: int, max_keys: int) -> None:
        self.use(window_s, burst, max_keys)
        self._windows: dict[tuple[str, object], _Window] = {}  # in the order in which they began
        self._keys: Counter[str] = Counter()
        self._holding = 0

    def use(self, window_s: float, burst: int, max_keys: int) -> None:
        """Go by these from now on; end the windows that have begun (`due(inf)`) before."""
        self._window_s = window_s
        self._burst = burst
        self._max_keys = max_keys

    def passes(self, kind: Kind, event: Event, now: float) -> bool:
        """Tell whether to write an event at once; one that is not is counted. Call `due` before."""
        if not self._window_s or kind.key is None:
            return True
        window = self._window((kind.name, kind.key(event)), kind, now)
        if window.passed < self._burst:
            window.passed += 1
            return True
        self._holding += not window.held
        window.held += 1
        window.last = event
        return False

    def due(self, now: float) -> list[Repeat]:
        """End the windows whose time is over, and return what they held back."""
        repeats = []
        while self._windows:
            key, window = next(iter(self._windows.items()))
            if window.ends > now:
                break
            del self._windows[key]
            self._keys[window.kind.name] -= 1
            if window.last is not None:
                self._holding -= 1
                repeats.append(Repeat(window.kind, window.last, window.held))
        return repeats

    def next_end(self) -> float | None:
        """Return when the next window ends, or None while nothing is held back."""
        return next(iter(self._windows.values())).ends if self._holding else None

    def _window(self, key: tuple[str, object], kind: Kind, now: float) -> _Window:
        window = self._windows.get(key)
        if window is None and self._keys[kind.name] >= self._max_keys:
            key = (kind.name, None)
            window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(kind, now + self._window_s)
            self._keys[kind.name] += 1
        return window
