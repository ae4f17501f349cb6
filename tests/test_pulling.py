"""The pulls under way: one connection at a time to any one peer, readings included."""

from __future__ import annotations

import gevent
from gevent import Greenlet
from gevent.event import Event as Flag

from gossip.core.address import Address
from gossip.core.effects import Output
from gossip.core.events import PullFailed
from gossip.core.inspection import Inspection
from gossip.core.instant import Instant
from gossip.core.wire import Failure, Pulled
from gossip.net.puller import Take
from gossip.pulling import Pulling
from gossip.readings import Readings
from tests.peers import until

PEER = Address("10.0.0.2", 7000)


def test_a_pull_waits_for_the_one_before_it_and_for_a_reading() -> None:
    waiting: list[Flag] = []
    open_now = 0
    crashes: list[Greenlet] = []

    def call(peer: Address, take: Take) -> None:
        nonlocal open_now
        open_now += 1
        assert open_now == 1
        take(Failure("timeout"))
        waiting.append(ended := Flag())
        ended.wait()  # it sends its reply
        open_now -= 1

    def handle(peer: Address, result: Pulled | Failure) -> Output:
        return Output(events=[PullFailed(peer, "round", "timeout", 1.0, 0, 1)])

    def inspect(peer: Address, pulled: Pulled, now: Instant) -> Inspection:
        raise AssertionError("no table came")

    pulls = Pulling(call, handle, lambda peer: None, crashes.append)
    readings = Readings(inspect, lambda: Instant(0.0, 0.0), call, gevent.spawn)
    pulls.start(PEER, None)
    until(lambda: bool(waiting))
    reader = gevent.spawn(readings.read, PEER, pulls.get(PEER))
    until(lambda: PEER in readings.open)
    pulls.start(PEER, readings.open[PEER])
    for _ in range(3):
        until(lambda: bool(waiting))
        waiting.pop().set()
    assert reader.get().failure == "timeout"
    until(lambda: pulls.get(PEER) is None)
    assert not crashes
