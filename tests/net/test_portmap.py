"""A router opens a port for a node behind it: codecs, small real routers, and the whole way."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.net.bootstraps.bootstraps import Bootstraps
from onmeet_node.net.bootstraps.reachability import Reachability, ReachabilityProbe
from onmeet_node.net.errors import PortMapFailed
from onmeet_node.net.libp2p.multiaddrs import interface_addresses
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.network_changes import gateway
from onmeet_node.net.portmap import natpmp
from onmeet_node.net.portmap.mapper import Opened, PortMapper
from onmeet_node.net.portmap.natpmp import PortMapping, map_port, read_answer, request, unmap_port
from onmeet_node.net.portmap.upnp import Igd
from tests.fakes.hosts import until
from tests.fakes.routers import NatPmpRouter, upnp_router

HERE = interface_addresses(4)[0]


@asynccontextmanager
async def natpmp_router(**options: int) -> AsyncIterator[tuple[NatPmpRouter, int]]:
    async with trio.open_nursery() as nursery:
        router = NatPmpRouter(HERE, nursery, **options)
        port = await router.listen()
        with trio.fail_after(60):
            yield router, port
        nursery.cancel_scope.cancel()


def test_the_messages_of_rfc_6886():
    assert request(4001, 4002, 3600).hex() == "000200000fa10fa200000e10"
    answer = bytes.fromhex("00820000000000010fa10fa200000e10")
    assert read_answer(answer, 4001) == PortMapping(4002, 3600)
    assert read_answer(answer, 4000) is None  # of another question
    with pytest.raises(PortMapFailed, match="switched off"):
        read_answer(bytes.fromhex("0082000200000001"), 4001)


@given(st.binary(max_size=64))
def test_whatever_a_router_says_is_a_mapping_a_refusal_or_nothing(data: bytes):
    try:
        mapping = read_answer(data, 4001)
    except PortMapFailed:
        return
    assert mapping is None or 0 < mapping.port < 65_536


@pytest.mark.real
async def test_natpmp_opens_and_closes_a_port_though_the_first_question_is_lost():
    async with natpmp_router(lose=1) as (router, port):
        mapping = await map_port("127.0.0.1", 4001, 4001, port=port)
        assert router.ports == {4001: mapping.port}
        assert mapping.lifetime == natpmp.LIFETIME
        await unmap_port("127.0.0.1", 4001, port=port)
        await until(lambda: router.ports == {})


@pytest.mark.real
async def test_a_router_that_refuses_or_is_silent_is_said_to():
    async with natpmp_router(refuse=4) as (_, port):
        with pytest.raises(PortMapFailed, match="no port left"):
            await map_port("127.0.0.1", 4001, 4001, port=port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        with trio.fail_after(10), pytest.raises(PortMapFailed, match="does not answer"):
            await map_port("127.0.0.1", 4001, 4001, port=mute.getsockname()[1])


@pytest.mark.real
async def test_upnp_opens_the_next_port_when_one_is_taken_and_closes_it():
    async with upnp_router(taken=frozenset({4001})) as router:
        with trio.fail_after(20):
            igd = await Igd.find(router.url)
            mapping = await igd.map_port(4001, 4001)
            assert router.ports == {4002: 4001}
            await igd.unmap_port(mapping.port)
            assert router.ports == {}


@pytest.mark.real
async def test_without_a_upnp_router_it_says_so():
    with trio.fail_after(20), pytest.raises(PortMapFailed):
        await Igd.find("http://127.0.0.1:1/root.xml")


@pytest.mark.real
@pytest.mark.skipif(HERE.startswith("127."), reason="this machine has no address but loopback")
async def test_a_node_behind_a_router_becomes_public_by_a_port_the_router_opens():
    """The bootstrap sees 127.0.0.1, where the node does not listen: that is the router."""
    async with (
        natpmp_router() as (router, port),
        open_bootstrap(ephemeral_config()) as bootstrap,
        open_host(HostConfig(listen=(f"/ip4/{HERE}/tcp/0",))) as host,
    ):

        async def by_router(inside: int) -> Opened:
            mapping = await map_port("127.0.0.1", inside, inside, port=port)
            close = partial(unmap_port, "127.0.0.1", inside, port=port)
            return Opened(mapping, "NAT-PMP", close)

        async def by_nobody(inside: int) -> Opened:
            raise PortMapFailed("no router answers")

        known = Bootstraps(host, bootstrap.addresses)
        outside = ReachabilityProbe(host, known)
        seen: list[Reachability] = []
        outside.on_change(lambda: seen.append(outside.reachability))
        mapper = PortMapper(host, outside, ways=(by_nobody, by_router))
        async with trio.open_nursery() as nursery:
            for run in (known.run, outside.run, mapper.run):
                nursery.start_soon(run)
            await until(lambda: outside.reachability is Reachability.PUBLIC, 20)
            (there,) = router.ports.values()
            assert outside.addresses == (f"/ip4/127.0.0.1/tcp/{there}/p2p/{host.peer_id}",)
            assert seen == [Reachability.PRIVATE, Reachability.PUBLIC]
            async with open_host(HostConfig(listen=())) as stranger:
                await stranger.connect(outside.addresses)
            nursery.cancel_scope.cancel()
        await until(lambda: router.ports == {})


def test_the_gateway_is_an_address_or_unknown():
    found = gateway()
    assert found is None or socket.inet_aton(found)
