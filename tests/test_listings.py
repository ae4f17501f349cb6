"""Listings: options, order, filters, and what `--json` prints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.views import BlacklistView, MemberView
from gossip.shell.commands import REGISTRY, candidates, run
from tests.fake_console import BAD, OWN, PEER, FakeConsole

FAR, LOST = Address("10.0.0.9", 5001), Address("10.0.0.10", 5001)
HAVE_JSON = [
    "table",
    "?",
    "members",
    "blacklist",
    "explain 10.0.0.9:5001",
    "status",
    "help",
    "state",
    "state 7",
]
HAVE_JSON += [
    "join 10.0.0.2:7000",
    "adversary",
    "adversary on",
    "block 10.0.0.2:7000",
    "unblock 127.0.0.1:5009",
]


@pytest.fixture
def console() -> FakeConsole:
    made = FakeConsole()
    made.others += [MemberView(Entry(FAR, 1_630_281_200, 7), False, 49.0, None, "caller", 2)]
    was = MemberView(Entry(LOST, 1_630_281_000, 7), False, 249.0, None, "", 0, "timeout")
    made.blocked += [BlacklistView(LOST, "timeout", 4.0, None, 0, was)]
    return made


def _addresses(console: FakeConsole, line: str) -> list[str]:
    result = run(console, f"{line} --json")
    assert result.ok, result.lines
    return [row["address"] for row in json.loads(result.lines[0])]


@pytest.mark.parametrize(
    ("line", "addresses"),
    [
        ("members", [OWN, PEER, FAR]),
        ("members --state 7", [FAR]),
        ("members --state=1", [PEER]),
        ("members --state 9", []),
        ("members --suspect", [FAR]),
        ("members --blacklisted", [LOST]),
        ("members --state 7 --blacklisted --sort age", [LOST]),
        ("members --state 6 --blacklisted", []),
        ("members --sort address", [FAR, OWN, PEER]),
        ("members --sort state", [PEER, OWN, FAR]),
        ("members --sort age", [FAR, PEER, OWN]),
        ("members --sort contact", [PEER, OWN, FAR]),
        ("members --sort round-trip", [PEER, OWN, FAR]),
        ("members --sort failures --reverse", [FAR, PEER, OWN]),
        ("table --state 3", [OWN]),
        ("?", [OWN, PEER, FAR]),
        ("blacklist", [BAD, LOST]),
        ("blacklist --sort since", [LOST, BAD]),
        ("blacklist --sort retry", [BAD, LOST]),
        ("blacklist --sort retries --reverse", [BAD, LOST]),
        ("blacklist --blocked", [LOST]),
    ],
)
def test_listings_are_filtered_and_sorted(console: FakeConsole, line: str, addresses: list[Address]) -> None:
    assert _addresses(console, line) == [str(address) for address in addresses]


def test_the_text_is_filtered_and_sorted_as_the_json(console: FakeConsole) -> None:
    assert run(console, "members --sort age --reverse").lines == (
        "address             state  age    last contact  round-trip  learned from   health",
        "127.0.0.1:5001      3      1h02m  -             -           self           ok",
        "128.84.213.13:5678  1      2m05s  3s            12ms        10.0.0.2:7000  ok",
        "10.0.0.9:5001       7      49s    never         -           caller         suspect (2)",
    )
    assert run(console, "members --blacklisted").lines == (
        "address         state  age    last contact  round-trip  learned from  health",
        "10.0.0.10:5001  7      4m09s  never         -           -             blacklisted: timeout",
    )
    assert run(console, "members --state 9").lines == ("no member is like that",)
    assert run(console, "members --blacklisted --state 9").lines == (
        "no blacklisted one was a member like that; blacklist lists all",
    )
    assert run(console, "? --state 7").lines == ("10.0.0.9:5001 --> 7",)
    assert len(run(console, "blacklist --blocked").lines) == 2
    assert run(FakeConsole(), "blacklist --blocked").lines == ("nobody is blocked by hand",)
    console.blocked = []
    assert run(console, "members --blacklisted").lines == ("nobody is blacklisted",)


def test_the_fields_of_a_member_and_of_a_blacklisted_one(console: FakeConsole) -> None:
    own, peer, _ = json.loads(run(console, "members --json").lines[0])
    assert peer == {
        "address": str(PEER),
        "state": 1,
        "timestamp": 1_630_281_124,
        "age_s": 125.0,
        "contact_s": 3.2,
        "round_trip_s": 0.012,
        "learned_from": "10.0.0.2:7000",
        "failures": 0,
        "is_own": False,
        "blacklisted": None,
        "strikes": 0,
        "distrusted_s": None,
    }
    assert (own["is_own"], own["contact_s"]) == (True, None)
    first, second = json.loads(run(console, "blacklist --json").lines[0])
    assert first == {
        "address": str(BAD),
        "reason": "refused",
        "since_s": 65.0,
        "retry_in_s": 7.5,
        "retries": 2,
        "state": None,
    }
    assert (second["retry_in_s"], second["state"]) == (None, 7)


@pytest.mark.parametrize("line", HAVE_JSON)
def test_every_answer_can_be_one_line_of_json(console: FakeConsole, line: str) -> None:
    result = run(console, f"{line} --json")
    (shown,) = result.lines
    assert isinstance(json.loads(shown), dict | list)
    assert result.ok == run(FakeConsole(), line).ok


def test_json_is_printable_ascii_whatever_a_peer_says(console: FakeConsole) -> None:
    console.blocked = [BlacklistView(BAD, "\x1b[2J\x7f\u202e\ud800 é", float("inf"), float("nan"), 0)]
    (shown,) = run(console, "blacklist --json").lines
    assert shown.isascii()
    assert shown.isprintable()
    row: dict[str, Any] = json.loads(shown)[0]
    assert row["reason"].startswith("\x1b[2J\x7f\u202e")
    assert row["since_s"] is row["retry_in_s"] is None


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("members --staet 7", "members has no option --staet; did you mean --state?"),
        ("table --xyz", "table has no option --xyz; it has --state, --json"),
        ("table --\x1b", r"table has no option --\x1b; it has --state, --json"),
        ("members --state", "expected --state DIGIT, one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; got nothing"),
        ("table --state ٣", "expected --state DIGIT, one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; got ٣"),
        (
            "members --sort=size",
            "expected --sort KEY, one of address, state, age, contact, round-trip, failures; got size",
        ),
        ("members --json --json", "--json is given twice"),
        ("members --json=1", "--json stands alone, without 1"),
        ("members 7", "members stands alone, without 7"),
        ("! --json", "! stands alone, without --json"),
        ("explain --json", "expected explain ADDRESS, got nothing after explain"),
        ("quit --now", "quit stands alone, without --now"),
    ],
)
def test_a_bad_option_gets_one_line(console: FakeConsole, line: str, error: str) -> None:
    result = run(console, line)
    assert (result.lines, result.ok, result.is_misuse) == ((error,), False, True)


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("members --s", ["members --state ", "members --suspect", "members --sort "]),
        (
            "members --sort ",
            [
                f"members --sort {key}"
                for key in ("address", "state", "age", "contact", "round-trip", "failures")
            ],
        ),
        ("members --sort a", ["members --sort address", "members --sort age"]),
        ("members --state 7 --s", ["members --state 7 --suspect", "members --state 7 --sort "]),
        ("table ", ["table --state ", "table --json"]),
        ("explain --", ["explain --json"]),
        ("explain --json 128", [f"explain --json {PEER}"]),
        ("join x ", ["join x --json"]),
        ("? --j", ["? --json"]),
        ("status --json ", []),
    ],
)
def test_options_and_their_values_are_completed(
    console: FakeConsole, text: str, completed: list[str]
) -> None:
    offers = candidates(console, text)
    assert [text[: len(text) - offer.replaces] + offer.text for offer in offers] == completed
    assert all(offer.meaning for offer in offers if offer.text.startswith("--"))


@pytest.mark.parametrize("found", [c for c in REGISTRY.values() if len(c.name) > 1], ids=lambda c: c.name)
def test_every_named_command_has_an_example_that_is_typed_right(found: Any) -> None:
    assert not run(FakeConsole(), found.example).is_misuse
    assert found.example.split()[0] == found.name
    assert run(FakeConsole(), f"help {found.name}").lines[-1] == f"example: {found.example}"
