"""The three files: what is wrong with one is said at the start; they are read again; expiry is warned of."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from gossip.core.address import Address
from gossip.core.settings import TlsSettings
from gossip.core.tls_events import TlsCertificate, TlsCertificateExpiring, TlsReloadFailed
from gossip.core.wire import Failure, Pulled
from gossip.net.tls.identity import TlsFileError
from tests.peers import ON_LOOPBACK
from tests.tls_files import FUTURE, HOST, NOW, PAST, Party, reissue, serving, written

pytestmark = ON_LOOPBACK

TABLE = b"127.0.0.1:5001,1630281124,1\n\n"


@pytest.fixture
def ours(tmp_path: Path) -> TlsSettings:
    return written(tmp_path / "n1")


def refusal(settings: TlsSettings, own: str = HOST) -> str:
    with pytest.raises(TlsFileError) as caught:
        Party(settings, own)
    text = str(caught.value)
    assert "\n" not in text
    return text


def encrypt(path: Path) -> None:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    secret = serialization.BestAvailableEncryption(b"secret")
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    path.write_bytes(key.private_bytes(*pem))


@pytest.mark.parametrize("name", ["cert", "key", "ca"])
def test_each_of_the_three_is_needed_and_must_be_there(ours: TlsSettings, name: str) -> None:
    needed = f'tls.{name} = "": expected the path of a PEM file, for tls.mode = "require"'
    assert refusal(replace(ours, **{name: ""})) == needed
    path = f"{getattr(ours, name)}.not"
    missing = f'tls.{name} = "{path}": cannot be read (No such file or directory); expected a PEM file'
    assert refusal(replace(ours, **{name: path})) == missing
    folder = str(Path(path).parent)
    assert "cannot be read (Is a directory)" in refusal(replace(ours, **{name: folder}))
    assert "cannot be read (embedded null byte)" in refusal(replace(ours, **{name: "a\0b"}))


@pytest.mark.parametrize(
    ("name", "spoil", "expected"),
    [
        ("cert", lambda path: path.write_text("hello"), "no certificates in PEM"),
        ("ca", lambda path: path.write_bytes(b"\xff" * 999), "no certificates in PEM"),
        ("key", lambda path: path.write_text("hello"), "no private key in PEM"),
        ("key", lambda path: shutil.copy(path.with_name("ca.pem"), path), "no private key in PEM"),
        ("cert", lambda path: shutil.copy(path.with_name("key.pem"), path), "no certificates in PEM"),
        ("key", encrypt, "is encrypted; expected a key without a password"),
    ],
)
def test_a_file_of_something_else_is_named(
    ours: TlsSettings, name: str, spoil: Callable[[Path], object], expected: str
) -> None:
    path = Path(getattr(ours, name))
    spoil(path)
    assert refusal(ours).startswith(f'tls.{name} = "{path}": {expected}')


def test_a_key_of_another_certificate_is_named(ours: TlsSettings, tmp_path: Path) -> None:
    other = written(tmp_path / "n2")
    text = refusal(replace(ours, key=other.key))
    assert text.startswith(f'tls.key = "{other.key}": is not the key of tls.cert = "{ours.cert}" (CN=n1,')


def test_a_service_manager_that_forbids_what_pyopenssl_needs_is_named(
    ours: TlsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*of: object) -> None:
        raise MemoryError("Cannot allocate write+execute memory for ffi.callback()")

    monkeypatch.setattr("OpenSSL.SSL.Context.set_verify", refuse)  # as under MemoryDenyWriteExecute=yes
    assert refusal(ours).endswith("expected MemoryDenyWriteExecute=no where it runs under systemd")


@pytest.mark.parametrize(
    ("issued", "expected"),
    [
        ({"not_before": PAST, "not_after": PAST}, f"expired on {PAST:%Y-%m-%dT%H:%M:%SZ}"),
        ({"not_before": FUTURE, "not_after": FUTURE}, f"is valid from {FUTURE:%Y-%m-%dT%H:%M:%SZ} on"),
        ({"of": "Theirs"}, "is not of our CA"),
    ],
    ids=["expired", "not yet valid", "wrong CA"],
)
def test_a_certificate_that_others_would_refuse_is_refused_at_the_start(
    tmp_path: Path, issued: dict[str, object], expected: str
) -> None:
    settings = written(tmp_path / "n1", **issued)  # type: ignore[arg-type]
    text = refusal(settings)
    assert text.startswith(f'tls.cert = "{settings.cert}": the certificate of CN=n1,')
    assert expected in text
    assert f'tls.ca = "{settings.ca}"' in text


def test_a_certificate_for_another_ip_than_the_own_is_refused_at_the_start(tmp_path: Path) -> None:
    settings = written(tmp_path / "n1", "10.0.0.9", "localhost")
    text = refusal(settings, "10.0.0.7")
    assert "is for 10.0.0.9, localhost, not for 10.0.0.7" in text
    assert text.endswith("expected subjectAltName IP:10.0.0.7, the address that others know this node by")
    assert Party(settings).told  # localhost leads to 127.0.0.1


def test_a_certificate_with_a_wildcard_or_a_cn_only_is_told_that_these_do_not_count(tmp_path: Path) -> None:
    text = refusal(written(tmp_path / HOST, "*.example.org"))
    assert "is for no IP and no name (wildcards and the CN do not count), not for 127.0.0.1" in text


def test_a_certificate_whose_key_cannot_be_read_is_named(ours: TlsSettings) -> None:
    p256, unknown = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030163")
    reissue(ours, p256, unknown)  # a curve that nobody knows
    text = refusal(ours)
    assert text.startswith(f'tls.cert = "{ours.cert}": its key cannot be used (')
    assert text.endswith("; expected one on P-256, or RSA")


def test_ipv6_addresses_are_known_in_any_notation(tmp_path: Path) -> None:
    assert Party(written(tmp_path / "n1", "2001:0db8:0::0001"), "2001:db8::1").told


def test_the_certificate_in_use_is_told_at_the_start(ours: TlsSettings) -> None:
    (told,) = Party(ours).told
    assert isinstance(told, TlsCertificate)
    assert (told.mode, told.names, told.level) == ("require", (HOST,), "info")
    assert told.subject.startswith("CN=n1,")
    assert told.issuer == told.ca[0]


# Read again.


def test_a_reload_takes_new_files_for_new_connections(ours: TlsSettings) -> None:
    listening, calling = Party(ours), Party(ours)
    folder = Path(ours.cert).parent
    with serving(listening, lambda _: TABLE) as address:
        assert isinstance(calling.pull(address), Pulled)
        written(folder, of="Theirs", trusts="Theirs")
        assert listening.tls.reload() is None
        result = calling.pull(address)
        assert isinstance(result, Failure)
        assert result.reason == "tls_wrong_ca"
        assert calling.tls.reload() is None
        assert isinstance(calling.pull(address), Pulled)
    until = datetime.fromtimestamp(calling.tls.certificate_until(), UTC)
    assert f"{until:%FT%TZ}" == calling.told[1].not_after  # type: ignore[attr-defined]
    assert [type(event) for event in calling.told] == [TlsCertificate, TlsCertificate]


@pytest.mark.parametrize("name", ["cert", "key", "ca"])
def test_a_reload_is_all_or_nothing(ours: TlsSettings, name: str) -> None:
    listening, calling = Party(ours), Party(ours)
    with serving(listening, lambda _: TABLE) as address:
        written(Path(ours.cert).parent, of="Theirs", trusts="Theirs")
        Path(getattr(ours, name)).write_text("half")
        assert listening.tls.reload() is not None
        assert isinstance(calling.pull(address), Pulled)
    failed = listening.told[-1]
    assert isinstance(failed, TlsReloadFailed)
    assert failed.reason.startswith(f"tls.{name} = ")


# Expiry.


def test_a_certificate_that_expires_within_14_days_is_warned_of_once_a_day(tmp_path: Path) -> None:
    settings = written(tmp_path / "n1", not_before=PAST, not_after=NOW + timedelta(days=20))
    clock = [NOW.timestamp()]
    party = Party(settings, wall=lambda: clock[0])
    for hour in range(24 * 20):
        clock[0] = NOW.timestamp() + 3600 * hour
        party.tls.ways(Address("10.0.0.1", 1))  # as every pull asks
    told = [event for event in party.told if isinstance(event, TlsCertificateExpiring)]
    assert [event.days_left for event in told] == [float(day) for day in range(14, 0, -1)]
    assert told[0].level == "warning"


def test_a_certificate_that_expires_soon_is_warned_of_at_the_start_and_at_a_reload(tmp_path: Path) -> None:
    party = Party(written(tmp_path / "n1", not_before=PAST, not_after=NOW + timedelta(days=2)))
    assert party.tls.reload() is None
    kinds = [TlsCertificate, TlsCertificateExpiring]
    assert [type(event) for event in party.told] == kinds + kinds
