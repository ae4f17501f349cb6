"""Shipping by streams and datagrams: a batch counts once it was read, of which TCP itself says nothing."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import gevent.event
import pytest
from gevent import ssl
from gevent.server import StreamServer

from gossip.config.sinks import parse_sink
from gossip.ship.transports import transport
from tests.collectors import Ship, numbers, shipping
from tests.peers import until
from tests.processes import HOST, free_ports

pytestmark = pytest.mark.filterwarnings("error::ResourceWarning")


@pytest.fixture
def ship(closes_its_sockets: None) -> Iterator[Ship]:
    with shipping() as start:
        yield start


class Reader:
    """A TCP collector, perhaps with TLS, that reads to the end; `mood` says how it ends."""

    def __init__(self, **tls: object) -> None:
        (self.port,) = free_ports(1)
        self.moods: list[str] = []
        self.data = b""
        self.connections = 0
        self.receive_bytes = 262_144
        self._tls = tls

    @contextmanager
    def running(self) -> Iterator[None]:
        listener = gevent.socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        listener.bind((HOST, self.port))
        listener.listen()
        server = StreamServer(listener, self._take, **self._tls)
        server.start()
        yield
        server.stop(1)

    def _take(self, sock: socket.socket, _: object) -> None:
        self.connections += 1
        mood = self.moods.pop(0) if self.moods else ""
        data = b""
        if mood:
            while len(sock.recv(100, socket.MSG_PEEK)) < 100:
                gevent.sleep(0.001)
        if mood == "ends early":  # and reads no more, so that most of it is still on the other side
            sock.shutdown(socket.SHUT_WR)
            gevent.sleep(0.2)
            return
        if mood == "dies":  # with what was sent in its buffers, which its system has acknowledged
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        while part := sock.recv(65_536):
            data += part
            if mood == "cuts":
                return
        self.data += data


@pytest.mark.parametrize("mood", ["dies", "cuts"])
def test_what_a_dead_collector_had_not_read_is_sent_again(mood: str, ship: Ship, tmp_path: Path) -> None:
    reader = Reader()
    reader.moods = [mood, mood]
    with reader.running():
        one = ship(tmp_path, f"tcp://{HOST}:{reader.port}", batch_max_events=5000)
        one.say(2000)
        until(lambda: one.outlet.shippers()[0].sent == 2000, "all sent")
    assert one.outlet.shippers()[0].retries == 2
    assert numbers(reader.data.splitlines()) == list(range(2000))


def test_without_a_handshake_one_connection_serves_all(ship: Ship, tmp_path: Path) -> None:
    reader = Reader()
    with reader.running():
        one = ship(tmp_path, f"tcp://{HOST}:{reader.port}?confirm=sent", batch_max_events=10)
        one.say(100)
        until(lambda: one.outlet.shippers()[0].sent == 100, "all sent")
        one.outlet.close(1)
        until(lambda: reader.data, "its end")
    assert reader.connections == 1
    assert numbers(reader.data.splitlines()) == list(range(100))


def test_one_that_ends_before_it_has_everything_has_taken_nothing(ship: Ship, tmp_path: Path) -> None:
    reader = Reader()
    reader.receive_bytes = 4096
    reader.moods = ["ends early"]
    with reader.running():
        one = ship(tmp_path, f"tcp://{HOST}:{reader.port}", batch_wait_s=1.0)
        one.say(900, text="x" * 1000)
        until(lambda: one.outlet.shippers()[0].sent == 900, "all sent")
    assert one.outlet.shippers()[0].retries == 1
    assert "before it had everything" in str(one.of("shipping_failed")[0]["reason"])
    assert numbers(reader.data.splitlines()) == list(range(900))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = f"-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={HOST}"
    names = ["-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(path), "-out", str(path) + ".crt"]
    subprocess.run(["openssl", "req", *made.split(), *names], check=True, capture_output=True)
    with path.open("a") as file:
        file.write(Path(str(path) + ".crt").read_text())
    return path


def test_tls_is_checked_and_counted_messages_arrive(certificate: Path, ship: Ship, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    reader = Reader(ssl_context=context)
    url = f"syslog+tls://{HOST}:{reader.port}"
    with reader.running():
        one = ship(tmp_path / "a", f"{url}?ca={certificate}&facility=local0", batch_max_events=10)
        one.say(25)
        until(lambda: one.outlet.shippers()[0].sent == 25, "all sent")
        messages, rest = [], reader.data
        while rest:
            length, _, rest = rest.partition(b" ")
            messages.append(rest[: int(length)])
            rest = rest[int(length) :]
        assert messages[0].startswith(b"<134>1 20") and b" gossipd - setting_changed - {" in messages[0]
        assert numbers([message[message.index(b"{") :] for message in messages]) == list(range(25))
        two = ship(tmp_path / "b", url)
        two.say(1)
        until(lambda: two.of("shipping_failed"), "the failure")
        assert "certificate verify failed" in str(two.of("shipping_failed")[0]["reason"])
        assert two.outlet.shippers()[0].sent == 0


def test_datagrams_go_one_by_one_and_one_too_long_is_given_up(ship: Ship, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.settimeout(10)
        one = ship(tmp_path, f"syslog+udp://{HOST}:{sock.getsockname()[1]}")
        one.say(2)
        one.say(1, text="x" * 70_000)
        one.say(1)
        until(lambda: one.outlet.shippers()[0].sent == 3, "all but one sent")
        received = [sock.recv(65_536) for _ in range(3)]
    assert received[0].startswith(b"<30>1 ")
    assert numbers([message[message.index(b"{") :] for message in received]) == [0, 1, 3]
    assert one.outlet.shippers()[0].refused == 1


def test_others_have_their_turn_between_datagrams() -> None:
    sock = gevent.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HOST, 0))
    way = transport(parse_sink(f"syslog+udp://{HOST}:{sock.getsockname()[1]}"))
    way.deliver([b"x"])
    turns: list[int] = []
    waiting = gevent.spawn(turns.append, 1)
    way.deliver([b"x"] * 1000)
    way.close()
    sock.close()
    waiting.kill()
    assert turns


def test_a_name_that_hangs_holds_one_thread_however_often_it_is_tried(
    ship: Ship, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[object] = []
    answered = gevent.event.Event()

    def hang(*name: object, **kind: object) -> list[object]:
        looked_up.append(name)
        answered.wait()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("gossip.ship.connect.socket.getaddrinfo", hang)
    one = ship(tmp_path, "tcp://hangs.example:9", ship_timeout_s=0.02)
    one.say(1)
    until(lambda: one.outlet.shippers()[0].retries >= 3, "three failures")
    assert looked_up == [("hangs.example", 9)]
    answered.set()
    until(lambda: len(looked_up) > 1, "another look-up, now that the first has failed")
