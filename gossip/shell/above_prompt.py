"""The log where the news is shown, when it goes to the shell's own terminal."""

from __future__ import annotations

from collections.abc import Callable


class AbovePrompt:
    """Takes lines of the log, as a LineSink does, and shows them by what `show_by` is given."""

    def __init__(self) -> None:
        self.render_dropped: Callable[[int], bytes] | None = None
        self._tell: Callable[[str], None] | None = None
        self._early: list[str] = []

    def write(self, line: bytes) -> None:
        """Show a line above the prompt, once there is one."""
        text = line.decode("ascii").rstrip("\n")
        if self._tell is None:
            self._early.append(text)
        else:
            self._tell(text)

    def show_by(self, tell: Callable[[str], None]) -> None:
        """Show what came before the prompt, and from now on all, by `tell`."""
        self._tell = tell
        for text in self._early:
            tell(text)
        self._early.clear()
