"""TLS of a node as its settings ask for it; what it needs is imported only where they do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gossip.config import ConfigError
from gossip.core.address import Address
from gossip.core.events import Event
from gossip.core.settings import TlsSettings
from gossip.log.events import NodeLog
from gossip.net.listener import Listener
from gossip.tuning import Tuning

if TYPE_CHECKING:
    from gossip.net.tls.tls import Tls


def open_tls(settings: TlsSettings, own: Address, log: NodeLog, tuning: Tuning) -> Tls | None:
    """Read the certificate, key and CA, if there is to be TLS; raise ConfigError where one will not do.

    Whenever the settings are read again, they are, too.
    """
    tls = read_tls(settings, own, log.emit)
    if tls is not None:
        tuning.read_along(tls.reload)
    return tls


def read_tls(settings: TlsSettings, own: Address, tell: Callable[[Event], None]) -> Tls | None:
    """Do the same without anything that runs; `tell` is given what there is to say of the certificate."""
    if settings.mode == "off":
        return None
    try:
        from gossip.net.tls.identity import TlsFileError
        from gossip.net.tls.tls import Tls
    except ModuleNotFoundError as missing:
        needs = f"needs pyOpenSSL ({missing}); pip install -r requirements-tls.txt"
        raise ConfigError(f'tls.mode = "{settings.mode}": {needs}') from None
    try:
        return Tls(settings, own, tell)
    except TlsFileError as error:
        raise ConfigError(str(error)) from None


def listener_for(tls: Tls | None) -> Callable[..., Listener]:
    """Return what makes a listener: the plain one, or that of a node which speaks TLS."""
    if tls is None:
        return Listener
    from gossip.net.tls.listener import TlsListener

    return partial(TlsListener, tls)
