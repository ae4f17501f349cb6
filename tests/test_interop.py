"""Who gossips with whom: the seed's kind, nodes that met by a reply, on every sort of address.

The peer that behaves as the seed's nodes do is written only from PROTOCOL.md, section 1.
"""

from __future__ import annotations

import os
import socket
import time

import pytest

from gossip.core import events as ev
from gossip.core.address import Address
from tests.nodes import Start
from tests.peers import (
    ON_LOOPBACK,
    PATIENCE_S,
    Peer,
    free_addresses,
    in_thread,
    say,
    sends,
    until,
)

pytestmark = ON_LOOPBACK

ADVERSARIAL = b"Gossiping something adversarial:)"


class SeedNode:
    """A dozen lines of plain sockets: answers at once and holds the connection; pulls as its kind does.

    `reading`: by short reads, by one read, or to the end. `heard` is what callers sent; `complaints` are
    what it would print.
    """

    def __init__(self, line_by_line: bool, reading: str = "short") -> None:
        self.table: dict[str, tuple[int, int]] = {}
        self.line_by_line = line_by_line
        self.reading = reading
        self.adversarial = False
        self.heard: list[bytes] = []
        self.complaints: list[str] = []

    def serve(self, conn: socket.socket, peer: Peer) -> None:
        lines = [f"{address},{when},{state}" for address, (when, state) in list(self.table.items())]
        text = ADVERSARIAL if self.adversarial else "\n".join(lines).encode()
        for part in text.splitlines(keepends=True) if self.line_by_line else [text]:
            conn.sendall(part)
        self.heard.append(conn.recv(4096))
        peer.hold()

    def pull(self, host: str, port: int) -> bytes:
        with socket.create_connection((host, port), PATIENCE_S) as sock:
            data = sock.recv(1024 if self.reading == "once" else 4096)
            more = data if self.reading != "once" else b""
            while more and (self.reading == "to_end" or len(more) == 4096):
                more = sock.recv(4096)
                data += more
        for line in data.decode("ascii").split("\n")[:256]:
            fields = line.strip().split(",")
            if len(fields) == 3:
                address, entry = fields[0], (int(fields[1]), int(fields[2]))
                self.table[address] = max(entry, self.table.get(address, entry))
            elif line.strip():
                self.complaints.append(line)
        return data


@pytest.mark.parametrize(
    ("line_by_line", "reading"), [(False, "short"), (True, "short"), (False, "once"), (False, "to_end")]
)
def test_a_node_as_the_seed_gossips_both_ways(start: Start, line_by_line: bool, reading: str) -> None:
    one, other = free_addresses(2)
    seed = SeedNode(line_by_line, reading)
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
        assert not node.log.of(ev.ReplyRefused)
        for one_of_ours in (node, third):
            one_of_ours.daemon.shut_down()
    assert (peer.faults, seed.complaints) == ([], [])
    assert set(seed.heard) == {b""}  # nobody replies to a table without the empty line


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


# Nodes that meet.

HAS_IPV6 = pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="the machine has no IPv6")


@pytest.mark.parametrize(
    ("host", "listen", "joining_host", "joining_listen"),
    [
        ("127.0.0.1", "", "127.0.0.1", ""),
        ("127.0.0.1", "", "127.0.0.2", ""),  # it calls from the address that it listens on
        ("127.0.0.1", "0.0.0.0", "127.0.0.2", ""),
        ("127.0.0.2", "", "127.0.0.1", "0.0.0.0"),
        pytest.param("::1", "", "::1", "", marks=HAS_IPV6),
        pytest.param("::1", "[::]", "::1", "[::]", marks=HAS_IPV6),
        pytest.param(
            "127.0.0.1", "[::]", "127.0.0.2", "", marks=HAS_IPV6
        ),  # an IPv4 caller, as IPv6 tells it
        pytest.param("127.0.0.1", "[::]", "127.0.0.1", "[::]", marks=HAS_IPV6),
    ],
)
def test_a_join_works_both_ways(
    start: Start, host: str, listen: str, joining_host: str, joining_listen: str
) -> None:
    def settings(address: Address, wildcard: str) -> dict[str, str]:
        return {"listen": f"{wildcard}:{address.port}", "advertise": str(address)} if wildcard else {}

    (one,) = free_addresses(1, host)
    other = next(address for address in free_addresses(2, joining_host) if address.port != one.port)
    node = start(one, state=1, **settings(one, listen))
    joining = start(other, one, state=2, **settings(other, joining_listen))
    until(lambda: node.states() == joining.states() == {one: 1, other: 2}, "both at both")
    assert node.learned_from()[other] == "caller"
    joining.daemon.set_state(7)
    node.daemon.set_state(8)
    until(lambda: node.states() == joining.states() == {one: 8, other: 7}, "the changes at both")
    assert not node.log.of(ev.ReplyRefused) + joining.log.of(ev.ReplyRefused)


