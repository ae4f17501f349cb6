"""`trace`: which events are about an address, and how each is told, as text and as JSON."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import gevent
import pytest
from gevent import Greenlet

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.log.catalogue import CATALOGUE
from gossip.log.events import EventLog
from gossip.log.schema import choices_of, fields_of
from gossip.shell import sockets, tracing
from gossip.shell.commands import run
from gossip.shell.remote import RemoteShell
from gossip.shell.shells import Lines, LocalShell, Shell
from tests.controls import Serve, until
from tests.fake_console import BAD, OWN, PEER, FakeConsole

WALL = 1_795_421_000.25
OTHER = Address("10.0.0.9", 5001)


def _told(event: ev.Event, about: Address = PEER) -> str:
    line = tracing.Tracer(about, OWN).line(event, WALL)
    assert line is not None
    clock, rest = line[:8], line[10:]
    assert clock == time.strftime("%H:%M:%S", time.localtime(WALL))
    return re.sub(" {2,}", " | ", rest)


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (
            ev.PullFinished(PEER, "check", 1.25, 84, 3, 1, {"future": 2}, "empty_line", r"\x1b[2J"),
            "pull finished | for check, 1.25 ms, 84 bytes, 3 lines, 1 taken, rejected future 2, "
            r'ended by empty line, such as "\x1b[2J"',
        ),
        (
            ev.PullFailed(PEER, "round", 0.2, 0, "refused", 2),
            "pull failed | for round, 0.2 ms, 0 bytes, refused, failures in a row: 2",
        ),
        (
            ev.HintHeard(PEER, str(OTHER), 1_630_281_124, 7),
            f"hint heard | from {OTHER}, of 1630281124, state 7",
        ),
        (
            ev.HintHeard(OTHER, str(PEER), 1_630_281_124, 7),
            f"hint heard | about {OTHER}, it said so, of 1630281124, state 7",
        ),
        (ev.SuspicionHeard(PEER, OTHER), f"suspicion heard | from {OTHER}"),
        (
            ev.StateChanged(PEER, 1, 2, 5, "first-hand"),
            "state changed | before 1, state 2, of 5, from first-hand",
        ),
        (ev.MemberBlacklisted(PEER, "timeout", 75.0), "member blacklisted | timeout, retry in 1m15s"),
        (ev.StrikeGiven(PEER, "rejected_lines", 2), "strike given | rejected_lines, strikes 2"),
        (ev.MemberForgotten(PEER), "member forgotten"),
        (ev.ReplyRead(PEER, 51, 2, {}, 0, False), "reply read | 51 bytes, 2 lines, suspects 0"),
        (ev.ReplyRead(PEER, 51, 2, {}, 1, True), "reply read | 51 bytes, 2 lines, suspects 1, leaving"),
        (ev.ClusterMismatch(PEER, "\u202e\x1b", "prod"), r"cluster mismatch | theirs \u202e\x1b, ours prod"),
    ],
)
def test_an_event_is_one_line(event: ev.Event, told: str) -> None:
    assert _told(event) == told
    assert _told(event).isascii()


def test_events_of_others_are_left_out_and_the_own_ones_name_no_address() -> None:
    own_set = ev.OwnStateSet(1, 2, 5)
    for event in (ev.HintHeard(OTHER, str(BAD), 5, 7), own_set, ev.ReplyRefused("10.0.0.9", "no_from", 3)):
        assert not tracing.concerns(event, PEER, OWN)
    assert _told(own_set, OWN) == "own state set | before 1, state 2, of 5"
    assert _told(ev.OwnEntryRefuted(PEER, 9, 4, 10)).startswith("own entry refuted | seen timestamp 9")
    assert tracing.concerns(ev.OwnEntryRefuted(PEER, 9, 4, 10), OWN, OWN)


def _examples() -> Iterator[ev.Event]:
    values: dict[Any, Any] = {Address: PEER, str: "a\x1b", int: 3, float: 1.5, bool: True, object: (2, "b")}
    for kind in CATALOGUE.values():
        if kind.event.__module__ == ev.__name__:  # a node tells no others to those who watch it
            fields = fields_of(kind.event)
            yield kind.event(
                *(None if is_optional else _value(hint, values) for _, hint, is_optional in fields)
            )


def _value(hint: Any, values: dict[Any, Any]) -> Any:
    if get_origin(hint) is dict:
        return {_value(get_args(hint)[0], values): 2}
    return next(iter(choices_of(hint)), None) or values[hint]


@pytest.mark.parametrize("event", list(_examples()), ids=lambda event: type(event).__name__)
def test_as_json_an_event_is_what_the_log_says(event: ev.Event) -> None:
    logged: list[bytes] = []

    class Sink:
        write = logged.append
        render_dropped = None

    EventLog(Sink(), "debug").bind(str(OWN)).emit(event)  # type: ignore[arg-type]
    expected, found = json.loads(logged[0]), json.loads(tracing.json_line(event, WALL, OWN))
    assert re.fullmatch(r"2026-11-2\dT\d\d:\d\d:\d\d\.250000Z", found.pop("ts"))
    assert expected.pop("ts")
    assert expected.pop("id")  # that of a line of the log
    assert found == expected
    assert all(" " <= shown <= "~" for shown in tracing.told(event, PEER, WALL))


# The command, and the shells that follow.


def test_the_command_shows_what_is_known_and_opens_the_trace() -> None:
    result = run(FakeConsole(), f"trace {PEER}")
    assert result.lines[0].startswith(f"{PEER} --> 1: learned from")
    assert result.opens == f"trace {PEER}"
    as_json = run(FakeConsole(), f"trace {PEER} --json")
    assert (as_json.lines, as_json.opens) == ((), f"trace {PEER} --json")


def _tracing(shell: Shell, shown: list[str], *, json: bool = False) -> Greenlet:
    def trace() -> None:
        try:
            shell.trace(str(PEER), shown.append, json=json)
        except KeyboardInterrupt:
            shown.append("interrupted")

    return gevent.spawn(trace)


def test_a_local_shell_traces_until_it_is_interrupted() -> None:
    console, shown = FakeConsole(), list[str]()
    greenlet = _tracing(LocalShell(console), shown)
    until(lambda: bool(console.watchers))
    console.emit(ev.MemberForgotten(OTHER))
    console.emit(ev.MemberForgotten(PEER))
    until(lambda: bool(shown))
    greenlet.kill(KeyboardInterrupt, timeout=5)
    assert [line[10:] for line in shown[:-1]] == ["member forgotten"]
    assert shown[-1] == "interrupted"
    assert not console.watchers


def test_an_attached_shell_traces_until_it_is_interrupted(serve: Serve) -> None:
    served, shown = serve(), list[str]()
    remote = served.remote()
    greenlet = _tracing(RemoteShell(remote), shown, json=True)
    client = next(iter(served.server._clients))
    until(lambda: client.tracer is not None)
    served.server.tell(ev.MemberForgotten(OTHER))
    served.server.tell(ev.MemberForgotten(PEER))
    until(lambda: bool(shown))
    greenlet.kill(KeyboardInterrupt, timeout=5)
    assert [json.loads(line)["event"] for line in shown[:-1]] == ["member_forgotten"]
    assert shown[-1] == "interrupted"
    assert client.tracer is None
    assert remote.run("state").ok


def test_a_silence_longer_than_connecting_may_take_ends_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_CONNECT_S", 0.02)
    remote = serve().remote()
    gevent.sleep(0.1)  # the silence
    assert not remote.is_gone
    assert remote.run("state").ok


def test_what_a_client_traces_is_checked_and_another_takes_its_place(serve: Serve) -> None:
    served = serve()
    client = served.dial()
    refused = client.ask(b'{"do":"trace","id":1,"address":"x"}\n')
    assert (refused["ok"], refused["is_misuse"]) == (False, True)
    assert refused["lines"][0].startswith("x is no address")
    for address in (PEER, BAD):
        assert client.ask(b'{"do":"trace","id":2,"address":"%s"}\n' % str(address).encode())["ok"]
    served.server.tell(ev.MemberForgotten(PEER))
    served.server.tell(ev.MemberForgotten(BAD))
    told = client.read()
    assert (told["is"], told["lost"], told["line"][10:]) == ("trace", 0, "member forgotten")
    assert client.ask(b'{"do":"untrace","id":3}\n')["id"] == 3
    served.server.tell(ev.MemberForgotten(BAD))
    assert client.run("state")["ok"]


def test_lines_that_nobody_shows_are_counted() -> None:
    lines, shown = Lines(), list[str]()
    for number in range(600):
        lines.put(str(number))
    lines.end()
    lines.show(shown.append)
    assert shown[:2] == ["1", "2"]
    assert len(shown) == 499
    again = Lines()
    for number in range(600):
        again.put(str(number))
    following = gevent.spawn(again.show, shown.append)
    until(lambda: shown[-1] == "(100 lines left out)")
    again.end()
    following.get(timeout=5)
