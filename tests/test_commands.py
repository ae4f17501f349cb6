from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.views import JoinReport
from gossip.shell import commands, registry
from gossip.shell.commands import REGISTRY, Command, Result, candidates, run
from tests.fake_console import BAD, OWN, FakeConsole


@pytest.fixture
def console() -> FakeConsole:
    return FakeConsole()


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("", ()),
        (" \t ", ()),
        ("!", ("127.0.0.1:5001,1630281124,3", "128.84.213.13:5678,1630281124,1")),
        ("  ! ", ("127.0.0.1:5001,1630281124,3", "128.84.213.13:5678,1630281124,1")),
        ("?", ("127.0.0.1:5001 --> 3", "128.84.213.13:5678 --> 1")),
        ("table", ("127.0.0.1:5001 --> 3", "128.84.213.13:5678 --> 1")),
        ("0", ("127.0.0.1:5001 --> 0",)),
        (" 9\r\n", ("127.0.0.1:5001 --> 9",)),
        ("state", ("127.0.0.1:5001 --> 3",)),
        ("state 7", ("127.0.0.1:5001 --> 7",)),
        ("Y", ("adversarial gossip on: rubbish",)),
        ("N", ("adversarial gossip off",)),
        ("adversary", ("adversarial gossip off; help adversary lists the strategies",)),
        ("adversary on", ("adversarial gossip on: rubbish",)),
        ("adversary replay", ("adversarial gossip on: replay",)),
        ("adversary off", ("adversarial gossip off",)),
        ("block 10.0.0.2:7000", ("10.0.0.2:7000 is blocked",)),
        ("block 127.0.0.1:5009", ("127.0.0.1:5009 is blocked already",)),
        ("unblock 127.0.0.1:5009", ("127.0.0.1:5009 is off the blacklist",)),
        (
            "explain 128.84.213.13:5678",
            (
                "128.84.213.13:5678 --> 1: learned from 10.0.0.2:7000, state set 2m05s ago, "
                "last contact 3s ago, in good health",
            ),
        ),
        ("explain 127.0.0.1:5009", ("127.0.0.1:5009: blacklisted 1m05s ago: refused; next retry in 7s",)),
        ("explain 10.0.0.2:7000", ("10.0.0.2:7000: nothing is known of it",)),
        (
            "help explain",
            (
                "explain ADDRESS  tell all that is known of an address, and how it came to be",
                "  --json  one line of JSON, for scripts",
                "example: explain 127.0.0.1:5002",
            ),
        ),
        (
            "help table",
            (
                "table  list the table: ip:port --> state (as ?)",
                "  --state DIGIT  only those in this state: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
                "  --json         one line of JSON, for scripts",
                "example: table --state 7",
            ),
        ),
        ("help +", ("+IP:PORT  join a node",)),
        ("help 7", ("0 .. 9  set the own state",)),
        (
            "help adversary",
            (
                "adversary [on|off|NAME]  show or set adversarial gossip, by a strategy's name",
                "  --json   one line of JSON, for scripts",
                "  on       as rubbish",
                "  off      be honest",
                "  rubbish  send rubbish",
                "  replay   repeat the past",
                "example: adversary on",
            ),
        ),
    ],
)
def test_what_a_command_answers(console: FakeConsole, line: str, lines: tuple[str, ...]) -> None:
    assert run(console, line) == Result(lines)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            "1.2.3.4:5",
            "no such command: 1.2.3.4:5; to join it type +1.2.3.4:5, for what is known of it "
            "explain 1.2.3.4:5",
        ),
        ("--state 7", "no such command: --state; an option comes after a command, as in members --json"),
        ("bl", "no such command: bl; did you mean blacklist? (help lists all)"),
        ("jion 1.2.3.4:5", "no such command: jion; did you mean join? (help lists all)"),
        (
            "adversary reply",
            "no such strategy: reply; did you mean replay? (help adversary lists the strategies)",
        ),
        ("trace x", "x is no address: expected ip:port, such as 127.0.0.1:5001 or [::1]:5001"),
        ("10", "the state is one digit, 0 to 9, not 10"),
        ("-1", "the state is one digit, 0 to 9, not -1"),
        ("٣", "the state is one digit, 0 to 9, not ٣"),
        ("state 12", "the state is one digit, 0 to 9, not 12"),
        ("state ٣", "the state is one digit, 0 to 9, not ٣"),
        ("tabel", "no such command: tabel; did you mean table? (help lists all)"),
        ("Table", "no such command: Table; did you mean table? (help lists all)"),
        ("y", "no such command: y; did you mean Y? (help lists all)"),
        ("n", "no such command: n; did you mean N? (help lists all)"),
        ("explian x", "no such command: explian; did you mean explain? (help lists all)"),
        ("explain", "expected explain ADDRESS, got nothing after explain"),
        ("explain x", "x is no address: expected ip:port, such as 127.0.0.1:5001 or [::1]:5001"),
        ("xyzzy", "no such command: xyzzy; help lists all"),
        ("\x1b[2J", r"no such command: \x1b[2J; help lists all"),
        ("help tabel", "no such command: tabel; did you mean table? (help lists all)"),
        ("+foo", "foo is no address: expected ip:port, such as 127.0.0.1:5001 or [::1]:5001"),
        ("+", "expected +IP:PORT, got nothing after +"),
        ("join", "expected join ADDRESS, got nothing after join"),
        ("join 1.2.3.4:5 6", "expected join ADDRESS, got 1.2.3.4:5 6 after join"),
        ("! x", "! stands alone, without x"),
        (
            "+1.2.3.4:0",
            "1.2.3.4:0 is no address: the port is a whole number from 1 to 65535, without leading zeros",
        ),
        ("join 127.0.0.1:5001", "127.0.0.1:5001 is this node itself: there is nothing to join"),
        ("block 127.0.0.1:5001", "127.0.0.1:5001 is this node itself: there is nothing to block"),
        ("unblock 10.0.0.2:7000", "10.0.0.2:7000 is not on the blacklist"),
        ("adversary x\ny", "expected adversary [on|off|NAME], got x y after adversary"),
        ("adversary nope", "no such strategy: nope; help adversary lists the strategies"),
        ("x" * 5000, "the line is too long: 5000 characters, at most 4096"),
        ("x" * 100, f"no such command: {'x' * 37}...; help lists all"),
    ],
)
def test_bad_input_is_one_line_saying_what_would_be_right(
    console: FakeConsole, line: str, error: str
) -> None:
    result = run(console, line)
    assert (result.lines, result.ok) == ((error,), False)
    assert console.own.state == 3
    assert console.strategy is None


