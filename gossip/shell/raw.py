"""`pull`: what a table says to the byte, and what this node makes of each line of it.

Nothing of it is believed, and nobody is blacklisted for it: that is what `join` and the node's own pulls do.
"""

from __future__ import annotations

from collections.abc import Sequence

from gossip.core.inspection import DIRECTIVE, KNOWN, OK, UNFINISHED, Inspection, Verdict
from gossip.core.text import count
from gossip.core.views import Reading
from gossip.core.wire import End, Reason, escape
from gossip.shell import complete, data, render
from gossip.shell.console import Console
from gossip.shell.registry import JSON, Option, Result, address, command

SHOWN_MAX = 200  # lines, unless all are asked for
_LINE_BYTES_MAX = 128  # of a line that are shown; a good one has 64 at most
_MEANINGS: dict[str, str] = {
    OK: "well-formed, but not what is held here: news, or a lie",
    KNOWN: "an entry held here to the letter",
    DIRECTIVE: "for the reply layer, no entry",
    UNFINISHED: "the table was cut here: not judged",
    Reason.NOT_ASCII: "a byte outside printable ASCII",
    Reason.TOO_LONG: "longer than pull.max_line_bytes",
    Reason.BAD_FIELDS: "not exactly address,timestamp,state",
    Reason.BAD_ADDRESS: "no canonical ip:port that one can gossip with; loopback only from loopback",
    Reason.BAD_TIMESTAMP: "not 1 to 12 digits without a leading zero",
    Reason.BAD_STATE: "not one digit",
    Reason.FUTURE: "later than the clock here by more than gossip.max_clock_skew_s",
}
_ENDS: dict[str, str] = {
    End.EMPTY_LINE: "an empty line, so it speaks the reply layer",
    End.CLOSED: "its closing the connection",
    End.QUIET: "a pause of pull.quiet_s, the connection still open",
    End.TIMEOUT: "the time-out, pull.pull_timeout_s",
    End.RESET: "a reset",
    End.MAX_BYTES: "the limit, pull.max_bytes",
    End.MAX_LINES: "the limit, pull.max_lines",
}
_AGAINST = {
    "cluster_mismatch": "it is of another cluster, or of none: nothing of its table is taken",
    "no_own_entry": "it does not list itself: as a stranger it would not be admitted",
    "rejected_lines": "most of its lines are refused: a member gets a strike, a stranger is not admitted",
}


@command(
    "pull",
    "pull ADDRESS",
    "read a node's table and judge every line; nothing of it is believed",
    arguments=complete.everybody,
    fewest=1,
    most=1,
    options=(
        Option("raw", f"show every line, escaped, with its verdict; the first {SHOWN_MAX}"),
        Option("refused", "show only the lines that are refused"),
        Option("all", "show all lines, however many"),
        JSON,
    ),
    example="pull 127.0.0.1:5002 --raw",
)
def _pull(
    console: Console,
    args: list[str],
    *,
    raw: bool = False,
    refused: bool = False,
    all: bool = False,
    json: bool = False,
) -> Result:
    reading = console.read(address(args[0]))
    found = reading.inspection
    verdicts = () if found is None else found.verdicts
    chosen = [
        (number, verdict) for number, verdict in enumerate(verdicts, 1) if verdict.is_refused or not refused
    ]
    if not (raw or refused or all):
        chosen = []
    if json:
        return Result((data.line(_fields(reading, chosen)),), ok=found is not None)
    if found is None:
        return Result((f"{reading.address} failed: {_failure(reading)}",), ok=False)
    most = len(chosen) if all else SHOWN_MAX
    return Result((_head(reading), *_rows(chosen, most), *_summary(found)))


def _failure(reading: Reading) -> str:
    why, size = render.shown(reading.failure or ""), count(reading.bytes, "byte", "bytes")
    return f"{why}, after {size} and no whole line, in {reading.duration_ms} ms"


def _head(reading: Reading) -> str:
    lines = count(len(reading.inspection.verdicts) if reading.inspection else 0, "line", "lines")
    size = count(reading.bytes, "byte", "bytes")
    return f"{reading.address}: {lines}, {size} in {reading.duration_ms} ms, ended by {_ENDS[reading.end]}"


def _rows(chosen: Sequence[tuple[int, Verdict]], most: int) -> list[str]:
    """Render the lines, numbered from 1 as they came."""
    if not chosen:
        return []
    cells = [
        (f"{number:>5}", verdict.word, str(verdict.about), _escaped(verdict.line))
        for number, verdict in chosen[:most]
    ]
    rows = render.aligned([(" line", "verdict", "about", "bytes"), *cells])
    left_out = len(chosen) - most
    return rows + ([f"({left_out} more lines; --all shows them)"] if left_out > 0 else [])


def _escaped(line: bytes) -> str:
    shown = escape(line[:_LINE_BYTES_MAX])
    return shown if len(line) <= _LINE_BYTES_MAX else f"{shown}... ({len(line)} bytes)"


def _summary(found: Inspection) -> list[str]:
    """Render how many lines have each verdict, and what this node would make of the whole."""
    counted = [(f"  {word}", str(number), _MEANINGS[word]) for word, number in found.counted().items()]
    lines = render.aligned(counted) if counted else ["  nothing at all: no line"]
    if found.word is not None:
        lines.append(f"of itself it says: state {found.word.state}, since {found.word.timestamp}")
    return lines + ([_AGAINST[found.against]] if found.against else [])


def _fields(reading: Reading, chosen: Sequence[tuple[int, Verdict]]) -> data.Fields:
    """Return what was found as data; `table` has the lines that were asked for, each cut to what is shown."""
    found = reading.inspection
    fields: data.Fields = {
        "address": str(reading.address),
        "failure": reading.failure,
        "duration_ms": reading.duration_ms,
        "bytes": reading.bytes,
        "end": reading.end or None,
        "lines": 0 if found is None else len(found.verdicts),
        "verdicts": {} if found is None else found.counted(),
        "state": None if found is None or found.word is None else found.word.state,
        "against": None if found is None else found.against or None,
    }
    table = [
        {
            "number": number,
            "verdict": verdict.word,
            "about": str(verdict.about),
            "bytes": len(verdict.line),
            "line": escape(verdict.line[:_LINE_BYTES_MAX]),
        }
        for number, verdict in chosen
    ]
    return {**fields, "table": table} if chosen else fields
