"""Tables and replies by TLS, plain text beside it, and by which way a peer is called."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent.event import Event

from gossip.core.address import Address
from gossip.core.attacks import Step
from gossip.core.settings import ListenerSettings, ReplySettings, TlsSettings
from gossip.core.wire import End, Failure, Pulled
from gossip.net.tls import names
from gossip.net.tls.identity import load
from gossip.net.tls.problem import REQUIRED
from tests.nodes import pull_once, served
from tests.peers import ON_LOOPBACK, Peer, call, in_thread, read_to_end, until
from tests.tls_files import HOST, LIMITS, Party, hasty, serving, standard, written

pytestmark = ON_LOOPBACK

LINE = b"127.0.0.1:5001,1630281124,1\n"
TABLE = LINE + b"\n"  # as every node serves it
LARGE = LINE * 15_000 + b"\n"  # 420 kB
REPLY = b"#from 127.0.0.1:5001\n10.0.0.9:5001,1630282399,4\n\n"
SLOW = ListenerSettings(answer_timeout_s=30)


def whole(table: bytes) -> Pulled:
    return Pulled(table.removesuffix(b"\n"), End.EMPTY_LINE)


@pytest.fixture
def ours(tmp_path: Path) -> TlsSettings:
    return written(tmp_path / "n1")


# TLS on both sides.


@pytest.mark.parametrize("table", [TABLE, LARGE])
def test_a_table_and_a_reply_arrive_whole_by_tls(ours: TlsSettings, table: bytes) -> None:
    replies: list[tuple[str, Pulled, frozenset[str]]] = []
    listening, calling = Party(ours), Party(ours)
    with serving(listening, lambda _: table, SLOW, replies=replies) as address:
        result = calling.pull(address, REPLY)
        until(lambda: replies, "the reply")
    assert result == whole(table)
    assert replies == [(HOST, Pulled(REPLY[:-1], End.EMPTY_LINE), frozenset({HOST}))]
    assert listening.refused() == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_caller_with_another_library_is_answered_and_gets_a_graceful_end(
    ours: TlsSettings, version: ssl.TLSVersion
) -> None:
    context = standard(ours, ssl.Purpose.SERVER_AUTH)
    context.maximum_version = version

    def dialogue(address: Address) -> bytes:
        with call(address) as sock, context.wrap_socket(sock, suppress_ragged_eofs=False) as tls:
            return read_to_end(tls)  # without a close_notify it would raise

    with serving(Party(ours), lambda _: LARGE, SLOW) as address:
        assert in_thread(dialogue, address) == LARGE


def test_a_peer_with_another_library_is_pulled_from(ours: TlsSettings) -> None:
    context = standard(ours, ssl.Purpose.CLIENT_AUTH)
    heard: list[bytes] = []

    def behave(conn: socket.socket, peer: Peer) -> None:
        with context.wrap_socket(conn, server_side=True) as tls:
            tls.sendall(TABLE)
            heard.append(tls.recv(4096))

    with Peer(behave) as peer:
        assert Party(ours).pull(peer.address, REPLY) == whole(TABLE)
    assert heard == [REPLY]


def test_a_table_that_is_cut_off_without_tls_saying_so_is_not_taken_for_whole(ours: TlsSettings) -> None:
    context = standard(ours, ssl.Purpose.CLIENT_AUTH)

    def behave(conn: socket.socket, peer: Peer) -> None:
        with context.wrap_socket(conn, server_side=True) as tls:
            tls.sendall(LINE + LINE[:9])
            tls.shutdown(socket.SHUT_WR)  # a FIN, as anybody on the way can forge it
            peer.hold()

    with Peer(behave) as peer:
        assert Party(ours).pull(peer.address) == Pulled(LINE + LINE[:9], End.RESET)


def test_an_answer_over_time_goes_by_tls_too(ours: TlsSettings) -> None:
    def drip(_: str) -> Iterator[Step]:
        yield LINE
        yield 0.05
        yield b"\n"

    with serving(Party(ours), drip) as address:
        assert Party(ours).pull(address) == whole(TABLE)


def test_beyond_max_waiting_the_table_is_served_and_no_reply_waited_for(ours: TlsSettings) -> None:
    replies: list[object] = []
    with serving(
        Party(ours), lambda _: TABLE, reply=ReplySettings(max_waiting=0), replies=replies
    ) as address:
        assert Party(ours).pull(address, REPLY) == whole(TABLE)
        assert Party(ours).pull(address) == whole(TABLE)
    assert replies == []


# A certificate for a name: the system's name service decides for which IP.


def test_a_certificate_with_a_name_that_leads_to_the_peer_is_as_good_as_one_with_its_ip(
    tmp_path: Path,
) -> None:
    named = written(tmp_path / "named", "localhost")
    replies: list[tuple[str, Pulled, frozenset[str]]] = []
    with serving(Party(named), lambda _: TABLE, replies=replies) as address:
        assert Party(named).pull(address, REPLY) == whole(TABLE)
        until(lambda: replies, "the reply")
    assert HOST in replies[0][2]


def test_the_name_service_is_asked_once_and_no_longer_than_there_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def resolve(name: str) -> list[Address]:
        asked.append(name)
        if name.startswith("hangs"):
            gevent.sleep(60)
        if name.startswith("gone"):
            raise socket.gaierror("no such name")
        return [Address("10.0.0.7", 1)]

    monkeypatch.setattr(names, "resolve", resolve)
    monkeypatch.setattr(names, "_UNFOUND_KEPT_S", 60.0)  # this machine may be slow
    dns = ("gone.test", "hangs.test", "there.test", "*.wild.test", "10.0.0.9")
    cert = load(written(tmp_path / "n1", *dns)).cert
    found, deadline = names.Names(), time.monotonic() + 0.05
    assert found.is_for(cert, "10.0.0.9", deadline)
    assert asked == []  # its IP is in the certificate
    assert not found.is_for(cert, "10.0.0.7", deadline)  # too late to ask for the third
    for _ in range(3):
        assert found.hosts_of(cert, deadline + 60) == {"10.0.0.7", "10.0.0.9"}
    assert asked == ["gone.test:1", "hangs.test:1", "there.test:1"]


def test_a_look_up_that_hangs_is_not_begun_again_and_its_late_answer_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one holds a thread of the pool that snapshots are written in."""
    asked: list[str] = []
    answers = Event()

    def resolve(name: str) -> list[Address]:
        asked.append(name)
        answers.wait()
        return [Address("10.0.0.7", 1)]

    monkeypatch.setattr(names, "resolve", resolve)
    monkeypatch.setattr(names, "_UNFOUND_KEPT_S", 0.0)
    cert, found = load(written(tmp_path / "n1", "hangs.test")).cert, names.Names()
    for _ in range(3):
        assert found.hosts_of(cert, time.monotonic() + 0.01) == frozenset()
    answers.set()
    assert found.hosts_of(cert, time.monotonic() + 5) == {"10.0.0.7"}
    assert found.hosts_of(cert, time.monotonic() + 5) == {"10.0.0.7"}
    assert asked == ["hangs.test:1"]


