"""Each reason for which a caller is refused, what it is told, and that it delays nobody."""

from __future__ import annotations

import re
import ssl
import time
from contextlib import suppress
from pathlib import Path

import gevent
import pytest
from OpenSSL import SSL

from gossip.core.address import Address
from gossip.core.settings import TlsSettings
from gossip.core.wire import Failure
from gossip.net.tls.identity import TlsFileError, load
from gossip.net.tls.problem import REQUIRED, TlsProblem
from gossip.net.tls.stream import TlsStream
from tests.peers import ON_LOOPBACK, call, in_thread, read_to_end, until
from tests.tls_files import HOST, WRONG, Party, for_servers_only, hasty, reissue, serving, standard, written

pytestmark = ON_LOOPBACK

TABLE = b"127.0.0.1:5001,1630281124,1\n\n"


@pytest.fixture
def ours(tmp_path: Path) -> TlsSettings:
    return written(tmp_path / "n1")


def calls(address: Address, settings: TlsSettings | None, trusts: TlsSettings) -> str:
    """Call with the standard library, read to the end, and return the error that it ended with."""
    context = ssl.create_default_context(cafile=trusts.ca)
    context.check_hostname = False
    if settings is not None:
        context.load_cert_chain(settings.cert, settings.key)

    def dialogue() -> str:
        with call(address) as sock:
            try:
                with context.wrap_socket(sock) as tls:
                    read_to_end(tls)
            except OSError as error:
                return str(error)
        return ""

    error: str = in_thread(dialogue)
    return error


@pytest.mark.parametrize("reason", WRONG)
def test_a_caller_whose_certificate_is_not_valid_is_refused(
    ours: TlsSettings, tmp_path: Path, reason: str
) -> None:
    issued, detail = WRONG[reason]
    theirs, listening = written(tmp_path / "n2", **issued), Party(ours)
    with serving(listening, lambda _: TABLE) as address:
        said = calls(address, theirs, ours)
        until(listening.refused, "the refusal")
    (refused,) = listening.refused()
    assert (refused.caller, refused.reason) == (HOST, reason)
    assert re.fullmatch(detail, refused.detail)
    assert "alert" in said  # and not only an end


def test_a_caller_without_a_certificate_is_refused(ours: TlsSettings) -> None:
    listening = Party(ours)
    with serving(listening, lambda _: TABLE) as address:
        assert "certificate required" in calls(address, None, ours)
        until(listening.refused, "the refusal")
    (refused,) = listening.refused()
    assert refused.reason == "tls_no_certificate"
    assert refused.detail == "it showed no certificate; its tls.cert must be set"


def test_a_caller_whose_certificate_is_for_servers_only_is_refused(ours: TlsSettings, tmp_path: Path) -> None:
    listening, theirs = Party(ours), for_servers_only(tmp_path / "n2")
    with serving(listening, lambda _: TABLE) as address:
        assert "alert" in calls(address, theirs, ours)
        until(listening.refused, "the refusal")
    (refused,) = listening.refused()
    assert refused.reason == "tls_wrong_purpose"
    assert re.fullmatch(
        r"the certificate of CN=n2, .* extendedKeyUsage serverAuth and clientAuth, .*", refused.detail
    )
    with pytest.raises(TlsFileError, match="extendedKeyUsage"):  # as its own node would find
        Party(theirs)


def test_a_caller_that_does_not_accept_our_certificate_is_the_one_who_refuses(
    ours: TlsSettings, tmp_path: Path
) -> None:
    listening, theirs = Party(ours), written(tmp_path / "n2", of="Theirs", trusts="Theirs")
    with serving(listening, lambda _: TABLE) as address:
        result = Party(theirs).pull(address)
        until(listening.refused, "the refusal")
    assert isinstance(result, Failure)
    assert result.reason == "tls_wrong_ca"
    (refused,) = listening.refused()
    assert refused.reason == "tls_rejected"
    assert re.search(r"our certificate \(CN=n1,.*\): unknown ca", refused.detail)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_a_caller_with_an_old_version_only_is_refused(ours: TlsSettings) -> None:
    context = standard(ours, ssl.Purpose.SERVER_AUTH)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    listening = Party(ours)

    def dialogue(address: Address) -> None:
        with call(address) as sock, suppress(OSError), context.wrap_socket(sock):
            pass

    with serving(listening, lambda _: TABLE) as address:
        in_thread(dialogue, address)
        until(listening.refused, "the refusal")
    (refused,) = listening.refused()
    assert refused.reason == "tls_handshake"
    assert "unsupported protocol" in refused.detail


@pytest.mark.parametrize(
    ("first", "reason", "detail"),
    [
        (b"", "tls_plain_caller", "it said nothing for 0.3 s, so it speaks plain text"),
        (b"GET / HTTP/1.1\r\n\r\n", "tls_plain_caller", "it sent something that is no ClientHello"),
        (b"\x16\x03\x01", "tls_handshake", "the handshake was not over after 0.3 s"),
        (b"\x16\x03\x01\x40\0\x01\0\x20\0" + b"x" * 9, "tls_handshake", "the handshake was not over after"),
        (b"\x16\x03\x01\x40\0" + b"\0" * 100_000, "tls_handshake", "the handshake failed: "),
        (b"\x16GET / HTTP/1.1\r\n\r\n", "tls_handshake", "the handshake failed: wrong version number"),
    ],
)
def test_a_caller_that_speaks_no_tls_or_never_ends_its_handshake_is_refused_in_time(
    ours: TlsSettings, first: bytes, reason: str, detail: str
) -> None:
    listening, honest = Party(hasty(ours)), Party(ours)

    def dialogue(address: Address) -> bytes:
        with call(address, first) as sock, suppress(ConnectionResetError):
            return read_to_end(sock)
        return b""

    with serving(listening, lambda _: TABLE) as address:
        began = time.monotonic()
        received = in_thread(dialogue, address)
        assert time.monotonic() - began < 4
        until(listening.refused, "the refusal")
        assert not isinstance(honest.pull(address), Failure)
    (refused,) = listening.refused()
    assert (refused.caller, refused.reason) == (HOST, reason)
    assert refused.detail.startswith(detail)
    assert (received == REQUIRED) == (reason == "tls_plain_caller")


