"""Every event that the log knows: what it is about, and which of its events repeat one another.

Rules: two events of a kind repeat one another when the fields named here are the same; EACH is for those that
are the story of the node, which are written one by one. Name what tells one fault from another, and what
a stranger chooses only where it must be: `log.repeat_max_keys` bounds how many are told apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from gossip.core import events as core
from gossip.core import tls_events as tls
from gossip.core.events import Event
from gossip.core.levels import Level, Module
from gossip.core.text import snake_case
from gossip.log import facts

EACH: Final = None
_ROWS: tuple[tuple[type[Event], Module, tuple[str, ...] | None], ...] = (
    # One record a pull; how many there are is this node's own choice.
    (core.PullFinished, "pull", EACH),
    (core.PullFailed, "pull", ("peer", "reason")),
    (core.ReplyRead, "reply", ("peer",)),
    (core.ReplyRefused, "reply", ("caller", "reason")),
    (core.MemberAdded, "membership", EACH),
    (core.StateChanged, "membership", ("member",)),
    (core.EntryRestamped, "membership", ("member",)),
    (core.MemberSuspected, "membership", ("member",)),
    (core.CandidateHeard, "membership", ("candidate", "source")),
    (core.CandidateRefused, "membership", ("candidate", "reason")),
    (core.ClusterMismatch, "membership", ("peer",)),
    (core.LeavingHeard, "membership", ("member",)),
    (facts.JoinUnresolved, "membership", ("name", "reason")),
    (core.HintHeard, "hints", ("member", "source")),
    (core.HintIgnored, "hints", ("source", "reason")),
    (core.HintDisproved, "hints", ("member", "source")),
    (core.SuspicionHeard, "hints", ("member", "source")),
    (core.PeerDistrusted, "hints", EACH),
    (core.StrikeGiven, "blacklist", ("peer", "reason")),
    (core.MemberBlacklisted, "blacklist", EACH),
    (core.RetryFailed, "blacklist", ("member", "reason")),
    (core.MemberForgiven, "blacklist", EACH),
    (core.MemberForgotten, "blacklist", EACH),
    (core.MemberBlocked, "blacklist", EACH),
    (core.MemberUnblocked, "blacklist", EACH),
    (core.OwnStateSet, "own", EACH),
    (core.OwnEntryRefuted, "own", EACH),
    (core.AdversarySet, "own", EACH),
    (core.SettingChanged, "own", EACH),
    (facts.SettingsReloaded, "own", EACH),
    (facts.ReloadRefused, "own", ("reason",)),
    (facts.ListenerStarted, "listener", EACH),
    (tls.TlsCertificate, "tls", EACH),
    (tls.TlsCertificateExpiring, "tls", ("subject",)),
    (tls.TlsReloadFailed, "tls", ("reason",)),
    (tls.TlsRefused, "tls", ("caller", "reason")),
    (facts.ListenerExhausted, "listener", ("reason",)),
    (facts.AliasSkipped, "listener", ("alias", "reason")),
    (facts.SnapshotFailed, "store", ("path", "reason")),
    (facts.SnapshotRecovered, "store", ("path",)),
    (facts.SnapshotDamaged, "store", EACH),
    (facts.ControlOpened, "control", EACH),
    (facts.ControlUnavailable, "control", EACH),
    (facts.HttpOpened, "http", EACH),
    (facts.EventsDropped, "log", EACH),
    (facts.ShippingFailed, "log", ("sink", "reason")),
    (facts.ShippingResumed, "log", ("sink",)),
    (facts.SpoolDropped, "log", EACH),  # the counts of those held back would be lost
    (facts.EventRefused, "log", ("sink", "reason")),
    (facts.OffsetUnsaved, "log", ("sink", "reason")),
    (facts.OffsetDamaged, "log", ("sink",)),
    (facts.GreenletCrashed, "process", ("traceback",)),
    (facts.HubError, "process", ("traceback",)),
    (facts.ManagerUnreachable, "process", ("reason",)),
    (facts.NodeStopped, "process", EACH),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """What the log needs to know of a class of events."""

    event: type[Event]
    name: str
    module: Module
    level: Level
    fields: tuple[str, ...]
    repeats: tuple[str, ...] | None
    key: Callable[[Event], object] | None  # what repeats have in common; None: each is written


def _kind(event: type[Event], module: Module, repeats: tuple[str, ...] | None) -> Kind:
    name = snake_case(event.__name__)
    fields = tuple(field.name for field in dataclasses.fields(event))
    key = attrgetter(*repeats) if repeats else None
    return Kind(event, name, module, event.level, fields, repeats, key)


CATALOGUE: Final[Mapping[str, Kind]] = MappingProxyType(
    {kind.name: kind for kind in (_kind(*row) for row in _ROWS)}
)
