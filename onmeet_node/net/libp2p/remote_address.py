"""Where a connection comes from, and as whose it counts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

IPV6_PREFIX = 56
"""Bits of an IPv6 address that count as one customer: providers hand out a /56 (RFC 6177)."""
_LAYERS = (
    "secured_conn",
    "conn",
    "stream",
    "_ws_connection",
    "_stream",
    "transport_stream",
    "socket",
)
"""How the library's objects hold each other, from a muxed connection down to a socket."""
_MAX_DEPTH = 10


def remote_ip(connection: object) -> str | None:
    """The IP address that a connection of the library comes from; None without a socket to ask.

    NOTE: the library's own `get_remote_address` gives None for IPv6 and for WebSocket.
    """
    return _ask_socket(connection, "getpeername")


def local_ip(connection: object) -> str | None:
    """The address of this machine that a connection of the library runs over; None for circuits."""
    return _ask_socket(connection, "getsockname")


def network_of(connection: object) -> str:
    """The network that a connection of the library counts for: a prefix, or the relay of a circuit.

    Whoever comes through a relay has its address there alone, and the relay bounds circuits by it
    (`onmeet_bootstrap.relay`). So all circuits of one relay count as one network: a flood through
    it leaves those alone who come directly or by another.
    """
    for layer in _layers(connection):
        relay = getattr(layer, "relay", None)
        if isinstance(relay, str):
            return f"relay {relay}"
    return prefix_of(remote_ip(connection))


def _ask_socket(connection: object, question: str) -> str | None:
    for layer in _layers(connection):
        if hasattr(layer, question):
            try:
                return str(getattr(layer, question)()[0])
            except OSError:
                return None
    return None


def _layers(connection: object) -> Iterator[Any]:
    """What lies under a connection, from the top down; nothing under a circuit's own pipe."""
    layers: list[Any] = [connection]
    for _ in range(_MAX_DEPTH):
        layers = [
            below
            for layer in layers
            if not hasattr(layer, "relay")
            for name in _LAYERS
            if (below := getattr(layer, name, None)) is not None
        ]
        yield from layers


def prefix_of(address: str | None) -> str:
    """The part of an IP address that limits count as one customer.

    IPv4 whole, IPv6 cut to `IPV6_PREFIX` bits, IPv4-mapped IPv6 as IPv4. Whatever is no address
    (None too) shares the one prefix ``"?"``, so that hiding an address gains nothing.
    """
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "?"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, IPV6_PREFIX), strict=False).network_address)
    return str(parsed)
