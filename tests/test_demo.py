"""The demo cluster and single nodes in a real terminal: a pty with a terminal emulator."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import termios
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.processes import (
    GOSSIPD,
    HOST,
    QUICK,
    Peer,
    answers,
    free_ports,
    wait_until,
)
from tests.terminals import Terminal

CTRL_C, CTRL_D = "\x03", "\x04"
Open = Callable[..., Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    """Open terminals that close with the test."""
    opened: list[Terminal] = []

    def open_one(*command: str) -> Terminal:
        opened.append(Terminal(tmp_path, command))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


class Demo:
    """A demo of five nodes."""

    def __init__(self, open_one: Open, *args: str) -> None:
        self.ports = free_ports(5)
        self.addresses = [f"{HOST}:{port}" for port in self.ports]
        self.terminal = open_one(
            *GOSSIPD, "demo", "--nodes", "5", "--listen", self.addresses[0], *QUICK, *args
        )
        self.terminal.wait(lambda: self.terminal.prompt() == "")


def _toolbar(address: str, *, state: int = 1, members: int = 5, mode: str = "honest") -> str:
    start = rf" {address} --> {state} \| {members} members \| \d+ blacklisted"
    return rf"{start} \| {mode} \| round \d+ \| trust verify"


def test_a_demo_shows_a_cluster_that_gossips(terminal: Open) -> None:
    demo = Demo(terminal, "--change-every-s", "0.5")
    own, *others = demo.addresses
    shell = demo.terminal
    assert [line for line in shell.seen if "-->" not in line][:4] == [
        f"5 nodes from {own} to {others[-1]}; this is the shell of {own}.",
        "every 0.5 s one of the others changes its state",
        f"watch it from outside:  nc {HOST} {demo.ports[0]}",
        "help lists the commands; Ctrl-D stops the cluster",
    ]
    shell.wait_line(_toolbar(own))
    shell.type("members\r")
    for address in others:
        shell.wait_line(rf"{address}  \d  +\d+s +\d+s +(<1|\d+)ms +\S+ +ok")
    shell.wait_line(rf"{own}  1  +\d+s +- +- +self +ok")
    assert any(re.fullmatch(r"\S+  \d  +\d+s +\d+s +(<1|\d+)ms +caller +ok", line) for line in shell.seen)

    _wait_news_above_the_prompt(shell, others)

    shell.type("7\r")
    shell.wait_line(f"{own} --> 7")
    shell.wait_line(_toolbar(own, state=7))
    shell.type("Y\r")
    shell.wait_line("adversarial gossip on: garbage")
    shell.wait_line(_toolbar(own, state=7, mode="ADVERSARIAL.*garbage.*"))


def _wait_news_above_the_prompt(shell: Terminal, others: Sequence[str]) -> None:
    """Wait for three more changes to be told, with half a line typed below them that stays whole."""
    news = re.compile(f"({'|'.join(map(re.escape, others))}) --> [0-9]")

    def count() -> int:
        return sum(bool(news.fullmatch(line)) for line in shell.lines())

    shell.type("half a line")
    shell.wait(lambda: shell.prompt() == "half a line")
    before = count()
    shell.wait(lambda: count() >= before + 3 and shell.prompt() == "half a line")
    assert news.fullmatch(shell.lines()[shell.lines().index("gossip> half a line") - 1])
    shell.type(CTRL_C)
    shell.wait(lambda: shell.prompt() == "")


def test_a_demo_catches_its_liar(terminal: Open) -> None:
    demo = Demo(terminal, "--liars", "1", "--change-every-s", "0")
    own, liar, shell = demo.addresses[0], demo.addresses[-1], demo.terminal
    assert f"adversarial, once all know them: {liar}" in shell.seen
    shell.wait_line(_toolbar(own))  # all five: the liar is a member first
    for strike in (1, 2, 3):
        shell.wait_line(rf"{liar} misbehaved: rejected_lines \(strike {strike}\)")
    shell.wait_line(rf"{liar} blacklisted: misbehaving; next retry in \d+s")
    shell.type("blacklist\r")
    shell.wait_line(rf"{liar}  misbehaving  \d+s +\d+s +\d+")
    shell.wait_line(_toolbar(own, members=4))


def test_a_demo_tells_who_believed_what_and_who_was_caught(terminal: Open) -> None:
    demo = Demo(terminal, "--liars", "2", "--attack", "forge", "--change-every-s", "0")
    shell, liars = demo.terminal, demo.addresses[-2:]
    assert f"adversarial, once all know them: {', '.join(liars)}" in shell.seen
    assert "their attack: forge: give others wrong digits that just beat their own" in shell.seen
    one, two = (rf"{liar} by [123] of 3" for liar in liars)
    shell.wait_line(rf"({'|'.join(liars)}) said \S+ --> \d, which \S+ denies")
    shell.wait_line(rf"({'|'.join(liars)}) is distrusted for 10m00s")
    shell.wait_line(rf"the cluster: 6 of 6 digits believed are true; caught: {one}, {two}")


def test_a_demo_of_hearsay_shows_the_lies_that_are_believed(terminal: Open) -> None:
    hearsay = ("--set", "gossip.trust=hearsay", "--change-every-s", "0")
    demo = Demo(terminal, "--liars", "1", "--attack", "freeze", *hearsay)
    *_, liar = demo.addresses
    shell = demo.terminal
    shell.wait_line(rf"\S+ --> \d, says {liar}")
    honest = "|".join(demo.addresses[:-1])
    false = rf"({honest}) believes ({honest}) --> \d"
    shell.wait_line(rf"the cluster: \d+ of 12 digits believed are true \(not: {false}\); caught: nobody")


def test_ctrl_c_clears_and_ctrl_d_ends_the_demo(terminal: Open) -> None:
    shell = Demo(terminal).terminal
    shell.type("rubbish")
    shell.wait(lambda: shell.prompt() == "rubbish")
    shell.type(CTRL_C)
    shell.wait(lambda: shell.prompt() == "")
    shell.type(CTRL_D)
    assert shell.wait_exit() == 0


def test_sigterm_at_the_prompt_leaves_the_terminal_as_it_was(terminal: Open) -> None:
    shell = Demo(terminal).terminal
    shell.type("half")
    shell.wait(lambda: shell.prompt() == "half")
    assert shell.modes()[3] & (termios.ECHO | termios.ICANON) == 0, "the prompt reads single keys"
    os.kill(shell.child.pid, signal.SIGTERM)
    assert shell.wait_exit() == 0
    assert shell.modes() == shell.modes_before
    assert shell.modes()[3] & termios.ECHO
    assert "Traceback" not in "".join(shell.seen)


def test_a_first_node_tells_how_to_join_a_second_and_that_works(terminal: Open) -> None:
    first_port, second_port = free_ports(2)
    first, second = f"{HOST}:{first_port}", f"{HOST}:{second_port}"
    shell = terminal(*GOSSIPD, "--listen", first, *QUICK)
    shell.wait_line(f"gossipd listens on {first}, state 0")
    shell.wait_line("join a second node:")
    told = shell.wait_line(r"  (\S.*)")[1]  # a line of its own, which 80 columns hold
    shell.wait_line("help lists the commands; Ctrl-D stops the node")
    command = shlex.split(told)
    assert command == [*GOSSIPD, "--listen", second, "--join", first]

    other = terminal(*command)
    other.wait_line(f"joining {first}")
    other.wait_line(_toolbar(second, state=0, members=2))
    shell.wait_line(f"{second} --> 0")  # who is joined hears of it
    shell.type("members\r")
    shell.wait_line(rf"{second}  0 +\d+s +\d+s +(<1|\d+)ms +caller +ok")
    other.type("8\r")
    shell.wait_line(f"{second} --> 8")
    shell.wait_line(_toolbar(first, state=0, members=2))


def test_ctrl_c_while_it_stops_ends_without_a_traceback(terminal: Open) -> None:
    with contextlib.closing(Peer(silent=True)) as peer:
        (port,) = free_ports(1)
        shell = terminal(*GOSSIPD, "--listen", f"{HOST}:{port}", "--join", peer.address)
        shell.wait(lambda: shell.prompt() == "" and peer.callers > 0)
        shell.type(CTRL_D)
        shell.wait(lambda: shell.modes() == shell.modes_before and not answers(port))
        shell.type(CTRL_C)
        assert shell.wait_exit() == 130
    assert shell.lines()[-1].endswith("gossipd: interrupted")


# The terminal itself.


@pytest.mark.parametrize("args", [[], ["--no-shell"]])
def test_a_closed_terminal_stops_the_node_in_order(terminal: Open, tmp_path: Path, args: list[str]) -> None:
    log = tmp_path / "log"
    shell = terminal(
        *GOSSIPD, "--listen", f"{HOST}:{free_ports(1)[0]}", "--log-file", str(log), *QUICK, *args
    )
    wait_until(lambda: log.exists() and "listener_started" in log.read_text(), "the start")
    if not args:
        shell.wait(lambda: shell.prompt() == "")
    assert shell.vanish() == 0
    last = log.read_text().splitlines()[-1]
    assert '"event":"node_stopped"' in last
    assert '"exit_status":0' in last


def test_an_ignored_sighup_stays_ignored(terminal: Open) -> None:
    ignoring = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]
    port = free_ports(1)[0]
    shell = terminal(*ignoring, *GOSSIPD, "--listen", f"{HOST}:{port}", "--no-shell", *QUICK)
    wait_until(lambda: answers(port), "an answer")
    os.kill(shell.child.pid, signal.SIGHUP)
    for _ in range(20):
        assert answers(port)
    os.kill(shell.child.pid, signal.SIGTERM)
    assert shell.wait_exit() == 0


@pytest.mark.parametrize("file", ["-", "/dev/stdout"])
def test_a_log_on_the_shells_terminal_is_shown_above_the_prompt(terminal: Open, file: str) -> None:
    shell = terminal(*GOSSIPD, "--listen", f"{HOST}:{free_ports(1)[0]}", "--log-file", file, *QUICK)
    shell.wait(lambda: shell.prompt() == "")
    assert any('"event":"listener_started"' in line for line in shell.lines())
    shell.type("member")
    nobody = f"{HOST}:{free_ports(1)[0]}"
    shell.wait(lambda: shell.prompt() == "member")
    shell.type(f"\x15+{nobody}\r")
    shell.wait(lambda: any('"event":"pull_failed"' in line for line in shell.lines()))
    shell.wait(lambda: shell.prompt() == "")
    shell.type("\x04")
    assert shell.wait_exit() == 0


def test_ctrl_d_stops_a_node_whose_output_is_piped_on(terminal: Open) -> None:
    shell = terminal("sh", "-c", '"$@" 2>/dev/null | cat', "sh", *GOSSIPD, HOST, str(free_ports(1)[0]), "3")
    shell.type("?\r")
    shell.wait_line(r"127\.0\.0\.1:\d+ --> 3")
    shell.type("\x04")
    assert shell.wait_exit() == 0


def test_a_join_that_fails_is_told_once(terminal: Open) -> None:
    shell = terminal(*GOSSIPD, "--listen", f"{HOST}:{free_ports(1)[0]}", *QUICK)
    nobody = f"{HOST}:{free_ports(1)[0]}"
    shell.wait(lambda: shell.prompt() == "")
    shell.type(f"+{nobody}\r")
    shell.wait_line(f"{nobody} failed: refused; it is blacklisted")
    shell.wait(lambda: shell.prompt() == "")
    assert [line for line in shell.lines() if line.startswith(nobody)] == [
        f"{nobody} failed: refused; it is blacklisted"
    ]
