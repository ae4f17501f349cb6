"""The shell's commands as registered data: a line of text in, lines of text out.

A handler gets the console and the words after the command, and returns a Result; it never prints.
A new command is one function under `@command`: the help and the completion come from what it registers.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gossip.core.address import Address, AddressError
from gossip.shell import complete, render
from gossip.shell.complete import Candidate, Completer
from gossip.shell.console import Console

LINE_MAX = 4096  # characters; no command needs more than one address
_STATE_RULE = "the state is one digit, 0 to 9"
_STRATEGIES_HINT = "help adversary lists the strategies"


@dataclass(frozen=True, slots=True)
class Result:
    """What a command shows; `stop` tells a shell to end."""

    lines: tuple[str, ...] = ()
    ok: bool = True
    stop: bool = False


Handler = Callable[[Console, list[str]], Result]


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


class CommandError(Exception):
    """A command that cannot be done as typed; the text is the line to show."""


REGISTRY: dict[str, Command] = {}


def register(new: Command) -> None:
    """Add a command; registering a name twice is a mistake of ours."""
    if new.name in REGISTRY:
        raise ValueError(f"the command {new.name} is registered twice")
    REGISTRY[new.name] = new


def command(
    name: str,
    usage: str,
    summary: str,
    *,
    arguments: Completer | None = None,
    fewest: int = 0,
    most: int = 0,
    explained: bool = False,
) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of a command."""

    def decorate(handler: Handler) -> Handler:
        register(Command(name, usage, summary, handler, arguments, fewest, most, explained))
        return handler

    return decorate


def run(console: Console, line: str) -> Result:
    """Do what one line says; whatever the text, the answer is a Result."""
    if len(line) > LINE_MAX:
        return _error(f"the line is too long: {len(line)} characters, at most {LINE_MAX}")
    words = _split(line)
    if not words:
        return Result()
    try:
        found = _find(words[0])
        _check_count(found, words[1:])
        return found.handler(console, words[1:])
    except CommandError as error:
        return _error(str(error))


def joined(line: str) -> str:
    """Return the address that a line asks to join, or nothing; its result tells how that went."""
    words = _split(line)
    return words[1] if len(words) == 2 and words[0] in ("+", "join") else ""


def candidates(console: Console, text: str) -> list[Candidate]:
    """Offer what could complete the last word of the text before the cursor."""
    words = _split(text)
    if not text.strip() or (len(words) == 1 and words != ["+"] and not text[-1].isspace()):
        return _matching(_names(console, ()), words[0] if words else "")
    is_new_word = text[-1].isspace() or words == ["+"]
    before, last = (words[1:], "") if is_new_word else (words[1:-1], words[-1])
    found = REGISTRY.get(words[0])
    if found is None or found.arguments is None or len(before) >= found.most:
        return []
    return _matching(found.arguments(console, before), last)


def _split(line: str) -> list[str]:
    """Split a line in words, the command first; `+` needs no space after it."""
    stripped = line.strip()
    return ["+", *stripped[1:].split()] if stripped.startswith("+") else stripped.split()


def _matching(offers: Iterable[Candidate], word: str) -> list[Candidate]:
    return [replace(offer, replaces=len(word)) for offer in offers if offer.text.startswith(word)]


def _names(console: Console, before: Sequence[str]) -> list[Candidate]:
    # A one-character command is complete as soon as it is typed.
    named = [found for found in REGISTRY.values() if len(found.name) > 1 and not before]
    return [Candidate(found.name + (" " if found.most else ""), found.summary) for found in named]


def _error(line: str) -> Result:
    return Result((line,), ok=False)


def _find(name: str) -> Command:
    found = REGISTRY.get(name)
    if found is not None:
        return found
    if name.removeprefix("-").isdigit():
        raise CommandError(f"{_STATE_RULE}, not {render.typed(name)}")
    close = [other for other in (name.upper(), name.lower()) if other in REGISTRY]
    close += difflib.get_close_matches(name.lower()[:40], REGISTRY, 1)
    hint = f"did you mean {close[0]}? (help lists all)" if close else "help lists all"
    raise CommandError(f"no such command: {render.typed(name)}; {hint}")


def _check_count(found: Command, args: Sequence[str]) -> None:
    if found.fewest <= len(args) <= found.most:
        return
    if found.most == 0:
        raise CommandError(f"{found.name} stands alone, without {render.typed(' '.join(args))}")
    got = render.typed(" ".join(args)) if args else "nothing"
    raise CommandError(f"expected {found.usage}, got {got} after {found.name}")


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except AddressError as error:
        raise CommandError(f"{render.typed(text)} is no address: {error}") from None


def _other_address(console: Console, text: str, verb: str) -> Address:
    address = _address(text)
    if address == console.status().own.address:
        raise CommandError(f"{address} is this node itself: there is nothing to {verb}")
    return address


