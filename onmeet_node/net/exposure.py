"""The one rule of what this node dials, takes in and tells of itself (ARCHITECTURE, "The rule").

Two things are decided here and nowhere else. Whether anybody but the bootstraps that the user
named may see where this node is: with relay-only as a setting nobody may. And which addresses may
be dialled that somebody else named (in a record, a roster, a code, an answer of the DHT): whoever
names one could mean a machine that is not theirs.
"""

from __future__ import annotations

import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence

import ifaddr
import trio

from onmeet_node.net.errors import BadMultiaddr, DialForbidden
from onmeet_node.net.libp2p.multiaddrs import circuit, ip_of, parse

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_PER_PEER = 16
"""Different addresses of one peer dialled in vain in WINDOW_SECONDS; as many as one race takes."""
MAX_PER_HOST = 32
"""Different ports (and peers) dialled in vain at one IP address in WINDOW_SECONDS, whoever named
them: a scan of somebody's ports by means of us ends there."""
WINDOW_SECONDS = 600.0
MAX_COUNTED = 4096
"""Peers and IP addresses that are counted; the oldest gives way."""
RESOLVE_SECONDS = 5.0

_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/3",
        "::/128",
        "::1/128",
        "::/8",
        "64:ff9b::/32",
        "100::/64",
        "2001::/23",
        "2002::/16",
        "fc00::/7",
        "fe80::/9",
        "ff00::/8",
    )
)
"""Ranges whose addresses mean a machine only to those who are there, or none, or hide an IPv4
address in an IPv6 one (IANA's special-purpose registries). TEST-NETs lead nowhere, and labs have
them."""
_NAMES = {"dns": 0, "dns4": socket.AF_INET, "dns6": socket.AF_INET6}


def special(ip: IpAddress) -> IpNetwork | None:
    """The range that makes this no address of the internet; None for one that is."""
    return next((net for net in _SPECIAL if net.version == ip.version and ip in net), None)


def interface_networks() -> tuple[IpNetwork, ...]:
    """The networks that this machine has an interface on.

    A tunnel's address stands alone in its network: there, all of its range counts.
    """
    found: dict[IpNetwork, None] = {}
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text.partition("%")[0])
            network = ipaddress.ip_network((address, ip.network_prefix), strict=False)
            if network.num_addresses == 1:
                network = special(address) or network
            found[network] = None
    return tuple(found)


