"""Real processes of `gossipd.py` and plain-socket peers, for the tests that run all of it.

Nothing here waits for a fixed time: `wait_until` polls, and what it waited for is in its message.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from tests.line_schema import problem_of

ROOT = Path(__file__).parents[1]
GOSSIPD = [sys.executable, str(ROOT / "gossipd.py")]
HOST = "127.0.0.1"
DEADLINE_S = 20.0
RUNTIME = tempfile.TemporaryDirectory(prefix="gossipd-test-")  # a home's path may be too long for a socket
INTERVAL_S = 0.2

Event = dict[str, Any]
Spawn = Callable[..., Any]  # (kind, *args), a subclass of Process and what it takes after its home


def settings(**values: object) -> list[str]:
    """Write `gossip__interval_s=1` as `--set gossip.interval_s=1`."""
    return [arg for key, value in values.items() for arg in ("--set", f"{key.replace('__', '.')}={value}")]


QUICK = settings(
    gossip__interval_s=INTERVAL_S,
    blacklist__blacklist_base_s=0.3,
    blacklist__blacklist_max_s=0.6,
    log__repeat_window_s=0.7,
)


def wait_until(
    is_so: Callable[[], bool], what: Callable[[], str] | str, deadline_s: float = DEADLINE_S
) -> None:
    deadline = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain: {what if isinstance(what, str) else what()}"
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Find consecutive free ports below the ephemeral ones.

    Port 0 would give an ephemeral one, and another process's outgoing connection may take that before
    it is listened on, or while a node that was killed is away.
    """
    while True:
        first = random.randint(10_000, 32_000 - count)
        ports = list(range(first, first + count))
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in ports:
                stack.enter_context(socket.socket()).bind((HOST, port))
            return ports


def environment(home: Path) -> dict[str, str]:
    """Return a user's own environment: a home, a terminal, and compiled modules kept from run to run."""
    own = {
        **os.environ,
        "HOME": str(home),
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        "XDG_RUNTIME_DIR": RUNTIME.name,
    }
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return own


