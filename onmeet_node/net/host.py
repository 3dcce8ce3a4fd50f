"""One object that owns all libp2p I/O of a process, with every known trap avoided.

Nothing else in On-Meet touches libp2p: the rest sees PeerIds and multiaddrs as
text, trio streams, and records as bytes.
"""

import contextlib
import ipaddress
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import trio
from libp2p.abc import IHost, INetConn, INetStream, INetwork, INotifee
from libp2p.custom_types import TProtocol
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from onmeet_node.net import patches
from onmeet_node.net.addresses import advertised, interface_addresses, parse, peer_of
from onmeet_node.net.calls import LibraryCalls
from onmeet_node.net.dht import Dht
from onmeet_node.net.dialing import Dialer
from onmeet_node.net.errors import (
    HostFailed,
    NetError,
    PeerUnreachable,
    StreamRefused,
)
from onmeet_node.net.health import (
    PRUNE_EVERY,
    drop,
    drop_all,
    local_ip,
    probe,
    prune,
    relayed,
    watch,
)
from onmeet_node.net.host_config import HostConfig
from onmeet_node.net.library import (
    DHT_STREAMS,
    check_free,
    check_listening,
    new_raw_host,
    reason,
)
from onmeet_node.net.membership import Membership
from onmeet_node.net.role import Role
from onmeet_node.net.serving import Handler, Serving
from onmeet_node.net.streams import Stream

__all__ = ["Host", "HostConfig", "HostStats", "open_host"]

T = TypeVar("T")
Notify = Callable[[str], None]
"""Gets a PeerId. Called in the host's task, so it must not block or raise."""

log = logging.getLogger(__name__)

CLOSE_LIMIT = 3.0
"""Seconds for saying goodbye to every peer; after that their sockets are just dropped."""

SUSPECT_SECONDS = 3.0
"""For a suspected peer to answer a ping: the slowest of usable links, or a machine that is busy."""
RETIRE_SECONDS = 5.0
"""Between looks whether a circuit that is no longer needed has become idle."""


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
        self, raw: IHost, config: HostConfig, role: Role, io: trio.Nursery, kad: KadDHT
    ) -> None:
        self.config = config
        self.peer_id = str(raw.get_id())
        self.raw = raw
        """The library's host, for the relay client and the bootstrap alone."""
        self._network: Swarm = raw.get_network()  # type: ignore[assignment]
        self._calls = LibraryCalls(io, abandon=config.remedies.abandon)
        self._dialer = Dialer(self._network, self._calls, config.remedies)
        self._kad = kad
        self.dht = Dht(kad, self._calls, config, role)
        self._role = role
        self._membership = Membership(raw, kad, role, self._calls, self.connect)
        self._serving = Serving(self._stream, config.remedies)
        self._open: set[INetConn] = set()
        self._used: dict[INetConn, float] = {}
        self._suspected: dict[str, trio.Event] = {}
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
        while True:
            await trio.sleep(PRUNE_EVERY)
            await self.call(prune, self._network, self._last_use, needed)

    def _last_use(self, conn: INetConn) -> float:
        return self._used.get(conn, -math.inf)

    async def drop_stranded(self) -> None:
        """Close the connections that run over an address this machine no longer has."""
        own = {address for version in (4, 6) for address in interface_addresses(version)}
        stranded = [
            conn
            for conn in self._network.get_connections()
            if (ip := local_ip(conn)) is not None
            and not ipaddress.ip_address(ip.partition("%")[0]).is_loopback
            and ip not in own
        ]
        await self.call(drop_all, stranded)

    async def probe(self, seconds: float) -> None:
        """Close the connections whose peer does not answer within `seconds`."""
        self._dialer.forget_failures()
        await self.call(probe, self._network.get_connections(), seconds)

    def suspect(self, peer: str) -> None:
        """The connections to `peer` may be dead: close those that answer no ping in 3 s."""
        if peer not in self._suspected:
            self._suspected[peer] = trio.Event()
            self.spawn(self._look_at, peer)

    async def _look_at(self, peer: str) -> None:
        try:
            await probe(self._dialer.connections(peer), SUSPECT_SECONDS)
        finally:
            self._suspected.pop(peer).set()

    async def verify(self, peer: str) -> None:
        """Return once it is known whether the connections of a suspected peer are alive."""
        if (looking := self._suspected.get(peer)) is not None:
            await looking.wait()

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
            raise StreamRefused(peer, protocol, reason(error)) from error
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
        self.connection_used(conn)
        peer = conn.muxed_conn.peer_id
        conns = self._network.get_connections(peer)
        if len(conns) <= 1:
            _tell(self._on_connect, str(peer))
        circuits = [each for each in conns if relayed(each)]
        if circuits and len(circuits) < len(conns):
            for each in circuits:
                self.spawn(self._retire, each)
            _tell(self._on_direct, str(peer))

    def connection_used(self, conn: INetConn) -> None:
        """A stream opened on it (called by the library's notifications)."""
        self._used[conn] = trio.current_time()

    async def _retire(self, circuit: INetConn) -> None:
        """Close a circuit that a direct connection made needless, once nothing runs over it."""
        peer = str(circuit.muxed_conn.peer_id)
        while not circuit.is_closed:
            await trio.sleep(RETIRE_SECONDS)
            if all(map(relayed, self._dialer.connections(peer))):
                return  # the direct one is gone again
            if not circuit.get_streams():
                await drop(circuit)

    def connection_closed(self, conn: INetConn) -> None:
        """A connection is gone (called by the library's notifications)."""
        self._open.discard(conn)
        self._used.pop(conn, None)
        peer = conn.muxed_conn.peer_id
        if not self.connected(str(peer)):
            _tell(self._on_disconnect, str(peer))


