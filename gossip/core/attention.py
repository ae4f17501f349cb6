"""The queue of whom to check next.

Hearsay lands here and nowhere else. Every peer that mentions somebody has lanes of its own (for hints and
for strangers, in its tables and in its replies, and for whom it suspects), and the lanes are served in turn,
so that a peer that mentions thousands delays nobody else's mentions. What this node found out itself (a
failed pull, a retry that is due) is a lane too and gets every second turn; of the other turns suspicions
get every second one, and of the rest hints do, so that no flood of one kind starves another.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.settings import AttentionSettings


class Kind(StrEnum):
    """Why somebody deserves a check."""

    CANDIDATE = "candidate"  # unknown, and mentioned by a peer
    CALLER = "caller"  # unknown, and it called this node itself
    HINT = "hint"  # a peer holds a newer entry
    SUSPECT = "suspect"  # this node's own pull failed
    SUSPICION = "suspicion"  # a peer's pull failed, so it says, or the member said that it leaves
    RETRY = "retry"  # blacklisted, and its back-off is over
    EARLY_RETRY = "early_retry"  # blacklisted, and there is news of it


_OWN = frozenset({Kind.SUSPECT, Kind.RETRY})
_SUSPICIONS, _HINTS, _STRANGERS = "suspicions", "hints", "strangers"
LaneKey = tuple[str, bool, Address | None]
_OWN_LANE: LaneKey = ("own", False, None)
_CALLERS_LANE: LaneKey = (_STRANGERS, True, None)
# Whoever has one IP has all its ports: it must not fill the lane in which other strangers wait.
_CALLERS_PER_IP = 16


@dataclass(slots=True)
class Mention:
    """`source` (None: this node itself) said `entry` of `subject`; it may be checked from `due` on."""

    subject: Address
    source: Address | None
    kind: Kind
    due: float
    entry: Entry | None = None
    in_reply: bool = False

    @property
    def learned_from(self) -> str:
        """How a member that this mention led to was learned: the peer's address, or that it called."""
        return "caller" if self.kind is Kind.CALLER else str(self.source or "")

    @property
    def lane(self) -> LaneKey:
        """Whose turn it takes up. Strangers that call share a lane: anybody can be many of them."""
        if self.kind in _OWN:
            return _OWN_LANE
        if self.kind is Kind.CALLER or self.source is None:
            return _CALLERS_LANE
        if self.kind is Kind.SUSPICION:
            return (_SUSPICIONS, True, self.source)
        return (_HINTS if self.kind is Kind.HINT else _STRANGERS, self.in_reply, self.source)

    @property
    def of_stranger(self) -> bool:
        """Whether it is hearsay of somebody who is no member."""
        return self.lane[0] == _STRANGERS


