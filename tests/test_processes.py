"""Real processes: a ring that gossips and loses a node, the JSON log, and the shell on a pipe."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import HOST, LoudNode, Node, Peer, Spawn, answers, fetch, free_ports, wait_until

RING = 5
ROUNDS_TO_MEET = 10
TS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
LEVELS = {"debug", "info", "warning", "error"}


def _start_ring(home: Path) -> list[Node]:
    ports = free_ports(RING)
    nodes = []
    for i, port in enumerate(ports):
        successor = f"{HOST}:{ports[(i + 1) % RING]}"
        nodes.append(Node(home / f"node{i}", port, "--join", successor, state=i))
    return nodes


def _wait_met(nodes: list[Node]) -> None:
    for node in nodes:
        node.wait_event("member_added", RING - 1)


def _wait_listed(asked: Node, expected: dict[str, int]) -> None:
    lines = sorted(f"{address} --> {state}" for address, state in expected.items())
    shown: list[str] = []

    def is_listed() -> bool:
        shown[:] = sorted(asked.ask("?"))
        return shown == lines

    wait_until(is_listed, lambda: f"{asked.address} shows {shown}, not {lines}")


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Five nodes that all know all."""
    nodes = _start_ring(tmp_path_factory.mktemp("ring"))
    try:
        _wait_met(nodes)
        yield nodes
    finally:
        for node in nodes:
            node.kill()


@pytest.fixture
def node(spawn: Spawn) -> Node:
    """One node that listens."""
    node: Node = spawn(Node, free_ports(1)[0], state=3)
    node.wait_event("listener_started")
    return node


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer(rude=True)
    yield peer
    peer.close()


# A cluster.


def test_a_ring_knows_all_its_nodes_within_ten_rounds(ring: list[Node]) -> None:
    """Counted by each node's own pulls, from when the last of them listened."""
    all_listen = max(node.events("listener_started")[0]["ts"] for node in ring)
    for node in ring:
        rounds = 0
        missing = {other.address for other in ring} - {node.address}
        for event in node.events():
            if missing and event["ts"] > all_listen and event["event"] in ("pull_finished", "pull_failed"):
                rounds += event["purpose"] in ("round", "join")
            if event["event"] == "member_added":
                missing.discard(event["member"])
        assert not missing
        assert rounds <= ROUNDS_TO_MEET, f"{node.address}: {rounds} rounds\n{node.log()}"
        _wait_listed(node, {other.address: i for i, other in enumerate(ring)})


def test_a_state_typed_at_one_shows_at_all(ring: list[Node]) -> None:
    told = ring[2]
    assert told.ask("7") == [f"{told.address} --> 7"]
    for other in ring:
        if other is not told:
            other.wait_event("state_changed", member=told.address, previous=2, state=7)
        _wait_listed(other, {node.address: 7 if node is told else i for i, node in enumerate(ring)})
    assert told.ask("2") == [f"{told.address} --> 2"]
    for other in ring:
        _wait_listed(other, {node.address: i for i, node in enumerate(ring)})


def test_every_event_is_one_json_line_with_the_common_keys_first(ring: list[Node]) -> None:
    for node in ring:
        lines = node.stderr.split("\n")[:-1]
        assert lines
        for line in lines:
            assert line.isascii()
            assert line.isprintable()
            event = json.loads(line)
            assert list(event)[:4] == ["ts", "level", "event", "node"]
            assert TS.fullmatch(event["ts"])
            assert event["level"] in LEVELS
            assert re.fullmatch(r"[a-z]+(_[a-z]+)+", event["event"])
            assert event["node"] == node.address


def test_only_results_are_on_stdout_of_a_piped_shell(ring: list[Node]) -> None:
    for node in ring:
        assert "{" not in node.stdout
        assert node.ask("state") == [f"{node.address} --> {ring.index(node)}"]


def test_a_killed_node_is_blacklisted_and_forgiven_when_it_is_back(tmp_path: Path) -> None:
    nodes = _start_ring(tmp_path)
    try:
        _wait_met(nodes)
        first, lost, others = nodes[0], nodes[3], [*nodes[:3], *nodes[4:]]
        lost.kill()
        for node in others:
            node.wait_event("member_blacklisted", member=lost.address, reason="refused")
            assert any(row.startswith(f"{lost.address}  refused") for row in node.ask("blacklist"))
        first.ask("9")
        left = {node.address: 9 if node is first else nodes.index(node) for node in others}
        for node in others:
            _wait_listed(node, left)
        again = Node(lost.home, lost.port, "--join", nodes[4].address, state=8)
        nodes.append(again)
        for node in others:
            node.wait_event("member_forgiven", member=lost.address, state=8)
        for node in [*others, again]:
            _wait_listed(node, {**left, lost.address: 8})
            assert not node.events("greenlet_crashed")
        assert "the blacklist is empty" in first.ask("blacklist")
    finally:
        for node in nodes:
            node.kill()


# The log.


