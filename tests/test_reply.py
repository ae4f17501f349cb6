"""The codec of replies: what is composed is read back, and nothing that a stranger sends raises."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gossip.core.address import Address, parse_cached
from gossip.core.entry import Entry
from gossip.core.reply import (
    Reply,
    ReplyProblem,
    cluster_line,
    cluster_of,
    compose,
    is_cluster_name,
    lines_unknown_to,
    read,
)
from gossip.core.settings import PullSettings, ReplySettings
from gossip.core.wire import End, Pulled, Reason
from tests.core_helpers import (
    RULES,
    WALL,
    A,
    B,
    C,
    D,
    addresses,
    cut,
    decode_all,
    entries,
    nth,
    read_in_chunks,
)

LIMITS = PullSettings(max_bytes=ReplySettings().max_bytes, max_lines=ReplySettings().max_lines)
names = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)


def reply_of(data: bytes, max_lines: int = 512) -> Reply | ReplyProblem:
    return read(Pulled(data, End.EMPTY_LINE), frozenset(), RULES, max_lines)


def good(data: bytes, max_lines: int = 512) -> Reply:
    reply = reply_of(data, max_lines)
    assert isinstance(reply, Reply)
    return reply


@given(
    addresses,
    st.one_of(st.just(""), names),
    st.lists(entries, max_size=9),
    st.lists(addresses, max_size=9, unique=True),
    st.booleans(),
    st.lists(st.integers(0, 2000), max_size=9),
)
def test_what_is_composed_is_read_back_however_it_was_cut(
    caller: Address,
    cluster: str,
    said: list[Entry],
    suspects: list[Address],
    leaving: bool,
    places: list[int],
) -> None:
    data = compose(caller, cluster, [entry.line for entry in said], suspects, leaving)
    pulled = read_in_chunks(cut(data, places), LIMITS)
    assert pulled.end is End.EMPTY_LINE
    reply = read(pulled, frozenset(), RULES, LIMITS.max_lines)
    assert isinstance(reply, Reply)
    assert (reply.caller, reply.cluster, reply.leaving) == (caller, cluster, leaving)
    assert (reply.decoded.entries, list(reply.suspects)) == (said, suspects)
    assert reply.decoded.rejected == {}


def test_a_reply_looks_as_the_protocol_shows_it() -> None:
    entry = Entry(B, 1_630_282_399, 4)
    assert compose(A, "prod", [entry.line], [C], True) == (
        b"#from 10.0.1.1:5001 cluster=prod\n"
        b"10.0.1.2:5001,1630282399,4\n"
        b"#suspect 10.0.1.3:5001\n"
        b"#leaving 10.0.1.1:5001\n"
        b"\n"
    )
    assert compose(A, "", [], [], False) == b"#from 10.0.1.1:5001\n\n"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", ReplyProblem.NO_FROM),
        (b"\n", ReplyProblem.NO_FROM),
        (b"#from\n", ReplyProblem.NO_FROM),
        (b"10.0.1.1:5001,1,1\n#from 10.0.1.1:5001\n", ReplyProblem.NO_FROM),  # not the first line
        (b" #from 10.0.1.1:5001\n", ReplyProblem.NO_FROM),
        (b"#FROM 10.0.1.1:5001\n", ReplyProblem.NO_FROM),
        (b"GET / HTTP/1.1\r\n", ReplyProblem.NO_FROM),
        (b"#from \n", ReplyProblem.BAD_FROM),
        (b"#from  10.0.1.1:5001\n", ReplyProblem.BAD_FROM),
        (b"#from somebody\n", ReplyProblem.BAD_FROM),
        (b"#from 10.0.1.1\n", ReplyProblem.BAD_FROM),
        (b"#from 10.0.1.1:0\n", ReplyProblem.BAD_FROM),
        (b"#from 010.0.1.1:5001\n", ReplyProblem.BAD_FROM),
        (b"#from 0.0.0.0:5001\n", ReplyProblem.BAD_FROM),
        (b"#from \xff:5001\n", ReplyProblem.BAD_FROM),
        (b"#from 127.0.0.1:5001\n", ReplyProblem.BAD_FROM),  # loopback, from elsewhere
        (b"#from [::1]:5001\n", ReplyProblem.BAD_FROM),
        (b"#from " + b"1" * 60_000 + b"\n", ReplyProblem.BAD_FROM),
    ],
)
def test_a_reply_that_does_not_begin_with_who_calls_is_refused_whole(
    data: bytes, problem: ReplyProblem
) -> None:
    assert reply_of(data + b"#suspect 10.0.1.2:5001\n10.0.1.2:5001,1,1\n") is problem


def test_loopback_is_named_only_by_who_is_on_loopback() -> None:
    data = b"#from 127.0.0.1:5002\n127.0.0.1:5003,1,1\n#suspect [::1]:5004\n"
    reply = read(Pulled(data, End.CLOSED), frozenset(), RULES._replace(loopback_ok=True), 512)
    assert isinstance(reply, Reply)
    assert len(reply.decoded.entries) == len(reply.suspects) == 1
    reply = good(data.replace(b"#from 127.0.0.1", b"#from 10.0.1.1"))
    assert (reply.decoded.entries, reply.suspects) == ([], ())
    assert reply.decoded.rejected == {Reason.BAD_ADDRESS: 2}


def test_an_unknown_word_is_skipped_wherever_it_stands() -> None:
    reply = good(b"#from 10.0.1.1:5001 new=thing cluster=x more\n#later 1 2 3\n#\n10.0.1.2:5001,1,1\n#x\n")
    assert (reply.cluster, len(reply.decoded.entries), reply.decoded.rejected) == ("x", 1, {})
    assert (reply.suspects, reply.leaving) == ((), False)


@pytest.mark.parametrize(
    "bad", [b"", b"x", b"10.0.1.2", b"10.0.1.2:5001 ", b"127.0.0.1:1", b"\xff\x00", b"9" * 60_000]
)
def test_a_suspect_with_a_bad_address_is_rejected_and_stops_no_other(bad: bytes) -> None:
    reply = good(b"#from 10.0.1.1:5001\n#suspect " + bad + b"\n#suspect 10.0.1.3:5001\n")
    assert reply.suspects == (C,)
    assert reply.decoded.rejected == {Reason.BAD_ADDRESS: 1}
    assert reply.decoded.sample is not None
    assert len(reply.decoded.sample) < 200


def test_a_suspect_named_twice_is_one_suspect() -> None:
    assert good(b"#from 10.0.1.1:5001\n" + b"#suspect 10.0.1.3:5001\n" * 5).suspects == (C,)


@pytest.mark.parametrize(
    "line", [b"#leaving 10.0.1.2:5001", b"#leaving", b"#leaving ", b"#leaving x", b"#leaving 10.0.1.1:50010"]
)
def test_nobody_says_of_another_that_it_leaves(line: bytes) -> None:
    assert not good(b"#from 10.0.1.1:5001\n" + line + b"\n").leaving
    assert good(b"#from 10.0.1.1:5001\n" + line + b"\n#leaving 10.0.1.1:5001\n").leaving


def test_crlf_is_accepted_as_lf() -> None:
    data = compose(A, "prod", [Entry(B, 1, 1).line], [C], True)
    assert good(data.replace(b"\n", b"\r\n").removesuffix(b"\r\n")) == good(data.removesuffix(b"\n"))


def test_lines_that_are_known_are_not_parsed_again() -> None:
    known = Entry(B, 1, 1)
    data = compose(A, "", [known.line, Entry(C, 1, 1).line], [], False).removesuffix(b"\n")
    reply = read(Pulled(data, End.EMPTY_LINE), {known.line}, RULES, 512)
    assert isinstance(reply, Reply)
    assert [entry.address for entry in reply.decoded.entries] == [C]


def test_no_more_than_max_lines_are_read() -> None:
    data = compose(A, "", [Entry(nth(number), 1, 1).line for number in range(50)], [B, C], True)
    reply = good(data, max_lines=20)
    assert (len(reply.decoded.entries), reply.suspects, reply.leaving) == (19, (), False)


def test_what_a_stranger_names_is_kept_in_no_cache_unless_it_is_short() -> None:
    before = parse_cached.cache_info().currsize
    for number in range(20):
        long = b"%d" % number * 500
        reply_of(b"#from 10.0.1.1:5001\n#suspect " + long + b"\n")
        reply_of(b"#from " + long + b"\n")
    assert parse_cached.cache_info().currsize <= before + 1


@pytest.mark.parametrize("name", [b"x" * 60_000, b"\x1b[2J\x07", b"\xff\xfe", b"a" * 65, b"caf\xc3\xa9"])
def test_a_strangers_name_of_a_cluster_is_short_and_printable_and_no_name(name: bytes) -> None:
    reply = good(b"#from 10.0.1.1:5001 cluster=" + name + b"\n")
    table = decode_all(b"#cluster " + name + b"\n10.0.1.1:5001,1,1\n")
    for theirs in (reply.cluster, cluster_of(table)):
        assert theirs.isascii()
        assert theirs.isprintable()
        assert len(theirs) <= 70
        assert not is_cluster_name(theirs)


@given(names)
def test_a_table_names_its_cluster_in_its_first_line(name: str) -> None:
    assert cluster_line("") == b""
    assert cluster_of(decode_all(cluster_line(name) + b"10.0.1.1:5001,1,1\n")) == name
    assert cluster_of(decode_all(b"10.0.1.1:5001,1,1\n")) == ""


@pytest.mark.parametrize("name", ["", "a b", "a\n", "é", "x" * 65, "a=b", "#"])
def test_a_cluster_name_is_one_plain_word(name: str) -> None:
    assert not is_cluster_name(name)
    assert is_cluster_name("Prod-1.eu_west")


pieces = st.one_of(
    st.sampled_from(
        [
            b"#from ",
            b"10.0.1.1:5001",
            b"#suspect ",
            b"#leaving ",
            b"\n",
            b"\r\n",
            b" cluster=",
            b"#",
            b",1,1\n",
        ]
    ),
    st.binary(max_size=12),
)


@given(st.lists(pieces, max_size=20).map(b"".join), st.sampled_from(End), st.lists(st.integers(0, 300)))
@example(b"#from 10.0.1.1:5001\n#suspect \r\n\n", End.CLOSED, [])
def test_any_bytes_in_any_chunks_are_a_reply_or_a_problem(data: bytes, end: End, places: list[int]) -> None:
    assert isinstance(read(Pulled(data, end), frozenset(), RULES, 512), Reply | ReplyProblem)
    pulled = read_in_chunks(cut(data, places), LIMITS)
    assert pulled == read_in_chunks([data], LIMITS)
    from_somebody = read(
        pulled._replace(data=b"#from 10.0.1.1:5001\n" + pulled.data), frozenset(), RULES, 512
    )
    assert isinstance(from_somebody, Reply)
    assert not from_somebody.leaving or b"#leaving 10.0.1.1:5001" in data


def test_a_peer_is_told_what_it_lacks_or_what_beats_what_it_served() -> None:
    held = [Entry(A, WALL, 1), Entry(B, WALL, 1), Entry(C, WALL, 1), Entry(D, WALL, 1)]
    served = [Entry(A, WALL - 1, 9), Entry(B, WALL, 1), Entry(C, WALL, 2)]
    lines = [(entry, entry.line) for entry in held]
    assert lines_unknown_to(served, lines, 9) == [held[0].line, held[3].line]
    assert lines_unknown_to(served, lines, 1) == [held[0].line]
    assert lines_unknown_to([], lines, 3) == [entry.line for entry in held[:3]]
