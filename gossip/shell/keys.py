"""The keys that do something of their own at the prompt."""

from __future__ import annotations

from prompt_toolkit.buffer import Buffer, CompletionState
from prompt_toolkit.completion import CompleteEvent, Completion, get_common_complete_suffix
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys
from prompt_toolkit.utils import is_dumb_terminal

from gossip.shell import commands
from gossip.shell.menu import Search


def bindings(search: Search) -> KeyBindings:
    """Return the keys of a prompt whose history is searched by `search`."""
    made = KeyBindings()

    @made.add(Keys.ControlZ)
    def _ignore(event: KeyPressEvent) -> None:
        """Do nothing: a stopped node answers nobody, and the default types a ^Z."""

    @made.add(Keys.Tab)
    def _complete(event: KeyPressEvent) -> None:
        _tab(event.current_buffer)

    @made.add(Keys.BracketedPaste)
    def _paste(event: KeyPressEvent) -> None:
        """Type what was pasted, each newline being an Enter: what follows is kept for the next prompt."""
        *lines, last = event.data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if not lines:
            event.current_buffer.insert_text(last[: commands.LINE_MAX + 1])
            return
        keys = []
        for line in lines:
            keys += [KeyPress(Keys.BracketedPaste, line), KeyPress(Keys.ControlM, "\r")]
        event.app.key_processor.feed_multiple([*keys, KeyPress(Keys.BracketedPaste, last)], first=True)

    _add_search(made, search)
    return made


def _add_search(made: KeyBindings, search: Search) -> None:
    searching = Condition(lambda: search.is_on)

    # A dumb terminal has no place for a menu: there the default stays.
    @made.add(Keys.ControlR, filter=Condition(lambda: not is_dumb_terminal()))
    def _search(event: KeyPressEvent) -> None:
        """Begin a search; within one, go on to the next line found."""
        if search.is_on:
            event.current_buffer.complete_next()
        else:
            search.begin(event.current_buffer)

    @made.add(Keys.ControlM, filter=searching, eager=True)
    def _take(event: KeyPressEvent) -> None:
        search.take(event.current_buffer)

    @made.add(Keys.Escape, filter=searching, eager=True)
    @made.add(Keys.ControlG, filter=searching, eager=True)
    @made.add(Keys.ControlC, filter=searching, eager=True)
    @made.add(Keys.ControlD, filter=searching, eager=True)
    def _leave(event: KeyPressEvent) -> None:
        search.leave(event.current_buffer)


def _tab(buffer: Buffer) -> None:
    """Complete at once: the default starts a task, which an Enter right after the Tab overtakes."""
    if buffer.complete_state is not None:
        buffer.complete_next()
        return
    found = _found(buffer)
    if len(found) == 1 and _is_typed(found[0]):
        # The word is complete: show what comes next, if anything does.
        buffer.insert_text(" ")
        found = _found(buffer)
        if not found:
            buffer.delete_before_cursor()
        elif len(found) == 1:
            return  # one more Tab takes it
    if len(found) == 1:
        buffer.apply_completion(found[0])
    elif found:
        suffix = get_common_complete_suffix(buffer.document, found)
        if suffix:
            buffer.insert_text(suffix)
            found = _found(buffer)
        buffer.complete_state = CompletionState(buffer.document, found)


def _found(buffer: Buffer) -> list[Completion]:
    requested = CompleteEvent(completion_requested=True)
    return list(buffer.completer.get_completions(buffer.document, requested))


def _is_typed(found: Completion) -> bool:
    """Tell whether a completion would add nothing but a space."""
    return len(found.text.rstrip()) == -found.start_position
