"""The HTTP server on loopback: whole requests, strange ones, slow ones, and bugs of ours."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent import Greenlet, socket
from gevent.pywsgi import WSGIServer

from gossip.config import load_settings
from gossip.core.settings import HttpSettings
from gossip.http import HttpServer, open_http
from gossip.log.events import EventLog
from gossip.pages import Page
from tests.config_helpers import error_of
from tests.nodes import Start
from tests.peers import ON_LOOPBACK, free_addresses, until
from tests.processes import HOST, LoudNode, free_ports, starting
from tests.watched import samples_of

pytestmark = ON_LOOPBACK
PATIENCE_S = 10.0
GET = b"GET /x?y=1 HTTP/1.1\r\nHost: x\r\nAccept: some/thing\r\n\r\n"
Answer = Callable[[str, str, str, str], Page]


def echo(method: str, path: str, query: str, accept: str) -> Page:
    return Page("200 OK", f"{method} {path} {query} {accept}".encode())


@contextmanager
def serving(answer: Answer = echo, *, crashes: list[Greenlet] | None = None, **given: Any) -> Iterator[int]:
    """Serve pages, and fail when a greenlet dies of a bug unless `crashes` collects these."""
    found: list[Greenlet] = [] if crashes is None else crashes
    port = free_ports(1)[0]
    settings = HttpSettings(listen=f":{port}", **{"timeout_s": 5.0, **given})
    server = HttpServer(answer, settings, found.append)
    server.start(lambda late_s: None)
    try:
        yield port
    finally:
        server.close()
    assert crashes is not None or not found


def dial(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=PATIENCE_S)


def ask(port: int, request: bytes = GET) -> bytes:
    """Send a request and return all that comes until the end."""
    with dial(port) as sock:
        sock.sendall(request)
        return b"".join(iter(lambda: sock.recv(65_536), b""))


def get(port: int, path: str) -> tuple[int, bytes]:
    head, _, body = ask(port, f"GET {path} HTTP/1.1\r\n\r\n".encode()).partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_a_request_is_answered_and_its_connection_ended() -> None:
    with serving() as port:
        head, _, body = ask(port).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert body == b"GET /x y=1 some/thing"
        assert b"Content-Length: 21\r\n" in head and b"Connection: close" in head
        head, _, body = ask(port, GET.replace(b"GET", b"HEAD")).partition(b"\r\n\r\n")
        assert body == b"" and b"Content-Length: 22\r\n" in head
        assert ask(port, GET.replace(b"1.1", b"1.0")).endswith(b" y=1 some/thing")
        assert ask(port, GET + GET).count(b"HTTP/1.1 200") == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"rubbish\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"400"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", b"400"),  # TLS
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"200"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"200"),
        (b"GET / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", b"200"),
    ],
)
def test_strange_requests_are_answered_and_cost_nothing_else(
    request_: bytes, status: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(timeout_s=60.0) as port:
        assert ask(port, request_).split()[1] == status
        assert get(port, "/")[0] == 200
    assert capsys.readouterr() == ("", "")


def test_slow_callers_are_ended_at_the_deadline_and_let_others_in() -> None:
    """Two take both places, and send a byte now and then; the third is served once their time is over."""
    begun: list[int] = []
    ended: list[int] = []

    def dribble(port: int) -> None:
        with dial(port) as sock:
            begun.append(port)
            sock.setblocking(False)
            try:
                while True:
                    sock.send(b"x")
                    gevent.sleep(0.02)
            except OSError:
                ended.append(port)

    with serving(max_callers=2, timeout_s=0.4) as port:
        began = monotonic()
        slow = [gevent.spawn(dribble, port) for _ in range(2)]
        until(lambda: len(begun) == 2)
        silent = dial(port)
        assert get(port, "/") == (200, b"GET /  ")
        assert monotonic() - began >= 0.4
        assert silent.recv(1) == b""
        silent.close()
        gevent.joinall(slow, timeout=PATIENCE_S)
        assert len(ended) == 2


def test_a_caller_that_never_reads_is_ended_at_the_deadline() -> None:
    def answer(*request: str) -> Page:
        return Page("200 OK", bytes(30_000_000 if request[1] == "/long" else 3))

    with serving(answer, max_callers=1, timeout_s=0.3) as port, dial(port) as sock:
        sock.sendall(b"GET /long HTTP/1.1\r\n\r\n")
        assert get(port, "/short") == (200, bytes(3))


def test_callers_that_go_away_are_nobodys_fault() -> None:
    def answer(*request: str) -> Page:
        return Page("200 OK", bytes(3_000_000))

    with serving(answer, max_callers=2) as port:
        for request in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHo", GET):
            with dial(port) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
                sock.sendall(request)
                assert get(port, "/")[0] == 200  # by then the request was read as far as it goes
        assert get(port, "/")[0] == 200


def test_a_bug_in_a_page_is_500_and_told_and_the_next_caller_is_served() -> None:
    crashes: list[Greenlet] = []

    def answer(method: str, path: str, query: str, accept: str) -> Page:
        if path == "/bug":
            raise OSError("a bug of ours")
        return echo(method, path, query, accept)

    with serving(answer, crashes=crashes) as port:
        assert get(port, "/bug")[0] == 500
        until(lambda: crashes)
        assert "a bug of ours" in repr(crashes[0].exception.__cause__)
        assert get(port, "/")[0] == 200
    assert len(crashes) == 1


def test_running_out_of_descriptors_passes_and_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, failures = WSGIServer.do_read, iter([errno.EMFILE, errno.ECONNABORTED])

    def do_read(server: WSGIServer) -> Any:
        number = next(failures, None)
        if number is not None:
            raise OSError(number, "no more")
        return real(server)

    monkeypatch.setattr(WSGIServer, "do_read", do_read)
    with serving() as port:
        assert get(port, "/")[0] == 200
    assert next(failures, None) is None
    assert capsys.readouterr().err == ""  # where gevent would tell the hub of it


def test_a_node_is_watched_over_http(start: Start) -> None:
    one, other = free_addresses(2)
    node = start(one, other, state=1)
    settings = node.daemon._settings
    port = free_ports(1)[0]
    settings = replace(settings, http=HttpSettings(listen=f"127.0.0.1:{port}"))
    server = open_http(node.daemon, settings, EventLog(None, "info"), lambda: 0)
    try:
        assert get(port, "/healthz") == (200, b"ok\n")
        status, why = get(port, "/readyz")
        assert (status, why[:17]) == (503, b"it knows no other")
        assert samples_of(get(port, "/metrics")[1].decode())["gossipd_ready"] == 0

        peer = start(other, state=2)
        until(lambda: get(port, "/readyz") == (200, b"ready\n"), "the peer as a member")
        peer.daemon.set_state(7)
        until(lambda: node.states().get(other) == 7, "the new state")
        rows = json.loads(get(port, "/members?state=7")[1])
        assert [row["address"] for row in rows] == [str(other)]

        found = samples_of(get(port, "/metrics")[1].decode())
        assert found['gossipd_members{status="ok"}'] == 2
        assert found["gossipd_state_changes_total"] == found["gossipd_convergence_lag_seconds_count"] == 1
        assert found["gossipd_convergence_lag_seconds_sum"] < 60
        assert found['gossipd_pulls_total{purpose="join",result="answered"}'] >= 1
        assert found["gossipd_callers_accepted_total"] >= 1
        assert found["gossipd_table_bytes"] == len(node.daemon._node.table())
        assert found["gossipd_ready"] == 1

        node.daemon.stop()
        assert get(port, "/readyz") == (503, b"it is stopping\n")
        assert get(port, "/healthz") == (200, b"ok\n")
    finally:
        server.close()
    with pytest.raises(ConnectionRefusedError):
        dial(port)


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        (":0", "; the port is a whole number from 1 to 65535, without leading zeros"),
        ("9100", None),
        ("localhost:9100", "; the IP is four numbers from 0 to 255, without leading zeros"),
        ("127.0.0.1", ", such as 127.0.0.1:5001 or [::1]:5001"),
        ("0.0.0.0:x", "; the port is a whole number from 1 to 65535, without leading zeros"),
    ],
)
def test_where_nobody_can_listen_is_refused_in_one_line(listen: str, expected: str | None) -> None:
    message = error_of(sets=[f"http.listen={listen}"])
    assert message == f"--set http.listen={listen}: expected " + (
        "a text in quotes" if expected is None else f'"", :port for loopback, or ip:port{expected}'
    )


@pytest.mark.parametrize("listen", ["", ":5101", "127.0.0.1:5101", "[::1]:5101", "0.0.0.0:5101", "[::]:5101"])
def test_where_it_may_listen(listen: str) -> None:
    assert load_settings(sets=[f"http.listen={listen}"]).http.listen == listen


@pytest.mark.parametrize(
    ("listen", "host"), [(":{}", HOST), ("[::1]:{}", "::1"), ("127.0.0.2:{}", "127.0.0.2")]
)
def test_it_listens_there_and_nowhere_else(listen: str, host: str) -> None:
    port = free_ports(1)[0]
    server = HttpServer(echo, HttpSettings(listen=listen.format(port)), pytest.fail)
    server.start(lambda late_s: None)
    try:
        for other in (HOST, "::1", "127.0.0.2"):
            with suppress(ConnectionRefusedError), socket.create_connection((other, port), PATIENCE_S):
                assert other == host
                host = ""
        assert host == ""
    finally:
        server.close()


def test_a_process_says_where_it_cannot_listen_and_serves_until_it_ends(tmp_path: Path) -> None:
    first, second, port = free_ports(3)
    with starting(tmp_path) as begin:
        node = begin(LoudNode, first, "--set", f"http.listen=:{port}")
        assert node.wait_event("http_opened")[0]["listen"] == f":{port}"
        refused = begin(LoudNode, second, "--set", f"http.listen=127.0.0.1:{port}")
        assert refused.wait_exit() == 1
        assert refused.stderr == (
            f"gossipd: http.listen = 127.0.0.1:{port}: the port is in use; stop what listens there, "
            "or choose another with --set http.listen\n"
        )
        assert get(port, "/healthz") == (200, b"ok\n")
        assert node.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            dial(port)
