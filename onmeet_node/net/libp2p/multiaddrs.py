"""Multiaddrs: which peer they name, and which of ours others can dial."""

import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable, Sequence

import ifaddr
from multiaddr import Multiaddr

from onmeet_node.net.errors import BadMultiaddr, ListenFailed

log = logging.getLogger(__name__)

_ANY = {"0.0.0.0": 4, "::": 6}  # noqa: S104 - recognised, not bound
_FAMILIES = {4: (socket.AF_INET, "0.0.0.0"), 6: (socket.AF_INET6, "::")}  # noqa: S104 - a look
_NO_SUCH_FAMILY = {errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL}


def parse(address: str) -> Multiaddr:
    """`address` as the library's type. Raises BadAddress."""
    try:
        return Multiaddr(address)
    except Exception as error:
        raise BadMultiaddr(address, str(error)) from error


def circuit(address: str) -> bool:
    """Whether `address` leads through a relay."""
    return "/p2p-circuit" in address


def ip_of(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a multiaddr begins with; None if it begins with something else."""
    parts = address.split("/")
    if len(parts) < 3 or parts[0] or parts[1] not in {"ip4", "ip6"}:
        return None
    try:
        found = ipaddress.ip_address(parts[2])
    except ValueError:
        return None
    return found if found.version == int(parts[1][2]) else None


def peer_of(addresses: Sequence[str]) -> str:
    """The one peer that all addresses end in. Raises BadAddress."""
    peers = set()
    for address in addresses:
        parts = parse(address)
        names = [str(part) for part in parts.split()]
        if not names or not names[-1].startswith("/p2p/"):
            raise BadMultiaddr(address, "it does not end in /p2p/<PeerId>")
        peers.add(names[-1].removeprefix("/p2p/"))
    if len(peers) != 1:
        raise BadMultiaddr(", ".join(addresses), f"one peer is needed, {len(peers)} are named")
    return str(peers.pop())


def interface_addresses(version: int) -> tuple[str, ...]:
    """The addresses of this machine's interfaces, IP `version` 4 or 6; loopback if it has no other.

    IPv6 link-local addresses are left out: they mean nothing without a zone.
    """
    found = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text.partition("%")[0])
            if address.version == version and not (version == 6 and address.is_link_local):
                found.append(address)
    real = [address for address in found if not address.is_loopback]
    return tuple(dict.fromkeys(str(address) for address in real or found))


def advertised(listening: Iterable[Multiaddr], peer_id: str | None = None) -> tuple[str, ...]:
    """`listening` as others can dial it: 0.0.0.0 and :: replaced, `/p2p/<peer_id>` at the end."""
    result: dict[str, None] = {}
    end = f"/p2p/{peer_id}" if peer_id is not None else ""
    for address in listening:
        text = str(address).partition("/p2p/")[0]
        head = text.split("/")
        if head[1] in {"ip4", "ip6"} and head[2] in _ANY:
            for own in interface_addresses(_ANY[head[2]]):
                result["/".join(["", head[1], own, *head[3:]]) + end] = None
        else:
            result[text + end] = None
    return tuple(result)


def system_speaks(version: int) -> bool:
    """Whether sockets of IP `version` 4 or 6 can be had: a kernel may lack either."""
    family, any_address = _FAMILIES[version]
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((any_address, 0))
    except OSError as error:
        return error.errno not in _NO_SUCH_FAMILY
    return True


def available(
    addresses: Sequence[str], speaks: Callable[[int], bool] = system_speaks
) -> tuple[str, ...]:
    """Those of `addresses` whose kind of IP address this system has at all.

    Raises ListenFailed where that leaves none: then what the person named is the mistake.
    """
    lacking = {version for version in (4, 6) if not speaks(version)}
    found = tuple(a for a in addresses if (ip := ip_of(a)) is None or ip.version not in lacking)
    if addresses and not found:
        missing = " and ".join(f"IPv{version}" for version in sorted(lacking))
        raise ListenFailed(addresses[0], f"this system has no {missing}")
    if found != tuple(addresses):
        log.info("this system lacks a version of IP; the other one is listened on")
    return found


def free(host: str, port: int) -> OSError | None:
    """Why no socket can listen on this TCP port, or None if one can. Binds it for a moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the library sets it, but without SO_REUSEPORT: that is the point.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as error:
            return error
    return None
