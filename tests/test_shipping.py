"""Shipping by HTTP loses nothing: collectors that are down, slow, reset, refuse, or take half in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from gossip.ship import offsets
from gossip.ship.outlet import open_outlet
from tests.collectors import Ship, shipping, with_sinks
from tests.failing_server import FAULTS, Collector, collecting
from tests.peers import until
from tests.processes import HOST

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")


@pytest.fixture
def ship(closes_its_sockets: None) -> Iterator[Ship]:
    with shipping() as start:
        yield start


@pytest.mark.parametrize("fault", FAULTS)
def test_a_collector_that_fails_twice_gets_everything(fault: str, ship: Ship, tmp_path: Path) -> None:
    with collecting(fault, fault) as collector:
        one = ship(tmp_path, collector.url, batch_max_events=100, ship_timeout_s=0.3)
        one.say(250)
        until(lambda: one.outlet.shippers()[0].sent == 250, "all sent")
        (view,) = one.outlet.shippers()
        assert (view.lag_events, view.lag_bytes, view.lag_s) == (0, 0, 0.0)
        assert (view.retries, view.dropped, view.refused) == (2, 0, 0)
    assert sorted(set(collector.numbers())) == list(range(250))
    assert [name for name, _ in one.told] == ["shipping_failed", "shipping_resumed"]  # once, not twice


def test_one_that_is_down_at_first_gets_everything_in_order(ship: Ship, tmp_path: Path) -> None:
    collector = Collector()
    one = ship(tmp_path, collector.url)
    one.say(1000)
    until(lambda: one.outlet.shippers()[0].retries >= 2, "two failures")
    view = one.outlet.shippers()[0]
    assert (view.sent, view.lag_events) == (0, 1000)
    assert view.lag_s > 0 and view.lag_bytes > 50_000
    collector.start()
    until(lambda: one.outlet.shippers()[0].sent == 1000, "all sent")
    collector.stop()
    assert collector.numbers() == list(range(1000))
    assert one.of("shipping_failed")[0]["reason"] == "Connection refused"


def test_what_was_not_shipped_is_shipped_by_the_next_start(ship: Ship, tmp_path: Path) -> None:
    collector = Collector()
    first = ship(tmp_path, collector.url)
    first.say(300)
    first.outlet.close(0.05)
    collector.start()
    second = ship(tmp_path, collector.url)
    until(lambda: second.outlet.shippers()[0].sent == 300, "all sent")
    second.outlet.close(1)
    third = ship(tmp_path, collector.url)
    third.say(1)
    until(lambda: third.outlet.shippers()[0].sent == 1, "one more")
    collector.stop()
    assert collector.numbers() == [*range(300), 0]  # nothing of the first 300 again


def test_the_request_is_what_collectors_take(ship: Ship, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("Bearer abc\n")
    with collecting() as collector:
        one = ship(tmp_path / "spool", f"{collector.url}#authorization={secret}")
        one.say(3)
        until(lambda: len(collector.taken) == 3, "three events")
    headers = collector.headers[0]
    assert (headers["path"], headers["Authorization"]) == ("/in?a=b", "Bearer abc")
    assert (headers["Content-Type"], headers["Content-Encoding"]) == ("application/x-ndjson", "gzip")
    assert headers["Host"] == f"{HOST}:{collector.port}"


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), (b"\xff", "expected one line of printable")]
)
def test_a_secret_that_cannot_be_used_is_told(
    content: bytes | None, reason: str, ship: Ship, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    with collecting() as collector:
        one = ship(tmp_path / "spool", f"{collector.url}#authorization={secret}")
        one.say(1)
        until(lambda: one.of("shipping_failed"), "the failure")
        assert f"{secret}: {reason}" in str(one.of("shipping_failed")[0]["reason"])
        secret.write_text("Basic x")
        until(lambda: len(collector.taken) == 1, "the event, once it can be used")


def test_an_event_that_is_refused_is_found_and_given_up_alone(ship: Ship, tmp_path: Path) -> None:
    with collecting(poison='"value":37}') as collector:
        one = ship(tmp_path, collector.url)
        one.say(100, text="x")
        until(lambda: one.outlet.shippers()[0].sent == 99, "all but one sent")
        (view,) = one.outlet.shippers()
    assert (view.sent, view.refused) == (99, 1)
    assert collector.numbers() == [number for number in range(100) if number != 37]
    (refused,) = one.of("event_refused")
    assert (refused["event_of_refused"], refused["reason"]) == ("setting_changed", "400 Bad Request: for fun")


def test_one_that_takes_little_at_once_is_given_little(ship: Ship, tmp_path: Path) -> None:
    with collecting(max_lines=10) as collector:
        one = ship(tmp_path, collector.url)
        one.say(200)
        until(lambda: one.outlet.shippers()[0].sent == 200, "all sent")
        assert one.outlet.shippers()[0].refused == 0
    assert collector.numbers() == list(range(200))


def test_a_wrong_path_costs_no_event(ship: Ship, tmp_path: Path) -> None:
    with collecting(*["404"] * 8) as collector:
        one = ship(tmp_path, collector.url, batch_max_events=1)
        one.say(5)
        until(lambda: one.outlet.shippers()[0].sent == 5, "all sent")
    assert collector.numbers() == list(range(5))
    assert one.of("shipping_failed")[0]["reason"] == "404 Not Found: for fun"


def test_a_full_spool_drops_the_oldest_counts_them_and_says_so(ship: Ship, tmp_path: Path) -> None:
    collector = Collector()
    one = ship(tmp_path, collector.url, spool_max_bytes=1_048_576)
    one.say(20_000)
    (view,) = one.outlet.shippers()
    while view.lag_events + view.dropped < 20_000:
        gevent.sleep(0.01)
        (view,) = one.outlet.shippers()
    on_disk = sum(path.stat().st_size for path in tmp_path.glob("events-*"))
    assert on_disk <= 1_048_576 + 65_536 + 512 * 120
    collector.start()
    until(lambda: one.outlet.shippers()[0].lag_events == 0, "the rest sent")
    (view,) = one.outlet.shippers()
    collector.stop()
    assert view.dropped > 1000 and view.sent == 20_000 - view.dropped
    assert sum(int(str(told["count"])) for told in one.of("spool_dropped")) == view.dropped
    assert collector.numbers() == list(range(view.dropped, 20_000))
    kept = offsets.load(next(tmp_path.glob("*.offset")))
    assert kept is not None and kept.dropped == view.dropped


def test_a_slow_collector_delays_neither_another_nor_the_hub(ship: Ship, tmp_path: Path) -> None:
    with collecting("silent") as slow, collecting() as quick:
        one = ship(tmp_path, slow.url, quick.url)
        turns = 0
        one.say(100)
        while len(quick.taken) < 100:
            gevent.sleep(0.001)
            turns += 1
        assert one.outlet.shippers()[0].sent == 0 and turns < 2000
        slow.ended.set()


def test_a_damaged_record_of_the_place_is_told_and_all_is_sent_again(ship: Ship, tmp_path: Path) -> None:
    with collecting() as collector:
        first = ship(tmp_path, collector.url)
        first.say(3)
        until(lambda: first.outlet.shippers()[0].sent == 3, "all sent")
        first.outlet.close(1)
        (path,) = tmp_path.glob("*.offset")
        path.write_bytes(b"\xff" * 40)
        second = ship(tmp_path, collector.url)
        until(lambda: second.outlet.shippers()[0].sent == 3, "all sent again")
    assert second.told == [("offset_damaged", {"sink": collector.url, "path": str(path)})]
    assert collector.numbers() == [0, 1, 2] * 2


def test_a_bug_in_a_writer_is_told(tmp_path: Path) -> None:
    crashes: list[object] = []
    outlet = open_outlet(
        with_sinks(f"file:{tmp_path / 'log'}"), no_shell=True, at_terminal=False, above_prompt=None
    )
    assert outlet is not None
    outlet.ship(lambda event: None, crashes.append)
    (writer,) = outlet._writers
    writer.greenlet.kill(ZeroDivisionError())
    until(lambda: crashes, "the crash")
    outlet.close(1)
    assert crashes == [writer.greenlet]
