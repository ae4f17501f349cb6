"""Members that do not exist: addresses where nobody answers, and nobody is bothered."""

from __future__ import annotations

from collections.abc import Iterator

from gossip.core.address import Address
from gossip.core.attacks.scene import Scene
from gossip.core.entry import Entry

NET = 256  # hosts of one network
_NETS = 512
_AGE_MAX_S = 600


def invented(scene: Scene, number: int) -> Iterator[Entry]:
    """Yield entries of that many nodes that do not exist, at different addresses (131,072 at most)."""
    own = scene.own.address
    start = scene.rng.randrange(NET * _NETS)
    for at in range(start, start + number):
        net, last = _net(own, at // NET % _NETS), _last(own, at % NET)
        timestamp = scene.now - scene.rng.randrange(_AGE_MAX_S)
        yield Entry(Address(net + last, own.port), timestamp, scene.rng.randrange(10))


def invented_nets(scene: Scene) -> Iterator[bytes]:
    """Yield for ever the lines of 256 such nodes, other ones each time (131,072 in all).

    They share a timestamp and a state: in one piece they cost a liar next to nothing.
    """
    own = scene.own.address
    start = scene.rng.randrange(_NETS)
    lasts = [_last(own, last) for last in range(NET)]
    before, after = ("[", "]") if own.is_ipv6 and not own.is_loopback else ("", "")
    while True:
        timestamp = scene.now - scene.rng.randrange(_AGE_MAX_S)
        head = before + _net(own, start)
        tail = f"{after}:{own.port},{timestamp},{scene.rng.randrange(10)}\n"
        yield (head + (tail + head).join(lasts) + tail).encode("ascii")
        start = (start + 1) % _NETS


def _net(own: Address, number: int) -> str:
    """Return a network that is nobody's: loopback, benchmarking (RFC 2544) or for examples (RFC 3849)."""
    if own.is_ipv6 and not own.is_loopback:
        return f"2001:db8::{1 + number:x}:"
    network, first = ("127", 100) if own.is_loopback else ("198", 18)
    return f"{network}.{first + (number >> 8)}.{number & 255}."


def _last(own: Address, number: int) -> str:
    return f"{1 + number:x}" if own.is_ipv6 and not own.is_loopback else str(number)
