"""The histogram against sorted lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.load.histogram import Histogram, rank_of

VALUES = st.lists(st.one_of(st.integers(0, 5000), st.integers(0, 2**40)), max_size=200)
SHARES = st.one_of(st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999, 1.0]), st.floats(0, 1))


def of(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(VALUES.filter(bool), SHARES)
def test_a_quantile_is_the_sorted_one_to_three_digits(values: list[int], share: float) -> None:
    exact = sorted(values)[rank_of(share, len(values)) - 1]
    found = of(values).quantile(share)
    assert exact <= found <= exact + exact / 1024
    if exact < 2048:
        assert found == exact


@given(VALUES)
def test_count_greatest_and_mean_are_exact(values: list[int]) -> None:
    histogram = of(values)
    assert histogram.count == len(values)
    assert histogram.max == max(values, default=0) == histogram.quantile(1.0)
    assert histogram.mean == (sum(values) / len(values) if values else 0.0)


@given(VALUES, VALUES, SHARES)
def test_merged_is_as_if_recorded_in_one(first: list[int], second: list[int], share: float) -> None:
    merged, one = of(first), of(first + second)
    merged.merge(of(second))
    assert merged.quantile(share) == one.quantile(share)
    assert (merged.count, merged.total, merged.max) == (one.count, one.total, one.max)


@given(VALUES, SHARES, SHARES)
def test_a_greater_share_is_never_less(values: list[int], one: float, other: float) -> None:
    histogram = of(values)
    assert histogram.quantile(min(one, other)) <= histogram.quantile(max(one, other))


def test_memory_is_of_digits_and_not_of_values() -> None:
    histogram = of([*range(100_000), *range(10**9, 10**9 + 100_000)])
    assert len(histogram._counts) < 10_000


@pytest.mark.parametrize(
    ("share", "count", "rank"), [(0.07, 100, 7), (0.999, 1000, 999), (0, 5, 1), (1, 5, 5), (0.5, 3, 2)]
)
def test_rank(share: float, count: int, rank: int) -> None:
    assert rank_of(share, count) == rank


def test_what_is_below_nothing_is_our_bug() -> None:
    with pytest.raises(ValueError, match="from 0 up"):
        Histogram().record(-1)
