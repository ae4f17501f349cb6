"""What a service manager is told: by a daemon in this process, and by real processes on a real socket."""

from __future__ import annotations

import os
import signal
import socket as native
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from gossip.core.address import Address
from gossip.core.settings import NodeSettings, Settings
from gossip.health import Health
from gossip.log.facts import ManagerUnreachable
from gossip.service import Manager, Service, manager_of
from tests.nodes import Start
from tests.processes import HOST, LoudNode, free_ports, settings, starting, wait_until

JOIN_NOBODY = "1 member, 0 blacklisted; ready"


def at(port: int) -> Address:
    return Address(HOST, port)


# The environment.


@pytest.mark.parametrize(
    ("given", "manager"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "1000000"}, None),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, None),
        ({"NOTIFY_SOCKET": "/run/n"}, Manager("/run/n")),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "1500000"}, Manager("@n", 1.5)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "9", "WATCHDOG_PID": "7"}, Manager("/n", 9e-6)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "9", "WATCHDOG_PID": "8"}, Manager("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"}, Manager("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "soon"}, Manager("/n")),
    ],
)
def test_the_manager_is_taken_out_of_the_environment(given: dict[str, str], manager: Manager | None) -> None:
    environment = {"HOME": "/", **given}
    assert manager_of(environment, 7) == manager
    assert environment == {"HOME": "/"}


# A daemon in this process.


class Told:
    """A manager's socket, and what came there; each message is a dictionary."""

    def __init__(self, path: str) -> None:
        self.messages: list[dict[str, str]] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind("\0" + path[1:] if path.startswith("@") else path)
        self._reader = gevent.spawn(self._read)

    def _read(self) -> None:
        while True:
            lines = self._sock.recv(4096).decode().split("\n")
            self.messages.append(dict(line.split("=", 1) for line in lines))

    def wait(self, is_there: Callable[[dict[str, str]], bool], what: str) -> dict[str, str]:
        with gevent.Timeout(10, AssertionError(f"{what}: {self.messages}")):
            while True:
                for message in self.messages:
                    if is_there(message):
                        return message
                gevent.sleep(0.005)

    def wait_for(self, name: str, text: str) -> dict[str, str]:
        return self.wait(lambda message: text in message.get(name, ""), f"{name} {text}")

    def close(self) -> None:
        self._reader.kill()
        self._sock.close()


@contextmanager
def listening(path: str) -> Iterator[Told]:
    told = Told(path)
    try:
        yield told
    finally:
        told.close()


@contextmanager
def informing(one: Any, manager: Manager, *join: str) -> Iterator[Service]:
    health = Health(one.daemon, Settings(node=NodeSettings(join=join)))
    one.daemon.watch(health.take)
    service = Service(one.daemon, health, manager, one.log)
    service.start()
    try:
        yield service
    finally:
        service.close()


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_it_is_ready_once_it_listens_and_its_status_tells_of_the_cluster(
    start: Start, tmp_path: Path, kind: str
) -> None:
    path = str(tmp_path / "n") if kind == "path" else f"@gossipd-test-{os.getpid()}-{free_ports(1)[0]}"
    port, other = free_ports(2)
    one = start(at(port))
    with listening(path) as told, informing(one, Manager(path, 0.1), f"{HOST}:{other}"):
        ready = told.wait_for("READY", "1")
        assert "not ready: it knows no other member" in ready["STATUS"]
        start(at(other), at(port))
        told.wait_for("STATUS", "2 members, 0 blacklisted; ready")
        told.wait_for("WATCHDOG", "1")
        one.daemon.stop()
        told.wait_for("STOPPING", "1")
        told.messages.clear()
        told.wait_for("WATCHDOG", "1")  # until the stop is over
        assert [message for message in told.messages if message != {"WATCHDOG": "1"}] == []


def test_without_a_watchdog_only_what_is_new_is_told(start: Start, tmp_path: Path) -> None:
    one, path = start(at(free_ports(1)[0])), str(tmp_path / "n")
    with listening(path) as told, informing(one, Manager(path)) as service:
        told.wait_for("READY", "1")
        service._health.beat()
        service._health.beat(1000)  # as if no round had begun for so long
        service._send(*service._news())
        told.wait_for("STATUS", "not ready: no round began for 1000 s")
        assert len(told.messages) == 2
        assert not [message for message in told.messages if "WATCHDOG" in message]


