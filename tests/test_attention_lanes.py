"""Whose turn it is in the queue of checks: no flood delays or displaces what others have to say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.attention import Kind
from tests.core_helpers import A, B, C, D, nth
from tests.test_attention import NOBODY, attention, mention, subjects, take_all


def test_who_mentions_thousands_delays_nobody_who_mentions_one() -> None:
    queue = attention()
    for number in range(2000):
        queue.add(mention(nth(number), A))
    queue.add(mention(nth(3000), B))
    queue.add(mention(nth(4000), C))
    assert {nth(3000), nth(4000)} < set(take_all(queue)[:3])


def test_sources_are_served_in_turn() -> None:
    queue = attention()
    for number in range(30):
        queue.add(mention(nth(number), (A, B, C)[number % 3]))
    order = [int(str(address).split(".")[3].split(":")[0]) % 3 for address in take_all(queue)]
    assert all(len(set(order[at : at + 3])) == 3 for at in range(0, 30, 3))


def test_what_the_node_found_out_itself_gets_every_second_turn() -> None:
    queue = attention()
    own = [nth(number) for number in range(5)]
    for number in range(100):
        queue.add(mention(nth(1000 + number), (A, B)[number % 2]))
    for subject in own:
        queue.add(mention(subject, None, Kind.SUSPECT))
    first = [subject in own for subject in take_all(queue)[:10]]
    assert first == [True, False] * 5


def test_an_idle_lane_costs_the_others_no_turn() -> None:
    queue = attention()
    for number in range(4):
        queue.add(mention(nth(number), None, Kind.SUSPECT))
    assert take_all(queue) == [nth(number) for number in range(4)]
    queue.add(mention(A, None, Kind.SUSPECT, due=50.0))
    queue.add(mention(B, C))
    assert take_all(queue) == [B]


def test_one_source_fills_its_own_lane_and_no_more() -> None:
    queue = attention(queue_max=10, queue_max_per_source=4)
    added = [queue.add(mention(nth(number), A)) for number in range(9)]
    assert added == [True] * 4 + [False] * 5
    assert queue.add(mention(nth(0), B))
    assert len(queue) == 5


def test_a_full_queue_makes_room_at_the_cost_of_the_fullest_lane() -> None:
    queue = attention(queue_max=10, queue_max_per_source=10)
    for number in range(9):
        queue.add(mention(nth(number), A))
    queue.add(mention(B, B))
    assert queue.add(mention(C, C))
    assert len(queue) == 10
    assert set(take_all(queue)) == {B, C, *(nth(number) for number in range(8))}  # without the flooder's last


def test_the_fullest_lane_gets_no_more_room_but_the_nodes_own_evidence_does() -> None:
    queue = attention(queue_max=10, queue_max_per_source=10)
    for number in range(10):
        queue.add(mention(nth(number), A))
    assert not queue.add(mention(D, A))
    assert queue.add(mention(D, None, Kind.SUSPECT))
    assert len(queue) == 10


def test_a_peers_tables_replies_and_suspicions_have_lanes_of_their_own() -> None:
    queue = attention(queue_max_per_source=1)
    said = [
        mention(A, D),
        mention(B, D, in_reply=True),
        mention(C, D, Kind.SUSPICION, in_reply=True),
        mention(nth(1), None, Kind.CALLER),
        mention(nth(2), None),
        mention(nth(3), None, Kind.RETRY),
    ]
    assert [queue.add(one) for one in said] == [True] * 6
    full = [mention(nth(9), D), mention(nth(9), D, in_reply=True), mention(nth(9), None, Kind.CALLER)]
    assert [queue.add(one) for one in full] == [False] * 3


def test_each_of_own_evidence_suspicions_and_the_rest_gets_its_turns_when_all_are_flooded() -> None:
    queue = attention()
    kind_of: dict[Address, str] = {}
    for number in range(40):
        for at, (source, kind) in enumerate([(None, Kind.SUSPECT), (A, Kind.SUSPICION), (B, Kind.HINT)]):
            subject = nth(100 * at + number)
            kind_of[subject] = kind
            queue.add(mention(subject, source, kind))
    first = [kind_of[subject] for subject in take_all(queue)[:12]]
    assert first == ["suspect", "suspicion", "suspect", "hint"] * 3


def test_suspicions_go_first_and_share_with_the_rest_without_own_evidence() -> None:
    queue = attention()
    for number in range(10):
        queue.add(mention(nth(number), B))
        queue.add(mention(nth(100 + number), A, Kind.SUSPICION))
    suspected = [subject in {nth(100 + number) for number in range(10)} for subject in take_all(queue)]
    assert suspected == [True, False] * 10


def test_hints_and_strangers_take_turns_whatever_floods() -> None:
    queue = attention()
    for number in range(40):
        queue.add(mention(nth(number), (A, B, C)[number % 3], Kind.CANDIDATE))
    for number in range(100, 103):
        queue.add(mention(nth(number), D, Kind.HINT))
    assert [subject in map(nth, range(100, 103)) for subject in take_all(queue)[:6]] == [True, False] * 3


def test_without_strangers_their_lanes_are_passed_over_and_wait() -> None:
    queue = attention()
    queue.add(mention(nth(1), A, Kind.CANDIDATE))
    queue.add(mention(nth(2), None, Kind.CALLER))
    queue.add(mention(nth(3), A, Kind.EARLY_RETRY))
    queue.add(mention(B, A, Kind.HINT))
    queue.add(mention(C, A, Kind.HINT, due=5.0))
    assert [m.subject for m in queue.take(0.0, NOBODY, strangers=False)] == [B]
    assert queue.take(0.0, NOBODY, strangers=False) == []
    assert queue.next_due(0.0, strangers=False) == 5.0
    assert set(take_all(queue)) == {nth(1), nth(2), nth(3)}
    assert take_all(queue, 5.0) == [C]


def test_what_a_source_hinted_is_dropped_and_nothing_else() -> None:
    queue = attention()
    said = [mention(A, D, Kind.HINT), mention(B, D, Kind.HINT), mention(A, B, Kind.HINT)]
    said += [mention(C, D, Kind.CANDIDATE), mention(C, D, Kind.HINT, in_reply=True)]
    for one in said:
        queue.add(one)
    queue.drop(D, in_reply=False)
    queue.drop(D, in_reply=False)  # nothing is left to drop
    assert len(queue) == 3
    assert {m.source for m in queue.collect(A)} == {B}
    assert sorted(m.in_reply for m in queue.collect(C)) == [False, True]


def test_one_ip_keeps_no_other_strangers_from_being_heard() -> None:
    queue = attention(queue_max_per_source=100)
    flood = [queue.add(mention(Address("6.6.6.6", port), None, Kind.CALLER)) for port in range(1, 3000)]
    assert flood.count(True) == 16
    assert queue.add(mention(A, None, Kind.CALLER))
    assert A in take_all(queue)[:17]


@given(st.lists(st.tuples(st.one_of(st.none(), subjects), st.integers(0, 30).map(nth)), max_size=60))
def test_no_flood_exceeds_the_bounds(flood: list[tuple[Address | None, Address]]) -> None:
    queue, news = attention(queue_max=8, queue_max_per_source=3), 0
    for source, subject in flood:
        news += queue.add(mention(subject, source))
        assert len(queue) <= min(8, news)
    queued = [m.source for _ in flood for m in queue.take(0.0, NOBODY)]
    assert all(queued.count(source) <= 3 for source in (A, B, C, D))
