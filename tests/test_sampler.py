"""Repeats: what passes, what is counted, and that neither lines nor memory grow with a flood."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.events import Event, MemberAdded, ReplyRefused
from gossip.core.reply import ReplyProblem
from gossip.log.catalogue import CATALOGUE
from gossip.log.sampler import Sampler

KINDS = {kind.event: kind for kind in CATALOGUE.values()}


def refused(caller: object, reason: ReplyProblem = ReplyProblem.NO_FROM, size: int = 1) -> ReplyRefused:
    return ReplyRefused(str(caller), reason, size)


def offer(sampler: Sampler, event: Event, now: float) -> bool:
    return sampler.passes(KINDS[type(event)], event, now)


def test_the_first_few_pass_and_the_last_one_stands_for_the_rest() -> None:
    sampler = Sampler(10.0, 3, 8)
    assert [offer(sampler, refused("a", size=n), 100.0 + n) for n in range(6)] == [True] * 3 + [False] * 3
    assert (sampler.next_end(), sampler.due(109.9)) == (110.0, [])
    ((kind, event, times),) = sampler.due(110.0)
    assert (kind.name, event, times) == ("reply_refused", refused("a", size=5), 3)
    assert offer(sampler, refused("a"), 110.0), "a new window"
    assert sampler.next_end() is None, "nothing is held back"


def test_no_report_of_a_loss_is_held_back_for_its_count_would_be_lost() -> None:
    losses = [kind for kind in CATALOGUE.values() if "count" in kind.fields]
    assert {kind.name for kind in losses} >= {"events_dropped", "spool_dropped"}
    assert [kind.name for kind in losses if kind.repeats is not None] == []


def test_other_callers_and_other_reasons_are_other_faults() -> None:
    sampler = Sampler(10.0, 1, 8)
    events = [refused("a"), refused("b"), refused("a", ReplyProblem.BAD_FROM)]
    assert [offer(sampler, event, 0.0) for event in events] == [True] * 3
    assert not any(offer(sampler, event, 1.0) for event in events)
    assert [(event, times) for _, event, times in sampler.due(10.0)] == [(event, 1) for event in events]


def test_the_story_of_the_node_is_never_held_back() -> None:
    sampler = Sampler(10.0, 1, 8)
    assert all(offer(sampler, MemberAdded(Address("10.0.0.2", 1), 1, 2, "pull"), 0.0) for _ in range(99))


def test_a_window_of_no_length_lets_all_pass() -> None:
    sampler = Sampler(0.0, 1, 8)
    assert all(offer(sampler, refused("a"), 0.0) for _ in range(99))


def test_a_flood_from_many_callers_takes_a_bounded_number_of_lines_and_windows() -> None:
    sampler = Sampler(10.0, 5, 8)
    passed = sum(offer(sampler, refused(n % 5000), n / 1000) for n in range(9_999))
    assert passed == 8 * 2 + 5, "two of each of the first eight callers, and five of all others"
    assert len(sampler._windows) == 8 + 1
    assert sum(times for _, _, times in sampler.due(20.0)) == 9_999 - passed
    assert not sampler._windows and not +sampler._keys


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 5), st.booleans()), max_size=60),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_every_event_passes_or_is_counted(
    steps: list[tuple[float, int, bool]], burst: int, max_keys: int
) -> None:
    sampler, now, told, passed = Sampler(7.0, burst, max_keys), 0.0, 0, Counter[bool]()
    for step, caller, is_other in steps:
        now += step
        told += sum(times for _, _, times in sampler.due(now))
        reason = ReplyProblem.BAD_FROM if is_other else ReplyProblem.NO_FROM
        passed[offer(sampler, refused(caller, reason), now)] += 1
        assert len(sampler._windows) <= max_keys + 1
        end = sampler.next_end()
        assert end is None or now < end <= now + 7.0
        assert (end is None) == (passed[False] == told)
    assert passed[False] == told + sum(times for _, _, times in sampler.due(now + 7.0))
