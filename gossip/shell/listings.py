"""The commands that show something and change nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from gossip.core.views import BlacklistView, MemberView
from gossip.shell import complete, data, render
from gossip.shell.console import Console
from gossip.shell.registry import JSON, Option, Result, address, command

_STATES = tuple("0123456789")
_STATE = Option("state", "only those in this state", "DIGIT", _STATES)
_REVERSE = Option("reverse", "in the reverse order")

# What is not known (a contact, a retry that never comes) sorts last.
_MEMBER_KEYS: dict[str, Callable[[MemberView], Any]] = {
    "address": lambda view: view.entry.address.sort_key,
    "state": lambda view: view.entry.state,
    "age": lambda view: view.age_s,
    "contact": lambda view: math.inf if view.contact_s is None else view.contact_s,
    "round-trip": lambda view: math.inf if view.took_s is None else view.took_s,
    "failures": lambda view: view.failures,
}
_BLACKLIST_KEYS: dict[str, Callable[[BlacklistView], Any]] = {
    "address": lambda row: row.address.sort_key,
    "reason": lambda row: row.reason,
    "since": lambda row: row.since_s,
    "retry": lambda row: math.inf if row.retry_in_s is None else row.retry_in_s,
    "retries": lambda row: row.retries,
}


@command("!", "!", "list the table in CSV: ip:port,timestamp,state")
def _csv(console: Console, args: list[str]) -> Result:
    return Result(tuple(render.csv(console.members())))


_TABLE: dict[str, Any] = {"options": (_STATE, JSON)}


@command("table", "table", "list the table: ip:port --> state (as ?)", example="table --state 7", **_TABLE)
@command("?", "?", "list the table: ip:port --> state", **_TABLE)
def _table(console: Console, args: list[str], state: str = "", json: bool = False) -> Result:
    members = _in_state(console.members(), state)
    if json:
        return Result((data.line([data.entry(view.entry) for view in members]),))
    return Result(tuple(render.states(members)))


@command(
    "members",
    "members",
    "show all members: state, age, contact, round-trip, where learned, health",
    options=(
        _STATE,
        Option("suspect", "only those whose last pull failed"),
        Option("blacklisted", "those blacklisted, as they last were, instead of the members"),
        Option("sort", "smallest, latest or fewest first", "KEY", tuple(_MEMBER_KEYS)),
        _REVERSE,
        JSON,
    ),
    example="members --state 7 --sort age",
)
def _members(
    console: Console,
    args: list[str],
    *,
    state: str = "",
    suspect: bool = False,
    blacklisted: bool = False,
    sort: str = "",
    reverse: bool = False,
    json: bool = False,
) -> Result:
    if blacklisted:
        members = [row.last for row in console.blacklist() if row.last is not None]
    else:
        members = list(console.members())
    members = [view for view in _in_state(members, state) if view.failures or not suspect]
    if sort:
        members.sort(key=_MEMBER_KEYS[sort])
    if reverse:
        members.reverse()
    if json:
        return Result((data.line([data.member(view) for view in members]),))
    if not members:
        none = "no blacklisted one was a member like that; blacklist lists all"
        if not blacklisted:
            none = "no member is like that"
        elif not any(console.blacklist()):
            none = "nobody is blacklisted"
        return Result((none,))
    return Result(tuple(render.member_table(members)))


@command(
    "blacklist",
    "blacklist",
    "show the blacklisted and the blocked",
    options=(
        Option("blocked", "only those blocked by hand"),
        Option("sort", "smallest, latest or soonest first", "KEY", tuple(_BLACKLIST_KEYS)),
        _REVERSE,
        JSON,
    ),
    example="blacklist --sort retry",
)
def _blacklist(
    console: Console,
    args: list[str],
    *,
    blocked: bool = False,
    sort: str = "",
    reverse: bool = False,
    json: bool = False,
) -> Result:
    rows = [row for row in console.blacklist() if row.retry_in_s is None or not blocked]
    if sort:
        rows.sort(key=_BLACKLIST_KEYS[sort])
    if reverse:
        rows.reverse()
    if json:
        return Result((data.line([data.blacklisted(row) for row in rows]),))
    if blocked and not rows:
        return Result(("nobody is blocked by hand",))
    return Result(tuple(render.blacklist_table(rows)))


@command(
    "explain",
    "explain ADDRESS",
    "tell all that is known of an address, and how it came to be",
    arguments=complete.everybody,
    fewest=1,
    most=1,
    options=(JSON,),
    example="explain 127.0.0.1:5002",
)
def _explain(console: Console, args: list[str], *, json: bool = False) -> Result:
    told = console.explain(address(args[0]))
    return Result((data.line(data.story(told)),) if json else tuple(render.story(told)))


@command(
    "trace",
    "trace ADDRESS",
    "follow what happens about an address, live, until Ctrl-C",
    arguments=complete.everybody,
    fewest=1,
    most=1,
    options=(Option("json", "the events as the log has them, one line of JSON each"),),
    example="trace 127.0.0.1:5002",
)
def _trace(console: Console, args: list[str], *, json: bool = False) -> Result:
    found = address(args[0])
    present = () if json else (render.story(console.explain(found))[0],)
    return Result(present, opens=f"trace {found}{' --json' if json else ''}")


@command("status", "status", "show the node in one line", options=(JSON,), example="status --json")
def _status(console: Console, args: list[str], *, json: bool = False) -> Result:
    now = console.status()
    return Result((data.line(data.status(now)) if json else render.toolbar(now),))


@command("watch", "watch", "show the node live, on the whole screen", example="watch")
def _watch(console: Console, args: list[str]) -> Result:
    return Result(opens="watch")


def _in_state(members: Iterable[MemberView], state: str) -> list[MemberView]:
    return [view for view in members if not state or view.entry.state == int(state)]
