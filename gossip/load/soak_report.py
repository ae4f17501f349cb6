"""What a soak found, as lines to read or as one JSON object, and its verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gossip.load.soak_judge import Growth, NodeStory, descriptor_growth, failures, rss_growth

_MIB = 1024 * 1024
_HEADS = ("node", "pulls", "lost", "p99 ms", "CPU µs", "RSS MiB", "descriptors", "warnings")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One soak. An interrupted one never passes, and is not blamed for what it had no time for."""

    stories: Sequence[NodeStory]
    loads: int
    changes: int
    elapsed_s: float
    interrupted: bool

    @property
    def failures(self) -> list[str]:
        """What was not well, one line each."""
        said = [line for story in self.stories for line in failures(story)]
        if not self.interrupted:
            said += [
                f"{story.address}: growth could not be judged, with {len(story.levels)} rests"
                for story in self.stories
                if story.ended_early is None and rss_growth(story.levels) is None
            ]
        return said

    @property
    def has_passed(self) -> bool:
        return not self.failures and not self.interrupted


def as_lines(verdict: Verdict) -> list[str]:
    """Return a table of the nodes, and PASS or what was not well."""
    rows = [_HEADS, *(_row(story) for story in verdict.stories)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    after = (
        f"{verdict.loads} loads on {len(verdict.stories)} nodes, {verdict.changes} changes of state, "
        f"{verdict.elapsed_s:.0f} s"
    )
    if verdict.has_passed:
        return [*table, f"PASS: {after}"]
    said = [f"FAIL: {line}" for line in verdict.failures]
    if verdict.interrupted:
        said.append(f"INTERRUPTED, which is no pass: these are the figures so far: {after}")
    return [*table, *said]


def _row(story: NodeStory) -> tuple[str, ...]:
    return (
        story.address,
        f"{story.pulls:,}",
        f"{story.lost.total():,}",
        f"{story.p99_ms:.1f}",
        f"{story.cpu_us_per_pull:.0f}",
        _from_to(rss_growth(story.levels), 1 / _MIB, ".1f"),
        _from_to(descriptor_growth(story.levels), 1, "g"),
        ", ".join(f"{name} {count:,}" for name, count in sorted(story.alarms.items())) or "none",
    )


def _from_to(growth: Growth | None, unit: float, form: str) -> str:
    return f"{growth.first * unit:{form}} to {growth.last * unit:{form}}" if growth else "too short"


def as_json(verdict: Verdict) -> dict[str, object]:
    """Return the same as what JSON can hold; units are in the names."""
    return {
        "passed": verdict.has_passed,
        "failures": verdict.failures,
        "interrupted": verdict.interrupted,
        "elapsed_s": round(verdict.elapsed_s, 3),
        "loads": verdict.loads,
        "changes": verdict.changes,
        "nodes": [
            {
                "address": story.address,
                "pulls": story.pulls,
                "lost": dict(story.lost),
                "p99_ms_worst": story.p99_ms,
                "cpu_us_per_pull": round(story.cpu_us_per_pull, 1),
                "rss_bytes": _pair(rss_growth(story.levels)),
                "descriptors": _pair(descriptor_growth(story.levels)),
                "warnings": story.alarms,
                "exit_status": story.exit_status if story.ended_early is None else story.ended_early,
            }
            for story in verdict.stories
        ],
    }


def _pair(growth: Growth | None) -> Mapping[str, float] | None:
    return {"first": growth.first, "last": growth.last, "most": growth.most} if growth else None
