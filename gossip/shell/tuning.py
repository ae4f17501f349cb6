"""The commands for the settings: `set` shows and changes them, `reload` reads them again."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from gossip.core.views import Tuned
from gossip.shell import complete, data, render
from gossip.shell.console import Console
from gossip.shell.registry import CHANGE, JSON, LINE_MAX, CommandError, Option, Result, UsageError, command


@command(
    "set",
    "set [KEY [VALUE]]",
    "show the settings, or one, or change it until a restart or reload",
    arguments=complete.settings,
    most=LINE_MAX,  # a list may have spaces in it
    options=(Option("changed", "only those that are not as by default"), JSON),
    example="set gossip.interval_s 1.5",
    group=CHANGE,
)
def _set(console: Console, args: list[str], *, changed: bool = False, json: bool = False) -> Result:
    text = _assignment(args)
    if text is None:
        return _shown(console, args[0] if args else "", changed, json)
    key, _, value = (part.strip() for part in text.partition("="))
    if changed:
        raise UsageError("--changed is for a list of settings: it stands without a value")
    if all(view.key != key for view in console.tuning.settings()):
        raise _unknown(console, key)
    tuned = _unless_refused(console.tuning.change(text))
    if json:
        return Result((data.line(data.tuned(tuned)),))
    changes = tuple(map(render.difference, tuned.changed))
    return Result(changes or (f"{key} is {render.typed(value)} already",))


@command(
    "reload",
    "reload",
    "read the settings again, as at the start: all that differs, or nothing",
    options=(JSON,),
    example="reload",
    group=CHANGE,
)
def _reload(console: Console, args: list[str], *, json: bool = False) -> Result:
    tuned = _unless_refused(console.tuning.reload(), "not reloaded: ")
    if json:
        return Result((data.line(data.tuned(tuned)),))
    lines = [*map(render.difference, tuned.changed), *map(render.waiting, tuned.waiting)]
    return Result(tuple(lines) or ("nothing has changed",))


def _assignment(args: Sequence[str]) -> str | None:
    """Return `key=value`, typed with a space or `=` between, or None where nothing is to change."""
    first, rest = (args[0], args[1:]) if args else ("", ())
    if "=" in first or (rest and rest[0].startswith("=")):
        return " ".join(args)
    return f"{first}={' '.join(rest)}" if rest else None


def _shown(console: Console, name: str, changed: bool, json: bool) -> Result:
    views = [view for view in console.tuning.settings() if name in ("", view.key, view.key.partition(".")[0])]
    if not views:
        raise _unknown(console, name)
    if changed:
        views = [view for view in views if view.value != view.default]
    if json:
        return Result((data.line([data.setting(view) for view in views]),))
    if not views:
        return Result(("all is as by default",))
    is_one = views[0].key == name
    return Result(tuple(render.setting(views[0]) if is_one else render.setting_table(views)))


def _unknown(console: Console, name: str) -> UsageError:
    keys = [view.key for view in console.tuning.settings()]
    by_name = {key.partition(".")[2]: key for key in reversed(keys)}
    close = difflib.get_close_matches(name[:100], keys, 1)
    close += [by_name[one] for one in difflib.get_close_matches(name[:100].rpartition(".")[2], by_name, 1)]
    hint = f"did you mean {close[0]}?" if close else "set lists all"
    return UsageError(f"no such setting: {render.typed(name)}; {hint}")


def _unless_refused(tuned: Tuned, what: str = "") -> Tuned:
    if tuned.problem:
        kind = UsageError if tuned.is_misuse else CommandError
        raise kind(f"{what}{tuned.problem}")
    return tuned