def test_a_name_that_is_not_found_is_asked_for_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name service that is away for a moment must not cost a peer five pulls."""
    answers: list[list[Address]] = []
    clock = [100.0]

    def resolve(name: str) -> list[Address]:
        if not answers:
            raise socket.gaierror("try again")
        return answers.pop()

    monkeypatch.setattr(names, "resolve", resolve)
    monkeypatch.setattr(names, "monotonic", lambda: clock[0])
    cert, found = load(written(tmp_path / "n1", "there.test")).cert, names.Names()
    assert found.hosts_of(cert, 99.0) == frozenset()  # too late to ask, so nothing is known
    answers.append([Address("10.0.0.7", 1)])
    assert found.hosts_of(cert, 110.0) == {"10.0.0.7"}
    clock[0] += 61
    assert found.hosts_of(cert, 170.0) == frozenset()  # asked in vain
    answers.append([Address("10.0.0.7", 1)])
    assert found.hosts_of(cert, 170.0) == frozenset()  # not asked within a second
    clock[0] += 1.1
    assert found.hosts_of(cert, 170.0) == {"10.0.0.7"}


# Beside plain text.


def test_who_prefers_tls_serves_plain_callers_as_ever_and_hears_their_replies(tmp_path: Path) -> None:
    replies: list[tuple[str, Pulled]] = []
    prefers = Party(written(tmp_path / "n1", mode="prefer"))
    with serving(prefers, lambda _: LARGE, SLOW, replies=replies) as address:
        result = pull_once(address, LIMITS, None, REPLY)
        until(lambda: replies, "the reply")
        with call(address, b"GET / HTTP/1.1\r\n\r\n") as sock:  # no need to wait for a ClientHello
            assert in_thread(read_to_end, sock) == LARGE
    assert result == whole(LARGE)
    assert replies[0] == (HOST, Pulled(REPLY[:-1], End.EMPTY_LINE))
    assert prefers.refused() == []


def test_who_prefers_tls_pulls_plain_text_from_who_has_no_tls_and_for_a_while_that_at_once(
    tmp_path: Path,
) -> None:
    replies: list[tuple[str, Pulled]] = []
    prefers = Party(written(tmp_path / "n1", mode="prefer"))
    with served(lambda _: TABLE, replies=replies) as address:
        for _ in range(3):
            assert prefers.pull(address, REPLY) == whole(TABLE)
        until(lambda: len(replies) == 4, "three replies and one ClientHello")
    first, *others = (reply.data for _, reply in replies)
    assert first.startswith(b"\x16\x03")
    assert others == [REPLY[:-1]] * 3


def test_a_peer_that_has_moved_to_tls_since_is_pulled_by_tls_within_the_same_pull(tmp_path: Path) -> None:
    prefers = Party(written(tmp_path / "n1", mode="prefer"))
    with serving(Party(hasty(written(tmp_path / "n2"))), lambda _: TABLE) as address:
        prefers.tls.found(address, is_plain=True)
        assert prefers.pull(address) == whole(TABLE)
        assert prefers.tls.ways(address)[0] is not None


def test_a_table_that_was_not_asked_for_is_read_to_its_end_before_the_call_in_plain_text(
    tmp_path: Path,
) -> None:
    went_early: list[bool] = []

    def seed(conn: socket.socket, peer: Peer) -> None:
        for _ in range(20):
            conn.sendall(LINE)
            peer.over.wait(0.01)
        conn.shutdown(socket.SHUT_WR)
        went_early.append(False)

    with Peer(seed) as peer:
        result = Party(written(tmp_path / "n1", mode="prefer")).pull(peer.address)
        assert result == Pulled(LINE * 20, End.CLOSED)
    assert (went_early, peer.faults) == ([False, False], [])


def test_who_requires_tls_takes_nothing_from_a_plain_peer(ours: TlsSettings) -> None:
    with served(lambda _: TABLE) as address:
        result = Party(ours).pull(address)
    assert result == Failure(
        "tls_plain_peer", detail="it answered in plain text: its tls.mode is off, or it has none"
    )


def test_who_speaks_plain_text_is_told_that_tls_is_required(ours: TlsSettings) -> None:
    with serving(Party(hasty(ours)), lambda _: TABLE) as address:
        with call(address) as sock:
            assert in_thread(read_to_end, sock) == REQUIRED
        result = pull_once(address, LIMITS, None)
    told = "it speaks TLS only: set tls.mode to prefer or require here"
    assert result == Failure("tls_required", len(REQUIRED), detail=told)


def test_a_peer_that_is_away_is_called_by_tls_first_when_it_is_back(tmp_path: Path) -> None:
    prefers = Party(written(tmp_path / "n1", mode="prefer"))
    with served(lambda _: TABLE) as address:
        assert prefers.pull(address) == whole(TABLE)
        assert prefers.tls.ways(address)[0] is None
    assert prefers.pull(address) == Failure("refused")
    assert prefers.tls.ways(address)[0] is not None


def test_whom_is_known_to_speak_plain_text_is_bounded(ours: TlsSettings, tmp_path: Path) -> None:
    tls = Party(written(tmp_path / "n2", mode="prefer")).tls
    peers = [Address("10.0.0.1", port) for port in range(1, 5001)]
    for peer in peers:
        tls.found(peer, is_plain=True)
    ways = [tls.ways(peer)[0] is None for peer in peers]
    assert (sum(ways), ways[0], ways[-1]) == (4096, False, True)
