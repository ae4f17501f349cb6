from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gossip.core.entry import Entry
from gossip.core.settings import PullSettings
from gossip.core.wire import End, Pulled, Reason, TableReader, decode, escape, parse_line
from tests.core_helpers import RULES, SKEW_S, WALL, A, B, cut, decode_all, entries, read_in_chunks

LIMITS = PullSettings()
LINE = b"10.0.1.1:5001,1630281124,3"
OTHER = b"10.0.1.2:5001,1630281125,4"
ENTRY = Entry(A, 1_630_281_124, 3)
CUT_ENDS = [End.TIMEOUT, End.RESET, End.MAX_BYTES, End.MAX_LINES]

BAD_LINES = {
    Reason.NOT_ASCII: [
        LINE + b"\x00",
        b"\x00",
        b"10.0.1.1:5001,\t1,3",
        b"10.0.1.1:5001,1\r,3",
        b"1\r2",
        LINE + b"\x7f",
        b"\x1b[2J" + LINE,
        b"10.0.1.1:5001,1,\xff",
        "10.0.1.1:5001,٣,3".encode(),
        "10.0.1.1:5001,1,３".encode(),
        "10.0.1.٣:5001,1,3".encode(),
        b"\x80" * 200,  # before too_long
    ],
    Reason.TOO_LONG: [b"1" * 129, b"," * 129, LINE.ljust(129), b"x" * 100_000],
    Reason.BAD_FIELDS: [
        b"",
        b" ",
        b"10.0.1.1:5001",
        b"10.0.1.1:5001,1",
        b"10.0.1.1:5001,1,3,",
        b"," + LINE,
        b"nonsense,+1",
        b"1" * 128,
        b"Gossiping something adversarial:)",
    ],
    Reason.BAD_ADDRESS: [
        b",1,3",
        b"10.0.1.1,1,3",
        b"010.0.1.1:5001,1,3",
        b"10.0.1.1:05001,1,3",
        b"10.0.1.1:0,1,3",
        b"10.0.1.1:65536,1,3",
        b" 10.0.1.1:5001,1,3",
        b"10.0.1.1:5001 ,1,3",
        b"0.0.0.0:5001,1,3",
        b"224.0.0.1:5001,1,3",
        b"255.255.255.255:5001,1,3",
        b"localhost:5001,1,3",
        b"127.0.0.1:5001,1,3",
        b"[::1]:5001,1,3",
        b"::2:5001,1,3",
        b"[2001:DB8::1]:5001,1,3",
        b"[2001:db8:0::1]:5001,1,3",
        b"[::ffff:10.0.0.1]:5001,1,3",
        b"[fe80::1%eth0]:5001,1,3",
        b"nowhere,+1,x",
    ],
    Reason.BAD_TIMESTAMP: [
        b"10.0.1.1:5001,%s,x" % stamp
        for stamp in (
            b"",
            b"+1",
            b"-1",
            b" 1",
            b"1 ",
            b"1_0",
            b"01",
            b"00",
            b"1.0",
            b"1e3",
            b"0x1",
            b"1" * 13,
        )
    ],
    Reason.BAD_STATE: [
        b"10.0.1.1:5001,999999999999,%s" % state
        for state in (b"", b"10", b"00", b"-1", b"+1", b" 1", b"1 ", b"a")
    ],
    Reason.FUTURE: [b"10.0.1.1:5001,%d,3" % (WALL + SKEW_S + 1), b"10.0.1.1:5001,999999999999,3"],
}


@pytest.mark.parametrize(
    ("reason", "line"), [(reason, line) for reason in Reason for line in BAD_LINES[reason]]
)
def test_a_bad_line_gets_the_first_reason_that_holds_and_stops_no_other(reason: Reason, line: bytes) -> None:
    decoded = decode_all(LINE + b"\n" + line + b"\n" + OTHER + b"\n")
    assert decoded.rejected == {reason: 1}
    assert [entry.address for entry in decoded.entries] == [A, B]
    assert decoded.lines == 3


@pytest.mark.parametrize(
    "line",
    [
        b"10.0.1.1:5001,0,0",
        b"10.0.1.1:5001,%d,9" % (WALL + SKEW_S),  # exactly as far ahead as a clock may be
        b"[2001:db8::1]:65535,1630281124,3",
        b"255.255.255.254:1,123456789,3",
    ],
)
def test_a_good_line_is_taken_as_it_is(line: bytes) -> None:
    (entry,) = decode_all(line + b"\n").entries
    assert entry.line == line


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    exact = RULES._replace(max_line_bytes=len(LINE))
    assert parse_line(LINE, exact) == ENTRY
    assert parse_line(LINE + b"3", exact) is Reason.TOO_LONG


