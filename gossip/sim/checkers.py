"""What must hold at every step, judged by somebody who knows everything.

- In `verify`, and wherever nobody lies, no honest node believes what its subject never said.
- A node's own timestamps only grow.
- No node pulls more than its settings allow.

A Violation ends the run. Entries are judged when they change; whole tables in turn, for what told nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.effects import Pull, Purpose
from gossip.core.entry import Entry
from gossip.core.wire import Rules, parse_line
from gossip.sim.actor import Actor
from gossip.sim.world import World

_ANY = Rules(4096, float("inf"), loopback_ok=True)
LEARNED = (ev.MemberAdded, ev.StateChanged, ev.EntryRestamped, ev.MemberForgiven)
_LOST = (ev.MemberBlacklisted, ev.MemberBlocked)


class Violation(Exception):
    """Something happened that must not happen; the text says what, where and when."""


class Truth:
    """Who ever said what of itself. Of a liar everything is true: it says what it likes."""

    def __init__(self, liars: set[Address]) -> None:
        self.liars = liars
        self.lines: set[bytes] = {b""}  # all of it as lines, and the empty one
        self._said: dict[Address, set[tuple[int, int]]] = {}

    def hear(self, own: Entry) -> None:
        """Note what a node says of itself now."""
        self._said.setdefault(own.address, set()).add(own[1:])
        self.lines.add(own.line)

    def is_false(self, entry: Entry) -> bool:
        """Tell whether nobody ever listened there, or an honest node that never said this."""
        said = self._said.get(entry.address)
        return said is None or (entry[1:] not in said and entry.address not in self.liars)

    def listens(self, addresses: Iterable[Address]) -> None:
        """Note that a liar answers at these addresses, too."""
        self.liars.update(addresses)
        for address in addresses:
            self._said.setdefault(address, set())


def learned(actor: Actor, event: ev.Event) -> Entry | None:
    """Return the entry that a node took with one of the events in LEARNED."""
    assert isinstance(event, LEARNED)
    if isinstance(event, ev.MemberForgiven):
        return actor.node.entry_of(event.member)
    return Entry(event.member, event.timestamp, event.state)


class Beliefs:
    """Judges whatever honest nodes take into their tables, and counts what is poisoned there."""

    def __init__(self, world: World, truth: Truth, *, strict: bool) -> None:
        self._world = world
        self._truth = truth
        self._strict = strict
        self._poisoned: dict[Address, set[Address]] = {}
        world.observe(self._learned, *LEARNED)
        world.observe(self._lost, *_LOST)
        world.on_start(self._started)

    def share(self) -> float:
        """Return the poisoned share of all entries about others in honest live tables."""
        honest = [actor for actor in self._world.actors.values() if actor.alive and self._is_honest(actor)]
        entries = sum(actor.node.status().members - 1 for actor in honest)
        return sum(len(self._poisoned[actor.address]) for actor in honest) / max(1, entries)

    def audit(self, actor: Actor) -> None:
        """Judge a whole table."""
        if not self._strict or not self._is_honest(actor):
            return
        for line in sorted(set(actor.node.table().split(b"\n")) - self._truth.lines):
            entry = parse_line(line, _ANY)
            if isinstance(entry, Entry):
                self._judge(actor, entry)

    def _is_honest(self, actor: Actor) -> bool:
        return actor.address not in self._truth.liars

    def _started(self, actor: Actor) -> None:
        # At the start of the world all know what all are just about to say.
        kept = actor.kept.members if actor.kept and self._world.now > 0 else ()
        false = {member.entry.address for member in kept if self._truth.is_false(member.entry)}
        self._poisoned[actor.address] = false

    def _learned(self, actor: Actor, event: ev.Event, _: float) -> None:
        entry = learned(actor, event)
        if entry is not None and self._is_honest(actor):
            self._judge(actor, entry)

    def _judge(self, actor: Actor, entry: Entry) -> None:
        poisoned = self._poisoned[actor.address]
        if not self._truth.is_false(entry):
            poisoned.discard(entry.address)
            return
        poisoned.add(entry.address)
        if self._strict:
            line = entry.line.decode()
            raise Violation(f"{actor.address} believes {line}, which {entry.address} never said")

    def _lost(self, actor: Actor, event: ev.Event, _: float) -> None:
        assert isinstance(event, _LOST)
        self._poisoned[actor.address].discard(event.member)


class OwnTimestamps:
    """Holds every node to what it said of itself before; tells the truth what each says now."""

    def __init__(self, world: World, truth: Truth) -> None:
        self._truth = truth
        self._last: dict[Address, tuple[int, float]] = {}  # with how far off its clock was
        world.on_start(self._started)
        world.observe(self._said, ev.OwnStateSet, ev.OwnEntryRefuted)

    def _started(self, actor: Actor) -> None:
        own, last = actor.node.own, self._last.get(actor.address)
        if last is not None and actor.kept is not None:
            # What was said just before a crash may not be kept: a clock that was not set back sees to it.
            floor = actor.kept.last_timestamp if actor.clock.offset_s < last[1] else last[0]
            if own.timestamp < floor:
                raise Violation(f"{actor.address} came back with timestamp {own.timestamp} after {floor}")
        self._note(actor)

    def _said(self, actor: Actor, _: ev.Event, __: float) -> None:
        own, (last, _offset) = actor.node.own, self._last[actor.address]
        if own.timestamp <= last:
            raise Violation(f"{actor.address} stamped itself {own.timestamp} after {last}")
        self._note(actor)

    def _note(self, actor: Actor) -> None:
        self._last[actor.address] = (actor.node.own.timestamp, actor.clock.offset_s)
        self._truth.hear(actor.node.own)


class Budgets:
    """Counts the pulls that each node orders in a round, by what they are for."""

    def __init__(self, world: World) -> None:
        self._round: dict[Address, int] = {}
        self._alone: dict[Address, int] = {}  # the last round that began without a member
        self._pulls: dict[Address, Counter[str]] = {}
        world.on_start(self._started)
        world.on_pull(self._ordered)

    def _started(self, actor: Actor) -> None:
        self._round[actor.address] = self._alone[actor.address] = 0
        self._pulls[actor.address] = Counter()

    def _ordered(self, actor: Actor, pull: Pull) -> None:
        address, status = actor.address, actor.node.status()
        if status.round != self._round[address]:
            self._round[address] = status.round
            self._pulls[address].clear()
        if status.members == 1:
            self._alone[address] = status.round
        pulls = self._pulls[address]
        kind = Purpose.CHECK if pull.purpose is Purpose.RETRY else pull.purpose
        pulls[kind] += 1
        settings = actor.settings.attention
        joining = status.round - self._alone[address] <= settings.joining_rounds + 1
        most = {
            Purpose.ROUND: 1,
            Purpose.CHECK: settings.checks_per_round_joining if joining else settings.checks_per_round,
            Purpose.POKE: 2 * actor.settings.gossip.pokes,
        }.get(kind)
        if most is not None and pulls[kind] > most:
            raise Violation(f"{address} made {pulls[kind]} pulls ({kind}) in a round, of {most} allowed")
        if actor.open > settings.max_open_pulls:
            most = settings.max_open_pulls
            raise Violation(f"{address} has {actor.open} pulls open, of {most} allowed")
