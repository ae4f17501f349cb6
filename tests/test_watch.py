"""`watch` in a real terminal, in a node's own shell and in an attached one."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent.event
import pytest
from prompt_toolkit.input import DummyInput
from prompt_toolkit.output import DummyOutput

from gossip.core.views import Status
from gossip.shell import picture, remote, sockets
from gossip.shell.remote import RemoteShell
from gossip.shell.screens import Screens
from gossip.shell.shells import LocalShell
from tests.controls import serving
from tests.fake_console import FakeConsole
from tests.processes import GOSSIPD, QUICK, ROOT, Node, Spawn, free_ports
from tests.terminals import Terminal

ENTER, ESCAPE, DOWN, END, CTRL_C, CTRL_D = "\r", "\x1b", "\x1b[B", "\x1b[F", "\x03", "\x04"
OPENED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"  # the alternate screen


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Open terminals of 80 by 24 that close with the test."""
    opened: list[Terminal] = []

    def open_one(*command: str) -> Terminal:
        opened.append(Terminal(tmp_path, command, rows=24, columns=80))
        opened[-1].wait(lambda: opened[-1].prompt() == "")
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def _shows(screen: Terminal, row: int, pattern: str) -> None:
    screen.wait(lambda: re.search(pattern, screen.row(row)) is not None)


def _watch(screen: Terminal) -> None:
    screen.type("watch\r")
    _shows(screen, -1, "^s sort .* q leave$")


def _is_restored(screen: Terminal) -> bool:
    return screen.raw.count(OPENED) == screen.raw.count(LEFT) > 0


def test_in_the_nodes_own_shell(spawn: Spawn, terminal: Callable[..., Terminal]) -> None:
    first, second = free_ports(2)
    node, peer = f"127.0.0.1:{first}", f"127.0.0.1:{second}"
    screen = terminal(*GOSSIPD, "--listen", node, *QUICK)
    other = spawn(Node, second, "--join", node, state=4)
    screen.wait_line(f"{peer} --> 4")
    _watch(screen)
    _shows(screen, 0, f"^{node} --> 0  2 members  0 blacklisted  honest  trust verify ")
    _shows(screen, 3, f"^>{node} +0 .* own$")
    _shows(screen, 4, rf"^ {peer} +4 +\d+s +\d+s +(<1|\d+)ms +0 +ok$")
    # A change is followed.
    other.type(b"7\n")
    _shows(screen, 1, f"^{peer} --> 7, .s ago: all 2 known to have it")
    _shows(screen, 17, rf"^\d\d:\d\d:\d\d {peer} --> 7$")
    # Another size, and back.
    screen.resize(12, 50)
    _shows(screen, 11, "^s sort ")
    screen.resize(24, 80)
    _shows(screen, 23, "^s sort ")
    # Keys: the filter, the selection, the story of a member.
    screen.type("/=7")
    _shows(screen, -1, "^/=7_$")
    _shows(screen, 3, f"^>{peer} ")
    screen.type(ESCAPE)
    _shows(screen, 16, "^1 to 2 of 2 | by address$")
    screen.type(END + "s")
    _shows(screen, 16, "by state$")
    screen.type(ENTER)
    _shows(screen, 0, f"^explain {peer}$")
    _shows(screen, 1, f"^{peer} --> 7: learned from ")
    screen.type(ESCAPE)
    _shows(screen, -1, "^s sort ")
    screen.type("?")
    _shows(screen, 1, "^arrows, ")
    screen.type("qb")
    _shows(screen, 3, "^nobody is blacklisted$")
    assert not _is_restored(screen)
    screen.type("q")
    screen.wait(lambda: screen.prompt() == "")
    assert _is_restored(screen)
    behind = screen.raw.rpartition(LEFT)[2].decode()
    assert re.search(r"\(\d+ lines? of news shown by watch\)", behind)
    assert f"{peer} --> 7" not in behind
    # The prompt is as before; the node's end ends the view.
    screen.type("state\r")
    screen.wait(lambda: f"{node} --> 0" in screen.raw.rpartition(LEFT)[2].decode())
    screen.wait(lambda: screen.prompt() == "")
    _watch(screen)
    screen.child.kill(signal.SIGTERM)
    assert screen.wait_exit() == 0
    assert _is_restored(screen)
    assert screen.modes() == screen.modes_before


def test_in_an_attached_shell(spawn: Spawn, terminal: Callable[..., Terminal]) -> None:
    node = spawn(Node, free_ports(1)[0], state=3)
    node.wait_event("control_opened")
    screen = terminal(*GOSSIPD, "attach", node.address)
    for leave in (CTRL_C, CTRL_D, ESCAPE):
        _watch(screen)
        _shows(screen, 3, f"^>{node.address} +3 .* own$")
        screen.type(leave)
        screen.wait(lambda: screen.prompt() == "")
        assert _is_restored(screen)
    screen.type("watch\r?q/half" + CTRL_C + "state 5\r")  # what is typed ahead goes where it belongs
    screen.wait_line(f"{node.address} --> 5")
    _watch(screen)
    _shows(screen, 3, f"^>{node.address} +5 ")
    screen.type(ENTER)
    _shows(screen, 0, f"^explain {node.address}$")
    assert node.stop() == 0
    assert screen.wait_exit() == 3
    assert _is_restored(screen)
    assert screen.modes() == screen.modes_before
    assert f"gossipd: {node.address} has gone away" in screen.raw.rpartition(LEFT)[2].decode()


def test_a_bug_ends_the_view_and_restores_the_terminal(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    host = str(ROOT / "tests" / "prompt_host.py")
    screen = terminal(sys.executable, host, str(tmp_path / "history"))
    screen.type("break-watch\rwatch\r")
    assert screen.wait_exit() == 1
    assert _is_restored(screen)
    assert screen.modes() == screen.modes_before
    assert "ZeroDivisionError" in screen.raw.rpartition(LEFT)[2].decode()


def test_a_terminal_that_cannot_and_a_screen_that_is_unknown_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screens = Screens(LocalShell(FakeConsole()), DummyInput(), DummyOutput())
    assert not screens.tell("news")
    assert not screens.close()
    assert screens.show("dance\x1b 3") == [
        r"this gossipd has no screen for dance\x1b: the node may be a newer one"
    ]
    monkeypatch.setenv("TERM", "dumb")
    assert screens.show("watch") == [
        "watch needs a terminal that can place its cursor; TERM=dumb says that this one cannot"
    ]


class _Slow(FakeConsole):
    """A console that thinks about its status until it may answer."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = gevent.event.Event()

    def status(self) -> Status:
        if hasattr(self, "is_served"):
            self.may_answer.wait()
        return super().status()


def test_a_node_that_does_not_answer_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sockets, "_CONNECT_S", 0.01)  # is no limit to how long it may think
    console = _Slow()
    with serving(Path("c.sock")) as serve:
        served = serve(console)
        shell = RemoteShell(served.remote())
        assert shell.look() == picture.take(console)
        console.is_served = True
        monkeypatch.setattr(remote, "_LOOK_S", 0.05)
        assert shell.look() is None
        console.may_answer.set()
        monkeypatch.setattr(remote, "_LOOK_S", 10.0)
        assert shell.look() == picture.take(console)
        served.server.close()
        assert shell.look() is None
        shell.close()
