"""One object that owns all libp2p I/O of a process, with every known trap avoided.

Nothing else in On-Meet touches libp2p: the rest sees PeerIds and multiaddrs as
text, trio streams, and records as bytes.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import trio
from libp2p.abc import IHost, INetConn, INetStream
from libp2p.custom_types import TProtocol
from libp2p.kad_dht.kad_dht import KadDHT
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from onmeet_node.net.errors import PeerUnreachable, StreamRefused
from onmeet_node.net.libp2p.config import HostConfig
from onmeet_node.net.libp2p.connections import ConnectionManager
from onmeet_node.net.libp2p.dht import Dht
from onmeet_node.net.libp2p.dht_membership import DhtMembership
from onmeet_node.net.libp2p.dht_role import DhtRole
from onmeet_node.net.libp2p.dialing import Dialer
from onmeet_node.net.libp2p.health import drop, drop_all, relayed
from onmeet_node.net.libp2p.library import PROTOCOL_UNKNOWN, reason
from onmeet_node.net.libp2p.library_calls import LibraryCalls
from onmeet_node.net.libp2p.listeners import Listening
from onmeet_node.net.libp2p.multiaddrs import advertised, peer_of
from onmeet_node.net.libp2p.remote_address import remote_ip
from onmeet_node.net.libp2p.serving import Handler, Serving
from onmeet_node.net.libp2p.streams import Stream

T = TypeVar("T")
Notify = Callable[[str], None]
"""Gets a PeerId. Called in the host's task, so it must not block or raise."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HostStats:
    """Counts for leak tests and the status page; nothing about who."""

    connections: int
    peers: int
    streams: int
    """Open streams of all connections, the library's own included."""
    calls: int
    """Library calls in progress."""
    handlers: int
    """Streams of peers being served."""


