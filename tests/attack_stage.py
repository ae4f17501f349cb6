"""A liar, the node under test and honest peers, all in memory, for the tests of the attacks."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from gossip.core.address import Address
from gossip.core.attacks import STRATEGIES, Scene, Step
from gossip.core.effects import Output, Pull
from gossip.core.entry import Entry
from gossip.core.events import Event
from gossip.core.settings import PullSettings
from gossip.core.wire import End, Failure, Pulled, TableReader
from tests.core_helpers import OWN, REFUSED, WALL, A, B, C, D, World, replies

LIAR = Address("10.0.9.9", 5001)
VICTIM = Address("10.0.8.8", 9)
DEAD = Address("10.0.7.7", 5001)
HONEST = (A, B, C, D)
OTHERS = tuple(Entry(peer, WALL - 50, at) for at, peer in enumerate(HONEST))


def scene(seed: int = 1, **changes: object) -> Scene:
    """Return what a liar knows that has four honest members."""
    own = Entry(LIAR, WALL - 9, 3)
    fields: dict[str, object] = {
        "own": own,
        "others": OTHERS,
        "table": b"".join(entry.line + b"\n" for entry in (own, *OTHERS)) + b"\n",
        "before": (own, *OTHERS[:2]),
        "dead": (Entry(DEAD, WALL - 500, 7),),
        "aliases": tuple(LIAR._replace(port=LIAR.port + 1 + at) for at in range(3)),
        "victim": VICTIM,
        "cluster": "",
        "caller": OWN.host,
        "wall": WALL + 0.5,
        "latest": WALL + 60,
        "reply_lines": 510,
        "rng": Random(seed),
    }
    return Scene(**{**fields, **changes})  # type: ignore[arg-type]


def answer_of(name: str, shown: Scene, limits: PullSettings | None = None) -> Pulled | Failure:
    """Return what a puller gets of an attack's answer."""
    return read_over_time(STRATEGIES[name].answer(shown), limits or PullSettings())


def read_over_time(steps: Iterable[Step], limits: PullSettings) -> Pulled | Failure:
    """Read as a puller does, in virtual time."""
    reader, left_s = TableReader(limits.max_bytes, limits.max_lines), limits.pull_timeout_s
    for step in steps:
        if isinstance(step, bytes):
            end = reader.feed(step)
            if end is not None:
                return reader.pulled(end)
        elif reader.size and step > limits.quiet_s:
            return reader.pulled(End.QUIET)
        else:
            left_s -= step
            if left_s <= 0:
                return reader.pulled(End.TIMEOUT) if reader.has_line else Failure("timeout")
    return reader.pulled(End.CLOSED)


class Stage:
    """The node under test and a liar, who know each other, four honest peers, and one that died."""

    def __init__(self, attack: str | None, trust: str = "verify", seed: int = 1, **sections: dict) -> None:
        sections = {**sections, "gossip": {"trust": trust, **sections.get("gossip", {})}}
        sections["pull"] = {"max_lines": 2000}
        victim = {"adversary": {"victim": str(VICTIM)}}
        self.node = World(seed, **sections)
        self.liar = World(seed + 1, own=LIAR, **{**sections, **victim})
        self.words = dict(zip(HONEST, self.node.admit(*HONEST), strict=True))
        self.liar.admit(*HONEST, OWN)
        self.asked: list[Address] = []
        self.events: list[Event] = []
        self.node.say(LIAR, self.liar.node.own)
        for world in (self.node, self.liar):
            world.admit(DEAD)
            world.node.connect(DEAD, world.now)
            world.fail(DEAD)
        if attack is not None:
            self.liar.node.set_adversary(attack)

    @property
    def believed(self) -> dict[Address, Entry]:
        """What the node believes of the honest."""
        return {peer: entry for peer, entry in self.node.believed().items() if peer in self.words}

    @property
    def strangers(self) -> set[Address]:
        """The node's members that are neither honest nor the liar."""
        return self.node.believed().keys() - self.words.keys() - {LIAR}

    def rounds(self, number: int) -> None:
        """Let the node and the liar pull from each other in each round, besides the node's own pulls."""
        for _ in range(number):
            self.liar.mono += 3.0
            self.carry_out(self.node.tick())
            self.liar_calls()
            if LIAR in self.node.believed():
                self.carry_out(self.node.node.connect(LIAR, self.node.now))

    def liar_calls(self) -> None:
        """Let the liar pull from the node and reply."""
        said = replies(self.liar.pulled(OWN, self.node.node.table().removesuffix(b"\n")))
        if OWN in said:
            self.carry_out(self.node.replied(LIAR.host, said[OWN]))

    def carry_out(self, out: Output) -> None:
        """Do what the node orders: honest peers answer their own entries, nobody else is there."""
        self.events += out.events
        for effect in out.effects:
            if isinstance(effect, Pull):
                self.asked.append(effect.peer)
                self.carry_out(self._pull(effect.peer))

    def answer_to(self, caller: Address) -> Pulled | Failure:
        """Return what a caller gets of the liar."""
        answer = self.liar.node.answer(caller.host, self.liar.now)
        steps = [answer] if isinstance(answer, bytes) else answer
        return read_over_time(steps, self.node.settings.pull)

    def _pull(self, peer: Address) -> Output:
        if peer in self.words:
            return self.node.answer(peer, self.words[peer])
        result: Pulled | Failure = REFUSED
        if peer.host == LIAR.host:
            result = self.answer_to(OWN)
        if isinstance(result, Failure):
            return self.node.fail(peer, result)
        return self.node.node.handle_table(peer, result, self.node.now)
