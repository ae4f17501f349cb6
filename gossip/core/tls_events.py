"""Facts about TLS, for the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gossip.core.events import Event
from gossip.core.levels import Level


@dataclass(frozen=True, slots=True)
class TlsCertificate(Event):
    """This node shows this certificate from now on; `ca` are those whose certificates it takes."""

    mode: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_after: str
    ca: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TlsCertificateExpiring(Event):
    """This node's certificate expires soon, or has; told once a day."""

    level: ClassVar[Level] = "warning"
    subject: str
    not_after: str
    days_left: float


@dataclass(frozen=True, slots=True)
class TlsReloadFailed(Event):
    """One of the files will not do; those that were read before stay in use."""

    level: ClassVar[Level] = "error"
    reason: str


@dataclass(frozen=True, slots=True)
class TlsRefused(Event):
    """A caller was sent away; told once a minute for each caller (its IP) and reason."""

    level: ClassVar[Level] = "warning"
    caller: str
    reason: str
    detail: str