@pytest.mark.parametrize("line", [b"127.0.0.1:5001,1,3", b"127.9.9.9:5001,1,3", b"[::1]:5001,1,3"])
def test_loopback_is_taken_only_from_a_peer_on_loopback(line: bytes) -> None:
    assert parse_line(line, RULES) is Reason.BAD_ADDRESS
    assert isinstance(parse_line(line, RULES._replace(loopback_ok=True)), Entry)


@given(entries)
def test_every_entry_is_read_back_from_its_line(entry: Entry) -> None:
    assert parse_line(entry.line, RULES) == entry


def test_crlf_is_accepted_as_lf() -> None:
    assert decode_all(LINE + b"\r\n" + OTHER + b"\r\n") == decode_all(LINE + b"\n" + OTHER + b"\n")


def test_known_lines_are_counted_but_not_taken_again() -> None:
    decoded = decode_all(LINE + b"\n" + OTHER + b"\n", known=[LINE])
    assert (decoded.lines, [entry.address for entry in decoded.entries]) == (2, [B])


def test_words_of_the_reply_layer_are_no_entries_and_kept_apart() -> None:
    decoded = decode_all(b"#cluster prod\n#later, anything\n" + LINE + b"\n")
    assert (decoded.lines, decoded.entries, decoded.rejected) == (3, [ENTRY], {})
    assert decoded.directives == [b"#cluster prod", b"#later, anything"]


@pytest.mark.parametrize("end", End)
def test_a_tail_without_newline_is_taken_if_it_parses_whole(end: End) -> None:
    assert len(decode_all(LINE + b"\n" + OTHER, end).entries) == 2


@pytest.mark.parametrize("end", CUT_ENDS)
def test_a_tail_that_was_cut_off_is_nobodys_fault(end: End) -> None:
    decoded = decode_all(LINE + b"\n" + OTHER[:-1], end)
    assert (decoded.lines, decoded.entries, decoded.rejected) == (1, [ENTRY], {})


@pytest.mark.parametrize("end", [End.CLOSED, End.QUIET])
def test_a_broken_tail_of_a_finished_table_is_rejected(end: End) -> None:
    assert decode_all(LINE + b"\n" + OTHER[:-1], end).rejected == {Reason.BAD_STATE: 1}


def test_an_endless_line_is_rejected_however_it_ended() -> None:
    assert decode_all(b"1" * 1000, End.TIMEOUT).rejected == {Reason.TOO_LONG: 1}


@pytest.mark.parametrize(
    ("lines", "rejected", "mostly"), [(0, 0, False), (2, 1, False), (3, 2, True), (1, 1, True), (3, 1, False)]
)
def test_mostly_rejected_means_more_than_half(lines: int, rejected: int, mostly: bool) -> None:
    data = b"x\n" * rejected + (LINE + b"\n") * (lines - rejected)
    assert decode_all(data).mostly_rejected is mostly


def test_the_word_of_a_node_is_its_greatest_entry_whether_new_or_known() -> None:
    older, newer = ENTRY._replace(timestamp=5), ENTRY._replace(timestamp=7)
    both = decode_all(newer.line + b"\n" + older.line + b"\n")
    assert both.word_of(A, None) == newer
    assert both.word_of(B, None) is None
    known = decode_all(newer.line + b"\n" + older.line + b"\n", known=[newer.line])
    assert known.word_of(A, newer) == newer
    assert decode_all(older.line + b"\n", known=[newer.line]).word_of(A, newer) == older
    assert decode_all(OTHER + b"\n", known=[newer.line]).word_of(A, newer) is None


def test_no_more_than_max_lines_are_decoded() -> None:
    data = LINE + b"\n" + OTHER + b"\nx\n" + OTHER
    assert decode(Pulled(data, End.MAX_LINES), set(), RULES, 2).lines == 2


@given(st.binary(max_size=200))
def test_escaped_text_is_printable_ascii_on_one_line(data: bytes) -> None:
    assert all(32 <= ord(char) < 127 for char in escape(data))
    sample = decode_all(data + b"\n").sample
    assert sample is None or (len(sample) <= 200 and all(32 <= ord(char) < 127 for char in sample))


