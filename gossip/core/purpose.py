"""Why a pull is made."""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    """Why a pull is made."""

    ROUND = "round"
    CHECK = "check"
    RETRY = "retry"
    JOIN = "join"
    USER = "user"
    POKE = "poke"
    LEAVE = "leave"
