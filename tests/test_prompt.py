"""The shell in a real terminal: a pty with a terminal emulator."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gossip.shell.history import open_history
from tests.prompt_terminal import Terminal

CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "new" / "history"


@pytest.fixture
def terminal(history: Path) -> Iterator[Terminal]:
    opened = Terminal(history)
    yield opened
    opened.child.close(force=True)


def test_tab_completes_a_command_and_an_address(terminal: Terminal) -> None:
    terminal.type("jo\t")
    terminal.wait_prompt("join")
    terminal.type("128\t")
    terminal.wait_prompt("join 128.84.213.13:5678")
    terminal.type(CTRL_C)
    terminal.wait_prompt("")
    terminal.type("adversary re\t\r")
    terminal.wait_line("adversarial gossip on: replay")
    terminal.wait_line(r" 127.0.0.1:5001 --> 3 \| 2 members \| .* \| ADVERSARIAL: replay \| round 12")


def test_history_is_kept_over_a_restart(terminal: Terminal, history: Path) -> None:
    terminal.type("state 5\r")
    terminal.wait_line("127.0.0.1:5001 --> 5")
    terminal.wait_prompt("")
    terminal.type(UP)
    terminal.wait_prompt("state 5")
    terminal.type(CTRL_C + CTRL_D)
    assert terminal.wait_exit() == "ended, stopped: True"
    assert history.stat().st_mode & 0o777 == 0o600
    again = Terminal(history)
    try:
        again.type(UP)
        again.wait_prompt("state 5")
        again.type("\r")
        again.wait_line("127.0.0.1:5001 --> 5")
    finally:
        again.child.close(force=True)


def test_news_never_tears_what_is_being_typed(terminal: Terminal) -> None:
    terminal.emit(signal.SIGUSR2)
    typed = "the quick brown fox jumps over the lazy dog 0123456789"
    for end in range(1, len(typed) + 1):
        terminal.type(typed[end - 1])
        terminal.wait_prompt(typed[:end].rstrip())
    terminal.wait_line("news 39")
    terminal.wait_prompt(typed)
    shown = [line for line in terminal.lines() if "127.0.0.1:5001" not in line]
    assert shown[1:] == [f"news {number}" for number in range(40)] + [f"gossip> {typed}"]


@pytest.mark.parametrize("end", [CTRL_D, "quit\r"])
def test_ctrl_c_clears_the_line_and_ctrl_d_or_quit_ends(terminal: Terminal, end: str) -> None:
    terminal.type("rubbish")
    terminal.wait_prompt("rubbish")
    terminal.type(CTRL_C)
    terminal.wait_prompt("")
    terminal.type("half")
    terminal.wait_prompt("half")
    terminal.emit(signal.SIGINT)
    terminal.wait_prompt("")
    terminal.type(end)
    assert terminal.wait_exit() == "ended, stopped: True"


def test_other_greenlets_go_on_beside_the_prompt(terminal: Terminal) -> None:
    terminal.type("ticks\r")
    before = int(terminal.wait_line(r"ticks (\d+)")[1])
    terminal.wait_prompt("")
    start = time.monotonic()
    terminal.wait(lambda: time.monotonic() > start + 1)  # keeps the pty read; one second is what is measured
    terminal.type("ticks\r")
    terminal.wait(lambda: sum(line.startswith("ticks ") for line in terminal.lines()) == 2)
    assert int(terminal.wait_line(r"ticks (\d+)")[1]) >= before + 30  # of 100, on a busy machine


def test_a_waiting_command_shows_news_and_ends_by_ctrl_c(terminal: Terminal) -> None:
    terminal.type("block-me\r")
    terminal.wait_line("waiting")
    terminal.emit(signal.SIGUSR1)
    terminal.wait_line(re.escape("128.84.213.43:9876 --> 7"))
    terminal.type(CTRL_C)
    terminal.wait_line(r"(\^C)?interrupted")
    terminal.wait_prompt("")
    terminal.type("7\r")
    terminal.wait_line("127.0.0.1:5001 --> 7")


@pytest.mark.parametrize("command", ["", "block-me\r"])
def test_another_greenlet_closes_the_prompt(terminal: Terminal, command: str) -> None:
    terminal.type(command)
    if command:
        terminal.wait_line("waiting")
    terminal.emit(signal.SIGTERM)
    assert terminal.wait_exit() == "ended, stopped: False"


@pytest.mark.parametrize("around", [("", "", "\r"), ("\x1b[200~", "\x1b[201~", "\n")])
def test_a_paste_runs_its_lines_in_order(terminal: Terminal, around: tuple[str, str, str]) -> None:
    begin, end, newline = around
    terminal.type(begin + newline.join(["state 4", "!", "state 5", "half"]) + end)
    terminal.wait_prompt("half")
    shown = [line for line in terminal.lines() if not line.startswith(" ")]
    assert shown[1:] == [
        "gossip> state 4",
        "127.0.0.1:5001 --> 4",
        "gossip> !",
        "127.0.0.1:5001,1630281124,4",
        "128.84.213.13:5678,1630281124,1",
        "gossip> state 5",
        "127.0.0.1:5001 --> 5",
        "gossip> half",
    ]


def test_ctrl_c_drops_the_rest_of_a_long_paste(terminal: Terminal) -> None:
    terminal.type("\x1b[200~" + "state 5\n" * 5000 + "\x1b[201~")
    terminal.wait_line("127.0.0.1:5001 --> 5")

    def is_through() -> bool:
        terminal.type(CTRL_C + "state 6\r")
        return b"127.0.0.1:5001 --> 6" in terminal.raw

    terminal.wait(is_through)
    assert terminal.raw.count(b"127.0.0.1:5001 --> 5") < 4000
    assert b"Traceback" not in terminal.raw


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_history_that_is_no_regular_file_does_not_hang_the_prompt(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "history")
    history, problem = open_history(str(tmp_path / "history"), lambda line: None)
    assert problem.startswith("the history is not kept: ")
    assert list(history.load_history_strings()) == []


def test_a_history_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    opened = Terminal(tmp_path)  # a directory
    try:
        assert opened.lines()[1].startswith("the history is not kept: [Errno 21] Is a directory")
        opened.type("6\r")
        opened.wait_line("127.0.0.1:5001 --> 6")
    finally:
        opened.child.close(force=True)


def test_keys_typed_while_a_command_runs_are_shown_once(terminal: Terminal) -> None:
    terminal.type("block-me\r")
    terminal.wait_line("waiting")
    terminal.type("half")
    terminal.emit(signal.SIGUSR1)  # what is told after the keys came
    terminal.wait_line(re.escape("128.84.213.43:9876 --> 7"))
    assert not any("half" in line for line in terminal.lines())
    terminal.emit(signal.SIGINT)
    terminal.wait_prompt("half")
    assert sum("half" in line for line in terminal.lines()) == 1


def test_news_of_whom_a_command_joins_is_left_to_its_result(terminal: Terminal) -> None:
    terminal.type("+128.84.213.43:9876\r")
    terminal.wait_line(re.escape("128.84.213.43:9876 failed: refused; it is blacklisted"))
    terminal.wait_prompt("")
    assert not any(line.startswith("128.84.213.43:9876 -->") for line in terminal.lines())
    terminal.emit(signal.SIGUSR1)
    terminal.wait_line(re.escape("128.84.213.43:9876 --> 7"))
