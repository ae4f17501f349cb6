"""Real processes that find each other, lose each other, and are told who leaves."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import (
    HOST,
    Event,
    LoudNode,
    Node,
    Peer,
    Spawn,
    answers,
    fetch,
    free_ports,
    settings,
    wait_until,
)

STAR = 10
ROUNDS_TO_MEET = 8
SLOWER = settings(gossip__interval_s=0.4)


def _start_star(home: Path) -> list[Node]:
    """Spawn all at once; all but the first join the first, which joins nobody."""
    ports = free_ports(STAR)
    join = ["--join", f"{HOST}:{ports[0]}"]
    return [
        Node(home / f"node{i}", port, *SLOWER, *(join if i else []), state=i % 10)
        for i, port in enumerate(ports)
    ]


def _listed(node: Node) -> dict[str, int]:
    """Return what a node serves: the states by address."""
    lines = fetch(node.port).decode().splitlines()
    return {address: int(state) for address, _, state in (line.split(",") for line in lines if line)}


def _wait_served(node: Node, expected: dict[str, int]) -> None:
    wait_until(lambda: _listed(node) == expected, lambda: f"{node.address} serves {_listed(node)}")


def _rounds_to_know(node: Node, others: set[str], since: str) -> int:
    """Count the node's own rounds from `since` until the last of the others became a member of it."""
    missing, rounds = set(others), 0
    for event in node.events():
        if event["event"] == "member_added":
            missing.discard(event["member"])
            if not missing:
                break
        elif event["event"] in ("pull_finished", "pull_failed") and event["ts"] > since:
            rounds += event["purpose"] == "round"
    assert not missing
    return rounds