@pytest.mark.parametrize(
    ("line", "is_misuse"),
    [
        ("tabel", True),
        ("10", True),
        ("explain x", True),
        ("members --sort", True),
        ("quit --json", True),
        ("x" * 5000, True),
        ("join 127.0.0.1:5001", False),
        ("join 10.0.0.2:7000", False),
        ("unblock 10.0.0.2:7000", False),
        ("detach", False),
    ],
)
def test_what_could_never_be_done_is_told_from_what_is_refused(
    console: FakeConsole, line: str, is_misuse: bool
) -> None:
    result = run(console, line)
    assert (result.ok, result.is_misuse) == (False, is_misuse)


@pytest.mark.parametrize(
    "line", ["+10.0.0.2:7000", "+ 10.0.0.2:7000", " +10.0.0.2:7000 ", "join 10.0.0.2:7000"]
)
def test_join_says_what_it_found(console: FakeConsole, line: str) -> None:
    found = Address("10.0.0.2", 7000)
    assert run(console, line) == Result(("10.0.0.2:7000 failed: refused; it is blacklisted",), ok=False)
    console.reports[found] = JoinReport(found, None, Entry(found, 1, 4), 2, True)
    assert run(console, line) == Result(("10.0.0.2:7000 --> 4: a member; its table has 2 entries",))


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("+10.0.0.2:7000", "10.0.0.2:7000"),
        (" + 10.0.0.2:7000\n", "10.0.0.2:7000"),
        ("join 10.0.0.2:7000", "10.0.0.2:7000"),
        ("+", ""),
        ("join 1.2.3.4:5 6", ""),
        ("block 10.0.0.2:7000", ""),
        ("", ""),
    ],
)
def test_whom_a_line_joins(line: str, address: str) -> None:
    assert commands.joined(line) == address


