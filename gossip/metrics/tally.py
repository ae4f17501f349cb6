"""Numbers that only grow: cheap to add to, put into Prometheus's form when somebody looks.

Every series is there from the start, with 0, so that its first increase is seen, and no others are ever
made: a stranger decides what happens here, and must not decide how much is kept of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, product

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

OTHER = "other"


class Tally:
    """A counter; `labels` are their names with all their values."""

    def __init__(self, name: str, meaning: str, **labels: Sequence[str]) -> None:
        self._name = name
        self._meaning = meaning
        self._labels = tuple(labels)
        self._numbers: dict[tuple[str, ...], float] = dict.fromkeys(product(*labels.values()), 0)

    def add(self, *values: str, by: float = 1) -> None:
        """Count; a last label's value that was not declared is `other`."""
        if values not in self._numbers:
            values = (*values[:-1], OTHER)
        self._numbers[values] += by

    def family(self) -> CounterMetricFamily:
        """Return the numbers as they are now."""
        family = CounterMetricFamily(self._name, self._meaning, labels=self._labels)
        for values, number in self._numbers.items():
            family.add_metric(values, number)
        return family


class Spread:
    """A histogram; `bounds` are the upper bounds of its buckets, in growing order."""

    def __init__(self, name: str, meaning: str, bounds: Sequence[float], **labels: Sequence[str]) -> None:
        self._name = name
        self._meaning = meaning
        self._bounds = tuple(bounds)
        self._shown = (*map(floatToGoString, bounds), "+Inf")
        self._labels = tuple(labels)
        self._counts = {values: [0] * len(self._shown) for values in product(*labels.values())}
        self._sums: dict[tuple[str, ...], float] = dict.fromkeys(self._counts, 0.0)

    def observe(self, value: float, *values: str) -> None:
        """Count a value under these values of the labels."""
        self._counts[values][bisect_left(self._bounds, value)] += 1
        self._sums[values] += value

    def family(self) -> HistogramMetricFamily:
        """Return the buckets as they are now."""
        family = HistogramMetricFamily(self._name, self._meaning, labels=self._labels)
        for values, counts in self._counts.items():
            buckets = list(zip(self._shown, accumulate(counts), strict=True))
            family.add_metric(values, buckets, self._sums[values])
        return family
