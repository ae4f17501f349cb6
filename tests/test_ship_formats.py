"""The pure parts of shipping: formats, back-off, and the bookkeeping of the spool."""

from __future__ import annotations

import gzip
import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gossip.config.sinks import parse_sink
from gossip.ship import formats
from gossip.ship.backoff import wait_s
from gossip.ship.segments import Point, base_for, bases_of, read_by_all, segment_bytes, segment_name, too_old

LINE = (
    b'{"ts":"2026-11-23T02:21:59.711244Z","level":"warning","event":"pull_failed","node":"127.0.0.1:6021"}\n'
)
DEBUG = LINE.replace(b"warning", b"debug")


def test_a_syslog_message_carries_time_level_name_and_the_json() -> None:
    (message,) = formats.syslog(parse_sink("syslog+udp://h:1?facility=local3&app=g"), "my host")([LINE])
    assert message == b"<156>1 2026-11-23T02:21:59.711244Z myhost g - pull_failed - " + LINE.rstrip()


def test_a_stream_of_messages_is_counted() -> None:
    (stream,) = formats.syslog(parse_sink("syslog+tcp://h:1"), "h")([LINE, DEBUG])
    first, rest = stream.split(b" ", 1)
    message = b"<28>1 2026-11-23T02:21:59.711244Z h gossipd - pull_failed - " + LINE.rstrip()
    assert int(first) == len(message) and rest.startswith(message)
    assert rest[int(first) :].startswith(b"%d <31>1 " % (len(message) - 2))


def test_what_is_no_event_is_still_a_message() -> None:
    (message,) = formats.syslog(parse_sink("syslog+udp://h:1"), "")([b"nonsense\n"])
    assert message == b"<30>1 - - gossipd - - - nonsense"


def test_loki_gets_nanoseconds_as_text_and_a_stream_for_each_level() -> None:
    push = formats.loki(parse_sink("loki+http://h/x?label=job:g&label=env:a=b"))
    body = json.loads(gzip.decompress(push([LINE, DEBUG, LINE])[0]))
    ns, text = "1795400519711244000", LINE.decode().rstrip()
    labels = {"job": "g", "env": "a=b"}
    assert body["streams"][0] == {"stream": {**labels, "level": "warning"}, "values": [[ns, text]] * 2}
    assert body["streams"][1]["stream"] == {**labels, "level": "debug"}
    default = json.loads(gzip.decompress(formats.loki(parse_sink("loki+http://h/x"))([LINE])[0]))
    assert default["streams"][0]["stream"] == {"job": "gossipd", "level": "warning"}


def test_times_are_exact_and_none_is_zero() -> None:
    assert formats.unix_ns("2021-08-29T23:52:04.000007Z") == 1_630_281_124_000_007_000
    assert formats.unix_ns("") == formats.unix_ns("today") == formats.unix_ns("2021-08-29T23:52:04") == 0


def test_gzip_holds_the_same_lines() -> None:
    assert gzip.decompress(formats.gzipped([LINE, DEBUG])[0]) == LINE + DEBUG
    assert formats.json_lines([LINE, DEBUG]) == [LINE + DEBUG]


@given(failures=st.integers(1, 10_000), seed=st.integers())
def test_the_back_off_is_random_and_bounded(failures: int, seed: int) -> None:
    wait = wait_s(failures, 0.5, 30.0, Random(seed))
    assert 0 <= wait <= min(30.0, 0.5 * 2 ** min(failures - 1, 10))


def test_the_back_off_uses_all_of_its_room() -> None:
    waits = [wait_s(4, 0.5, 30.0, Random(seed)) for seed in range(200)]
    assert min(waits) < 0.2 and 3.8 < max(waits) <= 4.0


def test_segments_are_named_by_their_first_line_and_sort_by_it() -> None:
    points = [Point(0, 0), Point(99, 3), Point(10**12, 10**9)]
    names = [segment_name(point) for point in points]
    assert sorted(names) == names
    assert bases_of([*reversed(names), "lock", "x.offset", "events-1-2.jsonl"]) == points


def test_a_point_is_in_the_last_segment_that_begins_before_it() -> None:
    bases = [Point(100, 1), Point(200, 2), Point(300, 3)]
    found = [base_for(bases, Point(byte, 0)).byte for byte in (0, 100, 199, 200, 1000)]
    assert found == [100, 100, 100, 200, 300]


def test_a_segment_goes_once_all_are_through_it_or_there_is_no_room() -> None:
    bases = [Point(100, 1), Point(200, 2), Point(300, 3)]
    assert read_by_all(bases, [Point(300, 3), Point(199, 1)]) == []
    assert read_by_all(bases, [Point(300, 3), Point(200, 2)]) == bases[:1]
    assert read_by_all(bases, [Point(999, 9)]) == bases[:2]
    assert read_by_all(bases, []) == bases[:2]
    assert too_old(bases, Point(350, 4), 250) == []
    assert too_old(bases, Point(350, 4), 249) == bases[:1]
    assert too_old(bases, Point(350, 4), 0) == bases[:2]
    assert segment_bytes(1_048_576) == 65_536 and segment_bytes(10**10) == 8_388_608


def test_a_damaged_line_is_a_message_too() -> None:
    damaged = LINE.replace(b"warning", b"\xffarning")
    (message,) = formats.syslog(parse_sink("syslog+udp://h:1"), "h")([damaged])
    assert message == b"<30>1 - h gossipd - - - " + damaged.rstrip()
