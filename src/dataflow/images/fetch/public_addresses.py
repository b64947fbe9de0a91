"""Which network addresses a URL from a dataset may lead to."""

from __future__ import annotations

import ipaddress
import socket
from typing import TypeAlias

from dataflow.images.base.limits import Limits, Network, private_networks

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

# Spelt out, since `ipaddress.is_global` differs between Python versions.
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; Alibaba's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's metadata
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
]
_ALWAYS_SHUT = [
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local (RFC 3927); the metadata service of most clouds
        "fe80::/10",  # link-local (RFC 4291)
        "fd00:ec2::254/128",  # Amazon's metadata
        "fd20:ce::254/128",  # Google's metadata
        "100.100.100.200/32",  # Alibaba's metadata
        "168.63.129.16/32",  # Azure's metadata
        "192.0.0.192/32",  # Oracle's metadata
    )
]
"""Addresses that no option opens: what answers there hands out the machine's own credentials."""
_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is assigned worldwide
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


def numeric(host: str) -> str | None:
    """`host` in its usual spelling where it is an address in any spelling, else None.

    The C library decides (``2130706433``, ``0x7f.1`` and ``0177.0.0.1`` are 127.0.0.1), since it
    is what connects in the end.
    """
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return None
    return str(found[0][4][0])


class AddressPolicy:
    """Which addresses URLs from data may lead to.

    Args:
        limits: Their `allow_private_urls` and `trusted_server`.
    """

    def __init__(self, limits: Limits) -> None:
        self._trusted = limits.trusted_server
        self._allows_private = limits.allow_private_urls is True
        self._networks = private_networks(limits.allow_private_urls)

    def refusal(self, address: str, host: str, port: int | None) -> str | None:
        """Why `address` may not be connected to; None where it may.

        Args:
            address: An IP address in its usual spelling.
            host: The URL's host, which leads to it.
            port: The URL's port.
        """
        parsed = _parsed(address)
        if parsed is not None and is_in(parsed, _ALWAYS_SHUT):
            return "leads to a link-local or metadata address, which is never fetched"
        if self._allows_private or (host, port) == self._trusted or is_public(address):
            return None
        if parsed is not None and is_in(parsed, self._networks):
            return None
        return "leads to a private address (--allow-private-urls permits it)"


def is_in(address: Address, networks: list[Network]) -> bool:
    """Whether `address`, or the IPv4 address that it embeds, lies in one of `networks`."""
    embedded = _embedded(address) if isinstance(address, ipaddress.IPv6Address) else None
    found = [address] if embedded is None else [address, embedded]
    return any(one in network for one in found for network in networks)


def _parsed(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_public(text: str) -> bool:
    """Whether the address `text` belongs to the public internet.

    Loopback, private, link-local, carrier-grade NAT, multicast, reserved and cloud metadata
    addresses do not (after IANA's special-purpose address registries), nor do IPv6 addresses that
    embed one of these.
    """
    address = _parsed(text)
    if address is None:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded(address)
        if inner is None and address not in _UNICAST:
            return False
        address = inner or address
    return not any(address in network for network in _NOT_PUBLIC)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