class Process:
    """A running gossipd; what it writes is in files, so that no test has to drain a pipe."""

    def __init__(self, home: Path, *args: str, prefix: Sequence[str] = (), **popen: Any) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        nth = sum(1 for _ in home.glob("*.out"))
        self._out, self._err = home / f"{nth}.out", home / f"{nth}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            streams: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": out, "stderr": err, **popen}
            self.popen = subprocess.Popen(
                [*prefix, *GOSSIPD, *args], env=environment(home), cwd=home, **streams
            )

    @property
    def stdout(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return self._err.read_text(encoding="utf-8")

    @property
    def stdin(self) -> IO[bytes]:
        assert self.popen.stdin is not None
        return self.popen.stdin

    def type(self, data: bytes) -> None:
        self.stdin.write(data)
        self.stdin.flush()

    def ask(self, command: str) -> list[str]:
        """Run a command that needs no waiting and return its lines."""
        before = len(self.stdout)
        end = f"no such command: xyzzy{before}; help lists all\n"
        self.type(f"{command}\nxyzzy{before}\n".encode())
        wait_until(lambda: end in self.stdout, lambda: f"{command}: {self.stdout[before:]}")
        return self.stdout[before:].partition(end)[0].splitlines()

    def wait_stdout(self, text: str) -> None:
        wait_until(lambda: text in self.stdout, lambda: f"{text!r} in {self.stdout!r}; {self.stderr[-2000:]}")

    def wait_exit(self, deadline_s: float = DEADLINE_S) -> int:
        return self.popen.wait(deadline_s)

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.wait_exit()

    def kill(self) -> None:
        """End it at once, whatever it does; more than once is no error."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        if self.popen.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.popen.stdin.close()


class Node(Process):
    """A quick node with its shell on a pipe and its events on standard error."""

    def __init__(self, home: Path, port: int, *args: str, state: int = 0, **popen: Any) -> None:
        self.port, self.address = port, f"{HOST}:{port}"
        self._events: list[Event] = []
        self._read_to = 0
        super().__init__(home, "--listen", self.address, "--state", str(state), *QUICK, *args, **popen)

    @property
    def log_file(self) -> Path:
        return self._err

    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End it, and hold what it wrote against the schema."""
        super().kill()
        lines = self.log_file.read_bytes().split(b"\n")[:-1]
        assert not [problem for line in lines if line.startswith(b"{") and (problem := problem_of(line))]

    def events(self, name: str = "", **fields: object) -> list[Event]:
        """Return the events so far with this name and these fields; each line is parsed once."""
        with self.log_file.open("rb") as file:
            file.seek(self._read_to)
            lines = file.read().rpartition(b"\n")[0]  # the last one may be unfinished
        if lines:
            self._read_to += len(lines) + 1
            self._events += map(_event, lines.split(b"\n"))
        return [e for e in self._events if name in ("", e["event"]) and fields.items() <= e.items()]

    def wait_event(self, name: str, count: int = 1, **fields: object) -> list[Event]:
        wait_until(
            lambda: self.popen.poll() is not None or len(self.events(name, **fields)) >= count,
            lambda: f"{self.address}: {count} of {name} {fields}:\n{self.log()[-3000:]}",
        )
        found = self.events(name, **fields)
        assert len(found) >= count, f"{self.address} ended with {self.popen.returncode}: {self.log()[-3000:]}"
        return found


def _event(line: bytes) -> Event:
    event: Event = json.loads(line)
    assert (problem := problem_of(line)) is None, problem
    return event


class LoudNode(Node):
    """A quick node without a shell: its events are on standard output."""

    def __init__(self, home: Path, port: int, *args: str, **popen: Any) -> None:
        super().__init__(home, port, "--no-shell", *args, **{"stdin": subprocess.DEVNULL, **popen})

    @property
    def log_file(self) -> Path:
        return self._out


@contextlib.contextmanager
def starting(home: Path) -> Iterator[Spawn]:
    """Give a function that starts processes, `start(kind, *args)`, and end them all."""
    started: list[Process] = []

    def start(kind: type[Process], *args: Any, **popen: Any) -> Process:
        started.append(kind(home, *args, **popen))
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.kill()


def fetch(port: int) -> bytes:
    """Pull a table as a plain client does."""
    with socket.create_connection((HOST, port), timeout=DEADLINE_S) as sock:
        chunks = []
        while chunk := sock.recv(65_536):
            chunks.append(chunk)
    return b"".join(chunks)


def answers(port: int) -> bool:
    try:
        return fetch(port) != b""
    except OSError:
        return False


class Peer:
    """A plain-socket node in a thread, that lists itself and counts its callers.

    A `silent` one takes connections and never says a word; a `rude` one resets every second of them.
    """

    def __init__(self, *, silent: bool = False, rude: bool = False) -> None:
        self._sock = socket.socket()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = free_ports(1)[0]
        self.address = f"{HOST}:{self.port}"
        self.callers = 0
        self._rude = rude
        self._sock.bind((HOST, self.port))
        self._sock.listen(64)
        self._sock.settimeout(0.05)
        self._held: list[socket.socket] = []
        self._is_closing = False
        self._thread = threading.Thread(target=self._hold if silent else self._serve, daemon=True)
        self._thread.start()

    def _calls(self) -> Iterator[socket.socket]:
        while True:
            try:
                sock, _ = self._sock.accept()
            except TimeoutError:
                if self._is_closing:
                    return
                continue
            self.callers += 1
            yield sock

    def _serve(self) -> None:
        line = f"{self.address},{int(time.time())},4\n".encode()
        for sock in self._calls():
            with contextlib.suppress(OSError), sock:
                if self._rude and self.callers % 2 == 0:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    continue
                sock.sendall(line)

    def _hold(self) -> None:
        self._held.extend(self._calls())

    def close(self) -> None:
        """Take the callers that still wait, and end."""
        self._is_closing = True
        self._thread.join()
        for sock in [*self._held, self._sock]:
            sock.close()
