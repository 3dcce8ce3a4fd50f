"""A py-libp2p host set up as On-Meet needs it, before it runs."""

import contextlib
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio
from libp2p import new_host
from libp2p.abc import IHost, INetConn, INetStream, ITransport
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.x25519 import create_new_key_pair as create_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.io.abc import ReadWriteCloser
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.swarm import Swarm
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE_PROTOCOL
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX_PROTOCOL
from libp2p.stream_muxer.yamux.yamux import Yamux, YamuxStream
from libp2p.transport.tcp.tcp import TCP
from libp2p.transport.websocket.transport import WebsocketTransport
from multiaddr import Multiaddr

from onmeet_node.net.errors import ListenFailed
from onmeet_node.net.exposure import Exposure
from onmeet_node.net.libp2p import patches
from onmeet_node.net.libp2p.accepting import Acceptor
from onmeet_node.net.libp2p.config import HostConfig
from onmeet_node.net.libp2p.containing import contain_network
from onmeet_node.net.libp2p.dht_role import DhtRole
from onmeet_node.net.libp2p.health import NoAutoConnect
from onmeet_node.net.libp2p.listening import TcpTransport
from onmeet_node.net.libp2p.multiaddrs import free, parse
from onmeet_node.net.libp2p.muxing import BoundedYamux, use_own_muxer
from onmeet_node.net.libp2p.negotiating import propose_at_once
from onmeet_node.net.libp2p.record_store import asking
from onmeet_node.net.libp2p.remote_address import network_of
from onmeet_node.net.libp2p.websocket import WebSocketTransport
from onmeet_node.process.faults import contained

log = logging.getLogger(__name__)

STREAMS_PER_CONNECTION = 128
"""Streams one connection may have open to us; more are reset before any work goes into them."""
NEGOTIATION_LIMIT = 12.0
"""Seconds to agree on a protocol for a stream: two round trips, and a machine that is busy at the
other end. 5 s were too few for one that meets, rings and lets guests in at once."""


def new_raw_host(config: HostConfig, role: DhtRole) -> IHost:
    """The library's host for `config`, not running yet. Raises BadAddress or LibraryMoved."""
    remedies = config.remedies
    key_pair = create_new_key_pair(config.seed)
    options: dict[str, Any] = {}
    if remedies.secure_only:
        noise = NoiseTransport(key_pair, noise_privkey=create_x25519_key_pair().private_key)
        options["sec_opt"] = {NOISE_PROTOCOL: noise}
        muxer = BoundedYamux if remedies.contain else Yamux
        options["muxer_opt"] = {TProtocol(YAMUX_PROTOCOL): muxer}
    raw = new_host(
        key_pair=key_pair,
        listen_addrs=[parse(address) for address in config.listen],
        connection_config=_connections(config),
        addrs_factory=_addresses_told(config, role),
        disable_identify_address_discovery=True,
        **options,
    )
    if "LIBP2P_DEBUG" not in os.environ:
        # It tells of peers and their addresses, and of nothing a person could do about.
        logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    network: Swarm = raw.get_network()  # type: ignore[assignment]
    patches.check_instance(network, patches.SWARM_NEEDS)
    unconnected: Any = None
    sample = Yamux(unconnected, unconnected, is_initiator=True)
    patches.check_instance(sample, patches.YAMUX_NEEDS)
    patches.check_instance(YamuxStream(1, sample, True), patches.YAMUX_STREAM_NEEDS)
    # A failed address is not tried again after 0.1, 0.2, 0.4 s: the others have their turn.
    network.retry_config = RetryConfig(max_retries=0)
    if remedies.no_auto_connect:
        network.auto_connector = NoAutoConnect(network)
    if remedies.own_limits:
        # `Acceptor` counts connections and `_guard` streams, by what the operator configured.
        network.set_resource_manager(None)
    if remedies.own_transports:
        own: list[ITransport] = [TcpTransport(), WebSocketTransport()]
        network.transport_manager._transports[:] = own
        # NOTE: of a TCP and a WebSocket address alike, port 0 too, the library makes one listener.
        network.transport_manager._port_demuxers.clear()
        network.transport_manager._port_demux = None
    else:
        _add_transports(network)
    if remedies.contain:
        contain_network(raw, network)
        use_own_muxer(network.upgrader.muxer_multistream)
    if remedies.propose_at_once and isinstance(raw, BasicHost):
        propose_at_once(raw, network)
    if remedies.guard_handlers:
        _guard(network)
    if remedies.own_acceptor:
        acceptor = Acceptor(
            network,
            total=config.max_connections,
            per_network=config.connections_per_network
            or config.max_connections - config.max_connections // 4,
        )
        accept = _while_open(config.exposure, acceptor.accept)
        network._handle_inbound_connection = accept  # type: ignore[method-assign,assignment]
    return raw


