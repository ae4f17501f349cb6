"""Certificates for the tests, of CAs of their own, and listeners and pulls that use them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gossip.core.address import Address
from gossip.core.events import Event
from gossip.core.settings import ListenerSettings, PullSettings, TlsSettings
from gossip.core.tls_events import TlsRefused
from gossip.core.wire import Failure, Pulled
from gossip.net.listener import Answer
from gossip.net.tls.tls import Tls
from tests.nodes import pull_once, served

HOST = "127.0.0.1"
NOW = datetime.now(UTC)
PAST, FUTURE = NOW - timedelta(days=30), NOW + timedelta(days=30)
LIMITS = PullSettings(pull_timeout_s=5.0)

# By reason: how a certificate is issued that is refused for it, and what is said of it.
CLOCK = r"; this clock says \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
WHOSE = r"the certificate of CN=n2,.*, issued by .*O=Ours,"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "tls_wrong_ca": (
        {"of": "Theirs"},
        r"the certificate of CN=n2,.* issued by .*O=Theirs, is not of our CA; tls.ca holds .*O=Ours",
    ),
    "tls_expired": (
        {"not_before": PAST, "not_after": PAST},
        rf"{WHOSE} expired on {PAST:%Y-%m-%dT%H:%M:%SZ}{CLOCK}",
    ),
    "tls_not_yet_valid": (
        {"not_before": FUTURE, "not_after": FUTURE},
        rf"{WHOSE} is valid from {FUTURE:%Y-%m-%dT%H:%M:%SZ} on{CLOCK}",
    ),
}


@cache
def authority(name: str) -> trustme.CA:
    return trustme.CA(organization_name=name)


def written(
    folder: Path, *names: str, of: str = "Ours", trusts: str = "Ours", mode: Any = "require", **issued: Any
) -> TlsSettings:
    """Issue a certificate for names (by default for loopback), and write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = TlsSettings(
        mode=mode,
        cert=str(folder / "cert.pem"),
        key=str(folder / "key.pem"),
        ca=str(folder / "ca.pem"),
        handshake_timeout_s=1.0,
        hello_wait_s=0.1,
    )
    leaf = authority(of).issue_cert(*(names or (HOST,)), common_name=folder.name, **issued)
    Path(settings.cert).write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    Path(settings.key).write_bytes(leaf.private_key_pem.bytes())
    Path(settings.ca).write_bytes(authority(trusts).cert_pem.bytes())
    return settings


def standard(settings: TlsSettings, purpose: ssl.Purpose) -> ssl.SSLContext:
    """Return a context of the standard library, whose verification is its own; names are not looked at."""
    context = ssl.create_default_context(purpose, cafile=settings.ca)
    context.check_hostname = False
    context.load_cert_chain(settings.cert, settings.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def hasty(settings: TlsSettings) -> TlsSettings:
    return replace(settings, handshake_timeout_s=0.3)


class Party:
    """A Tls, and what it told its log."""

    def __init__(self, settings: TlsSettings, own: str = HOST, **others: Any) -> None:
        self.told: list[Event] = []
        self.tls = Tls(settings, Address(own, 5001), self.told.append, **others)

    def refused(self) -> list[TlsRefused]:
        return [event for event in self.told if isinstance(event, TlsRefused)]

    def pull(self, peer: Address, reply: bytes | None = None) -> Pulled | Failure:
        return pull_once(peer, LIMITS, None, reply, self.tls)


def serving(
    party: Party, answer: Callable[[str], Answer], *settings: ListenerSettings, **others: Any
) -> AbstractContextManager[Address]:
    """Run a listener of a party's, as `served` does."""
    return served(answer, *settings, tls=party.tls, **others)


def reissue(settings: TlsSettings, old: bytes, new: bytes) -> None:
    """Let the CA sign the certificate anew with some of its bytes replaced by as many others."""
    file = Path(settings.cert)
    cert = x509.load_pem_x509_certificate(file.read_bytes())
    tbs, whole = cert.tbs_certificate_bytes, cert.public_bytes(Encoding.DER)
    assert len(old) == len(new) and tbs.count(old) == 1
    algorithm = whole[whole.index(tbs) + len(tbs) :][:12]  # ecdsa-with-SHA256
    signer = load_pem_private_key(authority("Ours").private_key_pem.bytes(), None)
    assert isinstance(signer, EllipticCurvePrivateKey)
    changed = tbs.replace(old, new)
    signature = signer.sign(changed, ECDSA(hashes.SHA256()))
    inner = changed + algorithm + bytes([3, len(signature) + 1, 0]) + signature
    file.write_text(ssl.DER_cert_to_PEM_cert(b"\x30\x82" + len(inner).to_bytes(2, "big") + inner))


def for_servers_only(folder: Path) -> TlsSettings:
    """Issue a certificate that may answer calls and not make them."""
    settings = written(folder)
    ca = x509.load_pem_x509_certificate(authority("Ours").cert_pem.bytes())
    signer = load_pem_private_key(authority("Ours").private_key_pem.bytes(), None)
    own = load_pem_private_key(Path(settings.key).read_bytes(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
    leaf = (
        x509.CertificateBuilder(ca.subject, name, own.public_key(), 1, PAST, FUTURE)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    Path(settings.cert).write_bytes(leaf.public_bytes(Encoding.PEM))
    return settings
