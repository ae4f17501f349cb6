"""The laws of belief: order does not matter, hearsay changes nothing, own timestamps only grow."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.effects import Output
from gossip.core.entry import Entry
from tests.core_helpers import OWN, WALL, A, B, C, D, World, close_entries, nth, pulls

PEERS = (A, B, C, D)
# No verdict on anybody's behaviour: what a liar said, and when, decides about the liar.
LENIENT = {"strikes_to_blacklist": 100}

peers = st.sampled_from(PEERS)
heard = st.lists(
    st.builds(
        Entry,
        st.sampled_from([*PEERS, nth(1), nth(2), OWN]),
        st.integers(WALL, WALL + 120),
        st.integers(0, 9),
    ),
    max_size=5,
)
words = st.tuples(st.integers(WALL, WALL + 3), st.integers(0, 3))
tables = st.tuples(st.just("table"), peers, words, heard)
suspects = st.lists(st.sampled_from([*PEERS, OWN]), max_size=3)
said = st.tuples(st.just("reply"), peers, heard, suspects)
Step = tuple  # ("table", peer, (timestamp, state), hearsay) or ("reply", caller, hearsay, suspects)


def believed(steps: list[Step]) -> dict[Address, Entry]:
    """Return what a node believes after these tables and replies, checks left open."""
    world = World(blacklist=LENIENT)
    world.admit(*PEERS)
    for step in steps:
        world.mono += 0.5
        match step:
            case ("table", peer, (timestamp, state), hearsay):
                world.say(peer, Entry(peer, timestamp, state), *hearsay)
            case ("reply", caller, hearsay, suspects):
                world.called(caller, *hearsay, suspects=suspects)
    return world.believed()


@given(st.lists(tables, max_size=8), st.lists(said, max_size=6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_nodes_that_saw_the_same_first_hand_contacts_believe_the_same_in_whatever_order(
    contacts: list[Step], replies: list[Step], seed: int, other_seed: int
) -> None:
    """First-hand contacts with one and the same node keep their order: the last one counts."""

    def shuffled(seed: int, replies: list[Step]) -> list[Step]:
        order = [contact[1] for contact in contacts] + [None] * len(replies)
        Random(seed).shuffle(order)
        queues = {peer: [contact for contact in contacts if contact[1] == peer] for peer in PEERS}
        rest = list(replies)
        Random(seed).shuffle(rest)
        return [rest.pop() if peer is None else queues[peer].pop(0) for peer in order]

    expected = {word.address: word for word in World().admit(*PEERS)}
    for _, peer, (timestamp, state), hearsay in contacts:
        own = [
            entry for entry in hearsay if entry.address == peer
        ]  # it says so of itself: the greatest counts
        expected[peer] = max([Entry(peer, timestamp, state), *own], key=lambda e: (e.timestamp, e.state))
    steps = [*contacts, *replies]
    for order in (steps, [*replies, *contacts], shuffled(seed, replies), shuffled(other_seed, [])):
        assert believed(order) == expected


TELLERS = (nth(8), nth(9))
about_peers = st.lists(
    st.builds(Entry, peers, st.integers(WALL + 49, WALL + 55), st.integers(0, 3)), max_size=4
)
tellings = st.lists(
    st.tuples(st.sampled_from(["table", "reply"]), st.sampled_from(TELLERS), about_peers), max_size=8
)


def merged(tellings: list[tuple[str, Address, list[Entry]]]) -> dict[Address, Entry]:
    """Return what a node that trusts hearsay believes of the peers after these tables and replies."""
    world = World(gossip={"trust": "hearsay"})
    words = {word.address: word for word in world.admit(*PEERS, *TELLERS)}
    for how, teller, heard in tellings:
        if how == "table":
            world.say(teller, words[teller], *heard)
        else:
            world.called(teller, *heard)
    return {address: entry for address, entry in world.believed().items() if address in PEERS}


@given(tellings, st.randoms(use_true_random=False))
def test_merging_hearsay_gives_the_same_whether_by_table_or_by_reply_and_in_every_order(
    tellings: list[tuple[str, Address, list[Entry]]], random: Random
) -> None:
    expected = merged([])
    for entry in (entry for _, _, heard in tellings for entry in heard):
        if entry.beats(expected[entry.address]):
            expected[entry.address] = entry
    shuffled = tellings[:]
    random.shuffle(shuffled)
    otherwise = [("reply" if how == "table" else "table", *rest) for how, *rest in tellings]
    for order in (tellings, shuffled, otherwise, tellings + shuffled):
        assert merged(order) == expected  # type: ignore[arg-type]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("table"), peers, heard),
            st.tuples(
                st.just("reply"), peers, heard, st.lists(st.sampled_from([*PEERS, OWN])), st.booleans()
            ),
            st.tuples(st.just("tick"), st.sampled_from([0.1, 3.0, 40.0])),
        ),
        max_size=20,
    )
)
def test_no_sequence_of_hearsay_changes_what_a_verifying_node_believes(steps: list[Step]) -> None:
    """All peers live and answer every check; what they say of others, by table or reply, moves nothing."""
    world = World(blacklist=LENIENT)
    own_words = {word.address: word for word in world.admit(*PEERS)}

    def carry_out(out: Output) -> None:
        for peer in pulls(out.effects):
            if peer in own_words:
                carry_out(world.answer(peer, own_words[peer]))
            else:
                carry_out(world.fail(peer))  # made up
        assert world.believed() == own_words
        assert world.blacklisted() == {}
        assert world.node.own.state == 0

    for step in steps:
        match step:
            case ("table", peer, hearsay):
                others = [entry for entry in hearsay if entry.address != peer]
                carry_out(world.say(peer, own_words[peer], *others))
            case ("reply", caller, hearsay, suspects, leaving):
                carry_out(world.called(caller, *hearsay, suspects=suspects, leaving=leaving))
            case ("tick", after_s):
                carry_out(world.tick(after_s))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("clock"), st.integers(-5000, 5000)),
            st.tuples(st.just("set"), st.integers(0, 9)),
            st.tuples(st.just("reply"), st.integers(-5, 90), st.integers(0, 9)),
            st.tuples(st.just("tick"), st.just(0)),
        ),
        max_size=20,
    ),
    st.sampled_from(["verify", "hearsay"]),
)
def test_own_timestamps_only_grow_and_only_the_user_changes_the_own_state(
    steps: list[tuple[str, int]], trust: str
) -> None:
    world = World(gossip={"trust": trust})
    world.admit(A)
    for step in steps:
        before = world.node.own
        match step:
            case ("clock", jump):
                world.wall_ahead += jump
            case ("set", state):
                world.node.set_state(state, world.now)
                assert world.node.own.state == state
                assert world.node.own.timestamp > before.timestamp
                continue
            case ("reply", ahead, state):  # type: ignore[misc]
                world.called(A, Entry(OWN, max(0, int(world.now.wall) + ahead), state))
            case _:
                for peer in pulls(world.tick().effects):
                    world.node.abandon_pull(peer)
        assert world.node.own == before or world.node.own.timestamp > before.timestamp
        assert world.node.own.state == before.state
        assert world.node.own.timestamp <= max(before.timestamp, int(world.now.wall) + 61)


@given(st.lists(close_entries, min_size=1, max_size=6))
def test_the_last_own_word_is_believed_whatever_was_heard_before(claims: list[Entry]) -> None:
    for trust in ("verify", "hearsay"):
        world = World(gossip={"trust": trust})
        world.admit(*PEERS)
        world.called(D, *claims)
        for claim in claims:
            world.say(claim.address, claim)
        last = {claim.address: claim for claim in claims}
        assert {address: world.believed()[address] for address in last} == last


def test_a_flood_of_strangers_liars_and_failures_leaves_nothing_behind() -> None:
    world = World(
        attention={"candidate_retry_s": 60.0, "distrust_s": 60.0, "jitter_rounds": 0.25},
        blacklist={"forget_after_s": 60.0, "strike_decay_s": 60.0},
    )
    own_words = {word.address: word for word in world.admit(*PEERS)}

    def carry_out(out: Output) -> None:
        for peer in pulls(out.effects):
            carry_out(world.answer(peer, own_words[peer]) if peer in own_words else world.fail(peer))

    def sizes() -> int:
        beliefs, hearing = world.node._beliefs, world.node._hearing
        waits = beliefs.attention
        kept = [beliefs._failed, hearing._mismatch_told, waits._refused, waits._cooling, waits._lanes, waits]
        records = [beliefs.reputation._records, beliefs.reply_reputation._records, beliefs.blacklist]
        return sum(map(len, [*kept, *records, world.node._pulls._open]))  # type: ignore[arg-type]

    for number in range(300):
        carry_out(world.tick())
        false = [word._replace(timestamp=word.timestamp + 90) for word in own_words.values()]
        carry_out(world.called(A, *false, world.word(nth(number)), suspects=[*PEERS, nth(number)]))
        carry_out(world.called(nth(number)))
        carry_out(world.say(B, own_words[B], *false, *(world.word(nth(400 + at)) for at in range(20))))
    assert sizes() < 500
    while len(world.node._beliefs.attention):  # what was queued is checked, in its time
        carry_out(world.tick())
    for _ in range(40):
        carry_out(world.tick())
    assert sizes() == 0
