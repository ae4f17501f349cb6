"""The catalogue of events: whole, documented, and what its schema says is what is written."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gossip.config import DEFAULT_FILE
from gossip.core import events as core_events
from gossip.core import tls_events
from gossip.core.address import Address
from gossip.core.attacks import STRATEGIES
from gossip.core.events import Event
from gossip.core.levels import LEVELS, MODULES
from gossip.log import facts
from gossip.log.catalogue import CATALOGUE, Kind
from gossip.log.document import PAGE_FILE, SCHEMA_FILE, page, schema_text
from gossip.log.events import EventLog
from gossip.log.meanings import _OF_EVENT, FIELDS
from gossip.log.meanings import MODULES as MEANT
from gossip.log.schema import fields_of, schema, schema_of
from tests.attack_stage import Stage
from tests.core_helpers import OWN
from tests.line_schema import problem_of

ALL = [pytest.param(kind, id=name) for name, kind in CATALOGUE.items()]


def declared() -> Iterator[type[Event]]:
    for module in (core_events, tls_events, facts):
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, Event) and found is not Event:
                yield found


def test_every_event_is_in_the_catalogue_once() -> None:
    assert {kind.event for kind in CATALOGUE.values()} == set(declared())
    assert len(CATALOGUE) == len(set(declared()))
    assert CATALOGUE["pull_finished"].event is core_events.PullFinished


@pytest.mark.parametrize("kind", ALL)
def test_an_event_is_documented_and_its_fields_are_of_known_types(kind: Kind) -> None:
    assert kind.event.__doc__ and not kind.event.__doc__.startswith(f"{kind.event.__name__}("), (
        f"{kind.event.__name__}: say what happened, in its docstring"
    )
    properties = schema_of(kind)["properties"]
    assert [name for name in kind.fields if name not in properties] == []
    assert not {"ts", "level", "event", "node", "id", "repeated", "self"} & set(kind.fields)
    assert (kind.level in LEVELS, kind.module in MODULES) == (True, True)


@pytest.mark.parametrize("kind", ALL)
def test_what_repeats_have_in_common_is_fields_that_are_always_there(kind: Kind) -> None:
    always = {name for name, _, is_optional in fields_of(kind.event) if not is_optional}
    assert kind.repeats != () and set(kind.repeats or ()) <= always


def test_every_meaning_is_used() -> None:
    used = {(kind.name, name) for kind in CATALOGUE.values() for name in kind.fields}
    assert set(FIELDS) == {name for _, name in used}
    assert set(_OF_EVENT) <= {f"{event}.{name}" for event, name in used}
    assert set(MEANT) == set(MODULES) == {kind.module for kind in CATALOGUE.values()}


def test_the_generated_files_are_up_to_date() -> None:
    assert page() == PAGE_FILE.read_text("utf-8"), "run `make docs`"
    assert schema_text() == SCHEMA_FILE.read_text("utf-8"), "run `make docs`"


def test_an_unknown_type_of_a_field_is_refused() -> None:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Odd(Event):
        """Something odd."""

        name: complex

    kind = dataclasses.replace(CATALOGUE["node_stopped"], event=Odd, name="odd", fields=("name",))
    with pytest.raises(TypeError, match=r"Odd\.name: .*complex"):
        schema_of(kind)


ADDRESSES = st.builds(
    Address, st.sampled_from(["10.0.0.2", "127.0.0.1", "::1", "2001:db8::7"]), st.integers(1, 65_535)
)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    Address: ADDRESSES,
    object: st.integers() | st.booleans() | st.text("ab") | st.tuples(st.text("ab")),
    float: st.floats(0, 1e9),
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
}


def events_of(kind: Kind) -> st.SearchStrategy[Event]:
    """Make events out of nothing but the types of their fields."""
    values = {name: (VALUES.get(hint, st.from_type(hint)), may) for name, hint, may in fields_of(kind.event)}
    return st.builds(
        kind.event, **{name: st.none() | some if may else some for name, (some, may) in values.items()}
    )


class Lines:
    """Keeps lines in place of a writer."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.render_dropped = None

    def write(self, line: bytes) -> None:
        self.lines.append(line)


@settings(deadline=None, max_examples=30)  # the first one compiles the schema
@given(data=st.data())
@pytest.mark.parametrize("kind", ALL)
def test_any_event_of_these_types_keeps_to_the_schema(kind: Kind, data: Any) -> None:
    sink = Lines()
    log = EventLog(sink, "debug").bind("127.0.0.1:5001")
    log.emit(data.draw(events_of(kind)))
    assert problem_of(sink.lines[0]) is None


@pytest.mark.parametrize("name", STRATEGIES)
def test_what_an_attack_leads_to_keeps_to_the_schema(name: str) -> None:
    stage = Stage(name, "verify", 1)
    stage.rounds(3)
    sink = Lines()
    log = EventLog(sink, "debug").bind(str(OWN))
    for event in stage.events:
        log.emit(event)
    assert sink.lines and [problem for one in sink.lines if (problem := problem_of(one))] == []


def test_the_settings_file_names_every_module() -> None:
    text = DEFAULT_FILE.read_text("utf-8").partition("# Other levels")[2].partition("levels =")[0]
    assert all(re.search(rf"\b{module}\b", text) for module in MODULES)


def line(**changed: object) -> bytes:
    event = {"ts": "2026-11-23T02:21:59.711244Z", "level": "info", "event": "node_stopped", "node": "n"}
    event |= {"id": "n/19abc/7", "round": 3, "exit_status": 0, **changed}  # type: ignore[dict-item]
    return json.dumps({key: value for key, value in event.items() if value is not None}).encode()


def test_the_schema_refuses_what_is_missing_unknown_or_of_another_type() -> None:
    assert problem_of(line()) is None
    for changed in (
        {"round": None},
        {"node": None},
        {"id": "n/7"},
        {"exit_status": "0"},
        {"more": 1},
        {"level": "warning"},
        {"repeated": 2},
        {"ts": "2026-11-23 02:21:59"},
        {"event": "node_paused"},
    ):
        assert problem_of(line(**changed)) is not None, changed


def test_the_schema_chooses_an_event_by_its_name() -> None:
    whole = schema()
    assert [one["$ref"] for one in whole["oneOf"]] == [f"#/$defs/{name}" for name in CATALOGUE]
    assert all(whole["$defs"][name]["properties"]["event"] == {"const": name} for name in CATALOGUE)
