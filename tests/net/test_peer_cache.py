"""Coming back while every bootstrap is down, by servers met before."""

import pytest
import trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.net.bootstraps import peer_cache
from onmeet_node.net.bootstraps.bootstraps import Bootstraps
from onmeet_node.net.bootstraps.peer_cache import MOST, keep_dht_servers, worth_keeping
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from tests.fakes.hosts import Author, config, text_of, until

PEER = "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB"


@pytest.mark.real
async def test_a_node_comes_back_by_a_server_met_before_when_its_bootstrap_is_dead():
    author = Author()
    kept: list[tuple[str, ...]] = []
    with trio.fail_after(60):
        async with open_host(config(server=True)) as server:
            async with open_bootstrap(ephemeral_config()) as bootstrap:
                dead = bootstrap.addresses
                await server.join(dead)
                await until(lambda: server.peer_id in bootstrap._host.dht_peers())
                async with open_host(config()) as first, trio.open_nursery() as nursery:
                    await first.join(dead)
                    await first.put(author.key, author.write(b"found again"))
                    await until(lambda: server.peer_id in first.dht_peers())
                    # What it would keep, loopback included: there is nothing else here.
                    kept.append(first.dht_servers())
                    nursery.cancel_scope.cancel()
            async with open_host(HostConfig(listen=())) as second, trio.open_nursery() as nursery:
                bootstraps = Bootstraps(second, dead)
                nursery.start_soon(bootstraps.run)
                nursery.start_soon(
                    keep_dht_servers, second, bootstraps, lambda: kept[-1], kept.append
                )
                await until(lambda: server.peer_id in second.dht_peers(), 20)
                assert bootstraps.connected == ()
                assert text_of(await second.get(author.key)) == b"found again"
                nursery.cancel_scope.cancel()


class Met:
    """A host as the cache sees it."""

    def __init__(self, *servers: str) -> None:
        self.servers = servers

    def dht_peers(self) -> tuple[str, ...]:
        return tuple(server.rpartition("/")[2] for server in self.servers)

    def dht_servers(self) -> tuple[str, ...]:
        return self.servers

    async def join(self, addresses) -> tuple[str, ...]:
        raise AssertionError("somebody is known already")


async def test_what_was_met_is_saved_before_what_was_known(autojump_clock):
    old, new = f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}", f"/ip4/5.6.7.8/tcp/1/p2p/{PEER[:-1]}C"
    saved: list[tuple[str, ...]] = []
    async with trio.open_nursery() as nursery:
        met = Met(new)
        bootstraps = Bootstraps(met, ())  # type: ignore[arg-type]
        nursery.start_soon(keep_dht_servers, met, bootstraps, lambda: (old,), saved.append)
        await trio.sleep(peer_cache.SAVE_EVERY * 3)
        nursery.cancel_scope.cancel()
    assert saved == [(new, old)]


def test_only_addresses_that_lead_somewhere_else_are_kept():
    world, home = f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}", f"/ip4/192.168.1.2/tcp/1/p2p/{PEER[:-1]}C"
    passed_over = (
        f"/ip4/127.0.0.1/tcp/1/p2p/{PEER[:-1]}D",
        f"/ip6/fe80::1/tcp/1/p2p/{PEER[:-1]}D",
        f"/dns4/example.org/tcp/1/p2p/{PEER[:-1]}D",
        f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit/p2p/{PEER[:-1]}D",
        f"/ip4/10.0.0.1/tcp/1/p2p/{PEER}",  # reached at a public address too
    )
    assert worth_keeping((home, *passed_over, world)) == (world, home)
    many = [f"/ip4/1.2.3.{n}/tcp/1/p2p/{n}" for n in range(100)]
    assert len(worth_keeping(many)) == MOST
