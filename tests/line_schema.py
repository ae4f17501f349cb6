"""Holds lines of the log against `config/events.schema.json`: all that the tests make a node write.

`jsonschema` reads 2020-12, as quicker ones do not; it takes 130 us a line, so lines
that differ in nothing but digits are checked once.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from gossip.log import events as log_events
from gossip.log.document import SCHEMA_FILE

_ONE_DIGIT = bytes.maketrans(b"023456789", b"111111111")
_problems: list[str] = []
_checked: set[bytes] = set()


@cache
def _definitions() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
    Draft202012Validator.check_schema(schema)
    return schema["$defs"]


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$defs": _definitions(), "$ref": f"#/$defs/{name}"})


def problem_of(line: bytes) -> str | None:
    """Return what the schema says against a line, or None."""
    shape = line.translate(_ONE_DIGIT)
    if shape in _checked:
        return None
    event = json.loads(line)
    if event.get("event") not in _definitions():
        return f"no such event: {line.decode()}"
    error = next(_validator(event["event"]).iter_errors(event), None)
    if error is not None:
        return f"{error.message}: {line.decode()}"
    _checked.add(shape)
    return None


def check_all_rendered() -> None:
    """Check every line that is rendered in this process from now on; `take_problems` has what is wrong."""
    encode = log_events._encode

    def encode_and_check(logger: object, level: str, fields: Any) -> bytes:
        line = encode(logger, level, fields)
        problem = problem_of(line)
        if problem is not None:
            _problems.append(problem)
        return line

    log_events._encode = encode_and_check


def take_problems() -> list[str]:
    """Return what was wrong since the last call."""
    found = list(_problems)
    _problems.clear()
    return found
