"""One row of the table that `make bench` writes: a figure, its baseline in the same run, and their ratio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal


@dataclass(frozen=True, slots=True)
class Row:
    """`ratios` are those of the single rounds, of which the median counts; `sign` is that of the target."""

    what: str
    measured: str
    baseline: str
    ratios: tuple[float, ...]
    target: float | None = None
    sign: Literal["<=", ">="] = "<="

    @property
    def ratio(self) -> float:
        """The median ratio."""
        return median(self.ratios)

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.ratio <= self.target if self.sign == "<=" else self.ratio >= self.target

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        spread = f" ({min(self.ratios):.3g} to {max(self.ratios):.3g})" if len(self.ratios) > 1 else ""
        target = "" if self.target is None else f"{self.sign.replace('=', '')}= {self.target:g}"
        verdict = {None: "", True: "met", False: "**not met**"}[self.is_met]
        return (self.what, self.measured, self.baseline, f"{self.ratio:.3g}{spread}", target, verdict)


_HEAD = ("what", "measured", "baseline of the same run", "ratio: median (range)", "target", "")


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a table."""
    table = [_HEAD, tuple("---" for _ in _HEAD), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def ms(seconds: float) -> str:
    """Write a duration in milliseconds."""
    return f"{1000 * seconds:.2f} ms"


def us(seconds: float) -> str:
    """Write a duration in microseconds."""
    return f"{1_000_000 * seconds:.1f} µs"


def ns(seconds: float) -> str:
    """Write a duration in nanoseconds."""
    return f"{1_000_000_000 * seconds:.0f} ns"
