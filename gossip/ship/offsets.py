"""How far a sink has come: one small file each, replaced as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import msgspec

from gossip.ship.segments import Point

SUFFIX: Final = ".offset"


_Byte = Annotated[int, msgspec.Meta(ge=0, lt=10**18)]  # what the name of a segment has room for
_Line = Annotated[int, msgspec.Meta(ge=0, lt=10**15)]


class Offset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a sink: all before this point was taken, refused or dropped; and how many in all."""

    sink: str
    byte: _Byte
    line: _Line
    dropped: int = 0
    refused: int = 0

    @property
    def point(self) -> Point:
        """The point that it came to."""
        return Point(self.byte, self.line)


def load(path: Path) -> Offset | None:
    """Return what was kept; None for no file or a damaged one, after which all is sent again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Offset)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def save(path: Path, offset: Offset) -> None:
    """Replace the file; raises OSError. Not synced: what a power cut takes back is only sent again."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(offset) + b"\n")
    os.replace(temporary, path)


def furthest(folder: Path) -> Point:
    """Return the furthest point that any sink ever came to; no new line may be before it."""
    offsets = map(load, folder.glob(f"*{SUFFIX}"))
    return max((offset.point for offset in offsets if offset is not None), default=Point(0, 0))


def forget_others(folder: Path, keys: Iterable[str]) -> None:
    """Remove the records of sinks that there are no more, as far as that is permitted."""
    known = {f"{key}{SUFFIX}" for key in keys}
    for path in folder.glob(f"*{SUFFIX}"):
        if path.name not in known:
            with suppress(OSError):
                path.unlink()
