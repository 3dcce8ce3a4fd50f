"""The DHT as publishers and callers see it: real hosts, real records."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr

from onmeet_node.net.errors import BadDhtKey, JoinFailed, PutFailed
from onmeet_node.net.libp2p import dht, dialing
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.libp2p.patches import Remedies
from onmeet_node.protocol.wire.errors import RecordError
from tests.fakes.hosts import ALL, Author, config, text_of, until

pytestmark = pytest.mark.real


@asynccontextmanager
async def network(
    servers: int, clients: int, remedies: Remedies = ALL
) -> AsyncIterator[tuple[list[Host], list[Host]]]:
    """DHT servers that the first one knows, and clients that know only the first one."""
    async with AsyncExitStack() as stack:

        async def start(*, server: bool) -> Host:
            return await stack.enter_async_context(
                open_host(config(server=server, remedies=remedies))
            )

        first = await start(server=True)
        others = [await start(server=True) for _ in range(servers - 1)]
        members = [await start(server=False) for _ in range(clients)]
        for host in [*others, *members]:
            await host.join(first.addresses)
        await until(lambda: len(first.dht_peers()) == servers - 1)
        yield [first, *others], members


async def test_what_one_node_puts_another_one_gets():
    author = Author()
    async with network(3, 2) as (_, (one, two)):
        with trio.fail_after(10):
            assert await one.put(author.key, author.write(b"here I am")) == 3
            assert text_of(await two.get(author.key)) == b"here I am"


async def test_servers_put_and_get_too():
    author = Author()
    async with network(3, 0) as ((one, two, _), _):
        assert await one.put(author.key, author.write(b"bootstrap")) == 2
        assert text_of(await two.get(author.key)) == b"bootstrap"
        assert text_of(await one.get(author.key)) == b"bootstrap"


async def test_the_newest_record_replaces_the_older_ones():
    author = Author()
    async with network(3, 2) as (_, (one, two)):
        for age in (30, 20, 10):
            await one.put(author.key, author.write(b"%d" % age, age=age))
            assert text_of(await two.get(author.key)) == b"%d" % age


async def test_a_record_that_nobody_has_is_none():
    async with network(3, 1) as (_, (one,)):
        with trio.fail_after(5):
            assert await one.get(Author().key) is None


async def test_an_older_record_is_refused_by_every_server():
    author = Author()
    async with network(2, 2) as (_, (one, two)):
        await one.put(author.key, author.write(b"new"))
        with pytest.raises(PutFailed, match="2 peers"):
            await two.put(author.key, author.write(b"old", age=60))
        assert text_of(await one.get(author.key)) == b"new"


async def test_nobody_can_put_under_the_key_of_another():
    author, thief = Author(), Author()
    async with network(1, 1) as (_, (one,)):
        with pytest.raises(RecordError):
            await one.put(author.key, thief.write(b"mine now"))


async def test_an_expired_record_is_not_given_out_and_goes():
    author = Author()
    async with network(2, 1) as ((server, _), (one,)):
        await one.put(author.key, author.write(b"short", age=3598, lasts=3600))
        assert text_of(await one.get(author.key)) == b"short"
        await trio.sleep(2.1)
        assert await one.get(author.key) is None
        held = server._kad.value_store.store
        assert len(held) == 1
        server.dht.purge_now()
        assert len(held) == 0


async def test_a_put_that_reaches_no_one_says_so():
    author = Author()

    class Refuse:
        def verify(self, key: str, value: bytes, now: int) -> None:
            raise RecordError("it is refused")

        def select(self, values):
            return 0

    refusing = HostConfig(listen=("/ip4/127.0.0.1/tcp/0",), server=True, rules=Refuse())
    async with open_host(refusing) as server, open_host(config()) as one:
        await one.join(server.addresses)
        with trio.fail_after(5), pytest.raises(PutFailed, match="clock"):
            await one.put(author.key, author.write(b"x"))


async def test_a_server_alone_keeps_its_record_and_counts_nobody():
    author = Author()
    async with open_host(config(server=True)) as alone:
        assert await alone.put(author.key, author.write(b"x")) == 0
        assert text_of(await alone.get(author.key)) == b"x"


async def test_keys_of_another_namespace_are_refused():
    async with open_host(config()) as host:
        with pytest.raises(BadDhtKey, match="/om/"):
            await host.get("/ipns/whatever")


async def test_joining_through_dead_bootstraps_names_them():
    async with open_host(config()) as gone, open_host(config()) as host:
        dead = f"/ip4/127.0.0.1/tcp/1/p2p/{gone.peer_id}"
        with trio.fail_after(5), pytest.raises(JoinFailed, match="tcp/1"):
            await host.join([dead])
        with pytest.raises(JoinFailed, match="none is configured"):
            await host.join([])


async def test_one_live_bootstrap_is_enough_to_join():
    async with (
        open_host(config(server=True)) as live,
        open_host(config()) as gone,
        open_host(config()) as host,
    ):
        dead = f"/ip4/127.0.0.1/tcp/1/p2p/{gone.peer_id}"
        with trio.fail_after(2):
            assert await host.join([dead, *live.addresses]) == (live.peer_id,)
        assert host.dht_peers() == (live.peer_id,)


async def test_clients_are_asked_for_nothing():
    author = Author()
    async with network(2, 3) as (servers, clients):
        await clients[0].put(author.key, author.write(b"x"))
        await clients[1].get(author.key)
        names = {host.peer_id for host in servers}
        for host in [*servers, *clients]:
            assert set(host.dht_peers()) <= names


async def test_a_connected_client_is_not_asked_even_by_who_knows_nobody_else(monkeypatch):
    """A contact's device, say: it has no answer, and need not know what is looked for."""
    async with (
        open_host(config(server=False)) as one,
        open_host(config(server=False)) as client,
        open_host(config(server=True)) as server,
    ):
        asked = []
        store = one.raw.get_peerstore()
        for other in (client, server):
            await one.connect(other.addresses)
            peer = ID.from_string(other.peer_id)
            await until(lambda peer=peer: peer in store.peer_ids() and store.get_protocols(peer))
        ask = one.dht._kad.value_store._get_from_peer

        async def note(peer, *args, **options):
            asked.append(str(peer))
            return await ask(peer, *args, **options)

        monkeypatch.setattr(one.dht._kad.value_store, "_get_from_peer", note)
        assert await one.get(Author().key) is None
        assert client.peer_id not in asked
        assert set(asked) <= {server.peer_id}


