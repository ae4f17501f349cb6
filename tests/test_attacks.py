"""What each attack sends, as the codec reads it."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.attacks import STRATEGIES
from gossip.core.attacks.flood import LINES
from gossip.core.entry import Entry
from gossip.core.reply import Reply, cluster_of, read
from gossip.core.settings import PullSettings
from gossip.core.wire import Decoded, End, Failure, Pulled, Reason, TableReader
from tests.attack_stage import DEAD, HONEST, LIAR, OTHERS, VICTIM, answer_of, scene
from tests.core_helpers import RULES, WALL, A, decode_all

UNBOUNDED = PullSettings(max_bytes=64 << 20, max_lines=1_000_000)
HELD = {entry.address: entry for entry in OTHERS}
# Who is a member for its pullers after each answer: all but these.
NO_OWN_ENTRY = {"garbage", "silent"}


def decoded(name: str, seed: int = 1, **changes: object) -> Decoded:
    pulled = answer_of(name, scene(seed, **changes))
    assert isinstance(pulled, Pulled)
    return decode_all(pulled.data, pulled.end)


def said_of(name: str, seed: int = 1, **changes: object) -> dict[Address, Entry]:
    return {entry.address: entry for entry in decoded(name, seed, **changes).entries}


def replied(name: str, **changes: object) -> Reply:
    say = STRATEGIES[name].reply
    assert say is not None
    reader = TableReader(65_536, 512)
    data = say(scene(**changes))
    end = reader.feed(data)
    assert end is End.EMPTY_LINE
    reply = read(reader.pulled(end), set(), RULES, 512)
    assert isinstance(reply, Reply)
    return reply


REPLYING = [name for name, attack in STRATEGIES.items() if attack.reply is not None]


@pytest.mark.parametrize("name", STRATEGIES)
def test_an_attack_yields_bytes_and_waits_and_one_seed_reproduces_it(name: str) -> None:
    steps = list(islice(STRATEGIES[name].answer(scene()), 100))
    assert steps
    assert all(isinstance(step, bytes) or step >= 0 for step in steps)
    assert list(islice(STRATEGIES[name].answer(scene()), 100)) == steps
    summary = STRATEGIES[name].summary
    assert summary.isprintable() and 10 < len(summary) <= 70


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_liar_stays_a_member_where_its_idea_allows_it(name: str) -> None:
    """A table with its own entry, and not mostly rejected: nobody counts a failure or gives a strike."""
    pulled = answer_of(name, scene())
    if name in NO_OWN_ENTRY:
        assert isinstance(pulled, Failure) or decode_all(pulled.data, pulled.end).mostly_rejected
        return
    table = decoded(name)
    assert table.word_of(LIAR, None) is not None
    assert not table.mostly_rejected
    assert len(pulled.data) <= PullSettings().max_bytes  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(STRATEGIES.keys() - NO_OWN_ENTRY))
def test_the_cluster_is_named_where_there_is_one(name: str) -> None:
    table = b"#cluster prod\n" + scene().table
    assert cluster_of(decoded(name, cluster="prod", table=table)) == "prod"


@pytest.mark.parametrize("name", REPLYING)
def test_a_reply_says_who_calls_and_keeps_to_the_limits(name: str) -> None:
    many = tuple(Entry(Address(f"10.9.{n // 250}.{n % 250}", 1), WALL - 5, 1) for n in range(3000))
    for others in (OTHERS, many):
        reply = replied(name, others=others, dead=others, before=others, cluster="prod")
        assert (reply.caller, reply.cluster) == (LIAR, "prod")
        assert reply.decoded.lines <= 512
        assert not reply.leaving


# One by one.


def test_garbage_is_the_seeds_sentence_and_no_entry() -> None:
    assert answer_of("garbage", scene()) == Pulled(b"Gossiping something adversarial:)\n", End.CLOSED)
    assert decoded("garbage").rejected == {Reason.BAD_FIELDS: 1}


def test_truncate_ends_in_the_middle_of_any_line_but_its_own() -> None:
    cuts = set()
    for seed in range(40):
        table = decoded("truncate", seed)
        assert table.entries[0] == scene().own
        assert sum(table.rejected.values()) == 1
        cuts.add(table.lines)
    assert cuts == {2, 3, 4, 5}
    alone = scene().own.line + b"\n\n"
    assert decoded("truncate", table=alone, others=()).entries == []


def test_endless_ends_at_the_readers_limit_only_and_every_line_parses() -> None:
    pulled = answer_of("endless", scene())
    assert isinstance(pulled, Pulled)
    assert pulled.end is End.MAX_LINES
    assert decode_all(pulled.data, pulled.end).rejected == {}
    by_bytes = answer_of("endless", scene(), replace(UNBOUNDED, max_bytes=4 << 20))
    assert isinstance(by_bytes, Pulled) and by_bytes.end is End.MAX_BYTES


def test_drip_sends_its_own_line_and_then_a_byte_a_second() -> None:
    first, *steps = STRATEGIES["drip"].answer(scene())
    assert first == scene().own.line + b"\n"
    assert set(steps[::2]) == {1.0}
    assert first + b"".join(steps[1::2]) == scene().table  # type: ignore[arg-type]
    assert answer_of("drip", scene()) == Pulled(first, End.QUIET)
    patient = replace(PullSettings(), quiet_s=4.0)
    assert answer_of("drip", scene(), patient) == Pulled(scene().table[: len(first) + 4], End.TIMEOUT)


def test_silent_sends_nothing_for_as_long_as_anybody_waits() -> None:
    assert answer_of("silent", scene(), replace(PullSettings(), pull_timeout_s=60.0)) == Failure("timeout")


def test_flood_is_65536_lines_of_as_many_members() -> None:
    steps = list(STRATEGIES["flood"].answer(scene()))
    assert max(len(step) for step in steps if isinstance(step, bytes)) < 65_536
    flood = answer_of("flood", scene(), UNBOUNDED)
    assert isinstance(flood, Pulled)
    table = decode_all(flood.data, flood.end)
    assert (table.lines, table.rejected) == (LINES, {})
    assert len({entry.address for entry in table.entries}) == LINES == 65_536
    assert answer_of("flood", scene()).end is End.MAX_LINES  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["forge", "freeze", "future"])
def test_forgers_give_all_others_a_wrong_digit_that_beats_theirs(name: str) -> None:
    for said in (said_of(name), {entry.address: entry for entry in replied(name).decoded.entries}):
        assert said.keys() - {LIAR} == set(HONEST)
        for peer in HONEST:
            assert said[peer].beats(HELD[peer])
            assert said[peer].state != HELD[peer].state
    assert said_of(name)[LIAR] == scene().own


@pytest.mark.parametrize(
    ("name", "timestamp"), [("forge", WALL - 49), ("freeze", WALL), ("future", WALL + 60)]
)
def test_the_time_of_a_forgery(name: str, timestamp: int) -> None:
    said = said_of(name)
    assert {said[peer].timestamp for peer in HONEST} == {timestamp}


def test_nobody_is_told_a_lie_about_itself_where_it_can_be_told_from_others() -> None:
    for name in ("forge", "freeze", "future", "max"):
        assert said_of(name, caller=A.host).get(A, HELD[A]) == HELD[A]
        assert A in said_of(name, caller=LIAR.host)


def test_forge_never_goes_beyond_what_is_taken() -> None:
    late = tuple(entry._replace(timestamp=WALL + 60) for entry in OTHERS)
    assert {said_of("forge", others=late)[peer].timestamp for peer in HONEST} == {WALL + 60}


def test_freeze_tells_the_same_lie_whatever_is_believed_by_now() -> None:
    started = (scene().own, *OTHERS)
    believed = tuple(entry._replace(state=(entry.state + 5) % 10) for entry in OTHERS)
    for others in (OTHERS, believed):
        said = said_of("freeze", before=started, others=others)
        assert [said[peer].state for peer in HONEST] == [1, 2, 3, 4]


def test_max_hides_the_largest_timestamp_among_as_many_honest_lines() -> None:
    table = decoded("max")
    assert table.rejected == {Reason.FUTURE: 4}
    assert table.entries == [scene().own, *OTHERS]
    largest = decode_all(answer_of("max", scene()).data, rules=RULES._replace(latest=1e13))  # type: ignore[union-attr]
    assert {entry.timestamp for entry in largest.entries[5:]} == {999_999_999_999}


def test_stale_repeats_the_table_of_when_it_began() -> None:
    assert decoded("stale").entries == [scene().own, *OTHERS[:2]]
    assert replied("stale").decoded.entries == [scene().own, *OTHERS[:2]]


@pytest.mark.parametrize(("name", "lines"), [("sybil", 1025), ("endless", 20_000), ("flood", 20_000)])
@pytest.mark.parametrize(
    ("own", "network"),
    [("10.0.9.9:5001", "198.1"), ("127.0.0.1:5001", "127.1"), ("[2001:db8::7]:5001", "2001:db8::")],
)
def test_the_invented_are_where_nobody_is(name: str, lines: int, own: str, network: str) -> None:
    table = answer_of(name, scene(own=Entry(Address.parse(own), WALL, 1), others=()))
    assert isinstance(table, Pulled)
    entries = decode_all(table.data, rules=RULES._replace(loopback_ok=True)).entries
    assert len({entry.address for entry in entries}) == lines
    assert all(entry.address.host.startswith(network) for entry in entries[1:])


def test_sybil_invents_others_each_time() -> None:
    shown = scene()
    one, other = (decode_all(answer_of("sybil", shown).data).entries for _ in range(2))  # type: ignore[union-attr]
    assert one[:5] == other[:5] == [shown.own, *OTHERS]
    assert len({e.address for e in one[5:]} & {e.address for e in other[5:]}) < 1024
    assert replied("sybil").decoded.lines == 511


def test_sybil_listening_names_only_its_own() -> None:
    assert list(said_of("sybil_listening")) == [LIAR, *scene().aliases]
    assert STRATEGIES["sybil_listening"].aliases == 32


def test_slander_suspects_all_the_living_behind_an_honest_table() -> None:
    assert answer_of("slander", scene()).data == scene().table.removesuffix(b"\n")  # type: ignore[union-attr]
    assert replied("slander").suspects == HONEST


def test_resurrect_lists_the_dead_as_of_now() -> None:
    assert said_of("resurrect")[DEAD] == Entry(DEAD, WALL, 7)
    assert replied("resurrect").decoded.entries == [Entry(DEAD, WALL, 7)]


def test_reflect_keeps_the_victim_newer_than_anything() -> None:
    assert said_of("reflect")[VICTIM].timestamp == WALL + 60
    assert replied("reflect").decoded.entries[0].address == VICTIM
    assert replied("reflect").suspects == (VICTIM,)


def test_inject_covers_what_breaks_lines_and_terminals() -> None:
    table = decoded("inject")
    assert table.entries[:5] == [scene().own, *OTHERS]
    assert table.rejected.keys() == set(Reason) - {Reason.FUTURE}
    assert table.sample is not None and table.sample.isprintable()
    sent = answer_of("inject", scene()).data  # type: ignore[union-attr]
    for poison in (
        b"\x1b]0;",
        b"\x00",
        b"\r",
        b'{"ts"',
        "\u202e".encode(),
        b"#leaving",
        b"#from",
        b"A" * 9000,
    ):
        assert poison in sent
    assert replied("inject").caller == LIAR


def test_equivocate_shows_each_caller_its_own_digit_of_one_time() -> None:
    seen = {said_of("equivocate", caller=f"10.0.1.{n}")[LIAR] for n in range(10)}
    assert {entry.timestamp for entry in seen} == {WALL - 9}
    assert len({entry.state for entry in seen}) == 10
    assert said_of("equivocate", seed=1) == said_of("equivocate", seed=2)
    same_ip = {said_of("equivocate", seed, caller=LIAR.host)[LIAR].state for seed in range(40)}
    assert len(same_ip) == 10
    assert replied("equivocate").decoded.entries == []


def test_frame_shows_one_caller_newer_entries_than_the_others() -> None:
    selves = [LIAR, *scene().aliases]
    framed, other = said_of("frame", caller=A.host), said_of("frame", caller=HONEST[1].host)
    assert {framed[one].timestamp for one in selves} == {WALL}
    assert {other[one] for one in selves} == {scene().own._replace(address=one) for one in selves}
    same_ip = [said_of("frame", seed, caller=LIAR.host)[LIAR].timestamp for seed in range(80)]
    assert 5 < same_ip.count(WALL) < 40


@given(st.sampled_from(sorted(STRATEGIES.keys() - {"flood", "endless"})), st.integers(), st.integers(0, 5))
def test_whatever_a_liar_knows_it_has_something_to_say(name: str, seed: int, members: int) -> None:
    others = OTHERS[:members]
    own = scene().own
    table = b"".join(entry.line + b"\n" for entry in (own, *others)) + b"\n"
    shown = scene(seed, others=others, table=table, before=(own,), dead=(), aliases=(), reply_lines=6)
    assert next(STRATEGIES[name].answer(shown)) is not None
    say = STRATEGIES[name].reply
    if say is not None and name != "inject":
        assert say(shown).count(b"\n") <= 8
