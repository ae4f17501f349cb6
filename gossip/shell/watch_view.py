"""What `watch` shows, as lines of styled text: a picture of the node in a view that its user has moved.

Pure: the keys change a View, and `frame` gives the lines of a screen of any size. No line is wider than the
screen or holds a control character, whatever a node says of itself, and only rows in sight are formatted.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gossip.core.text import count, printable
from gossip.shell import render
from gossip.shell.picture import Picture, Row, Spread

Line = list[tuple[str, str]]  # style and text, as prompt_toolkit has them
FILTER_MAX = 60
_KEYS = "s sort  r reverse  / filter  Enter explain  b blacklisted  ? keys  q leave"
_NO_NEWS = "no news yet"
_PAGE_KEYS = "arrows, PgUp, PgDn scroll  Esc or q close"
HELP = (
    "arrows, PgUp, PgDn, Home, End  choose a row",
    "s        sort by the next of address, state, age, contact, round-trip, failures",
    "r        reverse the order; what is not known stays last",
    "/        filter: part of an address, or =7 for a state; Enter keeps, Esc clears",
    "Enter    tell the story of the chosen member, as explain does",
    "b        show the blacklisted only, or all again",
    "q        leave, as Esc, Ctrl-C and Ctrl-D do",
)

# In the order in which `s` goes through them; rows come in the order of their addresses.
SORTS: dict[str, Callable[[Row], Any]] = {
    "address": lambda row: 0,
    "state": lambda row: row.state,
    "age": lambda row: row.age_s,
    "contact": lambda row: row.contact_s,
    "round-trip": lambda row: row.round_trip_s,
    "failures": lambda row: None if row.blacklisted is not None else row.failures,
}
_HEADER = ("state", "age", "contact", "round-trip", "fails")
_ADDRESS_MIN, _HEALTH_MIN, _TAIL = 14, 12, 8  # any IPv4 address fits in 80 columns


@dataclass(slots=True)
class Page:
    """A text in place of the table, scrolled to the line `top`."""

    title: str
    lines: Sequence[str]
    top: int = 0


@dataclass(slots=True)
class View:
    """How the user has moved the view; `stale_s` is how long the node has not answered."""

    sort: str = "address"
    is_reversed: bool = False
    filter: str = ""
    is_filtering: bool = False
    only_blacklisted: bool = False
    selected: str = ""  # an address: it stays selected wherever it is sorted to
    index: int = 0  # where it was last, for when it has gone
    top: int = 0
    height: int = 1  # rows on the screen
    stale_s: float = 0.0
    page: Page | None = None

    def move(self, picture: Picture, by: int) -> None:
        """Select the row so many further down, or scroll the page."""
        if self.page is not None:
            self.page.top += by  # `frame` keeps it within bounds, for it knows the width
            return
        rows = shown_rows(picture, self)
        if rows:
            self.index = min(max(self._found(rows) + by, 0), len(rows) - 1)
            self.selected = rows[self.index].address

    def sort_next(self) -> None:
        """Sort by the next key."""
        keys = list(SORTS)
        self.sort = keys[(keys.index(self.sort) + 1) % len(keys)]

    def type(self, text: str) -> None:
        """Add to the filter what can be shown on one line."""
        self.filter = (self.filter + "".join(filter(str.isprintable, text)))[:FILTER_MAX]

    def follow(self, rows: Sequence[Row]) -> None:
        """Find the selected row again among these, and scroll to it."""
        self.index = self._found(rows)
        self.selected = rows[self.index].address if rows else ""
        last_top = max(0, len(rows) - self.height)
        self.top = min(max(self.top, self.index - self.height + 1), self.index, last_top)

    def _found(self, rows: Sequence[Row]) -> int:
        found = (index for index, row in enumerate(rows) if row.address == self.selected)
        return next(found, min(self.index, max(0, len(rows) - 1)))


def shown_rows(picture: Picture, view: View) -> list[Row]:
    """Return the rows that the filter lets through, sorted; what is not known comes last."""
    rows = [row for row in picture.rows if row.blacklisted is not None or not view.only_blacklisted]
    wanted = view.filter.strip()
    if wanted.startswith("="):
        rows = [row for row in rows if str(row.state) == wanted[1:] or wanted == "="]
    elif wanted:
        rows = [row for row in rows if wanted in row.address]
    if view.sort == "address":
        return rows[::-1] if view.is_reversed else rows
    key = SORTS[view.sort]
    known = sorted((row for row in rows if key(row) is not None), key=key, reverse=view.is_reversed)
    return known + [row for row in rows if key(row) is None]


def frame(picture: Picture | None, view: View, feed: Sequence[str], width: int, height: int) -> list[Line]:
    """Return the lines of a screen; fewer than `height` only where there is nothing to show."""
    if width < 1 or height < 1:
        return []
    if picture is None:
        return [_line("title", "waiting for the node to answer", width)]
    if view.page is not None:
        return _page(view.page, width, height)
    feed_height = min(max(3, height // 4), max(0, height - 8))
    kept = _kept(height - feed_height - 1)
    view.height = height - feed_height - len(kept)
    rows = shown_rows(picture, view)
    view.follow(rows)
    widths = _widths(rows, width)
    lines: dict[str, Line] = {
        "title": _title(picture, view, width),
        "spread": _spread(picture.convergence, width),
        "header": _line("header", _cells(" ", "address", (*_HEADER, "health"), widths), width),
        "position": _line("position", _position(rows, view), width),
        "keys": _keys(view, width),
    }
    visible = rows[view.top : view.top + view.height]
    table = [_row(row, view, widths, width) for row in visible] or [_line("row", _no_row(view), width)]
    table += [[] for _ in range(view.height - len(table))]
    told = feed[-feed_height:] or [_NO_NEWS]
    news = [_line("feed", text, width) for text in told] if feed_height else []
    news += [[] for _ in range(feed_height - len(news))]
    above = [lines[name] for name in ("title", "spread", "header") if name in kept]
    below = [lines[name] for name in ("position", "keys") if name in kept]
    return [*above, *table, *below[:-1], *news, *below[-1:]]


def _kept(room: int) -> list[str]:
    """Return which lines around the table there is room for: what matters least goes first."""
    return ["title", "header", "keys", "spread", "position"][: max(0, room)]


def _page(page: Page, width: int, height: int) -> list[Line]:
    """Render a text in place of the table; a long line goes on, indented, in the next."""
    wrapped = [
        piece
        for text in page.lines
        for piece in textwrap.wrap(
            _plain(text),
            max(1, width),
            subsequent_indent="      " if width > 20 else "",
            break_on_hyphens=False,
        )
    ]
    body = height - 2 if height > 2 else height
    page.top = min(max(page.top, 0), max(0, len(wrapped) - body))
    lines = [_line("row", text, width) for text in wrapped[page.top : page.top + body]]
    lines += [[] for _ in range(body - len(lines))]
    if height < 3:
        return lines
    below = len(wrapped) - body - page.top
    keys = f"{_PAGE_KEYS}  ({below} lines more)" if below > 0 else _PAGE_KEYS
    return [_line("title", page.title, width), *lines, _line("keys", keys, width)]


def _title(picture: Picture, view: View, width: int) -> Line:
    parts = [
        f"{picture.address} --> {picture.state}",
        count(picture.members, "member", "members"),
        f"{picture.blacklisted} blacklisted",
        "honest" if picture.strategy is None else f"ADVERSARIAL: {picture.strategy}",
        f"trust {picture.trust}",
        f"round {picture.round}",
    ]
    if view.stale_s:
        parts.insert(1, f"NO ANSWER for {render.duration(view.stale_s)}")
    while len(parts) > 1 and len("  ".join(parts)) > width:  # what matters least comes last
        parts.pop()
    text = "  ".join(parts)
    return _line("title" if picture.strategy is None else "title.adversarial", text, width)


def _spread(spread: Spread | None, width: int) -> Line:
    if spread is None:
        return _line("spread", "no change of a state seen yet", width)
    text = f"{spread.address} --> {spread.state}, {render.duration(spread.since_s)} ago: "
    if spread.took_s is None:
        text += f"{spread.known} of {spread.members} members known to have it"
    else:
        text += f"all {spread.members} known to have it, after {render.round_trip(spread.took_s)}"
    text = _plain(text)
    room = min(20, width - len(text) - 4)
    if room < 5:
        return _line("spread", text, width)
    full = min(room, room * spread.known // max(1, spread.members))
    bar = f" [{'=' * full}{'-' * (room - full)}]"
    return [("class:watch.spread", text), ("class:watch.bar", bar)]


def _position(rows: Sequence[Row], view: View) -> str:
    last = min(view.top + view.height, len(rows))
    shown = f"{view.top + 1 if rows else 0} to {last} of {len(rows)}"
    order = f"by {view.sort}{', reversed' if view.is_reversed else ''}"
    filtered = f" | filter {view.filter}" if view.filter else ""
    return f"{shown} | {order}{' | blacklisted only' if view.only_blacklisted else ''}{filtered}"


def _keys(view: View, width: int) -> Line:
    if view.is_filtering:
        return _line("filter", f"/{view.filter}_", width)
    return _line("keys", _KEYS, width)


def _no_row(view: View) -> str:
    return "no row is like that; Esc clears the filter" if view.filter else "nobody is blacklisted"


def _widths(rows: Sequence[Row], width: int) -> list[int]:
    """Return the width of each column: addresses give way first, so that the others stand still."""
    fixed = [len(name) for name in _HEADER]
    fixed[1] = fixed[2] = 7  # -23h59m
    room = width - 1 - sum(fixed) - 2 * len(fixed) - 2 - _HEALTH_MIN
    longest = max((len(row.address) for row in rows), default=0)
    return [min(max(longest, _ADDRESS_MIN), max(room, _ADDRESS_MIN)), *fixed]


def _row(row: Row, view: View, widths: Sequence[int], width: int) -> Line:
    is_selected = row.address == view.selected
    contact = "-" if row.is_own or row.blacklisted is not None else render.duration(row.contact_s)
    cells = (
        "-" if row.state is None else str(row.state),
        "-" if row.age_s is None else render.duration(row.age_s),
        contact,
        render.round_trip(row.round_trip_s),
        "-" if row.blacklisted is not None else str(row.failures),
        _health(row),
    )
    is_odd = row.failures or row.strikes or row.distrusted_s is not None
    style = "blacklisted" if row.blacklisted is not None else "suspect" if is_odd else "row"
    style = f"{style}.selected" if is_selected else style
    return _line(style, _cells(">" if is_selected else " ", row.address, cells, widths), width)


def _health(row: Row) -> str:
    if row.blacklisted is None:
        held = render.standing(row.strikes, row.distrusted_s)
        return "own" if row.is_own else "suspect" if row.failures else held
    if row.retry_in_s is None:
        return "blocked by hand"
    return f"retry {render.duration(row.retry_in_s)}: {row.blacklisted}"


def _cells(mark: str, address: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    *fixed, health = cells
    texts = [_cut_inside(address, widths[0]), *fixed]
    return mark + "  ".join([*map(str.ljust, texts, widths), health])


def _cut_inside(address: str, width: int) -> str:
    """Cut an address to a width, its end with the port left as it is where there is room."""
    if len(address) <= width:
        return address
    tail = _TAIL if width >= 2 * _TAIL else width // 2
    return f"{address[: width - tail - 1]}~{address[-tail:]}"


def _line(style: str, text: str, width: int) -> Line:
    """Return one line of a style that fills the width, cut where it would not fit."""
    shown = _plain(text[: 4 * width])
    shown = shown if len(shown) <= width else f"{shown[: width - 1]}~"
    return [(f"class:watch.{style}", shown.ljust(width))]


def _plain(text: str) -> str:
    """Return a text with one column a character: printable ASCII, all else escaped."""
    if text.isascii() and text.isprintable():
        return text
    return printable(text).encode("ascii", "backslashreplace").decode("ascii")
