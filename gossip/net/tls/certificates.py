"""What certificates say, for messages and for the names in them; whether one is valid OpenSSL decides."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509

from gossip.core.text import printable
from gossip.net.tls.problem import TlsProblem, TlsReason

TEXT_MAX = 120  # of a text that others chose
_NAMES_SHOWN = 4
_NOTHING = "no IP and no name (wildcards and the CN do not count)"
# What a stranger's certificate may make the parser raise.
UNREADABLE = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
)

# The numbers of openssl/x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _WRONG_PURPOSE = 9, 10, 26
_WRONG_CA = frozenset({2, 7, 18, 19, 20, 21, 30})  # no issuer found, or its key did not sign this
_OTHER = {
    24: "it is no CA",
    25: "its CA may not have that many below it",
    66: "its key is too small",
    67: "its key is too small",
    68: "it is signed by a digest that is too weak",
    79: "it is no CA, or its keyUsage does not allow keyCertSign",
    94: "its key is on a curve without a name",
}


def subject_of(cert: x509.Certificate) -> str:
    """Return whose certificate it is."""
    return _name(cert.subject)


def issuer_of(cert: x509.Certificate) -> str:
    """Return who signed it."""
    return _name(cert.issuer)


def until(cert: x509.Certificate) -> str:
    """Return when it expires, in UTC."""
    return _utc(cert.not_valid_after_utc)


def names_in(cert: x509.Certificate) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the IPs and the DNS names that it is for, wildcards left out."""
    try:
        found = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        ips = frozenset(str(ip) for ip in found.get_values_for_type(x509.IPAddress))
        dns = tuple(name for name in found.get_values_for_type(x509.DNSName) if "*" not in name)
    except UNREADABLE:
        return frozenset(), ()
    return ips, dns


def wrong_name(cert: x509.Certificate, host: str) -> TlsProblem:
    """Return the refusal of a certificate that is not for an IP."""
    ips, dns = names_in(cert)
    names = [printable(name, TEXT_MAX) for name in (*sorted(ips), *dns)]
    shown = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
    detail = f"the certificate of {subject_of(cert)} is for {shown or _NOTHING}, not for {host}"
    return TlsProblem(TlsReason.WRONG_NAME, detail)


def invalid(
    number: int, cert: x509.Certificate | None, depth: int, cas: Sequence[x509.Certificate]
) -> TlsProblem:
    """Return the refusal that one of OpenSSL's verification errors stands for.

    It came upon `cert`, so far up the chain; `cas` are those we trust.
    """
    if cert is None:
        return TlsProblem(TlsReason.BAD_CERTIFICATE, f"its certificate cannot be read (OpenSSL {number})")
    try:
        return _invalid(number, cert, depth, cas)
    except UNREADABLE:
        return TlsProblem(TlsReason.BAD_CERTIFICATE, f"its certificate is malformed (OpenSSL {number})")


def _invalid(number: int, cert: x509.Certificate, depth: int, cas: Sequence[x509.Certificate]) -> TlsProblem:
    subject, issuer = subject_of(cert), issuer_of(cert)
    whose = f"the certificate of {subject}, issued by {issuer},"
    if depth:
        whose = f"its certificate is of the CA {subject}; that one, issued by {issuer},"
    clock = f"this clock says {_utc(datetime.now(UTC))}"
    if number == _EXPIRED:
        return TlsProblem(TlsReason.EXPIRED, f"{whose} expired on {until(cert)}; {clock}")
    if number == _NOT_YET_VALID:
        since = _utc(cert.not_valid_before_utc)
        return TlsProblem(TlsReason.NOT_YET_VALID, f"{whose} is valid from {since} on; {clock}")
    if number == _WRONG_PURPOSE:
        needs = "needs extendedKeyUsage serverAuth and clientAuth, or none"
        return TlsProblem(
            TlsReason.WRONG_PURPOSE, f"{whose} is not for this side of a connection: it {needs}"
        )
    if number in _WRONG_CA:
        trusted = [subject_of(ca) for ca in cas]
        ours = "; ".join(trusted[:_NAMES_SHOWN])
        if issuer in trusted:
            ours = f"a CA of that name with another key, until {until(cas[trusted.index(issuer)])}"
        return TlsProblem(TlsReason.WRONG_CA, f"{whose} is not of our CA; tls.ca holds {ours}")
    why = f"{_OTHER.get(number, 'a verification error')} (OpenSSL {number})"
    return TlsProblem(TlsReason.BAD_CERTIFICATE, f"{whose} is not valid: {why}")


def _name(name: x509.Name) -> str:
    try:
        return printable(name.rfc4514_string(), TEXT_MAX) or "(no name)"
    except UNREADABLE:
        return "(unreadable)"


def _utc(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"