@command("!", "!", "list the table in CSV: ip:port,timestamp,state")
def _csv(console: Console, args: list[str]) -> Result:
    return Result(tuple(render.csv(console.members())))


@command("table", "table", "list the table: ip:port --> state (as ?)")
@command("?", "?", "list the table: ip:port --> state")
def _table(console: Console, args: list[str]) -> Result:
    return Result(tuple(render.states(console.members())))


@command("join", "join ADDRESS", "connect to a node (as +)", arguments=complete.addresses, fewest=1, most=1)
@command("+", "+IP:PORT", "connect to a node", arguments=complete.addresses, fewest=1, most=1)
def _join(console: Console, args: list[str]) -> Result:
    report = console.join(_other_address(console, args[0], "join"))
    return Result((render.join_report(report),), ok=report.is_member)


def _set_digit(digit: int, console: Console, args: list[str]) -> Result:
    return Result((render.own_line(console.set_state(digit)),))


for _digit in range(10):
    register(Command(str(_digit), "0 .. 9", "set the own state", partial(_set_digit, _digit)))


@command("Y", "Y", "turn adversarial gossip on")
def _yes(console: Console, args: list[str]) -> Result:
    return _adversary(console, ["on"])


@command("N", "N", "turn adversarial gossip off")
def _no(console: Console, args: list[str]) -> Result:
    return _adversary(console, ["off"])


@command("members", "members", "show all members: state, age, last contact, where learned, health")
def _members(console: Console, args: list[str]) -> Result:
    return Result(tuple(render.member_table(console.members())))


@command("state", "state [DIGIT]", "show or set the own state", arguments=complete.digits, most=1)
def _state(console: Console, args: list[str]) -> Result:
    if not args:
        return Result((render.own_line(console.status().own),))
    if len(args[0]) != 1 or args[0] not in "0123456789":
        raise CommandError(f"{_STATE_RULE}, not {render.typed(args[0])}")
    return _set_digit(int(args[0]), console, [])


@command(
    "adversary",
    "adversary [on|off|NAME]",
    "show or set adversarial gossip, by a strategy's name",
    arguments=complete.adversaries,
    most=1,
    explained=True,
)
def _adversary(console: Console, args: list[str]) -> Result:
    names = list(console.strategies())
    if not args:
        return Result((f"{render.adversary_line(console.status().strategy)}; {_STRATEGIES_HINT}",))
    chosen = {"on": names[0], "off": None}.get(args[0], args[0])
    if chosen is not None and chosen not in names:
        raise CommandError(f"no such strategy: {render.typed(chosen)}; {_STRATEGIES_HINT}")
    refusal = console.set_adversary(chosen)
    if refusal is not None:
        raise CommandError(f"refused: expected {refusal}")
    return Result((render.adversary_line(chosen),))


@command(
    "explain",
    "explain ADDRESS",
    "tell all that is known of an address, and how it came to be",
    arguments=complete.addresses,
    fewest=1,
    most=1,
)
def _explain(console: Console, args: list[str]) -> Result:
    return Result(tuple(render.story(console.explain(_address(args[0])))))


@command("blacklist", "blacklist", "show the blacklisted and the blocked")
def _blacklist(console: Console, args: list[str]) -> Result:
    return Result(tuple(render.blacklist_table(console.blacklist())))


@command(
    "block", "block ADDRESS", "blacklist a node for good", arguments=complete.addresses, fewest=1, most=1
)
def _block(console: Console, args: list[str]) -> Result:
    address = _other_address(console, args[0], "block")
    return Result((f"{address} is blocked" + ("" if console.block(address) else " already"),))


@command(
    "unblock",
    "unblock ADDRESS",
    "take a node off the blacklist",
    arguments=complete.blacklisted,
    fewest=1,
    most=1,
)
def _unblock(console: Console, args: list[str]) -> Result:
    address = _address(args[0])
    if not console.unblock(address):
        raise CommandError(f"{address} is not on the blacklist")
    return Result((f"{address} is off the blacklist",))


@command("help", "help [COMMAND]", "list the commands, or explain one", arguments=_names, most=1)
def _help(console: Console, args: list[str]) -> Result:
    shown = [_find(args[0])] if args else list(REGISTRY.values())
    by_usage = {found.usage: found.summary for found in shown}  # the ten digits are one line
    lines = render.aligned(list(by_usage.items()))
    if args and shown[0].explained and shown[0].arguments is not None:
        offers = [(f"  {offer.text}", offer.meaning) for offer in shown[0].arguments(console, ())]
        lines += render.aligned(offers)
    return Result(tuple(lines))


@command("quit", "quit", "stop the node")
def _quit(console: Console, args: list[str]) -> Result:
    console.stop()
    return Result(stop=True)
