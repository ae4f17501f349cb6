"""`pull`: what each line of a table is worth here, by the codec that the node believes; whatever is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core import events as ev
from gossip.core.entry import Entry
from gossip.core.inspection import About, Inspection, Verdict, inspect
from gossip.core.wire import End, Pulled, Reason, Rules, decode
from gossip.shell.commands import run
from tests.fake_console import OWN, PEER, FakeConsole
from tests.nodes import running
from tests.peers import ON_LOOPBACK, Peer, free_addresses, sends, until

NOW = 1_630_284_847
RULES = Rules(128, NOW + 60, loopback_ok=False)
HELD = b"10.0.0.9:5001,1630281200,7"
KNOWN = frozenset({HELD})
WORD = b"128.84.213.13:5678,1630281124,1"


def _inspected(data: bytes, end: End = End.CLOSED, cluster: str = "") -> Inspection:
    return inspect(Pulled(data, end), PEER, OWN, KNOWN, RULES, 20_000, cluster)


def _words(data: bytes, end: End = End.CLOSED) -> list[tuple[str, str]]:
    return [(verdict.word, verdict.about) for verdict in _inspected(data, end).verdicts]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (WORD + b"\n", [("ok", "own: first-hand")]),
        (HELD + b"\r\n", [("known", "hearsay")]),
        (b"10.0.0.9:5001,1630281200,8\n", [("ok", "hearsay")]),
        (b"127.0.0.1:5001,5,8\n", [("bad_address", "-")]),  # loopback, from one who is not
        (b"128.84.213.13:5678,1630288888,1\n", [("future", "own: first-hand")]),
        (b"#from 1.2.3.4:5\n", [("reply layer", "-")]),
        (b"\x00\n", [("not_ascii", "-")]),
        (b"\x1b[2J\x1b]0;owned\x07\n", [("not_ascii", "-")]),
        ("\u202eabc\u05d0,1,1\n".encode(), [("not_ascii", "-")]),
        ("\uff11.2.3.4:5,\u0663,1\n".encode(), [("not_ascii", "-")]),
        (b"1.2.3.4:5,1\r,2\n", [("not_ascii", "-")]),
        (b"a" * 100_000 + b"\n", [("too_long", "-")]),
        (b"1.2.3.4:5,1,2,3\n", [("bad_fields", "-")]),
        (b"1.2.3.4:05,1,2\n", [("bad_address", "-")]),
        (b"1.2.3.4:5,01,2\n", [("bad_timestamp", "-")]),
        (b"1.2.3.4:5,1,x\n", [("bad_state", "-")]),
        (b"", []),
        (WORD, [("ok", "own: first-hand")]),  # no newline, and whole all the same
        (WORD[:-1], [("bad_state", "-")]),
        (b" \n\t\n", [("bad_fields", "-"), ("not_ascii", "-")]),
    ],
)
def test_the_verdict_on_each_line(data: bytes, words: list[tuple[str, str]]) -> None:
    assert _words(data) == words


@pytest.mark.parametrize("end", [End.TIMEOUT, End.RESET, End.MAX_BYTES])
def test_half_a_line_of_a_table_that_was_cut_is_not_judged(end: End) -> None:
    assert _words(WORD + b"\n1.2.3", end) == [("ok", "own: first-hand"), ("unfinished", "-")]


def test_what_stands_against_listening() -> None:
    assert _inspected(WORD).against == ""
    assert _inspected(b"").against == "no_own_entry"
    assert _inspected(HELD).against == "no_own_entry"
    assert _inspected(WORD + b"\nx\ny\n").against == "rejected_lines"
    assert _inspected(WORD + b"\nx\n").against == ""
    cluster = b"#cluster prod\n" + WORD + b"\n"
    assert _inspected(cluster, cluster="prod").against == ""
    assert _inspected(cluster, cluster="test").against == "cluster_mismatch"
    assert _inspected(WORD, cluster="prod").against == "cluster_mismatch"
    assert _inspected(WORD + b"\n" + WORD[:-1] + b"9\n").word == Entry(PEER, 1_630_281_124, 9)


_LINES = st.sampled_from([WORD, HELD, b"x", b"", b"#y", b"1.2.3.4:5,9999999999,1", b"\xff", b"z" * 200])
_TABLES = st.one_of(st.binary(max_size=200), st.lists(_LINES, max_size=9).map(b"\n".join))


@given(_TABLES, st.sampled_from(End))
def test_the_verdicts_are_the_codecs_own(data: bytes, end: End) -> None:
    pulled = Pulled(data, end)
    decoded, found = decode(pulled, KNOWN, RULES, 20_000), _inspected(data, end)
    judged = [verdict for verdict in found.verdicts if verdict.word != "unfinished"]
    refused = [verdict.word for verdict in judged if verdict.is_refused]
    assert len(judged) == decoded.lines
    assert {word: refused.count(word) for word in refused} == decoded.rejected
    assert sum(verdict.word == "ok" for verdict in judged) == len(decoded.entries)
    assert [verdict.line for verdict in judged if verdict.word == "reply layer"] == decoded.directives
    assert found.word == decoded.word_of(PEER, None)
    against = "rejected_lines" if decoded.mostly_rejected else ""
    assert found.against == (against if found.word is not None else "no_own_entry")


# The command.


@pytest.fixture
def console() -> FakeConsole:
    made = FakeConsole()
    made.tables[PEER] = WORD + b"\n\x1b[2J\xd9\xa3\n10.0.0.2:7000,5,1\n"
    return made


def test_without_an_option_it_counts_and_judges(console: FakeConsole) -> None:
    result = run(console, f"pull {PEER}")
    assert result.ok
    assert result.lines == (
        f"{PEER}: 3 lines, 57 bytes in 1.25 ms, ended by an empty line, so it speaks the reply layer",
        "  known      1  an entry held here to the letter",
        "  not_ascii  1  a byte outside printable ASCII",
        "  ok         1  well-formed, but not what is held here: news, or a lie",
        "of itself it says: state 1, since 1630281124",
    )


def test_raw_shows_every_line_escaped_and_refused_only_those(console: FakeConsole) -> None:
    rows = run(console, f"pull {PEER} --raw").lines[1:5]
    assert rows == (
        " line  verdict    about            bytes",
        "    1  known      own: first-hand  128.84.213.13:5678,1630281124,1",
        r"    2  not_ascii  -                \x1b[2J\xd9\xa3",
        "    3  ok         hearsay          10.0.0.2:7000,5,1",
    )
    only = run(console, f"pull {PEER} --refused").lines
    assert [line.split()[:2] for line in only[1:3]] == [["line", "verdict"], ["2", "not_ascii"]]
    assert only[3].startswith("  known")


def test_many_lines_are_cut_and_it_is_said_how_to_see_them(console: FakeConsole) -> None:
    console.tables[PEER] = b"".join(b"10.0.%d.%d:7000,5,1\n" % (i // 250, i % 250) for i in range(1000))
    lines = run(console, f"pull {PEER} --raw").lines
    assert lines[202] == "(800 more lines; --all shows them)"
    assert lines[-1] == "it does not list itself: as a stranger it would not be admitted"
    assert len(run(console, f"pull {PEER} --raw --all").lines) == len(lines) + 800 - 1
    console.tables[PEER] = b"x" * 100_000 + b"\n"
    row = run(console, f"pull {PEER} --raw").lines[2]
    assert row.endswith("x... (100000 bytes)")
    assert len(row) < 200


def test_as_json(console: FakeConsole) -> None:
    found: dict[str, Any] = json.loads(run(console, f"pull {PEER} --json").lines[0])
    assert found == {
        "address": str(PEER),
        "failure": None,
        "duration_ms": 1.25,
        "bytes": 57,
        "end": "empty_line",
        "lines": 3,
        "verdicts": {"known": 1, "not_ascii": 1, "ok": 1},
        "state": 1,
        "against": None,
    }
    table = json.loads(run(console, f"pull {PEER} --json --refused").lines[0])["table"]
    bad = {"number": 2, "verdict": "not_ascii", "about": "-", "bytes": 6, "line": r"\x1b[2J\xd9\xa3"}
    assert table == [bad]
    failed = run(console, "pull 10.0.0.2:7000 --json")
    assert (failed.ok, json.loads(failed.lines[0])["failure"]) == (False, "refused")


@given(st.binary(max_size=300), st.sampled_from(["", " --raw", " --refused", " --json", " --raw --json"]))
def test_whatever_is_sent_the_lines_are_printable_ascii(data: bytes, options: str) -> None:
    console = FakeConsole()
    console.tables[PEER] = data
    for line in run(console, f"pull {PEER}{options}").lines:
        assert line.isascii()
        assert line.isprintable()


_WORDS = ["ok", "known", "reply layer", "unfinished", *Reason]


@pytest.mark.parametrize("end", End)
@pytest.mark.parametrize("against", ["", "cluster_mismatch", "no_own_entry", "rejected_lines"])
def test_every_verdict_and_end_has_words(console: FakeConsole, end: End, against: str) -> None:
    verdicts = tuple(Verdict(b"", word, About.NOBODY) for word in _WORDS)
    found = replace(console.read(PEER), end=end, inspection=Inspection(verdicts, None, against))
    console.read = lambda address: found  # type: ignore[method-assign]
    assert len(run(console, f"pull {PEER}").lines) == 1 + len(_WORDS) + bool(against)


# A real node.


class TestOnLoopback:
    pytestmark = ON_LOOPBACK

    def test_a_table_is_read_and_nothing_of_it_believed(self) -> None:
        own, nobody = free_addresses(2)
        with running() as start:
            node = start(own, interval_s=30).daemon
            mine = node.read(own)
            assert mine.inspection is not None
            assert [v.word for v in mine.inspection.verdicts] == ["known"]
            assert mine.end == "empty_line"
            assert node.read(nobody).failure == "refused"
            with Peer(sends(b"1.2.3.4:5,1,1\nrubbish\n")) as peer:
                strange = node.read(peer.address)
                assert strange.inspection is not None
                assert [v.word for v in strange.inspection.verdicts] == ["ok", "bad_fields"]
                assert (strange.end, strange.inspection.against) == ("closed", "no_own_entry")
                assert len(peer.callers) == 1
            assert len(node.members()) == 1
            assert not node.blacklist()
            assert not node.explain(peer.address).records

    def test_it_waits_for_the_nodes_own_pull(self) -> None:
        (own,) = free_addresses(1)
        with running() as start, Peer(sends(0.2, b"\n")) as peer:
            one = start(own, peer.address, interval_s=30)
            until(lambda: bool(peer.callers), "the join's call")
            assert one.daemon.read(peer.address).inspection is not None
            # The join's pull was over before the reading began.
            pulls = [e for e in one.log.events if isinstance(e, ev.PullFinished | ev.PullFailed)]
            assert [e.purpose for e in pulls] == ["join"]
            assert one.daemon._readings.open == {}
