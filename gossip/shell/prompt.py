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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import gevent
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app_or_none, run_in_terminal
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory, ConditionalAutoSuggest
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.shortcuts import CompleteStyle
from prompt_toolkit.styles import Style

from gossip.shell import commands, terminal, theme, width
from gossip.shell.history import open_history
from gossip.shell.keys import bindings
from gossip.shell.menu import ROWS, Menu, Search, make_wide
from gossip.shell.screens import Screens
from gossip.shell.shells import Shell
from gossip.shell.theme import Kind

_MESSAGE, _SEARCHING = "gossip> ", "search> "
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
        self._search = Search()
        self._style = Style.from_dict(dict(theme.STYLES))
        self._has_colours = theme.has_colours(os.environ)
        history, self._warning = open_history(history_file, self.tell)
        searching = Condition(lambda: self._search.is_on)
        self._session: PromptSession[str] = PromptSession(
            lambda: [("class:prompt", _SEARCHING if self._search.is_on else _MESSAGE)],
            input=terminal.keyboard(),
            history=history,
            completer=Menu(shell, self._search),
            complete_while_typing=False,
            complete_style=CompleteStyle.MULTI_COLUMN,
            reserve_space_for_menu=ROWS,
            auto_suggest=ConditionalAutoSuggest(AutoSuggestFromHistory(), ~searching),
            enable_history_search=True,  # Up and Down go through what began as what is typed
            style=self._style,
            bottom_toolbar=lambda: f" {width.fitting(shell.toolbar(), self._columns() - 1)}",
            refresh_interval=_TOOLBAR_EVERY_S,
            key_bindings=bindings(self._search),
            interrupt_exception=_Cleared,
            eof_exception=EOFError,
        )
        self._screens = Screens(shell, self._session.input, self._session.output)
        make_wide(self._session.layout)
        self._session.default_buffer.on_text_changed += self._search.refresh
        self._session.default_buffer.on_cursor_position_changed += self._search.refresh

    def run(self, banner: Sequence[str] = ()) -> None:
        """Ask and obey until the user leaves or another greenlet closes the prompt."""
        self._main = gevent.getcurrent()
        self._print([*banner, *([self._warning] if self._warning else [])])
        # A stray traceback must not tear the prompt, hence patch_stdout.
        with self._obeying_sigint(), terminal.no_echo(), patch_stdout():
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
        self._interrupt()

    def _ask_and_obey(self) -> None:
        while not self._is_closing:
            try:
                text = self._ask()
            except _Cleared:
                continue
            except asyncio.CancelledError:
                clear_typeahead(self._session.input)
                continue
            except EOFError:
                self._shell.leave()
                return
            if not self._obey(text):
                return
            if terminal.is_interrupted(self._session.input):
                self._print(["interrupted"])

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
            return await self._session.prompt_async(handle_sigint=False)
        finally:
            self._loop = self._asking = None
            self._is_news_due = self._search.is_on = False

    def _obey(self, line: str) -> bool:
        """Run one command and tell whether to go on; Ctrl-C ends it, and drops the rest of a paste."""
        self._is_command_running = True
        self._told_by_result = commands.told(line)
        try:
            result = self._shell.run(line)
            self._print(result.lines, Kind.RESULT if result.ok else Kind.REFUSAL)
            if commands.name_of(result.opens) == "trace":
                self._trace(result.opens)
        except KeyboardInterrupt:
            clear_typeahead(self._session.input)
            self._print(["interrupted"])
            return not self._is_closing
        finally:
            self._is_command_running = False
            self._told_by_result = ()
        if commands.name_of(result.opens) not in ("", "trace") and not self._is_closing:
            self._print(self._screens.show(result.opens))
        return not result.stop and not self._is_closing

    def _trace(self, opens: str) -> None:
        """Show what happens about an address, until Ctrl-C."""
        _, address, *options = opens.split()
        self._told_by_result = (f"{address} ",)
        self._print([f"tracing {address}; Ctrl-C ends it"])
        try:
            self._shell.trace(address, self._show_traced, json="--json" in options)
        except KeyboardInterrupt:
            clear_typeahead(self._session.input)
            self._print([f"no longer tracing {address}"])

    def _show_traced(self, line: str) -> None:
        self._print([line], Kind.TRACE)

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
        self._print(lines, Kind.NEWS)

    def _print(self, lines: Iterable[str], kind: Kind = Kind.RESULT) -> None:
        output, columns = self._session.output, self._columns()
        parts: theme.Fragments = []
        for line in lines:
            painted = theme.paint(line, kind) if self._has_colours else [("", line)]
            parts += [*width.folded(painted, columns), ("", "\n")]
        if parts and self._has_colours:
            print_formatted_text(output, FormattedText(parts), self._style)
        elif parts:
            output.write("".join(text for _, text in parts))
            output.flush()

    def _columns(self) -> int:
        return self._session.output.get_size().columns

    @contextmanager
    def _obeying_sigint(self) -> Iterator[None]:
        """Let a SIGINT end the screen, the line that is typed, or the command.

        Python raises KeyboardInterrupt in whichever greenlet runs at that moment, and that may be any of
        the node's. So does prompt_toolkit with its own handler, for the moment in which it takes that away.
        """

        def interrupt(signum: int, frame: FrameType | None) -> None:
            if not self._screens.close():
                self._interrupt()

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _interrupt(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop_asking)
        else:
            gevent.get_hub().loop.run_callback_threadsafe(self._throw_in_command)

    def _stop_asking(self) -> None:
        if self._asking is not None and not self._asking.cancelling():  # a second one would cut its end short
            self._asking.cancel()

    def _throw_in_command(self) -> None:
        if self._is_command_running:  # it may have ended since
            self._main.throw(KeyboardInterrupt)
