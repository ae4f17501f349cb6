"""Whether a node is well, and ready: what it must have done, and what takes it away again."""

from __future__ import annotations

import pytest

from gossip.core.effects import Purpose
from gossip.core.events import HintHeard, PullFailed, PullFinished
from gossip.health import BEAT_S, Health
from tests.fake_console import OWN, PEER
from tests.watched import FakeNode, joins

ANSWER = PullFinished(PEER, Purpose.JOIN, 1.0, 60, 2, 1, {}, "closed")


def beats(health: Health, seconds: float) -> None:
    for _ in range(int(seconds / BEAT_S)):
        health.beat()


def alone() -> FakeNode:
    node = FakeNode()
    node.others = []
    return node


def test_a_node_is_well_while_rounds_begin() -> None:
    node = FakeNode()
    health = Health(node, joins())
    for _ in range(50):
        beats(health, 3)
        node.round += 1
        assert health.problem() is None


@pytest.mark.parametrize(("interval_s", "patience_s"), [(0.1, 10), (3, 10), (60, 180)])
def test_it_is_not_when_none_has_begun_for_three_intervals(interval_s: float, patience_s: float) -> None:
    node = FakeNode()
    health = Health(node, joins(interval_s=interval_s))
    beats(health, 1 + patience_s)
    assert health.problem() is None
    health.beat()
    assert health.problem() == (
        f"no round began for {patience_s + 1:g} s; there is one every {interval_s:g} s"
    )
    node.round += 1
    health.beat()
    assert health.problem() is None


def test_a_node_that_stops_begins_no_rounds_and_is_well() -> None:
    node = FakeNode()
    health = Health(node, joins())
    node.stopping.set()
    beats(health, 60)
    assert health.problem() is None


def test_a_crash_is_a_problem_for_good() -> None:
    node = FakeNode()
    health = Health(node, joins())
    node.exit_status = 1
    assert "crashed" in str(health.problem())


def test_who_is_told_to_join_nobody_is_ready_at_once() -> None:
    assert Health(alone(), joins()).obstacle() is None
    assert Health(alone(), joins(str(OWN))).obstacle() is None


def test_who_is_told_to_join_others_is_ready_once_a_member_has_answered() -> None:
    node = alone()
    health = Health(node, joins(str(PEER), "seed.example.org:5001", str(OWN)))
    assert health.obstacle() == "it knows no other member; of node.join (2 named) none was taken yet"
    known, node.others = FakeNode().others, FakeNode().others
    assert health.obstacle() == "no member that it knows of from before has answered yet"
    health.take(PullFailed(PEER, Purpose.JOIN, 1.0, 0, "refused", 1))
    health.take(HintHeard(PEER, str(OWN), 1, 1))
    assert health.obstacle() is not None
    health.take(ANSWER)
    assert health.obstacle() is None

    node.others = []
    assert "no other member" in str(health.obstacle())
    node.others = known
    assert health.obstacle() is None
    node.stopping.set()
    assert health.obstacle() == "it is stopping"


def test_another_interval_and_another_join_count_from_now_on() -> None:
    node = alone()
    health = Health(node, joins())
    health.use(joins(str(PEER), interval_s=20.0))
    assert health.obstacle() is not None
    for _ in range(60):
        health.beat()
    assert health.problem() is None
    health.beat()
    health.beat()
    assert "every 20 s" in (health.problem() or "")
