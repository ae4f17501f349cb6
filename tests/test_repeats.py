"""A flood of one fault, at a real node: a few lines, and one that counts the rest."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.processes import HOST, LoudNode, free_ports, settings, starting

CALLS = 40


def call_with(reply: bytes, port: int) -> None:
    """Read the table, then say something."""
    with socket.create_connection((HOST, port), timeout=10) as sock:
        while sock.recv(65_536):
            pass
        sock.sendall(reply)
        sock.shutdown(socket.SHUT_WR)


def test_a_flood_of_refused_replies_takes_a_few_lines_and_every_one_is_counted(tmp_path: Path) -> None:
    with starting(tmp_path) as start:
        node = start(LoudNode, free_ports(1)[0], *settings(log__repeat_window_s=3600))
        node.wait_event("listener_started")
        for _ in range(CALLS):
            call_with(b"nonsense\n\n", node.port)
        call_with(b"#from nobody\n\n", node.port)
        node.wait_event("reply_refused", reason="bad_from")  # so those before it were heard, too
        assert node.stop() == 0
        refused = node.events("reply_refused", reason="no_from")
        assert [event.get("repeated", 1) for event in refused] == [1, 1, 1, 1, 1, CALLS - 5]
        events = node.events()
    assert events[-1]["event"] == "node_stopped", "what was held back is told of before the end"
    assert [int(event["id"].rpartition("/")[2]) for event in events] == list(range(1, len(events) + 1))
    assert {event["id"].rpartition("/")[0] for event in events} == {events[0]["id"].rpartition("/")[0]}
    assert events[0]["id"].startswith(f"{node.address}/")
