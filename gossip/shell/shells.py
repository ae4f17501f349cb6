"""What a terminal talks to: a node in this process, or one behind its control socket (`remote.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time
from typing import Protocol

from gevent.queue import Full, Queue

from gossip.core.events import Event
from gossip.shell import commands, picture, render
from gossip.shell.commands import Result
from gossip.shell.complete import Candidate
from gossip.shell.console import Console
from gossip.shell.picture import Picture
from gossip.shell.tracing import Tracer

_LINES_MAX = 500  # that wait to be shown; what comes then is only counted


class Shell(Protocol):
    """Lines of text to and from a node, for the greenlets of one terminal."""

    def run(self, line: str) -> Result:
        """Do what a line says and wait for the result; KeyboardInterrupt ends the wait."""

    def trace(self, address: str, show: Callable[[str], None], *, json: bool = False) -> None:
        """Show what happens about an address, line by line, until KeyboardInterrupt ends it."""

    def candidates(self, text: str) -> Sequence[Candidate]:
        """Offer what could complete the last word of the text before the cursor."""

    def toolbar(self) -> str:
        """Return the node in one line; returns at once."""

    def look(self) -> Picture | None:
        """Take a picture of the node; None when it does not answer within seconds."""

    def leave(self) -> None:
        """Do what the end of the user's input means."""


class Lines:
    """Lines on their way from where they are made, which may not wait, to where they are shown."""

    def __init__(self) -> None:
        self._lost = 0
        self._queue: Queue[str | None] = Queue(_LINES_MAX)

    def put(self, line: str) -> None:
        """Add a line, or count it as lost; never waits."""
        try:
            self._queue.put_nowait(line)
        except Full:
            self._lost += 1

    def end(self) -> None:
        """Make `show` return, after what is there; what finds no room is left out."""
        if self._queue.full():
            self._queue.get_nowait()
            self._lost += 1
        self._queue.put_nowait(None)

    def show(self, show: Callable[[str], None]) -> None:
        """Show lines as they come, until `end`."""
        for line in iter(self._queue.get, None):
            show(line)
            if self._lost and self._queue.empty():
                lost, self._lost = self._lost, 0
                show(f"({lost} lines left out)")


class LocalShell:
    """The shell of a node in this process, which ends with it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def run(self, line: str) -> Result:
        """Run a command."""
        return commands.run(self._console, line)

    def trace(self, address: str, show: Callable[[str], None], *, json: bool = False) -> None:
        """Show what happens about an address."""
        own = self._console.status().own.address
        tracer, lines = Tracer(commands.address(address), own, json=json), Lines()

        def take(event: Event) -> None:
            line = tracer.line(event, time())
            if line is not None:
                lines.put(line)

        unwatch = self._console.watch(take)
        try:
            lines.show(show)
        finally:
            unwatch()

    def candidates(self, text: str) -> Sequence[Candidate]:
        """Offer what could complete the last word."""
        return commands.candidates(self._console, text)

    def toolbar(self) -> str:
        """Return the node in one line."""
        return render.toolbar(self._console.status())

    def look(self) -> Picture | None:
        """Take a picture of the node."""
        return picture.take(self._console)

    def leave(self) -> None:
        """Stop the node."""
        self._console.stop()
