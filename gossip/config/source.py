"""Where a process has its settings from, to read them again while it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from gossip.config import ConfigError, load_settings
from gossip.core.settings import Settings
from gossip.core.text import printable

Reread = Callable[[], Settings]


def load_rereadable(
    file: str | None, sets: Sequence[str], options: Mapping[str, tuple[str, object]]
) -> tuple[Settings, Reread]:
    """Read all settings, and return them with what reads the same sources again; both raise ConfigError.

    The file is found again by its path, links followed anew, whatever the working directory is then.
    """
    settings = load_settings(file, sets, options)
    path = None if file is None else os.path.abspath(file)

    def reread() -> Settings:
        if path is not None and os.path.exists(path) and not os.path.isfile(path):
            # A pipe has nothing more to say, and waiting for it would hold up the node.
            raise ConfigError(f"{printable(path)}: cannot be read again; expected a regular file")
        return load_settings(path, sets, options)

    return settings, reread
