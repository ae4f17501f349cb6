"""The node: every handler takes the time and returns orders and facts; it never calls out.

The daemon and the simulator are its two interpreters and differ only in who delivers bytes and time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.attacks import STRATEGIES, Scene, Step
from gossip.core.beliefs import Beliefs
from gossip.core.effects import Join, Output, Purpose, Schedule, Timer
from gossip.core.entry import Entry
from gossip.core.instant import Instant
from gossip.core.pulls import OpenPull, Pulls
from gossip.core.settings import Settings
from gossip.core.views import BlacklistView, MemberView, Status
from gossip.core.wire import Decoded, Failure, Pulled, Rules, decode


class Node:
    """One gossip node. Between two calls nothing of it changes."""

    def __init__(self, settings: Settings, address: Address, rng: Random, now: Instant) -> None:
        self._settings = settings
        self._rng = rng
        self._beliefs = Beliefs(settings, Entry(address, int(now.wall), settings.node.state), rng)
        self._pulls = Pulls(settings, address, self._beliefs)
        self._tick_at = now.mono
        self._refuted = False
        self._strategy = settings.adversary.strategy if settings.adversary.on else None

    # What others read.

    @property
    def own(self) -> Entry:
        """The node's own entry."""
        return self._beliefs.table.own

    def table(self) -> bytes:
        """Return the table as it is served to honest callers."""
        return self._beliefs.table.render()

    def answer(self, caller: str, now: Instant) -> bytes | Iterator[Step]:
        """Return what a caller (its IP) gets: the table, or an adversarial answer over time."""
        if self._strategy is None:
            return self.table()
        return STRATEGIES[self._strategy](Scene(self.own, self.table(), caller, now.wall, self._rng))

    def entry_of(self, address: Address) -> Entry | None:
        """Return what is believed of an address, itself included, or None."""
        if address == self.own.address:
            return self.own
        member = self._beliefs.table.get(address)
        return member.entry if member else None

    def status(self) -> Status:
        """Return the node in one line."""
        beliefs = self._beliefs
        return Status(
            own=self.own,
            round=self._pulls.rounds,
            members=len(beliefs.table) + 1,
            blacklisted=len(beliefs.blacklist),
            strategy=self._strategy,
            trust=self._settings.gossip.trust,
        )

    def members(self, now: Instant) -> list[MemberView]:
        """Return all members: the node itself first, then by address."""
        views = [MemberView(self.own, True, max(0.0, now.wall - self.own.timestamp), 0.0, "self", 0)]
        table = self._beliefs.table
        for address in sorted(table, key=lambda a: a.sort_key):
            member = table.get(address)
            assert member is not None
            contact_s = None if member.contacted is None else now.mono - member.contacted
            age_s = max(0.0, now.wall - member.entry.timestamp)
            views.append(MemberView(member.entry, False, age_s, contact_s, member.source, member.failures))
        return views

    def blacklist(self, now: Instant) -> list[BlacklistView]:
        """Return the blacklisted and the blocked, by address."""
        return [
            BlacklistView(
                record.address,
                record.reason,
                now.mono - record.since,
                None if record.retry_at is None else max(0.0, record.retry_at - now.mono),
                record.retries,
            )
            for record in sorted(self._beliefs.blacklist, key=lambda record: record.address.sort_key)
        ]

    # Time.

    def handle_start(self, now: Instant) -> Output:
        """Begin: join at once, and have the first round at a random phase."""
        self._tick_at = now.mono + self._rng.uniform(0, self._settings.gossip.interval_s)
        out = Output([Schedule(Timer.ROUND, self._tick_at)])
        if self._settings.node.join:
            out.effects.append(Join())
        return out

    def handle_timer(self, timer: Timer, now: Instant) -> Output:
        """Handle a timer that was scheduled."""
        if timer is Timer.ROUND:
            return self.handle_tick(now)
        self._pulls.woken()
        return self._finish(Output(), now)

    def handle_tick(self, now: Instant) -> Output:
        """Begin a round: pull one live member, and whatever deserves a check."""
        beliefs, interval_s = self._beliefs, self._settings.gossip.interval_s
        # A fixed period without drift; after a pause (a suspended machine) no rounds are made up for.
        self._tick_at += interval_s
        if self._tick_at <= now.mono:
            self._tick_at = now.mono + interval_s
        out = Output([Schedule(Timer.ROUND, self._tick_at)], beliefs.expire(now))
        beliefs.table.rotate()
        beliefs.retry_due(now)
        self._pulls.begin_round()
        self._refuted = False
        if self._settings.node.join and not beliefs.table.members:
            out.effects.append(Join())
        peer = beliefs.permutation.next(beliefs.table.members, self._pulls.may_open)
        if peer is not None:
            out.effects.append(self._pulls.open(peer, Purpose.ROUND, now))
        return self._finish(out, now)

    # What peers say.

    def handle_table(self, peer: Address, pulled: Pulled, now: Instant) -> Output:
        """Take the table that a pull brought, and believe or doubt what it says."""
        pull = self._pulls.close(peer)
        out = Output()
        decoded = self._decode(peer, pulled, now)
        if self._is_late(peer, pull):
            out.events.append(_pull_finished(peer, pull, pulled, decoded, 0, now))
            return self._finish(out, now)
        events = self._first_hand(peer, pull, decoded, now)
        if peer in self._beliefs.table or pull.purpose in (Purpose.JOIN, Purpose.USER):
            events += self._hearsay(peer, decoded.entries, now)
        if decoded.mostly_rejected:
            events += self._beliefs.strike(peer, "rejected_lines", now)
        taken = sum(isinstance(event, _TAKEN) for event in events)
        out.events = [_pull_finished(peer, pull, pulled, decoded, taken, now), *events]
        return self._finish(out, now)

    def handle_failure(self, peer: Address, failure: Failure, now: Instant) -> Output:
        """Take the news that a pull failed before a line was read."""
        pull = self._pulls.close(peer)
        beliefs = self._beliefs
        member = beliefs.table.get(peer)
        counts = not failure.ours and not self._is_late(peer, pull)
        failures = (member.failures if member else 0) + counts
        events: list[ev.Event] = []
        reason = failure.reason
        if counts:
            if pull.purpose is Purpose.USER and peer not in beliefs.blacklist:
                events = beliefs.ban(peer, reason, now)
            elif pull.purpose is not Purpose.JOIN or peer in beliefs.table:
                events = beliefs.failed(peer, reason, now)
        duration_ms = round(1000 * (now.mono - pull.began), 3)
        failed = ev.PullFailed(peer, pull.purpose, duration_ms, failure.received, reason, failures)
        return self._finish(Output([], [failed, *events]), now)

    def abandon_pull(self, peer: Address) -> None:
        """Forget an open pull that will have no result: the node is stopping, or its puller crashed."""
        self._pulls.close(peer)

    def handle_join(self, addresses: Sequence[Address], now: Instant) -> Output:
        """Pull from what the names of `node.join` stand for, unless there is a live member by now."""
        out = Output()
        if not self._beliefs.table.members:
            for address in dict.fromkeys(addresses):
                if self._pulls.may_open(address):
                    out.effects.append(self._pulls.open(address, Purpose.JOIN, now))
        return self._finish(out, now)

    # What the user asks.

    def connect(self, address: Address, now: Instant) -> Output:
        """Pull from an address now; should that fail, it is blacklisted. Not for own or blocked ones."""
        if address == self.own.address or self._beliefs.blacklist.is_blocked(address):
            raise ValueError(f"{address} is this node itself or blocked by hand")
        pull = self._pulls.get(address)
        if pull is not None:
            pull.purpose = Purpose.USER
            return Output()
        return Output([self._pulls.open(address, Purpose.USER, now)])

    def set_state(self, state: int, now: Instant) -> Output:
        """Set the own state, 0 to 9, with a timestamp later than any before."""
        if not 0 <= state <= 9:
            raise ValueError(f"the state is one digit, 0 to 9, not {state}")
        previous = self.own
        timestamp = max(int(now.wall), previous.timestamp + 1)
        self._beliefs.table.set_own(Entry(previous.address, timestamp, state))
        return Output(events=[ev.OwnStateSet(previous.state, state, timestamp)])

    def set_adversary(self, strategy: str | None) -> Output:
        """Answer callers with a strategy from now on, or honestly for None."""
        if strategy is not None and strategy not in STRATEGIES:
            raise ValueError(f"no such strategy: {strategy}")
        changed = strategy != self._strategy
        self._strategy = strategy
        return Output(events=[ev.AdversarySet(strategy)] if changed else [])

    def block(self, address: Address, now: Instant) -> Output:
        """Blacklist an address for good; no event means that it was already. Not for the own one."""
        if address == self.own.address:
            raise ValueError(f"{address} is this node itself")
        return Output(events=self._beliefs.block(address, now))

    def unblock(self, address: Address, now: Instant) -> Output:
        """Take an address off the blacklist; no event means that it was not on it."""
        return self._finish(Output(events=self._beliefs.unblock(address, now)), now)

    # Inside.

    def _is_late(self, peer: Address, pull: OpenPull) -> bool:
        """Tell whether a peer was taken off the table while this pull was open: only a retry counts now."""
        blacklist = self._beliefs.blacklist
        asked_as_member = pull.purpose in (Purpose.ROUND, Purpose.CHECK)
        return blacklist.is_blocked(peer) or (asked_as_member and peer in blacklist)

    def _decode(self, peer: Address, pulled: Pulled, now: Instant) -> Decoded:
        pull = self._settings.pull
        latest = now.wall + self._settings.gossip.max_clock_skew_s
        rules = Rules(pull.max_line_bytes, latest, peer.is_loopback)
        return decode(pulled, self._beliefs.table.lines, rules, pull.max_lines)

    def _first_hand(self, peer: Address, pull: OpenPull, decoded: Decoded, now: Instant) -> list[ev.Event]:
        beliefs = self._beliefs
        beliefs.answered(peer, now)
        word = decoded.word_of(peer, self.entry_of(peer))
        if peer in beliefs.table:
            if word is None:
                return []
        elif word is None or decoded.mostly_rejected:
            return beliefs.not_admitted(peer, "no_own_entry" if word is None else "rejected_lines", now)
        source = next((str(claim.source) for claim in pull.claims if claim.source), str(pull.purpose))
        return beliefs.own_word(word, source, now) + beliefs.judge(pull.claims, word, now)

    def _hearsay(self, peer: Address, entries: Sequence[Entry], now: Instant) -> list[ev.Event]:
        events: list[ev.Event] = []
        for entry in entries:
            if entry.address == self.own.address:
                events += self._refute(entry, peer, now)
            elif entry.address != peer:
                events += self._beliefs.hear(entry, peer, now)
        return events

    def _refute(self, seen: Entry, peer: Address, now: Instant) -> list[ev.Event]:
        """Stamp the own state so that it beats what a peer holds for this node, at most once a round."""
        if self._refuted or not seen.beats(self.own):
            return []
        self._refuted = True
        timestamp = max(int(now.wall), seen.timestamp + 1)
        self._beliefs.table.set_own(self.own._replace(timestamp=timestamp))
        return [ev.OwnEntryRefuted(peer, seen.timestamp, seen.state, timestamp)]

    def _finish(self, out: Output, now: Instant) -> Output:
        out.effects += self._pulls.launch_checks(now)
        return out


_TAKEN = (ev.MemberAdded, ev.MemberForgiven, ev.StateChanged, ev.EntryRestamped)


def _pull_finished(
    peer: Address, pull: OpenPull, pulled: Pulled, decoded: Decoded, taken: int, now: Instant
) -> ev.PullFinished:
    return ev.PullFinished(
        peer=peer,
        purpose=pull.purpose,
        duration_ms=round(1000 * (now.mono - pull.began), 3),
        bytes=len(pulled.data),
        lines=decoded.lines,
        taken=taken,
        rejected=decoded.rejected,
        end=pulled.end,
        sample=decoded.sample,
    )
