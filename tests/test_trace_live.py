"""`trace` on a real node: in an attached shell and by `call`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import GOSSIPD, LoudNode, environment, free_ports, settings, starting, wait_until
from tests.terminals import Terminal

CTRL_C = "\x03"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LoudNode]:
    """Start a node that pulls a member it cannot reach, again and again."""
    own, gone = free_ports(2)
    often = settings(gossip__interval_s=0.1, blacklist__blacklist_base_s=0.1, blacklist__blacklist_max_s=0.1)
    with starting(tmp_path) as start:
        node = start(LoudNode, own, *often)
        node.gone = f"127.0.0.1:{gone}"
        node.wait_event("control_opened")
        assert _call(tmp_path, node, "join", node.gone).wait(20) == 1
        yield node


def _call(home: Path, node: Any, *words: str) -> subprocess.Popen[str]:
    command = [*GOSSIPD, "call", *words, "--socket", node.address]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment(home), **pipes)  # type: ignore[call-overload]


def test_a_trace_is_followed_until_somebody_ends_it(node: Any, tmp_path: Path) -> None:
    shell = Terminal(tmp_path, [*GOSSIPD, "attach", node.address])
    with (
        _call(tmp_path, node, "trace", node.gone) as text,
        _call(tmp_path, node, "trace", node.gone, "--json") as data,
    ):
        try:
            shell.wait(lambda: shell.prompt() == "")
            shell.type(f"trace {node.gone}\r")
            failed = r"\d\d:\d\d:\d\d  pull failed         for retry, [0-9.]+ ms, 0 bytes, refused.*"
            shell.wait_line(failed)
            shell.type(CTRL_C)
            shell.wait_line(re.escape(f"no longer tracing {node.gone}"))
            shell.type("state\r")
            shell.wait_line(rf"{node.address} --> \d")

            assert text.stdout.readline().startswith(f"{node.gone}: blacklisted ")
            wait_until(lambda: "retry" in text.stdout.readline(), "a retry")
            text.send_signal(signal.SIGINT)
            assert (text.wait(20), text.stderr.read()) == (0, "")

            event = json.loads(data.stdout.readline())
            assert set(event) > {"ts", "level", "event", "node"}
            assert event["node"] == node.address
            assert node.stop() == 0
            assert data.wait(20) == 3
            assert data.stderr.read() == f"gossipd: {node.address} has gone away\n"
        finally:
            shell.close()
            for one in (text, data):
                one.kill()
