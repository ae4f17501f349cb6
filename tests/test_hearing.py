"""What a caller's reply does, and what a puller answers to a table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.effects import Pull, Purpose
from gossip.core.entry import Entry
from gossip.core.reply import Reply, read
from gossip.core.wire import End, Pulled
from tests.core_helpers import (
    ANYTHING,
    OWN,
    SKEW_S,
    STRANGER,
    WALL,
    A,
    B,
    C,
    D,
    World,
    nth,
    of_kind,
    pulls,
    replies,
)

# Who calls.


@pytest.mark.parametrize("host", ["203.0.113.10", "10.0.1.1", "2001:db8::1", "127.0.0.1", "::1"])
def test_a_caller_that_names_an_ip_not_its_own_is_refused_whole(host: str) -> None:
    world = World()
    a, b = world.admit(A, B)
    data = b"#from 203.0.113.9:7000\n%s\n#suspect 10.0.1.2:5001\n" % b._replace(state=9).line
    out = world.replied(host, data + b"\n")
    assert out.events == [ev.ReplyRefused(host, "forged_from", len(data))]
    assert (out.effects, world.believed()) == ([], {A: a, B: b})


def test_it_may_name_another_ip_where_the_settings_trust_what_is_advertised() -> None:
    world = World(gossip={"trust_advertised": True})
    assert world.called(STRANGER, host="198.51.100.1").effects == [Pull(STRANGER, Purpose.CHECK)]


def test_a_caller_may_be_of_any_port_of_its_ip() -> None:
    assert World().called(Address("10.0.1.9", 65_535)).effects == [Pull(Address("10.0.1.9", 65_535), "check")]


@pytest.mark.parametrize("trusting", [True, False])
def test_a_node_that_calls_itself_is_refused(trusting: bool) -> None:
    world = World(gossip={"trust_advertised": trusting})
    out = world.called(OWN, world.word(OWN, age_s=-30, state=9), leaving=True)
    assert [type(event) for event in out.events] == [ev.ReplyRefused]
    assert out.effects == []


def test_a_reply_that_is_none_is_refused_and_told() -> None:
    world = World()
    for data, reason in ((b"hello\n\n", "no_from"), (b"#from me\n\n", "bad_from"), (b"", "no_from")):
        out = world.replied("10.0.9.9", data)
        assert out.events == [ev.ReplyRefused("10.0.9.9", reason, max(0, len(data) - 1))]
        assert out.effects == []


@pytest.mark.parametrize("trust", ["verify", "hearsay"])
def test_a_stranger_that_calls_is_checked_by_a_pull_and_then_a_member_learned_from_caller(trust: str) -> None:
    world = World(gossip={"trust": trust})
    out = world.called(STRANGER, world.word(STRANGER, state=9, age_s=0))
    assert [type(event) for event in out.events] == [ev.ReplyRead, ev.CandidateHeard]
    assert out.events[1] == ev.CandidateHeard(STRANGER, "caller")
    assert out.effects == [Pull(STRANGER, Purpose.CHECK)]
    assert world.believed() == {}
    word = world.word(STRANGER, state=2)
    out = world.answer(STRANGER, word)
    assert of_kind(out, ev.MemberAdded) == [ev.MemberAdded(STRANGER, 2, word.timestamp, "caller")]
    assert world.believed() == {STRANGER: word}


def test_a_stranger_that_does_not_answer_its_check_is_not_checked_at_each_call() -> None:
    world, checks = World(), 0
    for _ in range(200):
        opened = pulls(world.tick().effects) + pulls(world.called(STRANGER).effects)
        for peer in opened:
            checks += 1
            world.called(STRANGER)  # while it is being checked, too
            world.fail(peer)
    assert 15 <= checks <= 21  # once in `suspicion_rounds`
    assert world.believed() == {}


@pytest.mark.parametrize("trust", ["verify", "hearsay"])
def test_only_what_members_say_is_judged_beyond_who_calls(trust: str) -> None:
    world = World(gossip={"trust": trust}, attention={"checks_per_round_joining": 1, "checks_per_round": 1})
    a, b = world.admit(A, B)
    own = world.node.own
    news = [b._replace(timestamp=b.timestamp + 9), world.word(C), own._replace(timestamp=own.timestamp + 9)]
    for caller in (STRANGER, D):
        out = world.called(caller, *news, suspects=[A, B], leaving=False)
        assert {type(event) for event in out.events} == {ev.ReplyRead, ev.CandidateHeard}
        assert len(of_kind(out, ev.CandidateHeard)) == 1
    assert (world.believed(), world.node.own) == ({A: a, B: b}, own)
    out = world.called(A, *news)
    assert of_kind(out, ev.OwnEntryRefuted, ev.CandidateHeard) == [
        ev.CandidateHeard(C, str(A)),
        ev.OwnEntryRefuted(A, own.timestamp + 9, own.state, own.timestamp + 10),
    ]


def test_a_stranger_that_is_leaving_is_not_checked() -> None:
    world = World()
    out = world.called(STRANGER, leaving=True)
    assert ([type(event) for event in out.events], out.effects) == ([ev.ReplyRead], [])


def banned(reason: str = "refused", **sections: dict[str, object]) -> World:
    """Return a node that blacklisted A for this reason."""
    world = World(**sections)
    world.admit(A)
    if reason == "misbehaving":
        for _ in range(3):
            world.pulled(A, b"x\ny\n")
    elif reason == "blocked":
        world.node.block(A, world.now)
    else:
        world.node.connect(A, world.now)
        world.fail(A)
    assert world.blacklisted() == {A: reason}
    return world


def test_a_blacklisted_caller_earns_an_early_retry_that_may_forgive_it() -> None:
    world = banned()
    assert world.called(A).effects == [Pull(A, Purpose.RETRY)]
    word = world.word(A, state=5, age_s=0)
    assert of_kind(world.answer(A, word), ev.MemberForgiven) != []
    assert world.believed() == {A: word}


@pytest.mark.parametrize("reason", ["misbehaving", "blocked"])
def test_who_misbehaved_or_is_blocked_by_hand_earns_none(reason: str) -> None:
    world = banned(reason)
    assert world.called(A, world.word(A, age_s=0)).effects == []
    assert of_kind(world.called(A), ev.CandidateHeard) == []


def test_a_blacklisted_caller_does_not_void_its_back_off_by_calling_each_round() -> None:
    world, retries = banned(), 0
    for _ in range(200):
        for out in (world.tick(), world.called(A)):
            for peer in pulls(out.effects):
                retries += 1
                world.called(A)  # while it is being retried, too
                world.fail(peer)
    assert retries <= 200 / 10 + 8  # one in `suspicion_rounds`, and those of its back-off
    assert world.blacklisted() == {A: "refused"}


# What is answered to a table.


def test_a_puller_says_its_own_entry_to_who_lacks_it_and_nothing_to_who_knows_all() -> None:
    world = World()
    (a,) = world.admit(A)
    reply = replies(world.pulled(A, a.line + b"\n"))
    assert reply == {A: b"#from 10.0.0.1:5001\n" + world.node.own.line + b"\n\n"}
    assert replies(world.pulled(A, a.line + b"\n" + world.node.own.line + b"\n")) == {}


@pytest.mark.parametrize("end", [end for end in End if end is not End.EMPTY_LINE])
def test_no_reply_is_sent_unless_the_table_ended_with_the_empty_line(end: End) -> None:
    world = World()
    (a,) = world.admit(A)
    world.node.connect(A, world.now)
    assert replies(world.node.handle_table(A, Pulled(a.line + b"\n", end), world.now)) == {}


def test_the_peers_own_entry_and_who_is_blacklisted_are_not_told() -> None:
    world = World()
    a, b, _ = world.admit(A, B, C)
    world.node.block(C, world.now)
    older = a._replace(timestamp=a.timestamp + 9)
    (data,) = replies(world.pulled(A, older.line + b"\n" + b._replace(state=9).line + b"\n")).values()
    assert data == b"#from 10.0.0.1:5001\n" + world.node.own.line + b"\n\n"
    (data,) = replies(world.pulled(A, b"#without its own entry\n")).values()
    assert data == b"#from 10.0.0.1:5001\n%s\n%s\n\n" % (world.node.own.line, b.line)


def test_who_fell_silent_lately_is_told_until_it_answers_or_for_some_rounds() -> None:
    world = World()
    words = {word.address: word for word in world.admit(A, B, C)}
    knows = b"".join(word.line + b"\n" for word in [*words.values(), world.node.own])
    failed = []
    while failed != [B, C]:
        for peer in pulls(world.tick(1.0).effects):
            if peer == [B, C, None][len(failed)]:
                failed.append(peer)
                world.fail(peer)
            else:
                world.answer(peer, words[peer])
    assert replies(world.pulled(A, knows)) == {
        A: b"#from 10.0.0.1:5001\n#suspect 10.0.1.3:5001\n#suspect 10.0.1.2:5001\n\n"  # the last first
    }
    assert replies(world.pulled(B, knows)) == {B: b"#from 10.0.0.1:5001\n#suspect 10.0.1.3:5001\n\n"}
    assert replies(world.pulled(A, knows)) == {A: b"#from 10.0.0.1:5001\n#suspect 10.0.1.3:5001\n\n"}
    world.mono += 31.0
    assert replies(world.pulled(A, knows)) == {}


def test_a_reply_fits_into_the_bounds_of_a_listener_with_the_same_settings() -> None:
    for max_lines in (8, 20, 512):
        world = World(reply={"max_lines": max_lines}, gossip={"pokes": 0})
        world.admit(*(nth(number) for number in range(600)))
        (a,) = world.admit(A)
        for number in range(30):
            world.node._beliefs.failed(nth(number), "refused", world.now)
        world.node.handle_stop(world.now)
        data = replies(world.pulled(A, a.line + b"\n"))[A]
        reply = read(Pulled(data[:-1], End.EMPTY_LINE), frozenset(), ANYTHING, max_lines)
        assert isinstance(reply, Reply)
        assert reply.leaving
        assert len(reply.suspects) == min(16, max_lines // 4)
        assert len(reply.decoded.entries) == max_lines // 2
        assert data.count(b"\n") - 1 <= max_lines


close = st.builds(
    Entry, st.sampled_from([A, B, C, D, nth(1)]), st.integers(WALL, WALL + 3), st.integers(0, 3)
)


@given(st.lists(close, max_size=8), st.lists(close, max_size=8), st.sampled_from([8, 512]))
def test_after_a_pull_and_its_reply_the_peer_holds_nothing_that_is_beaten(
    mine: list[Entry], theirs: list[Entry], max_lines: int
) -> None:
    """Both know each other and merge hearsay; what one lacks whole becomes a candidate, not an entry."""
    puller, peer = Address("10.0.2.1", 5001), Address("10.0.2.2", 5001)
    worlds = {}
    for own, other, known in ((puller, peer, mine), (peer, puller, theirs)):
        world = World(own=own, gossip={"trust": "hearsay"}, reply={"max_lines": max_lines})
        world.say(other, Entry(other, WALL, 0))
        for entry in known:
            world.say(entry.address, entry)
        worlds[own] = world
    one, two = worlds[puller], worlds[peer]
    one.mono = two.mono = 200.0
    two.node.set_state(7, two.now)
    one.node.set_state(6, one.now)
    out = one.pulled(peer, two.node.table().removesuffix(b"\n"))
    before = two.believed()
    if reply := replies(out):
        told = replies(out)[peer].count(b"\n") - 2
        two.replied(puller.host, reply[peer])
        assert one.node.own.line in reply[peer]
    else:
        told = 0
    here, there = one.believed(), two.believed()
    assert set(there) == set(before)
    assert not any(there[address].beats(here[address]) for address in set(here) & set(there))
    beaten = [address for address in set(here) & set(there) if here[address].beats(there[address])]
    assert not beaten or told == max_lines // 2
    assert there[puller] == one.node.own
    assert here[peer] == two.node.own


# Bounds on members, and entries of the future.


def test_a_node_admits_no_more_than_max_members_per_ip() -> None:
    world = World(gossip={"max_members_per_ip": 2})
    world.admit(*(Address("10.0.1.1", port) for port in (1, 2)), B)
    third = Address("10.0.1.1", 3)
    out = world.say(third, world.word(third))
    assert out.events[1:] == [ev.CandidateRefused(third, "too_many_on_ip")]
    world.node.block(Address("10.0.1.1", 1), world.now)
    world.admit(third)
    assert third in world.believed()


def test_an_entry_of_the_future_in_a_reply_is_rejected() -> None:
    world = World(gossip={"trust": "hearsay"})
    world.admit(A, B)
    out = world.called(A, world.word(B, age_s=-SKEW_S - 1))
    assert isinstance(out.events[0], ev.ReplyRead)
    assert out.events[0].rejected == {"future": 1}
    assert replace(out.events[0], rejected={}) == ev.ReplyRead(A, out.events[0].bytes, 2, {}, 0, False)
