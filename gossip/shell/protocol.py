"""What goes over the control socket: one JSON object a line, each way. docs/CONTROL.md describes it.

A request has `do`, which says what it is, and an `id`, which the answer repeats; an answer has `is`.
"""

from __future__ import annotations

import msgspec

from gossip.shell.picture import Picture

VERSION = 1
LINE_MAX_BYTES = 32_768  # a command of the greatest length, each character escaped


class Run(msgspec.Struct, frozen=True, tag_field="do", tag="run", forbid_unknown_fields=True):
    """Run a command; the answer is an Outcome."""

    id: int
    line: str


class Complete(msgspec.Struct, frozen=True, tag_field="do", tag="complete", forbid_unknown_fields=True):
    """Tell what could complete the last word of a text; the answer is Offers."""

    id: int
    text: str


class Follow(msgspec.Struct, frozen=True, tag_field="do", tag="follow", forbid_unknown_fields=True):
    """Tell the news from now on; the answer is an Outcome, and then a News each."""

    id: int


class Look(msgspec.Struct, frozen=True, tag_field="do", tag="look", forbid_unknown_fields=True):
    """Take a picture of the node; the answer is a Looked."""

    id: int


class Trace(msgspec.Struct, frozen=True, tag_field="do", tag="trace", forbid_unknown_fields=True):
    """Tell the events about an address from now on, instead of those of an earlier trace.

    The answer is an Outcome, and then a Traced each; with `json` their lines are JSON.
    """

    id: int
    address: str
    json: bool = False


class Untrace(msgspec.Struct, frozen=True, tag_field="do", tag="untrace", forbid_unknown_fields=True):
    """End the trace; the answer is an Outcome."""

    id: int


class Hello(msgspec.Struct, frozen=True, tag_field="is", tag="hello"):
    """The node's first line: its address, and the version of this protocol."""

    node: str
    version: int = VERSION


class Outcome(msgspec.Struct, frozen=True, tag_field="is", tag="outcome"):
    """What a command answered; the node ends the connection after one with `stop`.

    `opens` is what a client goes on to show live, such as `watch` or `trace ADDRESS`.
    """

    id: int
    ok: bool
    lines: tuple[str, ...] = ()
    stop: bool = False
    is_misuse: bool = False
    opens: str = ""


class Offer(msgspec.Struct, frozen=True):
    """A text to put in place of the last `replaces` characters."""

    text: str
    meaning: str
    replaces: int


class Offers(msgspec.Struct, frozen=True, tag_field="is", tag="offers"):
    """What could complete a text."""

    id: int
    offers: tuple[Offer, ...]


class Looked(msgspec.Struct, frozen=True, tag_field="is", tag="picture"):
    """The node, as it is now."""

    id: int
    picture: Picture


class News(msgspec.Struct, frozen=True, tag_field="is", tag="news"):
    """Something that happened at the node; `lost` counts those left out before it, for a slow reader."""

    line: str
    lost: int = 0


class Traced(msgspec.Struct, frozen=True, tag_field="is", tag="trace"):
    """An event about the address that is traced; `lost` as in News."""

    line: str
    lost: int = 0


class Problem(msgspec.Struct, frozen=True, tag_field="is", tag="problem"):
    """What was wrong with a line that is no request, or why the connection ends."""

    problem: str


Request = Run | Complete | Follow | Look | Trace | Untrace
Answer = Hello | Outcome | Offers | Looked | News | Traced | Problem

_requests = msgspec.json.Decoder(Request)
_answers = msgspec.json.Decoder(Answer)
_encode = msgspec.json.Encoder().encode


def encode(message: Request | Answer) -> bytes:
    """Write a message as a line; what UTF-8 cannot write becomes a question mark."""
    try:
        return _encode(message) + b"\n"
    except UnicodeEncodeError:
        return _encode(_encodable(msgspec.to_builtins(message))) + b"\n"


def read_request(line: bytes) -> Request:
    """Read what a client sent; raise ValueError, in words for it, for what is no request."""
    try:
        request: Request = _requests.decode(line)
        return request
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(f"expected a request, such as {_EXAMPLE}: {error}") from None


def read_answer(line: bytes) -> Answer:
    """Read what a node sent; raise ValueError for what is no answer."""
    try:
        answer: Answer = _answers.decode(line)
        return answer
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ValueError(f"expected an answer: {error}") from None


_EXAMPLE = encode(Run(1, "members --json")).decode().strip()


def _encodable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _encodable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(inner) for inner in value]
    return value
