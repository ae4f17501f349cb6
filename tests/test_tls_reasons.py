"""Each reason for which a peer is not pulled from, and that its detail says what to do."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gossip.core.settings import TlsSettings
from gossip.core.wire import Failure
from gossip.net.tls.certificates import invalid
from gossip.net.tls.identity import load
from tests.peers import ON_LOOPBACK, Behaviour, Peer, read_away, reset, until
from tests.tls_files import HOST, WRONG, Party, authority, hasty, serving, standard, written

pytestmark = ON_LOOPBACK

TABLE = b"127.0.0.1:5001,1630281124,1\n\n"


@pytest.fixture
def ours(tmp_path: Path) -> TlsSettings:
    return written(tmp_path / "n1")


def by_tls(settings: TlsSettings, then: Behaviour) -> Behaviour:
    """Behave so behind a handshake of the standard library, which shows what it is told to."""
    context = standard(settings, ssl.Purpose.CLIENT_AUTH)

    def behave(conn: socket.socket, peer: Peer) -> None:
        with context.wrap_socket(conn, server_side=True) as tls:
            then(tls, peer)

    return behave


def serves(conn: socket.socket, peer: Peer) -> None:
    conn.sendall(TABLE)
    read_away(conn)


# A peer that is called.


@pytest.mark.parametrize("reason", WRONG)
def test_a_peer_whose_certificate_is_not_valid_is_not_pulled_from(
    ours: TlsSettings, tmp_path: Path, reason: str
) -> None:
    issued, detail = WRONG[reason]
    theirs = written(tmp_path / "n2", **issued)
    with Peer(by_tls(theirs, serves)) as peer:
        result = Party(ours).pull(peer.address)
    assert isinstance(result, Failure)
    assert (result.reason, result.ours) == (reason, False)
    assert re.fullmatch(detail, result.detail or "")


def test_a_peer_whose_certificate_is_for_another_ip_is_not_pulled_from(
    ours: TlsSettings, tmp_path: Path
) -> None:
    theirs = written(tmp_path / "n2", "10.0.0.2", "nowhere.invalid")
    with Peer(by_tls(theirs, serves)) as peer:
        result = Party(ours).pull(peer.address)
    assert isinstance(result, Failure)
    assert result.reason == "tls_wrong_name"
    assert re.fullmatch(
        r"the certificate of CN=n2,.* is for 10.0.0.2, nowhere.invalid, not for 127.0.0.1",
        result.detail or "",
    )


def test_a_peer_that_does_not_accept_our_certificate_is_the_one_who_refuses(
    ours: TlsSettings, tmp_path: Path
) -> None:
    theirs = Party(written(tmp_path / "n2", trusts="Theirs", of="Theirs"))
    both = written(tmp_path / "n1")
    Path(both.ca).write_bytes(authority("Ours").cert_pem.bytes() + authority("Theirs").cert_pem.bytes())
    with serving(theirs, lambda _: TABLE) as address:
        result = Party(both).pull(address)
        until(theirs.refused, "the refusal")
    assert isinstance(result, Failure)
    assert result.reason == "tls_rejected"
    assert re.fullmatch(
        r"it does not accept our certificate \(CN=n1,.*, issued by .*O=Ours, until .*\): unknown ca",
        result.detail or "",
    )
    (refused,) = theirs.refused()
    assert (refused.caller, refused.reason) == (HOST, "tls_wrong_ca")


@pytest.mark.parametrize(
    ("behave", "detail"),
    [
        (b"\x16\x03\x01\xff\xff" + b"\0" * 70_000, "the handshake failed: "),
        (b"\x15\x03\x03\0\x02\x02\x28", "it refuses the handshake: handshake failure"),
        (b"\x16" * 7, "the handshake failed: wrong version number"),
    ],
)
def test_a_peer_that_answers_with_rubbish_fails_the_handshake(
    ours: TlsSettings, behave: bytes, detail: str
) -> None:
    def rubbish(conn: socket.socket, peer: Peer) -> None:
        conn.sendall(behave)
        read_away(conn)

    with Peer(rubbish) as peer:
        result = Party(ours).pull(peer.address)
    assert isinstance(result, Failure)
    assert result.reason in ("tls_handshake", "tls_rejected")
    assert re.match(detail, result.detail or "")


def test_a_peer_that_never_ends_its_handshake_is_given_up_after_handshake_timeout_s(
    ours: TlsSettings,
) -> None:
    began = time.monotonic()
    with Peer(lambda conn, peer: peer.hold()) as peer:
        assert Party(hasty(ours)).pull(peer.address) == Failure("timeout")
        assert 0.25 < time.monotonic() - began < 4


@pytest.mark.parametrize("ends", [lambda conn: None, reset])
def test_a_peer_that_ends_the_connection_at_a_client_hello_may_be_one_without_tls(
    ours: TlsSettings, ends: Callable[[socket.socket], None]
) -> None:
    def behave(conn: socket.socket, peer: Peer) -> None:
        conn.recv(4096)
        ends(conn)

    with Peer(behave) as peer:
        result = Party(ours).pull(peer.address)
    detail = "it ended the connection at our ClientHello: it is stopping, or it does not know TLS"
    assert result == Failure("tls_no_answer", detail=detail)


# What a live certificate of these tests cannot show.


def test_other_errors_of_verification_have_their_words_too(ours: TlsSettings) -> None:
    identity = load(ours)
    purpose = invalid(26, identity.cert, 0, identity.cas)
    assert purpose.reason == "tls_wrong_purpose"
    assert "extendedKeyUsage" in purpose.detail
    other = invalid(66, identity.cert, 0, identity.cas)
    assert other.reason == "tls_bad_certificate"
    assert other.detail.endswith("is not valid: its key is too small (OpenSSL 66)")
    unknown = invalid(99, identity.cert, 0, identity.cas)
    assert unknown.detail.endswith("is not valid: a verification error (OpenSSL 99)")
    assert invalid(66, None, 0, identity.cas).reason == "tls_bad_certificate"


def test_a_ca_of_the_same_name_with_another_key_is_told_apart(ours: TlsSettings) -> None:
    identity = load(ours)
    assert "a CA of that name with another key" in invalid(20, identity.cert, 0, identity.cas).detail


def test_a_chain_that_ends_in_another_ca_is_told_by_that_ca(ours: TlsSettings, tmp_path: Path) -> None:
    theirs = written(tmp_path / "n2", of="Theirs")
    with Path(theirs.cert).open("ab") as file:
        file.write(authority("Theirs").cert_pem.bytes())  # as a peer may that shows its CA, too
    with Peer(by_tls(theirs, serves)) as peer:
        result = Party(ours).pull(peer.address)
    assert isinstance(result, Failure)
    assert result.reason == "tls_wrong_ca"
    told = r"its certificate is of the CA .*O=Theirs; that one, .* tls.ca holds .*O=Ours"
    assert re.fullmatch(told, result.detail or "")


def test_an_intermediate_ca_is_shown_with_the_certificate_and_followed_to_ours(tmp_path: Path) -> None:
    between = authority("Ours").create_child_ca()
    settings = written(tmp_path / "n1")
    leaf = between.issue_cert(HOST, common_name="n1")
    Path(settings.cert).write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    Path(settings.key).write_bytes(leaf.private_key_pem.bytes())
    with serving(Party(settings), lambda _: TABLE) as address:
        assert not isinstance(Party(settings).pull(address), Failure)
        assert not isinstance(Party(written(tmp_path / "n2")).pull(address), Failure)
