"""What a command opens on the whole screen: at most one at a time, in place of the prompt."""

from __future__ import annotations

from collections.abc import Sequence

from prompt_toolkit.input import Input
from prompt_toolkit.output import Output
from prompt_toolkit.utils import is_dumb_terminal

from gossip.shell import render
from gossip.shell.shells import Shell
from gossip.shell.watch import Watch


class Screens:
    """Opens screens at a prompt's terminal, and takes its news while one is open."""

    def __init__(self, shell: Shell, input: Input, output: Output) -> None:
        self._shell = shell
        self._input = input
        self._output = output
        self._open: Watch | None = None

    def show(self, opens: str) -> Sequence[str]:
        """Show what a result opens until the user leaves it; return what the prompt is to say."""
        name = opens.partition(" ")[0]
        if name != "watch":
            return [f"this gossipd has no screen for {render.typed(name)}: the node may be a newer one"]
        if is_dumb_terminal():
            return [f"{name} needs a terminal that can place its cursor; TERM=dumb says that this one cannot"]
        self._open = Watch(self._shell, self._input, self._output)
        try:
            return self._open.run()
        finally:
            self._open = None

    def tell(self, line: str) -> bool:
        """Show a line of news in the open screen; return False when none is open."""
        if self._open is None:
            return False
        self._open.tell(line)
        return True

    def close(self) -> bool:
        """Make `show` return soon; return False when no screen is open. Callable from any greenlet."""
        if self._open is None:
            return False
        self._open.close()
        return True
