from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.table import Table
from tests.core_helpers import OWN, WALL, A, B, C, decode_all, nth

PREFIX = 40  # lines that a puller of the seed's family sees for certain (PROTOCOL.md, section 1)
OWN_ENTRY = Entry(OWN, WALL, 3)


def table_of(members: int, render_min_s: float = 0.0) -> Table:
    table = Table(OWN_ENTRY, render_min_s=render_min_s)
    for number in range(members):
        table.put(Entry(nth(number), WALL, 0), "test", 0.0)
    return table


def served(table: Table) -> list[Address]:
    return [entry.address for entry in decode_all(table.render()).entries]


def test_a_lone_node_serves_its_own_line_and_an_empty_one() -> None:
    assert table_of(0).render() == b"10.0.0.1:5001,1700000000,3\n\n"


@pytest.mark.parametrize("members", [0, 1, 39, 40, 300])
def test_every_table_ends_with_exactly_one_empty_line_behind_its_header(members: int) -> None:
    table = Table(OWN_ENTRY, b"#cluster prod\n")
    for number in range(members):
        table.put(Entry(nth(number), WALL, 0), "test", 0.0)
    for _ in range(3):
        table.rotate()
        lines = table.render().split(b"\n")
        assert lines[0] == b"#cluster prod"
        assert lines[-2:] == [b"", b""]
        assert lines.count(b"") == 2
        assert len(lines) == 1 + 1 + members + 2


def test_members_are_counted_by_ip() -> None:
    table = Table(OWN_ENTRY)
    for port in (1, 2, 3):
        table.put(Entry(Address(A.host, port), WALL, 0), "test", 0.0)
        table.put(Entry(Address(A.host, port), WALL, 1), "test", 0.0)
    table.put(Entry(B, WALL, 0), "test", 0.0)
    table.remove(Address(A.host, 2))
    table.remove(Address(A.host, 2))
    assert [table.count_on(address.host) for address in (A, B, C)] == [2, 1, 0]


def test_held_entries_come_in_the_order_in_which_they_are_told() -> None:
    table = table_of(60)
    table.put(Entry(nth(4), WALL + 1, 1), "test", 1.0)
    held = list(table.held())
    assert [entry.address for entry, _ in held[:2]] == [OWN, nth(4)]
    assert {entry for entry, _ in held} == set(decode_all(table.render()).entries)
    assert len(held) == 61
    assert all(entry.line == line for entry, line in held)


@pytest.mark.parametrize("members", [30, 300])
@pytest.mark.parametrize("lacked", [[], [1], [1, 3, 29], range(25), range(30)])
def test_what_a_peer_lacks_comes_with_own_and_last_changes_first(members: int, lacked: list[int]) -> None:
    table = table_of(members)
    lines = {Entry(nth(number), WALL, 0).line for number in lacked}
    seen = table.lines - lines | {b"10.9.9.9:1,1,1"}
    expected = [held for held in table.held() if held[1] in lines]
    assert len(expected) == len(lines)
    assert sorted(table.lacking(seen)) == sorted(expected)
    assert next(table.lacking(table.lines - lines - {OWN_ENTRY.line}), None) == (OWN_ENTRY, OWN_ENTRY.line)
    recent = [held for held in expected if held[0].address in served(table)[1:9]]
    assert list(table.lacking(seen))[: len(recent)] == recent


def test_the_own_entry_comes_first_then_the_last_changes_then_the_rest() -> None:
    table = table_of(30)
    table.put(Entry(nth(4), WALL + 1, 1), "test", 1.0)
    table.put(Entry(nth(17), WALL + 1, 1), "test", 2.0)
    assert served(table)[:3] == [OWN, nth(17), nth(4)]


def test_a_short_reader_of_a_long_table_sees_the_last_changes_in_every_rendering() -> None:
    table = table_of(500)
    changed = [nth(number) for number in (3, 77, 250, 499)]
    for address in changed:
        table.put(Entry(address, WALL + 1, 1), "test", 1.0)
    for _ in range(20):
        table.rotate()
        assert set(changed) <= set(served(table)[:PREFIX])


@pytest.mark.parametrize("members", [0, 1, 8, 9, 38, 39, 40, 41, 80, 81, 300])
def test_every_rendering_holds_each_member_exactly_once(members: int) -> None:
    table = table_of(members)
    for _ in range(20):
        assert Counter(served(table)) == Counter([OWN, *(nth(number) for number in range(members))])
        table.rotate()


