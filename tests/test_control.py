"""The control socket: what it answers, and who cannot hold it up."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from typing import Any

import gevent
import gevent.event
import pytest
from gevent import Timeout, socket

from gossip.core.address import Address
from gossip.core.events import StrikeGiven
from gossip.shell import control, protocol
from gossip.shell.remote import Gone, Remote, RemoteShell
from gossip.shell.sockets import SocketError, connect
from tests.controls import DEADLINE_S, Client, Serve, until
from tests.fake_console import OWN, PEER, FakeConsole
from tests.processes import ROOT

# What it answers.


def test_a_session_as_the_documentation_has_it(serve: Serve) -> None:
    client = serve().dial()
    assert client.hello == {"is": "hello", "node": str(OWN), "version": 1}
    outcome = {"is": "outcome", "id": 1, "ok": True, "stop": False, "is_misuse": False, "opens": ""}
    assert client.run("state 7") == {**outcome, "lines": [f"{OWN} --> 7"]}
    assert client.run("tabel")["is_misuse"] is True
    assert client.ask(b'{"do":"complete","id":7,"text":"join 12"}\n') == {
        "is": "offers",
        "id": 7,
        "offers": [
            {"text": "127.0.0.1:5009", "meaning": "blacklisted 1m05s ago: refused", "replaces": 2},
            {"text": str(PEER), "meaning": "member, state 1, answered 3s ago", "replaces": 2},
        ],
    }
    assert client.run("quit") == {**outcome, "lines": [f"{OWN} goes on; stop stops it"], "stop": True}
    assert client.read() is None


def test_requests_in_one_piece_and_in_many_are_answered_in_order(serve: Serve) -> None:
    client = serve().dial()
    many = b"".join(b'{"do":"run","id":%d,"line":"?"}\n' % number for number in range(50))
    for piece in (many[:7], many[7:1000], many[1000:]):
        client.sock.sendall(piece)
        gevent.sleep(0)
    assert [client.read()["id"] for _ in range(50)] == list(range(50))


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.0\r\n",
        b"\xff\xfe\x00\x1b[2J\n",
        b"{}\n",
        b"[" * 10_000 + b"\n",
        b'{"do":"run","id":"x","line":"?"}\n',
        b'{"do":"run","id":1}\n',
        b'{"do":"run","id":1,"line":"?","more":1}\n',
        b'{"do":"format","id":1}\n',
        b'{"do":"run","id":1,"line":"\\ud800"}\n',
    ],
)
def test_strange_bytes_get_one_line_and_the_connection_goes_on(serve: Serve, raw: bytes) -> None:
    client = serve().dial()
    answer = client.ask(raw)
    if "problem" in answer:
        assert answer["problem"].startswith("expected a request, such as {")
        assert answer["problem"].isprintable()
    else:
        assert not answer["ok"]
    assert client.run("?")["ok"]


def test_who_goes_on_with_strange_bytes_is_sent_away(serve: Serve) -> None:
    served = serve()
    client = served.dial()
    client.sock.sendall(b"x\n" * 1000)
    problems = [answer for answer in iter(client.read, None) if answer["is"] == "problem"]
    assert len(problems) == 20
    with suppress(ConnectionError):
        endless = served.dial()
        endless.sock.sendall(b"y" * 100_000)
    assert endless.read()["problem"] == "a line is over 32768 bytes"
    assert endless.read() is None
    assert served.dial().run("?")["ok"]


def test_one_client_more_than_may_be_is_told_so(serve: Serve) -> None:
    served = serve(max_clients=2)
    first, _ = served.dial(), served.dial()
    problem = "2 clients are connected, as many as may be"
    assert served.dial().hello == {"is": "problem", "problem": problem}
    with pytest.raises(SocketError, match=problem), closing(connect(served.path)) as sock:
        Remote(sock)
    first.close()
    until(lambda: served.dial().hello["is"] == "hello")


# Who cannot hold it up.


def test_who_does_not_read_loses_news_and_delays_nobody(serve: Serve) -> None:
    served = serve()
    stuck, other = served.dial(), served.remote()
    assert stuck.ask(b'{"do":"follow","id":1}\n')["ok"]
    news: list[str] = []
    other.follow(news.append, lambda: None)
    for number in range(3000):
        served.server.tell(_news(number))
        if number % 50 == 0:
            with Timeout(1.0):
                assert other.run("state").ok  # and so the other one has read
    until(lambda: len(news) == 3000)
    got: list[Any] = []
    reader = gevent.spawn(_collect, stuck, got)
    sent = 3000

    def is_told_of_losses() -> bool:
        nonlocal sent
        served.server.tell(_news(sent))
        sent += 1
        return any(answer["lost"] for answer in got)

    until(is_told_of_losses)
    served.server.close()
    reader.get()
    assert len(got) + sum(answer["lost"] for answer in got) == sent


def _news(number: int) -> StrikeGiven:
    return StrikeGiven(PEER, "rejected_lines" * 10, number)


def _collect(client: Client, got: list[Any]) -> None:
    for answer in iter(client.read, None):
        got.append(answer)


def test_who_asks_and_does_not_read_is_disconnected(serve: Serve) -> None:
    served = serve(timeout_s=0.1, max_clients=1)
    greedy = served.dial()

    def ask_on() -> None:
        with suppress(OSError):
            while True:
                greedy.sock.sendall(b'{"do":"run","id":1,"line":"help --json"}\n')

    asker = gevent.spawn(ask_on)
    asker.join(DEADLINE_S)
    assert asker.ready()
    until(lambda: served.dial().hello["is"] == "hello")


def test_answers_that_are_not_read_do_not_pile_up(serve: Serve) -> None:
    console = FakeConsole()
    console.others *= 5000  # a picture of them is larger than what a socket holds
    pictures = 0

    def convergence() -> None:
        nonlocal pictures
        pictures += 1

    console.convergence = convergence  # type: ignore[method-assign]
    served = serve(console, timeout_s=0.5)
    greedy = served.dial()
    greedy.sock.sendall(b'{"do":"look","id":1}\n' * 100)
    until(lambda: served.server._clients == set())  # sent away, for it does not read
    assert pictures < 5


def test_who_asked_for_much_and_left_gives_up_its_place(serve: Serve) -> None:
    console = FakeConsole()
    console.others *= 5000
    served = serve(console, timeout_s=600.0)
    greedy = served.dial()
    greedy.sock.sendall(b'{"do":"look","id":1}\n' * 400)
    until(lambda: bool(greedy.sock.recv(1)))
    greedy.close()
    until(lambda: served.server._clients == set())


def test_one_that_says_nothing_is_disconnected(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_IDLE_S", 0.05)
    served = serve()
    follower = served.dial()
    assert follower.ask(b'{"do":"follow","id":1}\n')["ok"]
    assert served.dial().read() is None
    assert follower.run("?")["ok"]


def test_a_command_that_waits_holds_up_its_own_client_only(serve: Serve) -> None:
    console = FakeConsole()
    may_end = gevent.event.Event()
    console.on_join = lambda address: may_end.wait()  # type: ignore[assignment, return-value]
    served = serve(console)
    waiting, other = served.remote(), served.remote()
    joining = gevent.spawn(waiting.run, "join 10.0.0.2:7000")
    gevent.sleep(0)
    assert other.run("state 5").lines == (f"{OWN} --> 5",)
    assert RemoteShell(other).candidates("mem")[0].text == "members"
    assert not joining.ready()
    may_end.set()
    assert not joining.get().ok


def test_a_crash_in_a_command_is_told_and_ends_that_client_only(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    console = FakeConsole()
    served = serve(console)
    console.on_join = _crash
    with pytest.raises(Gone):
        served.remote().run("join 10.0.0.2:7000")
    until(lambda: bool(served.crashes))
    assert isinstance(served.crashes.pop().exception, ValueError)
    assert served.remote().run("state").ok
    assert "ValueError" in capsys.readouterr().err  # in production the log takes that


def _crash(address: Address) -> None:
    raise ValueError("a bug of ours, and no fault of the client's")


def test_an_answer_of_a_kind_that_only_a_newer_node_has_is_skipped() -> None:
    ours, theirs = socket.socketpair()
    with closing(theirs):
        theirs.sendall(protocol.encode(protocol.Hello(str(OWN), 1)) + b'{"is":"song","id":1}\n')
        theirs.sendall(protocol.encode(protocol.Outcome(1, True, ("done",))))
        remote = Remote(ours)
        with Timeout(DEADLINE_S), closing(remote):
            assert remote.run("?").lines == ("done",)


# Its end.


def test_stop_stops_the_node_and_the_end_of_the_connection_says_that_it_is_down(serve: Serve) -> None:
    console = FakeConsole()
    served = serve(console)
    first, second = served.remote(), served.remote()
    gone: list[bool] = []
    second.follow(lambda line: None, lambda: gone.append(True))
    outcome = first.run("stop")
    assert (outcome.ok, outcome.stop, outcome.lines) == (True, True, (f"{OWN} stops",))
    assert console.is_stopped
    assert second.run("state 7").lines == (f"{OWN} is stopping",)
    assert console.own.state == 3
    assert not first.is_gone
    served.server.close()
    first.wait_end(DEADLINE_S)
    until(lambda: bool(gone))
    with pytest.raises(Gone, match=f"{OWN} has gone away"):
        second.run("state")
    assert not served.path.exists()


def test_the_socket_of_another_is_left_in_its_place(serve: Serve) -> None:
    served = serve()
    served.path.unlink()
    other = serve()
    served.server.close()
    assert other.path.exists()
    assert other.dial().run("?")["ok"]


# The protocol's text.


def test_every_example_of_the_documentation_is_what_is_spoken() -> None:
    shown = (ROOT / "docs" / "CONTROL.md").read_text("utf-8")
    lines = [line.strip()[2:] for line in shown.splitlines() if line.strip()[:2] in ("> ", "< ")]
    assert len(lines) >= 8
    for line in lines:
        read = protocol.read_request if '"do"' in line else protocol.read_answer
        assert json.loads(protocol.encode(read(line.encode()))) == json.loads(line)


def test_what_no_utf8_can_write_is_sent_all_the_same() -> None:
    sent = protocol.encode(protocol.Outcome(1, True, ("a\ud800b",)))
    assert protocol.read_answer(sent.rstrip()) == protocol.Outcome(1, True, ("a?b",))
