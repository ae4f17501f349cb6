"""The commands that change something, at this node or in what it believes."""

from __future__ import annotations

import difflib
from functools import partial

from gossip.core.address import Address
from gossip.shell import complete, data, render
from gossip.shell.console import Console
from gossip.shell.registry import (
    CHANGE,
    JSON,
    STATE_RULE,
    Command,
    CommandError,
    Result,
    UsageError,
    address,
    command,
    register,
)

_STRATEGIES_HINT = "help adversary lists the strategies"


def _answer(json: bool, shown: str, fields: data.Fields, *, ok: bool = True) -> Result:
    return Result((data.line(fields) if json else shown,), ok=ok)


def _other_address(console: Console, text: str, verb: str) -> Address:
    found = address(text)
    if found == console.status().own.address:
        raise CommandError(f"{found} is this node itself: there is nothing to {verb}")
    return found


@command(
    "join",
    "join ADDRESS",
    "pull from a node: it becomes a member or, failing, blacklisted (as +)",
    arguments=complete.to_join,
    fewest=1,
    most=1,
    options=(JSON,),
    example="join 127.0.0.1:5002",
    group=CHANGE,
)
@command("+", "+IP:PORT", "join a node", arguments=complete.to_join, fewest=1, most=1, group=CHANGE)
def _join(console: Console, args: list[str], *, json: bool = False) -> Result:
    report = console.join(_other_address(console, args[0], "join"))
    return _answer(json, render.join_report(report), data.join_report(report), ok=report.is_member)


def _set_digit(digit: int, console: Console, args: list[str], *, json: bool = False) -> Result:
    own = console.set_state(digit)
    return _answer(json, render.own_line(own), data.entry(own))


for _digit in range(10):
    register(Command(str(_digit), "0 .. 9", "set the own state", partial(_set_digit, _digit), group=CHANGE))


@command(
    "state",
    "state [DIGIT]",
    "show or set the own state",
    arguments=complete.digits,
    most=1,
    options=(JSON,),
    example="state 7",
    group=CHANGE,
)
def _state(console: Console, args: list[str], *, json: bool = False) -> Result:
    if not args:
        own = console.status().own
        return _answer(json, render.own_line(own), data.entry(own))
    if len(args[0]) != 1 or args[0] not in "0123456789":
        raise UsageError(f"{STATE_RULE}, not {render.typed(args[0])}")
    return _set_digit(int(args[0]), console, [], json=json)


@command("Y", "Y", "turn adversarial gossip on", group=CHANGE)
def _yes(console: Console, args: list[str]) -> Result:
    return _adversary(console, ["on"])


@command("N", "N", "turn adversarial gossip off", group=CHANGE)
def _no(console: Console, args: list[str]) -> Result:
    return _adversary(console, ["off"])


@command(
    "adversary",
    "adversary [on|off|NAME]",
    "show or set adversarial gossip, by a strategy's name",
    arguments=complete.adversaries,
    most=1,
    explained=True,
    options=(JSON,),
    example="adversary on",
    group=CHANGE,
)
def _adversary(console: Console, args: list[str], *, json: bool = False) -> Result:
    known = console.strategies()
    if not args:
        strategy = console.status().strategy
        shown = f"{render.adversary_line(strategy)}; {_STRATEGIES_HINT}"
        return _answer(json, shown, data.adversary(strategy, known))
    chosen = {"on": next(iter(known)), "off": None}.get(args[0], args[0])
    if chosen is not None and chosen not in known:
        close = difflib.get_close_matches(chosen[:40], known, 1)
        hint = f"did you mean {close[0]}? ({_STRATEGIES_HINT})" if close else _STRATEGIES_HINT
        raise UsageError(f"no such strategy: {render.typed(chosen)}; {hint}")
    refusal = console.set_adversary(chosen)
    if refusal is not None:
        raise CommandError(f"refused: expected {refusal}")
    return _answer(json, render.adversary_line(chosen), data.adversary(chosen, known))


@command(
    "block",
    "block ADDRESS",
    "blacklist a node for good",
    arguments=complete.to_block,
    fewest=1,
    most=1,
    options=(JSON,),
    example="block 127.0.0.1:5002",
    group=CHANGE,
)
def _block(console: Console, args: list[str], *, json: bool = False) -> Result:
    found = _other_address(console, args[0], "block")
    is_new = console.block(found)
    shown = f"{found} is blocked" + ("" if is_new else " already")
    return _answer(json, shown, data.blocked(found, is_blocked=True, is_changed=is_new))


@command(
    "unblock",
    "unblock ADDRESS",
    "take a node off the blacklist",
    arguments=complete.blacklisted,
    fewest=1,
    most=1,
    options=(JSON,),
    example="unblock 127.0.0.1:5002",
    group=CHANGE,
)
def _unblock(console: Console, args: list[str], *, json: bool = False) -> Result:
    found = address(args[0])
    if not console.unblock(found):
        raise CommandError(f"{found} is not on the blacklist")
    shown = f"{found} is off the blacklist"
    return _answer(json, shown, data.blocked(found, is_blocked=False, is_changed=True))