def test_one_that_is_not_well_is_not_said_to_be(start: Start, tmp_path: Path) -> None:
    one, path = start(at(free_ports(1)[0])), str(tmp_path / "n")
    with listening(path) as told, informing(one, Manager(path, 0.02)):
        told.wait_for("WATCHDOG", "1")
        one.daemon.exit_status = 1
        told.wait_for("STATUS", "not ready: a part of this process crashed")
        fed, begun = len(told.messages), one.daemon.status().round
        with gevent.Timeout(10):
            while one.daemon.status().round < begun + 2:  # some ten times the watchdog's
                gevent.sleep(0.005)
        assert len(told.messages) == fed


def test_a_reload_is_announced_and_its_end_too_whatever_came_of_it(start: Start, tmp_path: Path) -> None:
    one, path = start(at(free_ports(1)[0])), str(tmp_path / "n")
    with listening(path) as told, informing(one, Manager(path)) as service:
        told.wait_for("READY", "1")
        told.messages.clear()
        one.daemon.tuning.reloading = service.reloading
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert one.daemon.tuning.reload().problem == ""
        told.wait_for("READY", "1")
        begun, ended = told.messages
        assert begun["RELOADING"] == "1"
        assert before <= int(begun["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert ended == {"READY": "1"}
        told.messages.clear()
        one.daemon.tuning.read_along(lambda: "the file is wrong")
        assert one.daemon.tuning.reload().problem == "the file is wrong"
        told.wait_for("READY", "1")
        assert [sorted(message) for message in told.messages] == [["MONOTONIC_USEC", "RELOADING"], ["READY"]]


def test_a_manager_that_is_away_is_told_of_once_and_found_again(start: Start, tmp_path: Path) -> None:
    one, path = start(at(free_ports(1)[0])), tmp_path / "n"
    with informing(one, Manager(str(path), 0.02)):
        with gevent.Timeout(10):
            while not one.log.of(ManagerUnreachable):
                gevent.sleep(0.005)
        with listening(str(path)) as told:
            told.wait_for("READY", "1")
            told.wait_for("STATUS", "1 member, 0 blacklisted; ready")
            assert sum("READY" in message for message in told.messages) == 1
        path.unlink()
    assert one.log.of(ManagerUnreachable)[0] == ManagerUnreachable(str(path), "No such file or directory")
    assert len(one.log.of(ManagerUnreachable)) <= 2  # before, and perhaps after
    assert one.daemon.exit_status == 0


def test_a_manager_that_does_not_read_holds_nobody_up(start: Start, tmp_path: Path) -> None:
    one, path = start(at(free_ports(1)[0])), str(tmp_path / "n")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler,
    ):
        full.bind(path)
        filler.setblocking(False)
        filler.connect(path)
        with pytest.raises(BlockingIOError):
            for _ in range(10_000):
                filler.send(b"x")
        began, rounds = time.monotonic(), one.daemon.status().round
        with pytest.raises(TimeoutError):
            Manager(path).send("READY=1")
        assert time.monotonic() - began < 5
        assert one.daemon.status().round > rounds


# Real processes.


class Socket:
    """A manager's socket for processes; `take` returns all that came so far."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._sock = native.socket(native.AF_UNIX, native.SOCK_DGRAM)
        self._sock.bind(self.path)
        self._sock.settimeout(0)
        self.lines: list[str] = []

    def has(self, line: str) -> bool:
        try:
            while True:
                self.lines += self._sock.recv(4096).decode().split("\n")
        except BlockingIOError:
            return line in self.lines

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Socket]:
    sock = Socket(tmp_path / "notify")
    yield sock
    sock.close()


def test_a_real_process_tells_its_manager_from_start_to_stop(
    manager: Socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    file = tmp_path / "my.toml"
    file.write_text("")
    with starting(tmp_path) as start:
        port = free_ports(1)[0]
        node = start(LoudNode, port, "--config", "my.toml")
        wait_until(lambda: manager.has("READY=1"), "ready")
        native.create_connection((HOST, port)).close()  # whoever waited for it can call
        wait_until(lambda: manager.has(f"STATUS={JOIN_NOBODY}"), "status")
        wait_until(lambda: manager.has("WATCHDOG=1"), "watchdog")
        manager.lines.clear()
        node.popen.send_signal(signal.SIGHUP)
        wait_until(lambda: manager.has("RELOADING=1") and manager.has("READY=1"), "reload")
        assert node.stop() == 0
        assert manager.has("STOPPING=1")
        assert node.events("manager_unreachable") == []


def test_a_start_that_fails_is_never_ready(
    manager: Socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.path)
    with starting(tmp_path) as start, native.socket() as taken:
        port = free_ports(1)[0]
        taken.bind((HOST, port))
        taken.listen()
        assert start(LoudNode, port).wait_exit() == 1
        assert start(LoudNode, port, *settings(gossip__pokes=99)).wait_exit() == 2
        assert not manager.has("READY=1") and manager.lines == []
