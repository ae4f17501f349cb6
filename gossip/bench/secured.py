"""`python -m gossip.bench.secured`: what TLS costs both ends of a pull, beside plain text; with pyOpenSSL."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from statistics import median
from time import process_time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gossip.bench.callers import cpu_s_per_call, table_of
from gossip.bench.rows import Row, as_markdown, us
from gossip.bench.servers import BenchError, Server, node
from gossip.core.address import Address
from gossip.core.settings import PullSettings, TlsSettings
from gossip.core.wire import Failure, Pulled
from gossip.load.target import HOST
from gossip.net.puller import pull
from gossip.net.tls.tls import Tls

_ROUNDS, _CALLS = 15, 60
_MEMBERS = 250
_LIMITS = PullSettings()
_HELLO_WAIT_S = 0.01
_BURST = 64

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def measure(folder: Path, rounds: int = _ROUNDS, calls: int = _CALLS) -> list[Row]:
    """Pull from nodes with and without TLS, in turns, and compare the CPU of both ends."""
    curve = _written(folder / "ec", ec.generate_private_key(ec.SECP256R1()))
    rsa_2048 = _written(folder / "rsa", rsa.generate_private_key(65_537, 2048))
    with ExitStack() as stack:
        off = stack.enter_context(node(_MEMBERS))
        prefers = stack.enter_context(node(_MEMBERS, *_sets(curve, "prefer")))
        plain = (off, None)
        by_curve = (stack.enter_context(node(_MEMBERS, *_sets(curve, "require"))), _tls(curve))
        by_rsa = (stack.enter_context(node(_MEMBERS, *_sets(rsa_2048, "require"))), _tls(rsa_2048))
        ends = (plain, by_curve, by_rsa)
        waited: list[tuple[float, float]] = []
        size = len(table_of(off))
        spent: list[list[tuple[float, float]]] = [[] for _ in ends]
        for _ in range(rounds):
            for (server, tls), times in zip(ends, spent, strict=True):
                times.append(_cpu_s_per_pull(server, tls, calls))
            one, other = (cpu_s_per_call(server, size, 2 * _BURST, _BURST) for server in (prefers, off))
            waited.append((one, other))
    base = spent[0]
    pairs = tuple(zip(*waited, strict=True))
    ratios = tuple(one / other for one, other in waited)
    burst = f"listener, plain text, mode prefer, {_MEMBERS} members, bursts of {_BURST} callers"
    return [
        _row("listener, TLS, P-256", spent[1], base, 0),
        _row("listener, TLS, RSA 2048", spent[2], base, 0),
        _row("puller, TLS, P-256", spent[1], base, 1),
        _row("puller, TLS, RSA 2048", spent[2], base, 1),
        Row(burst, us(median(pairs[0])), f"{us(median(pairs[1]))} mode off", ratios),
    ]


def _row(
    who: str, times: Sequence[tuple[float, float]], base: Sequence[tuple[float, float]], end: int
) -> Row:
    ratios = tuple(one[end] / other[end] for one, other in zip(times, base, strict=True))
    mine, plain = (us(median(pair[end] for pair in pairs)) for pairs in (times, base))
    return Row(f"{who}, {_MEMBERS} members", mine, f"{plain} plain text, mode off", ratios)


def _cpu_s_per_pull(server: Server, tls: Tls | None, calls: int) -> tuple[float, float]:
    """Return the CPU of the listener's process and of this one, in seconds a pull, one after the other."""
    failed: list[Failure] = []

    def take(result: Pulled | Failure) -> None:
        if isinstance(result, Failure):
            failed.append(result)

    before, began = server.cpu_s, process_time()
    for _ in range(calls):
        pull(server.address, _LIMITS, None, take, tls)
    spent = (server.cpu_s - before) / calls, (process_time() - began) / calls
    if failed:
        raise BenchError(f"{server.address}: {failed[0].reason}: {failed[0].detail}")
    return spent


def _tls(settings: TlsSettings) -> Tls:
    return Tls(settings, Address(HOST, 1), lambda _: None)


def _sets(settings: TlsSettings, mode: str) -> list[str]:
    values = {"mode": mode, "cert": settings.cert, "key": settings.key, "ca": settings.ca}
    return [*(f"tls.{key}={value}" for key, value in values.items()), f"tls.hello_wait_s={_HELLO_WAIT_S}"]


def _written(folder: Path, key: Key) -> TlsSettings:
    """Write a certificate that is its own CA, and its key."""
    folder.mkdir()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(cert.public_bytes(pem))
    paths[1].write_bytes(key.private_bytes(pem, *secret))
    return TlsSettings(mode="require", cert=str(paths[0]), key=str(paths[1]), ca=str(paths[0]))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="gossipd-bench-") as name:
        sys.stdout.write(as_markdown(measure(Path(name))) + "\n")
