"""The listener against callers that misbehave: each costs itself only; an honest one is answered whole."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import methodcaller

import gevent
import pytest
from gevent import Greenlet

from gossip.core.address import Address
from gossip.core.attacks import Step
from gossip.core.settings import ListenerSettings, PullSettings, ReplySettings
from gossip.core.wire import End, Pulled
from gossip.net.listener import Answer, Listener, listening_socket
from tests.nodes import QUICK, pull_once, served
from tests.peers import (
    ON_LOOPBACK,
    PATIENCE_S,
    Crowd,
    call,
    free_addresses,
    has_ended,
    in_thread,
    is_connected,
    read_away,
    read_to_end,
    reset,
    until,
)

pytestmark = ON_LOOPBACK

PATIENT = PullSettings(pull_timeout_s=20.0, quiet_s=15.0, max_bytes=32 * 1024 * 1024, max_lines=1_000_000)
TABLE = b"127.0.0.1:5001,1630281124,1\n10.0.0.2:7000,1630281124,2\n"
LARGE = TABLE * 10_000  # 550 kB
HUGE = TABLE * 300_000  # 16 MB: more than the system buffers
SLOW = ListenerSettings(answer_timeout_s=30)  # who ends within a test was made to


def is_answered(address: Address, table: bytes) -> bool:
    return pull_once(address, PATIENT, None) == Pulled(table, End.CLOSED)


def waits(_: str) -> Iterator[Step]:
    yield 60.0


# The answer.


@pytest.mark.parametrize("table", [TABLE, LARGE, HUGE, b""])
def test_a_caller_gets_exactly_the_table_and_then_the_end(table: bytes) -> None:
    with served(lambda _: table, SLOW) as address, call(address) as sock:
        assert in_thread(read_to_end, sock) == table


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"x" * 60_000])
def test_a_caller_that_sent_something_first_is_not_reset(first: bytes) -> None:
    def dialogue(address: Address) -> bytes:
        with call(address, first) as sock:
            sock.sendall(b"and more")
            received = read_to_end(sock)
            sock.shutdown(socket.SHUT_WR)
            return received + read_to_end(sock)

    with served(lambda _: LARGE, SLOW) as address:
        assert in_thread(dialogue, address) == LARGE


def test_a_caller_that_ends_its_side_first_gets_the_whole_table() -> None:
    def half_close(address: Address) -> bytes:
        with call(address, b"#from nobody\n") as sock:
            sock.shutdown(socket.SHUT_WR)
            return read_to_end(sock)

    with served(lambda _: LARGE, SLOW) as address:
        assert in_thread(half_close, address) == LARGE


def test_a_caller_that_holds_its_connection_open_is_let_go_after_reply_timeout_s() -> None:
    short = ReplySettings(reply_timeout_s=0.2)
    with served(lambda _: TABLE, reply=short) as address, call(address) as sock:
        assert in_thread(read_to_end, sock) == TABLE
        until(lambda: not is_connected(sock), "the listener's close")


def test_the_answer_is_told_the_callers_ip() -> None:
    callers: list[str] = []

    def answer(caller: str) -> bytes:
        callers.append(caller)
        return TABLE

    with served(answer, SLOW) as address:
        assert pull_once(address, PATIENT, "127.0.0.3") == Pulled(TABLE, End.CLOSED)
    with served(answer, SLOW, "::") as address:
        assert is_answered(Address("::1", address.port), TABLE)
        assert is_answered(Address("127.0.0.1", address.port), TABLE)
    assert callers == ["127.0.0.3", "::1", "127.0.0.1"]


# Fifty of a kind, all held at once.

end_first = methodcaller("shutdown", socket.SHUT_WR)


def never_read(sock: socket.socket) -> None:
    pass


def read_slowly(sock: socket.socket) -> None:
    sock.recv(7)


def send_rubbish(sock: socket.socket) -> None:
    sock.send(b"\xff\0rubbish\n" * 100)


@pytest.mark.parametrize("act", [never_read, read_slowly, send_rubbish, end_first])
@pytest.mark.parametrize("send_buffer", [0, 8192])
def test_fifty_stuck_callers_delay_nobody(
    act: Callable[[socket.socket], object], send_buffer: int
) -> None:
    # The small buffer holds up the sending of the table; without it the wait is for the caller's end.
    with served(lambda _: LARGE, replace(SLOW, send_buffer_bytes=send_buffer)) as address:
        with Crowd([call(address, receive_buffer=4096) for _ in range(50)], act):
            assert is_answered(address, LARGE)
            assert is_answered(address, LARGE)
        assert is_answered(address, LARGE)


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
def test_fifty_callers_that_leave_at_once_harm_nobody(leave: Callable[[socket.socket], object]) -> None:
    with served(lambda _: LARGE, SLOW) as address:
        for _ in range(50):
            leave(call(address))
        assert is_answered(address, LARGE)
        later = [call(address, receive_buffer=4096) for _ in range(50)]
        assert is_answered(address, LARGE)  # by now the listener is in the midst of their answers
        for sock in later:
            leave(sock)
        assert is_answered(address, LARGE)


# Bounds.


def test_the_deadline_ends_a_caller_that_never_reads() -> None:
    with served(lambda _: HUGE, QUICK) as address, call(address, receive_buffer=4096) as sock:
        gevent.sleep(QUICK.answer_timeout_s + 0.2)  # the rule is about time
        assert len(in_thread(read_to_end, sock)) < len(HUGE)


def test_the_deadline_is_one_for_the_whole_answer_and_not_one_a_line() -> None:
    def drip(_: str) -> Iterator[Step]:
        while True:
            yield b"10.0.0.2:7000,1630281124,2\n"
            yield 0.05

    began = time.monotonic()
    with served(drip, QUICK) as address, call(address) as sock:
        received = in_thread(read_to_end, sock)
        assert 0.4 < time.monotonic() - began < PATIENCE_S
    assert 2 <= received.count(b"\n") <= 11


def test_a_burst_beyond_max_callers_makes_those_held_longest_leave() -> None:
    with served(waits, ListenerSettings(max_callers=5, answer_timeout_s=60)) as address:
        sockets = [call(address) for _ in range(50)]
        until(lambda: sum(map(has_ended, sockets)) == 45, "the end of 45 callers")
        assert [has_ended(sock) for sock in sockets] == [True] * 45 + [False] * 5
        for sock in sockets:
            sock.close()


def test_beyond_max_callers_a_new_caller_is_answered_at_the_cost_of_the_one_held_longest() -> None:
    answers: list[Answer] = [waits(""), waits(""), TABLE]
    with served(lambda _: answers.pop(0), ListenerSettings(max_callers=2, answer_timeout_s=60)) as address:
        held = [call(address), call(address)]
        until(lambda: len(answers) == 1, "two held callers")
        assert is_answered(address, TABLE)
        until(lambda: has_ended(held[0]), "the end of the first")
        assert not has_ended(held[1])
        held[0].close()
        held[1].close()


# Answers over time, and bugs.


def test_an_answer_over_time_is_sent_step_by_step() -> None:
    def answer(_: str) -> Iterator[Step]:
        yield b"a"
        yield 0.05
        yield b""
        yield 0.0
        yield -1.0
        yield b"b\n"

    with served(answer, SLOW) as address:
        assert is_answered(address, b"ab\n")


ENDLESS: list[Step] = [b"x", b"x" * 100_000, b"", 0.0, 0.01]


@pytest.mark.parametrize("step", ENDLESS)
def test_a_strategy_that_yields_for_ever_ends_with_the_deadline(step: Step) -> None:
    with served(lambda _: iter(lambda: step, None), QUICK) as address, call(address) as sock:
        in_thread(read_away, sock)


@pytest.mark.parametrize("step", ENDLESS)
def test_a_strategy_that_yields_for_ever_to_a_fast_reader_delays_nobody(step: Step) -> None:
    answers: list[Answer] = [TABLE, TABLE, iter(lambda: step, None)]
    with served(lambda _: answers.pop(), SLOW) as address, call(address) as sock:
        reading = gevent.spawn(in_thread, read_away, sock)
        until(lambda: len(answers) == 2, "the endless answer's start")
        assert is_answered(address, TABLE)
        assert is_answered(address, TABLE)
        assert not reading.ready()
        sock.shutdown(socket.SHUT_RDWR)
        reading.get(timeout=PATIENCE_S)


def test_a_bug_in_the_answer_is_reported_and_the_next_caller_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(_: str) -> Iterator[Step]:
        yield b"a"
        yield b"b" * (1 // 0)

    reported: list[type[BaseException]] = []
    monkeypatch.setattr(gevent.get_hub(), "print_exception", lambda *what: reported.append(what[1]))
    answers: list[Callable[[], Answer]] = [lambda: TABLE, lambda: breaks(""), lambda: {}["bug"]]
    crashes: list[Greenlet] = []
    with served(lambda _: answers.pop()(), SLOW, crashes=crashes) as address:
        assert is_answered(address, b"")
        assert is_answered(address, b"a")
        assert is_answered(address, TABLE)
        until(lambda: crashes, "the report")
    assert [type(greenlet.exception) for greenlet in crashes] == [ZeroDivisionError]
    assert reported[0] is KeyError


def test_close_callers_ends_one_in_the_midst_of_a_large_answer() -> None:
    callers: list[str] = []
    with served(lambda caller: callers.append(caller) or HUGE, SLOW) as address:
        sock = call(address, receive_buffer=4096)
        until(lambda: callers, "the caller's greenlet")
    assert len(in_thread(read_to_end, sock)) < len(HUGE)
    sock.close()


# The port.


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_restart_finds_its_port_at_once(host: str) -> None:
    address = free_addresses(1, host)[0]
    for _ in range(3):
        sock = listening_socket(address.host, address.port, 16)
        with Listener(sock, SLOW, ReplySettings(), lambda _: TABLE, *[pytest.fail] * 3) as listener:
            listener.start()
            assert is_answered(address, TABLE)
            listener.close_callers()


def test_a_port_in_use_is_an_error() -> None:
    with served(lambda _: TABLE) as address, pytest.raises(OSError, match="in use"):
        listening_socket(address.host, address.port, 16)
