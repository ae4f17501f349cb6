"""The story of each address: who mentioned it, what was believed or refused and why, how its pulls went.

Made from the node's own events, so that it can tell nothing else than what happened.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from gossip.core import events as ev
from gossip.core.address import Address

_HELD_AGAINST = frozenset(
    {
        "told a false or stale hint",
        "contradicted this node",
        "strike given",
        "hints not trusted",
        "blacklisted",
        "forgiven",
        "blocked by hand",
        "unblocked by hand",
    }
)


@dataclass(slots=True)
class Record:
    """One thing that happened, `count` times, from `first` to `last` (Unix seconds, own clock)."""

    first: int
    last: int
    count: int
    what: str
    source: str
    detail: str


class Provenance:
    """The first record of each address and its last `history`, for `size_max` addresses.

    What is held against an address stays longer than what is routine, in up to half of its history: a liar
    must not bury its lies under changes of its own state.
    Without a history nothing is kept. When there are more addresses, the oldest story goes that is not of a
    member. A story is kept as text, one line a record, which takes a third of the memory that objects do.
    """

    def __init__(self, history: int, size_max: int) -> None:
        self._stories: dict[Address, str] = {}
        self.use(history, size_max)

    def use(self, history: int, size_max: int) -> None:
        """Keep this much from now on; a longer story is cut when it goes on."""
        self._history = history
        self._size_max = size_max
        if not history:
            self._stories.clear()

    def __len__(self) -> int:
        return len(self._stories)

    def record(self, events: Iterable[ev.Event], wall: float, members: Container[Address] = ()) -> None:
        """Add what happened; the same thing again only counts up."""
        if not self._history:
            return
        for event in events:
            for subject, what, source, detail in _tell(event):
                if subject not in self._stories and len(self._stories) >= self._size_max:
                    self._make_room(members)
                self._add(subject, int(wall), f"{what}\t{source}\t{detail}")

    def of(self, address: Address) -> list[Record]:
        """Return the story of an address, oldest first."""
        return [_read(line) for line in self._stories.get(address, "").split("\n") if line]

    def _add(self, subject: Address, at: int, said: str) -> None:
        story = self._stories.get(subject, "")
        first, count, begin = str(at), 1, -1
        found = story.find(f"\t{said}\n")  # whole fields, for none has a tab in it
        if found >= 0:
            begin = story.rfind("\n", 0, found) + 1
            first, _, earlier = story[begin:found].split("\t")
            count += int(earlier)
            story = story[:begin] + story[found + len(said) + 2 :]
        line = f"{first}\t{at}\t{count}\t{said}\n"
        # The first record keeps its place: who began the story.
        story = line + story if begin == 0 else story + line
        if story.count("\n") > self._history + 1:
            story = self._cut(story)
        self._stories[subject] = story

    def _cut(self, story: str) -> str:
        """Leave out the oldest records; of what is held against the address only what is beyond its share."""
        first, *lines = story.split("\n")[:-1]
        held = [line for line in lines if line.split("\t")[3] in _HELD_AGAINST]
        kept = set(held[max(0, len(held) - self._history // 2) :])
        rest = [line for line in lines if line not in kept]
        kept.update(rest[len(lines) - self._history :])
        return "".join(f"{line}\n" for line in [first, *(line for line in lines if line in kept)])

    def _make_room(self, members: Container[Address]) -> None:
        """Drop the oldest story of no member: whoever makes up addresses must not wipe out the others."""
        for _ in range(len(self._stories)):
            oldest = next(iter(self._stories))
            story = self._stories.pop(oldest)
            if oldest not in members:
                return
            self._stories[oldest] = story
        del self._stories[next(iter(self._stories))]


def _read(line: str) -> Record:
    first, last, count, what, source, detail = line.split("\t")
    return Record(int(first), int(last), int(count), what, source, detail)


_Fact = tuple[Address, str, str, str]


def _tell(event: ev.Event) -> Iterator[_Fact]:
    """Yield what an event says of each address that it concerns."""
    match event:
        case ev.CandidateHeard(candidate, source):
            yield candidate, "mentioned", source, ""
        case ev.CandidateRefused(candidate, reason):
            yield candidate, "not admitted", "", reason
        case ev.HintHeard(member, source, timestamp, state):
            yield member, "hint heard", source, _entry(state, timestamp)
        case ev.HintIgnored(member, hint_source, reason):
            yield member, "hint ignored", str(hint_source), reason
        case ev.HintDisproved(member, liar, timestamp, state):
            yield member, "hint disproved", str(liar), _entry(state, timestamp)
            yield liar, "told a false or stale hint", "", f"about {member}"
        case ev.MemberAdded(member, state, timestamp, source):
            yield member, "admitted", source, _entry(state, timestamp)
        case ev.StateChanged(member, _, state, timestamp, source):
            yield member, "entry taken", source, _entry(state, timestamp)
        case ev.EntryRestamped(member, state, timestamp, source):
            yield member, "entry taken", source, _entry(state, timestamp)
        case ev.PullFinished(peer=peer, purpose=purpose, rejected=rejected):
            if purpose != "round":
                yield peer, "answered", "", purpose
            for reason in rejected:
                yield peer, "lines rejected", "", reason
        case ev.PullFailed(peer=peer, purpose=purpose, reason=reason):
            yield peer, "pull failed", "", f"{reason} ({purpose})"
        case _:
            yield from _tell_of_standing(event)


def _tell_of_standing(event: ev.Event) -> Iterator[_Fact]:
    match event:
        case ev.StrikeGiven(peer, reason, strikes):
            yield peer, "strike given", "", f"{reason}, strike {strikes}"
        case ev.PeerDistrusted(peer, for_s, in_reply):
            yield peer, "hints not trusted", "", f"{'in replies, ' if in_reply else ''}for {for_s:g} s"
        case ev.SuspicionHeard(member, source):
            yield member, "suspected by", str(source), ""
        case ev.LeavingHeard(member):
            yield member, "said that it leaves", str(member), ""
        case ev.MemberBlacklisted(member, reason):
            yield member, "blacklisted", "", reason
        case ev.RetryFailed(member, reason):
            yield member, "retry failed", "", reason
        case ev.MemberForgiven(member, state):
            yield member, "forgiven", "", f"state {state}"
        case ev.MemberForgotten(member):
            yield member, "forgotten", "", ""
        case ev.MemberBlocked(member):
            yield member, "blocked by hand", "", ""
        case ev.MemberUnblocked(member):
            yield member, "unblocked by hand", "", ""
        case ev.OwnEntryRefuted(peer):
            yield peer, "contradicted this node", "", ""
        case ev.ClusterMismatch(peer, theirs):
            yield peer, "of another cluster", "", theirs or "(none)"


def _entry(state: int, timestamp: int) -> str:
    return f"state {state} of {timestamp}"
