"""The menu under the prompt: what could complete the line or, while one searches, what was typed before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer, CompletionState
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.menus import MultiColumnCompletionMenuControl

from gossip.shell.complete import Candidate
from gossip.shell.history import matching
from gossip.shell.shells import Shell

ROWS = 8  # that are kept free under the prompt
_MARGIN = 4  # columns that the menu needs beside its texts


class Search:
    """A search in the history: whether one is on, and what was typed before it."""

    def __init__(self) -> None:
        self.is_on = False
        self._before = Document()

    def begin(self, buffer: Buffer) -> None:
        """Search by what is typed from now on; what is there already counts."""
        self.is_on, self._before = True, buffer.document
        buffer.cursor_position = len(buffer.text)
        self.refresh(buffer)

    def refresh(self, buffer: Buffer) -> None:
        """Show what is found now, at once: a task would be overtaken by an Enter."""
        if self.is_on and buffer.completer is not None:
            found = list(buffer.completer.get_completions(buffer.document, CompleteEvent()))
            buffer.complete_state = CompletionState(buffer.document, found) if found else None

    def take(self, buffer: Buffer) -> None:
        """End with the chosen line, else the first one found, in the prompt; Enter once more runs it."""
        state = buffer.complete_state
        self.is_on = False
        if state is not None:
            text = (state.current_completion or state.completions[0]).text
            buffer.document = Document(text, len(text))

    def leave(self, buffer: Buffer) -> None:
        """End with what was typed before."""
        self.is_on = False
        buffer.document = self._before


class Menu(Completer):
    """Offers what a shell knows or, while `search` is on, what was typed before."""

    def __init__(self, shell: Shell, search: Search) -> None:
        self._shell = shell
        self._search = search

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        if self._search.is_on:
            lines = get_app().current_buffer.history.get_strings()
            for line in matching(document.text_before_cursor, lines):
                yield Completion(line, start_position=-document.cursor_position)
            return
        offers = self._shell.candidates(document.text_before_cursor)
        shown = displays(offers, get_app().output.get_size().columns)
        for offer, display in zip(offers, shown, strict=True):
            meaning = offer.meaning if display == offer.text.rstrip() else ""  # else it is shown already
            yield Completion(
                offer.text, start_position=-offer.replaces, display=display, display_meta=meaning
            )


def displays(offers: Sequence[Candidate], columns: int) -> list[str]:
    """Return what a menu shows of each: its text and its meaning where all that fits, else the text."""
    texts = [offer.text.rstrip() for offer in offers]
    width = max(map(len, texts), default=0)
    full = [f"{text:{width}}  {offer.meaning}" for text, offer in zip(texts, offers, strict=True)]
    widest = max(map(len, full), default=0)
    room = columns - _MARGIN
    fits = widest <= room and len(offers) <= ROWS * (room // max(1, widest))
    return full if fits and all(offer.meaning for offer in offers) else texts


def make_wide(layout: Layout) -> None:
    """Let a menu's columns be as wide as what they show."""
    for control in layout.find_all_controls():
        if isinstance(control, MultiColumnCompletionMenuControl):
            control.suggested_max_column_width = 1000
