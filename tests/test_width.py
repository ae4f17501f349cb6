"""Long lines on narrow terminals: no word is torn, no text lost, and columns stay columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.shell.width import fitting, folded


def lines(line: str, columns: int) -> list[str]:
    return "".join(text for _, text in folded([("", line)], columns)).split("\n")


@pytest.mark.parametrize(
    ("line", "columns", "expected"),
    [
        ("as it is", 8, ["as it is"]),
        ("one two three four", 9, ["one two", "  three", "  four"]),
        (
            "  quit     leave this shell: the node's own stops it",
            40,
            ["  quit     leave this shell: the node's", "           own stops it"],
        ),
        # A column too far to the right to go on below it: below the one before.
        (
            "  2s ago  it happened again  state 8 of 5",
            36,
            ["  2s ago  it happened again  state 8", " " * 10 + "of 5"],
        ),
        ("aaaaaaaaaaaaaaaa b", 8, ["aaaaaaaaaaaaaaaa", "  b"]),
        ("aaaaaaaaaaaaaaaa", 8, ["aaaaaaaaaaaaaaaa"]),
        ("or: gossipd.py call trace", 8, ["or: gossipd.py call trace"]),
        ('{"reason":"it is said to be so"}', 8, ['{"reason":"it is said to be so"}']),
        ('[{"reason":"it is said to be so"}]', 8, ['[{"reason":"it is said to be so"}]']),
        ("[::1]:5001 is no member", 14, ["[::1]:5001 is", "  no member"]),
    ],
)
def test_a_line_is_broken_between_words(line: str, columns: int, expected: list[str]) -> None:
    assert lines(line, columns) == expected


def test_each_part_keeps_its_style() -> None:
    parts = [("", "one "), ("class:bad", "two three"), ("", " four")]
    assert folded(parts, 9) == [
        ("", "one "),
        ("class:bad", "two"),
        ("", "\n  "),
        ("class:bad", "three"),
        ("", "\n  "),
        ("", "four"),
    ]


@given(st.lists(st.text("ab:", max_size=30), max_size=12), st.integers(1, 60))
def test_no_word_is_lost_or_torn_and_lines_fit_where_words_do(words: list[str], columns: int) -> None:
    line = "  ".join(words[:3]) + " " + " ".join(words[3:])
    shown = lines(line, columns)
    assert "\n".join(shown).split() == line.split()
    if all(len(word) <= columns / 2 for word in words) and columns >= 48:
        assert all(len(row.rstrip()) <= columns for row in shown)


@pytest.mark.parametrize(
    ("columns", "expected"), [(9, "a | b | c"), (8, "a | b"), (5, "a | b"), (4, "a"), (0, "a")]
)
def test_the_last_parts_go_first(columns: int, expected: str) -> None:
    assert fitting("a | b | c", columns) == expected