class Exposure:
    """What one node dials, takes in and tells. Shared by all parts of `net/`.

    `hidden`: whether relay-only is on as a setting. `entrances`: the multiaddrs with ``/p2p/`` of
    the bootstraps that the user named. `listen`: what this node was told to listen on. `networks`:
    those this machine is on.
    """

    def __init__(
        self,
        *,
        hidden: Callable[[], bool] = lambda: False,
        entrances: Callable[[], Iterable[str]] = tuple,
        listen: Sequence[str] = (),
        networks: Callable[[], Collection[IpNetwork]] = interface_networks,
    ) -> None:
        self.changed = trio.Event()
        """Set when `relay_only` may give something else; then another event is here."""
        self._hidden = hidden
        self._entrances = entrances
        self._listen = tuple(listen)
        self._networks = networks
        self._of_peer = _Tally(MAX_PER_PEER)
        self._of_host = _Tally(MAX_PER_HOST)

    def __repr__(self) -> str:
        return f"<Exposure {'hidden' if self.relay_only() else 'open'}>"

    # ── what is told and taken in ───────────────────────────────────────────────────────────────
    def relay_only(self) -> bool:
        """Whether nobody but the user's own bootstraps may see where this node is.

        Then media and channels go through relays alone, and this node does not listen, serves
        neither the DHT nor guests by a gateway of its own, is silent on the local network and asks
        no router for a port.
        """
        return self._hidden()

    def shown(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Those of our own addresses that others may be told, in whatever message or record."""
        return () if self.relay_only() else tuple(addresses)

    def refresh(self) -> None:
        """The setting may have changed."""
        self.changed.set()
        self.changed = trio.Event()

    # ── who may be spoken to ────────────────────────────────────────────────────────────────────
    def entrance(self, peer: str) -> bool:
        """Whether this is one of the bootstraps that the user named."""
        return any(_peer(address) == peer for address in self._entrances())

    def sees_us(self, peer: str) -> bool:
        """Whether a direct connection with this peer may be: it sees our address."""
        return not self.relay_only() or self.entrance(peer)

    async def dialable(self, peer: str, address: str) -> str:
        """The address to dial for this one, which is no circuit; names are resolved.

        Raises DialForbidden with the reason. Every dial asks, so it is counted here too.
        """
        if _plain(address, peer) in {_plain(known, peer) for known in self._entrances()}:
            return address
        if self.relay_only():
            raise DialForbidden(
                "relay-only is on, and this is none of the bootstraps you named. To use it as "
                "one: onmeet settings --add-bootstrap ADDRESS"
            )
        if circuit(address):
            raise DialForbidden("it leads through a relay")
        resolved = await _resolved(address)
        ip = ip_of(resolved)
        if ip is None:
            raise DialForbidden("it begins with no IP address and no name")
        if not self.near(ip):
            raise DialForbidden("it is of a network that this machine is not on")
        if not ip.is_loopback and not (
            self._of_peer.count(peer, resolved) and self._of_host.count(str(ip), resolved)
        ):
            raise DialForbidden("too many addresses were dialled there in vain")
        return resolved

    def reached(self, peer: str, address: str) -> None:
        """An address that `dialable` gave answered as that peer: it was no stranger's."""
        self._of_peer.forget(peer, address)
        self._of_host.forget(str(ip_of(address)), address)

    def near(self, ip: IpAddress) -> bool:
        """Whether an address means the same machine to us as to whoever named it.

        Of the internet, or of a network that we are on: by an interface of ours, or because a
        bootstrap that the user named is there too. The loopback is ours where we were told to
        listen there, where such a bootstrap is, or where there is no other network.
        """
        if ip.version == 6 and ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        kind = special(ip)
        if kind is None:
            return True
        if ip.is_unspecified or ip.is_multicast:
            return False
        named = [known for a in self._entrances() if (known := ip_of(a)) is not None]
        if any(special(known) == kind for known in named):
            return True
        networks = self._networks()
        if ip.is_loopback:
            listening = [own for a in self._listen if (own := ip_of(a)) is not None]
            alone = all(network.is_loopback for network in networks)
            return (alone and bool(networks)) or any(own.is_loopback for own in listening)
        return any(network.version == ip.version and ip in network for network in networks)


class _Tally:
    """How many different things were counted under a name lately."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: OrderedDict[str, dict[str, float]] = OrderedDict()

    def count(self, name: str, thing: str) -> bool:
        """Whether there is room for it."""
        now = trio.current_time()
        seen = self._seen.setdefault(name, {})
        self._seen.move_to_end(name)
        if len(self._seen) > MAX_COUNTED:
            self._seen.popitem(last=False)
        for old in [each for each, at in seen.items() if now - at > WINDOW_SECONDS]:
            del seen[old]
        if thing not in seen and len(seen) >= self._most:
            return False
        seen.setdefault(thing, now)
        return True

    def forget(self, name: str, thing: str) -> None:
        """It does not count."""
        self._seen.get(name, {}).pop(thing, None)


def _peer(address: str) -> str:
    return address.rpartition("/p2p/")[2]


def _plain(address: str, peer: str) -> str:
    """An address of `peer` in the one form that compares, with its PeerId."""
    head, _, named = address.partition("/p2p/")
    try:
        return f"{parse(head)}/p2p/{named or peer}"
    except BadMultiaddr:
        return f"{head}/p2p/{named or peer}"


async def _resolved(address: str) -> str:
    """`address` with an IP address in place of a DNS name, so that what is checked is dialled.

    Raises DialForbidden.
    """
    _, kind, name, *rest = (*address.split("/"), "", "")
    if kind not in _NAMES:
        return address
    rest = [part for part in rest if part]
    try:
        with trio.fail_after(RESOLVE_SECONDS):
            found = await trio.socket.getaddrinfo(
                name, None, family=_NAMES[kind], type=socket.SOCK_STREAM
            )
    except (OSError, UnicodeError, trio.TooSlowError) as error:
        raise DialForbidden("its name was not found in the DNS") from error
    ip = str(found[0][4][0]).partition("%")[0]
    return "/".join(["", "ip6" if ":" in ip else "ip4", ip, *rest])
