"""docs/OPERATIONS.md: what it names is there, and what it says to type is taken."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import gossip.shell.commands  # noqa: F401  registers the commands
from gossip import cli
from gossip.cli import main
from gossip.config import SETTINGS
from gossip.log.catalogue import CATALOGUE
from gossip.shell.registry import REGISTRY
from tests.processes import ROOT

TEXT = (ROOT / "docs" / "OPERATIONS.md").read_text()
SHIPPED = ("docs/OPERATIONS.md", "config/gossipd.service", "Dockerfile", "compose.yaml")
TYPED = re.findall(r"^    [$#] (.*)$", TEXT, re.MULTILINE)


def of_node() -> list[list[str]]:
    """Return the arguments of each command there that starts or checks a node, containers' too."""
    found = [command.partition("gossipd.py ")[2] for command in TYPED if "gossipd.py --" in command]
    found += [command.partition(" gossipd ")[2] for command in TYPED if command.startswith("docker run")]
    return [shlex.split(text) for text in found]


@pytest.mark.parametrize("file", SHIPPED)
def test_every_setting_that_is_named_exists(file: str) -> None:
    sections = "|".join({key.partition(".")[0] for key in SETTINGS})
    named = set(re.findall(rf"(?<![\w/.-])((?:{sections})\.[a-z_]+)(?![\w(/.-])", (ROOT / file).read_text()))
    assert named
    assert named <= SETTINGS.keys()


def test_every_command_for_a_node_is_taken(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    commands = of_node()
    assert len(commands) >= 2
    for args in commands:
        own = [word.replace("/etc/gossipd/", f"{ROOT}/config/") for word in args if word != "--check-config"]
        assert main(["--check-config", *own]) == 0, capsys.readouterr().err


def test_every_command_of_the_shell_exists() -> None:
    lines = re.findall(r"(?:gossipd\.py |`)call (\w+)", TEXT)
    assert len(lines) >= 5
    assert set(lines) <= set(REGISTRY)


def test_every_alert_has_something_to_do() -> None:
    rules = (ROOT / "config" / "collectors" / "gossipd.rules.yml").read_text()
    alerts = re.findall(r"alert: (\w+)", rules)
    rows = re.findall(r"^\| `(Gossipd\w+)` \| \S+", TEXT, re.MULTILINE)
    assert rows == alerts


def test_every_event_and_link_exists() -> None:
    for name in re.findall(r'"event":"(\w+)"', TEXT):
        assert name in CATALOGUE
    links = re.findall(r"\]\(([^)#]+)", TEXT)
    assert len(links) > 8
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_the_exit_statuses_are_those_of_the_command_line() -> None:
    rows = re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)
    assert rows == re.findall(r"(?:^|\. |\n)(\d+): ", cli.__doc__ or "")
