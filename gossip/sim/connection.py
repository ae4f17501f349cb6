"""One pull in virtual time: the twin of `net/puller.py` and `net/listener.py`, with the same limits.

Bytes that come with waits between them are taken lazily, and only until the reader has enough: an endless
answer costs what it would cost a real puller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gossip.core.address import Address
from gossip.core.attacks import Step
from gossip.core.wire import End, Failure, Pulled, TableReader
from gossip.sim.actor import Actor
from gossip.sim.network import Network
from gossip.sim.timeline import Timeline

_SEGMENT = 1448  # bytes that a clogged link carries at once
_STEP_S = 100e-6  # about what a step costs a real listener: who never waits cannot go on for ever either
Done = Callable[[Pulled | Failure], None]


class Connection:
    """A caller's pull of `peer`, where `target` listens (None: nobody); `done` is called once."""

    def __init__(
        self,
        timeline: Timeline,
        network: Network,
        caller: Actor,
        peer: Address,
        target: Actor | None,
        done: Done,
    ) -> None:
        self._timeline = timeline
        self._network = network
        self._caller = caller
        self._peer = peer
        self._target = target
        self._done = done
        self._deadline = timeline.now + caller.settings.pull.pull_timeout_s

    def open(self) -> None:
        """Call the peer."""
        network, caller, target = self._network, self._caller, self._target
        now = self._timeline.now
        there_s = network.delay_s(caller.address, self._peer)
        back_s = network.delay_s(target.address if target else self._peer, caller.address)
        self._arrives = now + there_s + back_s
        if self._is_cut() or (target is not None and target.silent) or self._arrives >= self._deadline:
            self._fail("timeout", self._deadline)
        elif network.is_lost(network.links.loss):
            self._fail("reset", self._arrives)
        elif target is None or not target.alive:
            self._fail("refused", self._arrives)
        else:
            life = target.life
            self._timeline.at(now + there_s, lambda: self._answer(target, life))

    def _answer(self, target: Actor, life: int) -> None:
        """Let the peer answer, as its listener would."""
        if target.life != life or not target.alive:
            self._fail("reset", self._arrives)
            return
        target.pulls += 1
        now = self._timeline.now
        answer = target.node.answer(self._caller.address.host, target.clock.at(now))
        limits = self._caller.settings.pull
        self._reader = TableReader(limits.max_bytes, limits.max_lines)
        speed = self._network.speed(target.address, self._caller.address)
        if isinstance(answer, bytes) and speed is None:
            self._timeline.at(self._arrives, lambda: self._take(target, life, answer))
            return
        steps = iter((answer,)) if isinstance(answer, bytes) else answer
        self._steps = steps if speed is None else _clogged(steps, speed)
        # What the answer does, the caller sees one way's delay later: everything is shifted by it.
        self._closes = self._arrives + target.settings.listener.answer_timeout_s
        self._heard = self._arrives
        self._timeline.at(self._arrives, lambda: self._go_on(target, life))

    def _take(self, target: Actor, life: int, table: bytes) -> None:
        """Read an honest table, which comes at once and may be cut."""
        if self._is_cut():
            self._end(End.TIMEOUT, self._deadline)
        elif target.life != life:
            self._end(End.RESET)
        elif self._network.is_lost(self._network.links.truncated):
            self._end(self._reader.feed(table[: self._network.somewhere_in(len(table))]) or End.RESET)
        else:
            self._end(self._reader.feed(table) or End.CLOSED)

    def _go_on(self, target: Actor, life: int) -> None:
        """Read what comes over time, until the peer waits or the reader has enough."""
        at = self._timeline.now
        if target.life != life:
            self._end(End.RESET)
            return
        if self._is_cut():
            self._end(*self._patience())
            return
        while True:
            step = next(self._steps, None)
            at += step if isinstance(step, float) and step > 0 else _STEP_S
            end, until = self._patience()
            if at >= min(until, self._closes):
                self._end(*((end, until) if until <= self._closes else (End.CLOSED, self._closes)))
                return
            if step is None:
                self._end(End.CLOSED, at)
                return
            if isinstance(step, bytes):
                read = self._reader.feed(step)
                self._heard = at if step else self._heard
                if read is not None:
                    self._end(read, at)
                    return
            elif step > 0:
                self._timeline.at(at, lambda: self._go_on(target, life))
                return

    def _patience(self) -> tuple[End, float]:
        """Return until when the caller waits for the next byte, and how that ends."""
        quiet = self._heard + self._caller.settings.pull.quiet_s
        if self._reader.size and quiet < self._deadline:
            return End.QUIET, quiet
        return End.TIMEOUT, self._deadline

    def _is_cut(self) -> bool:
        target = self._target.address if self._target else self._peer
        return self._network.is_cut(self._caller.address, target)

    def _fail(self, reason: str, at: float) -> None:
        self._timeline.at(at, lambda: self._done(Failure(reason)))

    def _end(self, end: End, at: float = 0.0) -> None:
        """End the pull, now or later, with what was read."""
        result: Pulled | Failure = self._reader.pulled(end)
        if end in (End.TIMEOUT, End.RESET) and not self._reader.has_line:
            result = Failure(str(end), self._reader.size)
        if at <= self._timeline.now:
            self._done(result)
        else:
            self._timeline.at(at, lambda: self._done(result))


def _clogged(steps: Iterator[Step], bytes_per_s: int) -> Iterator[Step]:
    """Let bytes through a segment at a time, as fast as the link is."""
    for step in steps:
        if not isinstance(step, bytes):
            yield step
            continue
        for start in range(0, len(step), _SEGMENT):
            segment = step[start : start + _SEGMENT]
            yield len(segment) / bytes_per_s
            yield segment
