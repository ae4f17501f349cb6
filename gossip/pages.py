"""What the HTTP server says: a path, and who asks for what, to a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics

from gossip.core.text import printable
from gossip.core.views import MemberView, Status
from gossip.health import Health
from gossip.shell import data

_TEXT = "text/plain; charset=utf-8"
_SHOWN_MAX = 60
_METHODS = ("GET", "HEAD")
_INDEX = """\
gossipd {node}

/metrics  for Prometheus, in its text format or, where that is accepted, OpenMetrics
/healthz  200 while the node is well, else 503 and why
/readyz   200 once it has joined, else 503 and why
/members  the members as JSON; /members?state=7 only those in that state
"""


class Node(Protocol):
    """A node, as its pages show it."""

    def status(self) -> Status:
        """Return the node in one line."""

    def members(self) -> Sequence[MemberView]:
        """Return all members: the node itself first, then by address."""


class Page(NamedTuple):
    """An answer: its status line, body and content type, and further headers."""

    status: str
    body: bytes
    kind: str = _TEXT
    headers: tuple[tuple[str, str], ...] = ()


class Pages:
    """The pages of one node; `count` is told the code of every answer."""

    def __init__(
        self, node: Node, health: Health, registry: CollectorRegistry, count: Callable[[str], None]
    ) -> None:
        self._node = node
        self._health = health
        self._registry = registry
        self._count = count
        self._pages: dict[str, Callable[[str, str], Page]] = {
            "/": self._index,
            "/metrics": self._metrics,
            "/healthz": lambda query, accept: _verdict(self._health.problem(), "ok"),
            "/readyz": lambda query, accept: _verdict(self._health.obstacle(), "ready"),
            "/members": self._members,
        }

    def answer(self, method: str, path: str, query: str, accept: str) -> Page:
        """Return the page for a request; `accept` is what its header of that name says."""
        page = self._page(method, path, query, accept)
        self._count(page.status[:3])
        return page

    def _page(self, method: str, path: str, query: str, accept: str) -> Page:
        make = self._pages.get(path)
        if make is None:
            return _says("404 Not Found", f"no such page: {_shown(path)}; there are {', '.join(self._pages)}")
        if method not in _METHODS:
            refusal = _says("405 Method Not Allowed", f"{_shown(method)}: expected GET or HEAD")
            return refusal._replace(headers=(("Allow", ", ".join(_METHODS)),))
        return make(query, accept)

    def _index(self, query: str, accept: str) -> Page:
        return Page("200 OK", _INDEX.format(node=self._node.status().own.address).encode())

    def _metrics(self, query: str, accept: str) -> Page:
        if "application/openmetrics-text" in accept:
            body = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
            return Page("200 OK", body, openmetrics.CONTENT_TYPE_LATEST)
        return Page("200 OK", generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4)

    def _members(self, query: str, accept: str) -> Page:
        try:
            asked = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=8))
        except ValueError:  # more than that
            asked = {"": ""}
        state = asked.pop("state", "")
        if asked or (query and state not in tuple("0123456789")):
            return _says("400 Bad Request", f"?{_shown(query)}: expected nothing, or ?state= and one digit")
        members = [view for view in self._node.members() if not state or view.entry.state == int(state)]
        body = data.line([data.member(view) for view in members])
        return Page("200 OK", body.encode("ascii") + b"\n", "application/json")


def _verdict(problem: str | None, well: str) -> Page:
    return _says("200 OK", well) if problem is None else _says("503 Service Unavailable", problem)


def _says(status: str, line: str) -> Page:
    return Page(status, f"{line}\n".encode())


def _shown(text: str) -> str:
    """Show back what a caller sent: ASCII, cut."""
    return printable(ascii(text[:_SHOWN_MAX])[1:-1], _SHOWN_MAX)
