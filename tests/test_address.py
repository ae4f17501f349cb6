from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gossip.core.address import Address, AddressError, parse_cached
from tests.core_helpers import addresses


@pytest.mark.parametrize(
    "text",
    [
        "128.84.213.13:5678",
        "1.0.0.0:1",
        "255.255.255.254:65535",
        "127.0.0.1:5001",
        "[::1]:5001",
        "[2001:db8::1]:80",
        "[2001:db8:0:1:1:1:1:1]:80",  # a single zero group is not shortened
        "[2001:db8::1:0:0:1]:80",  # of two equal runs, the first is
    ],
)
def test_a_canonical_address_is_read_and_written_alike(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "10.0.0.1",
        "10.0.0.1:",
        ":5001",
        "5001",
        "localhost:5001",
        "10.0.0:5001",
        "10.0.0.0.1:5001",
        "10.0.0.256:5001",
        "010.0.0.1:5001",
        "10.00.0.1:5001",
        "10.0.0.1 :5001",
        " 10.0.0.1:5001",
        "10.0.0.1:5001 ",
        "10.0.0.1:5001\n",
        "0x0a.0.0.1:5001",
        "167772161:5001",
        "10.0.0.٣:5001",
        "10.0.0.²:5001",
    ],
)
def test_a_text_that_is_no_canonical_ipv4_and_port_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        Address.parse(text)


@pytest.mark.parametrize(
    "port", ["0", "00", "65536", "99999", "123456", "05001", "+1", "-1", "1_0", "1.0", " 1", "٣", "1" * 5000]
)
def test_a_port_is_1_to_65535_in_plain_digits(port: str) -> None:
    with pytest.raises(AddressError, match="port"):
        Address.parse(f"10.0.0.1:{port}")


@pytest.mark.parametrize(
    "text",
    [
        "::1:5001",  # no brackets
        "[::1:5001",
        "::1]:5001",
        "[]:5001",
        "[10.0.0.1]:5001",
        "[::1]",
        "[0:0:0:0:0:0:0:1]:5001",
        "[2001:DB8::1]:5001",
        "[2001:0db8::1]:5001",
        "[2001:db8:0:0::1]:5001",
        "[2001:db8::1:1:1:1:1]:5001",  # `::` for one group only
        "[2001:db8:::1]:5001",
        "[2001:db8::1%eth0]:5001",
        "[fe80::1%1]:5001",
        "[::ffff:10.0.0.1]:5001",
        "[::ffff:a00:1]:5001",
        f"[{'0' * 5000}::1]:5001",
    ],
)
def test_an_ipv6_address_not_in_its_rfc_5952_form_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        Address.parse(text)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "255.255.255.255", "[::]", "[ff02::1]"]
)
def test_nobody_gossips_with_an_unspecified_multicast_or_broadcast_address(host: str) -> None:
    with pytest.raises(AddressError, match="nobody can gossip"):
        Address.parse(f"{host}:5001")


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.255.0.1:1", True),
        ("[::1]:1", True),
        ("128.0.0.1:1", False),
        ("[::2]:1", False),
    ],
)
def test_loopback_is_told_apart(text: str, loopback: bool) -> None:
    assert Address.parse(text).is_loopback is loopback


def test_addresses_sort_as_numbers_ipv4_first() -> None:
    ordered = ["9.0.0.1:5001", "10.0.0.1:999", "10.0.0.1:5001", "10.0.0.2:1", "[::1]:1", "[2001:db8::1]:1"]
    parsed = [Address.parse(text) for text in ordered]
    assert sorted(set(parsed), key=lambda address: address.sort_key) == parsed


@given(addresses)
def test_every_written_address_is_read_back(address: Address) -> None:
    assert Address.parse(str(address)) == address
    assert parse_cached(str(address)) == address
    assert address.is_ipv6 == (ipaddress.ip_address(address.host).version == 6)


near_addresses = st.text(alphabet="0123456789.:[]abf% \n+-_٣", max_size=24)


@given(st.one_of(near_addresses, st.text(max_size=30)))
def test_a_text_is_an_address_only_in_the_one_form_it_is_written(text: str) -> None:
    try:
        parsed = Address.parse(text)
    except AddressError:
        assert parse_cached(text) is None
    else:
        assert str(parsed) == text
        assert parse_cached(text) == parsed
