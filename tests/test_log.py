"""The log: what a line looks like."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core import events as core_events
from gossip.core.address import Address
from gossip.core.events import AdversarySet, EntryRestamped, Event, MemberAdded, PullFailed, PullFinished
from gossip.log import EventLog, open_destination
from gossip.log.events import timestamp

PEER = Address("10.0.0.2", 7000)
A_PATH = Path("some") / "where"


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
        self.render_dropped = None

    def write(self, line: bytes) -> None:
        self.lines.append(line)


def test_keys_are_in_order_and_fields_are_plain(tmp_path: Path) -> None:
    event = PullFinished(PEER, "round", 1.5, 90, 3, 1, {"bad_address": 2, "bad_state": 1}, "closed")
    (line,) = logged(tmp_path, event)
    assert list(line) == [
        *("ts", "level", "event", "node", "peer", "purpose", "duration_ms"),
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


def test_no_field_of_a_core_event_takes_the_name_of_a_common_key() -> None:
    reserved = {"ts", "level", "event", "node", "self"}
    for kind in Event.__subclasses__():
        assert not reserved & {field.name for field in dataclasses.fields(kind)}, kind
    assert core_events.PullFinished in Event.__subclasses__()


def test_without_a_writer_nothing_happens() -> None:
    log = EventLog(None, "debug").bind("127.0.0.1:5001")
    log.emit(MemberAdded(PEER, 1, 2, "pull"))
    log.fact("node_started", version="1")


JSON_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(text=JSON_TEXT, rejected=st.dictionaries(JSON_TEXT, st.integers()), node=JSON_TEXT)
def test_any_text_is_one_printable_line_and_comes_back(
    text: str, rejected: dict[str, int], node: str
) -> None:
    sink = Lines()
    log = EventLog(sink, "debug").bind(node)  # type: ignore[arg-type]
    log.emit(PullFinished(PEER, text, 0.0, 0, 0, 0, rejected, text, sample=text))
    log.fact("greenlet_crashed", level="error", traceback=text, addresses=[PEER], where=A_PATH)
    assert len(sink.lines) == 2
    for line in sink.lines:
        assert re.fullmatch(rb"[\x20-\x7e]+\n", line)
    first, second = map(json.loads, sink.lines)
    assert (first["node"], first["sample"], first["rejected"]) == (node, text, rejected)
    assert (second["traceback"], second["addresses"]) == (text, ["10.0.0.2:7000"])
    assert second["where"] == str(A_PATH)


@given(text=st.text(st.one_of(st.characters(categories=["Cs"]), st.characters())))
def test_lone_surrogates_are_replaced(text: str) -> None:
    sink = Lines()
    log = EventLog(sink, "debug").bind("n")  # type: ignore[arg-type]
    log.fact("seen", text=text, nested={text: [text]})
    replaced = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    line = json.loads(sink.lines[0])
    assert (line["text"], line["nested"]) == (replaced, {replaced: [replaced]})


def test_control_characters_do_not_reach_a_terminal() -> None:
    sink = Lines()
    EventLog(sink, "debug").bind("n").fact("seen", text="\x1b[2J\x7f\x9b\u2028\r\n\0😀")  # type: ignore[arg-type]
    assert sink.lines[0].endswith(rb'"text":"\u001b[2J\u007f\u009b\u2028\r\n\u0000\ud83d\ude00"}' + b"\n")


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    first = logged(tmp_path, MemberAdded(PEER, 1, 2, "pull"))
    assert len(first) == 1
    assert len(logged(tmp_path, MemberAdded(PEER, 1, 2, "pull"))) == 2
