"""Daemons on loopback, in one process: gossip, the user's orders, start and stop, and greenlets that die."""

from __future__ import annotations

import threading
import time
from typing import Any

import gevent
import pytest

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.net import names
from gossip.process import report_hub_errors
from tests.nodes import Running, Start
from tests.peers import (
    ON_LOOPBACK,
    Peer,
    call,
    free_addresses,
    in_thread,
    read_to_end,
    sends,
    until,
)

pytestmark = ON_LOOPBACK


# Gossip.


def test_a_ring_of_five_lists_all_five_and_sees_changes_deaths_and_returns(start: Start) -> None:
    addresses = free_addresses(5)
    ring = [start(address, addresses[(i + 1) % 5], state=i) for i, address in enumerate(addresses)]
    everybody = {address: i for i, address in enumerate(addresses)}
    until(lambda: all(one.states() == everybody for one in ring), "five members at all five")

    ring[2].daemon.set_state(9)
    everybody[addresses[2]] = 9
    until(lambda: all(one.states() == everybody for one in ring), "the new state at all five")

    ring[4].vanish()
    rest, dead = ring[:4], addresses[4]
    until(lambda: all(one.blacklisted() == {dead: "refused"} for one in rest), "the death at the four others")
    ring[0].daemon.set_state(8)
    everybody[addresses[0]] = 8
    living = {address: state for address, state in everybody.items() if address != dead}
    until(lambda: all(one.states() == living for one in rest), "news among the rest")

    back = start(dead, addresses[0], state=3)
    everybody[dead] = 3
    until(
        lambda: all(one.states() == everybody for one in [*rest, back]), "the one that came back at all five"
    )
    assert all(one.log.of(ev.MemberForgiven) and not one.blacklisted() for one in rest)


def test_ipv6_nodes_gossip(start: Start) -> None:
    one, other = free_addresses(2, "::1")
    pair = [start(one, other, state=1), start(other, f"localhost:{one.port}", one, state=2)]
    until(lambda: all(node.states() == {one: 1, other: 2} for node in pair))


def test_what_a_peer_says_of_others_is_verified_before_it_is_believed(start: Start) -> None:
    one, liar, honest, nobody = free_addresses(4)
    now = int(time.time())
    table = f"{liar},{now},1\n{honest},{now + 30},9\n{nobody},{now},5\n{one},{now + 20},7\n".encode()
    with Peer(sends(table), port=liar.port):
        truthful = start(honest, state=2)
        node = start(one, liar, state=4)
        until(lambda: node.log.of(ev.HintDisproved) or honest in node.states(), "the check of the honest one")
        until(lambda: any(e.peer == nobody for e in node.log.of(ev.PullFailed)), "the check of nobody")
        assert node.states() == {one: 4, liar: 1, honest: 2}
        assert node.log.of(ev.OwnEntryRefuted)
        until(lambda: truthful.states() == {honest: 2, one: 4, liar: 1}, "who called, and who answered")


def test_an_adversarial_node_is_blacklisted_and_goes_on_pulling(start: Start) -> None:
    addresses = free_addresses(3)
    nodes = [start(address, *(a for a in addresses if a != address)) for address in addresses]
    until(lambda: all(len(node.states()) == 3 for node in nodes), "three members")
    bad, *good = nodes
    bad.daemon.set_adversary("garbage")
    until(
        lambda: all(node.blacklisted() == {bad.address: "misbehaving"} for node in good), "the blacklisting"
    )
    assert all(node.log.of(ev.StrikeGiven) for node in good)
    before = [bad.pulled(node.address) for node in good]
    until(lambda: all(bad.pulled(n.address) > b for n, b in zip(good, before, strict=True)), "its own pulls")
    bad.daemon.set_adversary(None)
    until(lambda: all(not node.blacklisted() and len(node.states()) == 3 for node in good), "the forgiveness")


# The user's orders.


