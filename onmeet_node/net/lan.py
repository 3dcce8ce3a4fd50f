"""Meeting on one network without a bootstrap: mDNS (RFC 6762) tells nodes of each other.

What is announced is a random name, the PeerId, which is new at every start, and addresses on this
network; nothing of the person. A node that is heard of is connected to and joined into the DHT, so
presence records work by themselves. libp2p's own mDNS is not used: it blocks the event loop while
it registers, and hands every libp2p program on the network to us.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import re
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import ifaddr
import trio
from zeroconf import (
    BadTypeInNameException,
    InterfaceChoice,
    IPVersion,
    ServiceInfo,
    ServiceListener,
    Zeroconf,
)

from onmeet_node.net.errors import LanUnannounced, LanUnavailable, NetError
from onmeet_node.net.libp2p.multiaddrs import interface_addresses, system_speaks
from onmeet_node.process.faults import contained

log = logging.getLogger(__name__)

# ── fixed by the protocol ────────────────────────────────────────────────────────────────────────
SERVICE = "_onmeet._udp.local."
"""DNS-SD service type (RFC 6763, section 7)."""
ADDRESS_KEY = "dnsaddr"
"""TXT keys are `dnsaddr`, `dnsaddr2`, …, each with one multiaddr, as libp2p's mDNS does it."""

_SHAPE = re.compile(
    r"/(ip4/(?P<ip>[0-9.]+)|ip6/(?P<ip6>[0-9a-f:]+))/tcp/(?P<port>[0-9]{1,5})/p2p/(?P<peer>\w+)"
)

NODE = "node of this network"

# ── tuning ───────────────────────────────────────────────────────────────────────────────────────
MAX_ADDRESSES = 8
"""Of one node, announced or believed."""
MAX_ADDRESS_CHARS = 200
MAX_NODES = 64
"""Remembered at once; a flood of made-up names costs the oldest that is not connected."""
QUEUE = 64
"""Announcements not looked at yet; more are dropped, and come again."""
PARALLEL = 8
"""Nodes looked up at once; a flood of made-up names cannot hold up an honest one for long."""
LOOK_SECONDS = 5.0
"""Between looks at our own addresses; also how soon a failed node is tried again."""
ANSWER_MS = 3000
"""For the addresses of a node that was heard of."""
CONNECT_SECONDS = 5.0
GOODBYE_SECONDS = 1.0


class LanHost(Protocol):
    """The part of `net.libp2p.host.Host` that this needs; its tests have one without a network."""

    peer_id: str

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens, with `/p2p/`."""
        ...

    def connected(self, peer: str) -> bool:
        """Whether a connection is open."""
        ...

    async def join(self, addresses: Sequence[str]) -> tuple[str, ...]:
        """Connect, and take the peer into the routing table. Raises NetError."""
        ...


def local_addresses(addresses: Iterable[str], peer: str | None = None) -> tuple[str, ...]:
    """Those of `addresses` that are of this network: private, link-local or loopback, over TCP.

    With `peer`, also only those that end in its PeerId. Others are not believed: whoever is on
    this network could make us dial anybody.
    """
    return tuple(a for a in addresses if _is_local(a, peer))[:MAX_ADDRESSES]


def _is_local(address: str, peer: str | None) -> bool:
    shape = _SHAPE.fullmatch(address)
    if shape is None or len(address) > MAX_ADDRESS_CHARS:
        return False
    try:
        place = ipaddress.ip_address(shape["ip"] or shape["ip6"])
    except ValueError:
        return False
    local = (place.is_private or place.is_link_local) and not place.is_unspecified
    return local and peer in {None, shape["peer"]}


def can_be_dialled(
    addresses: Sequence[str], interfaces: Callable[[], Iterable[str]] | None = None
) -> bool:
    """Whether others of this network have a way to us, or there is no network at all.

    `interfaces`: the IP addresses of this machine, those without a meaning elsewhere included.
    """
    places = [ipaddress.ip_address(a.split("/")[2]) for a in addresses]
    if not all(place.is_loopback for place in places):
        return True
    here = (ipaddress.ip_address(a) for a in (interfaces or _all_interfaces)())
    return all(place.is_loopback for place in here)


def _all_interfaces() -> Iterable[str]:
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            yield text.partition("%")[0]


def describe(addresses: Sequence[str]) -> dict[str, str]:
    """The TXT record that announces these addresses."""
    keys = [ADDRESS_KEY, *(f"{ADDRESS_KEY}{n}" for n in range(2, MAX_ADDRESSES + 1))]
    return dict(zip(keys, addresses, strict=False))


def read_description(properties: dict[bytes, bytes | None]) -> tuple[str, ...]:
    """The addresses in somebody's TXT record that may be believed, all of one PeerId."""
    texts = [
        value.decode("ascii", "replace")
        for key, value in properties.items()
        if key.startswith(ADDRESS_KEY.encode()) and value
    ]
    addresses = local_addresses(texts)
    return local_addresses(addresses, _peer_of(addresses[0])) if addresses else ()


