"""What a run is made of: the cluster, its network and clocks, its liars, and what happens when.

A value of these says everything: the same Scenario gives the same Result. `reading.py` reads them from TOML.
Rounds are counted from the end of the warm-up; durations end in `_s` (seconds) or `_rounds`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from gossip.core.attacks import STRATEGIES
from gossip.core.settings import Range, Settings

_Share = Annotated[float, Range(0, 1)]
_Rounds = Annotated[float, Range(0, 1_000_000)]
NODES_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Links:
    """The network between any two nodes, as long as no fault makes it worse."""

    delay: Literal["uniform", "long_tail"] = "uniform"
    delay_low_s: Annotated[float, Range(0, 60)] = 0.0005
    delay_high_s: Annotated[float, Range(0, 60)] = 0.005
    loss: _Share = 0.0  # of connections, which are reset at once
    truncated: _Share = 0.0  # of honest tables, which a reset cuts somewhere
    replies_lost: _Share = 0.0
    one_way: _Share = 0.0  # of ordered pairs: the first cannot call the second, in the whole run


@dataclass(frozen=True, slots=True)
class Clocks:
    """How wrong clocks are: each node's is off by up to this much either way."""

    offset_s: Annotated[float, Range(0, 1_000_000)] = 0.0  # of the wall clock
    drift: Annotated[float, Range(0, 0.1)] = 0.0  # of both clocks: 0.0001 is 8.6 s a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that happens at a round."""

    at_round: _Rounds = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen(Fault):
    """Something that happens to nodes: a number or a share of them, drawn at random, or all of a rack."""

    count: Annotated[int, Range(0, NODES_MAX)] = 0
    share: _Share = 0.0
    rack: Annotated[int, Range(0, NODES_MAX)] = 0  # racks are numbered from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Chosen):
    """Nodes stop, one every `every_rounds`, and come back `for_rounds` later, or never for 0.

    A crashed node refuses connections, a silent one swallows them, and one that leaves says so first. With
    `keep` it comes back with what it had in its data folder.
    """

    how: Literal["crash", "silent", "leave"] = "crash"
    every_rounds: _Rounds = 0.0
    for_rounds: _Rounds = 0.0
    keep: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition(Chosen):
    """These nodes are cut off from all others; one way: they can call others and are not reached."""

    for_rounds: _Rounds = 10.0
    one_way: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(Chosen):
    """Whatever these nodes send takes so much longer."""

    for_rounds: _Rounds = 10.0
    delay_s: Annotated[float, Range(0, 600)] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clog(Chosen):
    """Only so much a second gets through to and from these nodes, on each connection."""

    for_rounds: _Rounds = 10.0
    bytes_per_s: Annotated[int, Range(1, 1_000_000_000)] = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm(Fault):
    """Everywhere, so many more connections fail, tables are cut and replies are lost."""

    for_rounds: _Rounds = 10.0
    loss: _Share = 0.5
    truncated: _Share = 0.0
    replies_lost: _Share = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJump(Chosen):
    """The wall clock of these nodes is set forward, or back."""

    jump_s: Annotated[float, Range(-1_000_000, 1_000_000)] = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomers(Fault):
    """Nodes that nobody knows come and join, one every `every_rounds`."""

    count: Annotated[int, Range(1, NODES_MAX)] = 1
    every_rounds: _Rounds = 0.0


KINDS: dict[str, type[Fault]] = {
    "stop": Stop,
    "partition": Partition,
    "slow": Slow,
    "clog": Clog,
    "storm": Storm,
    "clock_jump": ClockJump,
    "newcomers": Newcomers,
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run: warm-up, `rounds` with faults, and then, all faults over, convergence.

    `news` changes of random honest nodes begin one every `news_every_rounds`. `liars` is a share, spread
    evenly over the racks. `victim` is an address outside whose pulls are counted.
    `converge_rounds` bounds the last phase; 0 derives it from the settings.
    """

    story: str = ""
    nodes: Annotated[int, Range(2, NODES_MAX)] = 100
    racks: Annotated[int, Range(1, NODES_MAX)] = 1
    start: Literal["together", "joining"] = "together"
    warm_up_rounds: _Rounds = 3.0
    rounds: _Rounds = 30.0
    converge_rounds: _Rounds = 0.0
    news: Annotated[int, Range(0, 1_000_000)] = 5
    news_every_rounds: _Rounds = 1.0
    liars: _Share = 0.0
    attack: str = "garbage"
    victim: str = "203.0.113.1:80"
    seed: Annotated[int, Range(0, 2**63 - 1)] = 1
    links: Links = field(default_factory=Links)
    clocks: Clocks = field(default_factory=Clocks)
    faults: tuple[Fault, ...] = ()
    settings: Settings = field(default_factory=Settings)

    @property
    def liars_count(self) -> int:
        """How many nodes lie; somebody is always honest."""
        return min(self.nodes - 1, round(self.liars * self.nodes))

    @property
    def rounds_to_converge(self) -> float:
        """How many rounds after the last fault all must agree.

        The longest back-off is over by then, and each has pulled from each, whatever liars do: from all their
        aliases, too.
        """
        if self.converge_rounds:
            return self.converge_rounds
        settings = self.settings
        waits_s = 1.25 * settings.blacklist.blacklist_max_s + settings.attention.candidate_retry_s
        members = self.nodes + self.liars_count * STRATEGIES[self.attack].aliases
        return 100 + 2 * members + waits_s / settings.gossip.interval_s
