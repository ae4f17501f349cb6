from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.selection import Permutation
from tests.core_helpers import A, B, C, nth


def anybody(address: Address) -> bool:
    return True


def deal(permutation: Permutation, live: list[Address], times: int) -> list[Address | None]:
    return [permutation.next(live, anybody) for _ in range(times)]


@given(st.integers(1, 30), st.integers(0, 1000))
def test_every_live_member_is_dealt_once_before_any_is_dealt_twice(members: int, seed: int) -> None:
    permutation, live = Permutation(Random(seed)), [nth(number) for number in range(members)]
    for _ in range(3):
        assert set(deal(permutation, live, members)) == set(live)


def test_the_order_is_random_and_shuffled_anew_each_time() -> None:
    live = [nth(number) for number in range(20)]
    orders = []
    for seed in range(5):
        permutation = Permutation(Random(seed))
        orders += [tuple(deal(permutation, live, 20)) for _ in range(2)]
    assert len(set(orders)) == 10


def test_one_seed_gives_one_order() -> None:
    live = [nth(number) for number in range(20)]
    assert deal(Permutation(Random(7)), live, 60) == deal(Permutation(Random(7)), live, 60)


def test_nobody_is_dealt_when_nobody_is_live() -> None:
    assert Permutation(Random(1)).next([], anybody) is None


def test_who_is_no_longer_live_is_not_dealt() -> None:
    permutation = Permutation(Random(1))
    first = permutation.next([A, B, C], anybody)
    left = [address for address in (A, B, C) if address != first]
    assert permutation.next([left[0]], anybody) == left[0]
    assert permutation.next([left[0]], anybody) == left[0]


def test_a_busy_member_is_passed_over_and_keeps_its_turn() -> None:
    permutation, live = Permutation(Random(1)), [nth(number) for number in range(6)]
    busy = live[2]
    dealt = [permutation.next(live, lambda address: address != busy) for _ in range(5)]
    assert set(dealt) == set(live) - {busy}
    assert permutation.next(live, anybody) == busy


def test_nobody_is_dealt_while_all_are_busy_and_all_are_dealt_after() -> None:
    permutation = Permutation(Random(1))
    assert permutation.next([A, B, C], lambda address: False) is None
    assert set(deal(permutation, [A, B, C], 3)) == {A, B, C}


def test_a_newcomer_is_dealt_in_the_permutation_under_way() -> None:
    for seed in range(20):
        permutation, live = Permutation(Random(seed)), [nth(number) for number in range(10)]
        deal(permutation, live, 5)
        permutation.add(A)
        permutation.add(A)
        assert deal(permutation, [*live, A], 6).count(A) == 1