def _peer_of(address: str) -> str:
    return address.rpartition("/")[2]


class _Ears(ServiceListener):
    """Passes names on to trio; called in zeroconf's thread."""

    def __init__(self, heard: trio.MemorySendChannel[str]) -> None:
        self._heard = heard
        self._token = trio.lowlevel.current_trio_token()

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:  # noqa: ARG002
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._pass_on, name)

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.add_service(zc, type_, name)

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        """Nothing to do: a node that is gone is seen by its connection."""

    def _pass_on(self, name: str) -> None:
        # Driven by anybody on this network: what is too much is lost, and announced again.
        with contextlib.suppress(
            trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError
        ):
            self._heard.send_nowait(name)


class Lan:
    """Made by `open_lan`."""

    def __init__(self, host: LanHost) -> None:
        self.met = trio.Event()
        """Set once another node of this network is in the DHT's routing table."""
        self.trouble: LanUnavailable | None = None
        """Why nobody can be discovered just now."""
        self._host = host
        self._nodes: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        """Addresses of those heard of, by PeerId."""

    def __repr__(self) -> str:
        return f"<Lan with {len(self._nodes)} nodes>"

    @property
    def nodes(self) -> tuple[str, ...]:
        """PeerIds heard of on this network."""
        return tuple(self._nodes)

    async def run(self) -> None:
        """Announce and listen, anew whenever our addresses have changed. Never returns."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._retry)
            while True:
                addresses = local_addresses(self._host.addresses)
                async with trio.open_nursery() as session:
                    session.start_soon(self._meet, addresses)
                    # Addresses change without an event anywhere.
                    while local_addresses(self._host.addresses) == addresses:  # noqa: ASYNC110
                        await trio.sleep(LOOK_SECONDS)
                    session.cancel_scope.cancel()

    async def _meet(self, addresses: tuple[str, ...]) -> None:
        """Announce these addresses, and take in those that are heard of, until cancelled."""
        try:
            # zeroconf joins the multicast groups of the interfaces that are there now.
            zeroconf = await trio.to_thread.run_sync(_open_zeroconf)
        except (OSError, RuntimeError) as error:
            self.trouble = LanUnavailable(str(error))
            log.info("%s", self.trouble)
            return
        self.trouble = None if can_be_dialled(addresses) else LanUnannounced()
        send, receive = trio.open_memory_channel[str](QUEUE)
        name = f"{secrets.token_hex(8)}.{SERVICE}"
        try:
            async with trio.open_nursery() as nursery:
                # Its `close` ends what was begun so, and no browser that we made ourselves.
                zeroconf.add_service_listener(SERVICE, _Ears(send))
                if addresses:
                    nursery.start_soon(
                        _in_thread, zeroconf.register_service, _info(name, addresses)
                    )
                for _ in range(PARALLEL):
                    nursery.start_soon(self._look_up_all, zeroconf, name, receive)
        finally:
            with trio.CancelScope(deadline=trio.current_time() + GOODBYE_SECONDS, shield=True):
                await _in_thread(zeroconf.close)  # tells the others that we are gone

    async def _look_up_all(
        self, zeroconf: Zeroconf, own: str, names: trio.MemoryReceiveChannel[str]
    ) -> None:
        async for name in names:
            if name != own:
                with contained(NODE):
                    await self._look_up(zeroconf, name)

    async def _look_up(self, zeroconf: Zeroconf, name: str) -> None:
        try:
            info = await _in_thread(zeroconf.get_service_info, SERVICE, name, ANSWER_MS)
        except (BadTypeInNameException, OSError) as error:
            log.debug("an announcement on the local network was not understood: %s", error)
            return
        addresses = read_description(info.properties) if info is not None else ()
        if not addresses or _peer_of(addresses[0]) == self._host.peer_id:
            return
        self._nodes[_peer_of(addresses[0])] = addresses
        if len(self._nodes) > MAX_NODES:
            self._give_way()
        await self._join(addresses)

    def _give_way(self) -> None:
        """Forget the oldest that is not connected: names cost nothing, being a node does."""
        strangers = (peer for peer in self._nodes if not self._host.connected(peer))
        del self._nodes[next(strangers, next(iter(self._nodes)))]

    async def _retry(self) -> None:
        while True:
            await trio.sleep(LOOK_SECONDS)
            for peer, addresses in list(self._nodes.items()):
                if not self._host.connected(peer):
                    with contained(NODE):
                        await self._join(addresses)

    async def _join(self, addresses: tuple[str, ...]) -> None:
        with trio.move_on_after(CONNECT_SECONDS):
            try:
                await self._host.join(addresses)
                self.met.set()
            except NetError as error:
                # If it is there all the same, its next announcement brings it back.
                log.debug("a node of the local network did not answer: %s", error)
                self._nodes.pop(_peer_of(addresses[0]), None)


def _open_zeroconf() -> Zeroconf:
    """By IPv4 and IPv6, as this machine's interfaces have them. Raises OSError, RuntimeError."""
    if not _on_network(6):
        return Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.V4Only)
    if not _on_network(4):
        return Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.V6Only)
    try:
        return Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    except (OSError, RuntimeError) as error:
        log.info("the local network is asked by IPv4 alone: %s", error)
        return Zeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.V4Only)