@pytest.mark.parametrize("members", [39, 40, 41, 60, 100, 300, 1000])
def test_a_short_reader_meets_every_member_within_a_bounded_number_of_renderings(members: int) -> None:
    table, met = table_of(members), set()
    for _ in range(members // 30 + 1):
        met |= set(served(table)[:PREFIX])
        table.rotate()
    assert met == {OWN, *(nth(number) for number in range(members))}


def test_a_short_reader_meets_every_member_while_members_change_all_the_time() -> None:
    table, met, rng = table_of(200), set(), Random(1)
    for moment in range(4 * 200 // 30):
        table.put(Entry(nth(rng.randrange(200)), WALL + moment, 0), "test", 1.0)
        met |= set(served(table)[:PREFIX])
    assert len(met) == 201


def test_the_bytes_are_rendered_once_while_nothing_changes() -> None:
    table = table_of(100)
    assert table.render() is table.render()
    short = table_of(20)
    rendered = short.render()
    short.rotate()  # nothing to rotate where a short reader sees all
    assert short.render() is rendered


def test_every_change_shows_in_the_next_rendering() -> None:
    table = table_of(0)
    table.put(Entry(A, WALL, 1), "test", 0.0)
    table.put(Entry(B, WALL, 1), "test", 0.0)
    assert served(table) == [OWN, B, A]
    table.put(Entry(A, WALL + 1, 2), "test", 1.0)
    assert Entry(A, WALL + 1, 2) in decode_all(table.render()).entries
    table.remove(B)
    assert served(table) == [OWN, A]
    table.set_own(Entry(OWN, WALL + 5, 9))
    assert decode_all(table.render()).entries[0] == Entry(OWN, WALL + 5, 9)


def test_a_new_entry_keeps_what_is_known_of_the_member() -> None:
    table = Table(OWN_ENTRY)
    table.put(Entry(A, WALL, 1), "10.0.0.9:5001", 5.0).failures = 2
    member = table.put(Entry(A, WALL + 1, 2), "another", 9.0)
    assert (member.source, member.added, member.failures) == ("10.0.0.9:5001", 5.0, 2)
    assert len(table) == 1


def test_removing_who_is_no_member_changes_nothing() -> None:
    table = table_of(3)
    rendered = table.render()
    assert table.remove(C) is None
    assert table.render() is rendered


operations = st.lists(
    st.tuples(st.sampled_from(["put", "remove", "own"]), st.sampled_from([A, B, C]), st.integers(0, 5)),
    max_size=20,
)


@given(operations)
def test_the_known_lines_are_always_those_served(steps: list[tuple[str, Address, int]]) -> None:
    table, model = Table(OWN_ENTRY), {OWN: OWN_ENTRY}
    for step, address, state in steps:
        if step == "put":
            model[address] = Entry(address, WALL, state)
            table.put(model[address], "test", 0.0)
        elif step == "remove":
            table.remove(address)
            model.pop(address, None)
        else:
            model[OWN] = Entry(OWN, WALL, state)
            table.set_own(model[OWN])
        assert set(decode_all(table.render()).entries) == set(model.values())
        assert table.lines == {entry.line for entry in model.values()}
        assert dict(table.held()) == {entry: entry.line for entry in model.values()}
        assert set(table) == set(model) - {OWN}


def test_a_large_table_that_keeps_changing_is_rendered_now_and_then() -> None:
    table = table_of(1000, render_min_s=0.1)
    first = table.render(10.0)
    table.put(Entry(nth(5), WALL + 1, 2), "x", 10.0)
    assert table.render(10.0) is first
    assert table.render(10.05) is first
    later = table.render(10.1)
    assert decode_all(later).entries[1] == Entry(nth(5), WALL + 1, 2)
    table.put(Entry(nth(6), WALL + 1, 2), "x", 10.1)
    assert table.render(10.15) is later
    assert decode_all(table.render()).entries[1] == Entry(nth(6), WALL + 1, 2)  # whoever gives no time


def test_the_own_entry_in_a_large_table_is_never_late() -> None:
    table = table_of(1000, render_min_s=60.0)
    table.render(10.0)
    table.put(Entry(nth(5), WALL + 1, 2), "x", 10.0)
    table.set_own(Entry(OWN, WALL + 7, 9))
    entries = decode_all(table.render(10.0)).entries
    assert entries[0] == Entry(OWN, WALL + 7, 9)
    assert Entry(nth(5), WALL + 1, 2) not in entries
    assert len(entries) == 1001


def test_who_is_off_a_large_table_is_not_served_any_more() -> None:
    table = table_of(1001, render_min_s=60.0)
    table.render(10.0)
    table.remove(nth(5))
    assert nth(5) not in {entry.address for entry in decode_all(table.render(10.0)).entries}


def test_a_small_table_is_always_rendered_anew() -> None:
    table = table_of(999, render_min_s=60.0)
    table.render(10.0)
    table.put(Entry(nth(5), WALL + 1, 2), "x", 10.0)
    assert Entry(nth(5), WALL + 1, 2) in decode_all(table.render(10.0)).entries
