"""The node: every handler takes the time and returns orders and facts; it never calls out.

The daemon and the simulator are its two interpreters and differ only in who delivers bytes and time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from gossip.core import events as ev
from gossip.core import snapshot, views
from gossip.core.address import Address
from gossip.core.adversary import Adversary
from gossip.core.attacks import Step
from gossip.core.beliefs import Beliefs
from gossip.core.effects import AnswerAt, Join, Output, Purpose, Schedule, SendReply, Timer
from gossip.core.entry import Entry
from gossip.core.hearing import Hearing
from gossip.core.inspection import Inspection
from gossip.core.instant import Instant
from gossip.core.joining import Joining
from gossip.core.keeping import Keeping
from gossip.core.provenance import Provenance
from gossip.core.pulls import OpenPull, Pulls
from gossip.core.settings import Settings, differences
from gossip.core.snapshot import Snapshot
from gossip.core.wire import End, Failure, Pulled


class Node:
    """One gossip node, with what it `kept` from before, if anything. Between two calls nothing changes."""

    def __init__(
        self, settings: Settings, address: Address, rng: Random, now: Instant, kept: Snapshot | None = None
    ) -> None:
        self._settings = settings
        self._rng = rng
        timestamp = max(int(now.wall), kept.last_timestamp + 1 if kept else 0)
        self._beliefs = Beliefs(settings, Entry(address, timestamp, settings.node.state), rng)
        if kept is not None:
            snapshot.restore(self._beliefs, kept, now)
        self._hearing = Hearing(settings, self._beliefs)
        self._pulls = Pulls(settings, address, self._beliefs)
        self._adversary = Adversary(settings, self._beliefs, rng)
        self._provenance = Provenance(settings.explain.history, 2 * settings.gossip.max_members)
        self._tick_at = now.mono
        self._joining = Joining(settings, self._beliefs, now)
        self._keeping = Keeping(self._beliefs, kept)

    # What others read.

    @property
    def own(self) -> Entry:
        """The node's own entry."""
        return self._beliefs.table.own

    def table(self) -> bytes:
        """Return the table as it is served to honest callers, the empty line included."""
        return self._beliefs.table.render()

    def answer(self, caller: str, now: Instant) -> bytes | Iterator[Step]:
        """Return what a caller (its IP) gets: the table, or an adversarial answer over time."""
        lie = self._adversary.answer(caller, now)
        return self._beliefs.table.render(now.mono) if lie is None else lie

    def entry_of(self, address: Address) -> Entry | None:
        """Return what is believed of an address, itself included, or None."""
        if address == self.own.address:
            return self.own
        member = self._beliefs.table.get(address)
        return member.entry if member else None

    def status(self) -> views.Status:
        """Return the node in one line."""
        beliefs = self._beliefs
        return views.Status(
            own=self.own,
            round=self._pulls.rounds,
            members=len(beliefs.table) + 1,
            blacklisted=len(beliefs.blacklist),
            strategy=self._adversary.strategy,
            trust=self._settings.gossip.trust,
        )

    def figures(self, callers: int, accepted: int) -> views.Figures:
        """Return how much there is of what `status` does not count; of callers, what is given."""
        return views.figures_of(self._beliefs, len(self._pulls), callers, accepted)

    def members(self, now: Instant) -> list[views.MemberView]:
        """Return all members: the node itself first, then by address."""
        return views.members_of(self._beliefs, now)

    def blacklist(self, now: Instant) -> list[views.BlacklistView]:
        """Return the blacklisted and the blocked, by address."""
        return views.blacklist_of(self._beliefs, now)

    def convergence(self, now: Instant) -> views.ConvergenceView | None:
        """Return how far the last change is known to have come, None before the first."""
        return self._hearing.convergence.view(now)

    def explain(self, address: Address, now: Instant) -> views.Story:
        """Return all that is known of an address, and how it came to be."""
        return views.story_of(self._beliefs, address, self._provenance.of(address), now)

    def inspect(self, peer: Address, pulled: Pulled, now: Instant) -> Inspection:
        """Tell line by line what this node makes of a peer's table; nothing changes."""
        return self._hearing.inspect(peer, pulled, now)

    def snapshot(self, now: Instant) -> Snapshot:
        """Return what is to be kept across a restart; whoever asks keeps it."""
        return self._keeping.snapshot(now)

    # Time.

    def handle_start(self, now: Instant) -> Output:
        """Begin: join at once, and have the first round at a random phase."""
        self._tick_at = now.mono + self._rng.uniform(0, self._settings.gossip.interval_s)
        out = Output([Schedule(Timer.ROUND, self._tick_at)])
        if self._joining.begin_round(now.mono):
            out.effects.append(Join())
        if self._adversary.aliases:
            out.effects.append(AnswerAt(self._adversary.aliases))
        return self._finish(out, now)

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
        self._hearing.begin_round(now)
        if self._joining.begin_round(now.mono):
            out.effects.append(Join())
        self._pull_some(Purpose.ROUND, 1, out, now)
        return self._finish(out, now)

    def handle_stop(self, now: Instant) -> Output:
        """Begin to leave: pull from a few members, to tell them on the way out."""
        self._hearing.leaving = self._settings.reply.tell_leaving > 0
        out = Output()
        self._pull_some(Purpose.LEAVE, self._settings.reply.tell_leaving, out, now)
        return out

    # What peers say.

    def handle_table(self, peer: Address, pulled: Pulled, now: Instant) -> Output:
        """Take the table that a pull brought, and believe or doubt what it says."""
        pull = self._pulls.close(peer)
        if pull.purpose is Purpose.JOIN:
            self._joining.answered()
        events, reply = self._hearing.table(peer, pull, pulled, now, is_late=self._is_late(peer, pull))
        lie = self._adversary.reply(peer, now) if pulled.end is End.EMPTY_LINE else None
        reply = reply if lie is None else lie
        return self._finish(Output([SendReply(peer, reply)] if reply is not None else [], events), now)

    def handle_failure(self, peer: Address, failure: Failure, now: Instant) -> Output:
        """Take the news that a pull failed before a line was read."""
        pull = self._pulls.close(peer)
        beliefs, reason = self._beliefs, failure.reason
        member = beliefs.table.get(peer)
        counts = not failure.ours and not self._is_late(peer, pull)
        failures = (member.failures if member else 0) + counts
        out = Output()
        if counts and pull.purpose is Purpose.USER and peer not in beliefs.blacklist:
            out.events = beliefs.ban(peer, reason, now)
        elif counts and (pull.purpose is not Purpose.JOIN or peer in beliefs.table):
            out.events = beliefs.failed(peer, reason, now)
        duration_ms = round(1000 * (now.mono - pull.began), 3)
        detail = failure.detail
        failed = ev.PullFailed(peer, pull.purpose, duration_ms, failure.received, reason, failures, detail)
        out.events.insert(0, failed)
        if any(isinstance(event, ev.MemberSuspected) and event.failures == 2 for event in out.events):
            self._pull_some(Purpose.POKE, self._pulls.pokes_left(), out, now, but=peer)
        return self._finish(out, now)

    def abandon_pull(self, peer: Address) -> None:
        """Forget an open pull that will have no result: the node is stopping, or its puller crashed."""
        self._pulls.close(peer)

    def handle_reply(
        self, host: str, pulled: Pulled, now: Instant, vouched: frozenset[str] | None = None
    ) -> Output:
        """Take what a caller from `host` (its IP) said after it had read the table.

        `vouched`: the IPs that its certificate is for, None where it has shown none.
        """
        return self._finish(Output(events=self._hearing.reply(host, pulled, now, vouched)), now)

    def handle_join(self, addresses: Sequence[Address], now: Instant) -> Output:
        """Pull from what the names of `node.join` stand for, if one has answered from those yet unknown."""
        out = Output()
        for address in self._joining.whom(addresses):
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
        """Set the own state, 0 to 9, with a timestamp later than any before, and poke a few members."""
        if not 0 <= state <= 9:
            raise ValueError(f"the state is one digit, 0 to 9, not {state}")
        previous = self.own
        timestamp = max(int(now.wall), previous.timestamp + 1)
        self._beliefs.table.set_own(Entry(previous.address, timestamp, state))
        out = Output(events=[ev.OwnStateSet(previous.state, state, timestamp)])
        self._hearing.convergence.note(out.events, now)
        self._pull_some(Purpose.POKE, self._pulls.pokes_left(), out, now)
        return self._finish(out, now)

    def set_adversary(self, strategy: str | None) -> Output:
        """Lie by a strategy from now on, or be honest for None."""
        return self._adversary.set(strategy)

    def block(self, address: Address, now: Instant) -> Output:
        """Blacklist an address for good; no event means that it was already. Not for the own one."""
        if address == self.own.address:
            raise ValueError(f"{address} is this node itself")
        return self._finish(Output(events=self._beliefs.block(address, now)), now)

    def unblock(self, address: Address, now: Instant) -> Output:
        """Take an address off the blacklist; no event means that it was not on it."""
        return self._finish(Output(events=self._beliefs.unblock(address, now)), now)

    def change(self, settings: Settings, now: Instant) -> Output:
        """Go by other settings from now on; budgets follow with the next round.

        A round of another length begins at a random phase: all nodes of a cluster may be told at once.
        """
        before, self._settings = self._settings, settings
        out = Output(events=[ev.SettingChanged(*each) for each in differences(before, settings)])
        if settings.gossip.interval_s != before.gossip.interval_s:
            self._tick_at = now.mono + self._rng.uniform(0, settings.gossip.interval_s)
            out.effects.append(Schedule(Timer.ROUND, self._tick_at))
        for part in (self._beliefs, self._hearing, self._pulls, self._adversary, self._joining):
            part.use(settings)
        self._provenance.use(settings.explain.history, 2 * settings.gossip.max_members)
        return self._finish(out, now)

    # Inside.

    def _is_late(self, peer: Address, pull: OpenPull) -> bool:
        """Tell whether a peer was taken off the table while this pull was open: only a retry counts now."""
        blacklist = self._beliefs.blacklist
        asked_as_member = pull.purpose not in (Purpose.RETRY, Purpose.JOIN, Purpose.USER)
        return blacklist.is_blocked(peer) or (asked_as_member and peer in blacklist)

    def _pull_some(
        self, purpose: Purpose, number: int, out: Output, now: Instant, but: Address | None = None
    ) -> None:
        beliefs = self._beliefs
        for _ in range(number):
            peer = beliefs.permutation.next(
                beliefs.table.members, lambda member: member != but and self._pulls.may_open(member)
            )
            if peer is None:
                return
            out.effects.append(self._pulls.open(peer, purpose, now))

    def _finish(self, out: Output, now: Instant) -> Output:
        """Add what every handler may lead to: checks that are due, the record, the snapshot to be kept."""
        out.effects += self._pulls.launch_checks(now)
        self._provenance.record(out.events, now.wall, self._beliefs.table)
        if self._settings.node.data_dir:
            save = self._keeping.due(now)
            if save is not None:
                out.effects.insert(0, save)
        return out