def test_each_pull_is_told_of_exactly_once(spawn: Spawn, peer: Peer) -> None:
    node = spawn(Node, free_ports(1)[0], "--join", peer.address)
    node.wait_event("pull_finished", 4, peer=peer.address)
    node.wait_event("pull_failed", 4, peer=peer.address)
    assert node.stop() == 0
    peer.close()
    pulls = [event for event in node.events() if event["event"].startswith("pull_")]
    assert sum(pull.get("repeated", 1) for pull in pulls) == peer.callers
    assert {pull["peer"] for pull in pulls} == {peer.address}
    for pull in pulls:
        assert pull["duration_ms"] >= 0
        if pull["event"] == "pull_finished":
            fields = {"purpose", "bytes", "lines", "taken", "rejected", "end"}
            assert (pull["lines"], pull["rejected"]) == (1, {})
        else:
            fields = {"purpose", "bytes", "reason", "failures"}
            assert (pull["level"], pull["reason"]) == ("warning", "reset")
        common = {"ts", "level", "event", "node", "id", "peer", "duration_ms"}
        assert set(pull) - {"repeated"} == common | fields


def test_without_a_shell_events_are_on_stdout(spawn: Spawn) -> None:
    node = spawn(LoudNode, free_ports(1)[0])
    node.wait_event("listener_started", node=node.address)
    assert node.stop() == 0
    node.wait_event("node_stopped", exit_status=0)
    assert node.stderr == ""


@pytest.mark.parametrize("no_shell", [False, True])
def test_a_log_file_takes_the_events_from_all_streams(spawn: Spawn, tmp_path: Path, no_shell: bool) -> None:
    log = tmp_path / "events.json"
    port = free_ports(1)[0]
    node = spawn(Node, port, "--log-file", str(log), *(["--no-shell"] if no_shell else []))
    wait_until(lambda: log.exists() and "listener_started" in log.read_text(), "listener_started in the file")
    assert node.stop() == 0
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()][-1] == "node_stopped"
    assert (node.stdout, node.stderr) == ("", "")


def test_log_file_dash_is_stdout_beside_the_results(spawn: Spawn) -> None:
    node = spawn(Node, free_ports(1)[0], "--log-file", "-")
    node.wait_stdout('"event":"listener_started"')
    node.type(b"5\n")
    node.wait_stdout(f"{node.address} --> 5\n")
    assert node.stderr == ""


# The seed's commands, on a pipe.


def test_the_seeds_commands_have_its_output(node: Node) -> None:
    own = node.address
    [line] = node.ask("!")
    assert re.fullmatch(rf"{re.escape(own)},1\d{{9}},3", line)
    assert node.ask("?") == [f"{own} --> 3"]
    for digit in "0123456789":
        assert node.ask(digit) == [f"{own} --> {digit}"]
    assert node.ask("!")[0].endswith(",9")
    table = fetch(node.port)
    assert table.decode() == f"{node.ask('!')[0]}\n\n"  # the empty line: replies are welcome
    assert node.ask("Y") == ["adversarial gossip on: garbage"]
    assert fetch(node.port) == b"Gossiping something adversarial:)\n"
    assert node.ask("N") == ["adversarial gossip off"]
    assert fetch(node.port) == table


def test_plus_says_what_it_found(node: Node) -> None:
    peer = Peer()
    try:
        node.type(f"+{peer.address}\n".encode())
        node.wait_stdout(f"{peer.address} --> 4: a member; its table has 1 entry\n")
    finally:
        peer.close()
    assert node.ask("?") == [f"{node.address} --> 3", f"{peer.address} --> 4"]
    nobody = f"{HOST}:{free_ports(1)[0]}"
    node.type(f"+{nobody}\n".encode())
    node.wait_stdout(f"{nobody} failed: refused; it is blacklisted\n")
    assert [event["member"] for event in node.events("member_blacklisted")][:1] == [nobody]
    assert node.ask("+nonsense") == [
        "nonsense is no address: expected ip:port, such as 127.0.0.1:5001 or [::1]:5001"
    ]


def test_bytes_that_are_no_text_are_told_as_such(node: Node) -> None:
    node.type(b"\xff\xfe\x1b[31m\n\xc3\n")
    node.wait_stdout("no such command: \\xff\\xfe\\x1b[31m; help lists all\nno such command: \\xc3;")
    assert node.ask("?") == [f"{node.address} --> 3"]


def test_the_node_runs_on_after_the_end_of_its_input(node: Node) -> None:
    node.type(b"6\n4")  # the last line without its end
    node.stdin.close()
    node.wait_stdout(f"{node.address} --> 6\n{node.address} --> 4\n")
    assert fetch(node.port).endswith(b",4\n\n")
    assert node.stop() == 0


def test_a_node_without_input_runs(spawn: Spawn) -> None:
    node = spawn(Node, free_ports(1)[0], stdin=subprocess.DEVNULL)
    node.wait_event("listener_started")
    assert fetch(node.port).startswith(node.address.encode())
    assert node.stop() == 0


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- >&- 2>&-"])
def test_a_node_whose_streams_were_closed_runs(spawn: Spawn, closed: str) -> None:
    node = spawn(Node, free_ports(1)[0], prefix=["sh", "-c", f'exec "$@" {closed}', "sh"])
    wait_until(lambda: answers(node.port), "an answer")
    assert fetch(node.port).startswith(f"{node.address},".encode())
    assert node.stop() == 0
    assert (node.stdout, "Traceback" in node.stderr) == ("", False)
