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
from gossip.core.blacklist import MISBEHAVING, Blacklist
from gossip.core.entry import Entry
from gossip.core.instant import Instant
from gossip.core.reply import cluster_line
from gossip.core.reputation import Reputation
from gossip.core.selection import Permutation
from gossip.core.settings import Settings
from gossip.core.table import Member, Table


class Beliefs:
    """Table, blacklist, reputations and the attention queue, and the rules between them."""

    def __init__(self, settings: Settings, own: Entry, rng: Random) -> None:
        self._rng = rng
        self._failed: dict[Address, float] = {}  # whose last own pull failed, and when
        header = cluster_line(settings.node.cluster)
        self.table = Table(own, header, settings.listener.render_min_s)
        self.attention = Attention(settings.attention)
        self.blacklist = Blacklist(settings.blacklist, settings.gossip.max_members, rng)
        self.reputation = Reputation(settings.blacklist.strike_decay_s, settings.attention.distrust_s)
        # Who sent a reply is known by its IP only: another program there must not cost a peer its strikes.
        self.reply_reputation = Reputation(settings.blacklist.strike_decay_s, settings.attention.distrust_s)
        self.permutation = Permutation(rng)
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Go by these settings from now on; who is a member stays one, whatever the bounds are now."""
        self._settings = settings
        self._suspicion_s = settings.attention.suspicion_rounds * settings.gossip.interval_s
        self.table.use(settings.listener.render_min_s)
        self.attention.use(settings.attention)
        self.blacklist.use(settings.blacklist, settings.gossip.max_members)
        for reputation in (self.reputation, self.reply_reputation):
            reputation.use(settings.blacklist.strike_decay_s, settings.attention.distrust_s)

    def hear(self, entry: Entry, source: Address, now: Instant, *, in_reply: bool = False) -> list[ev.Event]:
        """Take hearsay: `source` holds `entry`, of another node or, in a reply, of itself."""
        subject = entry.address
        member = self.table.get(subject)
        if member is None:
            if subject in self.blacklist:
                if self.blacklist.hear(entry):
                    self._mention(subject, source, Kind.EARLY_RETRY, now.mono, entry, in_reply)
                return []
            if self._mention(subject, source, Kind.CANDIDATE, now.mono, entry, in_reply):
                return [ev.CandidateHeard(subject, str(source))]
            return []
        if not entry.beats(member.entry):
            return []
        reputation = self.reply_reputation if in_reply else self.reputation
        reason = reputation.ignores(source, subject, now.mono)
        if reason is not None:
            return [ev.HintIgnored(subject, source, reason)]
        if self._settings.gossip.trust == "hearsay":
            return self._replace(member, entry, str(source), now)
        if self._mention(subject, source, Kind.HINT, now.mono, entry, in_reply):
            return [ev.HintHeard(subject, str(source), entry.timestamp, entry.state)]
        return []

    def called(self, caller: Address, now: Instant) -> list[ev.Event]:
        """Take the news that a node called from its own IP: a stranger is checked before it is believed."""
        record = self.blacklist.get(caller)
        if record is not None:
            # Not each time: somebody who calls but cannot be called would void its back-off.
            if record.is_early_call_due(now.mono) and self.attention.add(
                Mention(caller, None, Kind.EARLY_RETRY, now.mono)
            ):
                record.early_from = now.mono + self._suspicion_s
            return []
        if caller in self.table:
            return []
        if self.attention.add(Mention(caller, None, Kind.CALLER, now.mono)):
            return [ev.CandidateHeard(caller, "caller")]
        return []

    def suspected(self, subject: Address, source: Address, now: Instant) -> list[ev.Event]:
        """Take a suspicion: `source` says that its own pull from a member failed."""
        member = self.table.get(subject)
        if member is None or member.failures or member.trusted_until > now.mono:
            return []
        due = now.mono + self._jitter()
        if self.attention.add(Mention(subject, source, Kind.SUSPICION, due, in_reply=True)):
            return [ev.SuspicionHeard(subject, source)]
        return []

    def leaves(self, member: Address, now: Instant) -> list[ev.Event]:
        """Take a member's word that it is shutting down; it is checked, and one failed pull will do.

        Who answered that check is not believed again for a while: it may not have said it itself.
        """
        record = self.table.get(member)
        if record is None or record.left_at is not None or record.stays_until > now.mono:
            return []
        record.left_at = now.mono
        due = now.mono + self._jitter()
        self.attention.add(Mention(member, member, Kind.SUSPICION, due, in_reply=True))
        return [ev.LeavingHeard(member)]

    def to_suspect(self, now: Instant, most: int) -> list[Address]:
        """Return those from whom an own pull failed lately, the latest first."""
        since = now.mono - self._suspicion_s
        lately = [address for address, at in self._failed.items() if at >= since]
        return lately[-most:][::-1]

    def own_word(self, entry: Entry, source: str, now: Instant) -> list[ev.Event]:
        """Take what a node says of itself, pulled from its own address; `source` is where it was learned."""
        subject = entry.address
        member = self.table.get(subject)
        if member is not None:
            return self._replace(member, entry, ev.FIRST_HAND, now) if entry != member.entry else []
        full = self._full_for(subject)
        if full is not None:
            return self.not_admitted(subject, full, now)
        forgiven = self.blacklist.remove(subject)
        self._trust(self.table.put(entry, source, now.mono), now)
        self.attention.admit(subject)
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
            reputation = self.reply_reputation if claim.in_reply else self.reputation
            if reputation.disprove(claim.source, word.address, now.mono):
                self.attention.drop(claim.source, in_reply=claim.in_reply)
                distrust_s = self._settings.attention.distrust_s
                events.append(ev.PeerDistrusted(claim.source, distrust_s, claim.in_reply))
                if not claim.in_reply:
                    events += self.strike(claim.source, "false_hints", now)
        return events

    def strike(self, peer: Address, reason: ev.Misdeed, now: Instant) -> list[ev.Event]:
        """Give a strike to a member; the last one blacklists it as misbehaving."""
        if peer not in self.table:
            return []
        strikes = self.reputation.strike(peer, now.mono)
        events: list[ev.Event] = [ev.StrikeGiven(peer, reason, strikes)]
        if strikes >= self._settings.blacklist.strikes_to_blacklist:
            self.reputation.clear(peer)
            events += self.ban(peer, MISBEHAVING, now)
        return events

    def answered(self, peer: Address, began: float, now: Instant) -> None:
        """Note that a member answered a pull that `began` then: for a while nobody's suspicion is followed.

        It denies that the member leaves unless it began before that was said.
        """
        self._failed.pop(peer, None)
        member = self.table.get(peer)
        if member is not None:
            self._trust(member, now)
            member.failures = 0
            if member.left_at is not None and began >= member.left_at:
                member.left_at, member.stays_until = None, member.trusted_until

    def failed(self, peer: Address, reason: str, now: Instant) -> list[ev.Event]:
        """Note a failed pull of a member, a blacklisted node or a candidate."""
        if peer in self.blacklist:
            delay = self.blacklist.failed_again(peer, now.mono)
            return [ev.RetryFailed(peer, reason, round(delay, 3))]
        member = self.table.get(peer)
        if member is None:
            return self._refuse(peer, reason, now.mono)
        member.failures += 1
        self._failed.pop(peer, None)
        self._failed[peer] = now.mono
        if member.left_at is not None:
            return self.ban(peer, "left", now)
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
        self.attention.admit(address)
        self.attention.add(Mention(address, None, Kind.RETRY, now.mono))
        return [ev.MemberUnblocked(address)]

    def retry_due(self, now: Instant) -> None:
        """Queue the retries that are due."""
        for address in self.blacklist.due(now.mono):
            self.attention.add(Mention(address, None, Kind.RETRY, now.mono))

    def expire(self, now: Instant) -> list[ev.Event]:
        """Forget what has been held for long enough."""
        self.attention.expire(now.mono)
        self.reputation.expire(now.mono)
        self.reply_reputation.expire(now.mono)
        since = now.mono - self._suspicion_s
        for address in [address for address, at in self._failed.items() if at < since]:
            del self._failed[address]
        return [ev.MemberForgotten(address) for address in self.blacklist.forget(now.mono)]

    def worth_checking(self, mentions: Sequence[Mention], now: Instant) -> bool:
        """Tell whether a pull would still answer a question that these mentions of one node raise."""
        subject = mentions[0].subject
        record = self.blacklist.get(subject)
        if record is not None:
            if record.retry_at is None:
                return False
            kinds = {mention.kind for mention in mentions}
            return Kind.EARLY_RETRY in kinds or (Kind.RETRY in kinds and record.retry_at <= now.mono)
        member = self.table.get(subject)
        if member is None:
            return True
        kinds = {mention.kind for mention in mentions}
        if (member.failures and Kind.SUSPECT in kinds) or member.left_at is not None:
            return True
        if Kind.SUSPICION in kinds and member.trusted_until <= now.mono:
            return True
        return any(m.entry is not None and m.entry.beats(member.entry) for m in mentions)

    def _mention(
        self, subject: Address, source: Address, kind: Kind, mono: float, entry: Entry, in_reply: bool
    ) -> bool:
        if self.attention.is_in_vain(kind, entry, source, in_reply):
            return False
        # Who speaks of itself sends nobody to a third: no need to keep the cluster from rushing there.
        due = mono if subject == source else mono + self._jitter()
        return self.attention.add(Mention(subject, source, kind, due, entry, in_reply))

    def _jitter(self) -> float:
        return self._rng.uniform(0, self._settings.attention.jitter_rounds * self._settings.gossip.interval_s)

    def _trust(self, member: Member, now: Instant) -> None:
        member.contacted = now.mono
        member.trusted_until = now.mono + self._suspicion_s * self._rng.uniform(0.5, 1.0)

    def _full_for(self, subject: Address) -> str | None:
        gossip = self._settings.gossip
        if len(self.table) >= gossip.max_members:
            return "table_full"
        return "too_many_on_ip" if self.table.count_on(subject.host) >= gossip.max_members_per_ip else None

    def _refuse(self, candidate: Address, reason: str, mono: float) -> list[ev.Event]:
        settings = self._settings.attention
        is_new = self.attention.refuse(candidate, mono + settings.candidate_retry_s)
        # It may call again and again: that does not make a check of it more often than a suspicion would.
        self.attention.cool(candidate, mono + self._suspicion_s)
        return [ev.CandidateRefused(candidate, reason)] if is_new else []

    def _replace(self, member: Member, entry: Entry, source: str, now: Instant) -> list[ev.Event]:
        held = member.entry
        self.table.put(entry, source, now.mono)
        if held.state == entry.state:
            return [ev.EntryRestamped(entry.address, entry.state, entry.timestamp, source)]
        return [ev.StateChanged(entry.address, held.state, entry.state, entry.timestamp, source)]