pieces = st.one_of(
    st.sampled_from(
        [LINE, OTHER, b"\n", b"\r\n", b"\r", b"\n\n", b",", b"#x\n", b"\xff", b"10.0.1.3:5001,1,"]
    ),
    entries.map(lambda entry: entry.line + b"\n"),
    st.binary(max_size=12),
)
tables = st.lists(pieces, max_size=12).map(b"".join)
cuts = st.lists(st.integers(0, 400), max_size=12)


@given(tables, cuts, st.integers(1, 200), st.integers(1, 6))
@example(b"a\n" * 3 + b"\n", [], 200, 3)  # the empty line comes after max_lines
@example(b"a" * 50 + b"\n\n", [], 20, 6)  # and after max_bytes
def test_a_table_reads_the_same_however_it_was_cut(
    data: bytes, places: list[int], most: int, lines: int
) -> None:
    limits = replace(LIMITS, max_bytes=most, max_lines=lines)
    whole = read_in_chunks([data], limits)
    byte_by_byte = read_in_chunks([data[at : at + 1] for at in range(len(data))], limits)
    assert whole == read_in_chunks(cut(data, places), limits) == byte_by_byte
    assert len(whole.data) <= most
    assert decode(whole, set(), RULES, lines).lines <= lines


@given(tables, st.sampled_from(End))
def test_any_bytes_decode_and_every_line_is_accounted_for(data: bytes, end: End) -> None:
    known = {OTHER, b"known"}
    decoded = decode_all(data, end, known=list(known))
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    if lines[-1] == b"" or decoded.lines < len(lines):
        lines.pop()  # the tail: nothing, or not a line
    skipped = sum(line in known or line.startswith(b"#") for line in lines)
    assert decoded.directives == [line for line in lines if line.startswith(b"#")]
    assert decoded.lines == len(lines) == skipped + len(decoded.entries) + sum(decoded.rejected.values())
    assert set(decoded.rejected) <= set(Reason)
    assert (decoded.sample is None) == (not decoded.rejected)
    assert all(entry.line in lines for entry in decoded.entries)


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_an_empty_line_ends_the_table_wherever_the_chunks_end(newline: bytes) -> None:
    data = LINE + newline + OTHER + newline + newline + b"#from somebody\n"
    for place in range(len(data)):
        pulled = read_in_chunks(cut(data, [place]), LIMITS)
        assert pulled.end is End.EMPTY_LINE
        assert [entry.address for entry in decode_all(pulled.data).entries] == [A, B]
        assert decode_all(pulled.data).lines == 2


@pytest.mark.parametrize("data", [b"\n", b"\r\n", b"\n" + LINE + b"\n", b"\r\n\r\n"])
def test_an_empty_line_at_the_start_is_an_empty_table(data: bytes) -> None:
    for place in range(len(data)):
        assert read_in_chunks(cut(data, [place]), LIMITS) == Pulled(b"", End.EMPTY_LINE)


def test_reading_ends_at_max_lines_and_max_bytes() -> None:
    few = replace(LIMITS, max_lines=2)
    assert read_in_chunks([LINE + b"\n", OTHER + b"\n" + LINE], few) == Pulled(
        LINE + b"\n" + OTHER + b"\n", End.MAX_LINES
    )
    small = replace(LIMITS, max_bytes=30)
    assert read_in_chunks([LINE, b"\n", OTHER], small) == Pulled(LINE + b"\n" + OTHER[:3], End.MAX_BYTES)


def test_a_table_counts_as_begun_at_its_first_whole_line() -> None:
    reader = TableReader(LIMITS.max_bytes, LIMITS.max_lines)
    reader.feed(LINE)
    assert not reader.has_line
    reader.feed(b"\n")
    assert reader.has_line


@pytest.mark.timeout(10)  # each takes well under a second; time that grew with the square would take minutes
@pytest.mark.parametrize(
    ("unit", "step"),
    [
        (b",", 1),
        (b",", 65_536),
        *((unit, 65_536) for unit in (b"\n", b"\r", b"x\n", b"\r\n\r", b"1,1,1\n", b"\x00\n", LINE + b"\n")),
    ],
)
def test_a_megabyte_of_anything_costs_bounded_time_and_memory(unit: bytes, step: int) -> None:
    data = unit * (LIMITS.max_bytes // len(unit) + 2)
    pulled = read_in_chunks([data[at : at + step] for at in range(0, len(data), step)], LIMITS)
    decoded = decode(pulled, set(), RULES, LIMITS.max_lines)
    assert len(pulled.data) <= LIMITS.max_bytes
    assert decoded.lines <= LIMITS.max_lines
    assert pulled.end in (End.MAX_BYTES, End.MAX_LINES, End.EMPTY_LINE)
