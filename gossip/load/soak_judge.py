"""What a soak saw, and whether that is well. Pure.

Growth is judged at rest, between two loads, where a node holds only what it keeps: a load's own
callers and buffers come and go by hundreds. Each rest gives one level, the median of its samples. The
levels of the first loads are left out for memory: until then a process still fills its caches and free lists.

- Memory: the median of the first third of what is left against that of the last third, so that one odd
  rest decides nothing. A steady node wanders by less than 1 MiB, as its allocator keeps or returns pages;
  4 MiB and a tenth are well beyond that, and so are ten minutes in which each pull leaves 150 bytes behind.
- Descriptors: the last third against the rest before any load. Nothing of a load may stay, and the few to
  spare are pulls among the nodes themselves, which rarely are open at the same time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from gossip.load.options import PULLING

RSS_SHARE, RSS_SPARE_BYTES = 0.10, 4 * 1024 * 1024
DESCRIPTORS_SPARE = 8
_WARM_UP_SHARE, _WARM_UP_LEAST = 0.25, 2  # the rest before any load, and that after the first
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Level:
    """What a process holds: bytes of memory, and open descriptors."""

    rss_bytes: float
    descriptors: float


@dataclass(frozen=True, slots=True)
class Burst:
    """One load against one node. `problem` is why there are no figures, for a load that gave none."""

    pulls: int = 0
    lost: Mapping[str, int] = field(default_factory=dict)  # by kind and reason
    p99_ms: float = 0.0
    connections: int = 0
    cpu_us: float = 0.0
    problem: str | None = None


def burst_of(told: Mapping[str, Any]) -> Burst:
    """Read the summary that the load generator gives as JSON."""
    connections = sum(told["connections"].values())
    server = told["server"]
    return Burst(
        pulls=told["pulls"],
        lost={
            f"{kind} {reason}": count
            for kind, reasons in told["errors"].items()
            if kind in PULLING
            for reason, count in reasons.items()
        },
        p99_ms=told["latency_ms"]["p99"],
        connections=connections,
        cpu_us=server["cpu_us_per_pull"] * connections if server else 0.0,
    )


@dataclass(frozen=True, slots=True)
class NodeStory:
    """All that was seen of one node.

    `levels` begins with the one before any load. `events` counts its log by level and name.
    `ended_early` is the exit status of a node that ended by itself, `exit_status` that of the stop, None
    for one that had to be killed. `wrong` says what was not right in its table at the end.
    """

    address: str
    bursts: Sequence[Burst]
    levels: Sequence[Level]
    events: Mapping[tuple[str, str], int]
    ended_early: int | None
    exit_status: int | None
    wrong: str | None

    @property
    def pulls(self) -> int:
        """How many pulls it answered whole."""
        return sum(burst.pulls for burst in self.bursts)

    @property
    def lost(self) -> Counter[str]:
        """Count the pulls that were not answered whole, by kind and reason."""
        return sum((Counter(burst.lost) for burst in self.bursts), Counter())

    @property
    def p99_ms(self) -> float:
        """The p99 of the worst load."""
        return max((burst.p99_ms for burst in self.bursts), default=0.0)

    @property
    def cpu_us_per_pull(self) -> float:
        """Its CPU time under load, shared out over all connections, what pesters included."""
        connections = sum(burst.connections for burst in self.bursts)
        return sum(burst.cpu_us for burst in self.bursts) / max(1, connections)

    @property
    def alarms(self) -> dict[str, int]:
        """The events of its log at warning or above, by name."""
        return {name: n for (level, name), n in self.events.items() if level in ("warning", "error")}


@dataclass(frozen=True, slots=True)
class Growth:
    """A quantity at rest, first and last, and the most that it may be at last."""

    first: float
    last: float
    most: float

    @property
    def is_too_much(self) -> bool:
        return self.last > self.most


def rss_growth(levels: Sequence[Level]) -> Growth | None:
    """Compare memory in bytes after the warm-up with that at the end; None if there are too few levels."""
    settled = [level.rss_bytes for level in levels][_warm_up(levels) :]
    if len(settled) < 2:
        return None
    third = max(1, len(settled) // 3)
    first = median(settled[:third])
    return Growth(first, median(settled[-third:]), first * (1 + RSS_SHARE) + RSS_SPARE_BYTES)


def descriptor_growth(levels: Sequence[Level]) -> Growth | None:
    """Compare descriptors before any load with those at the end; None if there are too few levels."""
    loaded = [level.descriptors for level in levels[1:]]
    if not loaded:
        return None
    first = levels[0].descriptors
    return Growth(first, median(loaded[-max(1, len(loaded) // 3) :]), first + DESCRIPTORS_SPARE)


def _warm_up(levels: Sequence[Level]) -> int:
    return max(_WARM_UP_LEAST, int(_WARM_UP_SHARE * len(levels)))


def failures(story: NodeStory) -> list[str]:
    """Return what is not well with a node, one line each."""
    said = (*_answers(story), *_levels(story), *_life(story), *_end(story))
    return [f"{story.address}: {line}" for line in said]


def _answers(story: NodeStory) -> list[str]:
    said = [f"a load gave no figures: {burst.problem}" for burst in story.bursts if burst.problem]
    if lost := story.lost:
        whys = ", ".join(f"{why} {count:,}" for why, count in sorted(lost.items()))
        said.append(f"{lost.total():,} answers were lost ({whys}), and {story.pulls:,} came whole")
    if story.bursts and not story.pulls:
        said.append("not one pull was answered")
    return said


def _levels(story: NodeStory) -> list[str]:
    said = []
    rss, descriptors = rss_growth(story.levels), descriptor_growth(story.levels)
    if rss and rss.is_too_much:
        said.append(
            f"RSS at rest grew from {rss.first / _MIB:.1f} to {rss.last / _MIB:.1f} MiB, "
            f"over {rss.most / _MIB:.1f}"
        )
    if descriptors and descriptors.is_too_much:
        said.append(
            f"descriptors at rest grew from {descriptors.first:g} to {descriptors.last:g}, "
            f"over {descriptors.most:g}"
        )
    return said


def _life(story: NodeStory) -> list[str]:
    said = [
        f"{count} of {name} in its log"
        for (level, name), count in sorted(story.events.items())
        if level == "error"
    ]
    if story.ended_early is not None:
        return [f"it ended by itself with status {story.ended_early}", *said]
    starts = story.events.get(("info", "listener_started"), 0)
    if starts != 1:
        said.append(f"its log tells of {starts} starts, not of one")
    return said


def _end(story: NodeStory) -> list[str]:
    if story.ended_early is not None:
        return []
    said = [story.wrong] if story.wrong else []
    if story.exit_status is None:
        said.append("it did not end on SIGTERM and was killed")
    elif story.exit_status != 0:
        said.append(f"it ended on SIGTERM with status {story.exit_status}")
    return said
