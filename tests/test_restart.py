"""Leaving and coming back: the leaving notice, a stop within its time, and what a data folder keeps."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path

import pytest

from gossip import keeper
from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.snapshot import Snapshot
from gossip.store import Store, StoreError
from tests.nodes import Running, Start
from tests.peers import ON_LOOPBACK, Peer, free_addresses, say, sends, until

pytestmark = ON_LOOPBACK


@pytest.fixture(autouse=True)
def saves_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_EVERY_S", 0.05)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def on_disk(folder: str, address: Address) -> Snapshot | None:
    """Return what a crash would leave now."""
    copy = f"{folder}-copy"
    store = Store(copy, address)
    if (path := Path(folder, store.path.name)).exists():
        shutil.copy(path, copy)
    try:
        return store.load()
    finally:
        store.close()
        shutil.rmtree(copy)


def kept_members(folder: str, address: Address) -> set[Address]:
    kept = on_disk(folder, address)
    return {member.entry.address for member in kept.members} if kept is not None else set()


# Leaving.


def test_those_who_are_told_that_a_member_leaves_blacklist_it_at_the_first_failure(start: Start) -> None:
    addresses = free_addresses(4)
    nodes = [start(address, *addresses, failures=100) for address in addresses]
    until(lambda: all(len(node.states()) == 4 for node in nodes), "four members at all four")
    leaver, *rest = nodes
    leaver.daemon.shut_down()
    until(lambda: all(node.blacklisted() == {leaver.address: "left"} for node in rest), "the news at all")
    assert all([e.member for e in node.log.of(ev.LeavingHeard)] == [leaver.address] for node in rest)
    # Whoever listens there again is a member again.
    start(leaver.address, state=4)
    until(lambda: all(node.states().get(leaver.address) == 4 for node in rest), "the return")


def test_nobody_else_can_say_that_a_member_leaves(start: Start) -> None:
    one, other, third = free_addresses(3)
    nodes = [start(address, one, other, third) for address in (one, other)]
    now = int(time.time())
    with Peer(sends(f"{third},{now},1\n".encode()), port=third.port) as peer:
        until(lambda: all(len(node.states()) == 3 for node in nodes), "three members")
        say(one, sends(f"#from {third}\n#leaving {other}\n\n".encode()))
        until(lambda: nodes[0].log.of(ev.ReplyRead), "the reply")
        calls = len(peer.callers)
        until(lambda: len(peer.callers) > calls + 5, "some rounds")
        for node in nodes:
            node.daemon.shut_down()
    assert not nodes[0].log.of(ev.LeavingHeard)
    assert not nodes[0].blacklisted()


def test_silent_members_hold_up_a_stop_for_shutdown_s_at_most_and_all_is_kept(
    start: Start, folder: str
) -> None:
    (one,) = free_addresses(1)
    is_silent: list[bool] = []

    def behave(conn: socket.socket, peer: Peer) -> None:
        if is_silent:
            peer.hold()
        conn.sendall(f"{peer.address},1630281124,1\n".encode())

    with Peer(behave) as first, Peer(behave) as second, Peer(behave) as third:
        peers = {peer.address for peer in (first, second, third)}
        node = start(one, *peers, pull_timeout_s=30.0, shutdown_s=0.8, data_dir=folder)
        until(lambda: {*node.states()} == {one, *peers}, "three members")
        is_silent.append(True)
        began = time.monotonic()
        node.daemon.shut_down()
        assert 0.5 < time.monotonic() - began < 10  # the pull's time-out is 30
        assert kept_members(folder, one) == peers
        assert node.log.facts[-1][0] == "node_stopped"
        node.daemon.shut_down()
        assert len(node.log.named("node_stopped")) == 1


# Coming back.


def test_a_restarted_node_rejoins_without_a_join(start: Start, folder: str) -> None:
    one, other, third = free_addresses(3)
    for end in (Running.vanish, Running.shut_down):
        own = f"{folder}-{end.__name__}"  # one that vanished may be amid saving
        rest = [start(other, state=2), start(third, other, state=3)]
        node = start(one, other, state=1, data_dir=own)
        until(lambda: kept_members(own, one) == {other, third}, "both members on disk")  # noqa: B023
        end(node)
        again = start(one, state=5, data_dir=own)
        assert again.states() == {one: 5, other: 2, third: 3}
        rest[0].daemon.set_state(8)
        until(lambda: again.states().get(other) == 8, "news after the restart")  # noqa: B023
        until(lambda: all(one_of.states().get(one) == 5 for one_of in rest), "the new state at the others")  # noqa: B023
        for stopped in (*rest, again):
            stopped.vanish()


def test_blocks_and_the_blacklist_are_kept(start: Start, folder: str) -> None:
    one, blocked, refused, alive = free_addresses(4)
    peer = start(alive)
    start(blocked)
    node = start(one, alive, data_dir=folder)
    until(lambda: alive in node.states())
    assert node.daemon.block(blocked)
    node.daemon.join(refused)
    before = node.blacklisted()
    assert before == {blocked: "blocked", refused: "refused"}
    until(lambda: len((on_disk(folder, one) or Snapshot(one, 0, (), ())).blacklist) == 2, "both on disk")
    node.vanish()
    node = start(one, data_dir=folder)
    assert node.blacklisted() == before
    assert node.daemon.join(blocked).failure == "blocked by hand"
    start(refused)
    until(lambda: refused in node.states(), "the retry, and its success")
    assert node.blacklisted() == {blocked: "blocked"}
    assert node.daemon.unblock(blocked)
    node.daemon.shut_down()
    node = start(one, data_dir=folder)
    until(lambda: {blocked, refused, alive} <= {*node.states()}, "the unblocked one among the members")
    assert peer.states()


def test_own_timestamps_never_fall_across_crashes_also_in_a_burst_of_changes(
    start: Start, folder: str
) -> None:
    (one,) = free_addresses(1)
    last = 0
    for _ in range(3):
        node = start(one, data_dir=folder)
        until(lambda: on_disk(folder, one), "the first save")
        assert node.daemon.members()[0].entry.timestamp >= last
        for i in range(50):
            last = node.daemon.set_state(i % 10).timestamp
            if i % 5 == 0:
                kept = on_disk(folder, one)
                assert kept is not None
                assert max(kept.last_timestamp, time.time()) >= last
        node.vanish()
    again = start(one, data_dir=folder)
    assert again.daemon.members()[0].entry.timestamp > last


def test_restarts_in_quick_succession_do_not_drive_the_own_timestamp_ahead(start: Start, folder: str) -> None:
    (one,) = free_addresses(1)
    for _ in range(10):
        node = start(one, data_dir=folder)
        own = node.daemon.members()[0].entry
        until(lambda: on_disk(folder, one), "a save")
        node.vanish()
    assert own.timestamp <= time.time() + 12


@pytest.mark.parametrize(
    "damage", [b"", b"\0" * 99, b'{"format":"gossipd snapshot","version":9,"sha256":""}\n']
)
def test_a_damaged_file_is_told_and_set_aside_and_the_node_starts(
    start: Start, folder: str, damage: bytes
) -> None:
    one, other = free_addresses(2)
    start(other)
    node = start(one, other, data_dir=folder)
    until(lambda: kept_members(folder, one) == {other}, "the member on disk")
    node.daemon.shut_down()
    (path,) = Path(folder).glob("*.json")
    for number in (1, 2):
        path.write_bytes(damage)
        node = start(one, other, data_dir=folder)
        (told,) = node.log.named("snapshot_damaged")
        assert told["path"] == str(path)
        assert told["set_aside"] == str(path.with_suffix(f".damaged-{number}"))
        until(lambda: kept_members(folder, one) == {other}, "the member on disk again")
        node.daemon.shut_down()
    assert [aside.read_bytes() for aside in Path(folder).glob("*.damaged-*")] == [damage, damage]


# The folder's lock.


def test_a_second_node_on_the_same_folder_and_address_is_refused(start: Start, folder: str) -> None:
    one, other = free_addresses(2)
    node = start(one, data_dir=folder)
    with pytest.raises(StoreError, match="another process runs"):
        Running(one, data_dir=folder)
    start(other, data_dir=folder)
    node.daemon.shut_down()
    node = start(one, data_dir=folder)
    assert other not in node.states()


def test_who_cannot_start_lets_go_of_the_folder_and_leaves_it_as_it_was(start: Start, folder: str) -> None:
    one, other = free_addresses(2)
    start(other)
    node = start(one, other, data_dir=folder)
    until(lambda: kept_members(folder, one) == {other}, "the member on disk")
    node.vanish()
    kept = on_disk(folder, one)
    holder = start(one)
    with pytest.raises(OSError, match="in use"):
        Running(one, data_dir=folder)
    assert on_disk(folder, one) == kept
    holder.daemon.shut_down()

    (path,) = Path(folder).glob("*.json")
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        Running(one, data_dir=folder)
    path.rmdir()
    start(one, data_dir=folder)
