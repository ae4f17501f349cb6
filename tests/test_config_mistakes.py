"""One helpful line for every mistake in the settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from config_helpers import KEYS, declared_range, error_of
from hypothesis import given
from hypothesis import strategies as st

from gossip.config import ConfigError, load_settings
from gossip.core.attacks import STRATEGIES


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my.toml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[gossip]\ninterval_s = 0", "gossip.interval_s = 0: expected a number from 0.02 to 3600"),
        ("[gossip]\ninterval_s = nan", "gossip.interval_s = nan: expected a number from 0.02 to 3600"),
        ("[gossip]\ninterval_s = inf", "gossip.interval_s = inf: expected a number from 0.02 to 3600"),
        ("[gossip]\ninterval_s = true", "gossip.interval_s = true: expected a number from 0.02 to 3600"),
        ('[gossip]\ninterval_s = "3"', 'gossip.interval_s = "3": expected a number from 0.02 to 3600'),
        ("[node]\nstate = 10", "node.state = 10: expected a whole number from 0 to 9"),
        ("[node]\nstate = -1", "node.state = -1: expected a whole number from 0 to 9"),
        ("[node]\nstate = true", "node.state = true: expected a whole number from 0 to 9"),
        ("[node]\nstate = 1.0", "node.state = 1.0: expected a whole number from 0 to 9"),
        ("[pull]\nmax_bytes = 0", "pull.max_bytes = 0: expected a whole number from 1024 to 67108864"),
        ("[adversary]\non = 1", "adversary.on = 1: expected true or false"),
        (
            '[log]\nlevels = ["pul=debug"]',
            "log.levels = ['pul=debug']: \"pul=debug\": unknown module, expected one of pull, reply, ",
        ),
        (
            '[log]\nlevels = ["own=info", "pull=loud"]',
            "log.levels = ['own=info', 'pull=loud']: \"pull=loud\": unknown level, expected one of debug",
        ),
        ('[log]\nlevels = ["pull"]', '"pull": expected MODULE=LEVEL, such as pull=warning'),
        ('[log]\nlevels = ["own=info", "own=error"]', "expected each module once, and own is named twice"),
        ("[log]\nfile = 3", "log.file = 3: expected a text in quotes"),
        ("[log]\nfile = 2024-01-01", "log.file = datetime.date(2024, 1, 1): expected a text in quotes"),
        ('[node]\njoin = "a:1"', 'node.join = "a:1": expected a list of texts'),
        ('[node]\njoin = ["a:1", 2]', "node.join = ['a:1', 2]: expected a list of texts"),
        ('[gossip]\ntrust = "no"', 'gossip.trust = "no": expected "verify" or "hearsay"'),
        ("[gossip.trust]", 'gossip.trust = {}: expected "verify" or "hearsay"'),
        ("[gossip]\nintervall_s = 1", "gossip.intervall_s: unknown setting; did you mean gossip.interval_s?"),
        ('[gossip]\nlisten = "x"', "gossip.listen: unknown setting; did you mean node.listen?"),
        ("[shell]\nzzz = 1", "shell.zzz: unknown setting; expected one of history"),
        ("[gosip]", "gosip: unknown section; did you mean [gossip]?"),
        ("[zzz]", "zzz: unknown section; expected one of node, gossip, attention"),
        ('listen = "x"', "listen: unknown section; did you mean node.listen?"),
        ("gossip = 3", "gossip = 3: expected a section, as [gossip]"),
        ("[[gossip]]", "gossip = [{}]: expected a section, as [gossip]"),
        ("[gossip]\ninterval_s = ?", "not valid TOML: Invalid value (at line 2, column 14)"),
        ("[gossip]\n" * 2, "not valid TOML: Cannot declare ('gossip',) twice (at line 2, column 8)"),
        ("a = " + "[" * 100_000, "not valid TOML: "),
        ("a = " + "9" * 5_000, "not valid TOML: "),
        ("[node]\nstate = 0x" + "f" * 9_999, "node.state = (too long to show): expected a whole number"),
        ("[node]\nstate." + "a." * 2_000 + "a = 1", "node.state = (too long to show): expected a whole"),
        ('[log]\nlevel = "a\\nb\\u001b[2J"', 'log.level = "a\\nb\\x1b[2J": expected "debug" or "info"'),
        ('[log]\nlevel = "' + "x" * 999 + '"', "xx…xx"),
        ('[log]\n"a\\nb" = 1', "log.a\\nb: unknown setting; expected one of file, level"),
        ('["a\\nb"]', "a\\nb: unknown section; expected one of node"),
        ('[node]\nlisten = "here"', 'node.listen = "here": expected ip:port, such as 127.0.0.1:5001'),
        ('[node]\nlisten = ""', 'node.listen = "": expected ip:port, such as'),
        ('[node]\nlisten = "0.0.0.0:0"', 'node.listen = "0.0.0.0:0": expected ip:port; the port is a whole'),
        ('[node]\nlisten = "[::]:65536"', "expected ip:port; the port is a whole number from 1 to 65535"),
        ('[node]\nlisten = "10.0.0.0.0:1"', "expected ip:port; the IP is four numbers"),
        ('[node]\nlisten = "localhost:1"', "expected ip:port; the IP is four numbers"),
        ('[node]\nadvertise = "0.0.0.0:1"', 'node.advertise = "0.0.0.0:1": expected ip:port; nobody can'),
        ('[node]\njoin = ["a:1", "b"]', """"b": expected host:port, such as node7"""),
        ('[node]\njoin = ["b c:1"]', "expected host:port, such as node7.example.org:5001"),
        ('[node]\njoin = ["a:0"]', "(the port is a whole number from 1 to 65535"),
        ('[node]\njoin = ["999.1.1.1:1"]', "(the IP is four numbers from 0 to 255"),
        ('[node]\njoin = ["[::g]:1"]', "(not an IPv6 address)"),
        ('[node]\njoin = ["::1:1"]', "(an IPv6 address is written in brackets"),
        ('[node]\njoin = ["' + "a" * 254 + ':1"]', "at most 253 in all)"),
        ('[adversary]\nstrategy = "nice"', 'adversary.strategy = "nice": expected "'),
    ],
)
def test_mistake_in_the_file(file: Path, text: str, expected: str) -> None:
    file.write_text(text)
    message = error_of(file)
    assert message.startswith(f"{file}: ")
    assert expected in message
    assert len(message) < len(str(file)) + 450


def test_path_is_shown_as_it_was_given(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    file.write_text("[gossip]\ninterval_s = 0\n")
    expected = "./my.toml: gossip.interval_s = 0: expected a number from 0.02 to 3600"
    assert error_of("./my.toml") == expected


def test_default_file_is_shown_relative_to_the_working_directory(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = file.parent / "repo"
    bad = repo / "config" / "gossipd.toml"
    bad.parent.mkdir(parents=True)
    bad.write_text("[gossip]\ninterval_s = 0\n")
    monkeypatch.setattr("gossip.config.DEFAULT_FILE", bad)
    assert error_of().startswith(f"{bad}: gossip.interval_s = 0: ")
    monkeypatch.chdir(repo)
    assert error_of().startswith("config/gossipd.toml: gossip.interval_s = 0: ")


@pytest.mark.parametrize("path", ["/nowhere/at\nall.toml", "", "nul\0.toml", "/"])
def test_file_that_cannot_be_read(path: str) -> None:
    assert "cannot be read (" in error_of(path)


def test_file_that_is_not_utf_8(file: Path) -> None:
    file.write_bytes(b"[node]\n# caf\xe9\n")
    assert error_of(file) == f"{file}: not UTF-8 at line 2; expected a TOML file in UTF-8"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gossip.trust=maybe", '--set gossip.trust=maybe: expected "verify" or "hearsay"'),
        ("gossip.interval_s=fast", "--set gossip.interval_s=fast: expected a number from 0.02 to 3600"),
        ("gossip.interval_s=nan", "--set gossip.interval_s=nan: expected a number from 0.02 to 3600"),
        ("gossip.interval_s=", "--set gossip.interval_s=: expected a number from 0.02 to 3600"),
        ("node.state=true", "--set node.state=true: expected a whole number from 0 to 9"),
        ("node.state=1\nx=2", "--set node.state=1\\nx=2: expected a whole number from 0 to 9"),
        ("adversary.on=yes", "--set adversary.on=yes: expected true or false"),
        ("node.join=a", '--set node.join=a: "a": expected host:port, such as'),
        ("node.join=[1]", "--set node.join=[1]: expected a list of texts"),
        (
            "gossip.intervall_s=1",
            "--set gossip.intervall_s=1: unknown setting; did you mean gossip.interval_s?",
        ),
        ("gosip.trust=verify", "--set gosip.trust=verify: unknown section; did you mean gossip.trust?"),
        ("x.y=1", "--set x.y=1: unknown section; expected one of node, gossip"),
        ("gossip.trust", "--set gossip.trust: expected section.key=value, such as gossip.interval_s=1.5"),
        ("trust=verify", "--set trust=verify: expected section.key=value, such as gossip.interval_s=1.5"),
        ("", "--set : expected section.key=value"),
        ("gossip.trust=\udcff", '--set gossip.trust=\\udcff: expected "verify" or "hearsay"'),
        ("node.listen=0.0.0.0:1", "--set node.listen=0.0.0.0:1: expected node.advertise too"),
        ("pull.quiet_s=6", "--set pull.quiet_s=6: expected at most pull.pull_timeout_s = 5.0"),
        ("pull.pull_timeout_s=0.1", "--set pull.pull_timeout_s=0.1: expected at least pull.quiet_s = 0.5"),
        ("blacklist.blacklist_base_s=601", ": expected at most blacklist.blacklist_max_s = 600.0"),
        ("attention.checks_per_round=33", ": expected at most attention.checks_per_round_joining = 32"),
        ("attention.queue_max=9", ": expected at least attention.queue_max_per_source = 2048"),
    ],
)
def test_mistake_in_a_set(text: str, expected: str) -> None:
    message = error_of(sets=[text])
    assert message.startswith("--set ")
    assert expected in message


def test_mistake_in_an_option() -> None:
    message = error_of(node__listen=("IP", "somewhere"))
    assert message.startswith('IP: node.listen = "somewhere": expected ip:port, such as')
    message = error_of(node__join=("--join", ["a:1", "b\n"]))
    assert message.startswith("--join: node.join = ['a:1', 'b\\n']: \"b\\n\": expected host:port")
    message = error_of(node__state=("--state", "3"))
    assert message == '--state: node.state = "3": expected a whole number from 0 to 9'


def test_wrong_value_is_an_error_even_where_it_is_overridden(file: Path) -> None:
    file.write_text('[node]\nlisten = "here"\n')
    right = ("--listen", "127.0.0.1:1")
    assert error_of(file, node__listen=right).startswith(f'{file}: node.listen = "here": ')
    assert error_of(None, ["node.listen=x"], node__listen=right).startswith("--set node.listen=x: ")


def test_broken_relation_blames_what_was_given_last(file: Path) -> None:
    file.write_text("[pull]\nquiet_s = 2\npull_timeout_s = 3\n")
    message = error_of(file, pull__pull_timeout_s=("--timeout", 1))
    assert message == "--timeout: pull.pull_timeout_s = 1: expected at least pull.quiet_s = 2.0"
    file.write_text("[pull]\nquiet_s = 6\n")
    assert error_of(file).startswith(f"{file}: pull.quiet_s = 6: expected at most pull.pull_timeout_s = 5.0")
    assert load_settings(file, ["pull.pull_timeout_s=7"]).pull.quiet_s == 6.0


@pytest.mark.parametrize("key", [key for key in KEYS if declared_range(key)])
def test_both_bounds_are_accepted_and_nothing_beyond(key: str) -> None:
    bounds = declared_range(key)
    assert bounds is not None
    expected = f"from {bounds.low:.12g} to {bounds.high:.12g}"
    for beyond in (bounds.low - 1, bounds.high + 1):
        assert error_of(sets=[f"{key}={beyond}"]).endswith(expected)
    for inside in (bounds.low, bounds.high):
        try:
            load_settings(sets=[f"{key}={inside}"])
        except ConfigError as error:  # only a rule between two settings may refuse a bound
            assert re.search(r"expected at (most|least) \w+\.\w+ = ", str(error))


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_can_be_chosen(name: str) -> None:
    assert load_settings(sets=[f"adversary.strategy={name}"]).adversary.strategy == name


# --- arbitrary text ---

ANY_TEXT = st.text(st.characters()) | st.text("[]{}\"'=,.:#-+_0123456789etxn\n \\")


@given(key=st.sampled_from(KEYS), value=ANY_TEXT)
def test_any_set_value_loads_or_is_one_line(key: str, value: str) -> None:
    check_loads_or_is_one_line(f"{key}={value}")


@given(text=ANY_TEXT)
def test_any_set_text_loads_or_is_one_line(text: str) -> None:
    check_loads_or_is_one_line(text)


def check_loads_or_is_one_line(text: str) -> None:
    try:
        load_settings(sets=[text])
    except ConfigError as error:
        assert str(error).startswith("--set ") and str(error).isprintable()
