"""This node's certificate, its key and the CA: read from three files, checked, and made ready for OpenSSL."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from OpenSSL import SSL, crypto

from gossip.core.settings import TlsSettings
from gossip.core.text import printable
from gossip.net.tls.certificates import TEXT_MAX, invalid, subject_of
from gossip.net.tls.problem import TlsProblem

_FILE_BYTES_MAX = 1024 * 1024
_NO_AUTO_CHAIN = 8  # openssl/ssl.h: show what is in tls.cert, and not the CA, too
_FLIGHTS_MAX = 8  # a handshake takes three


class TlsFileError(Exception):
    """One of the files will not do; the text is one line for the user."""


class Noted(NamedTuple):
    """What OpenSSL's verification came upon: its number for that, the certificate, how far up the chain."""

    number: int
    cert: x509.Certificate | None
    depth: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is to others, and whose certificates it takes."""

    cert: x509.Certificate
    cas: tuple[x509.Certificate, ...]
    context: SSL.Context


def load(settings: TlsSettings) -> Identity:
    """Read the three files; TlsFileError tells which one is wrong, and what would be right."""
    chain = _certificates("tls.cert", settings.cert, settings.mode)
    key = _private_key(settings)
    cas = _certificates("tls.ca", settings.ca, settings.mode)
    where = _where("tls.cert", settings.cert)
    try:
        is_pair = key.public_key() == chain[0].public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        unfit = f"its key cannot be used ({printable(str(error), TEXT_MAX)})"
        raise TlsFileError(f"{where}: {unfit}; expected one on P-256, or RSA") from None
    if not is_pair:
        pair = f'{_where("tls.key", settings.key)}: is not the key of tls.cert = "{_shown(settings.cert)}"'
        raise TlsFileError(f"{pair} ({subject_of(chain[0])}); expected the one it was made with")
    try:
        identity = Identity(chain[0], cas, _context(chain, key, cas))
        _prove(identity)
    except (SSL.Error, crypto.Error) as error:
        raise TlsFileError(f"{where}: OpenSSL does not take it: {reason_of(error)}") from None
    except MemoryError:
        raise TlsFileError(
            f'tls.mode = "{settings.mode}": pyOpenSSL needs memory that can be written and executed, which '
            "this process may not have; expected MemoryDenyWriteExecute=no where it runs under systemd"
        ) from None
    except TlsProblem as problem:
        expected = f'expected one that tls.ca = "{_shown(settings.ca)}" vouches for, and that is valid now'
        raise TlsFileError(f"{where}: {problem.detail}; {expected}") from None
    return identity


def reason_of(error: SSL.Error | crypto.Error) -> str:
    """Return OpenSSL's own words."""
    errors = error.args[0] if error.args else ()
    if not isinstance(errors, list) or not errors:
        return "no reason given"
    return printable(str(errors[-1][-1]), TEXT_MAX)


def _context(
    chain: tuple[x509.Certificate, ...], key: PrivateKeyTypes, cas: tuple[x509.Certificate, ...]
) -> SSL.Context:
    """Make what both sides of every connection are made of; each shows its certificate, anew each time."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION)
    context.set_mode(_NO_AUTO_CHAIN)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.use_certificate(chain[0])
    for issuer in chain[1:]:
        context.add_extra_chain_cert(issuer)
    context.use_privatekey(key)  # type: ignore[arg-type]  # of a kind that certificates are made for
    store = context.get_cert_store()
    assert store is not None
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)  # whatever is in tls.ca is trusted, root or not
    for ca in cas:
        store.add_cert(crypto.X509.from_cryptography(ca))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _note)
    return context


def _note(connection: SSL.Connection, cert: crypto.X509, number: int, depth: int, ok: int) -> bool:
    """Note what OpenSSL refuses, for the message; the decision stays with it."""
    if not ok:
        readable = None
        with suppress(ValueError, x509.InvalidVersion):
            readable = cert.to_cryptography()
        connection.get_app_data().append(Noted(number, readable, depth))
    return bool(ok)


def _prove(identity: Identity) -> None:
    """Shake hands with ourselves: what refuses our certificate here, others would refuse it for."""
    sides = [SSL.Connection(identity.context, None) for _ in range(2)]
    sides[0].set_connect_state()
    sides[1].set_accept_state()
    noted: list[Noted] = []
    for side in sides:
        side.set_app_data(noted)
    for flight in range(_FLIGHTS_MAX):
        side, other = sides[flight % 2], sides[1 - flight % 2]
        try:
            side.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error:
            if noted:
                raise invalid(*noted[0], identity.cas) from None
            raise
        with suppress(SSL.WantReadError):
            other.bio_write(side.bio_read(_FILE_BYTES_MAX))


def _certificates(name: str, path: str, mode: str) -> tuple[x509.Certificate, ...]:
    data = _read(name, path, mode)
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except (ValueError, x509.InvalidVersion):
        pem = "-----BEGIN CERTIFICATE-----"
        raise TlsFileError(f"{_where(name, path)}: no certificates in PEM; expected {pem}") from None


def _private_key(settings: TlsSettings) -> PrivateKeyTypes:
    data, where = _read("tls.key", settings.key, settings.mode), _where("tls.key", settings.key)
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError:
        raise TlsFileError(f"{where}: is encrypted; expected a key without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        pem = "-----BEGIN PRIVATE KEY-----"
        raise TlsFileError(f"{where}: no private key in PEM; expected {pem}") from None


def _read(name: str, path: str, mode: str) -> bytes:
    if not path:
        raise TlsFileError(f'{name} = "": expected the path of a PEM file, for tls.mode = "{mode}"')
    try:
        with Path(path).expanduser().open("rb") as file:
            return file.read(_FILE_BYTES_MAX)
    except (OSError, ValueError, RuntimeError) as error:  # a NUL in the path; no home for `~`
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise TlsFileError(f"{_where(name, path)}: cannot be read ({reason}); expected a PEM file") from None


def _where(name: str, path: str) -> str:
    return f'{name} = "{_shown(path)}"'


def _shown(path: str) -> str:
    return printable(path, TEXT_MAX)
