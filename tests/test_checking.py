"""`--check-config`: it says what a start would say, of everything that a start reads, and changes nothing."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from gossip.checking import check
from gossip.cli import main
from gossip.config import ConfigError, load_settings
from tests.processes import GOSSIPD, HOST, LoudNode, free_ports, settings, starting, wait_until
from tests.tls_files import NOW, written

Capture = pytest.CaptureFixture[str]


def checked(*sets: str) -> list[str]:
    return check(load_settings(sets=sets))


def problem(*sets: str) -> str:
    with pytest.raises(ConfigError) as caught:
        checked(*sets)
    assert str(caught.value).isprintable()
    return str(caught.value)


def run(args: Sequence[str], capsys: Capture) -> tuple[int, str, str]:
    status = main(["--check-config", *args])
    out, err = capsys.readouterr()
    return status, out, err


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_it_says_ok_and_what_is_not_as_by_default(capsys: Capture, tmp_path: Path) -> None:
    args = ["10.0.0.7", "5001", "7", "--join", "10.0.0.8:5001", "--set", f"node.data_dir={tmp_path}/a/b"]
    assert run(args, capsys) == (
        0,
        "OK: a node known as 10.0.0.7:5001\n"
        "node.listen = 10.0.0.7:5001\n"
        "node.state = 7\n"
        "node.join = 10.0.0.8:5001\n"
        f"node.data_dir = {tmp_path}/a/b\n"
        "note: tls.mode is off: whoever reaches this node can read its table and be a member\n",
        "",
    )
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--set", "gossip.pokes=99"], "--set gossip.pokes=99: expected a whole number from 0 to 16"),
        (["--listen", "0.0.0.0:5001"], ": expected node.advertise too"),
        (["--config", "missing.toml"], "missing.toml: cannot be read (No such file or directory)"),
        (["--set", "tls.mode=require"], 'tls.cert = "": expected the path of a PEM file'),
        (
            ["--set", "log.file=/missing/x"],
            'log.file = "/missing/x": cannot be opened (its folder is missing)',
        ),
    ],
)
def test_a_mistake_is_the_one_line_of_a_start_and_status_2(
    args: list[str], line: str, capsys: Capture
) -> None:
    status, out, err = run(args, capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("gossipd: ") and line in err


def test_certificates_are_proved_and_their_end_is_told(tmp_path: Path) -> None:
    good = written(tmp_path / "good")
    files = [f"tls.{name}={getattr(good, name)}" for name in ("mode", "cert", "key", "ca")]
    (line,) = (line for line in checked(*files) if line.startswith("note: the certificate"))
    assert "of CN=good," in line and line.endswith("is good until 3000-01-01T00:00:00Z")
    old = written(tmp_path / "old", not_before=NOW.replace(year=2020), not_after=NOW.replace(year=2021))
    assert "expired on 2021-" in problem(*files[:1], f"tls.cert={old.cert}", f"tls.key={old.key}", files[3])


def test_files_and_folders_have_to_be_usable(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    spool = "log.sinks=https://h/x#authorization=/missing"
    assert "is a folder; expected a file" in problem(f"log.sinks=file:{tmp_path}")
    assert "its folder is missing" in problem(f"log.sinks=file:{tmp_path}/a/b")
    assert f"({file} is no folder)" in problem(f"node.data_dir={file}/a/b")
    assert "(it is no folder)" in problem(f"log.spool_dir={file}", "log.sinks=tcp://h:1")
    assert "option authorization" in problem(spool, f"log.spool_dir={tmp_path}")
    assert "is no socket" in problem(f"control.socket={file}")
    assert "its folder is missing" in problem(f"control.socket={tmp_path}/a/b")
    assert "Could not determine home" in problem("node.data_dir=~nobody-of-this-name/x")
    assert files_in(tmp_path) == ["file"]
    fine = [f"log.file={file}", f"node.data_dir={tmp_path}", f"control.socket={tmp_path}/s"]
    assert checked(*fine)[0] == "OK: a node known as 127.0.0.1:5001"


def test_what_nobody_may_write_is_found() -> None:
    assert "(this user may not write in /proc/self)" in problem("node.data_dir=/proc/self/a/b")
    assert "(this user may not write in it)" in problem("log.spool_dir=/proc/self", "log.sinks=tcp://h:1")
    assert "(this user may not write in its folder)" in problem("log.file=/proc/self/x")
    assert "(this user may not write in its folder)" in problem("control.socket=/proc/self/x")


@pytest.mark.parametrize(
    "name", ["node.data_dir", "log.file", "control.socket", "log.sinks", "log.spool_dir"]
)
def test_a_path_that_cannot_be_looked_at_is_one_line_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the folder of another user, where the service's user looks."""

    def refused(path: object, *args: object, **others: object) -> object:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = str(tmp_path / "x")
    sets = [f"{name}={'file:' * (name == 'log.sinks')}{path}"]
    if name == "log.spool_dir":
        sets.append("log.sinks=tcp://h:1")
    wanted = load_settings(sets=sets)
    with monkeypatch.context() as patch, pytest.raises(ConfigError) as caught:
        patch.setattr(Path, "stat", refused)
        check(wanted)
    assert str(caught.value) == f'{name} = "{path}": cannot be used (Permission denied)'


def test_a_lie_and_a_cluster_of_one_are_noted() -> None:
    found = checked("adversary.on=true")
    assert "note: adversary.on: this node lies by garbage" in found
    assert "note: node.data_dir is empty: nothing is kept across restarts" in found


def test_beside_the_running_node_it_disturbs_nothing_and_starts_nothing(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    own = settings(node__data_dir=tmp_path / "data", control__socket=tmp_path / "s")
    with starting(tmp_path) as start:
        node = start(LoudNode, port, *own)
        node.wait_event("control_opened")
        wait_until(lambda: any((tmp_path / "data").glob("*.json")), "the first snapshot")
        before = [name for name in files_in(tmp_path) if not name.endswith(".tmp")]
        done = subprocess.run(
            [*GOSSIPD, "--check-config", "--listen", f"{HOST}:{port}", *own],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"OK: a node known as {HOST}:{port}\n")
        assert [name for name in files_in(tmp_path) if not name.endswith(".tmp")] == before
        assert node.stop() == 0
