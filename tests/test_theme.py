"""Colours: the parts of a line, whole whatever is painted, and who gets none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.shell import theme
from gossip.shell.commands import run
from gossip.shell.theme import Kind, has_colours, paint
from tests.fake_console import PEER, FakeConsole


@pytest.mark.parametrize(
    ("line", "kind", "painted"),
    [
        ("no such command: x; help lists all", Kind.REFUSAL, [("refusal", None)]),
        ("1.2.3.4:5 blacklisted: refused; next retry in 9s", Kind.NEWS, [("warning", None)]),
        ("1.2.3.4:5 said 1.2.3.4:6 --> 3, which 1.2.3.4:6 denies", Kind.NEWS, [("warning", None)]),
        ("1.2.3.4:5 --> 3", Kind.NEWS, [("", None)]),
        ("address         state  age", Kind.RESULT, [("header", None)]),
        ("to look:", Kind.RESULT, [("header", None)]),
        ("[::1]:5001 blacklisted: timeout; next retry in 9s", Kind.NEWS, [("warning", None)]),
        ("[::1]:5001  distrusted", Kind.RESULT, [("", "[::1]:5001  "), ("suspect", "distrusted")]),
        ("1.2.3.4:5 --> 3", Kind.RESULT, [("", None)]),
        ("a  distrusted", Kind.RESULT, [("", "a  "), ("suspect", "distrusted")]),
        ("a  suspect (2)", Kind.RESULT, [("", "a  "), ("suspect", "suspect (2)")]),
        (
            "1.2.3.4:5: blacklisted 3s ago: refused",
            Kind.RESULT,
            [("", "1.2.3.4:5: "), ("bad", "blacklisted"), ("", " 3s ago: refused")],
        ),
        ("    3  bad_fields  -  x", Kind.RESULT, [("", "    3  "), ("bad", "bad_fields"), ("", "  -  x")]),
        (
            "12:00:01  pull failed  refused",
            Kind.TRACE,
            [("time", "12:00:01"), ("", "  pull failed  refused")],
        ),
        ('{"reason":"blacklisted "}', Kind.RESULT, [("", None)]),
        ('[{"reason":"blacklisted "}]', Kind.RESULT, [("", None)]),
        ("", Kind.RESULT, [("", "")]),
    ],
)
def test_what_is_painted(line: str, kind: Kind, painted: list[tuple[str, str | None]]) -> None:
    expected = [(f"class:{name}" if name else "", line if text is None else text) for name, text in painted]
    assert paint(line, kind) == expected


@given(st.text(), st.sampled_from(Kind))
def test_the_parts_are_the_line_and_their_classes_are_in_the_table(line: str, kind: Kind) -> None:
    parts = paint(line, kind)
    assert "".join(text for _, text in parts) == line
    assert all(name == "" or name.removeprefix("class:") in theme.STYLES for name, _ in parts)


@pytest.mark.parametrize("command", ["members", "blacklist", "set"])
def test_the_head_of_each_listing_is_painted_as_one(command: str) -> None:
    head, *rows = (paint(line, Kind.RESULT)[0][0] for line in run(FakeConsole(), command).lines)
    assert head == "class:header" and "class:header" not in rows


def test_the_own_row_of_the_members_is_painted_as_such_and_no_other() -> None:
    classes = [paint(line, Kind.RESULT)[0][0] for line in run(FakeConsole(), "members").lines]
    assert classes == ["class:header", "class:own", ""]


@pytest.mark.parametrize("command", ["members", "blacklist", "help", "status", f"explain {PEER}", "!", "?"])
def test_painting_changes_no_result(command: str) -> None:
    for line in run(FakeConsole(), command).lines:
        assert "".join(text for _, text in paint(line, Kind.RESULT)) == line


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "0"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "UNKNOWN"}, False),
        ({}, False),
    ],
)
def test_who_gets_colours(environment: dict[str, str], wanted: bool) -> None:
    assert has_colours(environment) is wanted