def test_switches_reach_the_node(console: FakeConsole) -> None:
    run(console, "Y")
    assert console.strategy == "rubbish"
    run(console, "adversary replay")
    assert console.strategy == "replay"
    run(console, "N")
    assert console.strategy is None
    console.refuses = "a loopback address"
    assert run(console, "Y") == Result(("refused: expected a loopback address",), ok=False)
    assert console.strategy is None
    assert run(console, "N").ok
    run(console, "4")
    assert console.own.state == 4


def test_quit_stops_the_node(console: FakeConsole) -> None:
    assert run(console, "quit") == Result(stop=True)
    assert console.is_stopped


def test_members_and_blacklist_are_aligned(console: FakeConsole) -> None:
    assert run(console, "members").lines == (
        "address             state  age    last contact  round-trip  learned from   health",
        "127.0.0.1:5001      3      1h02m  -             -           self           ok",
        "128.84.213.13:5678  1      2m05s  3s            12ms        10.0.0.2:7000  ok",
    )
    assert run(console, "blacklist").lines[1] == "127.0.0.1:5009  refused  1m05s  7s          2"


def test_help_lists_every_command_once(console: FakeConsole) -> None:
    *lines, last = run(console, "help").lines
    assert last.startswith("help COMMAND")
    assert [line for line in lines if not line.startswith("  ")] == [
        "to look:",
        "to change:",
        "for this shell:",
        "short ones, as Pygossip has them:",
    ]
    usages = [line.strip().split("  ")[0] for line in lines if line.startswith("  ")]
    assert sorted(usages) == sorted({found.usage for found in REGISTRY.values()})
    assert usages[-6:] == ["!", "?", "+IP:PORT", "0 .. 9", "Y", "N"]
    assert max(map(len, lines)) <= 100


def test_a_new_command_is_one_function(console: FakeConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "REGISTRY", dict(REGISTRY))
    monkeypatch.setattr(commands, "REGISTRY", registry.REGISTRY)

    @registry.command("hello", "hello", "greet")
    def _hello(console: object, args: list[str]) -> Result:
        return Result(("hello",))

    assert run(console, "hello") == Result(("hello",))
    assert "hello" in [line.split()[0] for line in run(console, "help").lines]
    with pytest.raises(ValueError, match="registered twice"):
        registry.register(Command("hello", "hello", "again", _hello))


OPTIONS = sorted({f"--{option.name}" for found in REGISTRY.values() for option in found.options})
_WORDS = st.sampled_from(
    [*REGISTRY, *OPTIONS, "1.2.3.4:5", str(OWN), str(BAD), "[::1]:7", "on", " ", "\n", "\x1b[m"]
)
_LINES = st.one_of(st.text(), st.lists(st.one_of(_WORDS, st.text(max_size=9))).map(" ".join))


@given(_LINES)
def test_any_text_gives_printable_lines(line: str) -> None:
    result = run(FakeConsole(), line)
    assert all(shown.isprintable() for shown in result.lines)
    assert result.ok or len(result.lines) == 1


@given(_LINES)
def test_any_text_can_be_completed(text: str) -> None:
    for candidate in candidates(FakeConsole(), text):
        assert 0 <= candidate.replaces <= len(text)
