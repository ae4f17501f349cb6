"""The queue of whom to check next.

Hearsay lands here and nowhere else. Every peer that mentions somebody has a lane of its own, and the
lanes are served in turn, so that a peer that mentions thousands delays nobody else's mentions. What
this node found out itself (a failed pull, a retry that is due) is a lane too and gets every second turn.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.settings import AttentionSettings


class Kind(StrEnum):
    """Why somebody deserves a check."""

    CANDIDATE = "candidate"
    HINT = "hint"
    SUSPECT = "suspect"
    RETRY = "retry"


@dataclass(slots=True)
class Mention:
    """`source` (None: this node itself) said `entry` of `subject`; it may be checked from `due` on."""

    subject: Address
    source: Address | None
    kind: Kind
    due: float
    entry: Entry | None = None


Lane = dict[Address, Mention]


class Attention:
    """Mentions by source and subject, bounded in all, per source, and in time per subject."""

    def __init__(self, settings: AttentionSettings) -> None:
        self._settings = settings
        self._lanes: dict[Address | None, Lane] = {}
        self._size = 0
        self._own_turn = True
        self._resting: dict[Address, float] = {}
        self._earliest = inf

    def __len__(self) -> int:
        return self._size

    def add(self, mention: Mention) -> bool:
        """Queue a mention, or renew the one this source has of this subject.

        Return whether it is news from this source. A candidate that rests is not queued; a hint about
        a subject that rests waits for the end of it. First-hand evidence (no source) knows no rest.
        """
        rest = self._resting.get(mention.subject) if mention.source is not None else None
        if rest is not None and rest > mention.due:
            if mention.kind is Kind.CANDIDATE:
                return False
            mention.due = rest
        self._earliest = min(self._earliest, mention.due)
        lane = self._lanes.get(mention.source, {})
        waiting = lane.get(mention.subject)
        if waiting is not None:
            _renew(waiting, mention)
            return False
        if mention.source is not None and len(lane) >= self._settings.queue_max_per_source:
            return False
        if self._size >= self._settings.queue_max and not self._make_room(mention.source):
            return False
        lane[mention.subject] = mention
        self._lanes[mention.source] = lane
        self._size += 1
        return True

    def take(self, mono: float, busy: Container[Address]) -> list[Mention]:
        """Take the next subject that is due and not busy: all mentions of it, or an empty list."""
        if mono < self._earliest:
            return []
        for source in self._turns():
            for mention in self._lanes[source].values():
                if mention.due <= mono and mention.subject not in busy:
                    self._own_turn = source is not None
                    if source is not None:
                        self._lanes[source] = self._lanes.pop(source)
                    return self.collect(mention.subject)
        self._earliest = min((m.due for lane in self._lanes.values() for m in lane.values()), default=inf)
        return []

    def collect(self, subject: Address) -> list[Mention]:
        """Take all mentions of a subject, due or not."""
        mentions = []
        for source in [source for source, lane in self._lanes.items() if subject in lane]:
            lane = self._lanes[source]
            mentions.append(lane.pop(subject))
            if not lane:
                del self._lanes[source]
        self._size -= len(mentions)
        return mentions

    def rest(self, subject: Address, until: float) -> None:
        """Let a subject not be checked before `until`."""
        self._resting[subject] = max(until, self._resting.get(subject, until))

    def unrest(self, subject: Address) -> None:
        """End the rest of a subject: there is first-hand news of it."""
        self._resting.pop(subject, None)

    def expire(self, mono: float) -> None:
        """Forget rests that are over."""
        for subject in [subject for subject, until in self._resting.items() if until <= mono]:
            del self._resting[subject]

    @property
    def next_due(self) -> float:
        """No mention is due before this; infinity when nothing waits."""
        return self._earliest

    def _turns(self) -> Iterator[Address | None]:
        others = [source for source in self._lanes if source is not None]
        if None not in self._lanes:
            yield from others
        elif self._own_turn:
            yield None
            yield from others
        else:
            yield from others
            yield None

    def _make_room(self, source: Address | None) -> bool:
        """Drop the last mention of the fullest lane, unless that is the lane to be added to."""
        fullest = max(self._lanes, key=lambda lane: len(self._lanes[lane]))
        if fullest == source:
            return False
        self._lanes[fullest].popitem()
        if not self._lanes[fullest]:
            del self._lanes[fullest]
        self._size -= 1
        return True


def _renew(waiting: Mention, mention: Mention) -> None:
    waiting.due = min(waiting.due, mention.due)
    if waiting.entry is None or (mention.entry is not None and mention.entry.beats(waiting.entry)):
        waiting.entry = mention.entry
        waiting.kind = mention.kind