def test_callers_that_stall_delay_nobody(ours: TlsSettings) -> None:
    listening = Party(ours)
    with serving(listening, lambda _: TABLE) as address:
        crowd = [call(address, b"\x16\x03\x01" if n % 2 else b"") for n in range(60)]
        began = time.monotonic()
        assert not isinstance(Party(ours).pull(address), Failure)
        assert time.monotonic() - began < 0.9  # before any of them was given up
        assert listening.refused() == []
        for sock in crowd:
            sock.close()


def test_who_calls_again_and_again_is_told_of_once_a_minute(ours: TlsSettings) -> None:
    listening = Party(ours)
    with serving(listening, lambda _: TABLE) as address:
        for _ in range(20):
            with call(address, b"rubbish") as sock:
                assert in_thread(read_to_end, sock) == REQUIRED
    assert len(listening.refused()) == 1


def test_a_caller_with_a_huge_certificate_is_refused(ours: TlsSettings, tmp_path: Path) -> None:
    names = (f"n{n}.{'x' * 60}.example.org" for n in range(1000))
    theirs, listening = written(tmp_path / "n2", *names), Party(ours)
    with serving(listening, lambda _: TABLE) as address:
        calls(address, theirs, ours)
        until(listening.refused, "the refusal")
        assert not isinstance(Party(ours).pull(address), Failure)
    (refused,) = listening.refused()
    assert (refused.reason, refused.detail) == ("tls_handshake", "over 65536 bytes of handshake")


def test_a_certificate_that_openssl_takes_and_the_parser_does_not_is_refused(
    ours: TlsSettings, tmp_path: Path
) -> None:
    theirs, listening = written(tmp_path / "n2"), Party(ours)
    reissue(theirs, *(b"\xa0\x03\x02\x01" + version for version in (b"\2", b"\1")))  # X.509 v2
    with serving(listening, lambda _: TABLE) as address:
        calls(address, theirs, ours)
        until(listening.refused, "the refusal")
    (refused,) = listening.refused()
    assert refused.reason == "tls_bad_certificate"
    assert refused.detail == "its certificate cannot be read: 1 is not a valid X509 version"


class Fast:
    """A socket with bytes that are always there, a few at a time."""

    def __init__(self, left: bytes, size: int) -> None:
        self.left, self.size = left, size

    def recv(self, _: int) -> bytes:
        first, self.left = self.left[: self.size], self.left[self.size :]
        return first

    def sendall(self, data: bytes) -> None: ...
    def settimeout(self, timeout_s: float) -> None: ...
    def setsockopt(self, *option: int) -> None: ...
    def stream(self, settings: TlsSettings) -> TlsStream:
        return TlsStream(self, load(settings), is_server=True)  # type: ignore[arg-type]


def test_a_caller_whose_bytes_are_always_there_lets_others_run(ours: TlsSettings) -> None:
    turns: list[int] = []

    def others() -> None:
        while True:
            turns.append(1)
            gevent.sleep(0)

    other = gevent.spawn(others)
    with pytest.raises(TlsProblem, match="it ended the connection"):
        Fast(b"\x16\x03\x01\x20\0\x01\0\x1f\xfc" + bytes(2000), 1).stream(ours).handshake()
    other.kill()
    assert len(turns) > 1000


def test_a_caller_that_sends_and_sends_and_no_data_is_cut_off(
    ours: TlsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by key updates, for instance."""

    class Busy:  # with what it was given, and there is more to be read always
        def wants(self, *given: object) -> bytes:
            raise SSL.WantReadError

        recv = bio_read = wants

        def bio_write(self, data: bytes) -> None: ...

    flood = Fast(bytes(1_000_000), 1000)
    stream = flood.stream(ours)
    monkeypatch.setattr(stream, "_tls", Busy())
    with pytest.raises(TlsProblem, match="over 65536 bytes without data"):
        stream.recv(1)
    assert len(flood.left) > 900_000


def test_a_caller_that_wants_to_agree_anew_is_not_let(ours: TlsSettings) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_chain_file(ours.cert)
    context.use_privatekey_file(ours.key)
    caller, listener = SSL.Connection(context, None), SSL.Connection(load(ours).context, None)
    caller.set_connect_state()
    listener.set_accept_state()

    def take_turns() -> None:
        for side, other in [(caller, listener), (listener, caller)] * 3:
            with suppress(SSL.WantReadError):
                side.do_handshake()
            with suppress(SSL.WantReadError):
                side.recv(1)
            with suppress(SSL.WantReadError):
                other.bio_write(side.bio_read(65_536))

    take_turns()
    assert caller.get_protocol_version_name() == "TLSv1.2"
    assert caller.renegotiate()
    with pytest.raises(SSL.Error, match="no renegotiation"):
        take_turns()
