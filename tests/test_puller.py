"""The puller against peers that misbehave: whatever they do, a pull ends in time with a value."""

from __future__ import annotations

import errno
import os
import resource
import socket
import time

import gevent
import pytest

from gossip.core.address import Address
from gossip.core.settings import PullSettings
from gossip.core.wire import End, Failure, Pulled
from gossip.net import puller
from tests.nodes import pull_once
from tests.peers import ON_LOOPBACK, Peer, read_to_end, reset, sends, sends_for_ever

pytestmark = ON_LOOPBACK

LIMITS = PullSettings(pull_timeout_s=1.0, quiet_s=0.15, max_bytes=65_536, max_lines=1_000)
PATIENT = PullSettings(pull_timeout_s=20.0, quiet_s=10.0, max_bytes=2 * 1024 * 1024, max_lines=100_000)
LINE = b"127.0.0.1:5001,1630281124,1\n"
TABLE = b"".join(b"10.0.0.%d:7000,1630281124,%d\n" % (i, i % 10) for i in range(1, 10))


# The end of a table.


def test_a_table_that_the_peer_ends_is_read_whole() -> None:
    with Peer(sends(TABLE)) as peer:
        assert pull_once(peer.address, PATIENT, None) == Pulled(TABLE, End.CLOSED)


def test_a_peer_that_keeps_the_connection_open_is_quiet_in_the_end() -> None:
    with Peer(sends(TABLE, keep_open=True)) as peer:
        assert pull_once(peer.address, LIMITS, None) == Pulled(TABLE, End.QUIET)


@pytest.mark.parametrize(("keep_open", "end"), [(True, End.QUIET), (False, End.CLOSED)])
def test_a_last_line_without_its_newline_is_kept(keep_open: bool, end: End) -> None:
    with Peer(sends(TABLE[:-1], keep_open=keep_open)) as peer:
        assert pull_once(peer.address, LIMITS, None) == Pulled(TABLE[:-1], end)


def test_an_empty_line_ends_the_table_at_once_and_what_follows_is_left() -> None:
    with Peer(sends(LINE + b"\n" + TABLE, keep_open=True)) as peer:
        assert pull_once(peer.address, PATIENT, None) == Pulled(LINE, End.EMPTY_LINE)


def test_an_empty_line_in_two_pieces_ends_the_table() -> None:
    with Peer(sends(LINE, 0.05, b"\r", 0.05, b"\n", keep_open=True)) as peer:
        assert pull_once(peer.address, PATIENT, None) == Pulled(LINE, End.EMPTY_LINE)


def test_a_table_one_byte_at_a_time_is_read_whole() -> None:
    with Peer(sends(*(bytes([byte]) for byte in TABLE))) as peer:
        assert pull_once(peer.address, PATIENT, None) == Pulled(TABLE, End.CLOSED)


def test_a_pause_shorter_than_quiet_s_does_not_end_a_table() -> None:
    limits = PullSettings(pull_timeout_s=20.0, quiet_s=5.0)
    with Peer(sends(TABLE[:100], 0.2, TABLE[100:])) as peer:
        assert pull_once(peer.address, limits, None) == Pulled(TABLE, End.CLOSED)


def test_a_peer_that_closes_at_once_has_an_empty_table() -> None:
    with Peer(sends()) as peer:
        assert pull_once(peer.address, LIMITS, None) == Pulled(b"", End.CLOSED)


@pytest.mark.parametrize(
    "table",
    [
        TABLE.replace(b"\n", b"\r\n"),
        b"\0\0\0\n" + LINE,
        "10.0.0.9:7000,1630281124,\u0663\n".encode() + b"\xff\xfe\n" + LINE,
        TABLE * 34,  # 306 lines
        b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n",
        b"Gossiping something adversarial:)",
    ],
)
def test_what_the_bytes_are_is_not_the_pullers_business(table: bytes) -> None:
    with Peer(sends(table)) as peer:
        assert pull_once(peer.address, PATIENT, None) == Pulled(table, End.CLOSED)


