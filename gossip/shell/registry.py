"""The shell's commands as registered data: a line of text in, lines of text out.

A handler gets the console, the words after the command and, by keyword, the options that were given; it
returns a Result and never prints. A new command is one function under `@command`, in `listings.py` where it
only shows, in `actions.py` where it changes something (`set` and `reload` are in `tuning.py`, `pull` is in
`raw.py`, those for the shell itself are in `commands.py`): help and completion come from what it registers.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gossip.core.address import Address, AddressError, parse_cached
from gossip.shell import render
from gossip.shell.complete import Candidate, Completer
from gossip.shell.console import Console

LINE_MAX = 4096  # characters; no command needs more than one address
STATE_RULE = "the state is one digit, 0 to 9"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command shows; `stop` tells a shell to end, `opens` what it is to show live from now on.

    Where it is not `ok`, `is_misuse` tells a line that no node could obey from one that this one refused.
    """

    lines: tuple[str, ...] = ()
    ok: bool = True
    stop: bool = False
    is_misuse: bool = False
    opens: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """`--name`, or `--name VALUE` where it has `choices`; it reaches the handler as a keyword argument."""

    name: str
    meaning: str
    value: str = ""
    choices: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How it is typed."""
        return f"--{self.name} {self.value}" if self.choices else f"--{self.name}"


Handler = Callable[..., Result]
JSON = Option("json", "one line of JSON, for scripts")
GROUPS = LOOK, CHANGE, SHELL = "to look", "to change", "for this shell"  # as `help` and Tab order them


@dataclass(frozen=True, slots=True)
class Command:
    """A command; it takes from `fewest` to `most` arguments, `arguments` offers what to type there.

    `explained`: its help tells what they mean.
    """

    name: str
    usage: str
    summary: str
    handler: Handler
    arguments: Completer | None = None
    fewest: int = 0
    most: int = 0
    explained: bool = False
    options: tuple[Option, ...] = ()
    example: str = ""
    group: str = LOOK


class CommandError(Exception):
    """A command that the node refuses; the text is the line to show."""


class UsageError(CommandError):
    """A line that no node could obey as typed."""


REGISTRY: dict[str, Command] = {}


def register(new: Command) -> None:
    """Add a command; registering a name twice is a mistake of ours."""
    if new.name in REGISTRY:
        raise ValueError(f"the command {new.name} is registered twice")
    REGISTRY[new.name] = new


def command(name: str, usage: str, summary: str, **more: Any) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of a command; `more` is as in Command."""

    def decorate(handler: Handler) -> Handler:
        register(Command(name, usage, summary, handler, **more))
        return handler

    return decorate


def run(console: Console, line: str) -> Result:
    """Do what one line says; whatever the text, the answer is a Result."""
    if len(line) > LINE_MAX:
        line_error = f"the line is too long: {len(line)} characters, at most {LINE_MAX}"
        return Result((line_error,), ok=False, is_misuse=True)
    words = _split(line)
    if not words:
        return Result()
    try:
        found = find(words[0])
        args, options = _parse(found, words[1:])
        return found.handler(console, args, **options)
    except CommandError as error:
        return Result((str(error),), ok=False, is_misuse=isinstance(error, UsageError))


def needs_terminal(opens: str) -> str:
    """Say why what a result opens is not shown, where there is no terminal to show it."""
    name = render.typed(name_of(opens))
    elsewhere = f", or gossipd.py call {opens}" if name == "trace" else ": gossipd.py attach"
    return f"{name} needs a terminal{elsewhere}"


def name_of(line: str) -> str:
    """Return the command that a line names, or nothing."""
    return next(iter(_split(line)), "")


def joined(line: str) -> str:
    """Return the address that a line asks to join, or nothing; its result tells how that went."""
    words = [word for word in _split(line) if not word.startswith("--")]
    return words[1] if len(words) == 2 and words[0] in ("+", "join") else ""


def find(name: str) -> Command:
    """Return a command; raise UsageError, with what may have been meant, where there is none."""
    found = REGISTRY.get(name)
    if found is not None:
        return found
    if name.removeprefix("-").isdigit():
        raise UsageError(f"{STATE_RULE}, not {render.typed(name)}")
    raise UsageError(f"no such command: {render.typed(name)}; {_hint(name)}")


