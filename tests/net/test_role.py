"""Becoming a server of the DHT, and a client again, while running."""

import pytest
import trio

from onmeet_node.net.libp2p.open_host import open_host
from tests.fakes.hosts import Author, config, text_of, until

pytestmark = pytest.mark.real


async def test_a_client_that_becomes_a_server_is_found_and_outlives_the_first_server():
    author = Author()
    async with open_host(config()) as becoming, open_host(config()) as other:
        async with open_host(config(server=True)) as first:
            for host in (becoming, other):
                await host.join(first.addresses)
            assert first.dht_peers() == ()  # clients are nobody's to ask
            proven = tuple(a.partition("/p2p/")[0] for a in becoming.addresses)
            await becoming.set_role(server=True, proven=proven)
            await until(lambda: first.dht_peers() == (becoming.peer_id,))
            assert becoming.server
            assert await other.put(author.key, author.write(b"on both")) == 2
        await until(lambda: not other.connected(first.peer_id))
        assert text_of(await other.get(author.key)) == b"on both"


async def test_a_server_that_becomes_a_client_serves_nobody_any_more():
    author = Author()
    async with open_host(config(server=True)) as first, open_host(config(server=True)) as second:
        await second.join(first.addresses)
        await until(lambda: first.dht_peers() == (second.peer_id,))
        await second.set_role(server=False)
        with trio.fail_after(20):
            with pytest.raises(Exception, match="None of the 1 peers"):
                await first.put(author.key, author.write(b"nobody takes it"))
        assert first.dht_peers() == ()
        assert not second.server
