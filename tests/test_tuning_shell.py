"""The commands `set` and `reload`: what they show, what they complete, what they refuse."""

from __future__ import annotations

import json

import pytest

from gossip.config import ConfigError
from gossip.config.live import with_values
from gossip.core.events import SettingChanged
from gossip.core.settings import Settings
from gossip.shell import render
from gossip.shell.commands import REGISTRY, candidates, run, told
from gossip.tuning import Tuning
from tests.config_helpers import KEYS
from tests.fake_console import FakeConsole


@pytest.fixture
def console() -> FakeConsole:
    return FakeConsole()


def rereading(console: FakeConsole, *found: Settings | str) -> FakeConsole:
    """Let a console read these settings at its reloads, one by one; a text is what is wrong with them."""
    left = list(found)

    def reread() -> Settings:
        each = left.pop(0)
        if isinstance(each, str):
            raise ConfigError(each)
        return each

    console.tuning = Tuning(Settings(), reread, console.used.append, console.status, console.tuning._log)
    return console


def test_set_lists_every_setting_and_marks_what_is_changed_and_what_needs_a_restart(
    console: FakeConsole,
) -> None:
    run(console, "set gossip.interval_s 1.5")
    header, *rows = run(console, "set").lines
    assert header.split() == ["setting", "value", "default", "needs"]
    assert [row.split()[0] for row in rows] == KEYS
    assert max(map(len, rows)) < 80  # a terminal has that many columns, and may leave the last one empty
    by_key = {row.split()[0]: row.split()[1:] for row in rows}
    assert by_key["gossip.interval_s"] == ["1.5", "3.0"]
    assert by_key["gossip.pokes"] == ["2"]
    assert by_key["node.listen"] == ["127.0.0.1:5001", "restart"]
    assert by_key["node.join"] == ["[]"]
    assert [row.split()[0] for row in run(console, "set gossip").lines[1:]] == [
        key for key in KEYS if key.startswith("gossip.")
    ]


def test_set_changed_lists_what_is_not_as_by_default(console: FakeConsole) -> None:
    assert run(console, "set --changed").lines == ("all is as by default",)
    run(console, "set reply.max_lines=99")
    assert [line.split() for line in run(console, "set --changed").lines[1:]] == [
        ["reply.max_lines", "99", "512"]
    ]
    assert json.loads(run(console, "set --changed --json").lines[0]) == [
        {
            "setting": "reply.max_lines",
            "value": 99,
            "default": 512,
            "allowed": "a whole number from 8 to 100000",
            "choices": None,
            "needs_restart": False,
        }
    ]


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (
            "set gossip.interval_s",
            (
                "gossip.interval_s is 3.0, as by default",
                "allowed: a number from 0.02 to 3600",
                "it changes at once",
            ),
        ),
        (
            "set node.state",
            (
                "node.state is 0, as by default",
                "allowed: a whole number from 0 to 9",
                "it needs a restart; state DIGIT does it at once",
            ),
        ),
        (
            "set gossip.trust",
            (
                "gossip.trust is verify, as by default",
                'allowed: "verify" or "hearsay"',
                "it changes at once",
            ),
        ),
        ("set gossip.interval_s 1.5", ("gossip.interval_s: 3.0 -> 1.5",)),
        ("set gossip.interval_s=1.5", ("gossip.interval_s: 3.0 -> 1.5",)),
        ("set gossip.interval_s = 1.5", ("gossip.interval_s: 3.0 -> 1.5",)),
        ("set gossip.interval_s =1.5", ("gossip.interval_s: 3.0 -> 1.5",)),
        ("set gossip.interval_s 3", ("gossip.interval_s is 3 already",)),
        ("set node.join a:1, b:2", ("node.join: [] -> a:1,b:2",)),
        ('set node.join ["a:1"]', ("node.join: [] -> a:1",)),
        ("set gossip.trust_advertised true", ("gossip.trust_advertised: false -> true",)),
        ("reload", ("nothing has changed",)),
    ],
)
def test_what_a_command_answers(console: FakeConsole, line: str, lines: tuple[str, ...]) -> None:
    assert run(console, line).lines == lines


