"""Refuting: what a node does about entries for itself that beat its own."""

from __future__ import annotations

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.entry import Entry
from tests.core_helpers import OWN, A, B, World


def test_a_forged_own_entry_is_refuted_so_that_it_is_beaten_at_most_once_a_round() -> None:
    world = World(node={"state": 3})
    (a,) = world.admit(A)
    forged = Entry(OWN, int(world.now.wall) + 20, 9)
    out = world.say(A, a, forged)
    assert out.events[1:] == [ev.OwnEntryRefuted(A, forged.timestamp, 9, forged.timestamp + 1)]
    assert world.node.own == Entry(OWN, forged.timestamp + 1, 3)
    assert world.node.table().startswith(world.node.own.line)
    again = Entry(OWN, forged.timestamp + 5, 9)
    world.say(A, a, again)
    assert world.node.own == Entry(OWN, forged.timestamp + 1, 3)
    world.tick()
    world.answer(A, a, again)
    assert world.node.own.beats(again)


def test_a_liar_cannot_drive_the_own_timestamp_out_of_the_skew_that_others_allow() -> None:
    world = World(node={"state": 3})
    (a,) = world.admit(A)
    own = world.node.own
    world.say(A, a, Entry(OWN, int(world.now.wall) + 60, 9))
    assert world.node.own == own
    for _ in range(40):
        world.tick()
        world.say(A, a, Entry(OWN, int(world.now.wall) + 29, 9))
        assert world.node.own.timestamp <= world.now.wall + 30


def test_one_peers_word_leads_to_three_refutations_in_a_while_and_another_ones_to_more() -> None:
    world = World(node={"state": 3}, attention={"distrust_s": 600.0})
    words = world.admit(A, B)

    def refutations(peer: Address, word: Entry, times: int) -> int:
        count = 0
        for _ in range(times):
            world.tick()
            claim = world.node.own._replace(timestamp=world.node.own.timestamp + 1)
            out = world.say(peer, word, claim)
            count += any(isinstance(event, ev.OwnEntryRefuted) for event in out.events)
        return count

    assert refutations(A, words[0], 6) == 3
    assert refutations(B, words[1], 6) == 3
    world.mono += 600.0
    world.tick()
    assert refutations(A, words[0], 1) == 1


def test_a_tie_with_a_greater_state_is_refuted_too() -> None:
    world = World(node={"state": 3})
    (a,) = world.admit(A)
    tie = world.node.own._replace(state=4)
    world.say(A, a, tie)
    assert world.node.own.beats(tie)
