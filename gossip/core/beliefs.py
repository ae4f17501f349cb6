"""What a node believes, and what may change it.

PROTOCOL.md, sections 2 and 4: hearsay directs attention; only first-hand contact changes what is
believed (with `trust = "hearsay"`, entries of known members are merged too, as the seed does).
Every method returns the facts that came of it. Times are an Instant or monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.attention import Attention, Kind, Mention
from gossip.core.blacklist import Blacklist
from gossip.core.entry import Entry
from gossip.core.instant import Instant
from gossip.core.reputation import Reputation
from gossip.core.selection import Permutation
from gossip.core.settings import Settings
from gossip.core.table import Member, Table


class Beliefs:
    """Table, blacklist, reputations and the attention queue, and the rules between them."""

    def __init__(self, settings: Settings, own: Entry, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self.table = Table(own)
        self.attention = Attention(settings.attention)
        self.blacklist = Blacklist(settings.blacklist, settings.gossip.max_members, rng)
        self.reputation = Reputation(settings.blacklist.strike_decay_s, settings.attention.distrust_s)
        self.permutation = Permutation(rng)

    def hear(self, entry: Entry, source: Address, now: Instant) -> list[ev.Event]:
        """Take hearsay about another node: `source` holds `entry`."""
        subject = entry.address
        if subject in self.blacklist:
            if self.blacklist.hear(entry):
                self._mention(subject, source, Kind.RETRY, now.mono, entry)
            return []
        member = self.table.get(subject)
        if member is None:
            if self._mention(subject, source, Kind.CANDIDATE, now.mono, entry):
                return [ev.CandidateHeard(subject, str(source))]
            return []
        if not entry.beats(member.entry) or self.reputation.ignores(source, subject, now.mono):
            return []
        if self._settings.gossip.trust == "hearsay":
            return self._replace(member, entry, str(source), now)
        if self._mention(subject, source, Kind.HINT, now.mono, entry):
            return [ev.HintHeard(subject, str(source), entry.timestamp, entry.state)]
        return []

    def own_word(self, entry: Entry, source: str, now: Instant) -> list[ev.Event]:
        """Take what a node says of itself, pulled from its own address; `source` is where it was learned."""
        subject = entry.address
        member = self.table.get(subject)
        if member is not None:
            return self._replace(member, entry, "first-hand", now) if entry != member.entry else []
        if len(self.table) >= self._settings.gossip.max_members:
            return self.not_admitted(subject, "table_full", now)
        forgiven = self.blacklist.remove(subject)
        member = self.table.put(entry, source, now.mono)
        member.contacted = now.mono
        self.attention.unrest(subject)
        self.permutation.add(subject)
        if forgiven is not None:
            return [ev.MemberForgiven(subject, entry.state, round(now.mono - forgiven.since, 3))]
        return [ev.MemberAdded(subject, entry.state, entry.timestamp, source)]

    def judge(self, claims: Sequence[Mention], word: Entry, now: Instant) -> list[ev.Event]:
        """Hold what peers had said of a node, before it was asked, against its own word."""
        events: list[ev.Event] = []
        for claim in claims:
            if claim.source is None or claim.entry is None or not claim.entry.beats(word):
                continue
            said = claim.entry
            events.append(ev.HintDisproved(word.address, claim.source, said.timestamp, said.state))
            if self.reputation.disprove(claim.source, word.address, now.mono):
                events.append(ev.PeerDistrusted(claim.source, self._settings.attention.distrust_s))
                events += self.strike(claim.source, "false_hints", now)
        return events

    def strike(self, peer: Address, reason: str, now: Instant) -> list[ev.Event]:
        """Give a strike to a member; the last one blacklists it as misbehaving."""
        if peer not in self.table:
            return []
        strikes = self.reputation.strike(peer, now.mono)
        events: list[ev.Event] = [ev.StrikeGiven(peer, reason, strikes)]
        if strikes >= self._settings.blacklist.strikes_to_blacklist:
            self.reputation.clear(peer)
            events += self.ban(peer, "misbehaving", now)
        return events

    def answered(self, peer: Address, now: Instant) -> None:
        """Note that a member answered a pull."""
        member = self.table.get(peer)
        if member is not None:
            member.contacted = now.mono
            member.failures = 0

    def failed(self, peer: Address, reason: str, now: Instant) -> list[ev.Event]:
        """Note a failed pull of a member, a blacklisted node or a candidate."""
        if peer in self.blacklist:
            delay = self.blacklist.failed_again(peer, now.mono)
            return [ev.RetryFailed(peer, reason, round(delay, 3))]
        member = self.table.get(peer)
        if member is None:
            return self._refuse(peer, reason, now.mono)
        member.failures += 1
        if member.failures >= self._settings.blacklist.failures_to_blacklist:
            return self.ban(peer, reason, now)
        recheck_s = self._settings.attention.recheck_rounds * self._settings.gossip.interval_s
        due = now.mono + recheck_s * self._rng.uniform(0.75, 1.25)
        self.attention.add(Mention(peer, None, Kind.SUSPECT, due))
        return [ev.MemberSuspected(peer, member.failures)]

    def not_admitted(self, peer: Address, reason: str, now: Instant) -> list[ev.Event]:
        """Note that a node that is no member answered, but not as a member must."""
        if peer in self.blacklist:
            return self.failed(peer, reason, now)
        return self._refuse(peer, reason, now.mono)

    def ban(self, peer: Address, reason: str, now: Instant) -> list[ev.Event]:
        """Blacklist a node, member or not."""
        member = self.table.remove(peer)
        self.attention.collect(peer)
        delay = self.blacklist.add(peer, reason, member.entry if member else None, now.mono)
        return [ev.MemberBlacklisted(peer, reason, round(delay, 3))]

    def block(self, address: Address, now: Instant) -> list[ev.Event]:
        """Blacklist an address by hand, for good; return nothing when it was already."""
        member = self.table.remove(address)
        self.attention.collect(address)
        blocked = self.blacklist.block(address, member.entry if member else None, now.mono)
        return [ev.MemberBlocked(address)] if blocked else []

    def unblock(self, address: Address, now: Instant) -> list[ev.Event]:
        """Take an address off the blacklist and ask it soon; return nothing when it was not on it."""
        if self.blacklist.remove(address) is None:
            return []
        self.attention.unrest(address)
        self.attention.add(Mention(address, None, Kind.CANDIDATE, now.mono))
        return [ev.MemberUnblocked(address)]

    def retry_due(self, now: Instant) -> None:
        """Queue the retries that are due."""
        for address in self.blacklist.due(now.mono):
            self.attention.add(Mention(address, None, Kind.RETRY, now.mono))

    def expire(self, now: Instant) -> list[ev.Event]:
        """Forget what has been held for long enough."""
        self.attention.expire(now.mono)
        self.reputation.expire(now.mono)
        return [ev.MemberForgotten(address) for address in self.blacklist.forget(now.mono)]

    def worth_checking(self, mentions: Sequence[Mention], now: Instant) -> bool:
        """Tell whether a pull would still answer a question that these mentions of one node raise."""
        subject = mentions[0].subject
        record = self.blacklist.get(subject)
        if record is not None:
            retries = [mention for mention in mentions if mention.kind is Kind.RETRY]
            early = any(mention.source is not None for mention in retries)
            return bool(retries) and record.retry_at is not None and (early or record.retry_at <= now.mono)
        member = self.table.get(subject)
        if member is None:
            return True
        if member.failures and any(mention.kind is Kind.SUSPECT for mention in mentions):
            return True
        return any(m.entry is not None and m.entry.beats(member.entry) for m in mentions)

    def _mention(self, subject: Address, source: Address, kind: Kind, mono: float, entry: Entry) -> bool:
        jitter_s = self._settings.attention.jitter_rounds * self._settings.gossip.interval_s
        due = mono + self._rng.uniform(0, jitter_s)
        return self.attention.add(Mention(subject, source, kind, due, entry))

    def _refuse(self, candidate: Address, reason: str, mono: float) -> list[ev.Event]:
        self.attention.rest(candidate, mono + self._settings.attention.candidate_retry_s)
        return [ev.CandidateRefused(candidate, reason)]

    def _replace(self, member: Member, entry: Entry, source: str, now: Instant) -> list[ev.Event]:
        held = member.entry
        self.table.put(entry, source, now.mono)
        if held.state == entry.state:
            return [ev.EntryRestamped(entry.address, entry.state, entry.timestamp, source)]
        return [ev.StateChanged(entry.address, held.state, entry.state, entry.timestamp, source)]
