"""The story of an address: bounded, made of the node's own events, and told by `explain`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gossip.core import events as ev
from gossip.core.address import Address
from gossip.core.provenance import Provenance, Record
from tests.core_helpers import OWN, STRANGER, WALL, A, B, C, World, nth, pulls

HISTORY = 3


def stories(size_max: int = 100) -> Provenance:
    return Provenance(HISTORY, size_max)


def hint(number: int, member: Address = A) -> ev.Event:
    return ev.HintHeard(member, str(B), WALL + number, number % 10)


def details(provenance: Provenance, address: Address = A) -> list[str]:
    return [record.detail for record in provenance.of(address)]


def test_the_first_record_is_kept_and_of_the_others_the_last_few() -> None:
    told = stories()
    told.record([ev.CandidateHeard(A, str(C))], WALL)
    for number in range(20):
        told.record([hint(number)], WALL + number)
    first, *last = told.of(A)
    assert first == Record(WALL, WALL, 1, "mentioned", str(C), "")
    assert [record.first for record in last] == [WALL + 17, WALL + 18, WALL + 19]


def test_the_same_again_is_counted_and_comes_last() -> None:
    told = stories()
    for wall, number in enumerate([0, 1, 2, 1, 1, 0]):
        told.record([hint(number)], WALL + wall + 0.9)
    assert [(record.first - WALL, record.last - WALL, record.count) for record in told.of(A)] == [
        (0, 5, 2),  # who began the story keeps the first place
        (2, 2, 1),
        (1, 4, 3),
    ]


def test_a_liar_does_not_bury_its_lies_under_changes_of_its_own_state() -> None:
    told = Provenance(6, 100)
    told.record([ev.CandidateHeard(A, str(C))], WALL)
    told.record([ev.HintDisproved(B, A, WALL, 3), ev.StrikeGiven(A, "false_hints", 1)], WALL)
    for number in range(20):
        told.record([hint(number)], WALL + number)
    assert [record.what for record in told.of(A)] == [
        "mentioned",
        "told a false or stale hint",
        "strike given",
        *["hint heard"] * 4,
    ]
    assert details(told)[-1] == f"state 9 of {WALL + 19}"


def test_what_is_held_against_an_address_leaves_half_of_its_history_to_the_rest() -> None:
    told = Provenance(6, 100)
    told.record([ev.CandidateHeard(A, str(C)), *(hint(number) for number in range(3))], WALL)
    for number in range(20):
        told.record([ev.StrikeGiven(A, "false_hints", number)], WALL)
    assert [record.what for record in told.of(A)] == ["mentioned", *["strike given"] * 6]
    for number in range(20):
        told.record([hint(number)], WALL + number)
        whats = [record.what for record in told.of(A)]
        assert len(whats) == 7
    assert whats == ["mentioned", *["strike given"] * 3, *["hint heard"] * 3]
    assert details(told)[1:4] == [f"false_hints, strike {number}" for number in (17, 18, 19)]


def test_there_are_stories_of_a_bounded_number_of_addresses_and_the_oldest_go_first() -> None:
    told = stories(size_max=10)
    for number in range(50):
        told.record([ev.CandidateHeard(nth(number), str(A))], WALL)
        assert len(told) <= 10
    assert [bool(told.of(nth(number))) for number in range(50)] == [False] * 40 + [True] * 10


def test_made_up_addresses_do_not_wipe_out_the_stories_of_members() -> None:
    told, members = stories(size_max=10), {nth(number) for number in range(5)}
    for number in range(500):
        told.record([ev.CandidateHeard(nth(number), str(A))], WALL, members)
        assert len(told) <= 10
    assert all(told.of(member) for member in members)
    full = stories(size_max=3)
    for number in range(5):
        full.record([ev.CandidateHeard(nth(number), str(A))], WALL, members)
    assert len(full) == 3
    assert full.of(nth(4))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60))
def test_no_history_exceeds_the_bounds_and_every_happening_is_counted_while_kept(
    happened: list[tuple[int, int]],
) -> None:
    told = stories(size_max=4)
    for moment, (who, what) in enumerate(happened):
        told.record([hint(what, nth(who))], WALL + moment)
        assert len(told) <= 4
        story = told.of(nth(who))
        assert len(story) <= HISTORY + 1
        assert story[-1].last == WALL + moment or story[0].last == WALL + moment
        assert all(record.count >= 1 and record.first <= record.last for record in story)
        keys = [(record.what, record.source, record.detail) for record in story]
        assert len(keys) == len(set(keys))


def test_one_event_tells_of_all_whom_it_concerns() -> None:
    told = stories()
    told.record([ev.HintDisproved(A, B, WALL, 3)], WALL)
    assert [record.what for record in told.of(A)] == ["hint disproved"]
    assert [(record.what, record.detail) for record in told.of(B)] == [
        ("told a false or stale hint", f"about {A}")
    ]


def test_what_concerns_no_address_or_is_routine_is_not_recorded() -> None:
    told = stories()
    routine = ev.PullFinished(A, "round", 1.0, 30, 1, 0, {}, "closed")
    told.record([ev.OwnStateSet(0, 1, WALL), ev.AdversarySet(None), routine], WALL)
    assert len(told) == 0


def test_a_strangers_cluster_name_takes_bounded_room() -> None:
    world = World(node={"cluster": "prod"})
    for number in range(30):
        world.mono += 61.0
        world.node.handle_tick(world.now)
        world.called(STRANGER, cluster=f"{number}" + "x" * 50_000)
    story = world.node.explain(STRANGER, world.now).records
    assert len(story) == 13
    assert max(len(record.detail) for record in story) <= 70


def whats(world: World, address: Address) -> list[tuple[str, str, str]]:
    return [
        (record.what, record.source, record.detail)
        for record in world.node.explain(address, world.now).records
    ]


def test_explain_tells_the_story_of_a_member_from_its_first_mention_to_its_blacklisting() -> None:
    world = World(blacklist={"failures_to_blacklist": 2}, gossip={"pokes": 0})
    (b,) = world.admit(B)
    c = world.word(C)
    world.say(B, b, c)
    world.answer(C, c)
    newer = world.word(C, state=4, age_s=0)
    world.say(B, b, newer)
    world.answer(C, newer)
    world.mono += 100.0
    world.called(B, suspects=[C])
    world.fail(C)
    while C not in pulls(world.tick().effects):
        world.answer(B, b)
    world.fail(C)
    assert whats(world, C) == [
        ("mentioned", str(B), ""),
        ("admitted", str(B), f"state 0 of {c.timestamp}"),
        ("hint heard", str(B), f"state 4 of {newer.timestamp}"),
        ("answered", "", "check"),  # twice
        ("entry taken", "first-hand", f"state 4 of {newer.timestamp}"),
        ("suspected by", str(B), ""),
        ("pull failed", "", "refused (check)"),
        ("pull failed", "", "refused (round)"),
        ("blacklisted", "", "refused"),
    ]
    story = world.node.explain(C, world.now)
    assert story.member is None
    assert story.blacklisted is not None
    assert story.blacklisted.reason == "refused"
    assert (story.address, story.wall) == (C, world.now.wall)
    assert [record.count for record in story.records] == [1, 1, 1, 2, 1, 1, 1, 1, 1]


def test_explain_knows_the_node_itself_and_whom_nobody_ever_mentioned() -> None:
    world = World()
    own = world.node.explain(OWN, world.now)
    assert own.member is not None
    assert own.member.is_own
    unknown = world.node.explain(A, world.now)
    assert (unknown.member, unknown.blacklisted, unknown.records) == (None, None, ())


def test_explain_tells_how_a_caller_was_learned_and_why_it_was_refused() -> None:
    world = World()
    assert pulls(world.called(STRANGER).effects) == [STRANGER]
    world.fail(STRANGER)
    assert whats(world, STRANGER) == [
        ("mentioned", "caller", ""),
        ("pull failed", "", "refused (check)"),
        ("not admitted", "", "refused"),
    ]


def test_without_a_history_nothing_is_kept() -> None:
    told = Provenance(0, 100)
    told.record([hint(1), ev.CandidateHeard(A, str(C))], WALL)
    assert (len(told), told.of(A)) == (0, [])


def test_what_is_not_trusted_says_whether_it_is_in_replies() -> None:
    told = stories()
    told.record([ev.PeerDistrusted(A, 600.0), ev.PeerDistrusted(A, 600.0, in_reply=True)], WALL)
    assert details(told) == ["for 600 s", "in replies, for 600 s"]
