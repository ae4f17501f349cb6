"""A log on its way to collectors, and a real rsyslogd, for the tests of shipping."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest

from gossip.core.events import Event, SettingChanged
from gossip.core.settings import LogSettings, Settings
from gossip.log import EventLog
from gossip.log.catalogue import CATALOGUE
from gossip.ship.outlet import Outlet, open_outlet
from tests.peers import until
from tests.processes import ROOT, free_ports

RSYSLOGD = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
SAMPLES = ROOT / "config" / "collectors"
QUICK = LogSettings(
    batch_wait_s=0.01, retry_base_s=0.01, retry_max_s=0.05, ship_timeout_s=5.0, buffer_max_events=100_000
)
Numbers = list[int]


def with_sinks(*sinks: str, **log: Any) -> Settings:
    """Return settings with these sinks."""
    return Settings(log=replace(QUICK, sinks=sinks, **log))


class Shipping:
    """A log that numbers what it says, and its outlet."""

    def __init__(self, folder: Path, *sinks: str, **log: Any) -> None:
        settings = with_sinks(*sinks, spool_dir=str(folder), **log)
        outlet = open_outlet(settings, no_shell=True, at_terminal=False, above_prompt=None)
        assert outlet is not None
        self.outlet: Outlet = outlet
        self.log = EventLog(outlet, "debug").bind("n")
        self.told: list[tuple[str, dict[str, object]]] = []
        self.crashes: list[object] = []
        self.said = 0
        self.outlet.ship(self._tell, self.crashes.append)

    def say(self, count: int, text: str = "") -> None:
        """Log so many events, each with the next number as a value."""
        for _ in range(count):
            self.log.emit(SettingChanged("number", text, self.said))
            self.said += 1
            if self.said % 500 == 0:
                gevent.sleep(0)

    def of(self, name: str) -> list[dict[str, object]]:
        """Return what was told under a name."""
        return [fields for told, fields in self.told if told == name]

    def _tell(self, event: Event) -> None:
        kind = next(kind for kind in CATALOGUE.values() if kind.event is type(event))
        self.told.append((kind.name, {name: getattr(event, name) for name in kind.fields}))


Ship = Callable[..., Shipping]


@contextmanager
def shipping() -> Iterator[Ship]:
    """Give what opens such logs; close them at the end, and fail when a shipper died."""
    opened: list[Shipping] = []

    def start(folder: Path, *sinks: str, **log: Any) -> Shipping:
        opened.append(Shipping(folder, *sinks, **log))
        return opened[-1]

    yield start
    for one in opened:
        one.outlet.close(0.2)
    assert not [crash for one in opened for crash in one.crashes]


def numbers(lines: list[bytes]) -> Numbers:
    """Return the numbers of the events among whole lines of JSON, in order; fail for a torn line."""
    events = [json.loads(line) for line in lines]
    return [event["value"] for event in events if event["event"] == "setting_changed"]


class Rsyslogd:
    """A real one in the foreground, configured by the shipped sample."""

    def __init__(self, folder: Path) -> None:
        if RSYSLOGD is None:
            pytest.skip("rsyslogd is not installed; on Debian: apt-get install rsyslog")
        (self.port,) = free_ports(1)
        self.out = folder / "events.jsonl"
        self._conf, self._pid_file = folder / "rsyslog.conf", folder / "rsyslogd.pid"
        sample = (SAMPLES / "rsyslog.conf").read_text("utf-8")
        own = {"/var/spool/rsyslog": folder, "/var/log/gossipd": folder, "6514": self.port}
        for text, value in own.items():
            assert text in sample
            sample = sample.replace(text, str(value))
        self._conf.write_text(sample, "utf-8")
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert RSYSLOGD is not None
        self._pid_file.unlink(missing_ok=True)  # one that was killed leaves it
        self._popen = subprocess.Popen(
            [RSYSLOGD, "-n", "-f", str(self._conf), "-i", str(self._pid_file)], stderr=subprocess.DEVNULL
        )

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self._popen is not None:
            self._popen.send_signal(number)
            self._popen.wait(20)
            self._popen = None

    def size(self) -> int:
        return self.out.stat().st_size if self.out.exists() else 0

    def wait_for_more(self, more: int) -> None:
        """Wait until it has written so many bytes more."""
        before = self.size()
        until(lambda: self.size() >= before + more, f"{more} bytes more than {before}")

    def lines(self) -> list[bytes]:
        return self.out.read_bytes().splitlines()
