"""The command line of real processes: exit statuses, one-line messages, signals, broken outputs."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gossip.cli import main
from gossip.config.text import any_of
from gossip.core.attacks import STRATEGIES
from tests.processes import (
    GOSSIPD,
    HOST,
    ROOT,
    LoudNode,
    Node,
    Peer,
    Process,
    Spawn,
    answers,
    environment,
    fetch,
    free_ports,
    settings,
    wait_until,
)

FASTER = settings(gossip__interval_s=0.1)
LISTS = "; --help lists what there is"
PORT_RULE = "expected ip:port; the port is a whole number from 1 to 65535, without leading zeros"

# The arguments, and the one line that refuses them with exit status 2.
REFUSED = {
    "--bo\ngus\x1b[31m": f"unrecognized arguments: --bo\\ngus\\x1b[31m{LISTS}",
    "help": f"expected IP PORT STATE or none of them, found 'help'{LISTS}",
    "127.0.0.1 5001": f"expected IP PORT STATE or none of them, found '127.0.0.1 5001'{LISTS}",
    "127.0.0.1 99999 3": f'IP PORT: node.listen = "127.0.0.1:99999": {PORT_RULE}',
    "127.0.0.1 5001 x": 'STATE: node.state = "x": expected a whole number from 0 to 9',
    "127.0.0.1 5001 3 --listen 127.0.0.1:1": f"give either IP PORT STATE or --listen and --state{LISTS}",
    "--config /no/such": "/no/such: cannot be read (No such file or directory); expected a TOML file",
    "--set gossip.interval=1": "--set gossip.interval=1: unknown setting; did you mean gossip.interval_s?",
    "--set gossip.interval_s=x": "--set gossip.interval_s=x: expected a number from 0.02 to 3600",
    "--set gossip.interval_s=0": "--set gossip.interval_s=0: expected a number from 0.02 to 3600",
    "--set node.cluster=a!": (
        "--set node.cluster=a!: expected at most 64 letters, digits, '.', '_' and '-', or nothing"
    ),
    "--state": f"argument --state: expected one argument{LISTS}",
    "demo --nodes 0": f"--nodes is from 1 to 200, found 0{LISTS}",
    "demo --liars 5": f"--liars is from 0 to 4, for node 1 is honest; found 5{LISTS}",
    "demo --change-every-s nan": f"--change-every-s is a number of seconds from 0, found nan{LISTS}",
    "demo --attack nope": f'--attack: adversary.strategy = "nope": expected {any_of(STRATEGIES)}',
    "demo --liars 1 --attack forge --listen 10.0.0.7:5001": (
        "demo --liars 1: expected a node.listen on loopback for forge, not 10.0.0.7:5001, "
        "or adversary.allow_remote = true"
    ),
    "demo --listen 127.0.0.1:65532": (
        "node.listen = '127.0.0.1:65532': the demo needs an ip:port with 4 ports after it: "
        "the port is a whole number from 1 to 65535, without leading zeros"
    ),
}


def _run(home: Path, *args: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [GOSSIPD[0], *python, *GOSSIPD[1:], *args]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment(home), timeout=20
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Arguments.


@pytest.mark.parametrize("line", REFUSED, ids=ascii)
def test_wrong_arguments_are_refused_in_one_line(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    try:
        status: object = main(line.split(" "))
    except SystemExit as ended:  # argparse's way to return
        status = ended.code
    assert status == 2
    assert tuple(capfd.readouterr()) == ("", f"gossipd: {REFUSED[line]}\n")


@pytest.mark.parametrize("line", ["--state", "--set gossip.interval_s=0", "demo --nodes 0"])
def test_the_process_refuses_them_as_well(tmp_path: Path, line: str) -> None:
    ended = _run(tmp_path, *line.split(" "))
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"gossipd: {REFUSED[line]}\n")


@pytest.mark.parametrize("args", [["--help"], ["demo", "--help"]])
def test_help_ends_well(tmp_path: Path, args: list[str]) -> None:
    ended = _run(tmp_path, *args)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "--set SECTION.KEY=VALUE" in ended.stdout


def test_the_seeds_call_listens_there_in_that_state(spawn: Spawn) -> None:
    port = free_ports(1)[0]
    node = spawn(Process, HOST, str(port), "7")
    wait_until(lambda: answers(port), "an answer")
    assert re.fullmatch(rf"127\.0\.0\.1:{port},\d{{10}},7\n\n", fetch(port).decode())
    node.type(b"?\n")
    node.wait_stdout(f"{HOST}:{port} --> 7\n")
    assert node.stop() == 0


def test_named_options_win_over_set_and_set_over_the_file(spawn: Spawn, tmp_path: Path) -> None:
    port, wrong = free_ports(2)
    file = tmp_path / "own.toml"
    file.write_text(f'[node]\nlisten = "{HOST}:{wrong}"\nstate = 1\n[adversary]\non = true\n')
    overriding = settings(adversary__on="false", node__state=2)
    spawn(Process, "--config", str(file), *overriding, "--listen", f"{HOST}:{port}", "--state", "3")
    wait_until(lambda: answers(port), "an answer")
    assert fetch(port).endswith(b",3\n\n")


# What prevents a start.


@pytest.mark.parametrize("demo", [False, True])
def test_a_port_in_use_is_told_in_one_line(tmp_path: Path, demo: bool) -> None:
    ports = free_ports(3)
    taken, args = (ports[2], ["demo", "--nodes", "3"]) if demo else (ports[0], [])
    with socket.socket() as other:
        other.bind((HOST, taken))
        other.listen()
        ended = _run(tmp_path, *args, "--listen", f"{HOST}:{ports[0]}", "--log-file", "/dev/null")
    assert ended.stderr == (
        f"gossipd: {HOST}:{taken}: the port is in use; "
        "stop what listens there, or choose another with --listen\n"
    )
    assert (ended.returncode, ended.stdout) == (1, "")


def test_an_address_of_another_machine_is_told_in_one_line(tmp_path: Path) -> None:
    ended = _run(tmp_path, "--listen", "192.0.2.1:5001")
    assert ended.stderr == (
        "gossipd: 192.0.2.1:5001: this machine has no such address; choose one of its own with --listen\n"
    )
    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_log_file_that_cannot_be_opened_is_told_in_one_line(tmp_path: Path) -> None:
    path = str(tmp_path / "no" / "log")
    ended = _run(tmp_path, "--log-file", path)
    assert ended.stderr == f"gossipd: log.file = '{path}': cannot be opened (No such file or directory)\n"
    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_data_dir_that_cannot_be_used_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "data")
    ended = _run(tmp_path, "--listen", f"{HOST}:{free_ports(1)[0]}", "--set", f"node.data_dir={folder}")
    assert ended.stderr == f"gossipd: node.data_dir = '{folder}': cannot be used (Not a directory)\n"
    assert (ended.returncode, ended.stdout) == (1, "")


def test_without_gevent_there_is_a_one_line_hint(tmp_path: Path) -> None:
    ended = _run(tmp_path, "--help", python=("-S",))
    assert ended.stderr == (
        "gossipd: No module named 'gevent'; run `make run`, or `pip install -r requirements.txt`\n"
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert (ROOT / "requirements.txt").exists()


# Signals.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_node_in_order(spawn: Spawn, number: signal.Signals) -> None:
    node = spawn(LoudNode, free_ports(1)[0])
    node.wait_event("listener_started")
    node.popen.send_signal(number)
    assert node.wait_exit() == 0
    assert node.events()[-1]["event"] == "node_stopped"
    assert node.stderr == ""


def test_sigterm_does_not_wait_for_input(spawn: Spawn) -> None:
    node = spawn(Node, free_ports(1)[0])
    node.wait_event("listener_started")
    assert node.stop() == 0
    assert [event["exit_status"] for event in node.events("node_stopped")] == [0]


@pytest.mark.parametrize("signals", [1, 2])
def test_a_pull_that_hangs_holds_up_the_stop_for_shutdown_s_at_most(
    spawn: Spawn, silent: Peer, signals: int
) -> None:
    slow = settings(node__shutdown_s=0.5, pull__pull_timeout_s=60)
    node = spawn(LoudNode, free_ports(1)[0], "--join", silent.address, *slow)
    wait_until(lambda: silent.callers > 0, "the pull")
    began = time.monotonic()
    for _ in range(signals):
        node.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: not answers(node.port), "the listener's end")
    assert node.wait_exit() == 0
    assert 0.4 < time.monotonic() - began < 5
    assert node.events()[-1]["event"] == "node_stopped"


def test_sigint_with_a_piped_shell_stops_in_order(spawn: Spawn) -> None:
    node = spawn(Node, free_ports(1)[0])
    node.wait_event("listener_started")
    node.popen.send_signal(signal.SIGINT)
    assert node.wait_exit() == 0
    node.wait_event("node_stopped", exit_status=0)


# Outputs that break or stall.


def _wait_pulls(peer: Peer, more: int) -> None:
    goal = peer.callers + more
    wait_until(lambda: peer.callers >= goal, f"{more} more pulls")


@pytest.mark.parametrize("is_shell", [False, True])
def test_a_closed_output_neither_ends_the_node_nor_makes_it_spin(spawn: Spawn, is_shell: bool) -> None:
    peer = Peer()
    read_end, write_end = os.pipe()
    try:
        kind = Node if is_shell else LoudNode
        node = spawn(kind, free_ports(1)[0], "--join", peer.address, *FASTER, stdout=write_end)
        os.close(write_end)
        if is_shell:
            node.type(b"1\n")
        assert os.read(read_end, 1)  # as `head` does, then it ends
        os.close(read_end)
        if is_shell:
            node.type(b"2\n3\n?\n" * 100)
        _wait_pulls(peer, 3)
        cpu_s, began = _cpu_s(node.popen.pid), time.monotonic()
        _wait_pulls(peer, 5)
        assert _cpu_s(node.popen.pid) - cpu_s < 0.3 * (time.monotonic() - began)
        assert fetch(node.port).startswith(node.address.encode())
        assert node.stop() == 0
        assert "Traceback" not in node.stderr
    finally:
        peer.close()


def test_an_output_that_nobody_reads_does_not_stop_the_node(spawn: Spawn) -> None:
    peer = Peer()
    read_end, write_end = os.pipe()
    try:
        size = fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        busy = settings(log__level="debug", gossip__interval_s=0.02, log__buffer_max_events=16)
        node = spawn(LoudNode, free_ports(1)[0], "--join", peer.address, *busy, stdout=write_end)
        os.close(write_end)
        _wait_pulls(peer, 40)  # some 200 bytes each
        held = int.from_bytes(fcntl.ioctl(read_end, 0x541B, b"\0" * 4), sys.byteorder)  # FIONREAD
        assert held > size - 1024, "the pipe should be full by now"
        assert fetch(node.port).startswith(node.address.encode())
        _wait_pulls(peer, 10)
        assert node.stop() == 0
        assert node.stderr == ""
    finally:
        os.close(read_end)
        peer.close()
