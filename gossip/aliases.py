"""The further addresses at which an adversary answers: a listener at each, opened and closed at its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gossip.core.address import Address
from gossip.log.events import NodeLog
from gossip.log.facts import AliasSkipped
from gossip.net.listener import Listener


class Aliases:
    """The open ones; `listen` opens one at a port, or raises OSError."""

    def __init__(self, listen: Callable[[int], Listener], log: NodeLog) -> None:
        self._listen = listen
        self._log = log
        self._open: dict[Address, Listener] = {}

    def __iter__(self) -> Iterator[Listener]:
        return iter(self._open.values())

    def answer_at(self, addresses: Sequence[Address]) -> None:
        """Listen at these and at no others; one that cannot be had, for its port is in use, is logged."""
        for gone in [address for address in self._open if address not in addresses]:
            listener = self._open.pop(gone)
            listener.stop()
            listener.close_callers()
        for address in addresses:
            if address in self._open:
                continue
            try:
                listener = self._listen(address.port)
            except OSError as error:
                self._log.emit(AliasSkipped(address, str(error.strerror)))
                continue
            self._open[address] = listener
            listener.start()

    def close(self) -> None:
        """Answer nowhere any more."""
        self.answer_at(())
