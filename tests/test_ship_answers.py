"""What HTTP collectors answer, when they mean ill: each answer is a failure or a success, within bounds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import gevent
import pytest
from gevent import socket
from gevent.monkey import get_original

from gossip.config.sinks import parse_sink
from gossip.ship.connect import Unsent
from gossip.ship.transports import transport
from tests.peers import ON_LOOPBACK
from tests.processes import HOST

pytestmark = ON_LOOPBACK
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GIVE_UP_BYTES = 64 * 1024 * 1024
native_socket = get_original("socket", "socket")


class Talker:
    """Says something, then something else again and again for as long as it is heard, in a real thread."""

    def __init__(self, first: bytes, further: bytes) -> None:
        self._first, self._further = first, further
        self._listener = native_socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind((HOST, 0))
        self._listener.listen()
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}/"
        self.said = 0
        self._thread = threading.Thread(target=self._talk)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        yield
        self._thread.join()
        self._listener.close()

    def _talk(self) -> None:
        sock, _ = self._listener.accept()
        with suppress(OSError), sock:
            sock.recv(65_536)
            sock.sendall(self._first)
            while self._further and self.said < GIVE_UP_BYTES:
                sock.sendall(self._further)
                self.said += len(self._further)


def deliver(talker: Talker) -> str:
    """Deliver a batch, and return what became of it."""
    with talker.running():
        way = transport(parse_sink(talker.url))
        try:
            way.deliver([b"{}\n"])
        except Unsent as error:
            return str(error)
        finally:
            way.close()
    return ""


def test_a_chunk_of_a_size_below_nothing_is_a_failure_and_no_bug() -> None:
    assert "what came back is no HTTP" in deliver(Talker(CHUNKED + b"-5\r\nabc\r\n", b""))


@pytest.mark.parametrize(
    ("first", "further", "problem"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 4000, "what came back is no HTTP"),
        (CHUNKED + b"-1\r\n", b"x" * 100_000, "what came back is no HTTP"),
        (CHUNKED + b"0\r\n", b"a: b\r\n" * 20_000, ""),  # its status was said; no more is asked of it
        (OK + b"\r\n", b"x" * 100_000, ""),
    ],
    ids=["continue", "chunk", "trailers", "body"],
)
def test_one_without_an_end_is_cut_off_and_others_have_their_turn(
    first: bytes, further: bytes, problem: str
) -> None:
    talker = Talker(first, further)
    turns = 0

    def count() -> None:
        nonlocal turns
        while True:
            gevent.sleep(0)
            turns += 1

    counting = gevent.spawn(count)
    assert problem in deliver(talker)
    counting.kill()
    assert talker.said < GIVE_UP_BYTES / 2
    assert turns > 3
