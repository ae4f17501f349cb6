"""The reply: what a puller tells the listener on the same connection, after the table's empty line.

PROTOCOL.md, section 3. A reply is hearsay: its entries are judged as those of a table are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from enum import StrEnum

from gossip.core.address import Address, parse_cached
from gossip.core.entry import Entry
from gossip.core.text import printable
from gossip.core.wire import Decoded, Pulled, Reason, Rules, decode

_FROM = b"#from "
_CLUSTER = b"#cluster "
_SUSPECT = b"#suspect "
_LEAVING = b"#leaving "
_TLS_HELLO = b"\x16\x03"
_NAME_MAX = 64
_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{_NAME_MAX}}}", re.ASCII)


class ReplyProblem(StrEnum):
    """Why a whole reply was refused."""

    NO_FROM = "no_from"
    BAD_FROM = "bad_from"
    FORGED_FROM = "forged_from"
    NOT_IN_CERTIFICATE = "not_in_certificate"
    TLS_HELLO = "tls_hello"  # a caller tried TLS, which this node does not speak


@dataclass(frozen=True, slots=True)
class Reply:
    """What a caller said: who it is, its cluster's name, hearsay, suspects, and whether it leaves."""

    caller: Address
    cluster: str
    decoded: Decoded
    suspects: tuple[Address, ...]
    leaving: bool


def compose(
    caller: Address, cluster: str, entries: Iterable[bytes], suspects: Iterable[Address], leaving: bool
) -> bytes:
    """Return a reply's bytes; `entries` are lines without their newline."""
    name = f" cluster={cluster}" if cluster else ""
    lines = [_FROM + f"{caller}{name}".encode("ascii"), *entries]
    lines += [_SUSPECT + str(suspect).encode("ascii") for suspect in suspects]
    if leaving:
        lines.append(_LEAVING + str(caller).encode("ascii"))
    return b"\n".join(lines) + b"\n\n"


def read(pulled: Pulled, known: Set[bytes], rules: Rules, max_lines: int) -> Reply | ReplyProblem:
    """Read a reply, or tell why it is refused whole; unknown `#word` lines are skipped."""
    first, _, _ = pulled.data.partition(b"\n")
    first = first.rstrip(b"\r")
    if pulled.data.startswith(_TLS_HELLO):
        return ReplyProblem.TLS_HELLO
    if not first.startswith(_FROM):
        return ReplyProblem.NO_FROM
    words = first.removeprefix(_FROM).split(b" ")
    caller = _address(words[0], rules)
    if caller is None:
        return ReplyProblem.BAD_FROM
    cluster = ""
    for word in words[1:]:
        if word.startswith(b"cluster="):
            cluster = _name(word.removeprefix(b"cluster="))
    decoded = decode(pulled, known, rules, max_lines)
    suspects: dict[Address, None] = {}
    for line in decoded.directives:
        if line.startswith(_SUSPECT):
            suspect = _address(line.removeprefix(_SUSPECT), rules)
            if suspect is None:
                decoded.reject(Reason.BAD_ADDRESS, line)
            else:
                suspects[suspect] = None
    leaving = _LEAVING + words[0] in decoded.directives
    return Reply(caller, cluster, decoded, tuple(suspects), leaving)


def cluster_line(name: str) -> bytes:
    """Return the first line of a table whose cluster has a name, newline included, or nothing."""
    return _CLUSTER + name.encode("ascii") + b"\n" if name else b""


def cluster_of(decoded: Decoded) -> str:
    """Return the cluster that a table says it is of, "" for none."""
    for line in decoded.directives:
        if line.startswith(_CLUSTER):
            return _name(line.removeprefix(_CLUSTER))
    return ""


def is_cluster_name(text: str) -> bool:
    """Tell whether a text may name a cluster: 1 to 64 letters, digits, `.`, `_`, `-`."""
    return _NAME.fullmatch(text) is not None


def _name(text: bytes) -> str:
    """Return a stranger's word for a cluster, cut and printable: it is shown, and kept for `explain`."""
    return printable(text[: 2 * _NAME_MAX].decode("ascii", "backslashreplace"), _NAME_MAX + 3)


def _address(text: bytes, rules: Rules) -> Address | None:
    if len(text) > rules.max_line_bytes:  # what is parsed is also kept in a cache
        return None
    address = parse_cached(text.decode("ascii", "replace"))
    return None if address is None or (address.is_loopback and not rules.loopback_ok) else address


def lines_unknown_to(served: Iterable[Entry], held: Iterable[tuple[Entry, bytes]], most: int) -> list[bytes]:
    """Return, of lines held here, those that a peer lacks or that beat what it served, at most `most`."""
    theirs = {entry.address: entry for entry in served}
    lines: list[bytes] = []
    for entry, line in held:
        other = theirs.get(entry.address)
        if other is None or entry.beats(other):
            lines.append(line)
            if len(lines) >= most:
                break
    return lines
