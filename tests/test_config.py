"""The settings: the shipped file, and what overrides what."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
from config_helpers import KEYS, declared_range

from gossip.config import DEFAULT_FILE, SETTINGS, advertised, load_settings
from gossip.core.address import Address
from gossip.core.settings import Settings


def comments_of_shipped_file() -> dict[str, str]:
    """Return the comment lines directly above each key."""
    comments: dict[str, str] = {}
    section, block = "", []
    for line in DEFAULT_FILE.read_text("utf-8").splitlines():
        if line.startswith("#"):
            block.append(line)
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif assignment := re.match(r"(\w+) = ", line):
            comments[f"{section}.{assignment[1]}"] = "\n".join(block)
        block = []
    return comments


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my.toml"


# --- the shipped file ---


def test_shipped_file_holds_every_default_and_nothing_else() -> None:
    shipped = tomllib.loads(DEFAULT_FILE.read_text("utf-8"))
    defaults = asdict(Settings())
    defaults["node"]["join"] = list(defaults["node"]["join"])
    defaults["log"]["levels"] = list(defaults["log"]["levels"])
    defaults["log"]["sinks"] = list(defaults["log"]["sinks"])
    assert shipped == defaults
    assert [list(table) for table in shipped.values()] == [list(table) for table in defaults.values()]
    assert list(shipped) == list(defaults)
    for section, table in shipped.items():
        assert {key: type(value) for key, value in table.items()} == {
            key: type(value) for key, value in defaults[section].items()
        }


def test_shipped_file_loads_as_the_defaults() -> None:
    assert load_settings() == Settings()
    assert isinstance(load_settings().node.join, tuple)


@pytest.mark.parametrize("key", KEYS)
def test_shipped_file_explains_each_setting_with_its_bounds(key: str) -> None:
    comment = comments_of_shipped_file()[key]
    assert comment
    bounds = declared_range(key)
    if bounds is not None:
        assert f"{bounds.low:.12g} to {bounds.high:.12g}" in comment
        assert key == "node.state" or re.search(r"ower: .*igher:\s", comment, re.DOTALL)
        if key.endswith("_s"):
            assert "in seconds" in comment
        if key.endswith("_rounds"):
            assert "rounds" in comment


@pytest.mark.parametrize("key", KEYS)
def test_shipped_file_says_which_settings_need_a_restart(key: str) -> None:
    assert ("Needs a restart" in comments_of_shipped_file()[key]) == (SETTINGS[key].restart is not None)


# --- what overrides what ---


def test_options_override_sets_which_override_the_file(file: Path) -> None:
    file.write_text("[node]\nstate = 1\n[gossip]\ninterval_s = 1\nmax_members = 7\n")
    sets = ["node.state=2", "gossip.interval_s=2", "gossip.interval_s=2.5"]
    settings = load_settings(file, sets, {"node.state": ("--state", 3)})
    assert settings.node.state == 3
    assert settings.gossip.interval_s == 2.5
    assert settings.gossip.max_members == 7
    assert settings.pull == Settings().pull


def test_empty_file_means_the_defaults(file: Path) -> None:
    file.write_text("")
    assert load_settings(str(file)) == Settings()


def test_byte_order_mark_is_skipped(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf[node]\nstate = 4\n")
    assert load_settings(file).node.state == 4


def test_whole_number_is_taken_for_a_float_setting(file: Path) -> None:
    file.write_text("[gossip]\ninterval_s = 2\n")
    interval = load_settings(file).gossip.interval_s
    assert interval == 2.0 and isinstance(interval, float)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("gossip.trust=hearsay", "gossip.trust", "hearsay"),
        ('gossip.trust="hearsay"', "gossip.trust", "hearsay"),
        (" gossip.trust = hearsay ", "gossip.trust", "hearsay"),
        ("node.listen=127.0.0.1:6001", "node.listen", "127.0.0.1:6001"),
        ("node.listen=[::1]:6001", "node.listen", "[::1]:6001"),
        ("node.join=a:1,b:2", "node.join", ("a:1", "b:2")),
        ("node.join=a:1", "node.join", ("a:1",)),
        ("node.join=[::1]:5001, b_c-d.e:2", "node.join", ("[::1]:5001", "b_c-d.e:2")),
        ('node.join=["a:1", "10.0.0.7:2"]', "node.join", ("a:1", "10.0.0.7:2")),
        ("node.join=", "node.join", ()),
        ("adversary.on=true", "adversary.on", True),
        ("gossip.interval_s=0.02", "gossip.interval_s", 0.02),
        ("gossip.interval_s=3600", "gossip.interval_s", 3600.0),
        ("shell.history=", "shell.history", ""),
        ("log.file=-", "log.file", "-"),
        ("log.levels=pull=warning, hints=debug", "log.levels", ("pull=warning", "hints=debug")),
        ('log.levels=["own=error"]', "log.levels", ("own=error",)),
        ("log.levels=", "log.levels", ()),
        ("log.file=/tmp/a=b.log", "log.file", "/tmp/a=b.log"),
    ],
)
def test_set_reads_toml_or_bare_text(text: str, key: str, value: object) -> None:
    section, _, name = key.partition(".")
    assert getattr(getattr(load_settings(sets=[text]), section), name) == value


def test_advertised_is_the_listening_address_unless_set() -> None:
    assert advertised(Settings()) == Address("127.0.0.1", 5001)
    sets = ["node.listen=0.0.0.0:5001", "node.advertise=10.0.0.7:5002"]
    assert advertised(load_settings(sets=sets)) == Address("10.0.0.7", 5002)


@pytest.mark.parametrize("listen", ["0.0.0.0:5001", "[::]:5001"])
def test_wildcard_in_the_file_may_be_advertised_by_an_option(file: Path, listen: str) -> None:
    file.write_text(f'[node]\nlisten = "{listen}"\n')
    settings = load_settings(file, [], {"node.advertise": ("--advertise", "[2001:db8::7]:5001")})
    assert settings.node.listen == listen
