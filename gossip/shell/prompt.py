"""The shell at a terminal: prompt_toolkit in the main greenlet, with the news above the prompt.

Needs gevent's patches: prompt_toolkit's event loop then waits in gevent's selector, so that the node's
greenlets go on while a user thinks. The other greenlets talk to it by `tell` and `close` only.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import gevent
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app_or_none, run_in_terminal
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, get_common_complete_suffix
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys
from prompt_toolkit.patch_stdout import patch_stdout

from gossip.shell import commands, render, terminal
from gossip.shell.screens import Screens
from gossip.shell.shells import Shell

_MESSAGE = "gossip> "
_NEWS_MAX = 500  # lines that wait to be shown; older ones are only counted
_NEWS_EVERY_S = 0.1  # each batch paints the prompt anew
_TOOLBAR_EVERY_S = 1.0


class _Cleared(Exception):
    """Ctrl-C at the prompt."""


class Prompt:
    """One shell at the process's terminal."""

    def __init__(self, shell: Shell, *, history_file: str = "") -> None:
        self._shell = shell
        self._news: deque[str] = deque(maxlen=_NEWS_MAX)
        self._news_lost = 0
        self._is_closing = False
        self._loop: asyncio.AbstractEventLoop | None = None  # while the user is asked
        self._asking: asyncio.Task[str] | None = None
        self._is_news_due = False
        self._is_command_running = False
        self._told_by_result: tuple[str, ...] = ()  # how the news begins that the running command tells
        self._main = gevent.getcurrent()
        history, self._warning = _open_history(history_file, self.tell)
        self._session: PromptSession[str] = PromptSession(
            _MESSAGE,
            input=terminal.keyboard(),
            history=history,
            completer=_CommandCompleter(shell),
            complete_while_typing=False,
            auto_suggest=AutoSuggestFromHistory(),
            bottom_toolbar=lambda: f" {shell.toolbar()}",
            refresh_interval=_TOOLBAR_EVERY_S,
            key_bindings=_key_bindings(),
            interrupt_exception=_Cleared,
            eof_exception=EOFError,
        )
        self._screens = Screens(shell, self._session.input, self._session.output)

    def run(self, banner: Sequence[str] = ()) -> None:
        """Ask and obey until the user leaves or another greenlet closes the prompt."""
        self._main = gevent.getcurrent()
        self._print([*banner, *([self._warning] if self._warning else [])])
        # A stray traceback must not tear the prompt, hence patch_stdout.
        with self._sigint_to_command(), terminal.no_echo(), patch_stdout():
            try:
                self._ask_and_obey()
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                self._shell.leave()  # the terminal is gone
        self._is_closing = True

    def tell(self, line: str) -> None:
        """Show a line of news above the prompt; callable from any greenlet, never waits.

        What a running command will tell itself is left out.
        """
        if self._screens.tell(line):
            return
        if line.startswith(self._told_by_result):
            return
        if len(self._news) == _NEWS_MAX:
            self._news_lost += 1
        self._news.append(line)
        if self._loop is None:
            self._print_news()
        elif not self._is_news_due:
            self._is_news_due = True
            self._loop.call_soon_threadsafe(self._loop.call_later, _NEWS_EVERY_S, self._show_news)

    def close(self) -> None:
        """Make `run` return soon, whether it asks or obeys; callable from any greenlet."""
        self._is_closing = True
        if self._screens.close():
            return
        if self._loop is not None and self._asking is not None:
            self._loop.call_soon_threadsafe(self._asking.cancel)
        else:
            self._interrupt_command()

    def _ask_and_obey(self) -> None:
        while not self._is_closing:
            try:
                text = self._ask()
            except _Cleared:
                continue
            except asyncio.CancelledError:
                return
            except EOFError:
                self._shell.leave()
                return
            if not self._obey(text):
                return

    def _ask(self) -> str:
        try:
            return asyncio.run(self._ask_in_loop())
        finally:
            self._print_news()

    async def _ask_in_loop(self) -> str:
        self._loop, self._asking = asyncio.get_running_loop(), asyncio.current_task()
        try:
            if self._is_closing:  # between the check in `run` and here
                raise asyncio.CancelledError
            return await self._session.prompt_async()
        finally:
            self._loop = self._asking = None
            self._is_news_due = False

    def _obey(self, line: str) -> bool:
        """Run one command and tell whether to go on; Ctrl-C ends it, and drops the rest of a paste."""
        self._is_command_running = True
        self._told_by_result = commands.told(line)
        try:
            result = self._shell.run(line)
        except KeyboardInterrupt:
            clear_typeahead(self._session.input)
            self._print(["interrupted"])
            return not self._is_closing
        finally:
            self._is_command_running = False
            self._told_by_result = ()
        self._print(result.lines)
        if result.opens and not self._is_closing:
            self._print(self._screens.show(result.opens))
        return not result.stop and not self._is_closing

    def _show_news(self) -> None:
        self._is_news_due = False
        app = get_app_or_none()
        if app is None or app.is_done:
            return  # `_ask` prints what is left
        if app is self._session.app:
            run_in_terminal(self._print_news)
        else:  # a dumb terminal: nothing is ever painted over
            self._print([""])
            self._print_news()
            self._session.output.write(_MESSAGE + self._session.default_buffer.text)
            self._session.output.flush()

    def _print_news(self) -> None:
        lost, self._news_lost = self._news_lost, 0
        lines = [f"({lost} lines of news left out)"] if lost else []
        lines += self._news
        self._news.clear()
        self._print(lines)

    def _print(self, lines: Iterable[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        if text:
            self._session.output.write(text)
            self._session.output.flush()

    @contextmanager
    def _sigint_to_command(self) -> Iterator[None]:
        """Send a SIGINT to the running command.

        Python raises KeyboardInterrupt in whichever greenlet runs at that moment, and that may be any of
        the node's. At the prompt prompt_toolkit has its own handler in place of this one.
        """

        def interrupt(signum: int, frame: FrameType | None) -> None:
            self._interrupt_command()

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupt_command(self) -> None:
        gevent.get_hub().loop.run_callback_threadsafe(self._throw_in_command)

    def _throw_in_command(self) -> None:
        if self._is_command_running:  # it may have ended since
            self._main.throw(KeyboardInterrupt)


class _CommandCompleter(Completer):
    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        for candidate in self._shell.candidates(document.text_before_cursor):
            yield Completion(
                candidate.text,
                start_position=-candidate.replaces,
                display=candidate.text.rstrip(),
                display_meta=candidate.meaning,
            )


class _SafeFileHistory(FileHistory):
    """A history file whose disk may fill up: the prompt goes on."""

    def __init__(self, path: str, warn: Callable[[str], None]) -> None:
        super().__init__(path)
        self._warn: Callable[[str], None] | None = warn

    def store_string(self, string: str) -> None:
        try:
            super().store_string(string)
        except OSError as error:
            if self._warn is not None:
                self._warn(f"the history is not kept: {render.shown(str(error))}")
            self._warn = None


def _open_history(path: str, warn: Callable[[str], None]) -> tuple[History, str]:
    """Open the history for reading and writing; in memory, with a line saying why, where that fails."""
    if not path:
        return InMemoryHistory(), ""
    expanded = os.path.expanduser(path)
    try:
        os.makedirs(os.path.dirname(expanded) or ".", mode=0o700, exist_ok=True)
        # Others on the machine have no business reading what was typed.
        os.close(os.open(expanded, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o600))
    except (OSError, ValueError) as error:
        return InMemoryHistory(), f"the history is not kept: {render.shown(str(error))}"
    return _SafeFileHistory(expanded, warn), ""


def _key_bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add(Keys.ControlZ)
    def _ignore(event: KeyPressEvent) -> None:
        """Do nothing: a stopped node answers nobody, and the default types a ^Z."""

    @bindings.add(Keys.Tab)
    def _complete(event: KeyPressEvent) -> None:
        """Complete at once: the default starts a task, which an Enter right after the Tab overtakes."""
        buffer = event.current_buffer
        if buffer.complete_state is not None:
            buffer.complete_next()
            return
        requested = CompleteEvent(completion_requested=True)
        found = list(buffer.completer.get_completions(buffer.document, requested))
        if len(found) == 1:
            buffer.apply_completion(found[0])
        elif found:
            buffer.insert_text(get_common_complete_suffix(buffer.document, found))
            buffer.start_completion()

    @bindings.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        """Type what was pasted, each newline being an Enter: what follows is kept for the next prompt."""
        *lines, last = event.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if not lines:
            event.current_buffer.insert_text(last[: commands.LINE_MAX + 1])
            return
        keys = []
        for line in lines:
            keys += [KeyPress(Keys.BracketedPaste, line), KeyPress(Keys.ControlM, "\r")]
        event.app.key_processor.feed_multiple([*keys, KeyPress(Keys.BracketedPaste, last)], first=True)

    return bindings