class Attention:
    """Mentions by lane and subject, bounded in all, per lane, and in time per subject."""

    def __init__(self, settings: AttentionSettings) -> None:
        self._settings = settings
        self._lanes: dict[LaneKey, dict[Address, Mention]] = {}
        self._size = 0
        self._own_turn = True
        self._suspicions_turn = True
        self._hints_turn = True
        self._refused: dict[Address, float] = {}
        self._cooling: dict[Address, float] = {}
        self._earliest = inf

    def use(self, settings: AttentionSettings) -> None:
        """Go by these settings from now on."""
        self._settings = settings

    def __len__(self) -> int:
        return self._size

    def add(self, mention: Mention) -> bool:
        """Queue a mention, or renew the one that waits in the same lane; return whether it is new there.

        A candidate that was refused is not queued for a while. Hearsay about a subject that was just
        checked waits until that has cooled down; what this node found out itself does not.
        """
        if mention.kind is Kind.CANDIDATE and self._refused.get(mention.subject, -inf) > mention.due:
            return False
        if mention.kind not in _OWN:
            mention.due = max(mention.due, self._cooling.get(mention.subject, -inf))
        key = mention.lane
        lane = self._lanes.get(key, {})
        waiting = lane.get(mention.subject)
        if waiting is not None:
            _renew(waiting, mention)
            self._earliest = min(self._earliest, waiting.due)
            return False
        if key != _OWN_LANE and len(lane) >= self._settings.queue_max_per_source:
            return False
        if key == _CALLERS_LANE and _count_on(mention.subject.host, lane) >= _CALLERS_PER_IP:
            return False
        if self._size >= self._settings.queue_max and not self._make_room(key):
            return False
        lane[mention.subject] = mention
        self._lanes[key] = lane
        self._size += 1
        self._earliest = min(self._earliest, mention.due)
        return True

    def is_in_vain(self, kind: Kind, entry: Entry, source: Address, in_reply: bool) -> bool:
        """Tell, before it is built, whether a mention by a peer would change nothing.

        Whoever repeats itself, or says more than its lane holds, is to cost little.
        """
        lane = self._lanes.get((_HINTS if kind is Kind.HINT else _STRANGERS, in_reply, source))
        if lane is None:
            return False
        waiting = lane.get(entry.address)
        if waiting is None:
            return len(lane) >= self._settings.queue_max_per_source
        return waiting.entry is not None and not entry.beats(waiting.entry)

    def take(
        self, mono: float, busy: Container[Address], *, suspicions: bool = True, strangers: bool = True
    ) -> list[Mention]:
        """Take the next subject that is due and not busy: all mentions of it, or an empty list.

        Without `suspicions`, or `strangers`, those lanes are passed over.
        """
        if mono < self._earliest:
            return []
        for key in self._turns(suspicions, strangers):
            for mention in self._lanes[key].values():
                if mention.due <= mono and mention.subject not in busy:
                    self._own_turn = key != _OWN_LANE
                    if key != _OWN_LANE:
                        self._suspicions_turn = key[0] != _SUSPICIONS
                        if key[0] != _SUSPICIONS:
                            self._hints_turn = key[0] != _HINTS
                        self._lanes[key] = self._lanes.pop(key)
                    return self.collect(mention.subject)
        if suspicions and strangers:
            self._earliest = min((m.due for lane in self._lanes.values() for m in lane.values()), default=inf)
        return []

    def collect(self, subject: Address) -> list[Mention]:
        """Take all mentions of a subject, due or not."""
        mentions = []
        for key in [key for key, lane in self._lanes.items() if subject in lane]:
            lane = self._lanes[key]
            mentions.append(lane.pop(subject))
            if not lane:
                del self._lanes[key]
        self._size -= len(mentions)
        return mentions

    def drop(self, source: Address, *, in_reply: bool) -> None:
        """Forget what a peer's tables, or its replies, said of members."""
        self._size -= len(self._lanes.pop((_HINTS, in_reply, source), ()))

    def refuse(self, candidate: Address, until: float) -> bool:
        """Take no hearsay of a candidate before `until`, drop what waits, and return whether that is new."""
        self.collect(candidate)
        is_new = candidate not in self._refused
        self._refused[candidate] = until
        return is_new

    def admit(self, candidate: Address) -> None:
        """End a refusal: the candidate is a member now, or the user wants it."""
        self._refused.pop(candidate, None)
        self._cooling.pop(candidate, None)

    def cool(self, subject: Address, until: float) -> None:
        """Let hearsay cause no check of a subject before `until`."""
        self._cooling[subject] = max(until, self._cooling.get(subject, until))

    def expire(self, mono: float) -> None:
        """Forget what is over."""
        for waits in (self._refused, self._cooling):
            for subject in [subject for subject, until in waits.items() if until <= mono]:
                del waits[subject]

    def next_due(self, mono: float, *, suspicions: bool = True, strangers: bool = True) -> float:
        """No mention becomes due after `mono` and before this; infinity when none does.

        What is due by `mono` already waits for something else than time: that a pull ends, or a round begins.
        """
        if self._earliest > mono and suspicions and strangers:
            return self._earliest
        lanes = (self._lanes[key] for key in self._turns(suspicions, strangers))
        return min((m.due for lane in lanes for m in lane.values() if m.due > mono), default=inf)

    def _turns(self, suspicions: bool, strangers: bool) -> Iterator[LaneKey]:
        heard = [key for key in self._lanes if key[0] == _SUSPICIONS] if suspicions else []
        hints = [key for key in self._lanes if key[0] == _HINTS]
        unknown = [key for key in self._lanes if key[0] == _STRANGERS] if strangers else []
        others = [*hints, *unknown] if self._hints_turn else [*unknown, *hints]
        own = [_OWN_LANE] if _OWN_LANE in self._lanes else []
        rest = [*heard, *others] if self._suspicions_turn else [*others, *heard]
        yield from [*own, *rest] if self._own_turn else [*rest, *own]

    def _make_room(self, key: LaneKey) -> bool:
        """Drop the last mention of the fullest lane, unless that is the lane to be added to."""
        fullest = max(self._lanes, key=lambda lane: len(self._lanes[lane]))
        if fullest == key:
            return False
        self._lanes[fullest].popitem()
        if not self._lanes[fullest]:
            del self._lanes[fullest]
        self._size -= 1
        return True


def _count_on(host: str, lane: Iterable[Address]) -> int:
    return sum(address.host == host for address in lane)


def _renew(waiting: Mention, mention: Mention) -> None:
    waiting.due = min(waiting.due, mention.due)
    if waiting.entry is None or (mention.entry is not None and mention.entry.beats(waiting.entry)):
        waiting.entry = mention.entry
        waiting.kind = mention.kind