@pytest.mark.parametrize(
    ("line", "error", "is_misuse"),
    [
        ("set interval_s", "no such setting: interval_s; did you mean gossip.interval_s?", True),
        ("set intervl 3", "no such setting: intervl; did you mean gossip.interval_s?", True),
        (
            "set gossip.intervals=3",
            "no such setting: gossip.intervals; did you mean gossip.interval_s?",
            True,
        ),
        ("set xyzzy", "no such setting: xyzzy; set lists all", True),
        ("set gossip 3", "no such setting: gossip; did you mean", True),
        ("set =3", "no such setting: ; set lists all", True),
        ("set gossip.pokes", "", False),
        ("set gossip.pokes=", "set gossip.pokes=: expected a whole number from 0 to 16", True),
        ("set gossip.pokes 1 2", "set gossip.pokes=1 2: expected a whole number from 0 to 16", True),
        (
            "set gossip.pokes 1 --changed",
            "--changed is for a list of settings: it stands without a value",
            True,
        ),
        ("set node.listen 127.0.0.1:1", "node.listen needs a restart; it is 127.0.0.1:5001", False),
    ],
)
def test_what_cannot_be_gets_one_line(console: FakeConsole, line: str, error: str, is_misuse: bool) -> None:
    result = run(console, line)
    assert (result.ok, result.is_misuse) == (error == "", is_misuse)
    assert result.lines[0].startswith(error)
    assert (len(result.lines) == 1) == (error != "")
    assert console.used == []


def test_what_is_set_already_is_shown_escaped(console: FakeConsole) -> None:
    (line,) = run(console, "set node.join=[] #\u009b31m\u202e").lines
    assert line == r"node.join is [] #\x9b31m\u202e already"


def test_a_reload_tells_each_difference_and_what_waits(console: FakeConsole) -> None:
    wanted = with_values(Settings(), [("node.listen", "127.0.0.1:7"), ("gossip.interval_s", 1.5)])
    rereading(console, wanted, wanted, wanted)
    assert run(console, "reload").lines == (
        "gossip.interval_s: 3.0 -> 1.5",
        "node.listen: needs a restart, still 127.0.0.1:5001",
    )
    assert json.loads(run(console, "reload --json").lines[0]) == {
        "changed": [],
        "needs_restart": [{"setting": "node.listen", "value": "127.0.0.1:5001", "wanted": "127.0.0.1:7"}],
    }
    run(console, "set gossip.interval_s 9")
    assert json.loads(run(console, "reload --json").lines[0])["changed"] == [
        {"setting": "gossip.interval_s", "previous": 9.0, "value": 1.5}
    ]


def test_a_reload_that_cannot_be_is_one_line(console: FakeConsole) -> None:
    rereading(console, "my.toml: gossip.interval_s = 0: expected a number from 0.02 to 3600")
    result = run(console, "reload")
    assert not result.ok and not result.is_misuse
    assert result.lines == (
        "not reloaded: my.toml: gossip.interval_s = 0: expected a number from 0.02 to 3600",
    )
    assert console.used == []


def test_completion_offers_settings_with_their_meaning_and_then_values(console: FakeConsole) -> None:
    offers = {offer.text: offer.meaning for offer in candidates(console, "set ")}
    assert list(offers) == [f"{key} " for key in KEYS]
    assert offers["gossip.interval_s "] == "now 3.0, a number from 0.02 to 3600"
    assert offers["node.listen "] == "now 127.0.0.1:5001, ip:port; needs a restart"
    assert all(offers.values())
    assert [offer.text for offer in candidates(console, "set gossip.t")] == [
        "gossip.trust ",
        "gossip.trust_advertised ",
    ]
    assert [offer.text for offer in candidates(console, "set gossip.trust ")] == ["verify", "hearsay"]
    assert [offer.text for offer in candidates(console, "set gossip.trust_advertised t")] == ["true"]
    assert "forge" in [offer.text for offer in candidates(console, "set adversary.strategy ")]
    assert candidates(console, "set gossip.pokes ") == []
    assert candidates(console, "set gossip.trust verify ") == []
    assert {offer.text for offer in candidates(console, "set --")} == {"--changed", "--json"}


def test_a_change_is_news_but_not_to_who_made_it() -> None:
    line = render.news(SettingChanged("gossip.trust", "verify", "hearsay"))
    assert line == "gossip.trust: verify -> hearsay"
    for command in ("set gossip.trust hearsay", "reload", "reload --json"):
        assert line.startswith(told(command))
        assert not "127.0.0.1:5002 --> 3".startswith(told(command))
    assert not line.startswith(told("members"))
    assert told("join 127.0.0.1:5002") == ("127.0.0.1:5002 ",)
    assert {"set", "reload"} <= REGISTRY.keys()
