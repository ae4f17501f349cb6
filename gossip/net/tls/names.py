"""Whether a certificate is for an IP: it names it, or a host that the system's name service finds there."""

from __future__ import annotations

from functools import partial
from time import monotonic

from cryptography import x509
from gevent import Timeout

from gossip.core.address import AddressError
from gossip.lookups import LookUps
from gossip.net.names import resolve
from gossip.net.tls.certificates import names_in

_NAMES_ASKED = 4  # of a certificate; each may take the name service a while
_KEPT_S = 60.0
_UNFOUND_KEPT_S = 1.0  # less than a round, for five pulls that fail blacklist
_KEPT_MAX = 4096


class Names:
    """Looks up the DNS names in certificates, and keeps what was found for a minute, nothing for a second."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, frozenset[str]]] = {}
        self._look_ups = LookUps()

    def hosts_of(self, cert: x509.Certificate, deadline: float) -> frozenset[str]:
        """Return the IPs that a valid certificate is for, as far as they are known by then."""
        ips, dns = names_in(cert)
        return ips.union(*(self._look_up(name, deadline) for name in dns[:_NAMES_ASKED]))

    def is_for(self, cert: x509.Certificate, host: str, deadline: float) -> bool:
        """Tell whether a valid certificate is for an IP; nobody is asked where the certificate has it."""
        return host in names_in(cert)[0] or host in self.hosts_of(cert, deadline)

    def _look_up(self, name: str, deadline: float) -> frozenset[str]:
        now = monotonic()
        kept = self._found.get(name)
        if kept is not None and kept[0] > now:
            return kept[1]
        hosts: frozenset[str] = frozenset()
        if deadline <= now:
            return hosts
        with Timeout(deadline - now, False):
            return self._look_ups.result(name, partial(self._ask, name))  # type: ignore[no-any-return]
        self._keep(name, hosts)
        return hosts

    def _ask(self, name: str) -> frozenset[str]:
        hosts = _hosts(name)
        self._keep(name, hosts)
        return hosts

    def _keep(self, name: str, hosts: frozenset[str]) -> None:
        while len(self._found) >= _KEPT_MAX:
            del self._found[next(iter(self._found))]
        self._found[name] = (monotonic() + (_KEPT_S if hosts else _UNFOUND_KEPT_S), hosts)


def _hosts(name: str) -> frozenset[str]:
    try:
        return frozenset(address.host for address in resolve(f"{name}:1"))
    except (OSError, AddressError, UnicodeError):
        return frozenset()
