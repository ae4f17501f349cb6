"""Scenarios from TOML files: each mistake is one line that names file, key and what would be right."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from gossip.config import ConfigError, load_settings
from gossip.config.declared import declared
from gossip.config.text import any_of, cut, shown
from gossip.core.address import Address, AddressError
from gossip.core.attacks import STRATEGIES
from gossip.core.text import printable
from gossip.sim.scenario import KINDS, Chosen, Clocks, Fault, Links, Scenario

FOLDER: Final[Path] = Path(__file__).resolve().parents[2] / "config" / "scenarios"
_TABLES = frozenset({"links", "clocks", "faults", "settings"})


@dataclass(frozen=True, slots=True)
class Told:
    """A scenario file as read: the scenario without its settings, and those by key with their origin."""

    scenario: Scenario
    settings: Mapping[str, tuple[str, object]]


def shipped() -> dict[str, Path]:
    """Return the scenarios that come with gossipd, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def find(name: str) -> Path:
    """Return the file of a shipped scenario, or a file by its path; ConfigError lists what there is."""
    path = shipped().get(name)
    if path is not None:
        return path
    if name.endswith(".toml") or "/" in name:
        return Path(name)
    raise ConfigError(f"--scenario {cut(name)}: no such scenario; there are {', '.join(shipped())}")


def read(path: Path) -> Told:
    """Read a scenario file; raise ConfigError at the first mistake."""
    origin = printable(path.name)
    try:
        table = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ConfigError(f"{origin}: cannot be read ({error.strerror}); expected a TOML file") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{origin}: not valid TOML: {cut(str(error))}") from None
    return parse(table, origin)


def parse(table: dict[str, Any], origin: str) -> Told:
    """Build a scenario from what a TOML file holds; raise ConfigError at the first mistake."""
    faults = table.pop("fault", [])
    if not isinstance(faults, list):
        raise ConfigError(f"{origin}: fault = {shown(faults)}: expected a list of tables, each [[fault]]")
    links = _fields(Links, _section(table, "links", origin), f"{origin}: links.")
    clocks = _fields(Clocks, _section(table, "clocks", origin), f"{origin}: clocks.")
    settings = _section(table, "settings", origin)
    read = tuple(_fault(each, f"{origin}: fault {at}") for at, each in enumerate(faults, 1))
    scenario = Scenario(
        **_fields(Scenario, table, f"{origin}: "),
        links=Links(**links),
        clocks=Clocks(**clocks),
        faults=read,
    )
    check(scenario, origin)
    origin = f"{origin}: settings"
    flat = {
        f"{section}.{key}": (origin, value)
        for section, keys in settings.items()
        for key, value in (keys.items() if isinstance(keys, dict) else [("", keys)])
    }
    return Told(scenario, flat)


def with_settings(told: Told, file: str | None, sets: Sequence[str]) -> Scenario:
    """Add the settings: of the file, then the scenario's own, then each `--set`."""
    given = {text.partition("=")[0].strip() for text in sets}
    own = {key: value for key, value in told.settings.items() if key not in given}
    return replace(told.scenario, settings=load_settings(file, sets, own))


def check(scenario: Scenario, origin: str) -> None:
    """Check what a type cannot say; raise ConfigError."""
    if scenario.attack not in STRATEGIES:
        raise ConfigError(f"{origin}: attack = {shown(scenario.attack)}: expected {any_of(STRATEGIES)}")
    if scenario.links.delay_low_s > scenario.links.delay_high_s:
        low, high = scenario.links.delay_low_s, scenario.links.delay_high_s
        raise ConfigError(f"{origin}: links.delay_low_s = {low}: expected at most delay_high_s = {high}")
    if scenario.racks > scenario.nodes:
        raise ConfigError(f"{origin}: racks = {scenario.racks}: expected at most nodes = {scenario.nodes}")
    try:
        Address.parse(scenario.victim)
    except AddressError as error:
        raise ConfigError(f"{origin}: victim = {shown(scenario.victim)}: {error}") from None
    for at, fault in enumerate(scenario.faults, 1):
        if isinstance(fault, Chosen) and fault.rack > scenario.racks:
            most = f"expected at most racks = {scenario.racks}"
            raise ConfigError(f"{origin}: fault {at}: rack = {fault.rack}: {most}")


def value_of(kind: Any, key: str, value: object, where: str) -> Any:
    """Read one declared value; ConfigError says what was expected."""
    expected = declared(kind, but=_TABLES)[key]
    try:
        return msgspec.convert(value, expected.reader)
    except msgspec.ValidationError:
        raise ConfigError(f"{where} = {shown(value)}: {expected.expected}") from None


def _section(table: dict[str, Any], name: str, origin: str) -> dict[str, Any]:
    section = table.pop(name, {})
    if not isinstance(section, dict):
        raise ConfigError(f"{origin}: {name} = {shown(section)}: expected a section, as [{name}]")
    return cast(dict[str, Any], section)


def _fields(kind: Any, table: Mapping[str, object], where: str) -> dict[str, Any]:
    known = declared(kind, but=_TABLES)
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}{cut(key)}: unknown; expected one of {', '.join(known)}")
    return {key: value_of(kind, key, value, f"{where}{key}") for key, value in table.items()}


def _fault(table: object, where: str) -> Fault:
    if not isinstance(table, dict):
        raise ConfigError(f"{where} = {shown(table)}: expected a table, as [[fault]]")
    name = table.pop("kind", None)
    if not isinstance(name, str) or name not in KINDS:
        raise ConfigError(f"{where}: kind = {shown(name or '')}: expected {any_of(KINDS)}")
    kind = KINDS[name]
    fault = kind(**_fields(kind, table, f"{where}: "))
    if isinstance(fault, Chosen) and [fault.count > 0, fault.share > 0, fault.rack > 0].count(True) != 1:
        raise ConfigError(f"{where}: kind = {shown(name)}: expected one of count, share and rack above 0")
    return fault
