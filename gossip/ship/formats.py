"""Lines of the spool as collectors take them. Pure."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from gossip.config.sinks import FACILITIES, Sink

Encode = Callable[[Sequence[bytes]], Sequence[bytes]]  # lines to what goes into datagrams, or into one stream

_SEVERITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # RFC 5424, table 2
_INFO: Final = _SEVERITIES["info"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_GZIP_LEVEL: Final = 1  # 6 makes a batch a fifth smaller for three times the CPU


class Head(msgspec.Struct):
    ts: str = ""
    level: str = ""
    event: str = ""


_read_head = msgspec.json.Decoder(Head).decode


def head_of(line: bytes) -> Head:
    """Return time, level and name of an event; what is no event of ours has none of them."""
    try:
        return _read_head(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):  # a damaged file
        return Head()


def unix_ns(ts: str) -> int:
    """Return an event's time in nanoseconds since the epoch, 0 for none."""
    try:
        return (datetime.fromisoformat(ts) - _EPOCH) // _MICROSECOND * 1000
    except (ValueError, TypeError):
        return 0


def syslog_line(line: bytes, facility: int, host: str, app: str) -> bytes:
    """Return an event as a message of RFC 5424: its JSON is the text, its name the message's id."""
    head = head_of(line)
    priority = facility * 8 + _SEVERITIES.get(head.level, _INFO)
    fields = f"<{priority}>1 {head.ts or '-'} {host} {app} - {head.event[:32] or '-'} - "
    return fields.encode("ascii", "replace") + line.rstrip(b"\n")


def counted(message: bytes) -> bytes:
    """Frame a message by its length (RFC 6587, 3.4.1), so that none can be torn or run into the next."""
    return b"%d %b" % (len(message), message)


def syslog(sink: Sink, hostname: str) -> Encode:
    """Return what makes datagrams (RFC 5426), or a stream of counted messages, of lines."""
    facility = FACILITIES.index(sink.option("facility", "daemon"))
    host = "".join(char for char in hostname if "!" <= char <= "~")[:255] or "-"
    app = sink.option("app", "gossipd")

    def datagrams(lines: Sequence[bytes]) -> Sequence[bytes]:
        return [syslog_line(line, facility, host, app) for line in lines]

    def stream(lines: Sequence[bytes]) -> Sequence[bytes]:
        return [b"".join(map(counted, datagrams(lines)))]

    return datagrams if sink.kind == "syslog+udp" else stream


def json_lines(lines: Sequence[bytes]) -> Sequence[bytes]:
    """Return the lines as they are."""
    return [b"".join(lines)]


def gzipped(lines: Sequence[bytes]) -> Sequence[bytes]:
    """Return the lines compressed."""
    return [_gzip(b"".join(lines))]


def loki(sink: Sink) -> Encode:
    """Return what makes a request of Loki's push API, one stream a level, of lines."""
    given = (label.partition(":") for label in sink.all_of("label"))
    labels = {name: value for name, _, value in given} or {"job": "gossipd"}

    def push(lines: Sequence[bytes]) -> Sequence[bytes]:
        return [_gzip(msgspec.json.encode(loki_push(lines, labels)))]

    return push


def loki_push(lines: Sequence[bytes], labels: Mapping[str, str]) -> dict[str, object]:
    """Return the body of a push: Loki wants the time of each line as text, in nanoseconds."""
    values: dict[str, list[tuple[str, str]]] = {}
    for line in lines:
        head = head_of(line)
        text = line.rstrip(b"\n").decode("ascii", "replace")
        values.setdefault(head.level or "info", []).append((str(unix_ns(head.ts)), text))
    return {"streams": [_stream({**labels, "level": level}, values[level]) for level in values]}


def _stream(labels: Mapping[str, str], values: Sequence[tuple[str, str]]) -> dict[str, object]:
    return {"stream": labels, "values": values}


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, _GZIP_LEVEL, mtime=0)
