"""What a terminal talks to: a node in this process, or one behind its control socket (`remote.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gossip.shell import commands, picture, render
from gossip.shell.commands import Result
from gossip.shell.complete import Candidate
from gossip.shell.console import Console
from gossip.shell.picture import Picture


class Shell(Protocol):
    """Lines of text to and from a node, for the greenlets of one terminal."""

    def run(self, line: str) -> Result:
        """Do what a line says and wait for the result; KeyboardInterrupt ends the wait."""

    def candidates(self, text: str) -> Sequence[Candidate]:
        """Offer what could complete the last word of the text before the cursor."""

    def toolbar(self) -> str:
        """Return the node in one line; returns at once."""

    def look(self) -> Picture | None:
        """Take a picture of the node; None when it does not answer within seconds."""

    def leave(self) -> None:
        """Do what the end of the user's input means."""


class LocalShell:
    """The shell of a node in this process, which ends with it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def run(self, line: str) -> Result:
        """Run a command."""
        return commands.run(self._console, line)

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
