"""The demo cluster and single nodes in a real terminal: a pty with a terminal emulator."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from tests.processes import DEADLINE_S, GOSSIPD, HOST, QUICK, ROOT, Peer, environment, free_ports

ROWS, COLUMNS = 200, 160
CTRL_C, CTRL_D = "\x03", "\x04"
Open = Callable[..., "Terminal"]


class _Screen(pyte.Screen):
    """A screen that answers where its cursor is, as terminals do."""

    def __init__(self, child: pexpect.spawn) -> None:
        super().__init__(COLUMNS, ROWS)
        self._child = child

    def write_process_input(self, data: str) -> None:
        self._child.send(data)


class Terminal:
    """A command in a terminal that is tall enough for nothing to scroll away."""

    def __init__(self, home: Path, command: Sequence[str]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.child = pexpect.spawn(
            command[0],
            list(command[1:]),
            dimensions=(ROWS, COLUMNS),
            env=environment(home),
            cwd=str(ROOT),
            timeout=DEADLINE_S,
        )
        self.child.delaybeforesend = None
        self.modes_before = self.modes()
        self.seen: list[str] = []  # every line that ever stood on the screen, once
        self._screen = _Screen(self.child)
        self._stream = pyte.ByteStream(self._screen)

    def modes(self) -> list[Any]:
        """Return the terminal's modes, which outlive the process."""
        return termios.tcgetattr(self.child.child_fd)[:4]

    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._screen.display if line.strip()]

    def prompt(self) -> str | None:
        """Return what stands in the prompt that is open."""
        line = self._screen.display[self._screen.cursor.y]
        return line[len("gossip> ") :].rstrip() if line.startswith("gossip> ") else None

    def read(self) -> None:
        with contextlib.suppress(pexpect.TIMEOUT, pexpect.EOF):
            self._stream.feed(self.child.read_nonblocking(65_536, timeout=0.05))
        self.seen += [line for line in self.lines() if line not in self.seen]

    def wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not is_so():
            assert time.monotonic() < deadline, "\n".join(self.lines())
            self.read()

    def wait_line(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches as a whole; one that has gone since counts too."""
        self.wait(lambda: any(re.fullmatch(pattern, line) for line in self.seen))
        return next(m for line in self.seen if (m := re.fullmatch(pattern, line)))

    def type(self, text: str) -> None:
        self.child.send(text)

    def wait_exit(self) -> int | None:
        """Return the exit status once the process has ended, None if a signal ended it."""
        self.wait(lambda: not self.child.isalive())
        status: int | None = self.child.exitstatus
        return status

    def close(self) -> None:
        self.child.close(force=True)


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
        shell.wait_line(rf"{address}  \d  +\d+s +\d+s +\S+ +ok")
    shell.wait_line(rf"{own}  1  +\d+s +- +self +ok")

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
    told = shell.wait_line("join a second node:  (.*)")[1]
    shell.wait_line("help lists the commands; Ctrl-D stops the node")
    command = shlex.split(told)
    assert command == [*GOSSIPD, "--listen", second, "--join", first]

    other = terminal(*command)
    other.wait_line(f"joining {first}")
    other.wait_line(_toolbar(second, state=0, members=2))
    shell.type(f"+{second}\r")  # without replies, a join is one-way
    shell.wait_line(f"{second} --> 0: a member; its table has 2 entries")
    other.type("8\r")
    shell.wait_line(f"{second} --> 8")
    shell.wait_line(_toolbar(first, state=0, members=2))


def test_ctrl_c_while_it_stops_ends_without_a_traceback(terminal: Open) -> None:
    with contextlib.closing(Peer(silent=True)) as peer:
        shell = terminal(*GOSSIPD, "--listen", f"{HOST}:{free_ports(1)[0]}", "--join", peer.address)
        shell.wait(lambda: shell.prompt() == "" and peer.callers > 0)
        shell.type(CTRL_D)
        shell.wait(lambda: shell.modes() == shell.modes_before)
        shell.type(CTRL_C)
        assert shell.wait_exit() == 130
    assert shell.lines()[-1].endswith("gossipd: interrupted")