def test_join_reports_what_it_found(start: Start) -> None:
    one, other, alone, refused = free_addresses(4)
    start(other, state=6)
    node = start(alone)
    report = node.daemon.join(other)
    assert (report.failure, report.is_member, report.entries) == (None, True, 1)
    assert report.entry is not None
    assert report.entry.state == 6

    report = node.daemon.join(refused)
    assert (report.failure, report.is_member, report.entry) == ("refused", False, None)
    assert node.blacklisted()[refused] == "refused"

    with Peer(sends(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n")) as server:
        report = node.daemon.join(server.address)
        assert (report.failure, report.is_member, report.entries) == (None, False, 0)

    start(one, listen=f"0.0.0.0:{one.port}", advertise=str(one))
    report = node.daemon.join(Address("127.0.0.9", one.port))  # answers, and calls itself 127.0.0.1
    assert (report.failure, report.is_member, report.entries) == (None, False, 1)
    until(lambda: one in node.states(), "the node under the address that it gave")
    with pytest.raises(ValueError, match="this node itself"):
        node.daemon.join(alone)


def test_two_joins_of_one_address_share_one_pull(start: Start) -> None:
    (one,) = free_addresses(1)
    node = start(one)
    with Peer(sends(0.2, b"")) as server:
        joins = [gevent.spawn(node.daemon.join, server.address) for _ in range(3)]
        gevent.joinall(joins, raise_error=True)
        assert len(server.callers) == 1
        assert [join.value.failure for join in joins] == [None] * 3


def test_a_blocked_member_is_gone_until_it_is_unblocked(start: Start) -> None:
    one, other = free_addresses(2)
    node, _ = start(one, other), start(other, one)
    until(lambda: other in node.states())
    assert node.daemon.block(other)
    assert not node.daemon.block(other)
    assert node.blacklisted() == {other: "blocked"}
    with call(one) as sock:
        assert str(other).encode() not in in_thread(read_to_end, sock)
    assert node.daemon.join(other).failure == "blocked by hand"
    assert node.daemon.unblock(other)
    assert not node.daemon.unblock(other)
    until(lambda: other in node.states(), "the return of the unblocked one")


def test_names_are_looked_up_and_those_that_stand_for_nobody_are_told_and_tried_again(start: Start) -> None:
    one, other = free_addresses(2)
    bad = ["no-such-name.invalid:5001", "a..b:5001", f"{'x' * 70}.org:5001", "0.0.0.0:5001"]
    node = start(one, *bad, f"localhost:{other.port}")
    until(lambda: len(node.log.named("join_unresolved")) > 2 * len(bad), "the second try")
    assert {fields["name"] for fields in node.log.named("join_unresolved")} == set(bad)
    start(other)
    until(lambda: other in node.states(), "the join by name")


def test_a_look_up_that_hangs_is_made_once_and_holds_up_neither_the_rounds_nor_the_stop(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = free_addresses(1)
    lookups = []

    def resolve(name: str) -> list[Address]:
        lookups.append(name)
        gevent.sleep(60)
        raise AssertionError("not reached")

    monkeypatch.setattr(names, "resolve", resolve)
    node = start(one, "slow.example:5001")
    until(lambda: node.daemon.status().round > 10, "ten rounds")
    node.daemon.shut_down()
    assert lookups == ["slow.example:5001"]


# Start, stop and death.


def test_a_restart_finds_its_port_and_a_port_in_use_is_an_error(start: Start) -> None:
    (one,) = free_addresses(1)
    for _ in range(3):
        node = start(one)
        with call(one) as sock:
            assert in_thread(read_to_end, sock).startswith(str(one).encode())
        with pytest.raises(OSError, match="in use"):
            Running(one)
        node.daemon.shut_down()
        assert node.log.facts[-1] == ("node_stopped", {"round": node.daemon.status().round, "exit_status": 0})


def test_shutting_down_lets_an_open_pull_finish_and_begins_no_other(start: Start) -> None:
    one, slow, newcomer = free_addresses(3)
    asked, go_on = threading.Event(), threading.Event()

    def behave(conn: Any, peer: Peer) -> None:
        conn.sendall(f"{slow},1630281124,1\n{newcomer},1630281124,1\n".encode()[:-1])
        asked.set()
        go_on.wait(10)
        conn.sendall(b"\n")

    with Peer(behave, port=slow.port) as peer, Peer(sends(), port=newcomer.port) as other:
        node = start(one, slow, shutdown_s=10.0, quiet_s=0.9, jitter=0)
        until(asked.is_set, "the pull")
        stopping = gevent.spawn(node.daemon.shut_down)
        until(node.daemon.stopping.is_set)
        go_on.set()
        stopping.get(timeout=10)
        assert node.pulled(slow) == 1
        assert peer.faults == []
        with call(other.address) as sock:
            in_thread(read_to_end, sock)  # by then every earlier caller is known
        assert len(other.callers) == 1
    with pytest.raises(ConnectionRefusedError):
        call(one)


def test_shutting_down_takes_shutdown_s_at_most_and_ends_a_join_that_waits(start: Start) -> None:
    (one,) = free_addresses(1)
    with Peer(sends(keep_open=True)) as silent:
        node = start(one, shutdown_s=0.2)
        join = gevent.spawn(node.daemon.join, silent.address)
        until(lambda: silent.callers, "the join's pull")
        began = time.monotonic()
        node.daemon.shut_down()
        assert 0.15 < time.monotonic() - began < 0.9  # less than pull_timeout_s
        assert join.get(timeout=5).failure == "the node is stopping"
        assert node.daemon.join(silent.address).failure == "the node is stopping"
        assert len(silent.callers) == 1


def test_shutting_down_ends_callers_that_never_go(start: Start) -> None:
    (one,) = free_addresses(1)
    node = start(one)
    with call(one) as sock:
        assert in_thread(sock.recv, 100)
        node.daemon.shut_down()
        assert in_thread(read_to_end, sock) == b""


def test_a_round_that_crashes_is_told_and_stops_the_node(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = free_addresses(1)
    node = start(one)
    monkeypatch.setattr(node.daemon._node, "handle_timer", lambda timer, now: 1 / 0)
    assert node.daemon.stopping.wait(timeout=10)
    node.may_crash = True
    assert node.daemon.exit_status == 1
    (crash,) = node.log.named("greenlet_crashed")
    assert "ZeroDivisionError" in str(crash["traceback"])


def test_a_crash_in_one_pull_is_told_and_the_node_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = free_addresses(2)
    node, peer = start(one, other), start(other, one)
    until(lambda: other in node.states() and one in peer.states())
    monkeypatch.setattr(node.daemon._node._hearing, "table", lambda *args, **more: 1 / 0)
    until(lambda: node.log.named("greenlet_crashed"), "the report")
    monkeypatch.undo()
    node.may_crash = True
    assert (node.daemon.exit_status, node.daemon.stopping.is_set()) == (1, False)
    traces = [str(crash["traceback"]).splitlines()[-1] for crash in node.log.named("greenlet_crashed")]
    assert set(traces) == {"ZeroDivisionError: division by zero"}
    peer.daemon.set_state(5)
    until(lambda: node.states()[other] == 5, "news after the crash")


def test_a_crash_while_answering_is_told_and_the_node_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = free_addresses(1)
    node = start(one)
    monkeypatch.setattr(gevent.get_hub(), "print_exception", None)  # put back at the end
    report_hub_errors(node.daemon, node.log)
    with monkeypatch.context() as broken:
        broken.setattr(node.daemon._node, "answer", lambda *args: 1 / 0)
        with call(one) as sock:
            assert in_thread(read_to_end, sock) == b""
    (error,) = node.log.named("hub_error")
    assert "ZeroDivisionError" in str(error["traceback"])
    assert (node.daemon.exit_status, node.daemon.stopping.is_set()) == (1, False)
    with call(one) as sock:
        assert in_thread(read_to_end, sock).startswith(f"{one},".encode())
