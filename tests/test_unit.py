"""The unit for systemd: its own tool finds nothing wrong, and its commands are right."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Tell
from tests.processes import ROOT, LoudNode, free_ports, settings, starting

UNIT = ROOT / "config" / "gossipd.service"
EXPOSURE_MAX = 1.5  # as systemd-analyze counts it: 0 is a wall, 10 nothing at all

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing; apt-get install systemd"
)


def values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def here(folder: Path) -> Path:
    """Copy the unit, with the paths of this machine: those that it names have to exist."""
    text = UNIT.read_text().replace("/opt/gossipd/.venv/bin/python", sys.executable)
    found = folder / UNIT.name
    found.write_text(text.replace("/opt/gossipd/", f"{ROOT}/"))
    return found


def analyze(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, timeout=60, check=False)


@needs_systemd
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    done = analyze("verify", "--man=no", str(here(tmp_path)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_it_is_hardly_exposed(tmp_path: Path, tell_figure: Tell) -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(here(tmp_path)))
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd is older than 250, and cannot tell of a file")
    (level,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    tell_figure(f"exposure of gossipd.service: {level} of 10")
    assert float(level) <= EXPOSURE_MAX


def test_start_and_reload_check_the_same_command(tmp_path: Path) -> None:
    (start,) = values("ExecStart")
    check, hangup = values("ExecReload")
    assert check.replace("--check-config ", "") == start
    assert hangup == "/bin/kill -HUP $MAINPID"
    (tmp_path / "gossipd.toml").write_text("[gossip]\npokes = 1\n")
    words = [
        word.replace("/etc/gossipd", str(tmp_path))
        .replace("/var/lib/", f"{tmp_path}/")
        .replace("/run/gossipd", "/tmp")
        for word in shlex.split(check)[2:]
    ]
    done = subprocess.run(
        [sys.executable, str(ROOT / "gossipd.py"), *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "gossip.pokes = 1\n" in done.stdout


def test_it_is_restarted_unless_its_settings_are_wrong_and_has_time_to_stop() -> None:
    assert (values("Type"), values("Restart")) == (["notify"], ["on-failure"])
    assert values("RestartPreventExitStatus") == ["2"]
    assert int(values("TimeoutStopSec")[0]) > 5  # node.shutdown_s
    assert int(values("WatchdogSec")[0]) > 10  # how long no round may begin before it is not well


DENY = """
import ctypes, os, sys
set_mdwe, refuse_exec_gain = 65, 1
if ctypes.CDLL(None).prctl(set_mdwe, refuse_exec_gain, 0, 0, 0):
    sys.exit(77)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_without_tls_it_runs_where_memory_cannot_be_both_written_and_executed(tmp_path: Path) -> None:
    """As the unit says of MemoryDenyWriteExecute, which the kernel can do, too (from Linux 6.3 on)."""
    denying = [sys.executable, "-c", DENY]
    if subprocess.run([*denying, sys.executable, "-c", ""], check=False).returncode == 77:
        pytest.skip("the kernel cannot deny that")
    with starting(tmp_path) as start:
        http = settings(http__listen=f":{free_ports(1)[0]}")
        node = start(LoudNode, free_ports(1)[0], *http, prefix=denying)
        node.wait_event("http_opened")
        assert node.stop() == 0
