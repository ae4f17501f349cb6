"""Why a connection was not made by TLS: a short code for the node, and a sentence for a person."""

from __future__ import annotations

from enum import StrEnum

# What a listener that serves by TLS only tells a caller that speaks plain text; readers of tables skip it.
REQUIRED = b"#tls required\n"


class TlsReason(StrEnum):
    """What was wrong, with the other side's certificate first."""

    WRONG_CA = "tls_wrong_ca"
    EXPIRED = "tls_expired"
    NOT_YET_VALID = "tls_not_yet_valid"
    WRONG_NAME = "tls_wrong_name"
    WRONG_PURPOSE = "tls_wrong_purpose"
    BAD_CERTIFICATE = "tls_bad_certificate"
    NO_CERTIFICATE = "tls_no_certificate"
    REJECTED = "tls_rejected"  # the other side does not accept ours
    PLAIN_PEER = "tls_plain_peer"
    NO_ANSWER = (
        "tls_no_answer"  # to a ClientHello: it is stopping, or it may be one of those that speak plain text
    )
    PLAIN_CALLER = "tls_plain_caller"
    REQUIRED = "tls_required"  # this node speaks plain text, and the peer TLS only
    HANDSHAKE = "tls_handshake"


OTHER_WAY: frozenset[str] = frozenset({TlsReason.PLAIN_PEER, TlsReason.NO_ANSWER, TlsReason.REQUIRED})


class TlsProblem(OSError):
    """A refusal: `reason` is its code, `detail` says it all. It is the other side's fault, as any OSError."""

    def __init__(self, reason: TlsReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class PlainPeer(TlsProblem):
    """A peer answered a ClientHello in plain text; `received` is how it began."""

    def __init__(self, received: bytes) -> None:
        super().__init__(
            TlsReason.PLAIN_PEER, "it answered in plain text: its tls.mode is off, or it has none"
        )
        self.received = received
