"""The members, and the bytes that are served to whoever connects."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from itertools import chain
from math import inf

from gossip.core.address import Address, parse_cached
from gossip.core.entry import Entry

_PREFIX_LINES = 40  # what a puller of the seed's family sees for certain (PROTOCOL.md, section 1)
_RECENT = 8
_FEW = 64
_LARGE = 1000  # from so many members on, rendering takes long enough to be put off


@dataclass(slots=True)
class Member:
    """A node believed in: its entry and line, where it was learned, and how its pulls went.

    Times are monotonic seconds. `failures` counts failed pulls in a row; until `trusted_until` nobody's
    suspicion is followed; at `left_at` it said that it shuts down; until `stays_until` that is not believed
    again. `took_s` is how long the last pull that it answered took.
    """

    entry: Entry
    line: bytes
    source: str
    added: float
    contacted: float | None = None
    failures: int = 0
    trusted_until: float = 0.0
    left_at: float | None = None
    stays_until: float = 0.0
    took_s: float | None = None


class Table:
    """Own entry and members; renders the served bytes once per change or rotation.

    `header` is what the served table begins with; it ends with an empty line. `version` counts changes.
    With very many members, what is served of others may be `render_min_s` old; the own entry never is.
    """

    def __init__(self, own: Entry, header: bytes = b"", render_min_s: float = 0.0) -> None:
        self._own = own
        self._header = header
        self._render_min_s = render_min_s
        self._per_host: Counter[str] = Counter()
        self.version = 0
        self._members: dict[Address, Member] = {}
        self._lines: set[bytes] = {own.line}
        self._recent: deque[Address] = deque(maxlen=_RECENT)
        self._offset = 0
        self._rendered: bytes | None = None
        self._others = b""
        self._others_changed = True
        self._others_from = -inf

    def use(self, render_min_s: float) -> None:
        """Render others this seldom from now on."""
        self._render_min_s = render_min_s
        self._others_from = -inf

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, address: object) -> bool:
        return address in self._members

    def __iter__(self) -> Iterator[Address]:
        return iter(self._members)

    @property
    def own(self) -> Entry:
        """The node's own entry."""
        return self._own

    @property
    def members(self) -> Set[Address]:
        """The addresses of all members but the node itself, in the order of their admission."""
        return self._members.keys()

    @property
    def lines(self) -> Set[bytes]:
        """The line of every entry held, the own one included."""
        return self._lines

    def get(self, address: Address) -> Member | None:
        """Return a member, or None."""
        return self._members.get(address)

    @property
    def suspects(self) -> int:
        """How many members did not answer the last pull."""
        return sum(1 for member in self._members.values() if member.failures)

    @property
    def rendered_bytes(self) -> int:
        """The size of the table, with the others as they were last rendered."""
        return len(self._header) + len(self._own.line) + len(self._others) + 2

    def count_on(self, host: str) -> int:
        """Return how many members share an IP."""
        return self._per_host[host]

    def held(self) -> Iterator[tuple[Entry, bytes]]:
        """Yield every entry with its line: own, the last changes, the rest."""
        yield self._own, self._own.line
        yield from self._last_changes_first(self._members)

    def lacking(self, seen: Set[bytes]) -> Iterator[tuple[Entry, bytes]]:
        """Yield the entries whose lines are not among `seen`: own, the last changes, the rest.

        Of two large tables that differ in little, only what differs is looked at.
        """
        if 2 * len(seen) > len(self._lines):
            lines = self._lines - seen
            if len(lines) <= _FEW:
                return self._with(lines)
        return (held for held in self.held() if held[1] not in seen)

    def _with(self, lines: Set[bytes]) -> Iterator[tuple[Entry, bytes]]:
        if self._own.line in lines:
            yield self._own, self._own.line
        named = (parse_cached(line.partition(b",")[0].decode("ascii")) for line in sorted(lines))
        known = [address for address in named if address in self._members]
        yield from (held for held in self._last_changes_first(known) if held[1] in lines)

    def _last_changes_first(self, members: Iterable[Address]) -> Iterator[tuple[Entry, bytes]]:
        recent = dict.fromkeys(self._recent)
        for address in chain(recent, (address for address in members if address not in recent)):
            member = self._members[address]
            yield member.entry, member.line

    def set_own(self, entry: Entry) -> None:
        """Replace the own entry."""
        self._lines.discard(self._own.line)
        self._own = entry
        self._lines.add(entry.line)
        self.version += 1
        self._rendered = None

    def put(self, entry: Entry, source: str, mono: float) -> Member:
        """Add a member, or replace the entry of one."""
        member = self._members.get(entry.address)
        if member is None:
            member = Member(entry, entry.line, source, mono)
            self._members[entry.address] = member
            self._per_host[entry.address.host] += 1
        else:
            self._lines.discard(member.line)
            member.entry, member.line = entry, entry.line
        self._lines.add(member.line)
        self._note_change(entry.address)
        return member

    def remove(self, address: Address) -> Member | None:
        """Take a member out and return it."""
        member = self._members.pop(address, None)
        if member is not None:
            self._lines.discard(member.line)
            if address in self._recent:
                self._recent.remove(address)
            self._per_host[address.host] -= 1
            if not self._per_host[address.host]:
                del self._per_host[address.host]
            self._changed()
            self._others_from = -inf  # who is off the table is not served any more
        return member

    def rotate(self) -> None:
        """Let the next rendering begin elsewhere, when the table is too long for a short reader."""
        if len(self._members) >= _PREFIX_LINES:
            self._others_changed = True

    def render(self, mono: float = inf) -> bytes:
        """Return the whole table: header, own entry, the last changes, the rest, an empty line.

        `mono` is the time in monotonic seconds; without it, what is returned is never old.
        """
        if self._others_changed and (len(self._members) < _LARGE or mono >= self._others_from):
            self._others = self._render_others()
            self._others_changed = False
            if mono < inf:
                self._others_from = mono + self._render_min_s
            self._rendered = None
        if self._rendered is None:
            self._rendered = b"%s%s\n%s\n" % (self._header, self._own.line, self._others)
        return self._rendered

    def _render_others(self) -> bytes:
        """Render the lines of all members.

        Where there are more than a short reader sees, those that did not change lately go round from one
        rendering to the next, so that even such a reader meets every member in time.
        """
        recent = dict.fromkeys(self._recent)
        rest = [member.line for address, member in self._members.items() if address not in recent]
        if len(self._members) >= _PREFIX_LINES:
            step = _PREFIX_LINES - 1 - len(recent)
            start = self._offset % len(rest)
            rest = rest[start:] + rest[:start]
            self._offset = start + step
        lines = [*(self._members[address].line for address in recent), *rest, b""]
        return b"\n".join(lines)

    def _note_change(self, address: Address) -> None:
        if address in self._recent:
            self._recent.remove(address)
        self._recent.appendleft(address)
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._others_changed = True
