"""The view of `watch` without a terminal: what stands on a screen of any size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address
from gossip.core.views import ConvergenceView
from gossip.shell import picture
from gossip.shell.picture import Picture, Row, Spread
from gossip.shell.watch_view import FILTER_MAX, HELP, SORTS, Page, View, frame, shown_rows
from tests.fake_console import BAD, OWN, PEER, FakeConsole

LONG = "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535"


def _row(address: str, state: int | None = 1, **more: Any) -> Row:
    fields = {"age_s": 10.0, "contact_s": 2.0, "round_trip_s": 0.005, "failures": 0, **more}
    return Row(address, state, **fields)


def _picture(*rows: Row, **more: Any) -> Picture:
    own = Row("127.0.0.1:5001", 7, 9.0, None, None, 0, is_own=True)
    fields = {"strategy": None, "round": 12, "trust": "verify", "convergence": None, **more}
    return Picture("127.0.0.1:5001", 7, 1 + len(rows), 0, rows=(own, *rows), **fields)


ROWS = (
    _row("10.0.0.1:7000", 3, age_s=50.0, contact_s=None, round_trip_s=None),
    _row("10.0.0.2:7000", 7, age_s=5.0, contact_s=1.0, failures=2),
    _row("10.0.0.3:7000", 1, age_s=500.0, contact_s=3.0, round_trip_s=0.25),
    Row("10.0.0.4:7000", None, None, None, None, 0, blacklisted="refused", retry_in_s=65.0),
    Row("10.0.0.5:7000", 2, 7.0, None, None, 0, blacklisted="blocked", retry_in_s=None),
)


def _text(view: View, shown: Picture | None, width: int = 80, height: int = 24, *feed: str) -> list[str]:
    return ["".join(text for _, text in line) for line in frame(shown, view, feed, width, height)]


def _last_parts(view: View, shown: Picture) -> str:
    """Return which members are shown, by the last part of their IP."""
    return " ".join(row.address.split(":")[0].split(".")[-1] for row in shown_rows(shown, view))


def test_a_screen_of_80_by_24() -> None:
    spread = Spread("10.0.0.2:7000", 7, 1_630_281_124, 4.2, 2, 4, None)
    lines = _text(View(), _picture(*ROWS, convergence=spread), 80, 24, "08:00:00 old", "08:00:01 new")
    assert [line.rstrip() for line in lines] == [
        "127.0.0.1:5001 --> 7  6 members  0 blacklisted  honest  trust verify  round 12",
        "10.0.0.2:7000 --> 7, 4s ago: 2 of 4 members known to have it [========--------]",
        " address         state  age      contact  round-trip  fails  health",
        ">127.0.0.1:5001  7      9s       -        -           0      own",
        " 10.0.0.1:7000   3      50s      never    -           0      ok",
        " 10.0.0.2:7000   7      5s       1s       5ms         2      suspect",
        " 10.0.0.3:7000   1      8m20s    3s       250ms       0      ok",
        " 10.0.0.4:7000   -      -        -        -           -      retry 1m05s: refus~",
        " 10.0.0.5:7000   2      7s       -        -           -      blocked by hand",
        *[""] * 7,
        "1 to 6 of 6 | by address",
        "08:00:00 old",
        "08:00:01 new",
        *[""] * 4,
        "s sort  r reverse  / filter  Enter explain  b blacklisted  ? keys  q leave",
    ]


def test_what_is_not_there_yet_is_said() -> None:
    assert _text(View(), None)[0].rstrip() == "waiting for the node to answer"
    lines = [line.rstrip() for line in _text(View(stale_s=65.0), _picture(strategy="forge"))]
    assert lines[0] == "127.0.0.1:5001 --> 7  NO ANSWER for 1m05s  1 member  0 blacklisted"
    assert lines[1] == "no change of a state seen yet"
    assert "no news yet" in lines
    done = Spread("10.0.0.2:7000", 7, 1, 60.0, 4, 4, 12.3)
    assert _text(View(), _picture(convergence=done))[1].startswith(
        "10.0.0.2:7000 --> 7, 1m00s ago: all 4 known to have it, after 12.3s [==="
    )


def test_a_liar_and_the_selected_have_styles_of_their_own() -> None:
    lines = frame(_picture(*ROWS, strategy="forge"), View(selected="10.0.0.2:7000"), (), 100, 24)
    assert lines[0][0][0] == "class:watch.title.adversarial"
    assert "ADVERSARIAL: forge" in lines[0][0][1]
    assert [line[0][0].removeprefix("class:watch.") for line in lines[3:8]] == [
        "row",
        "row",
        "suspect.selected",
        "row",
        "blacklisted",
    ]


def test_one_that_lied_is_named_and_has_the_style_of_a_suspect() -> None:
    liar, rude = _row("10.0.0.1:7000", strikes=1, distrusted_s=9.0), _row("10.0.0.2:7000", strikes=2)
    lines = frame(_picture(liar, rude), View(), (), 80, 24)[4:6]
    assert [line[0][0] for line in lines] == ["class:watch.suspect"] * 2
    assert [line[0][1].rstrip().rpartition("  ")[2] for line in lines] == ["distrusted", "2 strikes"]


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (View(), "1 1 2 3 4 5"),
        (View(is_reversed=True), "5 4 3 2 1 1"),
        (View(sort="state"), "3 5 1 1 2 4"),
        (View(sort="state", is_reversed=True), "1 2 1 5 3 4"),
        (View(sort="age"), "2 5 1 1 3 4"),
        (View(sort="contact"), "2 3 1 1 4 5"),
        (View(sort="round-trip"), "2 3 1 1 4 5"),
        (View(sort="round-trip", is_reversed=True), "3 2 1 1 4 5"),
        (View(sort="failures", is_reversed=True), "2 1 1 3 4 5"),
        (View(filter="10.0"), "1 2 3 4 5"),
        (View(filter=" .3:7 "), "3"),
        (View(filter="=7"), "1 2"),
        (View(filter="="), "1 1 2 3 4 5"),
        (View(filter="=x"), ""),
        (View(only_blacklisted=True), "4 5"),
        (View(only_blacklisted=True, filter="=2"), "5"),
    ],
)
def test_rows_are_filtered_and_sorted_and_the_unknown_comes_last(view: View, shown: str) -> None:
    assert _last_parts(view, _picture(*ROWS)) == shown


def test_every_key_to_sort_by_comes_round() -> None:
    view, seen = View(), []
    for _ in SORTS:
        seen.append(view.sort)
        view.sort_next()
    assert (seen, view.sort) == (list(SORTS), "address")


def _many(count: int = 100) -> Picture:
    return _picture(*(_row(f"10.0.0.{number}:7000", number % 10) for number in range(1, count)))


def test_the_selected_row_is_always_in_sight() -> None:
    view, shown = View(), _many()
    for by, first, last, selected in [
        (0, 1, 10, "127.0.0.1:5001"),
        (9, 1, 10, "10.0.0.9:7000"),
        (1, 2, 11, "10.0.0.10:7000"),
        (-1, 2, 11, "10.0.0.9:7000"),
        (1 << 30, 91, 100, "10.0.0.99:7000"),
        (-10, 90, 99, "10.0.0.89:7000"),
        (-(1 << 30), 1, 10, "127.0.0.1:5001"),
    ]:
        view.move(shown, by)
        lines = _text(view, shown, 80, 20)
        assert f"{first} to {last} of 100 | by address" in [line.rstrip() for line in lines]
        assert [line.split()[0] for line in lines if line.startswith(">")] == [f">{selected}"]


def test_the_selection_follows_its_address_and_its_place_once_that_has_gone() -> None:
    view, shown = View(), _many()
    view.move(shown, 5)
    view.is_reversed = True
    _text(view, shown)
    assert (view.selected, view.index) == ("10.0.0.5:7000", 94)
    without = msgspec.structs.replace(shown, rows=tuple(r for r in shown.rows if r.address != view.selected))
    _text(view, without)
    assert (view.selected, view.index) == ("10.0.0.4:7000", 94)
    view.filter = "nobody"
    assert "no row is like that; Esc clears the filter" in [line.rstrip() for line in _text(view, shown)]
    assert view.selected == ""
    view.move(shown, 1)
    assert view.selected == ""


def test_only_the_rows_in_sight_are_formatted(monkeypatch: pytest.MonkeyPatch) -> None:
    formatted: list[float | None] = []
    monkeypatch.setattr("gossip.shell.render.round_trip", lambda took_s: str(formatted.append(took_s)))
    _text(View(), _many(200))
    assert len(formatted) == 13


def test_a_long_address_is_cut_and_columns_stand_still() -> None:
    shown = _picture(*ROWS, _row(LONG, 4))
    header, *rows = _text(View(), shown)[2:10]
    (long,) = [row for row in rows if "~" in row.split()[0]]
    assert long.split()[0] == "[2001:db8:12~8]:65535"
    assert {row[header.index("state")] for row in rows} == {"7", "3", "1", "-", "2", "4"}
    full = _row("192.168.100.200:50001", blacklisted="timeout", retry_in_s=65.0)
    assert _text(View(), _picture(full, _row(LONG, 4)))[4].split()[0] == "192.168.100.200:50001"
    assert "retry 1m05s~" in _text(View(), _picture(full, _row(LONG, 4)))[4]
    assert _text(View(), shown, 120)[9].split()[0] == LONG


def test_the_filter_is_typed_on_the_last_line_and_bounded() -> None:
    view = View(is_filtering=True)
    view.type("10.0\x1b\n")
    assert _text(view, _picture(*ROWS))[-1].rstrip() == "/10.0_"
    view.type("x" * 1000)
    assert len(view.filter) == FILTER_MAX


def test_a_page_is_wrapped_and_scrolled_within_its_bounds() -> None:
    text = [f"  {number}s ago  answered" for number in range(50)] + ["x" * 30 + " " + "y" * 90]
    view, shown = View(page=Page("explain 10.0.0.1:7000", text)), _many()
    top = [line.rstrip() for line in _text(view, shown, 80, 10)]
    assert (top[0], top[1]) == ("explain 10.0.0.1:7000", "  0s ago  answered")
    assert top[-1].endswith("(44 lines more)")
    view.move(shown, 3)
    assert _text(view, shown, 80, 10)[1].rstrip() == "  3s ago  answered"
    view.move(shown, 1 << 30)
    assert [line.rstrip() for line in _text(view, shown, 80, 10)][-4:-1] == [
        "  49s ago  answered",
        "x" * 30 + " " + "y" * 49,
        "      " + "y" * 41,
    ]
    view.move(shown, -(1 << 30))
    assert _text(view, shown, 80, 10)[1].rstrip() == "  0s ago  answered"


NASTY = "\x1b[2J\u202e\ud800\u4e2d\U0001f600\n\t\x7f"


@given(
    width=st.integers(0, 130),
    height=st.integers(0, 40),
    view=st.builds(
        View,
        sort=st.sampled_from(list(SORTS)),
        filter=st.sampled_from(["", "=7", "zz", NASTY]),
        is_filtering=st.booleans(),
        only_blacklisted=st.booleans(),
        selected=st.sampled_from(["", LONG, "10.0.0.3:7000"]),
        top=st.integers(0, 500),
        index=st.integers(0, 500),
        stale_s=st.sampled_from([0.0, 5.0]),
        page=st.sampled_from([None, Page("\x1b", [NASTY, "", "a " * 100, "b" * 500])]),
    ),
    convergence=st.sampled_from(
        [None, Spread(LONG, 7, 1, 4.0, 900, 1000, None), Spread(NASTY, 1, 1, 1, 0, 0, 0)]
    ),
    is_waiting=st.booleans(),
)
def test_nothing_leaves_the_screen_or_drives_the_terminal(
    width: int, height: int, view: View, convergence: Spread | None, is_waiting: bool
) -> None:
    evil = Row(NASTY * 50, 7, 1e12, -5.0, 99.0, 0, blacklisted=NASTY, retry_in_s=1e9)
    shown = _picture(*ROWS, _row(LONG, 4), evil, convergence=convergence, strategy=NASTY, trust=NASTY)
    page = view.page and replace(view.page)
    lines = _text(
        replace(view, page=page), None if is_waiting else shown, width, height, NASTY * 9, "x" * 999
    )
    assert len(lines) <= height
    for line in lines:
        assert len(line) <= width
        assert line.isascii()
        assert line.isprintable()
    if not is_waiting and width and height:
        assert len(lines) == height


# The picture.


def test_a_picture_has_all_of_a_node_and_goes_through_json() -> None:
    console = FakeConsole()
    console.last_change = ConvergenceView(Address("10.0.0.9", 1), 4, 17, 2.00049, 1, 2)
    taken = picture.take(console)
    assert taken == Picture(
        str(OWN),
        3,
        2,
        1,
        None,
        12,
        "verify",
        (
            Row(str(OWN), 3, 3723.0, None, None, 0, is_own=True),
            Row(str(PEER), 1, 125.0, 3.2, 0.012, 0),
            Row(str(BAD), None, None, None, None, 0, blacklisted="refused", retry_in_s=7.5),
        ),
        Spread("10.0.0.9:1", 4, 17, 2.0, 1, 2, None),
    )
    assert msgspec.json.decode(msgspec.json.encode(taken), type=Picture) == taken


def test_the_page_of_keys_fits_80_columns() -> None:
    assert max(map(len, HELP)) < 80
