"""The prompt's menu, its search, its colours and its trace, in a real terminal."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prompt_terminal import Terminal

CTRL_C, CTRL_G, CTRL_R, ESC, TAB, UP = "\x03", "\x07", "\x12", "\x1b", "\t", "\x1b[A"
SGR = re.compile(rb"\x1b\[([0-9;]*)m")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    history = tmp_path / "history"
    history.write_text(
        "".join(f"\n# then\n+{line}\n" for line in ("state 5", "members --sort age", "state 7"))
    )
    opened = Terminal(history)
    yield opened
    opened.child.close(force=True)


def _search_line(terminal: Terminal, text: str) -> None:
    terminal.wait(lambda: any(line == f"search> {text}".rstrip() for line in terminal.lines()))


def test_ctrl_r_finds_a_line_by_a_few_letters_in_order(terminal: Terminal) -> None:
    terminal.type("s" + CTRL_R)
    _search_line(terminal, "s")
    terminal.type("e5")
    _search_line(terminal, "se5")
    terminal.wait(lambda: [line.strip() for line in terminal.lines()[2:-1]] == ["state 5"])
    terminal.type("\r")  # takes it, and runs nothing yet
    terminal.wait_prompt("state 5")
    assert "127.0.0.1:5001 --> 5" not in terminal.lines()
    terminal.type("\r")
    terminal.wait_line("127.0.0.1:5001 --> 5")


def test_a_search_is_left_with_what_was_typed_before(terminal: Terminal) -> None:
    terminal.type("jo")
    for leave in (ESC, CTRL_G, CTRL_C):
        terminal.type(CTRL_R)
        _search_line(terminal, "jo")
        terminal.type("xyz" + "\x7f" * 5 + "msa")
        terminal.wait(lambda: any(line.strip() == "members --sort age" for line in terminal.lines()))
        terminal.type(leave)
        terminal.wait_prompt("jo")
        assert not any("members --sort age" in line for line in terminal.lines())


def test_tab_shows_a_menu_in_columns_and_what_each_means(terminal: Terminal) -> None:
    terminal.type("mem" + UP)  # what began as what is typed
    terminal.wait_prompt("members --sort age")
    terminal.type(CTRL_C + TAB)
    terminal.wait(lambda: any(len(line.split()) > 2 and "members" in line for line in terminal.lines()))
    terminal.type(TAB)  # the first one, with its meaning
    terminal.wait_line(r" +list the table: ip:port --> state \(as \?\)")
    terminal.type(CTRL_C)
    terminal.wait_prompt("")
    terminal.type("explain" + TAB)  # a whole word: what comes next
    terminal.wait(lambda: any("128.84.213.13:5678  member, state 1" in line for line in terminal.lines()))
    assert any("127.0.0.1:5009      blacklisted 1m05s ago: refused" in line for line in terminal.lines())
    terminal.type(CTRL_C + "quit" + TAB)
    terminal.wait_prompt("quit")
    terminal.type(CTRL_C + "xyzzy\r")
    terminal.wait_line("no such command: xyzzy; help lists all")
    assert _colours(terminal)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_is_sent_to_who_wants_none(tmp_path: Path, environment: dict[str, str]) -> None:
    opened = Terminal(tmp_path / "history", **environment)
    try:
        opened.type("xyzzy\rmembers\r")
        opened.wait_line(r"no such command: xyzzy; help lists all")
        opened.wait_line(r"128\.84\.213\.13:5678 .*")
        opened.wait_prompt("")
        if "TERM" not in environment:  # where there is a menu
            opened.type("explain " + TAB)
            opened.wait(lambda: any("128.84.213.13:5678  member" in line for line in opened.lines()))
        assert not _colours(opened)
    finally:
        opened.child.close(force=True)


def _colours(terminal: Terminal) -> set[bytes]:
    """Return the colours that were sent: all but the attributes bold, dim, underlined and reverse."""
    codes = {code for sent in SGR.findall(terminal.raw) for code in sent.split(b";")}
    return codes - {b"", b"0", b"1", b"2", b"4", b"7"}


def test_a_trace_goes_on_until_ctrl_c(terminal: Terminal) -> None:
    terminal.type("trace 128.84.213.43:9876\r")
    terminal.wait_line("tracing 128.84.213.43:9876; Ctrl-C ends it")
    terminal.emit(signal.SIGUSR1)
    told = r"\d\d:\d\d:\d\d  state changed       before 1, state 7, of 1630281124, from first-hand"
    terminal.wait_line(told)
    terminal.type(CTRL_C)
    terminal.wait_line("no longer tracing 128.84.213.43:9876")
    terminal.wait_prompt("")
    assert "128.84.213.43:9876 --> 7" not in terminal.lines()  # the trace has told it
    terminal.type("4\r")
    terminal.wait_line("127.0.0.1:5001 --> 4")
