"""A real rsyslogd, with the shipped configuration: stopped, killed and started again, it gets everything."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collectors import Rsyslogd, numbers, shipping
from tests.peers import until

EVENTS = 50_000


@pytest.fixture
def rsyslogd(tmp_path: Path) -> Iterator[Rsyslogd]:
    one = Rsyslogd(tmp_path)
    yield one
    one.end()


def test_fifty_thousand_events_reach_one_that_is_killed_and_stopped_meanwhile(
    rsyslogd: Rsyslogd, tmp_path: Path
) -> None:
    with shipping() as start:
        ship = start(tmp_path / "spool", f"syslog+tcp://127.0.0.1:{rsyslogd.port}", batch_max_events=500)
        rsyslogd.start()
        ship.say(EVENTS // 2)
        rsyslogd.wait_for_more(200_000)
        rsyslogd.end(signal.SIGKILL)
        assert 0 < len(rsyslogd.lines()) < EVENTS // 2
        ship.say(EVENTS // 4)
        until(lambda: ship.of("shipping_failed"), "the failure")
        rsyslogd.start()
        rsyslogd.wait_for_more(200_000)
        rsyslogd.end(signal.SIGTERM)
        ship.say(EVENTS // 4)
        rsyslogd.start()
        until(lambda: ship.outlet.shippers()[0].lag_events == 0, "all of them shipped", 60)
        (view,) = ship.outlet.shippers()
    assert (view.sent, view.dropped, view.refused, ship.outlet.dropped) == (EVENTS, 0, 0, 0)
    received = numbers(rsyslogd.lines())
    assert set(received) == set(range(EVENTS))
    assert len(received) < 1.2 * EVENTS  # what was sent again is not everything


def test_a_message_arrives_as_it_was_written_over_tcp_and_udp(rsyslogd: Rsyslogd, tmp_path: Path) -> None:
    hostile = 'quote " percent %s <34>1 brackets ]] \r\n\0 é 😀'
    rsyslogd.start()
    with shipping() as start:
        tcp = start(tmp_path / "tcp", f"syslog+tcp://127.0.0.1:{rsyslogd.port}")
        tcp.say(1, text=hostile)
        tcp.say(1, text="x" * 100_000)
        until(lambda: tcp.outlet.shippers()[0].sent == 2, "both over TCP")  # so that it listens
        udp = start(tmp_path / "udp", f"syslog+udp://127.0.0.1:{rsyslogd.port}?facility=local3&app=gossipd")
        udp.say(1, text=hostile)
        until(lambda: len(rsyslogd.lines()) == 3, "the third over UDP")
    texts = [json.loads(line)["previous"] for line in rsyslogd.lines()]
    assert texts == [hostile, "x" * 100_000, hostile]
