"""`watch`: a live view of a node on the whole screen.

It runs in the main greenlet, in the prompt's place. A greenlet of its own asks for a picture of the node each
second, so that a node that does not answer, at the other end of a control socket, never holds up the keys.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import gevent
from gevent import Greenlet
from gevent.pool import Group
from prompt_toolkit.application import Application
from prompt_toolkit.filters import Condition
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import Layout, UIContent, UIControl, Window
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from gossip.core.text import count
from gossip.shell.picture import Picture
from gossip.shell.shells import Shell
from gossip.shell.watch_view import HELP, Page, View, frame

_EVERY_S = 1.0
_FEED_MAX = 200
_ESCAPE_S = 0.05  # an Esc with nothing behind it for so long is the key itself
_FAR = 1 << 30

WATCH_STYLE = {
    "watch.title": "reverse",
    "watch.title.adversarial": "reverse ansired",
    "watch.spread": "bold",
    "watch.bar": "ansigreen",
    "watch.header": "bold underline",
    "watch.suspect": "ansiyellow",
    "watch.suspect.selected": "reverse",
    "watch.blacklisted": "ansired",
    "watch.blacklisted.selected": "reverse",
    "watch.row.selected": "reverse",
    "watch.position": "bold",
    "watch.feed": "",
    "watch.filter": "reverse",
    "watch.keys": "reverse",
}


class Watch:
    """The view, from `run` until the user leaves it or another greenlet closes it."""

    def __init__(self, shell: Shell, input: Input, output: Output) -> None:
        self._shell = shell
        self._view = View()
        self._picture: Picture | None = None
        self._feed: deque[str] = deque(maxlen=_FEED_MAX)
        self._told = 0
        self._answered_at = time.monotonic()
        self._is_closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._greenlets = Group()
        self._app: Application[None] = Application(
            layout=Layout(Window(_Frame(self._lines), always_hide_cursor=True)),
            key_bindings=_key_bindings(self),
            style=Style.from_dict(WATCH_STYLE),
            full_screen=True,
            input=input,
            output=output,
        )
        self._app.ttimeoutlen = _ESCAPE_S

    @property
    def view(self) -> View:
        """How the user has moved it."""
        return self._view

    def run(self) -> Sequence[str]:
        """Show it until it ends; return what the prompt is to say of the news shown meanwhile."""
        asyncio.run(self._run())
        return [f"({count(self._told, 'line', 'lines')} of news shown by watch)"] if self._told else []

    def tell(self, line: str) -> None:
        """Add a line of news, to be shown within a second; callable from any greenlet."""
        self._told += 1
        self._feed.append(f"{time.strftime('%H:%M:%S')} {line}")

    def close(self) -> None:
        """Make `run` return soon; callable from any greenlet."""
        self._is_closing = True
        self._soon(self.leave)

    # What the keys do.

    def leave(self, error: BaseException | None = None) -> None:
        """End the view, with what went wrong if anything did."""
        if self._app.is_running and not self._app.is_done:
            if error is None:
                self._app.exit()
            else:
                self._app.exit(exception=error)

    def move(self, by: int) -> None:
        """Select another row, or scroll the page that is open."""
        if self._picture is not None:
            self._view.move(self._picture, by)

    def explain(self) -> None:
        """Open the story of the selected row, once the node has told it."""
        if self._view.selected:
            self._spawn(self._explain, self._view.selected)

    # Inside.

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        # A bug in the view ends it: prompt_toolkit's own handler would wait for an Enter, again and again.
        self._loop.set_exception_handler(lambda _, context: self._fail(context))
        self._spawn(self._look)
        try:
            if not self._is_closing:
                await self._app.run_async(set_exception_handler=False, handle_sigint=False)
        except EOFError:
            pass  # the terminal is gone: the prompt finds out, too
        finally:
            self._loop = None
            self._greenlets.kill(block=False)

    def _fail(self, context: dict[str, Any]) -> None:
        self.leave(context.get("exception") or RuntimeError(context["message"]))

    def _spawn(self, function: Callable[..., None], *args: object) -> None:
        self._greenlets.spawn(function, *args).link_exception(self._died)

    def _died(self, greenlet: Greenlet) -> None:
        self._soon(self.leave, greenlet.exception)

    def _soon(self, call: Callable[..., object], *args: object) -> None:
        """Call something in the loop, if it still runs: this greenlet may be any."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(call, *args)

    def _look(self) -> None:
        while True:
            picture = self._shell.look()
            if picture is not None:
                self._picture, self._answered_at = picture, time.monotonic()
            self._view.stale_s = 0.0 if picture is not None else time.monotonic() - self._answered_at
            self._soon(self._app.invalidate)
            gevent.sleep(_EVERY_S)

    def _explain(self, address: str) -> None:
        lines = self._shell.run(f"explain {address}").lines
        self._view.page = Page(f"explain {address}", lines)
        self._soon(self._app.invalidate)

    def _lines(self, width: int, height: int) -> list[list[tuple[str, str]]]:
        return frame(self._picture, self._view, list(self._feed), width, height)


class _Frame(UIControl):
    """Paints what a function gives for the size of the screen."""

    def __init__(self, lines: Callable[[int, int], list[list[tuple[str, str]]]]) -> None:
        self._lines = lines

    def create_content(self, width: int, height: int) -> UIContent:
        lines = self._lines(width, height)
        return UIContent(lambda number: list(lines[number]), line_count=len(lines), show_cursor=False)

    def is_focusable(self) -> bool:
        return True


def _key_bindings(watch: Watch) -> KeyBindings:
    """Bind the keys of the table, of a page in its place, and of the filter that is typed."""
    bindings, view = KeyBindings(), watch.view
    is_page = Condition(lambda: view.page is not None)
    is_typing = Condition(lambda: view.is_filtering and view.page is None)
    is_table = ~is_page & ~is_typing
    steps = {"up": -1, "down": 1, "home": -_FAR, "end": _FAR}

    def bind(*keys: str, when: Any = is_table) -> Callable[[Callable[[], None]], None]:
        def decorate(act: Callable[[], None]) -> None:
            for key in keys:
                bindings.add(key, filter=when)(lambda event: act())

        return decorate

    for key, by in steps.items():
        bind(key, when=~is_typing)(lambda by=by: watch.move(by))  # type: ignore[misc]
    bind("pageup", when=~is_typing)(lambda: watch.move(-view.height))
    bind("pagedown", when=~is_typing)(lambda: watch.move(view.height))
    bind("s")(view.sort_next)
    bind("enter")(watch.explain)
    bind("q")(watch.leave)
    bind("c-c", "c-d", when=True)(watch.leave)
    bind("r")(lambda: setattr(view, "is_reversed", not view.is_reversed))
    bind("b")(lambda: setattr(view, "only_blacklisted", not view.only_blacklisted))
    bind("/")(lambda: setattr(view, "is_filtering", True))
    bind("?")(lambda: setattr(view, "page", Page("keys", HELP)))
    bind("escape", "q", when=is_page)(lambda: setattr(view, "page", None))
    bind("enter", when=is_typing)(lambda: setattr(view, "is_filtering", False))
    bind("backspace", when=is_typing)(lambda: setattr(view, "filter", view.filter[:-1]))

    @bind("escape", when=~is_page)
    def _clear_or_leave() -> None:
        if not (view.filter or view.is_filtering):
            watch.leave()
        view.filter, view.is_filtering = "", False

    @bindings.add(Keys.Any, filter=is_typing)
    @bindings.add(Keys.BracketedPaste, filter=is_typing)
    def _type(event: KeyPressEvent) -> None:
        view.type(event.data)

    return bindings
