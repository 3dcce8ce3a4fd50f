"""Being part of the DHT: entering it, and serving it or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio
from libp2p.abc import IHost
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo

from onmeet_node.net.errors import JoinFailed, NetError
from onmeet_node.net.libp2p.dht_role import DhtRole
from onmeet_node.net.libp2p.library_calls import LibraryCalls
from onmeet_node.net.libp2p.multiaddrs import circuit, parse, peer_of

ENTRANCES = 8
"""As many bootstraps as a node has, and more."""


class DhtMembership:
    """The part of a host that keeps its place in the DHT."""

    def __init__(
        self,
        raw: IHost,
        kad: KadDHT,
        role: DhtRole,
        calls: LibraryCalls,
        connect: Callable[[Sequence[str]], Awaitable[str]],
    ) -> None:
        self._raw = raw
        self._kad = kad
        self._role = role
        self._calls = calls
        self._connect = connect
        self._entered: dict[str, None] = {}

    @property
    def entered(self) -> tuple[str, ...]:
        """Those by whom we last joined, at most ENTRANCES, the last first."""
        return tuple(reversed(self._entered))

    async def join(self, addresses: Sequence[str]) -> tuple[str, ...]:
        """See `Host.join`."""
        by_peer: dict[str, list[str]] = {}
        for address in addresses:
            by_peer.setdefault(peer_of([address]), []).append(address)
        return await self._calls.call(self._join, by_peer)

    async def _join(self, by_peer: dict[str, list[str]]) -> tuple[str, ...]:
        joined: list[str] = []
        reasons: list[str] = []
        left = len(by_peer)
        progress = trio.Event()

        async def enter(peer: str, ways: list[str]) -> None:
            try:
                await self._connect(ways)
                direct = [parse(way) for way in ways if not circuit(way)]
                await self._kad.routing_table.add_peer(PeerInfo(ID.from_string(peer), direct))
                joined.append(peer)
                self._entered.pop(peer, None)
                self._entered[peer] = None
                if len(self._entered) > ENTRANCES:
                    del self._entered[next(iter(self._entered))]
            except NetError as error:
                reasons.append(str(error))
            finally:
                nonlocal left
                left -= 1
                if joined or not left:
                    progress.set()

        for peer, ways in by_peer.items():
            self._calls.spawn(enter, peer, ways)
        if by_peer:
            await progress.wait()
        if not joined:
            raise JoinFailed(reasons)
        # Looking for ourselves finds our neighbours; a server needs every part of the key space.
        if self._role.server:
            self._calls.spawn(self._kad.refresh_routing_table)
        else:
            own = self._kad.local_peer_id.to_bytes()
            self._calls.spawn(self._kad.peer_routing.find_closest_peers_network, own)
        return tuple(joined)

    async def set_role(self, *, server: bool, proven: tuple[str, ...]) -> None:
        """See `Host.set_role`."""
        if (server, proven) != (self._role.server, self._role.proven):
            await self._calls.call(self._set_role, server, proven)

    async def _set_role(self, server: bool, proven: tuple[str, ...]) -> None:
        self._role.server, self._role.proven = server, proven
        await self._kad.switch_mode(DHTMode.SERVER if server else DHTMode.CLIENT)
        if self._raw.get_connected_peers():
            # First they learn our addresses; then lookups put us into their routing tables.
            await self._raw._push_identify_to_all_peers()  # type: ignore[attr-defined]
            if server:
                await self._kad.refresh_routing_table()

    def servers(self) -> tuple[str, ...]:
        """Multiaddrs with ``/p2p`` of the peers in the routing table."""
        return tuple(
            f"{str(address).partition('/p2p/')[0]}/p2p/{info.peer_id}"
            for info in self._kad.routing_table.get_peer_infos()
            for address in info.addrs
        )
