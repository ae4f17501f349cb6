"""One who sits at a terminal, for the tests of whole sessions."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.processes import Event, wait_until
from tests.terminals import Terminal

ENTER, CTRL_L = "\r", "\x0c"


class User:
    """One who sits at a terminal, and checks in the node's log that it did what its screen says."""

    def __init__(self, screen: Terminal, own: str, log: Path) -> None:
        self.screen, self.own, self._log = screen, own, log

    def events(self, name: str, **fields: object) -> list[Event]:
        lines = self._log.read_text(encoding="utf-8").rpartition("\n")[0].split("\n")
        found = [json.loads(line) for line in lines if f'"event":"{name}"' in line]
        return [event for event in found if fields.items() <= event.items()]

    def node_did(self, name: str, count: int = 1, **fields: object) -> None:
        wait_until(
            lambda: len(self.events(name, **fields)) >= count,
            lambda: f"{count} of {name} {fields}:\n{self._log.read_text()[-2000:]}",
        )

    def type(self, keys: str, prompt: str) -> None:
        """Type at the prompt, and wait until that is what stands there."""
        self.screen.type(keys)
        self.screen.wait(lambda: self.screen.prompt() == prompt)

    def clear(self) -> None:
        """Clear the screen, so that what comes to stand there is new."""
        self.screen.type(CTRL_L)
        self.screen.wait(lambda: not any(line.startswith("gossip> ") for line in self.screen.lines()))
        self.screen.seen.clear()

    def run(self, keys: str, *patterns: str) -> list[re.Match[str]]:
        """Run a command on a clear screen; wait for lines that match, and the next prompt."""
        self.clear()
        self.screen.type(keys + ENTER)
        found = [self.screen.wait_line(pattern) for pattern in patterns]
        self.screen.wait(lambda: self.screen.prompt() == "")
        return found

    def shows(self, row: int, pattern: str) -> None:
        self.screen.wait(lambda: re.search(pattern, self.screen.row(row)) is not None)
