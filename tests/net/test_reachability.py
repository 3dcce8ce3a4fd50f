"""A node learns from real bootstraps whether others can reach it, and serves the DHT if so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.net.bootstraps.bootstraps import Bootstraps
from onmeet_node.net.bootstraps.dht_mode import keep_dht_mode, starts_as_server
from onmeet_node.net.bootstraps.reachability import (
    ListeningPort,
    ProbeAnswer,
    Reachability,
    ReachabilityProbe,
    conclude,
    doors,
)
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.protocol.wire.bootstrap_api import Transport
from tests.fakes.hosts import Author, text_of, until

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


@asynccontextmanager
async def node(
    addresses, listen=(LOOPBACK,)
) -> AsyncIterator[tuple[Host, ReachabilityProbe, Bootstraps]]:
    server = starts_as_server(listens=bool(listen), bootstraps=bool(addresses))
    async with open_host(HostConfig(listen=listen, server=server)) as host:
        known = Bootstraps(host, addresses)
        outside = ReachabilityProbe(host, known)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(known.run)
            nursery.start_soon(outside.run)
            nursery.start_soon(keep_dht_mode, host, known, outside)
            with trio.fail_after(60):
                yield host, outside, known
            nursery.cancel_scope.cancel()


async def told(outside: ReachabilityProbe, wanted: Reachability) -> None:
    await until(lambda: outside.reachability is wanted, 25)


@pytest.mark.real
async def test_a_node_that_can_be_dialled_is_public_and_serves_the_dht():
    async with (
        open_bootstrap(ephemeral_config()) as bootstrap,
        node(bootstrap.addresses, (LOOPBACK, LOOPBACK + "/ws")) as (host, outside, _),
    ):
        assert not host.server
        await told(outside, Reachability.PUBLIC)
        assert set(outside.addresses) == set(host.addresses)
        assert outside.observed == ("/ip4/127.0.0.1",)
        await until(lambda: host.server)
        await until(lambda: host.peer_id in bootstrap._host.dht_peers())


@pytest.mark.real
async def test_a_node_that_listens_nowhere_is_private_and_no_server():
    async with (
        open_bootstrap(ephemeral_config()) as bootstrap,
        node(bootstrap.addresses, ()) as (host, outside, _),
    ):
        await told(outside, Reachability.PRIVATE)
        assert not host.server
        assert outside.addresses == ()


@pytest.mark.real
async def test_two_bootstraps_are_asked_and_a_third_is_left_alone():
    async with (
        open_bootstrap(ephemeral_config()) as one,
        open_bootstrap(ephemeral_config()) as two,
        open_bootstrap(ephemeral_config()) as three,
    ):
        every = [*one.addresses, *two.addresses, *three.addresses]
        async with node(every) as (_, outside, known):
            await until(lambda: len(known.connected) == 3, 20)
            await until(lambda: set(outside._answers) == set(known.connected[:2]), 20)
            assert outside.reachability is Reachability.PUBLIC


@pytest.mark.real
async def test_a_node_without_bootstrap_serves_its_own_network():
    async with node(()) as (host, outside, _):
        assert host.server
        assert outside.reachability is Reachability.UNKNOWN


@pytest.mark.real
async def test_nodes_that_a_bootstrap_found_public_do_without_it():
    author = Author()
    async with open_bootstrap(ephemeral_config()) as gone:
        addresses = gone.addresses
        async with (
            node(addresses) as (one, one_outside, _),
            node(addresses) as (two, two_outside, known),
            node(addresses, ()) as (client, _, _),
        ):
            for outside in (one_outside, two_outside):
                await told(outside, Reachability.PUBLIC)
            await until(lambda: one.server and two.server)
            await until(lambda: {one.peer_id, two.peer_id} <= set(gone._host.dht_peers()))
            await one.put(author.key, author.write(b"still here"))
            await client.get(author.key)
            # It ends soon after the first answer, and meets who is slower all the same.
            await until(lambda: {one.peer_id, two.peer_id} <= set(client.peers()))
            gone._host.raw.get_network()
            await gone._host.close_connections()
            gone._host.stop_handling("/onmeet/boot/1")
            await until(lambda: known.connected == (), 20)
            assert text_of(await two.get(author.key)) == b"still here"
            assert text_of(await client.get(author.key)) == b"still here"
            assert two_outside.reachability is Reachability.PUBLIC


def test_doors_are_the_ports_that_can_be_open_there():
    listening = (
        "/ip4/0.0.0.0/tcp/4001",
        "/ip4/0.0.0.0/tcp/4002/ws",
        "/ip4/127.0.0.1/tcp/4003",
        "/ip6/::/tcp/4004",
    )
    tcp, websocket = ListeningPort(4001), ListeningPort(4002, Transport.WEBSOCKET)
    assert doors(listening, "/ip4/198.51.100.7") == (tcp, websocket)
    assert doors(listening, "/ip4/127.0.0.1") == (tcp, websocket, ListeningPort(4003))
    assert doors(listening, "/ip6/2001:db8::7") == (ListeningPort(4004),)
    assert websocket.at("/ip4/198.51.100.7") == "/ip4/198.51.100.7/tcp/4002/ws"


WORLD, HOME = "/ip4/8.8.8.8", "/ip4/192.168.1.2"


@pytest.mark.parametrize(
    ("answers", "reachability"),
    [
        ([], Reachability.UNKNOWN),
        ([ProbeAnswer(0)], Reachability.UNKNOWN),
        ([ProbeAnswer(0, WORLD)], Reachability.PRIVATE),
        ([ProbeAnswer(0, WORLD, ("x",)), ProbeAnswer(0, WORLD)], Reachability.PUBLIC),
        ([ProbeAnswer(0, WORLD), ProbeAnswer(0, HOME, ("x",))], Reachability.PRIVATE),
        ([ProbeAnswer(0, HOME, ("x",)), ProbeAnswer(0)], Reachability.PUBLIC),
    ],
)
def test_what_the_internet_says_outweighs_what_our_network_says(answers, reachability):
    assert conclude(answers) is reachability
