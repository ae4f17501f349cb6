"""Gossip with a peer that behaves as the seed's nodes do, written only from PROTOCOL.md, section 1."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from gossip.core import events as ev
from tests.nodes import Start, running
from tests.peers import PATIENCE_S, Peer, free_addresses, in_thread, no_descriptor_left, until

pytestmark = pytest.mark.filterwarnings(
    "error::ResourceWarning", "error::pytest.PytestUnraisableExceptionWarning"
)

ADVERSARIAL = b"Gossiping something adversarial:)"


@pytest.fixture
def start() -> Iterator[Start]:
    with no_descriptor_left(), running() as start_one:
        yield start_one


class SeedNode:
    """A dozen lines of plain sockets: answers at once and holds the connection; pulls by short reads."""

    def __init__(self, line_by_line: bool) -> None:
        self.table: dict[str, tuple[int, int]] = {}
        self.line_by_line = line_by_line
        self.adversarial = False

    def serve(self, conn: socket.socket, peer: Peer) -> None:
        lines = [f"{address},{when},{state}" for address, (when, state) in list(self.table.items())]
        text = ADVERSARIAL if self.adversarial else "\n".join(lines).encode()
        for part in text.splitlines(keepends=True) if self.line_by_line else [text]:
            conn.sendall(part)
        peer.hold()

    def pull(self, host: str, port: int) -> bytes:
        data = b""
        with socket.create_connection((host, port), PATIENCE_S) as sock:
            while True:
                part = sock.recv(4096)
                data += part
                if len(part) < 4096:
                    break
        for line in data.decode("ascii").split("\n")[:256]:
            fields = line.split(",")
            if len(fields) == 3:
                address, entry = fields[0], (int(fields[1]), int(fields[2]))
                self.table[address] = max(entry, self.table.get(address, entry))
        return data


@pytest.mark.parametrize("line_by_line", [False, True])
def test_a_node_as_the_seed_gossips_both_ways(start: Start, line_by_line: bool) -> None:
    one, other = free_addresses(2)
    seed = SeedNode(line_by_line)
    with Peer(seed.serve) as peer:
        now = int(time.time())
        seed.table = {str(peer.address): (now, 1), str(other): (now - 9, 0)}
        node, third = start(one, peer.address, state=2), start(other, state=3)
        everybody = {one: 2, other: 3, peer.address: 1}
        until(lambda: node.states() == everybody, "the seed's node and whom it knows")

        in_thread(seed.pull, one.host, one.port)
        assert {address: state for address, (_, state) in seed.table.items()} == {
            str(address): state for address, state in everybody.items()
        }

        seed.table[str(peer.address)] = (now + 1, 7)
        until(lambda: node.states()[peer.address] == 7, "the seed's change of state")
        node.daemon.set_state(8)
        third.daemon.set_state(9)
        until(lambda: node.states()[other] == 9)
        in_thread(seed.pull, one.host, one.port)
        assert [seed.table[str(address)][1] for address in (one, other)] == [8, 9]
        pulls = [event for event in node.log.of(ev.PullFinished) if event.peer == peer.address]
        assert not any(event.rejected for event in pulls)
    assert peer.faults == []


def test_the_seeds_adversarial_sentence_is_struck_and_forgiven(start: Start) -> None:
    (one,) = free_addresses(1)
    seed = SeedNode(line_by_line=False)
    with Peer(seed.serve) as peer:
        seed.table = {str(peer.address): (int(time.time()), 1)}
        node = start(one, peer.address)
        until(lambda: peer.address in node.states())
        seed.adversarial = True
        until(lambda: node.blacklisted() == {peer.address: "misbehaving"}, "the blacklisting")
        rejected = [event for event in node.log.of(ev.PullFinished) if event.rejected]
        assert {(event.rejected["bad_fields"], event.sample) for event in rejected} == {
            (1, ADVERSARIAL.decode())
        }
        in_thread(seed.pull, one.host, one.port)
        assert list(seed.table) == [str(peer.address), str(one)]
        seed.adversarial = False
        until(lambda: peer.address in node.states(), "the forgiveness")


def test_our_adversarial_answer_adds_nothing_to_the_seeds_table(start: Start) -> None:
    (one,) = free_addresses(1)
    node = start(one)
    node.daemon.set_adversary("garbage")
    seed = SeedNode(line_by_line=False)
    assert in_thread(seed.pull, one.host, one.port) == ADVERSARIAL + b"\n"
    assert seed.table == {}