async def test_lookups_outlive_the_death_of_a_server():
    author = Author()
    async with network(5, 2) as (servers, (one, two)):
        await one.put(author.key, author.write(b"still there"))
        for server in servers[1:3]:
            await server.raw.close()
        with trio.fail_after(5):
            assert text_of(await two.get(author.key)) == b"still there"


async def test_a_lookup_given_up_leaves_the_next_one_working():
    author = Author()
    async with network(3, 2) as (_, (one, two)):
        await one.put(author.key, author.write(b"x"))
        for number in range(40):
            with trio.move_on_after(0.0005 * (number % 20)):
                await two.get(author.key)
        assert text_of(await two.get(author.key)) == b"x"
        await until(lambda: two.stats().calls == 0, 15)


async def test_a_server_that_swallows_every_byte_holds_up_no_put_and_no_get():
    """As behind a firewall that lets out to the bootstrap alone, and answers nothing else."""
    author = Author()
    with trio.socket.socket() as mute:
        await mute.bind(("127.0.0.1", 0))
        mute.listen(5)  # connections open, and nobody ever reads from them
        port = mute.getsockname()[1]
        async with network(1, 2) as ((server,), (one, two)):
            ghost = "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB"
            for host in (server, one, two):
                table = host._kad.routing_table
                where = [Multiaddr(f"/ip4/127.0.0.1/tcp/{port}")]
                await table.add_peer(PeerInfo(ID.from_string(ghost), where))
                host.raw.get_peerstore().add_addrs(ID.from_string(ghost), where, 3600)
            with trio.fail_after(dialing.LOOKUP_DIAL_LIMIT + dht.PUT_GRACE + 2):
                assert await one.put(author.key, author.write(b"in time")) == 1
            with trio.fail_after(dht.PUT_GRACE + 2):  # who did not answer is left alone for a while
                assert await one.put(author.key, author.write(b"again", age=-1)) == 1
            with trio.fail_after(5):
                assert text_of(await two.get(author.key)) == b"again"