@pytest.fixture(scope="module")
def star(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Ten nodes that all joined the first only, and know each other."""
    nodes = _start_star(tmp_path_factory.mktemp("star"))
    try:
        for node in nodes:
            node.wait_event("member_added", STAR - 1)
        yield nodes
    finally:
        for node in nodes:
            node.kill()


def test_a_star_knows_all_its_nodes_within_eight_rounds(star: list[Node]) -> None:
    all_listen = max(node.events("listener_started")[0]["ts"] for node in star)
    addresses = {node.address for node in star}
    rounds = [_rounds_to_know(node, addresses - {node.address}, all_listen) for node in star]
    print(f"rounds until each node knew all {STAR}: {rounds}")
    assert max(rounds) <= ROUNDS_TO_MEET, rounds
    for node in star:
        assert _listed(node) == {other.address: i % 10 for i, other in enumerate(star)}


def test_without_its_first_node_the_star_gossips_on(star: list[Node]) -> None:
    lost, *others = star
    lost.kill()
    for node in others:
        node.wait_event("member_blacklisted", member=lost.address, reason="refused")
    changed = others[4]
    assert changed.ask("9") == [f"{changed.address} --> 9"]
    states = {node.address: i % 10 for i, node in enumerate(star) if node is not lost}
    for node in others:
        _wait_served(node, {**states, changed.address: 9})
        assert [event["member"] for event in node.events("member_blacklisted")] == [lost.address]
        assert not node.events("greenlet_crashed")


# Two nodes.


def _pair(spawn: Spawn, *args: str) -> tuple[Node, Node]:
    first, second = free_ports(2)
    one = spawn(Node, first, *args)
    two = spawn(Node, second, "--join", one.address, *args)
    one.wait_event("member_added", member=two.address)
    two.wait_event("member_added", member=one.address)
    return one, two


def test_who_is_joined_soon_lists_who_joined(spawn: Spawn) -> None:
    one, two = _pair(spawn)
    [added] = one.events("member_added")
    assert (added["member"], added["source"]) == (two.address, "caller")
    for event in two.events("pull_finished", purpose="join"):
        assert event["end"] == "empty_line"
    assert any("caller  " in row for row in one.ask("members") if row.startswith(two.address))


def test_a_join_is_tried_until_it_answers_whoever_calls_meanwhile(spawn: Spawn) -> None:
    """Otherwise nodes that start together, each joining another, can end as two clusters."""
    ports = free_ports(3)
    late = f"{HOST}:{ports[2]}"
    one = spawn(Node, ports[0], "--join", late)
    two = spawn(Node, ports[1], "--join", one.address)
    one.wait_event("member_added", member=two.address)
    one.wait_event("pull_finished", 2, peer=two.address, purpose="round")
    three = spawn(Node, ports[2])
    for node in (one, two):
        node.wait_event("member_added", member=late)
    three.wait_event("member_added", 2)


def test_a_node_that_is_told_to_stop_is_left_at_once(spawn: Spawn) -> None:
    """One failed pull blacklists it: it said so itself."""
    one, two = _pair(spawn)
    assert two.stop() == 0
    [left] = one.wait_event("member_blacklisted", member=two.address)
    assert left["reason"] == "left"
    heard, failed = one.events("leaving_heard")[0], one.events("pull_failed", peer=two.address)
    assert heard["member"] == two.address
    # A round's pull may have failed before: its listener stops before it tells that it leaves.
    assert len([event for event in failed if heard["ts"] <= event["ts"] <= left["ts"]]) == 1


def test_quit_is_quick(spawn: Spawn) -> None:
    one, _ = _pair(spawn)
    assert _seconds_to_quit(one) < 1.5


def test_quit_is_quick_beside_a_member_that_hangs(spawn: Spawn) -> None:
    one, two = _pair(spawn)
    two.popen.send_signal(signal.SIGSTOP)
    try:
        assert _seconds_to_quit(one) < 2.5  # shutdown_s and pull_timeout_s are 5
    finally:
        two.popen.send_signal(signal.SIGCONT)


def _seconds_to_quit(node: Node) -> float:
    began = time.monotonic()
    node.type(b"quit\n")
    assert node.wait_exit() == 0
    node.wait_event("node_stopped", exit_status=0)
    return time.monotonic() - began


def test_a_seeds_node_that_never_replies_is_a_member_like_any_other(spawn: Spawn) -> None:
    peer = Peer()
    try:
        node = spawn(LoudNode, free_ports(1)[0], "--join", peer.address)
        [added] = node.wait_event("member_added", member=peer.address)
        assert (added["state"], added["source"]) == (4, "join")
        node.wait_event("pull_finished", 3, peer=peer.address)
        assert node.stop() == 0
        assert not node.events("pull_failed")
    finally:
        peer.close()


# Clusters.


def _mismatches(node: Node) -> list[tuple[Event, ...]]:
    return [(event["peer"], event["theirs"], event["ours"]) for event in node.events("cluster_mismatch")]


@pytest.mark.parametrize("theirs", ["test", ""])
def test_nodes_of_different_clusters_say_why_they_do_not_merge(spawn: Spawn, theirs: str) -> None:
    first, second = free_ports(2)
    prod = spawn(Node, first, *settings(node__cluster="prod"))
    wait_until(lambda: answers(prod.port), "an answer")
    assert fetch(prod.port).startswith(f"#cluster prod\n{prod.address},".encode())
    named = settings(node__cluster=theirs) if theirs else []
    other = spawn(Node, second, "--join", prod.address, *named)
    if theirs:
        other.wait_event("cluster_mismatch", peer=prod.address, theirs="prod", ours=theirs)
        other.wait_event("pull_finished", 3, peer=prod.address)
    else:  # it has no name to compare, and pulls; but it cannot make itself a member
        other.wait_event("pull_finished", 3, peer=prod.address)
        prod.wait_event("cluster_mismatch", peer=other.address, theirs="", ours="prod")
    assert prod.ask("?") == [f"{prod.address} --> 0"]
    assert len(_mismatches(prod)) <= 1  # once per peer and minute
    assert len(_mismatches(other)) == bool(theirs)
