"""Which TURN URLs of a bootstrap are used: a bootstrap names servers that our machine then asks.

A server is refused that is nearer than the bootstrap itself, for a stranger would have us ask
machines of our own network; and, with a pinned region, one that is elsewhere than the bootstrap,
whose signed region says nothing of it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable
from enum import IntEnum

import attrs
import trio

from onmeet_node.net.errors import NetError

_URL = re.compile(
    r"turns?:(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::([0-9]{1,5}))?"
    r"(?:\?transport=(?:udp|tcp))?"
)
"""RFC 7065, without what we do not use: percent signs, zones, other transports."""
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str], Awaitable[Collection[Address]]]
"""The addresses of a host name. Raises OSError."""


class TurnUrlRefused(NetError):
    """A TURN server that a bootstrap lends is not used; the message says why, without its name."""


class Reach(IntEnum):
    """How far away an address can be, the nearest first."""

    NOWHERE = 0
    """No machine has it: unspecified, multicast, broadcast, reserved."""
    MACHINE = 1
    """This machine."""
    NETWORK = 2
    """A private, shared or otherwise special network."""
    WORLD = 3


def reach_of(address: Address) -> Reach:
    """How far away an address can be; IPv4 that is written in IPv6 counts as what it leads to."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and (address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is not None:
            return reach_of(inner)
    if address.is_unspecified or address.is_multicast:
        return Reach.NOWHERE
    if address.is_loopback:
        return Reach.MACHINE
    if isinstance(address, ipaddress.IPv4Address):
        if address.is_reserved:
            return Reach.NOWHERE
        return Reach.WORLD if address.is_global else Reach.NETWORK
    return Reach.WORLD if address.is_global and address in _GLOBAL_UNICAST else Reach.NETWORK


async def resolve(name: str) -> Collection[Address]:
    """By the DNS as this machine is set up. Raises OSError."""
    found = await trio.socket.getaddrinfo(name, 3478, type=socket.SOCK_DGRAM)
    return {ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found}


@attrs.frozen
class Usable:
    """What is left of the URLs that a bootstrap lends."""

    urls: tuple[str, ...]
    refused: str
    """Why the first of the others is not used; "" if there is none."""


async def usable(
    urls: Iterable[str], own: Collection[Address], *, region: str = "", resolve: Resolve = resolve
) -> Usable:
    """Those that may be used of a bootstrap that is itself at the addresses `own`.

    `region`: the name of the pinned one, or "".
    """
    kept: list[str] = []
    refused = ""
    for url in urls:
        try:
            await _check(url, own, region, resolve)
        except TurnUrlRefused as error:
            refused = refused or str(error)
        else:
            kept.append(url)
    return Usable(tuple(kept), refused)


async def _check(url: str, own: Collection[Address], region: str, resolve: Resolve) -> None:
    addresses = await _addresses(url, resolve)
    if min(reach_of(address) for address in addresses) < _nearest(own):
        raise TurnUrlRefused("a TURN server of its is inside this machine or network, and it not")
    if not region:
        return
    # NOTE: of a name the addresses of the other family are taken on trust: we see it by one alone.
    families = {address.version for address in own}
    ours = [address for address in addresses if address.version in families]
    if not ours or not set(ours) <= set(own):
        raise TurnUrlRefused(
            f"a TURN server of its is at another address than itself, and you allow {region} only: "
            "nobody says where that is"
        )


def _nearest(own: Collection[Address]) -> Reach:
    """What may be asked at least: addresses that no machine has never are."""
    return max(min(map(reach_of, own), default=Reach.WORLD), Reach.MACHINE)


async def _addresses(url: str, resolve: Resolve) -> Collection[Address]:
    found = _URL.fullmatch(url)
    if found is None or not 0 < int(found[3] or 3478) < 65_536:
        raise TurnUrlRefused("the address of a TURN server of its is malformed")
    try:
        return {ipaddress.ip_address(found[1] or found[2])}
    except ValueError:
        if found[2] is None:
            raise TurnUrlRefused("the address of a TURN server of its is malformed") from None
    try:
        addresses = await resolve(found[2])
    except (OSError, UnicodeError):
        addresses = ()
    if not addresses:
        raise TurnUrlRefused("the name of a TURN server of its was not found in the DNS")
    return addresses