def test_six_that_know_one_of_them_come_to_know_each_other(start: Start) -> None:
    addresses = free_addresses(6)
    star = [start(address, *addresses[: min(i, 1)], state=i) for i, address in enumerate(addresses)]
    everybody = {address: i for i, address in enumerate(addresses)}
    until(lambda: all(one.states() == everybody for one in star), "all six at all six")
    star[3].daemon.set_state(9)
    everybody[addresses[3]] = 9
    until(lambda: all(one.states() == everybody for one in star), "the change at all six")


def test_a_change_is_known_to_those_who_are_poked_before_anybodys_next_round(start: Start) -> None:
    one, *others = free_addresses(3)
    node = start(one, interval_s=3600)
    rest = [start(address, one, interval_s=3600) for address in others]
    until(lambda: len(node.states()) == 3 and all(one in other.states() for other in rest), "the joins")
    node.daemon.set_state(6)
    until(lambda: all(other.states().get(one) == 6 for other in rest), "the change at both others")
    assert all(running_one.daemon.status().round <= 1 for running_one in (node, *rest))


def test_clusters_of_different_names_never_merge_and_say_why_once(start: Start) -> None:
    addresses = free_addresses(5)
    names = ["red", "red", "blue", "blue", ""]
    nodes = [start(a, *addresses, cluster=name) for a, name in zip(addresses, names, strict=True)]
    own = [{a for a, n in zip(addresses, names, strict=True) if n == name} for name in names[:4]]
    named = nodes[:4]
    until(lambda: all({*node.states()} == own[i] for i, node in enumerate(named)), "two clusters")
    until(lambda: addresses[4] in {event.peer for event in nodes[0].log.of(ev.ClusterMismatch)})
    # The one without a name asks all others and tells them of each other; those of a name do not listen.
    until(lambda: all(node.daemon.status().round > 30 for node in nodes), "thirty rounds")
    for i, node in enumerate(named):
        assert {*node.states()} == own[i]
        added = {event.member for event in node.log.of(ev.MemberAdded)}
        assert added == own[i] - {node.address}
        mismatches = node.log.of(ev.ClusterMismatch)
        assert {event.ours for event in mismatches} == {names[i]}
        assert len(mismatches) == len({event.peer for event in mismatches}) >= 1
        for event in mismatches:
            assert event.theirs == names[addresses.index(event.peer)] != names[i]


def test_a_reply_must_come_from_the_ip_that_it_names(start: Start) -> None:
    one, honest, forged = *free_addresses(1), *free_addresses(1, "127.0.0.2"), *free_addresses(1, "127.0.0.3")
    node = start(one)
    now = int(time.time())
    with (
        Peer(sends(f"{forged},{now},3\n".encode()), forged.host, forged.port) as aimed_at,
        Peer(sends(f"{honest},{now},2\n".encode()), honest.host, honest.port),
    ):
        for reply in (f"#from {forged}\n", f"#from {one}\n", f"{forged},{now},3\n", "#from nobody\n", "\0"):
            say(one, sends(f"{reply}{forged},{now},3\n#suspect {one}\n\n".encode()), honest.host)
        reasons = ["forged_from", "forged_from", "no_from", "bad_from", "no_from"]
        until(lambda: len(node.log.of(ev.ReplyRefused)) == len(reasons), "the refusals")
        refused = sorted((event.caller, event.reason) for event in node.log.of(ev.ReplyRefused))
        assert refused == sorted((honest.host, reason) for reason in reasons)
        # Its own address is right; what a stranger says of others is not listened to.
        say(one, sends(f"#from {honest}\n{forged},{now},3\n\n".encode()), honest.host)
        until(lambda: honest in node.states(), "the caller that told the truth")
        until(lambda: node.pulled(honest) > 5, "some rounds")
        assert (node.states(), aimed_at.callers) == ({one: 0, honest: 2}, [])
    assert node.learned_from()[honest] == "caller"
