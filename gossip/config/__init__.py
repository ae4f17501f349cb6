"""Read the settings: the TOML file, then each `--set`, then the options of the command line.

- Types and bounds are declared once, in `gossip/core/settings.py`; the few rules that a type cannot
  say are in `rules.py`.
- A value is checked where it was given, even when a later one overrides it, so that the one line
  of a ConfigError names the right origin. Rules between two settings are checked on the result.
- What was found is escaped and cut before it is shown: it can never break that line.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_origin, get_type_hints

import msgspec

from gossip.config.declared import Declared, declared
from gossip.config.rules import AT_MOST, RULES, WILDCARD
from gossip.config.sinks import needs_spool
from gossip.config.text import cut, shown
from gossip.core.address import Address
from gossip.core.adversary import refusal
from gossip.core.settings import Settings
from gossip.core.text import printable

DEFAULT_FILE: Final[Path] = Path(__file__).resolve().parents[2] / "config" / "gossipd.toml"

_REACHED_AT = ("node.listen", "node.advertise")
_NO_OPTIONS: Final[Mapping[str, tuple[str, object]]] = MappingProxyType({})


class ConfigError(Exception):
    """A setting is wrong; the text is one line for the user."""


class _Found(NamedTuple):
    """An unchecked value of a known setting, and how a message names it with its origin."""

    setting: Declared
    value: object
    where: str


def load_settings(
    file: str | Path | None = None,
    sets: Sequence[str] = (),
    options: Mapping[str, tuple[str, object]] = _NO_OPTIONS,
) -> Settings:
    """Read all settings, later sources winning; raise ConfigError at the first wrong one."""
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    for found in chain(_from_file(file), map(_from_set, sets), _from_options(options)):
        key = found.setting.key
        values[key] = _checked(found)
        where.pop(key, None)  # so that `where` stays in the order in which the settings were last given
        where[key] = found.where
    settings = _build(values)
    check_relations(settings, where)
    return settings


def read_setting(text: str) -> tuple[str, object]:
    """Read `section.key=value` by the rules for one setting; raise ConfigError."""
    found = _assigned(text, f"set {cut(text)}")
    return found.setting.key, _checked(found)


def check_relations(settings: Settings, where: Mapping[str, str]) -> None:
    """Check the rules between settings, and blame the one that was given last; raise ConfigError.

    `where` says how a message names each setting that was given, in the order in which they were.
    """
    for low, high in AT_MOST:
        low_value, high_value = attrgetter(low, high)(settings)
        if low_value > high_value:
            blamed = [key for key in where if key in (low, high)][-1]
            bound = f"at most {high} = {high_value}" if blamed == low else f"at least {low} = {low_value}"
            raise ConfigError(f"{where[blamed]}: expected {bound}")
    if WILDCARD.match(settings.node.listen) and not settings.node.advertise:
        expected = "expected node.advertise too, the ip:port at which others reach this node"
        raise ConfigError(f"{where['node.listen']}: {expected}")
    if needs_spool(settings.log.sinks) and not (settings.log.spool_dir or settings.node.data_dir):
        expected = "expected log.spool_dir or node.data_dir too, for a folder that keeps events until shipped"
        raise ConfigError(f"{where['log.sinks']}: {expected}")
    refused = refusal(settings, settings.adversary.strategy) if settings.adversary.on else None
    if refused:
        blamed = [key for key in where if key.startswith("adversary.") or key in _REACHED_AT][-1]
        raise ConfigError(f"{where[blamed]}: expected {refused}")


def advertised(settings: Settings) -> Address:
    """Return the address by which others know this node: `advertise`, else `listen`."""
    return Address.parse(settings.node.advertise or settings.node.listen)


def _from_file(file: str | Path | None) -> Iterator[_Found]:
    origin = _file_origin(file)
    for section, table in _read_toml(DEFAULT_FILE if file is None else Path(file), origin).items():
        if section not in _SECTIONS:
            meant = _suggestion(section if isinstance(table, dict) else f".{section}")
            raise ConfigError(f"{origin}: {cut(section)}: unknown section; {meant}")
        if not isinstance(table, dict):
            raise ConfigError(f"{origin}: {section} = {shown(table)}: expected a section, as [{section}]")
        for name, value in table.items():
            setting = _lookup(f"{section}.{name}", f"{origin}: {section}.{cut(name)}")
            yield _Found(setting, value, f"{origin}: {setting.key} = {shown(value)}")


def _from_set(text: str) -> _Found:
    return _assigned(text, f"--set {cut(text)}")


def _assigned(text: str, where: str) -> _Found:
    key, equals, raw = text.partition("=")
    key, raw = key.strip(), raw.strip()
    if not equals or "." not in key:
        raise ConfigError(f"{where}: expected section.key=value, such as gossip.interval_s=1.5")
    setting = _lookup(key, where)
    return _Found(setting, _set_value(setting, raw), where)


def _set_value(setting: Declared, raw: str) -> object:
    """Read a `--set` value as TOML or, where that cannot be, as the bare text that it is."""
    try:
        parsed = tomllib.loads(f"value = {raw}")
    except (ValueError, RecursionError):
        parsed = {}
    if parsed.keys() == {"value"}:  # a line break in the text could have added keys
        return parsed["value"]
    if get_origin(setting.base) is tuple:
        return [item.strip() for item in raw.split(",") if item.strip()]
    return raw


def _from_options(options: Mapping[str, tuple[str, object]]) -> Iterator[_Found]:
    for key, (origin, value) in options.items():
        yield _Found(_lookup(key, f"{origin}: {cut(key)}"), value, f"{origin}: {key} = {shown(value)}")


def _file_origin(file: str | Path | None) -> str:
    if file is not None:
        return printable(str(file)) or '""'
    try:
        return printable(str(DEFAULT_FILE.relative_to(Path.cwd())))
    except (ValueError, OSError):  # elsewhere, or the working directory is gone
        return printable(str(DEFAULT_FILE))


def _read_toml(path: Path, origin: str) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise ConfigError(f"{origin}: cannot be read ({reason}); expected a TOML file") from None
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{origin}: not UTF-8 at line {line}; expected a TOML file in UTF-8") from None
    except (ValueError, RecursionError) as error:  # not only TOMLDecodeError: too long a number, or too deep
        raise ConfigError(f"{origin}: not valid TOML: {cut(str(error))}") from None


def _lookup(key: str, where: str) -> Declared:
    """Find a declared setting, or say which one may have been meant."""
    if key in SETTINGS:
        return SETTINGS[key]
    section = key.partition(".")[0]
    unknown = "unknown setting" if section in _SECTIONS else "unknown section"
    raise ConfigError(f"{where}: {unknown}; {_suggestion(key)}")


def _suggestion(key: str) -> str:
    """Name the likeliest of what exists, or all that there is to choose from."""
    section, _, name = key.partition(".")
    if not name:
        close = difflib.get_close_matches(section[:100], _SECTIONS, n=1)
        return f"did you mean [{close[0]}]?" if close else f"expected one of {', '.join(_SECTIONS)}"
    same_name = [known for known in SETTINGS if known.partition(".")[2] == name]
    close = same_name or difflib.get_close_matches(key[:100], SETTINGS, n=1, cutoff=0.75)
    if close:
        return f"did you mean {close[0]}?"
    names = [known.partition(".")[2] for known in SETTINGS if known.startswith(f"{section}.")]
    return f"expected one of {', '.join(names or _SECTIONS)}"


def _checked(found: _Found) -> object:
    setting, value, where = found
    try:
        read: object = msgspec.convert(value, setting.reader)
    except (msgspec.ValidationError, ValueError):  # ValueError: a lone surrogate where a choice is expected
        raise ConfigError(f"{where}: {setting.expected}") from None
    finite = not isinstance(read, float) or math.isfinite(read)
    problem = RULES.get(setting.key, lambda _: None)(read) if finite else setting.expected
    if problem:
        raise ConfigError(f"{where}: {problem}")
    return read


def _build(values: Mapping[str, Any]) -> Settings:
    given: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS}
    for key, value in values.items():
        section, _, name = key.partition(".")
        given[section][name] = value
    return Settings(**{section: kind(**given[section]) for section, kind in _SECTIONS.items()})


_SECTIONS: dict[str, Any] = get_type_hints(Settings)
SETTINGS = {
    key: setting for name, kind in _SECTIONS.items() for key, setting in declared(kind, f"{name}.").items()
}
