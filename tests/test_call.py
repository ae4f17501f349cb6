"""`gossipd.py call` and `attach` as real processes: exit statuses, what is printed, a real terminal."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gossip import attach
from gossip.shell.protocol import Outcome
from tests.processes import (
    GOSSIPD,
    RUNTIME,
    LoudNode,
    Node,
    Peer,
    Spawn,
    environment,
    free_ports,
    settings,
    wait_until,
)
from tests.terminals import Terminal

CTRL_C, CTRL_D = "\x03", "\x04"
Ended = tuple[int, str, str]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open terminals that close with the test."""
    opened: list[Terminal] = []

    def open_one(*args: str) -> Terminal:
        opened.append(Terminal(tmp_path, [*GOSSIPD, *args]))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def _socket(node: Node) -> Path:
    return Path(RUNTIME.name) / "gossipd" / f"{node.address.replace(':', '_')}.sock"


def _ready(node: LoudNode) -> LoudNode:
    wait_until(_socket(node).exists, lambda: f"{_socket(node)}; {node.log()}")
    return node


def _call(home: Path, *args: str, **extra: Any) -> Ended:
    ended = subprocess.run(
        [*GOSSIPD, "call", *args],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment(home),
        timeout=20,
        **extra,
    )
    return ended.returncode, ended.stdout, ended.stderr


# `call`.


def test_a_script_commands_a_node(spawn: Spawn, tmp_path: Path) -> None:
    node = _ready(spawn(LoudNode, free_ports(1)[0], state=3))
    at = ("--socket", node.address)
    assert stat.S_IMODE(_socket(node).stat().st_mode) == 0o600
    assert _call(tmp_path, "state", "7", *at) == (0, f"{node.address} --> 7\n", "")
    status, out, err = _call(tmp_path, "--json", *at, "members", "--state", "7")
    assert (status, err) == (0, "")
    assert [(row["address"], row["state"]) for row in json.loads(out)] == [(node.address, 7)]
    refused = "10.9.9.9:1 is not on the blacklist\n"
    assert _call(tmp_path, "unblock 10.9.9.9:1", *at) == (1, "", refused)
    status, out, err = _call(tmp_path, "join", f"127.0.0.1:{free_ports(1)[0]}", "--json", *at)
    assert (status, json.loads(out)["failure"], err) == (1, "refused", "")
    empty = _call(tmp_path, "set", "adversary.victim", "", *at)  # such as a script's variable without a value
    assert (empty[0], empty[1], "expected ip:port" in empty[2]) == (2, "", True)
    status, out, err = _call(tmp_path, "members", "--staet", "7", *at)
    assert (status, out, err) == (2, "", "members has no option --staet; did you mean --state?\n")
    assert _call(tmp_path, "watch", *at) == (1, "", "watch needs a terminal: gossipd.py attach\n")
    # The end of the call says that the node is down; SIGKILL leaves a socket that the next one replaces.
    assert _call(tmp_path, "stop", *at) == (0, f"{node.address} stops\n", "")
    assert node.wait_exit() == 0
    assert not _socket(node).exists()
    status, out, err = _call(tmp_path, "members", "--socket", str(_socket(node)))
    assert (status, out, err) == (3, "", f"gossipd: {_socket(node)}: no node listens there\n")
    again = _ready(spawn(LoudNode, node.port))
    again.kill()
    assert _call(tmp_path, "members", *at)[0] == 3
    third = spawn(LoudNode, node.port, state=5)
    third.wait_event("listener_started")
    wait_until(lambda: _call(tmp_path, "state", *at) == (0, f"{node.address} --> 5\n", ""), third.log)


