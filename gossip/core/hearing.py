"""What the tables and replies of others do here, and what this node answers to a table.

PROTOCOL.md, sections 1 to 3: a table is decoded line by line; the peer's own entry is first-hand, the rest
is hearsay; a peer that speaks the reply layer is told what it did not know.
"""

from __future__ import annotations

from collections.abc import Sequence

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.beliefs import Beliefs
from gossip.core.convergence import Convergence
from gossip.core.effects import Purpose
from gossip.core.entry import Entry
from gossip.core.inspection import Inspection, inspect
from gossip.core.instant import Instant
from gossip.core.pulls import OpenPull
from gossip.core.reply import Reply, ReplyProblem, cluster_of, compose, lines_unknown_to, read
from gossip.core.settings import Settings
from gossip.core.wire import CUT, Decoded, End, Pulled, Rules, decode

_SUSPECTS_TOLD = 16
_MISMATCH_TOLD_EVERY_S = 60.0
_REFUTATIONS_PER_PEER = 3  # in `attention.distrust_s`
_TAKEN = (ev.MemberAdded, ev.MemberForgiven, ev.StateChanged, ev.EntryRestamped)


class Hearing:
    """Judges what is heard, against the node's beliefs; `leaving` is said in every reply once it is set."""

    def __init__(self, settings: Settings, beliefs: Beliefs) -> None:
        self._settings = settings
        self._beliefs = beliefs
        self._refuted = False
        self._refuted_of: dict[Address, list[float]] = {}  # when, by who held what was refuted
        self._mismatch_told: dict[Address, float] = {}
        self.convergence = Convergence(beliefs.table)
        self.leaving = False

    def use(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._settings = settings

    def begin_round(self, now: Instant) -> None:
        """Allow one refutation more, and forget what is long ago."""
        self._refuted = False
        since = now.mono - self._settings.attention.distrust_s
        for peer, times in list(self._refuted_of.items()):
            if times[-1] <= since:
                del self._refuted_of[peer]
        for peer in [peer for peer, until in self._mismatch_told.items() if until <= now.mono]:
            del self._mismatch_told[peer]

    def table(
        self, peer: Address, pull: OpenPull, pulled: Pulled, now: Instant, *, is_late: bool
    ) -> tuple[list[ev.Event], bytes | None]:
        """Judge a pulled table; return what came of it, PullFinished first, and the reply to send."""
        decoded = self._decode(pulled, peer.is_loopback, now)
        reply: bytes | None = None
        events: list[ev.Event] = []
        theirs = cluster_of(decoded)
        if is_late:
            pass
        elif self._settings.node.cluster and theirs != self._settings.node.cluster:
            events = self._mismatch(peer, theirs, now)
            events += self._beliefs.failed(peer, "cluster_mismatch", now)
        else:
            events = self._first_hand(peer, pull, decoded, now)
            if peer in self._beliefs.table or pull.purpose in (Purpose.JOIN, Purpose.USER):
                events += self._hearsay(peer, decoded.entries, now)
            if decoded.mostly_rejected:
                events += self._beliefs.strike(peer, "rejected_lines", now)
            if pulled.end is End.EMPTY_LINE:
                reply = self._reply_to(peer, decoded, now)
            self.convergence.note(events, now, pull.claims)
            self.convergence.seen(peer, decoded.seen, now, whole=pulled.end not in CUT)
            member = self._beliefs.table.get(peer)
            if member is not None:
                member.took_s = now.mono - pull.began
        taken = sum(isinstance(event, _TAKEN) for event in events)
        return [_pull_finished(peer, pull, pulled, decoded, taken, now), *events], reply

    def inspect(self, peer: Address, pulled: Pulled, now: Instant) -> Inspection:
        """Tell line by line what this node makes of a peer's table, and believe nothing."""
        table, rules = self._beliefs.table, self._rules(peer.is_loopback, now)
        max_lines, cluster = self._settings.pull.max_lines, self._settings.node.cluster
        return inspect(pulled, peer, table.own.address, table.lines, rules, max_lines, cluster)

    def reply(
        self, host: str, pulled: Pulled, now: Instant, vouched: frozenset[str] | None = None
    ) -> list[ev.Event]:
        """Judge what a caller from `host` (its IP) said; `vouched` are the IPs its certificate is for."""
        beliefs, size = self._beliefs, len(pulled.data)
        is_loopback = host.startswith("127.") or host == "::1"
        rules = self._rules(is_loopback, now)
        reply = read(pulled, beliefs.table.lines, rules, self._settings.reply.max_lines)
        if isinstance(reply, ReplyProblem):
            return [ev.ReplyRefused(host, reply, size)]
        caller, own = reply.caller, beliefs.table.own.address
        if caller == own or (caller.host != host and not self._settings.gossip.trust_advertised):
            return [ev.ReplyRefused(host, ReplyProblem.FORGED_FROM, size)]
        if vouched is not None and caller.host not in vouched:
            return [ev.ReplyRefused(host, ReplyProblem.NOT_IN_CERTIFICATE, size)]
        if self._settings.node.cluster and reply.cluster != self._settings.node.cluster:
            return self._mismatch(caller, reply.cluster, now)
        heard = reply.decoded
        events: list[ev.Event] = [
            ev.ReplyRead(caller, size, heard.lines, heard.rejected, len(reply.suspects), reply.leaving)
        ]
        if not reply.leaving:
            events += beliefs.called(caller, now)
        if caller in beliefs.table:
            events += self._hearsay_of_caller(reply, now)
            self.convergence.note(events, now)
            self.convergence.seen(caller, heard.seen, now, whole=False)
        return events

    def _hearsay_of_caller(self, reply: Reply, now: Instant) -> list[ev.Event]:
        beliefs, caller = self._beliefs, reply.caller
        events: list[ev.Event] = []
        for entry in reply.decoded.entries:
            if entry.address == beliefs.table.own.address:
                events += self._refute(entry, caller, now)
            else:
                events += beliefs.hear(entry, caller, now, in_reply=True)
        for suspect in reply.suspects:
            if suspect != caller:
                events += beliefs.suspected(suspect, caller, now)
        if reply.leaving:
            events += beliefs.leaves(caller, now)
        return events

    def _reply_to(self, peer: Address, decoded: Decoded, now: Instant) -> bytes | None:
        """Say what the peer lacks, whom to check, and who is calling; None when it knows all of that."""
        table, settings = self._beliefs.table, self._settings
        lacking = (held for held in table.lacking(decoded.seen) if held[0].address != peer)
        lines = lines_unknown_to(decoded.entries, lacking, settings.reply.max_lines // 2)
        most = min(_SUSPECTS_TOLD, settings.reply.max_lines // 4)
        suspects = self._beliefs.to_suspect(now, most)
        if not (lines or suspects or self.leaving):
            return None
        return compose(table.own.address, settings.node.cluster, lines, suspects, self.leaving)

    def _decode(self, pulled: Pulled, loopback_ok: bool, now: Instant) -> Decoded:
        rules = self._rules(loopback_ok, now)
        return decode(pulled, self._beliefs.table.lines, rules, self._settings.pull.max_lines)

    def _rules(self, loopback_ok: bool, now: Instant) -> Rules:
        latest = now.wall + self._settings.gossip.max_clock_skew_s
        return Rules(self._settings.pull.max_line_bytes, latest, loopback_ok)

    def _first_hand(self, peer: Address, pull: OpenPull, decoded: Decoded, now: Instant) -> list[ev.Event]:
        beliefs = self._beliefs
        beliefs.answered(peer, pull.began, now)
        member = beliefs.table.get(peer)
        word = decoded.word_of(peer, member.entry if member else None)
        if member is not None:
            if word is None:
                return []
        elif word is None or decoded.mostly_rejected:
            return beliefs.not_admitted(peer, "no_own_entry" if word is None else "rejected_lines", now)
        source = next((claim.learned_from for claim in pull.claims if claim.learned_from), str(pull.purpose))
        return beliefs.own_word(word, source, now) + beliefs.judge(pull.claims, word, now)

    def _hearsay(self, peer: Address, entries: Sequence[Entry], now: Instant) -> list[ev.Event]:
        events: list[ev.Event] = []
        for entry in entries:
            if entry.address == self._beliefs.table.own.address:
                events += self._refute(entry, peer, now)
            elif entry.address != peer:
                events += self._beliefs.hear(entry, peer, now)
        return events

    def _refute(self, seen: Entry, peer: Address, now: Instant) -> list[ev.Event]:
        """Stamp the own state so that it beats what a peer holds for this node, at most once a round.

        A liar must not drive the own timestamp on, where others reject it as of the future: it stays within
        half the skew that they allow, and nobody's word leads to it more than a few times in a while.
        """
        table, gossip = self._beliefs.table, self._settings.gossip
        timestamp = max(int(now.wall), seen.timestamp + 1)
        too_far = timestamp > now.wall + gossip.max_clock_skew_s / 2
        if self._refuted or too_far or not seen.beats(table.own):
            return []
        times = self._refuted_of.setdefault(peer, [])
        if len(times) >= _REFUTATIONS_PER_PEER:
            return []
        times.append(now.mono)
        self._refuted = True
        table.set_own(table.own._replace(timestamp=timestamp))
        return [ev.OwnEntryRefuted(peer, seen.timestamp, seen.state, timestamp)]

    def _mismatch(self, peer: Address, theirs: str, now: Instant) -> list[ev.Event]:
        # Beyond the bound nothing is told: somebody makes up addresses.
        full = len(self._mismatch_told) >= self._settings.gossip.max_members
        if peer in self._mismatch_told or full:
            return []
        self._mismatch_told[peer] = now.mono + _MISMATCH_TOLD_EVERY_S
        return [ev.ClusterMismatch(peer, theirs, self._settings.node.cluster)]


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
