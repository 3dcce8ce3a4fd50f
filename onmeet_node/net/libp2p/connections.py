"""Ending a host's connections that lead nowhere, or that nobody needs."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable

import trio
from libp2p.abc import INetConn
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID

from onmeet_node.net.libp2p.dialing import Dialer
from onmeet_node.net.libp2p.health import PRUNE_EVERY, drop, drop_all, probe, prune, relayed
from onmeet_node.net.libp2p.library_calls import LibraryCalls
from onmeet_node.net.libp2p.multiaddrs import interface_addresses
from onmeet_node.net.libp2p.remote_address import local_ip
from onmeet_node.process.faults import contained

SUSPECT_SECONDS = 3.0
"""For a suspected peer to answer a ping: the slowest of usable links, or a machine that is busy."""
FORGET_EVERY = 60.0
MAX_STRANGERS = 1000
"""Peers remembered that are neither connected nor in the routing table: the library keeps keys,
protocols and addresses of each that it met or heard of, and PeerIds cost nothing."""
RETIRE_SECONDS = 5.0
"""Between looks whether a circuit that is no longer needed has become idle."""


class ConnectionManager:
    """The part of a host that looks after its connections. `Host` says what each method is for."""

    def __init__(
        self,
        network: Swarm,
        calls: LibraryCalls,
        dialer: Dialer,
        in_table: Callable[[ID], bool],
    ) -> None:
        """`in_table`: whether a peer is in the DHT's routing table."""
        self._network = network
        self._in_table = in_table
        self._calls = calls
        self._dialer = dialer
        self._used: dict[INetConn, float] = {}
        self._suspected: dict[str, trio.Event] = {}

    # ---- told by the library ---------------------------------------------------------------

    def opened(self, conn: INetConn) -> bool:
        """A connection opened; whether its peer now has a direct one beside a circuit."""
        self.used(conn)
        conns = self._network.get_connections(conn.muxed_conn.peer_id)
        circuits = [each for each in conns if relayed(each)]
        if not circuits or len(circuits) == len(conns):
            return False
        for each in circuits:
            self._calls.spawn(self._retire, each)
        return True

    def used(self, conn: INetConn) -> None:
        """A stream opened on it."""
        self._used[conn] = trio.current_time()

    def last_use(self, conn: INetConn) -> float:
        """When `used` was last called for it."""
        return self._used.get(conn, -math.inf)

    def closed(self, conn: INetConn) -> None:
        """It is gone."""
        self._used.pop(conn, None)

    # ---- ending ----------------------------------------------------------------------------

    async def _retire(self, circuit: INetConn) -> None:
        """Close a circuit that a direct connection made needless, once nothing runs over it."""
        peer = str(circuit.muxed_conn.peer_id)
        while not circuit.is_closed:
            await trio.sleep(RETIRE_SECONDS)
            if all(map(relayed, self._dialer.connections(peer))):
                return  # the direct one is gone again
            if not circuit.get_streams():
                await drop(circuit)

    async def forget_strangers(self) -> None:
        """Drop what the library remembers of peers past MAX_STRANGERS, oldest first, for ever."""
        while True:
            await trio.sleep(FORGET_EVERY)
            with contained("sweep"):
                self.forget_now()

    def forget_now(self) -> None:
        """One round of `forget_strangers`."""
        store = self._network.peerstore
        for book in (store.peer_data_map, store.peer_record_map):  # type: ignore[attr-defined]
            strangers = [peer for peer in book if not self._known(peer)]
            for peer in strangers[: max(0, len(strangers) - MAX_STRANGERS)]:
                del book[peer]

    def _known(self, peer: ID) -> bool:
        return (
            peer == self._network.get_peer_id()
            or bool(self._network.get_connections(peer))
            or self._in_table(peer)
        )

    async def prune(self, needed: Callable[[str], bool]) -> None:
        """See `Host.prune`."""
        while True:
            await trio.sleep(PRUNE_EVERY)
            await self._calls.call(prune, self._network, self.last_use, needed)

    async def drop_stranded(self) -> None:
        """See `Host.drop_stranded`."""
        own = {address for version in (4, 6) for address in interface_addresses(version)}
        stranded = [
            conn
            for conn in self._network.get_connections()
            if (ip := local_ip(conn.muxed_conn)) is not None
            and not ipaddress.ip_address(ip.partition("%")[0]).is_loopback
            and ip not in own
        ]
        await self._calls.call(drop_all, stranded)

    async def probe(self, seconds: float) -> None:
        """See `Host.probe`."""
        self._dialer.forget_failures()
        await self._calls.call(probe, self._network.get_connections(), seconds)

    def suspect(self, peer: str) -> None:
        """See `Host.suspect`."""
        if peer not in self._suspected and not self._calls.closed:
            self._suspected[peer] = trio.Event()
            self._calls.spawn(self._look_at, peer)

    async def _look_at(self, peer: str) -> None:
        try:
            await probe(self._dialer.connections(peer), SUSPECT_SECONDS)
        finally:
            self._suspected.pop(peer).set()

    async def verify(self, peer: str) -> None:
        """See `Host.verify`."""
        if (looking := self._suspected.get(peer)) is not None:
            await looking.wait()
