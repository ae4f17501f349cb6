from __future__ import annotations

from itertools import islice
from random import Random

import pytest

from gossip.core import events as ev
from gossip.core.attacks import STRATEGIES, Scene
from gossip.core.effects import Pull, Purpose
from gossip.core.entry import Entry
from gossip.core.wire import Reason
from tests.core_helpers import OWN, WALL, A, World, decode_all


def scene(seed: int = 1) -> Scene:
    own = Entry(OWN, WALL, 3)
    return Scene(own, own.line + b"\n", "10.0.0.9", float(WALL), Random(seed))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_yields_bytes_and_waits_and_one_seed_reproduces_it(name: str) -> None:
    steps = list(islice(STRATEGIES[name](scene()), 100))
    assert steps
    assert all(isinstance(step, bytes) or step >= 0 for step in steps)
    assert list(islice(STRATEGIES[name](scene()), 100)) == steps


def test_garbage_is_the_seeds_sentence_and_no_entry() -> None:
    sent = b"".join(step for step in STRATEGIES["garbage"](scene()) if isinstance(step, bytes))
    assert sent == b"Gossiping something adversarial:)\n"
    assert decode_all(sent).rejected == {Reason.BAD_FIELDS: 1}
    assert decode_all(sent).mostly_rejected


def test_an_honest_node_answers_with_its_table_as_one_piece_of_bytes() -> None:
    world = World()
    world.admit(A)
    assert world.node.answer("10.0.0.9", world.now) is world.node.table()


def test_an_adversarial_node_answers_with_its_strategy_until_it_is_switched_off() -> None:
    world = World()
    assert world.node.set_adversary("garbage").events == [ev.AdversarySet("garbage")]
    answer = world.node.answer("10.0.0.9", world.now)
    assert not isinstance(answer, bytes)
    assert list(answer) == [b"Gossiping something adversarial:)\n"]
    assert world.node.set_adversary("garbage").events == []
    assert world.node.status().strategy == "garbage"
    assert world.node.set_adversary(None).events == [ev.AdversarySet(None)]
    assert world.node.answer("10.0.0.9", world.now) == world.node.table()


def test_the_settings_may_start_a_node_as_an_adversary() -> None:
    world = World(adversary={"on": True})
    assert world.node.status().strategy == "garbage"


def test_an_adversarial_node_goes_on_pulling_and_believing_honestly() -> None:
    world = World()
    world.node.set_adversary("garbage")
    (word,) = world.admit(A)
    assert world.node.entry_of(A) == word
    assert Pull(A, Purpose.ROUND) in world.tick().effects


def test_an_unknown_strategy_is_our_misuse() -> None:
    with pytest.raises(ValueError, match="no such strategy"):
        World().node.set_adversary("kindness")
