from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.entry import Entry
from tests.core_helpers import A, B, close_entries


@pytest.mark.parametrize(
    ("mine", "other", "beats"),
    [
        ((10, 1), (9, 1), True),
        ((9, 1), (10, 1), False),
        ((10, 2), (10, 1), True),  # a tie within one second: the greater state
        ((10, 1), (10, 2), False),
        ((10, 1), (10, 1), False),  # nothing beats itself
        ((10, 0), (9, 9), True),  # time before state
        ((9, 9), (10, 0), False),
        ((1, 0), (0, 0), True),
        ((999_999_999_999, 0), (999_999_999_998, 9), True),
        ((10, 0), (9, 0), True),  # as numbers, not as texts
    ],
)
def test_the_greater_timestamp_then_the_greater_state_wins(
    mine: tuple[int, int], other: tuple[int, int], beats: bool
) -> None:
    assert Entry(A, *mine).beats(Entry(A, *other)) is beats


def test_the_address_decides_nothing() -> None:
    assert not Entry(A, 10, 1).beats(Entry(B, 10, 1))
    assert not Entry(B, 10, 1).beats(Entry(A, 10, 1))


@given(close_entries, close_entries, close_entries)
def test_beats_is_a_total_order(a: Entry, b: Entry, c: Entry) -> None:
    equal = (a.timestamp, a.state) == (b.timestamp, b.state)
    assert [a.beats(b), b.beats(a), equal].count(True) == 1
    if a.beats(b) and b.beats(c):
        assert a.beats(c)


@given(st.lists(st.builds(Entry, st.just(A), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=5))
def test_keeping_the_winner_gives_the_same_in_every_order(entries: list[Entry]) -> None:
    winners = set()
    for order in permutations([*entries, entries[0]]):
        held = order[0]
        for entry in order[1:]:
            held = entry if entry.beats(held) else held
        winners.add(held)
    assert winners == {max(entries, key=lambda entry: (entry.timestamp, entry.state))}


def test_a_line_is_address_timestamp_state_in_ascii_without_spaces() -> None:
    assert Entry(A, 1_630_281_124, 3).line == b"10.0.1.1:5001,1630281124,3"
    assert Entry(A._replace(host="2001:db8::1"), 0, 0).line == b"[2001:db8::1]:5001,0,0"
