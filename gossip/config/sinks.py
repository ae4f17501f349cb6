"""Where events go besides `log.file`: the sinks of `log.sinks`, each a URL.

- Options of a sink are in its query: `syslog+udp://10.0.0.9:514?facility=local3`. Of `http` and `https` the
  query is the collector's own and is sent on, so theirs come after a `#`, which is never sent.
- What tells two sinks apart, and names the record of how far one has come, is all but the options.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from gossip.config.text import any_of, cut, shown

FACILITIES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
LOCAL: Final = ("stdout", "stderr", "file")
_SYSLOG = frozenset({"facility", "app"})
_HTTP = frozenset({"type", "gzip", "authorization"})
_LOKI = frozenset({"label", "authorization"})
_OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "tcp": frozenset({"confirm"}),
    "syslog+udp": _SYSLOG,
    "syslog+tcp": _SYSLOG | {"confirm"},
    "syslog+tls": _SYSLOG | {"confirm", "ca"},
    "http": _HTTP,
    "https": _HTTP | {"ca"},
    "loki+http": _LOKI,
    "loki+https": _LOKI | {"ca"},
}
_CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "facility": FACILITIES,
    "confirm": ("close", "sent"),
    "gzip": ("yes", "no"),
}
_TEXTS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "app": (re.compile(r"[!-~]{1,48}", re.ASCII), "1 to 48 printable ASCII characters"),
    "type": (re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII), "a content type, such as application/json"),
    "label": (
        re.compile(r"[A-Za-z_]\w*:[^\x00-\x1f\ud800-\udfff]+", re.ASCII),
        "NAME:VALUE, such as job:gossipd",
    ),
}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_HOST: Final = re.compile(
    r"(?=.{1,253}$)[\w-]{1,63}(\.[\w-]{1,63})*\.?|[0-9a-f.]*:[0-9a-f:.]+(%\w+)?", re.ASCII
)
_PORTS: Final = {"http": 80, "loki+http": 80, "https": 443, "loki+https": 443}
_EXAMPLES: Final = (
    "stdout, stderr, file:/var/log/gossipd/events.jsonl, tcp://host:port, syslog+udp://host:514, "
    "syslog+tcp://host:601, syslog+tls://host:6514?ca=/path, http://host:port/path or "
    "loki+http://host:3100/loki/api/v1/push"
)


class SinkError(ValueError):
    """A text names no sink; its own text says what would be right."""


@dataclass(frozen=True, slots=True)
class Sink:
    """One sink; `target` is the path of a file, or what follows host and port in a URL."""

    kind: str
    host: str = ""
    port: int = 0
    target: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether its lines are written by this process itself, and not shipped."""
        return self.kind in LOCAL

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.kind in ("syslog+tls", "https", "loki+https")

    @property
    def name(self) -> str:
        """Its URL without the options."""
        if self.is_local:
            return f"{self.kind}:{self.target}" if self.target else self.kind
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}:{self.port}{self.target}"

    @property
    def key(self) -> str:
        """A name for its files, different for every other sink's."""
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", self.name)[:60].strip("-")
        return f"{readable}-{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"

    def option(self, name: str, default: str = "") -> str:
        """Return the last value given for an option."""
        return dict(self.options).get(name, default)

    def all_of(self, name: str) -> Sequence[str]:
        """Return every value given for an option."""
        return [value for given, value in self.options if given == name]


def parse_sink(text: str) -> Sink:
    """Read a sink's URL; raise SinkError."""
    if text in ("stdout", "stderr"):
        return Sink(text)
    if text.startswith("file:"):
        path = text.removeprefix("file:")
        if not path or path.startswith("//") or "\0" in path:
            raise SinkError("expected file:PATH, such as file:/var/log/gossipd/events.jsonl")
        return Sink("file", target=path)
    if _CONTROL.search(text):  # urlsplit would drop it, and ship to somewhere else
        raise SinkError("expected a URL without line ends, tabs and the like")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:  # brackets that do not match, or a port that is none
        raise SinkError(f"expected a URL with a host and a port ({error})") from None
    if url.scheme not in _OPTIONS:
        raise SinkError(f"expected {_EXAMPLES}")
    return _network_sink(url, port or _PORTS.get(url.scheme, 0))


def _network_sink(url: SplitResult, port: int) -> Sink:
    if url.username is not None or url.password is not None:
        raise SinkError("expected no user or password; option authorization=FILE of http and loki takes one")
    if url.hostname is None or not _HOST.fullmatch(url.hostname) or not port:
        raise SinkError(f"expected {url.scheme}://host:port")
    has_own_query = url.scheme in ("http", "https")
    is_http = url.scheme in _PORTS
    if not is_http and url.path not in ("", "/"):
        raise SinkError(f"expected {url.scheme}://host:port with no path, found {shown(url.path)}")
    if not has_own_query and url.fragment:
        raise SinkError(f"expected options after ?, found #{cut(url.fragment)}")
    target = (url.path or "/") + (f"?{url.query}" if has_own_query and url.query else "") if is_http else ""
    if not re.fullmatch(r"[!-~]*", target):
        raise SinkError("expected a path of printable ASCII without spaces; write others as %20 and so on")
    options = tuple(parse_qsl(url.fragment if has_own_query else url.query, keep_blank_values=True))
    for name, value in options:
        _check_option(url.scheme, name, value)
    return Sink(url.scheme, url.hostname, port, target, options)


def _check_option(kind: str, name: str, value: str) -> None:
    if name not in _OPTIONS[kind]:
        raise SinkError(f"{kind} has no option {shown(name)}; expected {any_of(sorted(_OPTIONS[kind]))}")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise SinkError(f"option {name}: expected {any_of(_CHOICES[name])}, found {shown(value)}")
    if name in _TEXTS and not _TEXTS[name][0].fullmatch(value):
        raise SinkError(f"option {name}: expected {_TEXTS[name][1]}, found {shown(value)}")
    if name in ("ca", "authorization") and (not value or "\0" in value):
        raise SinkError(f"option {name}: expected the path of a file")


def sinks_problem(items: Sequence[str]) -> str | None:
    """Return what is wrong with a list of sinks, or None."""
    names: set[str] = set()
    for item in items:
        try:
            name = parse_sink(item).name
        except SinkError as error:
            return f"{shown(item)}: {error}"
        if name in names:
            return f"{shown(item)}: expected each sink once"
        names.add(name)
    return None


def needs_spool(items: Sequence[str]) -> bool:
    """Return whether some sink is beyond this process, so that what it is to get is kept in a spool."""
    return not all(parse_sink(item).is_local for item in items)
