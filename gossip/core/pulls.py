"""The pulls under way, and how many checks a round may still make."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from gossip.core.address import Address
from gossip.core.attention import Kind, Mention
from gossip.core.beliefs import Beliefs
from gossip.core.effects import Effect, Pull, Purpose, Schedule, Timer
from gossip.core.instant import Instant
from gossip.core.settings import Settings


@dataclass(slots=True)
class OpenPull:
    """What a pull is for, what peers had said of its peer before it began, and when that was."""

    purpose: Purpose
    claims: list[Mention]
    began: float


class Pulls:
    """At most one pull to any one peer, `max_open_pulls` in all, and a budget of checks a round."""

    def __init__(self, settings: Settings, own: Address, beliefs: Beliefs) -> None:
        self.use(settings)
        self._own = own
        self._beliefs = beliefs
        self._open: dict[Address, OpenPull] = {}
        self._rounds = 0
        self._checks_left = self._settings.checks_per_round_joining
        self._suspicions_left = max(1, self._settings.checks_per_round // 2)
        self._strangers_left = self._checks_left
        self._pokes_left = 2 * settings.gossip.pokes
        self._joining = True
        self._joining_since = 0
        self._knew_nobody = not beliefs.table.members
        self._wake_at = inf

    def use(self, settings: Settings) -> None:
        """Go by these settings from now on, and by their budgets from the next round on."""
        self._settings = settings.attention
        self._gossip = settings.gossip

    @property
    def rounds(self) -> int:
        """How many rounds have begun."""
        return self._rounds

    def __len__(self) -> int:
        return len(self._open)

    def get(self, peer: Address) -> OpenPull | None:
        """Return the open pull from a peer, or None."""
        return self._open.get(peer)

    def may_open(self, peer: Address) -> bool:
        """Tell whether a pull from this address is allowed now."""
        return (
            peer != self._own
            and peer not in self._open
            and not self._beliefs.blacklist.is_blocked(peer)
            and len(self._open) < self._settings.max_open_pulls
        )

    def open(self, peer: Address, purpose: Purpose, now: Instant) -> Pull:
        """Open a pull; whatever waits to be checked of this peer is checked by it."""
        claims = self._beliefs.attention.collect(peer)
        self._open[peer] = OpenPull(purpose, claims, now.mono)
        return Pull(peer, purpose)

    def close(self, peer: Address) -> OpenPull:
        """End a pull; a KeyError means that none was open."""
        return self._open.pop(peer)

    def begin_round(self) -> None:
        """Renew the budget: larger while a node that has just come learns whom there is."""
        beliefs, settings = self._beliefs, self._settings
        self._rounds += 1
        if not beliefs.table.members:
            self._joining, self._joining_since, self._knew_nobody = True, self._rounds, True
        elif not len(beliefs.attention) or self._rounds - self._joining_since > settings.joining_rounds:
            self._joining = False
        self._checks_left = settings.checks_per_round_joining if self._joining else settings.checks_per_round
        self._suspicions_left = max(1, settings.checks_per_round // 2)
        # Who began with nobody has strangers to meet still when the queue is empty for a moment.
        is_young = self._knew_nobody and self._rounds - self._joining_since <= settings.joining_rounds
        self._strangers_left = self._checks_left if is_young else max(1, self._checks_left // 2)
        self._pokes_left = 2 * self._gossip.pokes

    def pokes_left(self) -> int:
        """Return how many pulls the next poke may make, and take them: two pokes a round at most."""
        pokes = min(self._gossip.pokes, self._pokes_left)
        self._pokes_left -= pokes
        return pokes

    def woken(self) -> None:
        """Note that the timer for checks has gone off."""
        self._wake_at = inf

    def launch_checks(self, now: Instant) -> list[Effect]:
        """Open the checks that are due and within the budget, and schedule a look at the next."""
        beliefs, effects = self._beliefs, list[Effect]()
        while self._checks_left > 0 and len(self._open) < self._settings.max_open_pulls:
            suspicions, strangers = self._suspicions_left > 0, self._strangers_left > 0
            mentions = beliefs.attention.take(
                now.mono, self._open, suspicions=suspicions, strangers=strangers
            )
            if not mentions:
                break
            if not beliefs.worth_checking(mentions, now):
                continue
            subject = mentions[0].subject
            self._checks_left -= 1
            self._suspicions_left -= any(mention.kind is Kind.SUSPICION for mention in mentions)
            self._strangers_left -= all(mention.of_stranger for mention in mentions)
            cooldown_s = self._settings.cooldown_rounds * self._gossip.interval_s
            beliefs.attention.cool(subject, now.mono + cooldown_s)
            purpose = Purpose.RETRY if subject in beliefs.blacklist else Purpose.CHECK
            self._open[subject] = OpenPull(purpose, mentions, now.mono)
            effects.append(Pull(subject, purpose))
        if self._checks_left > 0:
            suspicions, strangers = self._suspicions_left > 0, self._strangers_left > 0
            due = beliefs.attention.next_due(now.mono, suspicions=suspicions, strangers=strangers)
            if due < self._wake_at:
                self._wake_at = due
                effects.append(Schedule(Timer.CHECKS, due))
        return effects
