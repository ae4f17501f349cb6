"""The listener in a crowd: too few descriptors, no room for replies, many slow readers of a long table."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gossip.core.address import Address
from gossip.core.settings import ListenerSettings, ReplySettings
from gossip.core.wire import End, Pulled
from gossip.net.listener import Listener, listening_socket
from tests.nodes import PATIENT_REPLY, served
from tests.peers import ON_LOOPBACK, call, has_ended, in_thread, read_to_end, say, sends, until
from tests.processes import LoudNode, answers, free_ports, starting, wait_until
from tests.test_listener import HUGE, LARGE, SLOW, TABLE, is_answered

pytestmark = ON_LOOPBACK


class Exhausted:
    """A listening socket that has no descriptor for the first few callers."""

    def __init__(self, sock: Any, times: int) -> None:
        self._sock = sock
        self.times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _accept(self) -> Any:
        if self.times:
            self.times -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return self._sock._accept()


def test_running_out_of_descriptors_is_told_once_and_the_caller_is_answered_later() -> None:
    told: list[OSError] = []
    sock = listening_socket("127.0.0.1", 0, 16)
    with Listener(
        sock, SLOW, PATIENT_REPLY, lambda _: TABLE, pytest.fail, pytest.fail, told.append
    ) as listener:
        listener.start()
        address = Address("127.0.0.1", listener.server_port)
        with call(address) as held:
            assert in_thread(held.recv, 1000) == TABLE
            scarce = listener.socket = Exhausted(listener.socket, times=3)
            assert is_answered(address, TABLE)
            assert scarce.times == 0
            until(lambda: has_ended(held), "the end of the caller held longest")
        assert [error.errno for error in told] == [errno.EMFILE]
        listener.close_callers()


def test_without_room_for_replies_a_caller_gets_the_table_and_its_end_at_once() -> None:
    with served(lambda _: TABLE, SLOW, reply=replace(PATIENT_REPLY, max_waiting=0)) as address:
        with call(address) as sock:
            assert in_thread(read_to_end, sock) == TABLE
        with call(address, b"x" * 30_000) as sock:  # closing over these would reset the connection
            assert in_thread(read_to_end, sock) == TABLE


def test_callers_that_wait_without_replying_leave_no_room_until_they_are_out_of_time() -> None:
    replies: list[tuple[str, Pulled]] = []
    reply = ReplySettings(max_waiting=2, reply_timeout_s=0.3)
    with served(lambda _: TABLE, SLOW, reply=reply, replies=replies) as address:
        with call(address) as one, call(address) as other:
            for sock in (one, other):
                assert in_thread(sock.recv, 1000) == TABLE
            say(address, sends(b"#from 127.0.0.1:1\n\n"))
            say(address, sends(b"#from 127.0.0.1:2\n\n"))
            assert is_answered(address, TABLE)
        until(lambda: say(address, sends(b"#from 127.0.0.1:3\n\n")) or replies, "room for a reply")
    assert {pulled for _, pulled in replies} == {Pulled(b"#from 127.0.0.1:3\n", End.EMPTY_LINE)}


def test_in_a_crowd_a_long_table_is_still_answered_whole() -> None:
    settings = ListenerSettings(answer_timeout_s=30, send_buffer_bytes=8192)
    with served(lambda _: LARGE, settings) as address:
        crowd = [call(address, receive_buffer=4096) for _ in range(400)]
        assert is_answered(address, LARGE)
        late = crowd[-1]
        assert in_thread(read_to_end, late) == LARGE
        for sock in crowd:
            sock.close()
        assert is_answered(address, LARGE)


def test_who_may_only_reply_still_makes_room_before_who_reads_the_table() -> None:
    answers: list[bytes] = [TABLE] * 40 + [HUGE]
    few = ListenerSettings(max_callers=10, answer_timeout_s=30)
    with served(lambda _: answers.pop(), few) as address, ExitStack() as stack:
        reading = stack.enter_context(call(address, receive_buffer=4096))
        idle = [stack.enter_context(call(address)) for _ in range(40)]
        until(lambda: sum(map(has_ended, idle[:20])) == 20, "the end of the first idle callers")
        assert in_thread(read_to_end, reading) == HUGE


def test_who_makes_room_is_not_reset() -> None:
    with served(lambda _: TABLE, ListenerSettings(max_callers=2)) as address, ExitStack() as stack:
        callers = [stack.enter_context(call(address, b"GET / HTTP/1.1\r\n\r\n")) for _ in range(40)]
        assert is_answered(address, TABLE)
        assert [in_thread(read_to_end, sock) for sock in callers[:38]] == [TABLE] * 38


def test_who_is_through_takes_no_place_but_its_own() -> None:
    few = ListenerSettings(max_callers=2, answer_timeout_s=30)
    with served(lambda _: HUGE, few) as address, ExitStack() as stack:
        one, other = (stack.enter_context(call(address, receive_buffer=4096)) for _ in range(2))
        assert in_thread(read_to_end, other) == HUGE
        assert in_thread(read_to_end, one) == HUGE


def test_a_node_with_few_descriptors_lets_those_held_longest_go(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    few = ("sh", "-c", 'ulimit -n 200; exec "$@"', "sh")
    with starting(tmp_path) as start, ExitStack() as stack:
        node = start(LoudNode, port, prefix=few)
        wait_until(lambda: answers(port), node.log)
        held = [stack.enter_context(closing(call(Address("127.0.0.1", port)))) for _ in range(300)]
        wait_until(lambda: answers(port), node.log)
        wait_until(lambda: sum(map(has_ended, held)) >= 200, "the end of the first callers")
        assert node.stop() == 0
        assert not node.events("greenlet_crashed") + node.events("hub_error")