def _on_network(version: int) -> bool:
    """Whether an interface has an address of this IP version that is more than the loopback's."""
    return system_speaks(version) and any(
        not ipaddress.ip_address(address).is_loopback for address in interface_addresses(version)
    )


def _info(name: str, addresses: Sequence[str]) -> ServiceInfo:
    parts = [address.split("/") for address in addresses]
    return ServiceInfo(
        SERVICE,
        name,
        port=int(parts[0][4]),
        properties=describe(addresses),
        server=f"{name.partition('.')[0]}.local.",
        parsed_addresses=list(dict.fromkeys(part[2] for part in parts)),
    )


async def _in_thread(fn: Any, *args: Any) -> Any:
    # zeroconf's calls take up to seconds. They harm nothing when they end after we have left.
    run: Any = trio.to_thread.run_sync  # trio-typing, which libp2p installs, knows older names
    return await run(fn, *args, abandon_on_cancel=True)


@asynccontextmanager
async def open_lan(host: LanHost) -> AsyncIterator[Lan]:
    """Meet the nodes of this network for the length of a `with` block.

    Where multicast cannot be used, `Lan.trouble` says so and nothing else happens.
    """
    lan = Lan(host)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lan.run)
        try:
            yield lan
        finally:
            nursery.cancel_scope.cancel()