def _hint(name: str) -> str:
    """Say what may have been meant by the name of no command."""
    if parse_cached(name[:64]) is not None:
        return f"to join it type +{name}, for what is known of it explain {name}"
    if name.startswith("--"):
        return "an option comes after a command, as in members --json"
    lower = name.lower()[:40]
    close = [other for other in (name.upper(), name.lower()) if other in REGISTRY]
    close += [found.name for found in listed() if len(lower) > 1 and found.name.startswith(lower)]
    close += difflib.get_close_matches(lower, REGISTRY, 1)
    return f"did you mean {close[0]}? (help lists all)" if close else "help lists all"


def listed() -> list[Command]:
    """Return the commands, as a user looks for them."""
    return sorted(REGISTRY.values(), key=lambda found: GROUPS.index(found.group))


def address(text: str) -> Address:
    """Read an address; raise UsageError for what is none."""
    try:
        return Address.parse(text)
    except AddressError as error:
        raise UsageError(f"{render.typed(text)} is no address: {error}") from None


def names(console: Console, before: Sequence[str]) -> list[Candidate]:
    """Offer the commands; one of a single character is complete as soon as it is typed."""
    named = [found for found in listed() if len(found.name) > 1 and not before]
    return [Candidate(found.name + (" " if found.most else ""), found.summary) for found in named]


def candidates(console: Console, text: str) -> list[Candidate]:
    """Offer what could complete the last word of the text before the cursor."""
    words = _split(text)
    if not text.strip() or (len(words) == 1 and words != ["+"] and not text[-1].isspace()):
        return _matching(names(console, ()), words[0] if words else "")
    is_new_word = text[-1].isspace() or words == ["+"]
    before, last = (words[1:], "") if is_new_word else (words[1:-1], words[-1])
    found = REGISTRY.get(words[0])
    return [] if found is None else _matching(_next(console, found, before, last), last)


def _next(console: Console, found: Command, before: Sequence[str], last: str) -> list[Candidate]:
    """Offer what may follow the words of a command: an option's value, an argument, or an option."""
    by_name = {f"--{option.name}": option for option in found.options}
    args: list[str] = []
    given: set[str] = set()
    wanted: Option | None = None  # the option whose value comes next
    for word in before:
        name, equals, _ = word.partition("=")
        if wanted is not None:
            wanted = None
        elif name in by_name:
            given.add(name)
            wanted = by_name[name] if by_name[name].choices and not equals else None
        else:
            args.append(word)
    if wanted is not None:
        return [Candidate(choice, "") for choice in wanted.choices]
    if found.arguments is not None and len(args) < found.most and not last.startswith("-"):
        return list(found.arguments(console, args))
    left = [option for name, option in by_name.items() if name not in given]
    return [
        Candidate(f"--{option.name}" + (" " if option.choices else ""), option.meaning) for option in left
    ]


def _split(line: str) -> list[str]:
    """Split a line in words, the command first; `+` needs no space after it."""
    stripped = line.strip()
    return ["+", *stripped[1:].split()] if stripped.startswith("+") else stripped.split()


def _matching(offers: Iterable[Candidate], word: str) -> list[Candidate]:
    return [replace(offer, replaces=len(word)) for offer in offers if offer.text.startswith(word)]


def _parse(found: Command, words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Tell a command's arguments from its options."""
    args: list[str] = []
    given: dict[str, Any] = {}
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        if not found.options or not word.startswith("--"):
            args.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        option = _option(found, name)
        if option.name in given:
            raise UsageError(f"--{option.name} is given twice")
        if not option.choices and equals:
            raise UsageError(f"--{option.name} stands alone, without {render.typed(value)}")
        if option.choices and not equals:
            value = rest.pop() if rest else ""
        given[option.name] = _choice(option, value) if option.choices else True
    _check_count(found, args)
    return args, given


def _option(found: Command, name: str) -> Option:
    by_name = {option.name: option for option in found.options}
    if name in by_name:
        return by_name[name]
    close = difflib.get_close_matches(name.lower()[:40], by_name, 1)
    listed = ", ".join(f"--{other}" for other in by_name)
    hint = f"did you mean --{close[0]}?" if close else f"it has {listed}"
    raise UsageError(f"{found.name} has no option {render.typed('--' + name)}; {hint}")


def _choice(option: Option, value: str) -> str:
    if value not in option.choices:
        got = render.typed(value) if value else "nothing"
        raise UsageError(f"expected {option.usage}, one of {', '.join(option.choices)}; got {got}")
    return value


def _check_count(found: Command, args: Sequence[str]) -> None:
    if found.fewest <= len(args) <= found.most:
        return
    if found.most == 0:
        raise UsageError(f"{found.name} stands alone, without {render.typed(' '.join(args))}")
    got = render.typed(" ".join(args)) if args else "nothing"
    raise UsageError(f"expected {found.usage}, got {got} after {found.name}")
