"""The pulls under way, a greenlet each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gevent
from gevent import Greenlet

from gossip.core.address import Address
from gossip.core.effects import Output, SendReply
from gossip.core.events import PullFailed, PullFinished
from gossip.core.wire import Failure, Pulled
from gossip.net.puller import Take

Outcome = PullFinished | PullFailed


class Pulling:
    """Makes the pulls that the core orders; `call` makes one, `handle` is told its result.

    Each ends with `handle`, or with `abandon` where there is none: a crash, or the stop of the node.
    """

    def __init__(
        self,
        call: Callable[[Address, Take], None],
        handle: Callable[[Address, Pulled | Failure], Output],
        abandon: Callable[[Address], None],
        crashed: Callable[[Greenlet], None],
    ) -> None:
        self._call = call
        self._handle = handle
        self._abandon = abandon
        self._crashed = crashed
        self._open: dict[Address, Greenlet] = {}

    def get(self, peer: Address) -> Greenlet | None:
        """Return the open pull of a peer, or None."""
        return self._open.get(peer)

    def start(self, peer: Address, reading: Greenlet | None) -> None:
        """Begin a pull once what else reads from this peer is over; return at once."""
        earlier = [found for found in (self._open.get(peer), reading) if found is not None]
        greenlet = gevent.spawn(self._pull, peer, earlier)
        greenlet.link_exception(self._crashed)
        self._open[peer] = greenlet

    def outcome(self, peer: Address) -> Outcome | None:
        """Wait for the open pull of a peer; None: there is none, or it was killed."""
        greenlet = self._open.get(peer)
        finished = greenlet.get() if greenlet is not None else None
        return finished if isinstance(finished, PullFinished | PullFailed) else None

    def finish(self, patience_s: float) -> None:
        """Let open pulls finish for a while, then end them.

        Going away before the table was read stops a seed's server; who is not through by then waits for a
        peer that hangs.
        """
        gevent.joinall(list(self._open.values()), timeout=patience_s)
        gevent.killall(list(self._open.values()), timeout=1)

    def _pull(self, peer: Address, earlier: Sequence[Greenlet]) -> Outcome:
        results: list[Pulled | Failure] = []
        outs: list[Output] = []

        def take(result: Pulled | Failure) -> bytes | None:
            results.append(result)
            outs.append(self._handle(peer, result))
            return next((effect.data for effect in outs[0].effects if isinstance(effect, SendReply)), None)

        try:
            gevent.joinall(earlier)  # a pull sends its reply still: one connection at a time to any one peer
            self._call(peer, take)
        finally:
            gevent.killall(earlier, block=False)
            if not results:
                self._abandon(peer)
            if self._open.get(peer) is gevent.getcurrent():  # not the next one, which may have begun
                del self._open[peer]
        finished = outs[0].events[0]
        assert isinstance(finished, Outcome)
        return finished
