"""What a shell may ask of a node; `daemon.py` is the one that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gossip.core.address import Address
from gossip.core.entry import Entry
from gossip.core.events import Event
from gossip.core.views import (
    BlacklistView,
    ConvergenceView,
    JoinReport,
    MemberView,
    Reading,
    SettingView,
    Status,
    Story,
    Tuned,
)


class Tuner(Protocol):
    """A node's settings while it runs."""

    def settings(self) -> Sequence[SettingView]:
        """Return every setting, in the order of the file."""

    def change(self, text: str) -> Tuned:
        """Change one setting, as `section.key=value` says, by the rules of the file."""

    def reload(self) -> Tuned:
        """Read again what the start read, and go by it; what `change` did is undone."""


class Console(Protocol):
    """A running node, as its user's commands see it."""

    @property
    def tuning(self) -> Tuner:
        """What it goes by."""

    def status(self) -> Status:
        """Return the node in one line, for the toolbar."""

    def members(self) -> Sequence[MemberView]:
        """Return all members: the node itself first, then by address."""

    def blacklist(self) -> Sequence[BlacklistView]:
        """Return the blacklisted and the blocked, by address."""

    def convergence(self) -> ConvergenceView | None:
        """Return how far the last change is known to have come, None before the first."""

    def join(self, address: Address) -> JoinReport:
        """Pull from an address now and wait for the result (at most the pull's time-out)."""

    def set_state(self, state: int) -> Entry:
        """Set the own state, 0 to 9, and return the own entry."""

    def set_adversary(self, strategy: str | None) -> str | None:
        """Lie by one of `strategies`, or be honest for None; return what would permit a refused one."""

    def strategies(self) -> Mapping[str, str]:
        """Return what each adversarial strategy does, by name, the configured one first."""

    def block(self, address: Address) -> bool:
        """Blacklist an address for good; return False when it was blocked already."""

    def unblock(self, address: Address) -> bool:
        """Take an address off the blacklist; return False when it was not on it."""

    def explain(self, address: Address) -> Story:
        """Return all that is known of an address, and how it came to be."""

    def read(self, address: Address) -> Reading:
        """Read the table of any address, the own one too, and wait for it; nothing of it is believed."""

    def watch(self, watcher: Callable[[Event], None]) -> Callable[[], None]:
        """Call `watcher`, which must not block, with every event until the function returned is called."""

    def stop(self) -> None:
        """Begin the orderly stop and return at once."""
