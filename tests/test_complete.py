"""Completion: what fits where, in which order, and what each candidate means."""

from __future__ import annotations

import pytest

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.views import BlacklistView, MemberView
from gossip.shell.commands import REGISTRY, candidates
from gossip.shell.complete import Candidate
from gossip.shell.history import matching
from gossip.shell.menu import ROWS, displays
from tests.fake_console import BAD, OWN, PEER, FakeConsole

ILL, BLOCKED = Address("10.0.0.9", 5001), Address("10.0.0.10", 5001)
MEANINGS = {
    str(OWN): "this node, state 3",
    str(PEER): "member, state 1, answered 3s ago",
    str(ILL): "suspect, state 7, 2 failed pulls",
    str(BAD): "blacklisted 1m05s ago: refused",
    str(BLOCKED): "blocked by hand 4s ago",
}


@pytest.fixture
def console() -> FakeConsole:
    made = FakeConsole()
    made.others += [MemberView(Entry(ILL, 1_630_281_200, 7), False, 49.0, 30.0, "caller", 2)]
    made.blocked += [BlacklistView(BLOCKED, "blocked", 4.0, None, 0)]
    return made


def _texts(console: FakeConsole, text: str) -> list[str]:
    return [text[: len(text) - c.replaces] + c.text for c in candidates(console, text)]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("join ", [BAD, PEER, ILL]),
        ("+", [BAD, PEER, ILL]),
        ("block ", [ILL, PEER, BAD]),
        ("unblock ", [BAD, BLOCKED]),
        ("explain ", [ILL, BAD, BLOCKED, PEER, OWN]),
        ("trace ", [ILL, BAD, BLOCKED, PEER, OWN]),
        ("pull ", [ILL, BAD, BLOCKED, PEER, OWN]),
    ],
)
def test_the_addresses_that_fit_first_and_what_each_is(
    console: FakeConsole, text: str, offered: list[Address]
) -> None:
    found = candidates(console, text)
    assert [(one.text, one.meaning) for one in found] == [(str(at), MEANINGS[str(at)]) for at in offered]
    assert _texts(console, f"{text}x") == []


def test_a_liar_comes_first_where_one_looks_for_whom_to_block(console: FakeConsole) -> None:
    liar, rude = Address("10.0.0.11", 5001), Address("10.0.0.12", 5001)
    console.others = [
        *console.others[:1],
        MemberView(Entry(rude, 1, 2), False, 1.0, 1.0, "caller", 0, strikes=2),
        MemberView(Entry(liar, 1, 2), False, 1.0, 1.0, "caller", 0, distrusted_s=9.0),
    ]
    found = [(one.text, one.meaning) for one in candidates(console, "block ")][:3]
    assert found == [
        (str(liar), "member, state 2, distrusted"),
        (str(rude), "member, state 2, 2 strikes"),
        (str(PEER), MEANINGS[str(PEER)]),
    ]


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("mem", ["members"]),
        ("j", ["join "]),
        ("+ 128", [f"+ {PEER}"]),
        ("+128", [f"+{PEER}"]),
        ("state ", [f"state {digit}" for digit in range(10)]),
        ("adversary o", ["adversary on", "adversary off"]),
        ("adversary re", ["adversary replay"]),
        ("help bl", ["help blacklist", "help block "]),
        (f"pull {PEER} --r", [f"pull {PEER} --raw", f"pull {PEER} --refused"]),
        ("quit ", []),
        ("nosuch ", []),
        ("+1.2.3.4:5 ", []),
        ("!", []),
    ],
)
def test_completion(console: FakeConsole, text: str, completed: list[str]) -> None:
    assert _texts(console, text) == completed


def test_an_empty_line_offers_every_command_with_its_meaning_those_that_look_first() -> None:
    found = candidates(FakeConsole(), "")
    assert sorted(one.text.strip() for one in found) == sorted(name for name in REGISTRY if len(name) > 1)
    assert all(one.meaning for one in found)
    order = [one.text.strip() for one in found]
    assert order.index("members") < order.index("join") < order.index("quit")


def test_a_menu_shows_meanings_where_they_fit_and_else_names_only() -> None:
    offers = [Candidate("join ", "connect"), Candidate("block ", "blacklist for good")]
    assert displays(offers, 80) == ["join   connect", "block  blacklist for good"]
    assert displays(offers, 20) == ["join", "block"]
    many = [Candidate(f"command{number}", "m" * 30) for number in range(ROWS + 1)]
    assert displays(many, 80) == [one.text for one in many]
    assert displays(many, 100)[0] == f"command0  {'m' * 30}"
    assert displays([Candidate("7", "now"), Candidate("8", "")], 80) == ["7", "8"]
    assert displays([], 80) == []


def test_history_is_searched_by_letters_in_order_the_closest_first() -> None:
    typed = ["members --sort age", "join 127.0.0.1:5002", "blacklist", "members", "mem", "members"]
    assert matching("mbr", typed) == ["members", "members --sort age"]
    assert matching("J5", typed) == ["join 127.0.0.1:5002"]
    assert matching("ms", typed) == ["members", "members --sort age"]
    assert matching("b", typed) == ["members", "blacklist", "members --sort age"]
    assert matching("", typed) == ["members", "mem", "blacklist", "join 127.0.0.1:5002", "members --sort age"]
    assert matching("lb", typed) == []
    assert matching("aa", ["ba", "a ba"]) == ["a ba"]
    assert len(matching("x", [f"x{number}" for number in range(100)])) == 40