class Host:
    """A running libp2p host. Made by `open_host`."""

    def __init__(
        self, raw: IHost, config: HostConfig, role: DhtRole, io: trio.Nursery, kad: KadDHT
    ) -> None:
        self.config = config
        self.peer_id = str(raw.get_id())
        self.raw = raw
        """The library's host, for the relay client and the bootstrap alone."""
        self._network: Swarm = raw.get_network()  # type: ignore[assignment]
        self._calls = LibraryCalls(io, abandon=config.remedies.abandon)
        self._dialer = Dialer(self._network, self._calls, config.remedies, config.exposure)
        self._listening = Listening(self._network, config.listen)
        self._kad = kad
        self._upkeep = ConnectionManager(
            self._network, self._calls, self._dialer, kad.routing_table.peer_in_table
        )
        self._role = role
        self._membership = DhtMembership(raw, kad, role, self._calls, self.connect)
        self.dht = Dht(kad, self._calls, config, role, self._entered)
        self._serving = Serving(self._stream, config.remedies)
        self._open: set[INetConn] = set()
        self._on_connect: list[Notify] = []
        self._on_disconnect: list[Notify] = []
        self._on_direct: list[Notify] = []

    def __repr__(self) -> str:
        return f"<Host {self.peer_id}>"

    # ---- library calls, for net/ and the bootstrap -----------------------------------------

    async def call(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await a library call that goes on if the caller is cancelled. See LibraryCalls."""
        return await self._calls.call(fn, *args)

    def spawn(self, fn: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Run a library call in the background. See LibraryCalls."""
        self._calls.spawn(fn, *args)

    @property
    def circuit_dialer(self) -> Callable[[str], Awaitable[None]] | None:
        """Connects to the peer of one `…/p2p-circuit/p2p/…` address; set by the relay client.

        Runs as a library call; returns once the connection is registered.
        """
        return self._dialer.circuit_dialer

    @circuit_dialer.setter
    def circuit_dialer(self, dialer: Callable[[str], Awaitable[None]] | None) -> None:
        self._dialer.circuit_dialer = dialer

    # ---- peers -----------------------------------------------------------------------------

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where this host listens, as others can dial it, with `/p2p/<PeerId>`.

        0.0.0.0 and :: stand for the addresses of the interfaces, loopback only if
        there are no others. `announce` of the configuration replaces them.
        """
        if self.config.announce:
            raw = [Multiaddr(address) for address in self.config.announce]
        else:
            raw = self.raw.get_transport_addrs()
        return advertised(raw, self.peer_id)

    @property
    def listening(self) -> tuple[str, ...]:
        """What this host is bound to: multiaddrs with real ports, 0.0.0.0 as it is."""
        return tuple(str(address) for address in self.raw.get_transport_addrs())

    def peers(self) -> tuple[str, ...]:
        """The connected peers."""
        return tuple(str(peer) for peer, conns in self._network.connections.items() if conns)

    def connected(self, peer: str) -> bool:
        """Whether a connection to `peer` is open."""
        return bool(self._dialer.connections(peer))

    def remote_ips(self, peer: str) -> frozenset[str]:
        """The IP addresses that the open connections to `peer` lead to; circuits have none."""
        found = (remote_ip(conn.muxed_conn) for conn in self._dialer.connections(peer))
        return frozenset(ip for ip in found if ip is not None)

    def on_connect(self, notify: Notify) -> Callable[[], None]:
        """Call `notify(peer)` when a peer's first connection opens. Returns the way to stop it."""
        self._on_connect.append(notify)
        return lambda: self._on_connect.remove(notify)

    def on_disconnect(self, notify: Notify) -> Callable[[], None]:
        """Call `notify(peer)` when a peer's last connection is gone. Returns the way to stop it."""
        self._on_disconnect.append(notify)
        return lambda: self._on_disconnect.remove(notify)

    def on_direct(self, notify: Notify) -> Callable[[], None]:
        """Call `notify(peer)` when a direct connection opens beside a relayed one.

        New streams take it; what runs over the relay should move. Returns the way to stop it.
        """
        self._on_direct.append(notify)
        return lambda: self._on_direct.remove(notify)

    async def wait_disconnected(self, peer: str) -> None:
        """Return once no connection to `peer` is left."""
        gone = trio.Event()
        stop = self.on_disconnect(lambda left: gone.set() if left == peer else None)
        try:
            if self.connected(peer):
                await gone.wait()
        finally:
            stop()

    async def connect(self, addresses: Sequence[str]) -> str:
        """Connect to the one peer that all `addresses` name; return its PeerId.

        The addresses race, direct ones ahead of relayed ones; the first that
        answers as that peer wins. Returns at once if a connection is open.
        Raises BadAddress or PeerUnreachable.
        """
        peer = peer_of(addresses)
        if peer == self.peer_id:
            raise PeerUnreachable(peer, ["that is this host itself"])
        await self._dialer.connect(peer, addresses)
        return peer

    async def disconnect(self, peer: str) -> None:
        """Close every connection to `peer`. Never fails, nor waits longer than a few seconds."""
        await self.call(drop_all, self._network.get_connections(ID.from_string(peer)))

    async def prune(self, needed: Callable[[str], bool]) -> None:
        """Close connections that lookups opened and nobody uses, until cancelled.

        `needed(peer)` says whether a peer's stays open all the same.
        """
        await self._upkeep.prune(needed)

    async def drop_stranded(self) -> None:
        """Close the connections that run over an address this machine no longer has."""
        await self._upkeep.drop_stranded()

    async def probe(self, seconds: float) -> None:
        """Close the connections whose peer does not answer within `seconds`."""
        await self._upkeep.probe(seconds)

    async def follow_exposure(self) -> None:
        """Makes listeners and open connections what the rule of `HostConfig.exposure` says now."""
        await self.call(self._follow_exposure)

    async def _follow_exposure(self) -> None:
        exposure = self.config.exposure
        if exposure is None or not exposure.relay_only():
            self._dialer.forget_failures()
            await self._listening.open()
            return
        conns = self._network.get_connections()
        await drop_all([conn for conn in conns if not self._may_stay(conn)])
        await self._listening.close()

    def _may_stay(self, conn: INetConn) -> bool:
        exposure = self.config.exposure
        peer = str(conn.muxed_conn.peer_id)
        return exposure is None or exposure.sees_us(peer) or relayed(conn)

    def suspect(self, peer: str) -> None:
        """The connections to `peer` may be dead: close those that answer no ping in 3 s."""
        self._upkeep.suspect(peer)

    async def verify(self, peer: str) -> None:
        """Return once it is known whether the connections of a suspected peer are alive."""
        await self._upkeep.verify(peer)

    # ---- streams ---------------------------------------------------------------------------

    async def open_stream(self, peer: str, protocol: str) -> Stream:
        """A stream to a connected peer. Raises PeerUnreachable or StreamRefused."""
        if not self.connected(peer):
            raise PeerUnreachable(peer, ["not connected"])
        return await self.call(self._open_stream, peer, protocol)

    async def _open_stream(self, peer: str, protocol: str) -> Stream:
        try:
            raw = await self.raw.new_stream(ID.from_string(peer), [TProtocol(protocol)])
        except Exception as error:
            why = reason(error)
            unknown = why.startswith(PROTOCOL_UNKNOWN)
            raise StreamRefused(peer, protocol, why, unknown=unknown) from error
        return self._stream(raw)

    def _stream(self, raw: INetStream) -> Stream:
        peer = str(raw.muxed_conn.peer_id)
        return Stream(raw, peer, self._calls, tell_resets=self.config.remedies.tell_resets)

    def handle(
        self,
        protocol: str,
        handler: Handler,
        *,
        limit: int = 8,
        timeout: float | None = None,
    ) -> None:
        """Serve `protocol`: `handler(stream)` runs for each stream a peer opens.

        At most `limit` at once per peer; more are reset. `timeout` seconds end a
        handler, None lets it run while the connection lasts. The stream is closed
        when the handler returns and reset when it raises, which is logged and
        harms nothing else. Handlers are cancelled when their connection is gone.
        """
        served = self._serving.handler(protocol, handler, limit=limit, timeout=timeout)
        self.raw.set_stream_handler(TProtocol(protocol), served)

    def stop_handling(self, protocol: str) -> None:
        """Refuse new streams of `protocol`; those being served go on."""
        self.raw.remove_stream_handler(TProtocol(protocol))

    # ---- DHT -------------------------------------------------------------------------------

    async def join(self, addresses: Sequence[str]) -> tuple[str, ...]:
        """Enter the DHT through the peers that `addresses` name; return those that answered so far.

        Returns as soon as one answered; the others are still tried. Raises
        BadAddress or JoinFailed.
        """
        return await self._membership.join(addresses)

    def _entered(self) -> tuple[str, ...]:
        """Those we joined by and are connected with, the last first."""
        return tuple(peer for peer in self._membership.entered if self.connected(peer))

    @property
    def server(self) -> bool:
        """Whether this host stores records for others and answers their lookups."""
        return self._role.server

    async def set_role(self, *, server: bool, proven: Sequence[str] = ()) -> None:
        """Serve the DHT from now on, or no more.

        `proven`: multiaddrs at which others reach this host for sure; as a server it tells them
        in place of those it listens on. The peers are told at once.
        """
        await self._membership.set_role(server=server, proven=tuple(proven))

    def dht_servers(self) -> tuple[str, ...]:
        """Multiaddrs with ``/p2p/…`` of the peers that a lookup starts from."""
        return self._membership.servers()

    def dht_peers(self) -> tuple[str, ...]:
        """The peers that a lookup starts from."""
        return self.dht.peers()

    async def put(self, key: str, value: bytes) -> int:
        """Store a record; return how many peers confirmed it. See `Dht.put`."""
        return await self.dht.put(key, value)

    async def get(self, key: str) -> bytes | None:
        """The newest valid record in the network, or None. See `Dht.get`."""
        return await self.dht.get(key)

    # ---- state -----------------------------------------------------------------------------

    def stats(self) -> HostStats:
        """Counts of what is open now."""
        conns = self._network.get_connections()
        return HostStats(
            connections=len(conns),
            peers=len(self.peers()),
            streams=sum(len(conn.get_streams()) for conn in conns),
            calls=self._calls.running,
            handlers=len(self._serving),
        )

    # ---- for open_host ---------------------------------------------------------------------

    async def sweep(self) -> None:
        """End handlers that nobody will wake, for ever."""
        await self._serving.sweep()

    async def forget_strangers(self) -> None:
        """Bound what the library remembers of peers that are not here, for ever."""
        await self._upkeep.forget_strangers()

    async def stop(self) -> None:
        """End the handlers, then refuse new calls."""
        await self._serving.stop()
        self._calls.close()

    async def close_connections(self) -> None:
        """Say goodbye to every peer, and close the sockets that a failing library left open."""
        await drop_all(tuple(self._open))
        for conn in tuple(self._open):
            with contextlib.suppress(Exception):
                await conn.muxed_conn.secured_conn.close()  # type: ignore[attr-defined]

    def connection_opened(self, conn: INetConn) -> None:
        """A connection opened (called by the library's notifications)."""
        self._open.add(conn)
        peer = conn.muxed_conn.peer_id
        if not self._may_stay(conn):  # relay-only was turned on while it was being made
            self._calls.spawn(drop, conn)
            return
        if len(self._network.get_connections(peer)) <= 1:
            _tell(self._on_connect, str(peer))
        if self._upkeep.opened(conn):
            _tell(self._on_direct, str(peer))

    def stream_opened(self, conn: INetConn) -> None:
        """A stream opened on a connection (called by the library's notifications)."""
        self._upkeep.used(conn)

    def connection_closed(self, conn: INetConn) -> None:
        """A connection is gone (called by the library's notifications)."""
        self._open.discard(conn)
        self._upkeep.closed(conn)
        peer = conn.muxed_conn.peer_id
        if not self.connected(str(peer)):
            _tell(self._on_disconnect, str(peer))


def _tell(listeners: list[Notify], peer: str) -> None:
    for notify in list(listeners):
        try:
            notify(peer)
        except Exception:
            log.exception("a connection listener failed")