def _while_open(
    exposure: Exposure | None, accept: Callable[[ReadWriteCloser, Multiaddr], Awaitable[None]]
) -> Callable[[ReadWriteCloser, Multiaddr], Awaitable[None]]:
    """Takes in nobody who comes while a listener is being closed for relay-only."""

    async def accepted(raw: ReadWriteCloser, listened_at: Multiaddr) -> None:
        if exposure is None or not exposure.relay_only():
            await accept(raw, listened_at)

    return accepted


def _connections(config: HostConfig) -> ConnectionConfig:
    remedies = config.remedies
    # NOTE: the library takes min_connections (50) from the slots for incoming ones.
    kept_free = 0 if remedies.all_slots_inbound else min(50, config.max_connections - 1)
    result = ConnectionConfig(
        max_connections=config.max_connections,
        min_connections=kept_free,
        low_watermark=kept_free,
        high_watermark=config.max_connections,
        deny_list=list(config.deny),
        inbound_stream_protocol_negotiation_timeout=NEGOTIATION_LIMIT,
        outbound_stream_protocol_negotiation_timeout=NEGOTIATION_LIMIT,
    )
    if remedies.quick_upgrade:
        result.inbound_upgrade_timeout = config.upgrade_limit
    return result


def _addresses_told(
    config: HostConfig, role: DhtRole
) -> Callable[[list[Multiaddr]], list[Multiaddr]]:
    def told(listening: list[Multiaddr]) -> list[Multiaddr]:
        if config.announce:
            return [parse(address) for address in config.announce]
        if config.exposure is not None and config.exposure.relay_only():
            return []
        return role.told(listening, hide=config.remedies.hide_addresses)

    return told


def _add_transports(network: Swarm) -> None:
    """Dial TCP and WebSocket whatever we listen on: the library takes one from the other."""
    present = {type(transport) for transport in network.transport_manager.get_transports()}
    if TCP not in present:
        network.transport_manager.add_transport(TCP())
    if WebsocketTransport not in present:
        network.transport_manager.add_transport(WebsocketTransport(network.upgrader))


def _guard(network: Swarm) -> None:
    """Keep exceptions of stream handlers, the library's own too, inside their stream."""
    unguarded = network.common_stream_handler
    open_streams: Counter[INetConn] = Counter()

    async def guarded(stream: INetStream) -> None:
        conn: INetConn = stream.swarm_conn  # type: ignore[attr-defined]
        open_streams[conn] += 1
        failed = False

        def fail() -> None:
            nonlocal failed
            failed = True

        try:
            with contained("libp2p stream", then=fail):
                asking.set(network_of(conn.muxed_conn))
                if open_streams[conn] > STREAMS_PER_CONNECTION:
                    await stream.reset()
                else:
                    await unguarded(stream)
            if failed:
                with trio.move_on_after(2), contextlib.suppress(Exception):
                    await stream.reset()
        finally:
            open_streams[conn] -= 1
            if not open_streams[conn]:
                del open_streams[conn]

    network.set_stream_handler(guarded)


def check_free(address: Multiaddr) -> None:
    """Raise ListenFailed if another program has the port: SO_REUSEPORT would share it with us.

    Half of our connections would then go there, with no error on either side.
    """
    parts = dict(pair for pair in _pairs(address))
    host, port = parts.get("ip4") or parts.get("ip6"), int(parts.get("tcp", "0"))
    if host is not None and port and (why := free(host, port)) is not None:
        raise ListenFailed(str(address), why.strerror or str(why))


def _pairs(address: Multiaddr) -> list[tuple[str, str]]:
    return [(protocol.name, str(value)) for protocol, value in address.items()]


def check_listening(network: Swarm, wanted: Sequence[Multiaddr]) -> None:
    """Raise ListenFailed for an address that nobody listens on: the library says nothing."""
    for address in wanted:
        listener = network.listeners.get(str(address))
        if listener is None or not listener.get_addrs():
            raise ListenFailed(str(address), "this machine does not have that address or port")


PROTOCOL_UNKNOWN = "protocols not supported"
"""How the library's error begins when the peer itself said that it has none of those asked for."""


def reason(error: BaseException) -> str:
    """The innermost cause of an error in one line; ExceptionGroups are looked into."""
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif error.__cause__ is not None:
            error = error.__cause__
        else:
            return str(error) or type(error).__name__
