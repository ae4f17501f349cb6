"""Whether this node lies, and how: it shows the attack that is on what the node believes honestly.

A liar pulls, and believes, as any other node does; only its answers and its replies are the attack's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from gossip.core import events as ev
from gossip.core.address import Address, split_host_port
from gossip.core.attacks import HARMLESS, STRATEGIES, Scene, Step
from gossip.core.beliefs import Beliefs
from gossip.core.effects import AnswerAt, Effect, Output
from gossip.core.entry import Entry
from gossip.core.instant import Instant
from gossip.core.settings import AdversarySettings, Settings
from gossip.core.wire import ENTRY_LINE_BYTES

_FIRST_PORT, _PORTS = 1024, 65_536 - 1024  # those that need no privilege


def refusal(settings: Settings, strategy: str) -> str | None:
    """Return what would permit a strategy that must not run with these settings, or None if it may run.

    Lies are for a laboratory: beyond this machine only the seed's own go without saying so.
    """
    if strategy == HARMLESS or settings.adversary.allow_remote:
        return None
    for key, address in (("listen", settings.node.listen), ("advertise", settings.node.advertise)):
        if address and not Address(split_host_port(address)[0].strip("[]"), 1).is_loopback:
            return f"a node.{key} on loopback for {strategy}, not {address}, or adversary.allow_remote = true"
    victim = settings.adversary.victim
    if strategy == "reflect" and not Address.parse(victim).is_loopback:
        return f"an adversary.victim on loopback, not {victim}, or adversary.allow_remote = true"
    return None


def summaries(settings: AdversarySettings) -> Mapping[str, str]:
    """Return what each strategy does, by name, the configured one first."""
    names = dict.fromkeys([settings.strategy, *STRATEGIES])
    return {name: STRATEGIES[name].summary for name in names}


class Adversary:
    """The attack that is on, if any, and what it has to remember."""

    def __init__(self, settings: Settings, beliefs: Beliefs, rng: Random) -> None:
        self._settings = settings
        self._beliefs = beliefs
        self._rng = rng
        self._before: tuple[Entry, ...] = ()
        self._others: list[Entry] = []
        self._others_of = -1  # the version of the table that they were taken from
        self.strategy: str | None = None
        self.aliases: tuple[Address, ...] = ()
        if settings.adversary.on:
            self._switch(settings.adversary.strategy)

    def use(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self._settings = settings

    def set(self, strategy: str | None) -> Output:
        """Switch to a strategy, or to honesty for None; say at which further addresses to answer then."""
        if strategy is not None and strategy not in STRATEGIES:
            raise ValueError(f"no such strategy: {strategy}")
        if strategy == self.strategy:
            return Output()
        aliases = self.aliases
        self._switch(strategy)
        orders: list[Effect] = [AnswerAt(self.aliases)] if self.aliases != aliases else []
        return Output(orders, [ev.AdversarySet(strategy)])

    def answer(self, caller: str, now: Instant) -> Iterator[Step] | None:
        """Return what a caller (its IP) gets in place of the table, or None when this node is honest."""
        if self.strategy is None:
            return None
        return STRATEGIES[self.strategy].answer(self._scene(caller, now))

    def reply(self, peer: Address, now: Instant) -> bytes | None:
        """Return what a peer is told in place of the honest reply, or None for the honest one."""
        say = STRATEGIES[self.strategy].reply if self.strategy is not None else None
        return say(self._scene(peer.host, now)) if say is not None else None

    def _switch(self, strategy: str | None) -> None:
        self.strategy = strategy
        self._before = tuple(entry for entry, _ in self._beliefs.table.held())
        self.aliases = self._next_free(STRATEGIES[strategy].aliases) if strategy is not None else ()
        self._others_of = -1

    def _next_free(self, number: int) -> tuple[Address, ...]:
        """Return the addresses on the next ports at which, so far as is known, there is nobody."""
        own, beliefs = self._beliefs.table.own.address, self._beliefs
        free: list[Address] = []
        for step in range(1, _PORTS):
            if len(free) == number:
                break
            address = own._replace(port=_FIRST_PORT + (own.port - _FIRST_PORT + step) % _PORTS)
            if address not in beliefs.table and address not in beliefs.blacklist:
                free.append(address)
        return tuple(free)

    def _scene(self, caller: str, now: Instant) -> Scene:
        table, settings = self._beliefs.table, self._settings
        if table.version != self._others_of:
            _, *others = (entry for entry, _ in table.held())
            self._others = [entry for entry in others if entry.address not in self.aliases]
            self._others_of = table.version
        reply = settings.reply
        return Scene(
            own=table.own,
            others=self._others,
            table=table.render(),
            before=self._before,
            dead=[record.entry for record in self._beliefs.blacklist if record.entry is not None],
            aliases=self.aliases,
            victim=Address.parse(settings.adversary.victim),
            cluster=settings.node.cluster,
            caller=caller,
            wall=now.wall,
            latest=int(now.wall + settings.gossip.max_clock_skew_s),
            reply_lines=min(reply.max_lines - 2, reply.max_bytes // ENTRY_LINE_BYTES - 2),
            rng=self._rng,
        )
