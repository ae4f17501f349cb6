"""Joining: who of `node.join` is asked, and when those that did not answer are asked again."""

from __future__ import annotations

import pytest

from gossip.core.effects import Join, Pull, Purpose
from tests.core_helpers import OWN, A, B, C, D, World, pulls

NAMES = {"join": ("one.example:5001", "two.example:5001")}
ROUND_S = 3.0


def joined_through_a(**sections: dict[str, object]) -> World:
    """Return a node that asked A and B to join, of which A answered and B did not."""
    world = World(node=NAMES, **sections)
    world.node.handle_start(world.now)
    world.node.handle_join([A, B], world.now)
    world.fail(B)
    world.answer(A, world.word(A))
    return world


def rounds_asked(world: World, rounds: int) -> list[int]:
    """Return the rounds in which the names are asked for, while A goes on answering and B does not."""
    asked = []
    for number in range(1, rounds + 1):
        out = world.tick(ROUND_S)
        for peer in pulls(out.effects):
            world.answer(peer, world.word(peer))
        if Join() in out.effects:
            asked.append(number)
            assert world.node.handle_join([A, B], world.now).effects == [Pull(B, Purpose.JOIN)]
            world.fail(B)
    return asked


def test_who_did_not_answer_is_asked_again_after_waits_that_double() -> None:
    assert rounds_asked(joined_through_a(), 70) == [1, 3, 7, 15, 31, 63]


def test_the_waits_end_at_the_longest_of_the_blacklist() -> None:
    world = joined_through_a(blacklist={"blacklist_max_s": 4 * ROUND_S})
    assert rounds_asked(world, 30) == [1, 3, 7, 11, 15, 19, 23, 27]


def test_waits_are_never_shorter_than_a_round() -> None:
    assert rounds_asked(joined_through_a(blacklist={"blacklist_max_s": 0.05}), 5) == [1, 2, 3, 4, 5]


def test_members_and_the_blacklisted_are_not_pulled_to_join_again() -> None:
    world = joined_through_a()
    world.node.connect(C, world.now)
    world.fail(C)
    assert C in world.blacklisted()
    assert world.node.handle_join([D, A, C, OWN, D], world.now).effects == [Pull(D, Purpose.JOIN)]


def test_a_failed_try_after_joining_counts_for_nothing() -> None:
    world = joined_through_a()
    world.node.handle_join([B], world.now)
    world.fail(B)
    assert world.blacklisted() == {}
    world.node.handle_join([B], world.now)
    world.answer(B, world.word(B))
    assert set(world.believed()) == {A, B}


def test_a_node_that_is_alone_again_asks_in_every_round_and_begins_with_short_waits_anew() -> None:
    world = joined_through_a()
    assert rounds_asked(world, 20) == [1, 3, 7, 15]
    world.node.connect(A, world.now)
    world.fail(A)
    assert world.believed() == {}
    assert [Join() in world.tick(ROUND_S).effects for _ in range(3)] == [True] * 3
    world.node.handle_join([A], world.now)
    world.answer(A, world.word(A))
    assert rounds_asked(world, 8) == [1, 3, 7]


@pytest.mark.parametrize("names", [(), NAMES["join"]])
def test_only_a_node_that_has_names_asks_for_them(names: tuple[str, ...]) -> None:
    world = World(node={"join": names})
    world.admit(A)
    asked = [Join() in world.tick(ROUND_S).effects for _ in range(40)]
    assert any(asked) is bool(names)
