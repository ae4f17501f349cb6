"""What a node keeps across a restart, and when that is due."""

from __future__ import annotations

from gossip.core import snapshot
from gossip.core.beliefs import Beliefs
from gossip.core.effects import SaveSnapshot
from gossip.core.instant import Instant
from gossip.core.snapshot import Snapshot

# Own timestamps ahead of the clock are kept with room for this many more, so that a burst is kept once.
_TIMESTAMPS_AHEAD = 16


class Keeping:
    """Asks for a snapshot when something has changed; `kept` is the last one, if any, of before."""

    def __init__(self, beliefs: Beliefs, kept: Snapshot | None) -> None:
        self._beliefs = beliefs
        self._version = -1
        self._first_timestamp = beliefs.table.own.timestamp
        self._timestamp = kept.last_timestamp if kept else 0
        self._is_asked = False

    def snapshot(self, now: Instant) -> Snapshot:
        """Return what is to be kept; whoever asks keeps it."""
        self._is_asked = False
        self._version = self._version_now()
        return snapshot.take(self._beliefs, max(self._beliefs.table.own.timestamp, self._timestamp), now)

    def due(self, now: Instant) -> SaveSnapshot | None:
        """Return the order to keep what has changed, if that has not been given."""
        timestamp = self._beliefs.table.own.timestamp
        # An own timestamp ahead of the clock could be given out again after a crash: it is kept first.
        urgent = timestamp > max(now.wall, self._timestamp)
        if urgent:
            # As much room as was needed since the start: restarts in a loop must not run far ahead.
            self._timestamp = timestamp + min(timestamp - self._first_timestamp, _TIMESTAMPS_AHEAD)
        if not urgent and (self._is_asked or self._version_now() == self._version):
            return None
        self._is_asked = True
        return SaveSnapshot(urgent)

    def _version_now(self) -> int:
        return self._beliefs.table.version + self._beliefs.blacklist.version
