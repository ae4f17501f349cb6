"""Settings that change while a node runs: which may, and how, all that is asked or nothing."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import gevent
import pytest
from gevent.event import Event

from gossip.config.live import views, with_values
from gossip.core.settings import Difference, Settings
from gossip.core.text import setting_text
from gossip.tuning import Tuning
from tests.config_helpers import KEYS
from tests.fake_console import FakeConsole
from tests.tuning_helpers import LIVE, NEEDS_RESTART, keys_of, with_other


def test_every_setting_either_changes_at_once_or_needs_a_restart() -> None:
    marked = {view.key for view in views(Settings()) if view.needs_restart}
    assert marked == set(keys_of(NEEDS_RESTART)), "what only a start reads is marked Restart, in settings.py"
    assert sorted(KEYS) == sorted([*keys_of(NEEDS_RESTART), *keys_of(LIVE)])


# How: `change` and `reload` of Tuning.


def tuned_by(console: FakeConsole, settings: Settings, reread: Any = None) -> Tuning:
    return Tuning(settings, reread, console.used.append, console.status, console.tuning._log)


def lying_by(strategy: str | None) -> FakeConsole:
    console = FakeConsole()
    console.strategy = strategy
    return console


@pytest.mark.parametrize("key", KEYS)
def test_what_is_shown_of_a_setting_can_be_typed(key: str) -> None:
    for settings in (Settings(), with_other(Settings(), key) if key in keys_of(LIVE) else Settings()):
        console = FakeConsole()
        tuning = tuned_by(console, settings)
        done = tuning.change(f"{key}={setting_text(attrgetter(key)(settings))}")
        assert done.changed == () and console.used == []
        assert (done.problem != "") == (key in keys_of(NEEDS_RESTART))


def test_followers_are_told_in_turn_and_only_of_what_is_new() -> None:
    console, told = FakeConsole(), list[Settings]()
    console.tuning.follow(told.append)
    assert console.tuning.change("gossip.pokes=2").changed == ()
    assert told == []
    assert console.tuning.change(" gossip.pokes = 3 ").changed == (Difference("gossip.pokes", 2, 3),)
    assert told == console.used == [console.tuning.now]
    assert console.tuning.now.gossip.pokes == 3


@pytest.mark.parametrize(
    ("text", "problem", "is_misuse"),
    [
        ("gossip.pokes=99", "set gossip.pokes=99: expected a whole number from 0 to 16", True),
        ("gossip.trust=nobody", 'set gossip.trust=nobody: expected "verify" or "hearsay"', True),
        ("gossip.poke=1", "set gossip.poke=1: unknown setting; did you mean gossip.pokes?", True),
        ("pull.quiet_s=9", "set pull.quiet_s=9.0: expected at most pull.pull_timeout_s = 5.0", False),
        ("node.listen=127.0.0.1:1", "node.listen needs a restart; it is 127.0.0.1:5001", False),
        ("node.listen=rubbish", "node.listen needs a restart; it is 127.0.0.1:5001", False),
        ("node.state=5", "node.state needs a restart; it is 0 (state DIGIT does it at once)", False),
        (
            "adversary.on=true",
            "adversary.on needs a restart; it is false (adversary on|off does it at once)",
            False,
        ),
    ],
)
def test_what_cannot_be_changes_nothing(text: str, problem: str, is_misuse: bool) -> None:
    console = FakeConsole()
    done = console.tuning.change(text)
    assert (done.problem, done.is_misuse, done.changed) == (problem, is_misuse, ())
    assert console.tuning.now == Settings() and console.used == []


REMOTE = [("node.listen", "10.0.0.7:5001"), ("adversary.allow_remote", True)]


def test_what_permits_a_lie_cannot_go_while_the_node_lies() -> None:
    console = lying_by("forge")
    tuning = tuned_by(console, with_values(Settings(), REMOTE))
    problem = tuning.change("adversary.allow_remote=false").problem
    assert problem.startswith("while this node lies by forge: expected a node.listen on loopback for forge")
    console.strategy = None
    assert tuning.change("adversary.allow_remote=false").problem == ""
    reflecting = tuned_by(lying_by("reflect"), Settings())
    refused = reflecting.change("adversary.victim=8.8.8.8:53").problem
    assert "expected an adversary.victim on loopback" in refused


def test_a_reload_is_refused_where_only_a_restart_would_make_it_right() -> None:
    running = with_values(Settings(), [*REMOTE, ("adversary.on", True), ("adversary.strategy", "forge")])
    wanted = with_values(running, [("node.listen", "127.0.0.1:5001"), ("adversary.allow_remote", False)])
    tuning = tuned_by(FakeConsole(), running, lambda: wanted)
    assert tuning.reload().problem.startswith("while this node lies by forge: expected a node.listen on loop")
    assert tuning.now == running


def test_a_reload_undoes_what_was_set_and_keeps_what_needs_a_restart() -> None:
    wanted = with_values(Settings(), [("node.listen", "127.0.0.1:7"), ("gossip.pokes", 5)])
    console = FakeConsole()
    tuning = tuned_by(console, Settings(), lambda: wanted)
    tuning.change("reply.max_lines=99")
    done = tuning.reload()
    assert done.changed == (Difference("gossip.pokes", 2, 5), Difference("reply.max_lines", 99, 512))
    assert done.waiting == (Difference("node.listen", "127.0.0.1:5001", "127.0.0.1:7"),)
    assert tuning.now == with_values(Settings(), [("gossip.pokes", 5)])
    assert len(console.used) == 2
    assert tuning.reload().changed == () and len(console.used) == 2


def test_what_changes_while_a_reload_waits_comes_after_it() -> None:
    console, answered = FakeConsole(), Event()
    pokes = iter((2, 3))
    tuning = tuned_by(console, Settings(), lambda: with_values(Settings(), [("gossip.pokes", next(pokes))]))
    tuning.read_along(lambda: None if answered.wait() else "never")
    waiting = [gevent.spawn(tuning.reload), gevent.spawn(tuning.reload)]
    waiting.append(gevent.spawn(tuning.change, "gossip.pokes=4"))
    gevent.sleep(0)
    answered.set()
    assert len(gevent.joinall(waiting, timeout=10)) == 3
    assert [settings.gossip.pokes for settings in console.used] == [3, 4]
