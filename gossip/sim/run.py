"""One run of a scenario, from its seed to its result: `run(scenario)`.

Warm-up, then faults and lies, then no faults: from then on all honest live nodes must come to agree.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from random import Random

from gossip.core.address import Address
from gossip.sim.actor import Actor
from gossip.sim.cast import Cast
from gossip.sim.checkers import Beliefs, Budgets, OwnTimestamps, Truth, Violation
from gossip.sim.faults import Faults
from gossip.sim.meters import Deaths, News, Verdicts
from gossip.sim.results import Result
from gossip.sim.scenario import Scenario
from gossip.sim.world import World

_AUDIT_EVERY = 16  # rounds between two audits of one table
_COLLECT_EVERY = 200_000  # objects
Progress = Callable[[float], None]


def run(scenario: Scenario, on_progress: Progress | None = None) -> Result:
    """Run a scenario and return what was found, a violation too; `on_progress` is told the share done."""
    with _rare_collections():
        stage = _Stage(scenario)
        violation = None
        try:
            stage.play(on_progress or (lambda _: None))
        except Violation as found:
            violation = f"{found} (round {stage.world.now / stage.interval_s:.2f})"
        return stage.result(violation)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect garbage rarely: to look through tables, which have no cycles, takes a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(_COLLECT_EVERY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Stage:
    """A world with the scenario's cast, faults, checkers and meters."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.interval_s = scenario.settings.gossip.interval_s
        self.world = world = World(scenario.seed, scenario.links)
        self._rng = Random(f"{scenario.seed} plot")
        self._cast = Cast(world, scenario, Random(f"{scenario.seed} cast"))
        self._truth = Truth(set(self._cast.liars))
        world.on_aliases(self._truth.listens)
        # In this order: what is believed of somebody is judged after what it says of itself is known.
        OwnTimestamps(world, self._truth)
        # Among liars, `hearsay` may be poisoned: that is what it is measured for.
        self._must_agree = scenario.settings.gossip.trust == "verify" or not self._cast.liars
        self._beliefs = Beliefs(world, self._truth, strict=self._must_agree)
        Budgets(world)
        self._news = News(world, self._truth)
        self._deaths = Deaths(world, self._truth.liars)
        self._verdicts = Verdicts(world, self._truth.liars)
        faults_rng = Random(f"{scenario.seed} faults")
        self._faults = Faults(world, self._cast, scenario, faults_rng, self._deaths, self._lie)
        self._lying = False
        self._poisoned: list[float] = []
        self._converged: float | None = None
        self._round = 0
        self._first_to_ask: Actor | None = None
        self._connections = self._bytes = 0
        self._cast.start()

    def play(self, on_progress: Progress) -> None:
        """Play all of it; raise Violation when something does not hold."""
        scenario, world = self._scenario, self.world
        in_all = scenario.warm_up_rounds + scenario.rounds
        for at in self._rounds_until(scenario.warm_up_rounds):
            on_progress(at / in_all)
        self._lying = True
        for liar in self._cast.addresses:
            self._lie(liar)
        for at in range(scenario.news):
            when = world.now + at * scenario.news_every_rounds * self.interval_s
            world.at(when, self._change)
        self._faults.begin()
        before, before_bytes = world.connections, world.bytes
        for at in self._rounds_until(in_all):
            on_progress(at / in_all)
        self._connections, self._bytes = world.connections - before, world.bytes - before_bytes
        self._faults.heal()
        if self._must_agree:
            self._converge()
        self._deaths.finish()
        for actor in world.actors.values():
            if actor.alive:
                self._beliefs.audit(actor)

    def result(self, violation: str | None) -> Result:
        """Return what was found so far."""
        world, interval_s, scenario = self.world, self.interval_s, self._scenario
        items, verdicts = self._news.items, self._verdicts
        known = tuple(item.took_s / interval_s for item in items if item.took_s is not None)
        liars = scenario.liars_count
        pairs = (scenario.nodes - liars) * liars
        victim = Address.parse(scenario.victim)
        return Result(
            seed=scenario.seed,
            nodes=scenario.nodes,
            liars=liars,
            interval_s=interval_s,
            rounds=scenario.rounds,
            member_hours=(scenario.nodes - liars) * world.now / 3600,
            news=known,
            unknown=len(items) - len(known),
            deaths=tuple(took / interval_s for took in self._deaths.took_s),
            deaths_all=tuple(took / interval_s for took in self._deaths.until_all_s),
            missed=self._deaths.missed,
            wrong=verdicts.wrong,
            strikes=verdicts.strikes,
            distrusted=verdicts.distrusted,
            caught=len(verdicts.liars_caught) / pairs if pairs else 0.0,
            connections=self._connections,
            bytes=self._bytes,
            outside=sum(world.pulls_outside.values()),
            victim=world.pulls_outside.get(victim, 0),
            poisoned=tuple(self._poisoned),
            converged=self._converged,
            violation=violation,
        )

    def _rounds_until(self, rounds: float) -> Iterator[int]:
        """Let round after round pass, each sampled and partly audited; yield their numbers."""
        while self._round < rounds:
            self._round += 1
            self.world.run_until(min(self._round, rounds) * self.interval_s)
            self._poisoned.append(self._beliefs.share())
            self._news.settle()
            for at, actor in enumerate(self.world.actors.values()):
                if actor.alive and (at + self._round) % _AUDIT_EVERY == 0:
                    self._beliefs.audit(actor)
            yield self._round

    def _lie(self, address: Address) -> None:
        """Let a liar that is up begin, or begin again, to lie; an honest node goes on as it is."""
        actor = self.world.actors[address]
        if self._lying and address in self._cast.liars and actor.alive:
            self.world.carry_out(actor, actor.node.set_adversary(self._scenario.attack))

    def _change(self) -> None:
        world = self.world
        honest = [actor for actor in self._honest() if actor.alive]
        if honest:
            origin = self._rng.choice(honest)
            out = origin.node.set_state(self._rng.randint(0, 9), world.instant(origin))
            self._news.begin(origin)
            world.carry_out(origin, out)

    def _honest(self) -> list[Actor]:
        return [each for address, each in self.world.actors.items() if address not in self._truth.liars]

    def _converge(self) -> None:
        """Wait until all honest live nodes hold each other's last word; Violation when that takes long."""
        healed = self._round
        most = self._scenario.rounds_to_converge
        for at in count():
            lacking = self._lacking()
            if lacking is None:
                self._converged = float(self._round - healed)
                return
            if at >= most:
                raise Violation(f"no agreement {at} rounds after the last fault: {lacking}")
            for _ in self._rounds_until(self._round + 1):
                pass

    def _lacking(self) -> str | None:
        """Say who does not hold whose last word, or return None when all agree."""
        live = [actor for actor in self._honest() if actor.alive]
        words = {actor.node.own.line: actor for actor in live}
        # Whoever was the last to lack something is asked first: most often it lacks something still.
        live.sort(key=lambda actor: actor is not self._first_to_ask)
        for actor in live:
            lacks = words.keys() - set(actor.node.table().split(b"\n"))
            if lacks:
                self._first_to_ask = actor
                line = min(lacks).decode()
                return f"{actor.address} does not hold {line}"
        return None
