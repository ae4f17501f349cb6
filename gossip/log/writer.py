"""Where lines go: a bounded queue, one greenlet, and a native thread that may block in its stead.

Rules: `write` never blocks and never raises. Lines keep their order. When the queue is full the
newest are dropped, counted, and reported in one line once there is room. No line is torn, except
one longer than PIPE_BUF (a huge traceback) when the process ends while its reader stalls.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from gevent import Greenlet
from gevent.event import Event as Flag
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

_BATCH_LINES = 512  # one hop to the thread and back costs about 50 us: share it
_POLL_MS = 100  # how often a thread that waits for a non-blocking descriptor looks whether to stop
_STDOUT, _STDERR = 1, 2

# The thread has no hub: what gevent patches would start one there. os.write is never patched.
_native_poll: Callable[[], select.poll] = get_original("select", "poll")


@dataclass(frozen=True, slots=True)
class Written:
    """How far a write came: whole lines (a begun one counts), the rest of a begun one, what stopped it."""

    lines: int
    torn: bytes
    error: OSError | None


class LineSink(Protocol):
    """What takes finished lines; `render_dropped` makes the line that reports so many dropped ones."""

    render_dropped: Callable[[int], bytes] | None

    def write(self, line: bytes) -> None:
        """Take one line, with its newline; return at once."""


class Destination(Protocol):
    """Where a Writer writes to."""

    def put(self, torn: bytes, lines: Sequence[bytes], stopped: Callable[[], bool]) -> Written:
        """Do what `write_lines` does, in a native thread."""

    def written(self) -> None:
        """Be told, on the hub, that `put` was called."""

    def close(self) -> None:
        """Let go of what it holds, in the thread; nothing more comes."""


class Descriptor:
    """A descriptor, which it owns."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def put(self, torn: bytes, lines: Sequence[bytes], stopped: Callable[[], bool]) -> Written:
        """Write lines to it."""
        return write_lines(self._fd, torn, lines, stopped)

    def written(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


class Writer:
    """Writes lines to a destination (a number is a descriptor), which it owns, without ever blocking the hub.

    With `linger_s` a line may wait that long for others to share the way to the thread with.
    """

    def __init__(self, destination: Destination | int, max_events: int, linger_s: float = 0.0) -> None:
        self.render_dropped: Callable[[int], bytes] | None = None  # None: drops are counted, not reported
        self.dropped = 0  # since the start
        self._unreported = 0
        self._to = Descriptor(destination) if isinstance(destination, int) else destination
        self._max_events = max_events
        self._linger_s = linger_s
        self._queue: deque[bytes | int] = deque()  # an int stands for the report of so many drops
        self._torn = b""
        self._wake, self._hurry = Flag(), Flag()
        self._closing = self._abandoned = self._broken = False
        # Not the hub's pool: name look-ups that hang there would silence the log just then.
        self._pool = ThreadPool(1)
        self.greenlet = Greenlet.spawn(self._run)

    def write(self, line: bytes) -> None:
        """Queue one line, with its newline, or drop it when there is no room; return at once."""
        if self._closing or self._broken or len(self._queue) >= self._max_events:
            self.dropped += 1
            self._unreported += 1
            return
        if self._unreported:
            self._report_drops()
        self._queue.append(line)
        self._wake.set()
        if len(self._queue) == _BATCH_LINES:
            self._hurry.set()

    def close(self, timeout_s: float) -> None:
        """Write what is queued, for at most `timeout_s`, and stop.

        Past the time-out the rest is dropped. A thread still stuck in a write then neither holds up
        the end of the process nor loses the descriptor, which is closed once the write returns.
        """
        self._closing = True
        self._wake.set()
        self._hurry.set()
        self.greenlet.join(timeout_s)
        self._abandoned = True

    def _run(self) -> None:
        while not self._broken:
            if self._queue:
                self._write_batch()
            elif self._closing:
                break
            else:
                self._wake.clear()
                self._wake.wait()
                self._linger()
        self._finish()

    def _linger(self) -> None:
        if self._linger_s and not self._closing and len(self._queue) < _BATCH_LINES:
            self._hurry.clear()
            self._hurry.wait(self._linger_s)

    def _write_batch(self) -> None:
        batch = list(islice(self._queue, _BATCH_LINES))  # left in the queue, to count against its bound
        written = self._write_in_thread([self._render(item) for item in batch], self._is_abandoned)
        for _ in range(written.lines):
            self._queue.popleft()
        if isinstance(written.error, BrokenPipeError):
            self._broken = True
        if self._broken or self._abandoned:
            self._discard(len(self._queue))
        elif written.error is not None:
            # Reported with the next event only: reporting now would spin on a full disk.
            self._discard(len(batch) - written.lines)
        elif self._unreported:
            self._report_drops()

    def _write_in_thread(self, lines: Sequence[bytes], stopped: Callable[[], bool]) -> Written:
        written: Written = self._pool.spawn(self._to.put, self._torn, lines, stopped).get()
        self._torn = written.torn
        self._to.written()
        return written

    def _finish(self) -> None:
        if not self._broken and (self._unreported or self._torn):
            self._report_drops()
            self._write_in_thread([self._render(item) for item in self._queue], lambda: False)
        self._queue.clear()
        self._broken = True
        self._pool.spawn(self._to.close).get()
        self._pool.kill()

    def _report_drops(self) -> None:
        if self._unreported and self.render_dropped is not None:
            self._queue.append(self._unreported)
            self._unreported = 0

    def _render(self, item: bytes | int) -> bytes:
        if isinstance(item, bytes):
            return item
        assert self.render_dropped is not None, "a report is queued only when it can be rendered"
        return self.render_dropped(item)

    def _discard(self, count: int) -> None:
        for _ in range(count):
            item = self._queue.popleft()
            self.dropped += isinstance(item, bytes)
            self._unreported += 1 if isinstance(item, bytes) else item

    def _is_abandoned(self) -> bool:
        return self._abandoned


def write_lines(fd: int, torn: bytes, lines: Sequence[bytes], stopped: Callable[[], bool]) -> Written:
    """Finish a line begun earlier, then write lines until done, an error, or `stopped`; it may block."""
    rest, error = _write_all(fd, torn, stopped)
    if rest:
        return Written(0, rest, error)
    done = 0
    while done < len(lines) and not stopped():
        end = _chunk_end(lines, done)
        chunk = b"".join(lines[done:end])
        rest, error = _write_all(fd, chunk, stopped)
        if rest:
            sent = len(chunk) - len(rest)
            while sent >= len(lines[done]):
                sent -= len(lines[done])
                done += 1
            return Written(done + 1, lines[done][sent:], error) if sent else Written(done, b"", error)
        done = end
    return Written(done, b"", None)


def _chunk_end(lines: Sequence[bytes], start: int) -> int:
    """Return the end of a run of lines within PIPE_BUF, which a pipe takes whole or not at all."""
    end, size = start + 1, len(lines[start])
    while end < len(lines) and size + len(lines[end]) <= select.PIPE_BUF:
        size += len(lines[end])
        end += 1
    return end


def _write_all(fd: int, data: bytes, stopped: Callable[[], bool]) -> tuple[bytes, OSError | None]:
    """Write all of `data`; return what was not written, and the error that prevented it."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # somebody else who holds the terminal or pipe made it non-blocking
            if stopped():
                return data, None
            poller = _native_poll()
            poller.register(fd, select.POLLOUT)
            poller.poll(_POLL_MS)
        except OSError as error:
            return data, error
    return data, None


def open_destination(file: str, *, no_shell: bool, at_terminal: bool, max_events: int) -> Writer | None:
    """Open what the setting `log.file` names; None means that nothing is logged.

    "" is standard output without a shell, standard error when commands are piped in, nowhere at a
    terminal; "-" is standard output; all else a path, appended to. Raises OSError.
    """
    if file == "-" or (file == "" and no_shell):
        return Writer(os.dup(_STDOUT), max_events)
    if file == "":
        return None if at_terminal else Writer(os.dup(_STDERR), max_events)
    return Writer(open_to_append(os.path.expanduser(file)), max_events)


def open_to_append(path: str | os.PathLike[str]) -> int:
    """Open a file to append lines to, made if need be; return its descriptor. Raises OSError."""
    # Non-blocking to open only: a named pipe that nobody reads is an error, not a node that hangs.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(path, flags, 0o644)
    os.set_blocking(fd, True)
    return fd
