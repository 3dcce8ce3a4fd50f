"""Connections that lead nowhere are found at once when somebody asks."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import AsyncExitStack

import pytest
import trio

from onmeet_node.net.libp2p import health
from onmeet_node.net.libp2p.open_host import Host, open_host
from tests.fakes.hosts import ECHO, child, config, echo, pair, until

pytestmark = pytest.mark.real


async def test_a_probe_drops_who_does_not_answer_and_nobody_else():
    with child() as (process, address):
        async with pair() as (server, client):
            frozen = await client.connect([address])
            process.send_signal(signal.SIGSTOP)
            with trio.fail_after(10):
                await client.probe(0.5)
            assert not client.connected(frozen)
            assert client.connected(server.peer_id)


async def test_a_suspected_peer_is_looked_at_before_it_is_used_again():
    with child() as (process, address):
        async with open_host(config()) as host:
            peer = await host.connect([address])
            host.suspect(peer)
            await host.verify(peer)
            assert host.connected(peer)
            process.send_signal(signal.SIGSTOP)
            host.suspect(peer)
            with trio.fail_after(10):
                await host.verify(peer)
            assert not host.connected(peer)
            await host.verify(peer)


async def test_a_probe_of_nobody_is_quick():
    async with open_host(config()) as host:
        with trio.fail_after(2):
            await host.probe(1.0)


async def test_connections_over_addresses_that_are_there_stay():
    async with pair() as (server, client):
        await client.drop_stranded()
        assert client.connected(server.peer_id)


async def test_unused_connections_are_pruned_but_a_few_and_those_needed():
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_host(config()))
        others = [await stack.enter_async_context(open_host(config())) for _ in range(7)]
        for other in others:
            await host.connect(other.addresses)
        talking, needed, *rest = (other.peer_id for other in others)
        others[0].handle(ECHO, echo)
        stream = await host.open_stream(talking, ECHO)
        await until(lambda: not any(c.get_streams() for c in unused(host, talking)))
        await health.prune(host._network, lambda _: -health.IDLE_SECONDS * 2, {needed}.__contains__)
        assert host.connected(talking)
        assert host.connected(needed)
        assert sum(map(host.connected, rest)) == health.KEEP_WARM
        await host.connect(others[-1].addresses)  # whoever is wanted again is there again
        await stream.aclose()


async def test_connections_used_a_moment_ago_are_not_pruned():
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_host(config()))
        for _ in range(6):
            other = await stack.enter_async_context(open_host(config()))
            await host.connect(other.addresses)
        await health.prune(host._network, host._upkeep.last_use, lambda _: False)
        assert len(host.peers()) == 6


def unused(host: Host, talking: str):
    return [c for c in host._network.get_connections() if str(c.muxed_conn.peer_id) != talking]


_STRANDED = """
import subprocess, trio
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
def ip(*words):
    subprocess.run(["ip", *words], check=True)
async def main():
    ip("link", "set", "lo", "up")
    ip("link", "add", "one", "type", "veth", "peer", "name", "two")
    ip("link", "set", "one", "up")
    ip("link", "set", "two", "up")
    ip("addr", "add", "192.0.2.5/24", "dev", "one")
    listen = ("/ip4/192.0.2.5/tcp/0",)
    async with open_host(HostConfig(listen=listen)) as one, open_host(HostConfig(listen=())) as two:
        await two.connect(one.addresses)
        await two.drop_stranded()
        print(two.connected(one.peer_id))
        ip("addr", "del", "192.0.2.5/24", "dev", "one")
        with trio.fail_after(5):
            await two.drop_stranded()
        print(two.connected(one.peer_id))
trio.run(main)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None,
    reason="needs a network namespace: Linux, root and iproute2",
)
def test_connections_over_an_address_that_is_gone_are_dropped():
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", _STRANDED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


async def test_a_dead_connection_is_noticed_by_whoever_waits_for_its_end():
    with child() as (process, address):
        async with open_host(config()) as host:
            peer = await host.connect([address])
            process.kill()
            with trio.fail_after(5):
                await host.wait_disconnected(peer)
            await until(lambda: not host.peers())
