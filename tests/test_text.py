"""Text that is fit to show."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.text import printable


@given(st.text(), st.integers(4, 50))
def test_printable_is_printable_and_cut(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert shown.isprintable()
    assert len(shown) <= limit


def test_printable_keeps_what_is_and_escapes_the_rest() -> None:
    assert printable("é x") == "é x"
    assert printable("a\x1b[31m\n\u202e\ud800") == r"a\x1b[31m\n\u202e\ud800"
    assert printable("abcdefgh", 6) == "abc..."
