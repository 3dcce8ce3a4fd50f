"""Running a host for the length of a `with` block."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import trio
from libp2p.abc import INetConn, INetStream, INetwork, INotifee
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.network.swarm import Swarm
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

from onmeet_node.net.errors import HostFailed, NetError
from onmeet_node.net.libp2p import patches
from onmeet_node.net.libp2p.config import HostConfig
from onmeet_node.net.libp2p.containing import contain_dht
from onmeet_node.net.libp2p.dht_role import DhtRole
from onmeet_node.net.libp2p.dht_serving import refuse_other_questions, share_places
from onmeet_node.net.libp2p.health import watch
from onmeet_node.net.libp2p.host import Host, HostStats
from onmeet_node.net.libp2p.library import check_free, check_listening, new_raw_host, reason
from onmeet_node.net.libp2p.multiaddrs import available, parse

__all__ = ["Host", "HostConfig", "HostStats", "open_host"]

CLOSE_LIMIT = 3.0
"""Seconds for saying goodbye to every peer; after that their sockets are just dropped."""


class _Notifee(INotifee):
    """The library's notifications of connections, passed on to a Host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def connected(self, network: INetwork, conn: INetConn) -> None:  # noqa: ARG002
        self._host.connection_opened(conn)

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:  # noqa: ARG002
        self._host.connection_closed(conn)

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:  # noqa: ARG002
        self._host.stream_opened(stream.swarm_conn)  # type: ignore[attr-defined]

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
    if remedies.check_listening:
        config = replace(config, listen=available(config.listen))
    hidden = config.exposure is not None and config.exposure.relay_only()
    listen = [parse(address) for address in config.listen if not hidden]
    if remedies.check_listening:
        for address in listen:
            check_free(address)
    role = DhtRole(server=config.server)
    raw = new_raw_host(config, role)
    network: Swarm = raw.get_network()  # type: ignore[assignment]
    async with raw.run(listen_addrs=listen), AsyncExitStack() as stack:
        if remedies.check_listening:
            check_listening(network, listen)
        mode = DHTMode.SERVER if config.server else DHTMode.CLIENT
        kad = KadDHT(raw, mode, strict_validation=True)
        patches.check_instance(kad, patches.KAD_NEEDS)
        if remedies.contain:
            contain_dht(kad)
        if remedies.named_questions:
            refuse_other_questions(kad)
        if remedies.wide_dht_limiter:
            share_places(kad)
        if remedies.close_host:
            stack.push_async_callback(_within, CLOSE_LIMIT, raw.close)
        async with background_trio_service(kad), trio.open_nursery() as io:
            host = Host(raw, config, role, io, kad)
            if remedies.close_host:
                stack.push_async_callback(_within, CLOSE_LIMIT, host.close_connections)
            network.register_notifee(_Notifee(host))
            io.start_soon(host.dht.purge)
            io.start_soon(host.forget_strangers)
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
