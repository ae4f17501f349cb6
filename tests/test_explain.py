"""`explain`: the story of an address, as text, and as a real process tells it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.provenance import Record
from gossip.core.views import BlacklistView, MemberView, Story
from gossip.shell import render
from tests.processes import HOST, Node, Peer, Spawn, free_ports, wait_until

A = Address("127.0.0.1", 5001)
B = Address("::1", 5002)
NOW = 1_630_281_200.0


def _member(address: Address, *, failures: int = 0, contact_s: float | None = 3.2) -> MemberView:
    return MemberView(Entry(address, 1_630_281_124, 7), False, 76.0, contact_s, "127.0.0.1:5003", failures)


def _record(
    ago: int, what: str, source: str = "", detail: str = "", *, last: int = 0, times: int = 1
) -> Record:
    return Record(int(NOW) - ago, int(NOW) - (last or ago), times, what, source, detail)


def _story(
    address: Address = A,
    member: MemberView | None = None,
    blacklisted: BlacklistView | None = None,
    *records: Record,
) -> list[str]:
    return render.story(Story(address, member, blacklisted, records, NOW))


def test_of_an_unknown_address_nothing_is_known() -> None:
    assert _story() == ["127.0.0.1:5001: nothing is known of it"]


def test_of_this_node_itself() -> None:
    own = MemberView(Entry(A, 1_630_281_124, 7), True, 76.0, 0.0, "self", 0)
    assert _story(A, own) == ["127.0.0.1:5001 --> 7: this node itself, state set 1m16s ago"]


@pytest.mark.parametrize(
    ("failures", "contact_s", "end"),
    [
        (0, 3.2, "last contact 3s ago, in good health"),
        (1, 65.0, "last contact 1m05s ago, 1 failed pull in a row"),
        (2, None, "last contact never, 2 failed pulls in a row"),
    ],
)
def test_of_a_member(failures: int, contact_s: float | None, end: str) -> None:
    member = _member(B, failures=failures, contact_s=contact_s)
    assert _story(B, member) == [f"[::1]:5002 --> 7: learned from 127.0.0.1:5003, state set 1m16s ago, {end}"]


@pytest.mark.parametrize(
    ("strikes", "distrusted_s", "held"),
    [
        (1, None, "1 strike; "),
        (0, 65.0, "distrusted for 1m05s; "),
        (2, 3.0, "distrusted for 3s; 2 strikes; "),
    ],
)
def test_what_is_held_against_a_member_comes_first(
    strikes: int, distrusted_s: float | None, held: str
) -> None:
    member = replace(_member(A), strikes=strikes, distrusted_s=distrusted_s)
    assert _story(A, member) == [
        f"127.0.0.1:5001 --> 7: {held}learned from 127.0.0.1:5003, state set 1m16s ago, "
        "last contact 3s ago, answering"
    ]


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (BlacklistView(A, "refused", 65, 7.5, 2), "blacklisted 1m05s ago: refused; next retry in 7s"),
        (BlacklistView(A, "blocked", 1, None, 0), "blocked by hand 1s ago"),
        (BlacklistView(A, "bad\x1b", 0, 0.0, 0), r"blacklisted 0s ago: bad\x1b; next retry in 0s"),
    ],
)
def test_of_a_blacklisted_one(row: BlacklistView, line: str) -> None:
    assert _story(A, None, row) == [f"127.0.0.1:5001: {line}"]


def test_the_records_are_aligned_and_oldest_first() -> None:
    lines = _story(
        A,
        _member(A),
        None,
        _record(3725, "mentioned", "127.0.0.1:5003"),
        _record(3724, "admitted", "127.0.0.1:5003", "state 2 of 1630277476"),
        _record(600, "pull failed", "", "timeout (round)", last=125, times=3),
        _record(9, "hint disproved", times=2),
        _record(5, "said that it leaves", str(A)),
    )
    assert lines == [
        "127.0.0.1:5001 --> 7: learned from 127.0.0.1:5003, state set 1m16s ago, "
        "last contact 3s ago, in good health",
        "  1h02m ago                         mentioned            from 127.0.0.1:5003",
        "  1h02m ago                         admitted             state 2 of 1630277476, from 127.0.0.1:5003",
        "  10m00s ago to 2m05s ago, 3 times  pull failed          timeout (round)",
        "  9s ago, 2 times                   hint disproved",
        "  5s ago                            said that it leaves  from itself",
    ]


def test_an_address_with_a_story_that_is_no_member() -> None:
    assert _story(A, None, None, _record(9, "not admitted", "", "refused")) == [
        "127.0.0.1:5001: no member, not blacklisted",
        "  9s ago  not admitted  refused",
    ]


_TEXTS = st.text(max_size=300)
_RECORDS = st.builds(
    Record, st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 9), st.just("x"), _TEXTS, _TEXTS
)


@given(st.lists(_RECORDS, max_size=5))
def test_whatever_peers_said_the_lines_are_printable(records: list[Record]) -> None:
    assert all(line.isprintable() and len(line) < 500 for line in _story(A, None, None, *records))


# A real process.


def test_a_node_tells_the_story_of_its_peers(spawn: Spawn) -> None:
    peer = Peer()
    try:
        node = spawn(Node, free_ports(1)[0], "--join", peer.address)
        [added] = node.wait_event("member_added", member=peer.address)
        summary, *story = node.ask(f"explain {peer.address}")
        assert re.fullmatch(
            rf"{re.escape(peer.address)} --> 4: learned from join, state set \d+s ago, "
            r"last contact \d+s ago, in good health",
            summary,
        )
        what = [re.sub(r"^  \d+s ago(?: to \d+s ago, \d+ times)? +", "", line) for line in story]
        assert [re.sub(" +", " ", line) for line in what] == [
            "answered join",
            f"admitted state 4 of {added['timestamp']}, from join",
        ]
    finally:
        peer.close()
    node.wait_event("member_blacklisted", member=peer.address)
    summary, *story = node.ask(f"explain {peer.address}")
    assert re.fullmatch(rf"{peer.address}: blacklisted \d+s ago: refused; next retry in \d+s", summary)
    assert "answered" in story[0], "how the story began is kept"
    assert any(re.search("[0-9] times +pull failed +refused", line) for line in story), story
    assert any(re.search("ago +blacklisted +refused", line) for line in story), story


def test_a_node_tells_of_itself_of_blocked_and_of_unknown_addresses(spawn: Spawn) -> None:
    node = spawn(Node, free_ports(1)[0], state=3)
    wait_until(lambda: bool(node.ask("state")), "the shell")
    assert re.fullmatch(
        rf"{node.address} --> 3: this node itself, state set \d+s ago", node.ask(f"explain {node.address}")[0]
    )
    assert node.ask(f"explain {HOST}:9") == [f"{HOST}:9: nothing is known of it"]
    assert node.ask(f"block {HOST}:9") == [f"{HOST}:9 is blocked"]
    assert node.ask(f"explain {HOST}:9") == [
        f"{HOST}:9: blocked by hand 0s ago",
        "  0s ago  blocked by hand",
    ]
    node.ask(f"unblock {HOST}:9")
    assert node.ask(f"explain {HOST}:9")[0] == f"{HOST}:9: no member, not blacklisted"
    assert node.ask("explain nobody") == [
        "nobody is no address: expected ip:port, such as 127.0.0.1:5001 or [::1]:5001"
    ]
