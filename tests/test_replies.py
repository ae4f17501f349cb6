"""Replies on the wire: what a puller sends behind the table, and callers that say anything at all."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from gossip import daemon as daemon_module
from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.hearing import Hearing
from gossip.core.settings import ListenerSettings, PullSettings, ReplySettings
from gossip.core.wire import End, Failure, Pulled
from tests.nodes import Start, pull_once, served
from tests.peers import (
    ON_LOOPBACK,
    Behaviour,
    Crowd,
    Peer,
    call,
    free_addresses,
    in_thread,
    is_connected,
    read_to_end,
    reset,
    say,
    sends,
    sends_for_ever,
    until,
)

pytestmark = ON_LOOPBACK

LIMITS = PullSettings(pull_timeout_s=1.0, quiet_s=0.15, max_bytes=65_536, max_lines=1_000)
PATIENT = PullSettings(pull_timeout_s=20.0, quiet_s=10.0, max_bytes=2 * 1024 * 1024, max_lines=100_000)
SLOW = ListenerSettings(answer_timeout_s=30)
SMALL = ReplySettings(reply_timeout_s=0.5, max_bytes=4096, max_lines=32)
LINE = b"127.0.0.1:5001,1630281124,1\n"
TABLE = b"".join(b"10.0.0.%d:7000,1630281124,%d\n" % (i, i % 10) for i in range(1, 10))
REPLY = b"#from 127.0.0.1:5001\n" + LINE
LARGE = LINE * 20_000 + b"\n"


def is_answered(address: Address, table: bytes) -> bool:
    result = pull_once(address, PATIENT, None)
    return isinstance(result, Pulled) and result.data + b"\n" == table and result.end is End.EMPTY_LINE


# The puller.


def test_the_reply_is_sent_once_the_table_has_ended_and_then_the_side_is_ended() -> None:
    heard: list[bytes] = []

    def behave(conn: socket.socket, peer: Peer) -> None:
        conn.sendall(TABLE + b"\n")
        conn.shutdown(socket.SHUT_WR)
        heard.append(read_to_end(conn))

    for reply in (REPLY, None):
        with Peer(behave) as peer:
            assert pull_once(peer.address, PATIENT, None, reply) == Pulled(TABLE, End.EMPTY_LINE)
        assert (heard.pop(), peer.faults) == (reply or b"", [])


def test_a_reply_that_nobody_reads_ends_with_the_pull() -> None:
    began = time.monotonic()
    with Peer(sends(TABLE + b"\n", keep_open=True)) as peer:
        assert pull_once(peer.address, LIMITS, None, b"x" * 64_000_000) == Pulled(TABLE, End.EMPTY_LINE)
        assert 0.9 < time.monotonic() - began < 5


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
@pytest.mark.parametrize("size", [100, 64_000_000])
def test_a_peer_that_leaves_after_its_table_does_not_hurt(
    leave: Callable[[socket.socket], None], size: int
) -> None:
    def behave(conn: socket.socket, peer: Peer) -> None:
        conn.sendall(TABLE + b"\n")
        if size > 100:
            conn.recv(1)  # in the midst of the reply; what is unread at a close resets
        leave(conn)

    with Peer(behave) as peer:
        for _ in range(10):
            result = pull_once(peer.address, PATIENT, None, b"x" * size)
            # A reset may overtake the table's end.
            assert isinstance(result, Failure) or result.data == TABLE


OWN = "{own},1630281124,1\n"


@pytest.mark.parametrize(
    ("parts", "keep_open", "end"),
    [
        ([OWN], False, End.CLOSED),
        ([OWN], True, End.QUIET),
        ([OWN * 20_000], False, End.MAX_LINES),
        (["{own},1630281124,1"], True, End.QUIET),
        ([OWN + "\n"], True, End.EMPTY_LINE),
        ([OWN + "\r\n"], False, End.EMPTY_LINE),
    ],
)
def test_a_node_replies_after_an_empty_line_only(
    start: Start, parts: list[str], keep_open: bool, end: End
) -> None:
    one, other = free_addresses(2)
    heard: list[bytes] = []

    def behave(conn: socket.socket, peer: Peer) -> None:
        conn.sendall("".join(parts).format(own=other).encode())
        if not keep_open:
            conn.shutdown(socket.SHUT_WR)
        heard.append(read_to_end(conn))

    with Peer(behave, port=other.port) as peer:
        node = start(one, other, state=7)
        until(lambda: len(heard) > 2, "three pulls")
        assert {event.end for event in node.log.of(ev.PullFinished)} == {end}
        own = node.daemon.members()[0].entry
        node.daemon.shut_down()
    if end is End.EMPTY_LINE:
        said = f"#from {one}\n{one},{own.timestamp},7\n"
        assert set(heard) <= {f"{said}\n".encode(), f"{said}#leaving {one}\n\n".encode()}
    else:
        assert set(heard) == {b""} or end is End.MAX_LINES
        assert not any(b"#" in said for said in heard)
    assert peer.faults == [] or end is End.MAX_LINES  # what is not read any more is reset


@pytest.fixture
def open_pulls(monkeypatch: pytest.MonkeyPatch) -> list[Address]:
    """The peers that a daemon has a connection to; it never has two to one peer."""
    found: list[Address] = []
    real = daemon_module.pull

    def counted(peer: Address, *rest: Any) -> None:
        assert peer not in found  # else the node's greenlet crashes, which fails the test
        found.append(peer)
        try:
            real(peer, *rest)
        finally:
            found.remove(peer)

    monkeypatch.setattr(daemon_module, "pull", counted)
    return found


@pytest.mark.parametrize("timeout_s", [0.4, 30.0])
def test_a_peer_that_takes_no_reply_has_one_connection_at_a_time_and_holds_up_no_stop(
    start: Start, open_pulls: list[Address], monkeypatch: pytest.MonkeyPatch, timeout_s: float
) -> None:
    monkeypatch.setattr(Hearing, "_reply_to", lambda *_: b"x" * 64_000_000)
    one, other = free_addresses(2)
    with Peer(sends(f"{other},1630281124,1\n\n".encode(), keep_open=True), port=other.port) as peer:
        node = start(one, other, pull_timeout_s=timeout_s)
        until(lambda: other in node.states(), "the table")
        before = node.daemon.status().round
        if timeout_s < 1:
            until(lambda: len(peer.callers) >= 3, "pulls while replies are stuck")
            assert node.daemon.join(other).is_member
        until(lambda: node.daemon.status().round > before + 3, "a pull that waits for the one before")
        began = time.monotonic()
        node.daemon.shut_down()
        assert time.monotonic() - began < 10
        until(lambda: not open_pulls, "the end of all pulls", timeout_s=10)


# The listener.


def test_the_listener_ends_its_side_before_it_waits_for_the_reply() -> None:
    replies: list[tuple[str, Pulled]] = []
    with served(lambda _: LARGE, SLOW, replies=replies) as address, call(address) as sock:
        assert in_thread(read_to_end, sock) == LARGE  # it waits for 30 s still
        sock.sendall(REPLY + b"\n")
        until(lambda: replies)
        assert replies == [("127.0.0.1", Pulled(REPLY, End.EMPTY_LINE))]


def in_bytes(data: bytes) -> Behaviour:
    return sends(*(bytes([byte]) for byte in data))


def half_and_reset(conn: socket.socket, _: Peer) -> None:
    conn.sendall(REPLY[:-9])
    reset(conn)


def drip(conn: socket.socket, peer: Peer) -> None:
    conn.sendall(REPLY)
    sends_for_ever(b"x", 0.02)(conn, peer)


DOS = REPLY.replace(b"\n", b"\r\n")
CUT = Pulled(b"x" * SMALL.max_bytes, End.MAX_BYTES)


@pytest.mark.parametrize(
    ("behave", "heard"),
    [
        (sends(REPLY + b"\n"), Pulled(REPLY, End.EMPTY_LINE)),
        (sends(REPLY), Pulled(REPLY, End.CLOSED)),
        (sends(REPLY[:-1]), Pulled(REPLY[:-1], End.CLOSED)),
        (sends(DOS + b"\r\n"), Pulled(DOS, End.EMPTY_LINE)),
        (in_bytes(REPLY + b"\n"), Pulled(REPLY, End.EMPTY_LINE)),
        (sends(REPLY, b"\n", b"and more\n" * 9), Pulled(REPLY, End.EMPTY_LINE)),
        (sends(b"\xff\0rubbish"), Pulled(b"\xff\0rubbish", End.CLOSED)),
        (sends(b"x" * 1024 * 1024), CUT),
        (sends_for_ever(b"x" * 4096), CUT),
        (sends_for_ever(b"x\n"), Pulled(b"x\n" * SMALL.max_lines, End.MAX_LINES)),
        (sends_for_ever(b"x\n", 0.05), None),  # cut off by the time
        (drip, None),
        (half_and_reset, None),
        (sends(b"\n" + REPLY), None),
        (sends(), None),
        (lambda conn, _: reset(conn), None),
    ],
)
def test_whatever_a_caller_says_is_heard_once_at_most_and_within_bounds(
    behave: Behaviour, heard: Pulled | None
) -> None:
    replies: list[tuple[str, Pulled]] = []
    with served(lambda _: TABLE + b"\n", SLOW, reply=SMALL, replies=replies) as address:
        say(address, behave)  # who sends for ever is let go when the listener closes
        assert is_answered(address, TABLE + b"\n")
        until(lambda: replies or heard is None, "the reply")
    assert replies == ([("127.0.0.1", heard)] if heard is not None else [])


def test_a_caller_that_talks_on_after_its_reply_still_gets_the_table() -> None:
    replies: list[tuple[str, Pulled]] = []
    rude = b"GET / HTTP/1.1\r\n\r\n"
    with served(lambda _: LARGE, SLOW, replies=replies) as address, call(address, rude, 4096) as sock:
        until(lambda: replies, "the hearing of what it said")
        sock.sendall(b"and more")
        assert in_thread(read_to_end, sock) == LARGE


def test_a_caller_that_talks_for_ever_is_let_go_for_its_bytes_before_its_time() -> None:
    patient = ReplySettings(reply_timeout_s=60, max_bytes=4096)
    with served(lambda _: TABLE + b"\n", SLOW, reply=patient) as address:
        for part in (b"x", b"x\n", b"\n\n", REPLY + b"\n"):
            say(address, sends_for_ever(part * 50))


@pytest.mark.parametrize("part", [b"", b"x", b"x" * 60_000, b"x\n" * 300, REPLY, b"\n\n", b"\xff\0"])
def test_fifty_callers_that_talk_without_end_delay_nobody(part: bytes) -> None:
    def act(sock: socket.socket) -> None:
        sock.send(part)

    with served(lambda _: LARGE, SLOW) as address:
        with Crowd([call(address) for _ in range(50)], act):
            assert is_answered(address, LARGE)
        with served(lambda _: TABLE + b"\n", SLOW) as small:  # sent at once: all fifty are waited for
            with Crowd([call(small) for _ in range(50)], act):
                assert is_answered(small, TABLE + b"\n")
            assert is_answered(small, TABLE + b"\n")


def test_beyond_max_waiting_callers_get_the_whole_table_and_are_not_waited_for() -> None:
    replies: list[tuple[str, Pulled]] = []
    three = ReplySettings(reply_timeout_s=30, max_waiting=3)
    with served(lambda _: LARGE, SLOW, reply=three, replies=replies) as address:
        waiting = [call(address) for _ in range(3)]
        for sock in waiting:
            assert in_thread(read_to_end, sock) == LARGE
        for _ in range(20):
            with call(address) as late:
                assert in_thread(read_to_end, late) == LARGE
                until(lambda: not is_connected(late), "the listener's close")
        assert replies == []
        for sock in waiting:
            sock.sendall(REPLY)
            sock.close()
        until(lambda: len(replies) == 3, "the replies of the three")
        with call(address) as sock:  # there is room again
            assert in_thread(read_to_end, sock) == LARGE
            sock.sendall(REPLY + b"\n")
            until(lambda: len(replies) == 4, "the reply of the next")
