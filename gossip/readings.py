"""Tables that a user asks to see: each read on a connection of its own, and nothing in them believed."""

from __future__ import annotations

from collections.abc import Callable

from gevent import Greenlet

from gossip.core.address import Address
from gossip.core.inspection import Inspection
from gossip.core.instant import Instant
from gossip.core.views import Reading
from gossip.core.wire import Failure, Pulled
from gossip.net.puller import Take


class Readings:
    """The readings under way, at most one of any one peer; `call` pulls, `inspect` judges what came."""

    def __init__(
        self,
        inspect: Callable[[Address, Pulled, Instant], Inspection],
        now: Callable[[], Instant],
        call: Callable[[Address, Take], None],
        spawn: Callable[..., Greenlet],
    ) -> None:
        self._inspect = inspect
        self._now = now
        self._call = call
        self._spawn = spawn
        self.open: dict[Address, Greenlet] = {}

    def read(self, peer: Address, earlier: Greenlet | None) -> Reading:
        """Read the table of a peer once the pull `earlier` from it is over; takes two time-outs at most.

        Whoever stops waiting does not cut it short: that would stop a node of the seed's for good.
        """
        greenlet = self.open.get(peer)
        if greenlet is None:
            greenlet = self.open[peer] = self._spawn(self._read, peer, earlier)
        found = greenlet.get()
        return found if isinstance(found, Reading) else Reading(peer, 0.0, 0, "the node is stopping")

    def _read(self, peer: Address, earlier: Greenlet | None) -> Reading:
        found: list[Pulled | Failure] = []
        try:
            if earlier is not None:
                earlier.join()
            began = self._now().mono
            self._call(peer, found.append)
            duration_ms = round(1000 * (self._now().mono - began), 3)
        finally:
            del self.open[peer]
        result = found[0]
        if isinstance(result, Failure):
            return Reading(peer, duration_ms, result.received, result.reason)
        inspection = self._inspect(peer, result, self._now())
        return Reading(peer, duration_ms, len(result.data), None, result.end, inspection)
