"""The bootstrap's libp2p host, and what of the library's inside only a bootstrap needs."""

from __future__ import annotations

import logging
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from onmeet_bootstrap.config.model import BootstrapConfig
from onmeet_bootstrap.errors import StartFailed
from onmeet_node.net.errors import BadMultiaddr, LibraryMoved, ListenFailed
from onmeet_node.net.exposure import Exposure, interface_networks, special
from onmeet_node.net.libp2p.multiaddrs import ip_of
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.libp2p.remote_address import prefix_of, remote_ip
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.protocol.wire.bootstrap_api import DialBack, Transport

log = logging.getLogger("bootstrap")

DIAL_BACK_SECONDS = 5.0
"""For connecting and both handshakes: four round trips on the worst of links."""


def remote_address(stream: Stream) -> str | None:
    """The IP address that a stream's connection comes from; None if there is no socket to ask."""
    return remote_ip(stream._raw.muxed_conn)


async def dial_back(host: Host, stream: Stream, address: str, question: DialBack) -> bool:
    """Whether the peer of `stream` answers at this port of `address`, and proves to be itself.

    A connection of its own, given up as soon as both have shown their keys.
    """
    network: Any = host.raw.get_network()
    websocket = "/ws" if question.transport is Transport.WEBSOCKET else ""
    where = Multiaddr(f"/ip{6 if ':' in address else 4}/{address}/tcp/{question.port}{websocket}")
    peer = ID.from_string(stream.peer_id)
    with trio.move_on_after(DIAL_BACK_SECONDS):
        try:
            connection = await network.transport_manager.transport_for_dialing(where).dial(where)
            try:
                await network.upgrader.upgrade_security(connection, True, peer)
            finally:
                with trio.CancelScope(shield=True), trio.move_on_after(1):
                    await connection.close()
            return True
        except Exception as error:  # noqa: BLE001 - the library raises anything where nobody answers
            log.debug("a dial-back failed: %s", type(error).__name__)
    return False


class PeerMemory:
    """What the library remembers of peers that are not connected, and how it is made to forget."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._network: Any = host.raw.get_network()

    def remembered(self) -> int:
        """Entries about such peers."""
        return len(self._gone_neighbours()) + len(self._strangers()) + len(self._backoffs)

    def forget_neighbours(self) -> None:
        """Drops them from the routing table of the DHT."""
        for peer in self._gone_neighbours():
            self._host.dht._kad.routing_table.remove_peer(ID.from_string(peer))

    def forget(self) -> None:
        """Drops them from the address book, and the backoffs of the auto-connector."""
        store = self._network.peerstore
        for each in self._strangers():
            store.peer_data_map.pop(each, None)
            store.peer_record_map.pop(each, None)
        self._backoffs.clear()

    def _gone_neighbours(self) -> list[str]:
        return [peer for peer in self._host.dht_peers() if not self._host.connected(peer)]

    @property
    def _backoffs(self) -> dict[Any, float]:
        held: dict[Any, float] = self._network.auto_connector._recent_disconnects
        return held

    def _strangers(self) -> list[Any]:
        known = {self._host.peer_id, *self._host.dht_peers()}
        store = self._network.peerstore
        ids = {*store.peer_data_map, *store.peer_record_map}
        return [i for i in ids if str(i) not in known and not self._host.connected(str(i))]


def peer_id_of(seed: bytes) -> str:
    """The PeerId of the bootstrap whose key is made of these 32 bytes."""
    return str(ID.from_pubkey(create_new_key_pair(seed).public_key))


def network_of(stream: Stream) -> str:
    """The network prefix that a stream's connection is counted under."""
    return prefix_of(remote_address(stream))


def raise_file_limit() -> None:
    """Lets this process open as many files as it may: shells and systemd begin with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def silence_libraries(handler: logging.Handler | None = None) -> None:
    """Keeps the logs free of addresses, PeerIds and names, which libraries put into theirs (P2).

    What is left are the loggers ``bootstrap`` and that of `faults`, whose messages hold none;
    `handler` takes the second's.
    """
    for name in ("libp2p", "onmeet_node", "multiaddr", "trio-websocket", "zeroconf"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
    told = logging.getLogger("onmeet_node.process.faults")
    told.handlers = [handler or logging.StreamHandler()]
    told.propagate = False


def _exposure(config: BootstrapConfig) -> Exposure:
    """What lookups may dial of the addresses that peers name.

    Who serves the internet dials nobody in the network that its machine is on: a peer could mean
    the operator's other machines.
    """
    own = [ip for address in (*config.listen, *config.announce) if (ip := ip_of(address))]
    public = any(special(ip) is None for ip in own)
    return Exposure(listen=config.listen, networks=tuple if public else interface_networks)


@asynccontextmanager
async def open_bootstrap_host(config: BootstrapConfig) -> AsyncIterator[Host]:
    """A host that serves the DHT under the bootstrap's own PeerId. Raises `StartFailed`."""
    host_config = HostConfig(
        listen=config.listen,
        server=True,
        seed=config.seed,
        announce=config.announce,
        max_connections=config.max_connections,
        connections_per_network=config.connections_per_network,
        exposure=_exposure(config),
    )
    started = False
    try:
        async with open_host(host_config) as host:
            started = True
            yield host
    except (ListenFailed, BadMultiaddr, LibraryMoved) as error:
        if started:
            raise
        setting = "[bootstrap] listen: " if isinstance(error, ListenFailed) else ""
        raise StartFailed(f"{setting}{error}") from error
