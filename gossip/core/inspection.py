"""A table line by line, with what the codec makes of each: what `pull --raw` shows.

The codec that judges here is the one whose entries the node believes or doubts (`wire.py`).
"""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum
from math import inf
from typing import NamedTuple

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.reply import cluster_of
from gossip.core.wire import Decoded, Pulled, Rules, lines_of, parse_line

OK = "ok"  # an entry that is news
KNOWN = "known"  # an entry that is held here to the letter
DIRECTIVE = "reply layer"  # a line that begins with `#`
UNFINISHED = "unfinished"  # the end of a table that was cut short: nobody's fault, and not judged
_NO_FAULT = frozenset({OK, KNOWN, DIRECTIVE, UNFINISHED})


class About(StrEnum):
    """Of whom an entry speaks."""

    PEER = "own: first-hand"  # the only word that is believed
    THIS_NODE = "this node"
    OTHER = "hearsay"
    NOBODY = "-"  # it is no entry


class Verdict(NamedTuple):
    """A line without its newline, one of the words above or the codec's Reason, and whom it is about."""

    line: bytes
    word: str
    about: About = About.NOBODY

    @property
    def is_refused(self) -> bool:
        """Whether the codec rejected it."""
        return self.word not in _NO_FAULT


class Inspection(NamedTuple):
    """The lines of a table, what the peer says of itself, and what stands against listening to it.

    `against` is `cluster_mismatch`, `no_own_entry`, `rejected_lines` (more were rejected than not) or "".
    """

    verdicts: tuple[Verdict, ...]
    word: Entry | None
    against: str

    def counted(self) -> dict[str, int]:
        """Return how many lines have each verdict, the most frequent first."""
        words = [verdict.word for verdict in self.verdicts]
        return {word: words.count(word) for word in sorted(set(words), key=lambda w: (-words.count(w), w))}


def inspect(
    pulled: Pulled,
    peer: Address,
    own: Address,
    known: Set[bytes],
    rules: Rules,
    max_lines: int,
    cluster: str = "",
) -> Inspection:
    """Judge each line of the table of `peer`, as the node with the address `own` does."""
    lines, unfinished = lines_of(pulled, rules, max_lines)
    verdicts: list[Verdict] = []
    word: Entry | None = None
    for line in lines:
        entry = parse_line(line, rules)
        if line not in known and line.startswith(b"#"):
            verdicts.append(Verdict(line, DIRECTIVE))
        elif isinstance(entry, Entry):
            about = _about(entry.address, peer, own)
            verdicts.append(Verdict(line, KNOWN if line in known else OK, about))
            if about is About.PEER and (word is None or entry.beats(word)):
                word = entry
        else:  # what is held is not parsed again, though a clock that went back would refuse it now
            whose = parse_line(line, rules._replace(latest=inf))  # one of the future is of somebody, too
            about = _about(whose.address, peer, own) if isinstance(whose, Entry) else About.NOBODY
            verdicts.append(Verdict(line, KNOWN if line in known else str(entry), about))
    if unfinished:
        verdicts.append(Verdict(unfinished, UNFINISHED))
    return Inspection(tuple(verdicts), word, _against(verdicts, word, cluster))


def _about(subject: Address, peer: Address, own: Address) -> About:
    if subject == peer:
        return About.PEER
    return About.THIS_NODE if subject == own else About.OTHER


def _against(verdicts: list[Verdict], word: Entry | None, cluster: str) -> str:
    """Return why the node would not take this table, in the order in which it looks."""
    directives = [verdict.line for verdict in verdicts if verdict.word == DIRECTIVE]
    if cluster and cluster_of(Decoded(directives=directives)) != cluster:
        return "cluster_mismatch"
    if word is None:
        return "no_own_entry"
    refused = sum(verdict.is_refused for verdict in verdicts)
    judged = sum(verdict.word != UNFINISHED for verdict in verdicts)
    return "rejected_lines" if 2 * refused > judged else ""
