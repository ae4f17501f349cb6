"""Nodes of different clusters never merge, and say why."""

from __future__ import annotations

import pytest

from gossip.core import events as ev
from gossip.core.effects import Pull, Purpose
from gossip.core.wire import End, Pulled
from tests.core_helpers import STRANGER, A, B, C, World, pulls, replies


def clustered(name: str) -> World:
    return World(node={"cluster": name})


@pytest.mark.parametrize("theirs", ["", "other", "Prod", "prod2"])
def test_a_table_of_another_cluster_or_of_none_is_a_failed_pull_and_nothing_of_it_is_heard(
    theirs: str,
) -> None:
    world = clustered("prod")
    a, b = world.word(A), world.word(B)
    world.pulled(A, b"#cluster prod\n" + a.line + b"\n")
    header = b"#cluster %s\n" % theirs.encode() if theirs else b""
    newer = world.word(A, state=9, age_s=0)
    out = world.pulled(A, header + newer.line + b"\n" + b.line + b"\n")
    assert out.events[1:] == [ev.ClusterMismatch(A, theirs, "prod"), ev.MemberSuspected(A, 1)]
    assert (pulls(out.effects), replies(out), world.believed()) == ([], {}, {A: a})
    for _ in range(4):
        world.pulled(A, header + newer.line + b"\n")
    assert world.blacklisted() == {A: "cluster_mismatch"}


@pytest.mark.parametrize("purpose", [Purpose.JOIN, Purpose.USER, Purpose.CHECK])
def test_a_stranger_of_another_cluster_is_not_admitted_however_it_came_to_be_pulled(purpose: str) -> None:
    world = clustered("prod")
    match purpose:
        case Purpose.JOIN:
            world.node.handle_join([B], world.now)
        case Purpose.USER:
            world.node.connect(B, world.now)
        case _:
            world.called(B, cluster="prod")
    table = Pulled(b"#cluster other\n%s\n%s\n" % (world.word(B).line, world.word(C).line), End.EMPTY_LINE)
    out = world.node.handle_table(B, table, world.now)
    assert out.events[1:] == [
        ev.ClusterMismatch(B, "other", "prod"),
        ev.CandidateRefused(B, "cluster_mismatch"),
    ]
    assert (pulls(out.effects), replies(out), world.believed()) == ([], {}, {})


@pytest.mark.parametrize("theirs", ["", "other"])
def test_a_reply_of_another_cluster_or_of_none_is_ignored(theirs: str) -> None:
    world = clustered("prod")
    world.pulled(A, b"#cluster prod\n" + world.word(A).line + b"\n")
    own, believed = world.node.own, world.believed()
    for caller in (A, STRANGER):
        news = [world.word(C), own._replace(timestamp=own.timestamp + 9), world.word(A, age_s=0)]
        out = world.called(caller, *news, suspects=[A], leaving=True, cluster=theirs)
        assert out.events == [ev.ClusterMismatch(caller, theirs, "prod")]
        assert out.effects == []
    assert (world.node.own, world.believed()) == (own, believed)


def test_a_mismatch_is_told_once_per_peer_and_minute_in_both_directions() -> None:
    world = clustered("prod")
    told = []
    for _ in range(50):
        world.tick(3.0)
        outs = [world.called(A, cluster="x"), world.pulled(A, b"#cluster x\n" + world.word(A).line + b"\n")]
        told += [world.mono for out in outs for event in out.events if isinstance(event, ev.ClusterMismatch)]
    assert told == [103.0, 163.0, 223.0]


def test_a_flood_of_mismatches_is_told_up_to_a_bound() -> None:
    world = World(node={"cluster": "prod"}, gossip={"max_members": 10})
    told = [len(world.called(A._replace(port=port), cluster="x").events) for port in range(1, 500)]
    assert sum(told) == 10


def test_nodes_of_one_cluster_say_so_in_tables_and_replies() -> None:
    world = clustered("prod")
    assert world.node.table().startswith(b"#cluster prod\n10.0.0.1:5001,")
    out = world.pulled(A, b"#cluster prod\n" + world.word(A).line + b"\n")
    assert replies(out)[A].startswith(b"#from 10.0.0.1:5001 cluster=prod\n")
    assert world.called(B, cluster="prod").effects == [Pull(B, Purpose.CHECK)]
    assert set(world.believed()) == {A}
