"""The settings of a running node: what each one is and allows, and which of them only a start reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Any, Literal, get_args, get_origin

from gossip.config import SETTINGS
from gossip.config.declared import Declared
from gossip.config.rules import ALLOWED
from gossip.core.attacks import STRATEGIES
from gossip.core.settings import Difference, Settings, differences
from gossip.core.text import setting_text
from gossip.core.views import SettingView

_DEFAULTS = Settings()


def views(settings: Settings) -> list[SettingView]:
    """Return every setting, in the order of the file."""
    return [_view(settings, setting) for setting in SETTINGS.values()]


def restart_refusal(settings: Settings, key: str) -> str | None:
    """Return why a setting cannot change now, or None where it can."""
    restart = SETTINGS[key].restart if key in SETTINGS else None
    if restart is None:
        return None
    instead = f" ({restart.instead} does it at once)" if restart.instead else ""
    return f"{key} needs a restart; it is {setting_text(_value(settings, key))}{instead}"


def with_values(settings: Settings, values: Iterable[tuple[str, object]]) -> Settings:
    """Return settings with other values of some."""
    for key, value in values:
        section, _, name = key.partition(".")
        part = replace(getattr(settings, section), **{name: value})
        settings = replace(settings, **{section: part})
    return settings


def held_back(running: Settings, wanted: Settings) -> tuple[Settings, tuple[Difference, ...]]:
    """Return what is wanted, but as it runs where that needs a restart; and what therefore waits."""
    waiting = tuple(each for each in differences(running, wanted) if SETTINGS[each.setting].restart)
    return with_values(wanted, [(each.setting, each.previous) for each in waiting]), waiting


def _view(settings: Settings, setting: Declared) -> SettingView:
    return SettingView(
        setting.key,
        _value(settings, setting.key),
        _value(_DEFAULTS, setting.key),
        ALLOWED.get(setting.key, setting.expected.removeprefix("expected ").removesuffix(" in quotes")),
        _choices(setting),
        setting.restart is not None,
        setting.restart.instead if setting.restart is not None else "",
    )


def _choices(setting: Declared) -> tuple[str, ...]:
    if setting.key == "adversary.strategy":
        return tuple(STRATEGIES)
    if get_origin(setting.base) is Literal:
        return get_args(setting.base)
    return ("true", "false") if setting.base is bool else ()


def _value(settings: Settings, key: str) -> Any:
    return attrgetter(key)(settings)