@pytest.mark.parametrize(
    ("args", "error"),
    [
        ([], "expected a command, such as members; got nothing"),
        (["--json"], "expected a command, such as members; got --json"),
        (["--bogus", "members"], "expected a command, such as members; got --bogus members"),
        (["members", "--socket"], "argument --socket: expected one argument"),
    ],
)
def test_wrong_usage_is_one_line(args: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        attach.call(args)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"gossipd: {error}; --help lists what there is\n"


@pytest.mark.parametrize(
    ("line", "is_ok", "goes_to_stdout"),
    [
        ("[::1]:5001 is this node itself: there is nothing to block", False, False),
        ("127.0.0.1:5002 failed: refused", False, False),
        ('{"failure":"refused"}', False, True),
        ("[]", True, True),
    ],
)
def test_only_data_and_results_go_to_standard_output(
    line: str, is_ok: bool, goes_to_stdout: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    attach._print(Outcome(1, is_ok, (line,)))
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ((f"{line}\n", "") if goes_to_stdout else ("", f"{line}\n"))


def test_attach_without_a_terminal_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        attach.attach([], "")
    assert ended.value.code == 2
    assert "attach needs a terminal; `gossipd.py call COMMAND` runs" in capsys.readouterr().err


def test_who_reads_no_further_is_no_error(spawn: Spawn, tmp_path: Path) -> None:
    node = _ready(spawn(LoudNode, free_ports(1)[0]))
    read, write = os.pipe()
    os.close(read)
    command = [*GOSSIPD, "call", "help", "--socket", node.address]
    ended = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, env=environment(tmp_path), timeout=20
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (0, b"")


# The setting.


def test_a_path_of_ones_own_is_respected_or_refused(spawn: Spawn, tmp_path: Path) -> None:
    first, second = free_ports(2)
    chosen = Path(RUNTIME.name) / "own.sock"
    node = spawn(LoudNode, first, *settings(control__socket=chosen))
    wait_until(chosen.exists, node.log)
    assert _call(tmp_path, "state", "--socket", str(chosen))[0] == 0
    assert not _socket(node).exists()
    other = spawn(LoudNode, second, *settings(control__socket=chosen))
    assert other.wait_exit() == 1
    expected = f"gossipd: control.socket: {chosen}: another process listens there; choose another path\n"
    assert other.stderr == expected
    without = spawn(Node, second, "--set", "control.socket=")
    assert without.ask("state") == [f"{without.address} --> 0"]  # its shell opens last
    assert not _socket(without).exists()


def test_a_default_place_that_cannot_be_used_is_only_warned_of(spawn: Spawn, tmp_path: Path) -> None:
    loose = tmp_path / "r"
    (loose / "gossipd").mkdir(parents=True)
    (loose / "gossipd").chmod(0o755)
    script = f'XDG_RUNTIME_DIR={loose} exec "$@"'
    node = spawn(LoudNode, free_ports(1)[0], prefix=("sh", "-c", script, "sh"))
    (event,) = node.wait_event("control_unavailable")
    assert event["level"] == "warning"
    assert node.stop() == 0


# `attach`.


def test_a_shell_on_a_running_node_as_its_own(
    spawn: Spawn, terminal: Callable[..., Terminal], silent: Peer
) -> None:
    node = _ready(spawn(LoudNode, free_ports(1)[0], *settings(pull__pull_timeout_s=1), state=3))
    shell, other = terminal("attach", node.address), terminal("attach", str(_socket(node)))
    for one in (shell, other):
        one.wait(lambda one=one: one.prompt() == "")
        one.wait_line(rf" {node.address} --> 3 \| 1 member \| 0 blacklisted \| honest \| .*")
    assert shell.seen[0] == f"attached to {node.address}; Ctrl-D leaves it running, stop stops it"
    shell.type("mem\t --so\tag\t")
    shell.wait(lambda: shell.prompt() == "members --sort age")
    shell.type(CTRL_C)
    shell.wait(lambda: shell.prompt() == "")
    # What one does, the other is told.
    peer = f"127.0.0.1:{free_ports(1)[0]}"
    shell.type(f"join {peer}\r")
    shell.wait_line(re.escape(f"{peer} failed: refused; it is blacklisted"))
    other.wait_line(re.escape(f"{peer} blacklisted: refused; next retry in ") + r"\d+s")
    assert not any(line.startswith(f"{peer} blacklisted") for line in shell.seen)
    shell.type(f"unblock {peer[:3]}\t\r")
    shell.wait_line(re.escape(f"{peer} is off the blacklist"))
    shell.type("4\r")
    shell.wait_line(re.escape(f"{node.address} --> 4"))
    shell.wait_line(rf" {node.address} --> 4 \| 1 member .*")
    # Ctrl-C ends the wait for a command, not the shell; the node sees the command through.
    shell.type(f"join {silent.address}\r")
    wait_until(lambda: silent.callers > 0, "a call")
    shell.type(CTRL_C)
    shell.wait_line(r"(\^C)?interrupted")
    other.wait_line(re.escape(f"{silent.address} blacklisted: timeout") + ".*")
    shell.type("quit\r")
    assert shell.wait_exit() == 0
    assert shell.seen.count(f"{node.address} goes on; stop stops it") == 1
    third = terminal("attach", node.address)
    third.wait(lambda: third.prompt() == "")
    third.type("half" + CTRL_C + CTRL_D)
    assert third.wait_exit() == 0
    # The node goes away.
    assert node.stop() == 0
    assert other.wait_exit() == 3
    other.wait_line(re.escape(f"gossipd: {node.address} has gone away"))
    assert other.modes() == other.modes_before


def test_stop_in_an_attached_shell_stops_the_node(spawn: Spawn, terminal: Callable[..., Terminal]) -> None:
    node = _ready(spawn(LoudNode, free_ports(1)[0]))
    shell = terminal("attach", node.address)
    shell.wait(lambda: shell.prompt() == "")
    shell.type("stop\r")
    shell.wait_line(re.escape(f"{node.address} stops"))
    assert shell.wait_exit() == 0
    assert node.wait_exit() == 0


def test_attach_where_nobody_is(terminal: Callable[..., Terminal]) -> None:
    nowhere = terminal("attach", "/no/such.sock")
    assert nowhere.wait_exit() == 3
    nowhere.wait_line(r"gossipd: /no/such\.sock: no node listens there")
