"""Facts of the daemon: what becomes of the process around the core, as the log tells it.

They are made like those of the core (`gossip/core/events.py`), and only logged: what watches a node does not
see them. A new one needs a row in `catalogue.py`, a meaning for each new field name in `meanings.py`, and
`make docs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from gossip.core.address import Address
from gossip.core.events import Event
from gossip.core.levels import Level


@dataclass(frozen=True, slots=True)
class ListenerStarted(Event):
    """The node listens, and gossips from now on."""

    listen: str
    trust: Literal["verify", "hearsay"]


@dataclass(frozen=True, slots=True)
class ListenerExhausted(Event):
    """The process ran out of descriptors or memory for callers; those held longest are let go."""

    level: ClassVar[Level] = "warning"
    reason: str


@dataclass(frozen=True, slots=True)
class AliasSkipped(Event):
    """An adversary could not listen at one of its further addresses."""

    level: ClassVar[Level] = "warning"
    alias: Address
    reason: str


@dataclass(frozen=True, slots=True)
class JoinUnresolved(Event):
    """A name of `node.join` could not be looked up; it is tried again."""

    level: ClassVar[Level] = "warning"
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SnapshotFailed(Event):
    """The snapshot could not be saved; told once, and tried again until it can."""

    level: ClassVar[Level] = "error"
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class SnapshotRecovered(Event):
    """The snapshot was saved again, after it could not be."""

    path: str


@dataclass(frozen=True, slots=True)
class SnapshotDamaged(Event):
    """The snapshot could not be read at the start; the node began anew, and the file was set aside."""

    level: ClassVar[Level] = "error"
    path: str
    set_aside: str
    reason: str


@dataclass(frozen=True, slots=True)
class ControlOpened(Event):
    """Commands are taken on a control socket."""

    socket: str


@dataclass(frozen=True, slots=True)
class ControlUnavailable(Event):
    """The control socket could not be opened where it is by default; the node does without."""

    level: ClassVar[Level] = "warning"
    reason: str


@dataclass(frozen=True, slots=True)
class HttpOpened(Event):
    """Metrics and health are served by HTTP."""

    listen: str


@dataclass(frozen=True, slots=True)
class ManagerUnreachable(Event):
    """The service manager did not take a message; told once until it does again."""

    level: ClassVar[Level] = "warning"
    socket: str
    reason: str


@dataclass(frozen=True, slots=True)
class EventsDropped(Event):
    """The log's reader was too slow: so many lines were not written. Told at every level.

    Only who missed them is told: its `id` begins with `*`, so that no other lacks a number. Where several
    nodes share the log, `node` is left out.
    """

    level: ClassVar[Level] = "warning"
    count: int


@dataclass(frozen=True, slots=True)
class ShippingFailed(Event):
    """A collector did not take events; they stay in the spool, and it is tried again until it does."""

    level: ClassVar[Level] = "warning"
    sink: str
    reason: str


@dataclass(frozen=True, slots=True)
class ShippingResumed(Event):
    """A collector takes events again, after it did not."""

    sink: str


@dataclass(frozen=True, slots=True)
class SpoolDropped(Event):
    """The spool was full, and so many events never reached a collector."""

    level: ClassVar[Level] = "error"
    sink: str
    count: int


@dataclass(frozen=True, slots=True)
class EventRefused(Event):
    """A collector would not have an event, however often it was offered; it is left out."""

    level: ClassVar[Level] = "error"
    sink: str
    reason: str
    ts_of_refused: str
    event_of_refused: str


@dataclass(frozen=True, slots=True)
class OffsetUnsaved(Event):
    """How far a collector has come could not be kept: after a restart, some is sent again."""

    level: ClassVar[Level] = "warning"
    sink: str
    reason: str


@dataclass(frozen=True, slots=True)
class OffsetDamaged(Event):
    """The record of how far a collector has come could not be read; all that the spool has is sent again."""

    level: ClassVar[Level] = "warning"
    sink: str
    path: str


@dataclass(frozen=True, slots=True)
class GreenletCrashed(Event):
    """A bug ended a part of the node; the exit status will be 1."""

    level: ClassVar[Level] = "error"
    greenlet: str
    traceback: str


@dataclass(frozen=True, slots=True)
class SettingsReloaded(Event):
    """The settings were read again; those that changed have told so, and some need a restart."""

    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReloadRefused(Event):
    """The settings that were read again are wrong; nothing has changed."""

    level: ClassVar[Level] = "error"
    reason: str


@dataclass(frozen=True, slots=True)
class HubError(Event):
    """A bug raised an error in the event loop; the exit status will be 1."""

    level: ClassVar[Level] = "error"
    context: str
    traceback: str


@dataclass(frozen=True, slots=True)
class NodeStopped(Event):
    """The node has stopped in order."""

    round: int
    exit_status: int
