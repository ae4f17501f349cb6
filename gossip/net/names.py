"""Host names to addresses."""

from __future__ import annotations

from collections.abc import Iterable

from gevent import socket

from gossip.core.address import Address, AddressError, parse_cached, split_host_port


def resolve(name: str) -> list[Address]:
    """Return the addresses that a `host:port` stands for now.

    Raise OSError, AddressError, or UnicodeError for what no name server can be asked.
    """
    host, port = split_host_port(name)
    host.encode("idna")  # Raised in the resolver's thread, it would be printed as a crash there.
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    hosts = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)
    addresses = [parse_cached(str(Address(host, port))) for host in hosts]
    usable = [address for address in addresses if address is not None]  # not link-local, say
    if not usable:
        raise AddressError(f"nobody can gossip with {', '.join(hosts)}")
    return usable


def resolve_all(names: Iterable[str]) -> tuple[list[Address], list[tuple[str, str]]]:
    """Return what names stand for now, and those that stand for nothing, each with the reason."""
    addresses: list[Address] = []
    unresolved: list[tuple[str, str]] = []
    for name in names:
        try:
            addresses += resolve(name)
        except (OSError, AddressError, UnicodeError) as error:
            unresolved.append((name, str(error)))
    return addresses, unresolved
