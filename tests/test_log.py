"""The log: what a line looks like."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.events import AdversarySet, EntryRestamped, Event, MemberAdded, PullFailed, PullFinished
from gossip.core.purpose import Purpose
from gossip.core.settings import LogSettings
from gossip.core.wire import End, Reason
from gossip.log import EventLog, open_destination
from gossip.log.events import event_log, timestamp
from gossip.log.facts import ControlOpened, EventsDropped, GreenletCrashed, ListenerExhausted, NodeStopped

PEER = Address("10.0.0.2", 7000)
EXHAUSTED = ListenerExhausted("too many open files")


def logged(tmp_path: Path, *events: Event, level: str = "debug") -> list[dict[str, object]]:
    """Return the lines that a node logs for events, as objects."""
    path = tmp_path / "log.json"
    writer = open_destination(str(path), no_shell=False, at_terminal=True, max_events=1000)
    assert writer is not None
    log = EventLog(writer, level).bind("127.0.0.1:5001")
    for event in events:
        log.emit(event)
    writer.close(10)
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


class Lines:
    """Keeps lines in place of a writer."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.render_dropped: Callable[[int], bytes] | None = None

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    def read(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.lines]


def test_keys_are_in_order_and_fields_are_plain(tmp_path: Path) -> None:
    event = PullFinished(PEER, "round", 1.5, 90, 3, 1, {"bad_address": 2, "bad_state": 1}, "closed")
    (line,) = logged(tmp_path, event)
    assert list(line) == [
        *("ts", "level", "event", "node", "id", "peer", "purpose", "duration_ms"),
        *("bytes", "lines", "taken", "rejected", "end"),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", str(line["ts"]))
    assert (line["level"], line["event"], line["node"]) == ("info", "pull_finished", "127.0.0.1:5001")
    assert line["peer"] == "10.0.0.2:7000"
    assert line["rejected"] == {"bad_address": 2, "bad_state": 1}


def test_a_timestamp_has_six_decimals_on_the_full_second_too() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000000Z"
    assert timestamp(1_630_281_124_000_007_999) == "2021-08-29T23:52:04.000007Z"


def test_levels_are_filtered(tmp_path: Path) -> None:
    events = (
        EntryRestamped(PEER, 1, 2, "pull"),
        MemberAdded(PEER, 1, 2, "pull"),
        PullFailed(PEER, "round", 1.0, 0, "refused", 1),
        AdversarySet(None),
    )
    assert [line["event"] for line in logged(tmp_path, *events, level="warning")] == [
        "pull_failed",
        "adversary_set",
    ]
    with pytest.raises(ValueError):
        EventLog(None, "loud")


def test_without_a_writer_nothing_happens() -> None:
    log = EventLog(None, "debug").bind("127.0.0.1:5001")
    log.emit(MemberAdded(PEER, 1, 2, "pull"))
    log.emit(NodeStopped(1, 0))


JSON_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(text=JSON_TEXT, node=JSON_TEXT)
def test_any_text_is_one_printable_line_and_comes_back(text: str, node: str) -> None:
    sink = Lines()
    log = EventLog(sink, "debug").bind(node)
    log.emit(PullFinished(PEER, Purpose.ROUND, 0.0, 0, 0, 0, {Reason.FUTURE: 2}, End.CLOSED, sample=text))
    log.emit(GreenletCrashed(text, text))
    assert len(sink.lines) == 2
    for line in sink.lines:
        assert re.fullmatch(rb"[\x20-\x7e]+\n", line)
    first, second = map(json.loads, sink.lines)
    assert (first["node"], first["sample"], first["rejected"]) == (node, text, {"future": 2})
    assert (second["greenlet"], second["traceback"]) == (text, text)


@given(text=st.text(st.one_of(st.characters(categories=["Cs"]), st.characters())))
def test_lone_surrogates_are_replaced(text: str) -> None:
    sink = Lines()
    EventLog(sink, "debug").bind("n").emit(ControlOpened(text))
    replaced = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert json.loads(sink.lines[0])["socket"] == replaced


def test_control_characters_do_not_reach_a_terminal() -> None:
    sink = Lines()
    EventLog(sink, "debug").bind("n").emit(ControlOpened("\x1b[2J\x7f\x9b\u2028\r\n\0😀"))
    assert sink.lines[0].endswith(rb'"socket":"\u001b[2J\u007f\u009b\u2028\r\n\u0000\ud83d\ude00"}' + b"\n")


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    first = logged(tmp_path, MemberAdded(PEER, 1, 2, "pull"))
    assert len(first) == 1
    assert len(logged(tmp_path, MemberAdded(PEER, 1, 2, "pull"))) == 2


def test_levels_of_modules_override_the_level_and_change_at_run_time() -> None:
    sink = Lines()
    logs = EventLog(sink, "warning", ["membership=debug", "pull=error"])
    log = logs.bind("n")
    added, failed = MemberAdded(PEER, 1, 2, "pull"), PullFailed(PEER, Purpose.ROUND, 1.0, 0, "refused", 1)
    for event in (EntryRestamped(PEER, 1, 2, "pull"), added, failed, AdversarySet(None), NodeStopped(1, 0)):
        log.emit(event)
    assert [line["event"] for line in sink.read()] == ["entry_restamped", "member_added", "adversary_set"]
    logs.set_levels("error", ["pull=warning"])
    with pytest.raises(ValueError, match="unknown module"):
        logs.set_levels("debug", ["pulls=debug"])
    for event in (added, failed, AdversarySet(None)):
        log.emit(event)
    assert [line["event"] for line in sink.read()[3:]] == ["pull_failed"]


def test_an_event_that_the_catalogue_lacks_is_a_bug() -> None:
    class Unheard(Event):
        """Nobody has heard of it."""

    with pytest.raises(KeyError):
        EventLog(None, "error").bind("n").emit(Unheard())


def test_lines_of_a_node_are_numbered_without_gaps_and_filtered_events_take_no_number() -> None:
    sink = Lines()
    logs = EventLog(sink, "info")
    for node in ("a", "b", "a"):
        logs.bind(node).emit(EntryRestamped(PEER, 1, 2, "pull"))
        logs.bind(node).emit(NodeStopped(1, 0))
    ids = [str(line["id"]).split("/") for line in sink.read()]
    assert [(node, number) for node, _, number in ids] == [("a", "1"), ("b", "1"), ("a", "2")]
    assert len({boot for _, boot, _ in ids}) == 1
    again = Lines()
    EventLog(again, "info").bind("a").emit(NodeStopped(1, 0))
    assert again.read()[0]["id"] != sink.read()[0]["id"]


def test_the_report_of_drops_takes_no_number_of_a_node_for_other_destinations_lack_it() -> None:
    sink = Lines()
    logs = EventLog(sink, "error")
    logs.bind("a").emit(GreenletCrashed("", ""))
    assert sink.render_dropped is not None
    report = json.loads(sink.render_dropped(7))
    assert list(report) == ["ts", "level", "event", "node", "id", "count"]
    assert (report["node"], report["count"]) == ("a", EventsDropped(7).count)
    assert report["id"].startswith("*/") and report["id"].endswith("/1")
    logs.bind("a").emit(GreenletCrashed("", ""))
    assert str(sink.read()[-1]["id"]).endswith("/2")


class Clock:
    """A clock that stands still, and what is to be called later."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, after_s: float, function: Callable[[], None]) -> Clock:
        self.waiting.append((self.now + after_s, function))
        return self

    def stop(self) -> None:
        self.waiting.clear()

    def pass_to(self, now: float) -> None:
        while self.waiting and self.waiting[0][0] <= now:
            self.now, function = self.waiting.pop(0)
            function()
        self.now = now

    def sampled(self, sink: Lines) -> EventLog:
        return EventLog(sink, "debug", (), (10.0, 2, 8), self.call_later, lambda: self.now)


def test_repeats_are_told_of_in_one_line_when_their_time_is_over() -> None:
    sink, clock = Lines(), Clock()
    log = clock.sampled(sink).bind("n")
    for _ in range(43):
        log.emit(EXHAUSTED)
    assert [line.get("repeated") for line in sink.read()] == [None, None]
    clock.pass_to(109.9)
    assert len(sink.lines) == 2
    clock.pass_to(110.0)
    told = sink.read()[2]
    assert (told["event"], told["reason"], told["repeated"]) == (
        "listener_exhausted",
        EXHAUSTED.reason,
        41,
    )
    assert str(told["id"]).endswith("/3") and list(told)[-1] == "repeated"
    assert not clock.waiting, "nothing is held back, so nothing is waited for"


def test_repeats_that_are_held_back_at_the_end_are_told_of() -> None:
    sink, clock = Lines(), Clock()
    logs = clock.sampled(sink)
    for node in ("a", "b"):
        for _ in range(5):
            logs.bind(node).emit(EXHAUSTED)
    logs.close()
    assert [(line["node"], line["repeated"]) for line in sink.read()[4:]] == [("a", 3), ("b", 3)]
    assert not clock.waiting


def test_the_real_timer_tells_of_repeats_too() -> None:
    sink = Lines()
    log = event_log(sink, LogSettings(repeat_window_s=0.05, repeat_burst=1)).bind("n")
    for _ in range(4):
        log.emit(EXHAUSTED)
    with gevent.Timeout(10):
        while len(sink.lines) < 2:
            gevent.sleep(0.01)
    assert sink.read()[1]["repeated"] == 3


def test_repeats_do_not_wait_for_the_end_of_a_window_of_the_length_before() -> None:
    sink, clock = Lines(), Clock()
    logs = EventLog(sink, "debug", (), (3600.0, 1, 8), clock.call_later, lambda: clock.now)
    log = logs.bind("n")
    log.emit(EXHAUSTED)
    log.emit(EXHAUSTED)
    logs.use(LogSettings(repeat_window_s=1.0, repeat_burst=1))
    assert sink.read()[-1]["repeated"] == 1
    for _ in range(3):
        log.emit(EXHAUSTED)
    clock.pass_to(101.0)
    assert [line.get("repeated") for line in sink.read()] == [None, 1, None, 2]
