"""Whether a node is alive, and whether it is of use to others yet; each problem is one line."""

from __future__ import annotations

from typing import Protocol

from gevent.event import Event as Flag

from gossip.core.events import Event, PullFinished
from gossip.core.settings import Settings
from gossip.core.views import Status

BEAT_S = 1.0
_STILL_S_MIN, _STILL_ROUNDS = 10.0, 3


class Living(Protocol):
    """A node, as far as its health shows."""

    stopping: Flag
    exit_status: int

    def status(self) -> Status:
        """Return the node in one line."""


class Health:
    """Looks after one node; `beat` is to be called every `BEAT_S` or so, and `take` with every event.

    Time is counted in beats: while a machine is suspended nobody expects a round.
    """

    def __init__(self, node: Living, settings: Settings) -> None:
        self._node = node
        self.use(settings)
        self._has_pulled = False
        self._round = -1
        self._still_s = 0.0

    def use(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        own = str(self._node.status().own.address)
        # Who is told to join only itself has nobody to wait for.
        self._names = [name for name in settings.node.join if name != own]
        self._interval_s = settings.gossip.interval_s
        self._patience_s = max(_STILL_S_MIN, _STILL_ROUNDS * self._interval_s)

    def take(self, event: Event) -> None:
        """Note an event; never waits."""
        self._has_pulled = self._has_pulled or isinstance(event, PullFinished)

    def beat(self, passed_s: float = BEAT_S) -> None:
        """Note that this much time has passed."""
        current = self._node.status().round
        self._still_s = 0.0 if current != self._round else self._still_s + passed_s
        self._round = current

    def problem(self) -> str | None:
        """Return why the node is not well, or None: a bug ended a part of it, or rounds do not begin."""
        if self._node.exit_status:
            return "a part of this process crashed: the log says greenlet_crashed or hub_error"
        if self._still_s > self._patience_s and not self._node.stopping.is_set():
            return f"no round began for {self._still_s:g} s; there is one every {self._interval_s:g} s"
        return None

    def obstacle(self) -> str | None:
        """Return why the node is not ready, or None.

        It is ready once it listens and, where it is to join others, knows a member and one has answered.
        """
        if self._node.stopping.is_set():
            return "it is stopping"
        if self._names and self._node.status().members < 2:
            return f"it knows no other member; of node.join ({len(self._names)} named) none was taken yet"
        if self._names and not self._has_pulled:
            return "no member that it knows of from before has answered yet"
        return None
