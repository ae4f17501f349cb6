"""What an attack may look at, what it yields, and the words in which it says it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.reply import cluster_line, compose

Step = bytes | float  # bytes to send, or seconds to wait


@dataclass(frozen=True, slots=True)
class Scene:
    """The liar's honest knowledge at the moment at which somebody calls it, or is called by it.

    `others` are the members as it believes them, `before` the same when the attack was switched on (own
    entry first), `dead` the last entries of the blacklisted, `aliases` the further addresses at which it
    answers. `caller` is the IP it talks to; `latest` the last timestamp that others take, by its own skew.
    """

    own: Entry
    others: Sequence[Entry]
    table: bytes
    before: Sequence[Entry]
    dead: Sequence[Entry]
    aliases: Sequence[Address]
    victim: Address
    cluster: str
    caller: str
    wall: float
    latest: int
    reply_lines: int
    rng: Random

    @property
    def now(self) -> int:
        """The time as entries have it."""
        return int(self.wall)

    @property
    def one_host(self) -> bool:
        """Whether the caller shares this node's IP: callers then cannot be told apart."""
        return self.caller == self.own.address.host

    @property
    def targets(self) -> Sequence[Entry]:
        """Return whom to lie about; not to somebody about itself, for it would refute that."""
        if self.one_host:
            return self.others
        caller = self.caller
        return [entry for entry in self.others if entry.address.host != caller]

    def tell(self, entries: Iterable[Entry], own: Entry | None = None) -> bytes:
        """Return a whole table: the own entry, honest unless another is given, then these."""
        lines = [(own or self.own).line, *(entry.line for entry in entries)]
        return cluster_line(self.cluster) + b"\n".join(lines) + b"\n\n"

    def reply(self, entries: Iterable[Entry], suspects: Iterable[Address] = ()) -> bytes:
        """Return a reply that says these, as many as a reply may have lines."""
        lines = [entry.line for entry in islice(entries, self.reply_lines)]
        accused = islice(suspects, self.reply_lines - len(lines))
        return compose(self.own.address, self.cluster, lines, accused, leaving=False)


@dataclass(frozen=True, slots=True)
class Attack:
    """An adversarial strategy: what callers get over time, and what it does in one short line.

    `reply` makes what those it pulls from are told (None: the honest reply). It answers at `aliases`
    further addresses too.
    """

    summary: str
    answer: Callable[[Scene], Iterator[Step]]
    reply: Callable[[Scene], bytes] | None = None
    aliases: int = 0


def lying(summary: str, lies: Callable[[Scene], Iterable[Entry]]) -> Attack:
    """Make an attack that says the same kind of lies in tables and in replies, honest about itself."""

    def answer(scene: Scene) -> Iterator[Step]:
        yield scene.tell(lies(scene))

    return Attack(summary, answer, lambda scene: scene.reply(lies(scene)))
