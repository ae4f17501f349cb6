from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.attention import Attention, Kind, LaneKey, Mention
from gossip.core.entry import Entry
from gossip.core.settings import AttentionSettings
from tests.core_helpers import WALL, A, B, C, D

NOBODY: frozenset[Address] = frozenset()


def attention(**limits: int) -> Attention:
    return Attention(AttentionSettings(**limits))  # type: ignore[arg-type]


def mention(
    subject: Address,
    source: Address | None,
    kind: Kind | None = None,
    due: float = 0.0,
    stamp: int = WALL,
    *,
    in_reply: bool = False,
) -> Mention:
    """Return a hint of a peer or, without a source, what the node found out itself."""
    entry = Entry(subject, stamp, 0) if source else None
    return Mention(subject, source, kind or (Kind.HINT if source else Kind.SUSPECT), due, entry, in_reply)


def take_all(queue: Attention, mono: float = 0.0) -> list[Address]:
    taken = []
    while mentions := queue.take(mono, NOBODY):
        taken.append(mentions[0].subject)
    return taken


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


def test_a_refused_candidate_is_not_queued_for_a_while_and_what_waits_is_dropped() -> None:
    queue = attention()
    queue.add(mention(A, B, Kind.CANDIDATE))
    queue.refuse(A, 10.0)
    assert len(queue) == 0
    assert not queue.add(mention(A, B, Kind.CANDIDATE, due=9.9))
    assert len(queue) == 0
    assert queue.add(mention(A, B, Kind.CANDIDATE, due=10.0))


def test_a_refused_candidate_that_calls_is_queued() -> None:
    queue = attention()
    queue.refuse(A, 10.0)
    assert queue.add(mention(A, None, Kind.CALLER, due=1.0))


@pytest.mark.parametrize(
    ("source", "kind"), [(B, Kind.HINT), (B, Kind.CANDIDATE), (B, Kind.SUSPICION), (None, Kind.CALLER)]
)
def test_hearsay_of_who_cools_down_waits_for_the_end_of_it(source: Address | None, kind: Kind) -> None:
    queue = attention()
    queue.cool(A, 10.0)
    assert queue.add(mention(A, source, kind, due=1.0))
    assert queue.next_due(1.0) == 10.0
    assert queue.take(9.9, NOBODY) == []
    assert len(queue.take(10.0, NOBODY)) == 1


@pytest.mark.parametrize("kind", [Kind.SUSPECT, Kind.RETRY])
def test_first_hand_evidence_knows_no_cooling_down(kind: Kind) -> None:
    queue = attention()
    queue.cool(A, 10.0)
    assert queue.add(mention(A, None, kind, due=1.0))
    assert len(queue.take(1.0, NOBODY)) == 1


def test_a_cooling_down_is_never_shortened_but_ends_with_an_admission() -> None:
    queue = attention()
    queue.cool(A, 100.0)
    queue.cool(A, 10.0)
    queue.refuse(A, 100.0)
    queue.expire(50.0)
    assert not queue.add(mention(A, B, Kind.CANDIDATE, due=50.0))
    queue.add(mention(A, B, due=50.0))
    assert queue.collect(A)[0].due == 100.0
    queue.admit(A)
    assert queue.add(mention(A, B, Kind.CANDIDATE, due=50.0))
    assert queue.collect(A)[0].due == 50.0
    queue.refuse(C, 60.0)
    queue.expire(60.0)
    assert queue.add(mention(C, B, Kind.CANDIDATE, due=55.0))


def test_without_suspicions_their_lanes_are_passed_over_and_nothing_else_is_missed() -> None:
    queue = attention()
    queue.add(mention(A, D, Kind.SUSPICION, due=1.0))
    queue.add(mention(B, D, due=5.0))
    queue.add(mention(C, None, due=7.0))
    assert queue.take(2.0, NOBODY, suspicions=False) == []
    assert queue.next_due(2.0, suspicions=False) == 5.0  # not inf, and no time that has passed
    assert queue.next_due(0.0, suspicions=False) == 5.0
    assert queue.next_due(0.0) == 1.0
    assert [m.subject for m in queue.take(5.0, NOBODY, suspicions=False)] == [B]
    assert [m.subject for m in queue.take(5.0, NOBODY)] == [A]
    assert [m.subject for m in queue.take(7.0, NOBODY, suspicions=False)] == [C]


def test_a_subject_that_is_busy_hides_no_later_one_from_the_timer() -> None:
    queue = attention()
    queue.add(mention(A, D, due=1.0))
    queue.add(mention(B, D, due=5.0))
    assert queue.take(2.0, {A}) == []
    assert queue.next_due(2.0) == 5.0
    assert [m.subject for m in queue.take(2.0, NOBODY)] == [A]


subjects = st.sampled_from([A, B, C, D])
times = st.integers(0, 20).map(float)
actions = st.lists(
    st.one_of(
        st.tuples(
            st.just("add"),
            st.one_of(st.none(), subjects),
            subjects,
            times,
            st.sampled_from([Kind.SUSPICION, Kind.HINT, Kind.SUSPECT]),
        ),
        st.tuples(st.just("take"), st.frozensets(subjects, max_size=2), st.booleans()),
        st.tuples(st.just("collect"), subjects),
    ),
    max_size=30,
)


@given(actions)
def test_taking_at_the_times_of_next_due_never_misses_a_mention(steps: list[tuple[object, ...]]) -> None:
    """`waiting` is the model: when each mention is due, by its lane and subject."""
    queue, waiting, now = attention(), dict[tuple[LaneKey, Address], float](), 0.0

    def of_lanes(suspicions: bool) -> dict[tuple[LaneKey, Address], float]:
        return {key: due for key, due in waiting.items() if suspicions or key[0][0] != "suspicions"}

    def take(busy: frozenset[Address], suspicions: bool = True) -> None:
        while taken := queue.take(now, busy, suspicions=suspicions):
            assert min(m.due for m in taken if suspicions or m.kind is not Kind.SUSPICION) <= now
            assert taken[0].subject not in busy
            for m in taken:
                del waiting[m.lane, m.subject]
            assert not any(subject == taken[0].subject for _, subject in waiting)
        left = of_lanes(suspicions).items()
        assert all(due > now or subject in busy for (_, subject), due in left)

    for step in steps:
        match step:
            case ("add", source, Address() as subject, float() as delay, Kind() as kind):
                said = Mention(subject, source, kind if source else Kind.SUSPECT, now + delay)  # type: ignore[arg-type]
                key = (said.lane, subject)
                waiting[key] = min(said.due, waiting.get(key, inf))
                queue.add(said)
            case ("take", frozenset() as busy, bool() as suspicions):
                due = queue.next_due(now, suspicions=suspicions)
                now = due if due < inf else now
                take(busy, suspicions)
            case ("collect", Address() as subject):
                queue.collect(subject)
                waiting = {key: due for key, due in waiting.items() if key[1] != subject}
        assert len(queue) == len(waiting)
        for suspicions in (True, False):
            later = [due for due in of_lanes(suspicions).values() if due > now]
            assert now < queue.next_due(now, suspicions=suspicions) <= min(later, default=inf)
    take(NOBODY)
    while (due := queue.next_due(now)) < inf:
        assert due > now  # a timer set for it makes progress
        now = due
        take(NOBODY)
    assert not waiting
    assert len(queue) == 0
