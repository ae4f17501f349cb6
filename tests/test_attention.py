from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.attention import Attention, Kind, Mention
from gossip.core.entry import Entry
from gossip.core.settings import AttentionSettings
from tests.core_helpers import WALL, A, B, C, D, nth

NOBODY: frozenset[Address] = frozenset()


def attention(**limits: int) -> Attention:
    return Attention(AttentionSettings(**limits))  # type: ignore[arg-type]


def mention(
    subject: Address, source: Address | None, kind: Kind = Kind.HINT, due: float = 0.0, stamp: int = WALL
) -> Mention:
    return Mention(subject, source, kind, due, Entry(subject, stamp, 0) if source else None)


def take_all(queue: Attention, mono: float = 0.0) -> list[Address]:
    taken = []
    while mentions := queue.take(mono, NOBODY):
        taken.append(mentions[0].subject)
    return taken


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


def test_taking_a_subject_takes_all_mentions_of_it() -> None:
    queue = attention()
    for source in (B, C, None):
        queue.add(mention(A, source))
    queue.add(mention(D, B))
    assert [(m.subject, m.source) for m in queue.take(0.0, NOBODY)] == [(A, B), (A, C), (A, None)]
    assert len(queue) == 1
    assert [m.subject for m in queue.collect(D)] == [D]
    assert queue.collect(D) == []
    assert len(queue) == 0


def test_the_same_again_from_the_same_source_is_no_news_but_the_greater_entry_stays() -> None:
    queue = attention()
    assert queue.add(mention(A, B, due=5.0, stamp=WALL))
    assert not queue.add(mention(A, B, due=9.0, stamp=WALL + 7))
    assert not queue.add(mention(A, B, due=7.0, stamp=WALL + 3))
    (kept,) = queue.take(5.0, NOBODY)
    assert (kept.due, kept.entry) == (5.0, Entry(A, WALL + 7, 0))


def test_nobody_is_taken_before_it_is_due() -> None:
    queue = attention()
    queue.add(mention(A, B, due=5.0))
    assert queue.take(4.99, NOBODY) == []
    assert [m.subject for m in queue.take(5.0, NOBODY)] == [A]


def test_a_busy_subject_waits_and_holds_up_no_other() -> None:
    queue = attention()
    queue.add(mention(A, C))
    queue.add(mention(B, C))
    assert [m.subject for m in queue.take(0.0, {A})] == [B]
    assert queue.take(0.0, {A}) == []
    assert [m.subject for m in queue.take(0.0, NOBODY)] == [A]


def test_a_candidate_that_rests_is_not_queued() -> None:
    queue = attention()
    queue.rest(A, 10.0)
    assert not queue.add(mention(A, B, Kind.CANDIDATE, due=9.9))
    assert len(queue) == 0
    assert queue.add(mention(A, B, Kind.CANDIDATE, due=10.0))


def test_a_hint_of_who_rests_waits_for_the_end_of_the_rest() -> None:
    queue = attention()
    queue.rest(A, 10.0)
    assert queue.add(mention(A, B, Kind.HINT, due=1.0))
    assert queue.next_due == 10.0
    assert queue.take(9.9, NOBODY) == []
    assert len(queue.take(10.0, NOBODY)) == 1


def test_first_hand_evidence_knows_no_rest() -> None:
    queue = attention()
    queue.rest(A, 10.0)
    assert queue.add(mention(A, None, Kind.SUSPECT, due=1.0))
    assert len(queue.take(1.0, NOBODY)) == 1


def test_a_rest_is_never_shortened_but_can_be_ended() -> None:
    queue = attention()
    queue.rest(A, 100.0)
    queue.rest(A, 10.0)
    queue.expire(50.0)
    assert not queue.add(mention(A, B, Kind.CANDIDATE, due=50.0))
    queue.unrest(A)
    assert queue.add(mention(A, B, Kind.CANDIDATE, due=50.0))
    queue.rest(C, 60.0)
    queue.expire(60.0)
    assert queue.add(mention(C, B, Kind.CANDIDATE, due=55.0))


subjects = st.sampled_from([A, B, C, D])
times = st.integers(0, 20).map(float)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.one_of(st.none(), subjects), subjects, times),
        st.tuples(st.just("take"), st.frozensets(subjects, max_size=2)),
        st.tuples(st.just("collect"), subjects),
    ),
    max_size=30,
)


@given(actions)
def test_taking_at_the_times_of_next_due_never_misses_a_mention(steps: list[tuple[object, ...]]) -> None:
    queue, waiting, now = attention(), dict[tuple[object, object], float](), 0.0

    def take(busy: frozenset[Address]) -> None:
        while taken := queue.take(now, busy):
            assert min(m.due for m in taken) <= now
            assert taken[0].subject not in busy
            for m in taken:
                del waiting[m.source, m.subject]
            assert not any(subject == taken[0].subject for _, subject in waiting)
        assert all(due > now or subject in busy for (_, subject), due in waiting.items())

    for step in steps:
        match step:
            case ("add", source, Address() as subject, float() as delay):
                key, due = (source, subject), now + delay
                waiting[key] = min(due, waiting.get(key, inf))
                queue.add(Mention(subject, source, Kind.SUSPECT, due))  # type: ignore[arg-type]
            case ("take", frozenset() as busy):
                now = max(now, queue.next_due) if queue.next_due < inf else now
                take(busy)
            case ("collect", Address() as subject):
                queue.collect(subject)
                waiting = {key: due for key, due in waiting.items() if key[1] != subject}
        assert len(queue) == len(waiting)
        assert queue.next_due <= min(waiting.values(), default=inf)
    while queue.next_due < inf:
        before, now = queue.next_due, max(now, queue.next_due)
        take(NOBODY)
        assert queue.next_due > before  # a timer set for it makes progress
    assert not waiting
    assert len(queue) == 0


@given(st.lists(st.tuples(st.one_of(st.none(), subjects), st.integers(0, 30).map(nth)), max_size=60))
def test_no_flood_exceeds_the_bounds(flood: list[tuple[Address | None, Address]]) -> None:
    queue, news = attention(queue_max=8, queue_max_per_source=3), 0
    for source, subject in flood:
        news += queue.add(mention(subject, source))
        assert len(queue) <= min(8, news)
    queued = [m.source for _ in flood for m in queue.take(0.0, NOBODY)]
    assert all(queued.count(source) <= 3 for source in (A, B, C, D))
