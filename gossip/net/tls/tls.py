"""The TLS of one node: what it shows, by which way it calls a peer, and whom it sends away.

- `require`: TLS or nothing. `prefer`: TLS with whoever speaks it, plain text with the rest, so no guarantee.
- The certificate of a peer must be for the IP that was called; that of a caller, for the IP in whose name it
  replies. Whoever has a certificate of the CA gets the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import monotonic

from gevent import socket

from gossip.core.address import Address
from gossip.core.events import Event
from gossip.core.settings import TlsSettings
from gossip.core.tls_events import TlsCertificate, TlsCertificateExpiring, TlsRefused, TlsReloadFailed
from gossip.net.tls.certificates import issuer_of, names_in, subject_of, until, wrong_name
from gossip.net.tls.identity import Identity, TlsFileError, load
from gossip.net.tls.names import Names
from gossip.net.tls.problem import TlsProblem, TlsReason
from gossip.net.tls.stream import TlsStream

_DAY_S = 86_400.0
_WARN_DAYS = 14
_KNOWN_PLAIN_MAX = 4096
_TOLD_EVERY_S = 60.0
_TOLD_MAX = 1024

Way = Callable[[socket.socket, Address, float], TlsStream]


class Tls:
    """Made once a node; TlsFileError where a file will not do. `tell` takes facts for the log."""

    def __init__(
        self,
        settings: TlsSettings,
        own: Address,
        tell: Callable[[Event], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self._own = own
        self._tell = tell
        self._wall = wall
        self._names = Names()
        self._plain_until: dict[Address, float] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._use(self._load())

    def reload(self) -> str | None:
        """Read the three files again, for later connections; where one will not do, return why."""
        try:
            identity = self._load()
        except TlsFileError as error:
            self._tell(TlsReloadFailed(str(error)))
            return str(error)
        self._use(identity)
        return None

    # Calling.

    def ways(self, peer: Address) -> Sequence[Way | None]:
        """Return by which ways to call a peer, in order: None is plain text."""
        self._look_at_expiry()
        if self.settings.mode == "require":
            return (self.call,)
        is_plain = self._plain_until.get(peer, 0.0) > monotonic()
        return (None, self.call) if is_plain else (self.call, None)

    def found(self, peer: Address, *, is_plain: bool) -> None:
        """Note that a peer answered in plain text: for a while that is tried first; or that it did not."""
        now = monotonic()
        if is_plain and self._plain_until.get(peer, 0.0) > now:
            return
        self._plain_until.pop(peer, None)
        if is_plain:
            if len(self._plain_until) >= _KNOWN_PLAIN_MAX:
                del self._plain_until[next(iter(self._plain_until))]
            self._plain_until[peer] = now + self.settings.plain_again_s

    def call(self, sock: socket.socket, peer: Address, deadline: float) -> TlsStream:
        """Shake hands with a peer that was connected to; raise TlsProblem unless it is who it should be."""
        stream = TlsStream(sock, self._identity, is_server=False)
        until = min(deadline, monotonic() + self.settings.handshake_timeout_s)
        stream.settimeout(until - monotonic())
        stream.handshake()
        cert = stream.certificate
        if not self._names.is_for(cert, peer.host, until):
            raise wrong_name(cert, peer.host)
        return stream

    # Answering.

    def answer(self, sock: socket.socket, deadline: float) -> TlsStream:
        """Shake hands with a caller; raise TlsProblem where that cannot be."""
        stream = TlsStream(sock, self._identity, is_server=True)
        stream.settimeout(deadline - monotonic())
        try:
            stream.handshake()
        except TimeoutError:
            late = f"the handshake was not over after {self.settings.handshake_timeout_s:g} s"
            raise TlsProblem(TlsReason.HANDSHAKE, late) from None
        except TlsProblem:
            raise
        except OSError as error:
            gone = f"it went away during the handshake ({error.strerror or error})"
            raise TlsProblem(TlsReason.HANDSHAKE, gone) from None
        return stream

    def hosts_of(self, stream: TlsStream, deadline: float) -> frozenset[str]:
        """Return the IPs that a caller may speak for."""
        return self._names.hosts_of(stream.certificate, deadline)

    def refuse(self, caller: str, problem: TlsProblem) -> None:
        """Tell the log of a caller (its IP) that was sent away, unless it was told lately."""
        key, now = (caller, str(problem.reason)), monotonic()
        if self._told.get(key, 0.0) > now:
            return
        if len(self._told) >= _TOLD_MAX:
            self._told = {key: until for key, until in self._told.items() if until > now}
            if len(self._told) >= _TOLD_MAX:
                return  # beyond the bound nothing is told: somebody calls from everywhere
        self._told[key] = now + _TOLD_EVERY_S
        self._tell(TlsRefused(*key, problem.detail))

    # The own certificate.

    def certificate_until(self) -> float:
        """Return when the certificate in use expires, in seconds since 1970."""
        return self._identity.cert.not_valid_after_utc.timestamp()

    def _load(self) -> Identity:
        identity, host = load(self.settings), self._own.host
        if not self._names.is_for(identity.cert, host, monotonic() + self.settings.handshake_timeout_s):
            detail = wrong_name(identity.cert, host).detail
            expected = f"expected subjectAltName IP:{host}, the address that others know this node by"
            raise TlsFileError(f'tls.cert = "{self.settings.cert}": {detail}; {expected}')
        return identity

    def _use(self, identity: Identity) -> None:
        self._identity = identity
        cert, cas = identity.cert, tuple(subject_of(ca) for ca in identity.cas)
        ips, dns = names_in(cert)
        names = (*sorted(ips), *dns)
        shown = (subject_of(cert), issuer_of(cert), names, until(cert), cas)
        self._tell(TlsCertificate(self.settings.mode, *shown))
        self._look_at = 0.0
        self._look_at_expiry()

    def _look_at_expiry(self) -> None:
        """Warn, once a day, of a certificate that expires soon: a node pulls often enough to ask then."""
        now = self._wall()
        if now < self._look_at:
            return
        self._look_at = now + _DAY_S
        cert = self._identity.cert
        days_left = (cert.not_valid_after_utc - datetime.fromtimestamp(now, UTC)).total_seconds() / _DAY_S
        if days_left < _WARN_DAYS:
            self._tell(TlsCertificateExpiring(subject_of(cert), until(cert), round(days_left, 1)))