def test_a_pull_sends_nothing_and_reads_a_large_table_to_the_end_before_it_closes() -> None:
    heard: list[bytes] = []

    def behave(conn: socket.socket, peer: Peer) -> None:
        conn.sendall(LINE * (1024 * 1024 // len(LINE)))
        conn.shutdown(socket.SHUT_WR)
        heard.append(read_to_end(conn))

    with Peer(behave) as peer:
        result = pull_once(peer.address, PATIENT, None)
    assert isinstance(result, Pulled)
    assert (len(result.data), result.end) == (1024 * 1024 // len(LINE) * len(LINE), End.CLOSED)
    assert (heard, peer.faults) == ([b""], [])


# Limits.


def test_endless_lines_end_at_max_lines() -> None:
    with Peer(sends_for_ever(LINE)) as peer:
        result = pull_once(peer.address, LIMITS, None)
    assert isinstance(result, Pulled)
    assert result.end == End.MAX_LINES
    assert len(result.data) <= 65_536 + LIMITS.max_lines * len(LINE)


def test_one_endless_line_ends_at_max_bytes() -> None:
    with Peer(sends_for_ever(b"x" * 4096)) as peer:
        assert pull_once(peer.address, LIMITS, None) == Pulled(b"x" * LIMITS.max_bytes, End.MAX_BYTES)


@pytest.mark.parametrize("part", [b"x", b"x\n"])
def test_a_peer_that_drips_for_ever_is_cut_off_at_pull_timeout_s(part: bytes) -> None:
    limits = PullSettings(pull_timeout_s=0.5, quiet_s=0.4)
    began = time.monotonic()
    with Peer(sends_for_ever(part, every_s=0.01)) as peer:
        result = pull_once(peer.address, limits, None)
        assert 0.45 < time.monotonic() - began < 5
    if part == b"x":
        assert isinstance(result, Failure)
        assert result.reason == "timeout"
        assert result.received > 0
    else:
        assert isinstance(result, Pulled)
        assert result.end == End.TIMEOUT


def test_other_greenlets_run_while_a_peer_is_slow() -> None:
    ticks: list[float] = []
    with Peer(sends(keep_open=True)) as peer:
        ticker = gevent.spawn(
            lambda: [ticks.append(time.monotonic()) or gevent.sleep(0.01) for _ in range(10)]
        )
        pull_once(peer.address, LIMITS, None)
        assert ticker.ready()
    assert len(ticks) == 10


# Failures: before a line was read.


def test_a_peer_that_never_sends_times_out() -> None:
    began = time.monotonic()
    with Peer(sends(keep_open=True)) as peer:
        assert pull_once(peer.address, LIMITS, None) == Failure("timeout", 0)
        assert 0.95 < time.monotonic() - began < 5


def test_a_peer_that_never_accepts_times_out() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        for sock in crowd:
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
        assert pull_once(Address(*server.getsockname()), LIMITS, None) == Failure("timeout", 0)
        for sock in crowd:
            sock.close()


def test_a_peer_that_sends_half_a_line_and_stalls_is_quiet_and_its_half_line_is_handed_on() -> None:
    with Peer(sends(LINE[:9], keep_open=True)) as peer:
        assert pull_once(peer.address, LIMITS, None) == Pulled(LINE[:9], End.QUIET)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", Failure("reset", 0)),
        (LINE[:9], Failure("reset", 9)),
        (LINE, Pulled(LINE, End.RESET)),
        (LINE + LINE[:9], Pulled(LINE + LINE[:9], End.RESET)),
    ],
)
def test_a_reset_is_a_failure_only_before_a_line(sent: bytes, expected: Pulled | Failure) -> None:
    def behave(conn: socket.socket, peer: Peer) -> None:
        conn.sendall(sent)
        peer.over.wait(0.1)
        reset(conn)

    with Peer(behave) as peer:
        assert pull_once(peer.address, PATIENT, None) == expected


def test_nobody_there_is_refused() -> None:
    with socket.socket() as bound:  # bound and not listening: nobody else can answer there
        bound.bind(("127.0.0.1", 0))
        assert pull_once(Address(*bound.getsockname()), LIMITS, None) == Failure("refused", 0)


# Addresses.


def test_an_ipv6_peer_is_pulled() -> None:
    with Peer(sends(LINE), host="::1") as peer:
        assert pull_once(peer.address, PATIENT, None) == Pulled(LINE, End.CLOSED)
        assert pull_once(peer.address, PATIENT, "::1") == Pulled(LINE, End.CLOSED)
    assert peer.callers == ["::1", "::1"]


def test_the_call_comes_from_the_source_address() -> None:
    with Peer(sends(LINE)) as peer:
        assert pull_once(peer.address, PATIENT, "127.0.0.2") == Pulled(LINE, End.CLOSED)
        assert pull_once(peer.address, PATIENT, None) == Pulled(LINE, End.CLOSED)
    assert peer.callers == ["127.0.0.2", "127.0.0.1"]


# Our own fault.


def test_running_out_of_descriptors_is_our_fault_and_not_the_peers() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Peer(sends(LINE)) as peer:
        next_descriptor = os.dup(0)
        os.close(next_descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_descriptor, hard))
        try:
            result = pull_once(peer.address, LIMITS, None)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert result == Failure("no_descriptors", 0, ours=True)


def test_an_address_that_is_not_this_machines_is_our_fault() -> None:
    with Peer(sends(LINE)) as peer:
        assert pull_once(peer.address, LIMITS, "192.0.2.1") == Failure("no_local_port", 0, ours=True)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENFILE, Failure("no_descriptors", ours=True)),
        (errno.ENOBUFS, Failure("no_memory", ours=True)),
        (errno.EHOSTUNREACH, Failure("unreachable")),
        (errno.EACCES, Failure("eacces")),
        (None, Failure("os_error")),
    ],
)
def test_every_error_of_the_system_becomes_a_reason(
    monkeypatch: pytest.MonkeyPatch, number: int | None, expected: Failure
) -> None:
    def broken(*_: object) -> socket.socket:
        raise OSError(number, "as told") if number else OSError("as told")

    monkeypatch.setattr(puller.socket, "socket", broken)
    assert pull_once(Address("127.0.0.1", 1), LIMITS, None) == expected
