"""A node that is told to lie, and where it refuses to."""

from __future__ import annotations

from typing import Any

import pytest

from gossip.config import ConfigError, load_settings
from gossip.core import events as ev
from gossip.core.adversary import refusal, summaries
from gossip.core.attacks import STRATEGIES
from gossip.core.effects import AnswerAt, Pull, Purpose
from gossip.core.settings import AdversarySettings
from tests.core_helpers import OWN, A, World, make_settings


def test_an_honest_node_answers_with_its_table_as_one_piece_of_bytes() -> None:
    world = World()
    world.admit(A)
    assert world.node.answer("10.0.0.9", world.now) is world.node.table()


def test_a_node_lies_until_it_is_switched_off() -> None:
    world = World()
    assert world.node.set_adversary("garbage").events == [ev.AdversarySet("garbage")]
    assert list(world.node.answer("10.0.0.9", world.now)) == [b"Gossiping something adversarial:)\n"]
    assert world.node.set_adversary("garbage").events == []
    assert world.node.status().strategy == "garbage"
    assert world.node.set_adversary(None).events == [ev.AdversarySet(None)]
    assert world.node.answer("10.0.0.9", world.now) == world.node.table()


def test_the_settings_may_start_a_node_as_an_adversary() -> None:
    world = World(adversary={"on": True, "strategy": "frame"})
    assert world.node.status().strategy == "frame"
    (order,) = (e for e in world.node.handle_start(world.now).effects if isinstance(e, AnswerAt))
    assert order.addresses == tuple(OWN._replace(port=port) for port in range(5002, 5006))


def test_aliases_take_the_next_ports_where_nobody_is_known_and_end_with_the_attack() -> None:
    high = OWN._replace(port=65_533)
    world = World(own=high)
    world.admit(high._replace(port=65_534), high._replace(port=1024))
    (order,) = world.node.set_adversary("frame").effects
    assert order == AnswerAt(tuple(high._replace(port=port) for port in (65_535, 1025, 1026, 1027)))
    assert len(world.node.set_adversary("sybil_listening").effects[0].addresses) == 32  # type: ignore[union-attr]
    assert world.node.set_adversary("forge").effects == [AnswerAt(())]
    assert world.node.set_adversary("stale").effects == []


def test_a_liar_goes_on_pulling_and_believing_honestly() -> None:
    world = World()
    world.node.set_adversary("garbage")
    (word,) = world.admit(A)
    assert world.node.entry_of(A) == word
    assert Pull(A, Purpose.ROUND) in world.tick().effects


def test_an_unknown_strategy_is_our_misuse() -> None:
    with pytest.raises(ValueError, match="no such strategy"):
        World().node.set_adversary("kindness")


# Where it refuses to.

OUTSIDE = ("node.listen=10.0.0.7:5001", "adversary.on=true")
WILDCARD = ("node.listen=0.0.0.0:5001", "node.advertise=10.0.0.7:5001", "adversary.on=true")
PERMIT = "or adversary.allow_remote = true"


@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - {"garbage"}))
def test_no_attack_but_the_seeds_starts_beyond_loopback_unpermitted(name: str) -> None:
    sets = [*OUTSIDE, f"adversary.strategy={name}"]
    with pytest.raises(ConfigError) as refused:
        load_settings(sets=sets)
    needs = f"expected a node.listen on loopback for {name}, not 10.0.0.7:5001, {PERMIT}"
    assert str(refused.value) == f"--set adversary.strategy={name}: {needs}"
    assert load_settings(sets=[*sets, "adversary.allow_remote=true"]).adversary.on
    assert load_settings(sets=[*OUTSIDE, "adversary.strategy=garbage"]).adversary.on


@pytest.mark.parametrize(
    ("sets", "blamed", "needs"),
    [
        (WILDCARD, "adversary.on=true", "a node.listen on loopback for forge, not 0.0.0.0:5001"),
        (
            ("node.listen=[::]:5001", "adversary.on=true", "node.advertise=[::1]:5001"),
            "node.advertise=[::1]:5001",
            "a node.listen on loopback for forge, not [::]:5001",
        ),
        (
            ("adversary.on=true", "node.advertise=10.0.0.7:5001"),
            "node.advertise=10.0.0.7:5001",
            "a node.advertise on loopback for forge, not 10.0.0.7:5001",
        ),
        (
            ("adversary.on=true", "adversary.strategy=reflect", "adversary.victim=10.0.0.9:53"),
            "adversary.victim=10.0.0.9:53",
            "an adversary.victim on loopback, not 10.0.0.9:53",
        ),
    ],
)
def test_the_refusal_blames_what_was_given_last(sets: tuple[str, ...], blamed: str, needs: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(sets=["adversary.strategy=forge", *sets])
    assert str(refused.value) == f"--set {blamed}: expected {needs}, {PERMIT}"


@pytest.mark.parametrize("listen", ["127.0.0.1:5001", "127.8.8.8:5001", "[::1]:5001"])
def test_on_loopback_every_attack_may_run(listen: str) -> None:
    for name in STRATEGIES:
        sets = [f"node.listen={listen}", "adversary.on=true", f"adversary.strategy={name}"]
        assert load_settings(sets=sets).adversary.strategy == name


def test_a_victim_elsewhere_keeps_only_reflect_from_running() -> None:
    adversary: dict[str, Any] = {"victim": "10.0.0.9:53"}
    refused = [name for name in STRATEGIES if refusal(make_settings(adversary=adversary), name)]
    assert refused == ["reflect"]
    adversary["allow_remote"] = True
    assert refusal(make_settings(adversary=adversary), "reflect") is None


def test_the_configured_attack_comes_first_in_the_list() -> None:
    told = summaries(AdversarySettings(strategy="frame"))
    assert list(told) == ["frame", *(name for name in STRATEGIES if name != "frame")]
    assert told["garbage"] == STRATEGIES["garbage"].summary
