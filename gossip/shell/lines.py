"""The shell without a terminal: commands from a pipe or a file, line by line, as with the seed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import ParamSpec, Protocol, TypeVar

from gevent.hub import get_hub
from gevent.socket import wait_read, wait_write

from gossip.shell.commands import LINE_MAX, Result, needs_terminal, run
from gossip.shell.console import Console

_CHUNK_BYTES = 65_536
_Args = ParamSpec("_Args")
_Found = TypeVar("_Found")


class HasFileno(Protocol):
    """A stream of the operating system, such as `sys.stdin`."""

    def fileno(self) -> int:
        """Return the descriptor, or raise ValueError when it is closed."""


def run_lines(console: Console, input: HasFileno | None, output: HasFileno | None) -> None:
    """Run the commands that come in until the end of the input, a stop, or a broken output.

    Python gives None for a standard stream that was closed at the start.
    """
    try:
        source, sink = _descriptor(input), _descriptor(output)
        for line in _lines(source):
            result = _too_long() if line is None else run(console, line)
            if result.opens:
                result = Result((needs_terminal(result.opens),), ok=False)
            _write(sink, result)
            if result.stop:
                return
    except (OSError, ValueError):
        return  # closed or broken: the node goes on without a shell


def _descriptor(stream: HasFileno | None) -> int:
    if stream is None:
        raise ValueError("the stream is closed")
    return stream.fileno()


def _too_long() -> Result:
    return Result((f"the line is too long: at most {LINE_MAX} bytes",), ok=False)


def _lines(source: int) -> Iterator[str | None]:
    """Give each line as text, None in place of one over the limit; hold one chunk and one line at most.

    Reads the descriptor in a thread of the pool and not `sys.stdin`: a thread that waits inside its buffer
    holds a lock that the interpreter wants when it ends.
    """
    pending, is_skipping = b"", False
    while chunk := _read(source):
        *ended, pending = (pending + chunk).split(b"\n")
        for raw in ended:
            yield None if is_skipping or len(raw) > LINE_MAX else _text(raw)
            is_skipping = False
        if len(pending) > LINE_MAX:
            is_skipping = True
        if is_skipping:
            pending = b""
    if is_skipping or pending:
        yield None if is_skipping else _text(pending)


def _read(source: int) -> bytes:
    while True:
        try:
            return _in_thread(os.read, source, _CHUNK_BYTES)
        except BlockingIOError:  # whoever shares the pipe made it non-blocking
            wait_read(source)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _write(sink: int, result: Result) -> None:
    """Write the result's lines in a thread of the pool, for a reader that is slow must not stop the node."""
    rest = "".join(f"{line}\n" for line in result.lines).encode("utf-8")
    while rest:
        try:
            rest = rest[_in_thread(os.write, sink, rest) :]
        except BlockingIOError:
            wait_write(sink)


def _in_thread(call: Callable[_Args, _Found], *args: _Args.args, **kwargs: _Args.kwargs) -> _Found:
    """Make a blocking call in a thread of the pool; the other greenlets go on."""

    def outcome() -> _Found | OSError:
        # The pool prints the traceback of what escapes here, and a broken pipe is no news.
        try:
            return call(*args, **kwargs)
        except OSError as error:
            return error

    found: _Found | OSError = get_hub().threadpool.apply(outcome)
    if isinstance(found, OSError):
        raise found
    return found
