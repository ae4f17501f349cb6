"""Running daemons, listeners, logs and control sockets whose settings change: what they do from then on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gossip.core import events as ev
from gossip.core.settings import ControlSettings, LogSettings
from gossip.log import EventLog, facts, open_destination
from gossip.log.writer import Writer
from tests.controls import serving
from tests.core_helpers import A as PEER
from tests.nodes import Running, Start
from tests.peers import ON_LOOPBACK, Peer, call, free_addresses, has_ended, until
from tests.tuning_helpers import LIVE, keys_of, other

pytestmark = ON_LOOPBACK


@pytest.fixture
def one(start: Start) -> Running:
    """A node that nobody else knows."""
    return start(free_addresses(1)[0])


def set_(node: Running, *texts: str) -> None:
    for text in texts:
        done = node.daemon.tuning.change(text)
        assert done.changed and not done.problem, done


# The daemon.


@pytest.mark.parametrize("key", [key for key in keys_of(LIVE) if key.startswith(("listener.", "reply."))])
def test_a_changed_listener_is_as_one_that_was_opened_so(one: Running, key: str) -> None:
    assert one.daemon.set_adversary("frame") is None  # which listens at four more
    set_(one, f"{key}={other(key)}")
    (port,) = free_addresses(1)
    fresh = one.daemon._listen_at(*port)
    try:
        listeners: list[Any] = [one.daemon._listener, *one.daemon._aliases]
        assert len(listeners) > 1
        for listener in listeners:
            for name in ("_timeout_s", "_send_buffer", "_max_callers", "_reply"):
                assert getattr(listener, name) == getattr(fresh, name)
            assert listener._lingering._settings == fresh._lingering._settings
    finally:
        fresh.stop()
        fresh.close_callers()


def test_rounds_follow_a_new_interval(start: Start) -> None:
    own, peer = free_addresses(2)
    start(peer)
    slow = start(own, interval_s=600.0)
    assert slow.daemon.status().round == 0
    set_(slow, "gossip.interval_s=0.05", f"node.join={peer}")
    until(
        lambda: peer in slow.states() and slow.daemon.status().round > 2, "rounds, and the peer as a member"
    )
    changed = [(event.setting, event.previous, event.value) for event in slow.log.of(ev.SettingChanged)]
    assert changed == [("gossip.interval_s", 600.0, 0.05), ("node.join", (), (str(peer),))]


def test_a_pull_has_the_time_of_now(one: Running) -> None:
    with Peer(lambda conn, peer: peer.hold()) as silent:
        set_(one, "pull.quiet_s=0.05", "pull.pull_timeout_s=0.1")
        report = one.daemon.join(silent.address)
        silent.over.set()
    assert report.failure is not None
    (failed,) = one.log.of(ev.PullFailed)
    assert 90 <= failed.duration_ms < 900  # it was a second


def test_an_answer_has_the_time_of_now(one: Running) -> None:
    set_(one, "listener.answer_timeout_s=0.1")
    one.daemon.set_adversary("silent")
    with call(one.address) as caller:
        until(lambda: has_ended(caller), "the end of an answer that never comes")


def test_callers_beyond_a_new_bound_go(one: Running) -> None:
    one.daemon.set_adversary("silent")
    callers = [call(one.address) for _ in range(4)]
    until(lambda: len(one.daemon._listener._callers) == 4, "callers")  # type: ignore[union-attr]
    set_(one, "listener.max_callers=1")
    callers.append(call(one.address))
    until(lambda: all(map(has_ended, callers[:-1])), "the end of the first ones")
    assert not has_ended(callers[-1])
    for caller in callers:
        caller.close()


def test_who_may_reply_waits_no_longer_than_is_allowed_now(one: Running) -> None:
    set_(one, "reply.reply_timeout_s=60")
    lingering = one.daemon._listener._lingering  # type: ignore[union-attr]
    with call(one.address):
        until(lambda: len(lingering) == 1, "a caller that may reply")
        set_(one, "reply.reply_timeout_s=0.05")
        until(lambda: len(lingering) == 0, "its end")


def test_the_attack_that_y_switches_on_is_the_one_of_now(one: Running) -> None:
    set_(one, "adversary.strategy=forge")
    assert next(iter(one.daemon.strategies())) == "forge"


def test_a_change_does_not_start_a_stopped_node_again(one: Running) -> None:
    one.shut_down()
    set_(one, "gossip.interval_s=0.02")
    assert all(timer.ready() for timer in one.daemon._timers.greenlets())


# The control socket.


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path short enough, whatever the temporary folder's name."""
    monkeypatch.chdir(tmp_path)
    return Path("c.sock")


def test_a_control_socket_takes_as_many_clients_as_may_be_now(path: Path) -> None:
    with serving(path) as serve:
        served = serve()
        first = served.dial()
        served.server.use(ControlSettings(max_clients=1, timeout_s=0.5))
        assert served.dial().hello == {
            "is": "problem",
            "problem": "1 clients are connected, as many as may be",
        }
        assert first.run("status")["ok"]
        assert [client.timeout_s for client in served.server._clients] == [0.5]


# The log.


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    opened = open_destination(str(tmp_path / "log"), no_shell=False, at_terminal=True, max_events=1000)
    assert opened is not None
    yield opened
    opened.close(5)


def test_every_node_of_a_log_logs_from_its_new_level_on(writer: Writer, tmp_path: Path) -> None:
    logs = EventLog(writer, "warning")
    nodes = [logs.bind("a"), logs.bind("b"), logs.bind("a")]
    kinds = (ev.EntryRestamped, facts.ControlOpened, facts.ControlUnavailable, facts.ReloadRefused)
    of_level = (kinds[0](PEER, 1, 2, "pull"), kinds[1]("s"), kinds[2]("r"), kinds[3]("r"))
    for level in ("warning", "debug", "error", "info"):
        logs.use(LogSettings(level=level, repeat_window_s=0))  # type: ignore[arg-type]
        for node in (*nodes, logs.bind("c")):
            for event in of_level:
                node.emit(event)
    logs.use(LogSettings(levels=("own=error",), repeat_window_s=60, repeat_burst=1))
    for node in nodes:
        node.emit(facts.ListenerExhausted("a"))
        node.emit(facts.SettingsReloaded((), ()))
    logs.close()
    writer.close(5)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    seen = Counter(line["event"] for line in lines)
    expected = {"control_unavailable": 12, "entry_restamped": 4, "reload_refused": 16, "control_opened": 8}
    assert seen == {**expected, "listener_exhausted": 3}
    assert [line["repeated"] for line in lines if "repeated" in line] == [1]
