"""The user's terminal: its keyboard, and that nothing typed is shown twice."""

from __future__ import annotations

import sys
import termios
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from prompt_toolkit.input import Input, create_input
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.keys import Keys

_LOCAL_MODES = 3  # their place in what tcgetattr returns


class _RawInput(Vt100Input):
    """A terminal that stays raw while news is printed.

    prompt_toolkit would switch the echo on for that moment, and a key typed then would land in the news.
    """

    def cooked_mode(self) -> AbstractContextManager[None]:
        return nullcontext()


def keyboard() -> Input:
    """Return what a prompt reads its keys from."""
    made = create_input()
    return _RawInput(made.stdin) if type(made) is Vt100Input else made


def is_interrupted(keyboard: Input) -> bool:
    """Tell whether Ctrl-C was typed while no prompt is open, and then drop what was typed or pasted before.

    A prompt would see it last. Other keys wait for the next one.
    """
    keys = [*get_typeahead(keyboard), *keyboard.read_keys()]
    at = max((number for number, key in enumerate(keys, 1) if key.key == Keys.ControlC), default=0)
    store_typeahead(keyboard, keys[at:])
    return at > 0


@contextmanager
def no_echo() -> Iterator[None]:
    """Keep the terminal from echoing keys typed while no prompt is open: the next prompt shows them."""
    try:
        before = termios.tcgetattr(sys.stdin)
    except (termios.error, ValueError):  # no terminal
        yield
        return
    try:
        modes = termios.tcgetattr(sys.stdin)
        modes[_LOCAL_MODES] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
        yield
    finally:
        with suppress(termios.error):  # it is gone
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
