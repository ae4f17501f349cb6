"""A TLS connection over a gevent socket, with as much of a socket's face as a puller and a listener use.

OpenSSL gets and gives bytes here and never a descriptor, so every wait is ours and has its deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import inf
from time import monotonic

import gevent
from cryptography import x509
from gevent import socket
from OpenSSL import SSL

from gossip.core.text import printable
from gossip.net.tls.certificates import TEXT_MAX, UNREADABLE, invalid, issuer_of, subject_of, until
from gossip.net.tls.identity import Identity, Noted, reason_of
from gossip.net.tls.problem import PlainPeer, TlsProblem, TlsReason

_CHUNK = 16_384  # of key updates, that is 5 ms of work
_HANDSHAKE_BYTES_MAX = 65_536  # a chain of certificates takes a few thousand
_OF_CERTIFICATES = ("certificate", "unknown ca", "access denied")  # in the names of alerts
_RECORDS = (0x15, 0x16)  # an alert, a handshake: how a TLS peer may begin


class TlsStream:
    """One side of a connection; TlsProblem where TLS cannot be spoken, other OSErrors as of a socket."""

    certificate: x509.Certificate  # once the handshake is over: the other side's, found valid

    def __init__(self, sock: socket.socket, identity: Identity, *, is_server: bool) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self._identity = identity
        self._is_server = is_server
        self._noted: list[Noted] = []
        self._tls = SSL.Connection(identity.context, None)
        self._tls.set_app_data(self._noted)
        (self._tls.set_accept_state if is_server else self._tls.set_connect_state)()
        self._received = 0
        self._until = inf

    def settimeout(self, timeout_s: float) -> None:
        """Let the following calls take so many seconds from now, in all."""
        self._until = monotonic() + timeout_s

    def handshake(self) -> None:
        """Agree on keys, and check certificates; a client's may be refused after this still.

        Afterwards the other side's is `certificate`; TlsProblem where it cannot be read.
        """
        while True:
            try:
                self._tls.do_handshake()
                self._flush()
                self.certificate = self._peer_certificate()
                return
            except SSL.WantReadError:
                self._flush()
            except SSL.Error as error:
                raise self._problem(error) from None
            data = self._begun() if self._received == 0 and not self._is_server else self._fill()
            if not data:
                raise TlsProblem(TlsReason.HANDSHAKE, "it ended the connection during the handshake")
            if self._received > _HANDSHAKE_BYTES_MAX:
                raise TlsProblem(TlsReason.HANDSHAKE, f"over {_HANDSHAKE_BYTES_MAX} bytes of handshake")

    def recv(self, size: int) -> bytes:
        """Return what came, b"" after the other side's end; ConnectionResetError where it was cut off."""
        latest = self._received + _HANDSHAKE_BYTES_MAX  # a record, which data comes in, is a fourth of that
        while True:
            try:
                return self._tls.recv(size)
            except SSL.WantReadError:
                self._flush()
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:
                raise self._problem(error) from None
            if self._received > latest:
                raise TlsProblem(TlsReason.HANDSHAKE, f"over {_HANDSHAKE_BYTES_MAX} bytes without data")
            if not self._fill():
                raise ConnectionResetError("the connection ended without TLS saying so")

    def sendall(self, data: bytes | memoryview) -> None:
        """Send all of it, and encrypt no more than is sent."""
        left = memoryview(data)
        while left:
            try:
                left = left[self._tls.send(left) :]  # it takes a record at a time
            except SSL.Error as error:
                raise self._problem(error) from None
            self._flush()

    def shutdown(self, how: int) -> None:
        """End the sending side, in TLS and below; `how` is SHUT_WR.

        What has come is read out: closing over it would reset the connection, and what was sent be lost.
        """
        with suppress(SSL.Error):
            self._tls.shutdown()
        self._flush()
        self._sock.shutdown(how)
        if not self._is_server:
            drain(self._sock)

    def _peer_certificate(self) -> x509.Certificate:
        try:
            cert = self._tls.get_peer_certificate(as_cryptography=True)
        except UNREADABLE as error:  # OpenSSL takes more than the parser does
            why = f"its certificate cannot be read: {printable(str(error), TEXT_MAX)}"
            raise TlsProblem(TlsReason.BAD_CERTIFICATE, why) from None
        assert cert is not None  # or the handshake had failed
        return cert

    def _begun(self) -> bytes:
        """Return how a peer answered the ClientHello, if that was by TLS."""
        try:
            data = self._fill()
        except ConnectionResetError:
            data = b""
        if not data:
            ended = "it ended the connection at our ClientHello: it is stopping, or it does not know TLS"
            raise TlsProblem(TlsReason.NO_ANSWER, ended)
        if data[0] not in _RECORDS:
            raise PlainPeer(data)
        return data

    def _fill(self) -> bytes:
        gevent.sleep(0)  # reading what is there already never waits, and an endless handshake would stop us
        self._sock.settimeout(self._left_s())
        data: bytes = self._sock.recv(_CHUNK)
        self._received += len(data)
        if data:
            self._tls.bio_write(data)
        return data

    def _flush(self) -> None:
        while True:
            try:
                data = self._tls.bio_read(_CHUNK)
            except SSL.WantReadError:
                return
            self._sock.settimeout(self._left_s())
            self._sock.sendall(data)

    def _left_s(self) -> float:
        left_s = self._until - monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s

    def _problem(self, error: SSL.Error) -> TlsProblem:
        """Tell the other side, and say why it failed."""
        with suppress(OSError):
            self._flush()
        return problem_of(error, self._noted, self._identity)


def problem_of(error: SSL.Error, noted: Sequence[Noted], identity: Identity) -> TlsProblem:
    """Translate what OpenSSL says of a connection that failed, and what its verification came upon."""
    text = reason_of(error)
    if noted:
        return invalid(*noted[0], identity.cas)
    if "alert" in text:
        own, said = identity.cert, text.partition("alert ")[2]
        whose = f"{subject_of(own)}, issued by {issuer_of(own)}, until {until(own)}"
        ours = any(word in said for word in _OF_CERTIFICATES)
        what = f"does not accept our certificate ({whose})" if ours else "refuses the handshake"
        return TlsProblem(TlsReason.REJECTED, f"it {what}: {said}")
    if "did not return a certificate" in text:
        return TlsProblem(TlsReason.NO_CERTIFICATE, "it showed no certificate; its tls.cert must be set")
    return TlsProblem(TlsReason.HANDSHAKE, f"the handshake failed: {text}")


def drain(sock: socket.socket) -> None:
    """Read away what has come, at most some 64 KiB, without waiting."""
    sock.settimeout(0.0)
    with suppress(OSError):  # there is no more, or it went away
        for _ in range(4):
            if not sock.recv(_CHUNK // 4):
                return