def _tell(listeners: list[Notify], peer: str) -> None:
    for notify in list(listeners):
        try:
            notify(peer)
        except Exception:
            log.exception("a connection listener failed")


class _Notifee(INotifee):
    """The library's notifications of connections, passed on to a Host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def connected(self, network: INetwork, conn: INetConn) -> None:  # noqa: ARG002
        self._host.connection_opened(conn)

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:  # noqa: ARG002
        self._host.connection_closed(conn)

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:  # noqa: ARG002
        self._host.connection_used(stream.swarm_conn)  # type: ignore[attr-defined]

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        pass

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        pass

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        pass


@asynccontextmanager
async def open_host(config: HostConfig) -> AsyncIterator[Host]:
    """Run a host for the length of a `with` block.

    Leaving it ends the handlers, then the library's calls, then every connection
    within CLOSE_LIMIT. An exception of the block comes out as it is. Raises
    ListenFailed, BadAddress, LibraryMoved, or HostFailed if the library breaks.
    """
    if not config.remedies.one_error:
        async with _running(config) as host:
            yield host
        return
    failure: Exception | None = None
    try:
        async with _running(config) as host:
            try:
                yield host
            except Exception as error:  # noqa: BLE001 - raised again below
                # Kept out of the library's nurseries, which would wrap it.
                failure = error
    except* NetError as group:
        failure = failure or _first(group)
    except* Exception as group:  # noqa: BLE001 - translated
        failure = failure or HostFailed(reason(group))
        failure.__cause__ = failure.__cause__ or group
    if failure is not None:
        raise failure


def _first(error: BaseException) -> Exception:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error


@asynccontextmanager
async def _running(config: HostConfig) -> AsyncIterator[Host]:
    remedies = config.remedies
    patches.apply(remedies, ping_interval=config.ping_interval)
    listen = [parse(address) for address in config.listen]
    if remedies.check_listening:
        for address in listen:
            check_free(address)
    role = Role(server=config.server)
    raw = new_raw_host(config, role)
    network: Swarm = raw.get_network()  # type: ignore[assignment]
    async with raw.run(listen_addrs=listen), AsyncExitStack() as stack:
        if remedies.check_listening:
            check_listening(network, listen)
        mode = DHTMode.SERVER if config.server else DHTMode.CLIENT
        kad = KadDHT(raw, mode, strict_validation=True)
        patches.check_instance(kad, patches.KAD_NEEDS)
        if remedies.wide_dht_limiter:
            kad._inbound_limiter.total_tokens = DHT_STREAMS
        if remedies.close_host:
            stack.push_async_callback(_within, CLOSE_LIMIT, raw.close)
        async with background_trio_service(kad), trio.open_nursery() as io:
            host = Host(raw, config, role, io, kad)
            if remedies.close_host:
                stack.push_async_callback(_within, CLOSE_LIMIT, host.close_connections)
            network.register_notifee(_Notifee(host))
            io.start_soon(host.dht.purge)
            if remedies.end_handlers:
                io.start_soon(host.sweep)
            if remedies.monitor_health:
                io.start_soon(watch, network, config.pong_limit)
            try:
                yield host
            finally:
                await host.stop()


async def _within(seconds: float, fn: Callable[[], Awaitable[None]]) -> None:
    """Run some clean-up even if we are cancelled, but no longer than `seconds`."""
    with trio.move_on_after(seconds) as limit:
        limit.shield = True
        await fn()
