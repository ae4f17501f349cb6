"""The load generator: against a real node, against servers that answer badly, and its pure parts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from gossip.load.check import Checker
from gossip.load.options import KINDS
from tests.processes import (
    DEADLINE_S,
    GOSSIPD,
    HOST,
    ROOT,
    LoudNode,
    answers,
    free_ports,
    starting,
    wait_until,
)

LOAD = [*GOSSIPD, "load"]
MIX = "honest=85,reply=5,never_read=2,slow=2,rubbish=4,flood=2"
TABLE = b"127.0.0.1:5001,1795400821,8\n127.0.0.1:5002,1795400818,2\n\n"


def start_load(*args: str, limit: int | None = None) -> subprocess.Popen[str]:
    prefix = [] if limit is None else ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"]
    return subprocess.Popen(
        [*prefix, *LOAD, *args], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def end_load(load: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = load.communicate(timeout=DEADLINE_S)
    finally:
        if load.poll() is None:
            load.kill()
            load.communicate()
    return load.returncode, out, err


def run_load(*args: str) -> tuple[int, dict[str, Any]]:
    status, out, err = end_load(start_load(*args, "--json"))
    assert err == ""
    assert out.count("\n") == 1, out
    return status, json.loads(out)


class FakeNode:
    """A server in a thread that gives its nth caller `answer(n)`, one caller at a time."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self.callers = 0
        self._answer = answer
        self._sock = socket.socket()
        port = free_ports(1)[0]
        self.address = f"{HOST}:{port}"
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind((HOST, port))
        self._sock.listen(512)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return  # closed
            self.callers += 1
            with suppress(OSError), sock:
                sock.sendall(self._answer(self.callers))

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._thread.join()


# Against real nodes.


def test_every_honest_pull_of_a_mixed_load_is_answered_whole(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with starting(tmp_path) as start:
        node = start(LoudNode, port)
        wait_until(lambda: answers(port), node.log)
        status, told = run_load(node.address, "--clients", "300", "--pulls", "3000", "--mix", MIX)
        assert told["errors"] == {}
        assert (status, told["pulls"], told["failed"]) == (0, 3000, 0)
        assert told["connections"]["honest"] + told["connections"]["reply"] == 3000
        assert set(told["connections"]) == set(KINDS)
        assert all(told["connections"].values())
        assert told["server"]["pid"] == node.popen.pid
        latency = told["latency_ms"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p99_9"] <= latency["max"]
        assert answers(port)
        assert node.wait_event("candidate_refused")  # it read who called, and asked there
        assert node.stop() == 0
        assert not node.events("greenlet_crashed") + node.events("hub_error")


def test_a_node_of_its_own_has_the_members_asked_for_and_is_ended() -> None:
    args = ("--spawn", "--members", "300", "--set", "node.state=7", "--clients", "50", "--pulls", "500")
    status, told = run_load(*args)
    assert (status, told["pulls"], told["errors"]) == (0, 500, {})
    # 300 lines of «127.100.0.1:7000,1795400821,8» or a little longer, 500 times
    assert 300 * 29 * 500 < told["bytes"] < 300 * 33 * 500
    with pytest.raises(ProcessLookupError):
        os.kill(told["server"]["pid"], 0)


def test_a_node_of_its_own_that_cannot_start_is_one_line() -> None:
    status, out, err = end_load(start_load("--spawn", "--set", "node.nose=1"))
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert "node.nose" in err


# Against servers that answer badly.


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (TABLE[:-20], "truncated"),
        (TABLE[:-1], "truncated"),
        (b"", "empty"),
        (TABLE + b"x", "truncated"),
        (TABLE + TABLE, "bytes_after_end"),
        (TABLE.replace(b",8", b",x"), "bad_line"),
        (b"\n", "no_entry"),
    ],
)
def test_a_table_that_is_not_whole_fails(answer: bytes, reason: str) -> None:
    checker = Checker()
    assert checker.problem(TABLE) is None
    assert checker.problem(answer) == reason
    assert checker.known == TABLE


def test_a_target_that_truncates_now_and_then_is_found_out() -> None:
    with closing(FakeNode(lambda nth: TABLE[:40] if nth % 10 == 0 else TABLE)) as node:
        status, told = run_load(node.address, "--clients", "20", "--pulls", "200")
    assert (status, told["pulls"], told["failed"]) == (1, 180, 20)
    assert told["errors"] == {"honest": {"truncated": 20}}


def test_a_table_that_changes_is_still_whole() -> None:
    def answer(nth: int) -> bytes:
        return b"#cluster prod\n127.0.0.1:5001,%d,3\n" % (10**9 + nth // 3) + TABLE

    with closing(FakeNode(answer)) as node:
        status, told = run_load(
            node.address, "--clients", "10", "--pulls", "200", "--mix", "honest=1,reply=1"
        )
    assert (status, told["pulls"], told["errors"]) == (0, 200, {})


def test_a_target_that_says_nothing_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        address = f"{HOST}:{silent.getsockname()[1]}"
        status, out, err = end_load(start_load(address, "--timeout-s", "0.2"))
    assert (status, out, err) == (1, "", f"gossipd: {address} does not answer (timeout)\n")


def test_an_open_loop_does_not_hide_a_stall() -> None:
    def answer(nth: int) -> bytes:
        if nth == 60:
            time.sleep(0.3)  # what is tested: 60 pulls fall due meanwhile, and there are 4 clients
        return TABLE

    with closing(FakeNode(answer)) as node:
        status, told = run_load(node.address, "--clients", "4", "--pulls", "200", "--rate", "200")
    assert (status, told["pulls"]) == (0, 200)
    assert told["latency_ms"]["max"] >= 300
    assert told["latency_ms"]["p90"] >= 100  # timed from when a client was free, four would have been slow
    assert told["late"]["clients_busy"] >= 40
    assert told["elapsed_s"] >= 0.99


def test_an_interruption_ends_it_with_the_summary_so_far() -> None:
    with closing(FakeNode(lambda nth: TABLE)) as node:
        load = start_load(node.address, "--clients", "5", "--duration-s", "600", "--json")
        try:
            wait_until(lambda: node.callers > 100 or load.poll() is not None, "callers")
            load.send_signal(signal.SIGINT)
        finally:
            status, out, err = end_load(load)
    told = json.loads(out)
    assert (status, err, told["interrupted"]) == (0, "", True)
    assert told["pulls"] >= 90


def test_more_clients_than_descriptors_is_one_line() -> None:
    status, out, err = end_load(start_load("127.0.0.1:5001", "--clients", "500", limit=400))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "400 files" in err
