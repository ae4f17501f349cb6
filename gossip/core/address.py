"""The identity of a node: its canonical `ip:port`."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_IPV4_AND_PORT = re.compile(rf"({_OCTET}(?:\.{_OCTET}){{3}}):([1-9][0-9]{{0,4}})", re.ASCII)
_IPV6_TEXT_MAX = 39  # eight groups of four digits: nothing longer is worth parsing


class AddressError(ValueError):
    """A text is not the canonical address of a node that one can gossip with."""


class Address(NamedTuple):
    """A checked IP, without brackets, and a port; make one with `parse`."""

    host: str
    port: int

    def __str__(self) -> str:
        return _text(self.host, self.port)

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    @property
    def is_loopback(self) -> bool:
        return self.host.startswith("127.") or self.host == "::1"

    @property
    def sort_key(self) -> tuple[int, int, int]:
        """Order addresses as numbers: IPv4 before IPv6, then IP, then port."""
        ip = ipaddress.ip_address(self.host)
        return (ip.version, int(ip), self.port)

    @property
    def file_name(self) -> str:
        """How files of this node's are called: without colons and brackets."""
        return str(self).replace(":", "_").replace("[", "").replace("]", "")

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `a.b.c.d:port` or `[ipv6]:port`; raise AddressError saying what is wrong with it."""
        usual = _IPV4_AND_PORT.fullmatch(text)
        if usual is not None:
            host, port = usual[1], _port(usual[2])
            _check_unicast(host)
            return cls(host, port)
        host, port = split_host_port(text)
        if host.startswith("["):
            _check_ipv6(host[1:-1])
            return cls(host[1:-1], port)
        _check_ipv4(host)
        return cls(host, port)


def split_host_port(text: str) -> tuple[str, int]:
    """Split `host:port`, where host is a name, an IPv4 or a bracketed IPv6, and check the port."""
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise AddressError("expected ip:port, such as 127.0.0.1:5001 or [::1]:5001")
    if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
        raise AddressError("an IPv6 address is written in brackets, such as [::1]:5001")
    return host, _port(port)


@lru_cache(maxsize=1024)  # nearly all nodes of a cluster have the same few, and then the same object each
def _port(text: str) -> int:
    if not _PORT.fullmatch(text) or int(text) > 65_535:
        raise AddressError("the port is a whole number from 1 to 65535, without leading zeros")
    return int(text)


def _check_ipv4(host: str) -> None:
    if not _IPV4.fullmatch(host):
        raise AddressError("the IP is four numbers from 0 to 255, without leading zeros")
    _check_unicast(host)


def _check_unicast(host: str) -> None:
    first = int(host.partition(".")[0])
    if first == 0 or 224 <= first <= 239 or host == "255.255.255.255":
        raise AddressError("nobody can gossip with an unspecified, multicast or broadcast address")


def _check_ipv6(host: str) -> None:
    try:
        readable = len(host) <= _IPV6_TEXT_MAX and "%" not in host
        ip = ipaddress.IPv6Address(host if readable else "")
    except ipaddress.AddressValueError:
        raise AddressError("not an IPv6 address") from None
    if ip.ipv4_mapped is not None:
        raise AddressError("an IPv4 address is written as a.b.c.d:port")
    if str(ip) != host:
        raise AddressError(f"not in canonical form, which is [{ip}]")
    if ip.is_unspecified or ip.is_multicast or ip.is_link_local:
        raise AddressError("nobody can gossip with an unspecified, multicast or link-local address")


@lru_cache(maxsize=4096)  # so that what is kept of who said something is the same text each time
def _text(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@lru_cache(maxsize=4096)  # 150 bytes each: what is heard again is heard soon
def parse_cached(text: str) -> Address | None:
    """Parse like `Address.parse`, with None for a bad address; for the codec's hot path."""
    try:
        return Address.parse(text)
    except AddressError:
        return None
