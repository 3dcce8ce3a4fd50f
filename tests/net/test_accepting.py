"""Who is let in: places are given back, and half-open connections hold up nobody else."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack, ExitStack

import pytest
import trio

from onmeet_node.net.errors import PeerUnreachable
from onmeet_node.net.libp2p.accepting import HALF_OPEN_PER_NETWORK
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.libp2p.patches import Remedies
from tests.fakes.hosts import until

pytestmark = pytest.mark.real
DIAL_ONLY = HostConfig(listen=())


async def let_in(config: HostConfig, nodes: int) -> int:
    """How many of so many nodes, one after the other, were let in."""
    succeeded = 0
    async with open_host(config) as host:
        for _ in range(nodes):
            async with open_host(DIAL_ONLY) as node:
                try:
                    await node.connect(host.addresses)
                    succeeded += 1
                except PeerUnreachable:
                    pass
            await until(lambda: host.stats().connections == 0)
    return succeeded


@pytest.mark.parametrize("listen", ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"])
async def test_the_place_of_a_closed_connection_is_free_again(listen: str) -> None:
    with trio.fail_after(60):
        assert await let_in(HostConfig(listen=(listen,), max_connections=2), 6) == 6


async def test_without_the_remedy_a_host_lets_in_so_many_ever() -> None:
    config = HostConfig(
        listen=("/ip4/127.0.0.1/tcp/0",), max_connections=2, remedies=Remedies(own_acceptor=False)
    )
    with trio.fail_after(60):
        assert await let_in(config, 4) == 2


async def test_a_network_full_of_half_open_connections_holds_up_no_other() -> None:
    config = HostConfig(
        listen=("/ip4/127.0.0.1/tcp/0",),
        max_connections=HALF_OPEN_PER_NETWORK + 2,
        upgrade_limit=60,
    )
    with trio.fail_after(60), ExitStack() as sockets:
        async with open_host(config) as host, open_host(DIAL_ONLY) as node:
            port = int(host.addresses[0].split("/")[4])
            for _ in range(HALF_OPEN_PER_NETWORK + 20):
                silent = sockets.enter_context(socket.socket())
                silent.bind(("127.0.0.9", 0))
                silent.connect(("127.0.0.1", port))
                await trio.lowlevel.checkpoint()
            await node.connect(host.addresses)
            assert host.connected(node.peer_id)


async def test_networks_full_of_half_open_connections_push_out_their_own() -> None:
    places = 16
    config = HostConfig(listen=("/ip4/127.0.0.1/tcp/0",), max_connections=places, upgrade_limit=60)
    with trio.fail_after(60), ExitStack() as sockets:
        async with open_host(config) as host, open_host(DIAL_ONLY) as node:
            port = int(host.addresses[0].split("/")[4])
            for number in range(3 * places):
                silent = sockets.enter_context(socket.socket())
                silent.bind((f"127.0.0.{9 + number % 3}", 0))
                silent.connect(("127.0.0.1", port))
                await trio.lowlevel.checkpoint()
            await node.connect(host.addresses)
            assert host.connected(node.peer_id)


async def test_one_network_leaves_a_quarter_of_the_places_to_others() -> None:
    config = HostConfig(listen=("/ip4/127.0.0.1/tcp/0",), max_connections=4)
    with trio.fail_after(60):
        async with open_host(config) as host, AsyncExitStack() as stack:
            for _ in range(3):
                node = await stack.enter_async_context(open_host(DIAL_ONLY))
                await node.connect(host.addresses)
            fourth = await stack.enter_async_context(open_host(DIAL_ONLY))
            with pytest.raises(PeerUnreachable):
                await fourth.connect(host.addresses)


async def test_one_network_has_its_share_of_connections() -> None:
    config = HostConfig(listen=("/ip4/127.0.0.1/tcp/0",), connections_per_network=1)
    with trio.fail_after(60):
        async with open_host(config) as host, open_host(DIAL_ONLY) as node:
            await node.connect(host.addresses)
            async with open_host(DIAL_ONLY) as other:
                with pytest.raises(PeerUnreachable):
                    await other.connect(host.addresses)
