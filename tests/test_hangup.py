"""Real processes whose settings are read again: by SIGHUP, and by `reload` in a shell or a demo."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from gossip.config import ConfigError
from gossip.config.source import load_rereadable
from gossip.core.settings import Settings
from gossip.demo import _settings_of
from tests.processes import HOST, LoudNode, Node, Process, Spawn, free_ports, wait_until


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "my.toml"
    found.write_text("[gossip]\npokes = 1\n")
    return found


def pokes(number: int) -> str:
    return f"[gossip]\npokes = {number}\n"


def is_held(process: Process) -> bool:
    """Tell whether a process holds SIGHUP back for later."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    blocked = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    return bool(int(blocked, 16) >> (signal.SIGHUP - 1) & 1)


# What is read again.


def test_the_same_sources_are_read_again_wherever_the_process_is(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"node.state": ("--state", 4)}
    settings, reread = load_rereadable("my.toml", ["reply.max_lines=99"], options)
    monkeypatch.chdir("/")
    assert reread() == settings
    file.write_text("[gossip]\npokes = 3\n[reply]\nmax_lines = 8\n[node]\nstate = 5\n")
    again = reread()
    assert (again.gossip.pokes, again.reply.max_lines, again.node.state) == (3, 99, 4)
    file.unlink()
    with pytest.raises(ConfigError, match=r"my\.toml: cannot be read \(No such file or directory\)"):
        reread()


def test_a_link_is_followed_anew(file: Path, tmp_path: Path) -> None:
    link, other = tmp_path / "link.toml", tmp_path / "other.toml"
    other.write_text(pokes(7))
    link.symlink_to(file)
    settings, reread = load_rereadable(str(link), [], {})
    link.unlink()
    link.symlink_to(other)
    assert (settings.gossip.pokes, reread().gossip.pokes) == (1, 7)


def test_a_pipe_is_not_waited_for(file: Path) -> None:
    _, reread = load_rereadable(str(file), [], {})
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ConfigError, match="cannot be read again; expected a regular file"):
        reread()


def test_without_a_file_the_shipped_one_is_read_again() -> None:
    settings, reread = load_rereadable(None, [], {})
    assert settings == reread() == Settings()


def test_a_demo_derives_the_same_again(file: Path) -> None:
    settings, reread = load_rereadable(str(file), ["adversary.on=true"], {})
    third = _settings_of(2, reread, 3)
    assert (third.node.listen, third.node.state, third.node.join) == (
        "127.0.0.1:5003",
        3,
        ("127.0.0.1:5001",),
    )
    assert settings.adversary.on and not third.adversary.on
    file.write_text(pokes(5))
    assert _settings_of(2, reread, 3).gossip.pokes == 5


# Real processes.


def test_sighup_reloads_all_or_nothing(spawn: Spawn, file: Path) -> None:
    node = spawn(LoudNode, free_ports(1)[0], "--config", "my.toml")
    node.wait_event("control_opened")
    file.write_text(pokes(3) + "interval_s = 60\n[node]\nstate = 5\n")  # --set has the interval, too
    node.popen.send_signal(signal.SIGHUP)
    (reloaded,) = node.wait_event("settings_reloaded")
    assert reloaded["changed"] == ["gossip.pokes"]
    assert reloaded["needs_restart"] == []  # --state is the option's
    assert node.events("setting_changed", setting="gossip.pokes", previous=1, value=3)

    file.write_text("[gossip]\nmax_members = 7\npokes = 99\n")
    node.popen.send_signal(signal.SIGHUP)
    (refused,) = node.wait_event("reload_refused", level="error")
    expected = "gossip.pokes = 99: expected a whole number from 0 to 16"
    assert refused["reason"] == f"{file}: {expected}"

    file.write_text("[gossip]\nmax_members = 7\npokes = 3\n")
    node.popen.send_signal(signal.SIGHUP)
    node.wait_event("settings_reloaded", 2)
    assert node.events("settings_reloaded")[1]["changed"] == ["gossip.max_members"]
    (changed,) = node.events("setting_changed", setting="gossip.max_members")
    assert (changed["previous"], changed["value"]) == (10_000, 7)
    assert node.stop() == 0


def test_sighup_before_the_node_is_up_waits_for_it(spawn: Spawn, file: Path) -> None:
    node = spawn(LoudNode, free_ports(1)[0], "--config", "my.toml")
    wait_until(lambda: is_held(node), "the first line of gossipd.py")
    node.popen.send_signal(signal.SIGHUP)
    node.wait_event("settings_reloaded")
    assert not is_held(node)
    assert node.stop() == 0


def test_what_is_no_node_ends_by_sighup(spawn: Spawn) -> None:
    playing = spawn(Process, "sim", "--nodes", "400", "--trials", "1000")
    wait_until(lambda: is_held(playing), "the first line of gossipd.py")
    playing.popen.send_signal(signal.SIGHUP)
    assert playing.wait_exit() == -signal.SIGHUP


def test_set_and_reload_in_a_shell(spawn: Spawn, file: Path) -> None:
    node = spawn(Node, free_ports(1)[0], "--config", "my.toml")
    assert node.ask("set gossip.pokes 4") == ["gossip.pokes: 1 -> 4"]
    assert node.ask("set log.level error") == ["log.level: info -> error"]
    node.ask("state 7")
    file.write_text(pokes(2))
    assert node.ask("reload") == ["gossip.pokes: 4 -> 2", "log.level: error -> info"]
    node.ask("state 8")
    node.wait_event("own_state_set", state=8)
    assert not node.events("own_state_set", state=7)
    assert node.ask("reload") == ["nothing has changed"]
    file.write_text("[gossip]\npoke = 2\n")
    assert node.ask("reload") == [
        f"not reloaded: {file}: gossip.poke: unknown setting; did you mean gossip.pokes?"
    ]
    assert node.stop() == 0


def test_a_demo_reloads_all_its_nodes_and_its_shell_the_first(spawn: Spawn, file: Path) -> None:
    ports = free_ports(2)
    listen = f"{HOST}:{ports[0]}"
    args = ["demo", "--nodes", "2", "--listen", listen, "--config", "my.toml", "--change-every-s", "0"]
    demo = spawn(Process, *args, "--log-file", "demo.log", stdin=subprocess.PIPE)
    log = demo.home / "demo.log"
    wait_until(lambda: log.exists() and '"control_opened"' in log.read_text(), "the start")
    demo.type(b"reload\n")
    demo.wait_stdout("nothing has changed\n")
    file.write_text(pokes(6))
    demo.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: log.read_text().count('"event":"setting_changed"') == 2, log.read_text)
    demo.type(b"set gossip.pokes\n")
    demo.wait_stdout("gossip.pokes is 6, by default 2\n")
    assert demo.stop() == 0
