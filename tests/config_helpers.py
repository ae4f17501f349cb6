"""What the tests of the settings share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from gossip.config import ConfigError, load_settings
from gossip.core.settings import Range, Settings

KEYS = [
    f"{section}.{name}"
    for section, kind in get_type_hints(Settings).items()
    for name in get_type_hints(kind, include_extras=True)
]


def declared_range(key: str) -> Range | None:
    section, _, name = key.partition(".")
    hint = get_type_hints(get_type_hints(Settings)[section], include_extras=True)[name]
    if get_origin(hint) is not Annotated:
        return None
    return next((extra for extra in get_args(hint)[1:] if isinstance(extra, Range)), None)


def error_of(file: Path | str | None = None, sets: list[str] | None = None, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(file, sets or [], {key.replace("__", "."): found for key, found in options.items()})
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and message.isprintable(), repr(message)
    return message


def refused_in_one_line(
    parse: Callable[[list[str]], object], args: list[str], capsys: pytest.CaptureFixture[str]
) -> str:
    """Parse arguments that are wrong, and return the one line that says so; the exit status is 2."""
    with pytest.raises(SystemExit) as ended:
        parse(args)
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err
