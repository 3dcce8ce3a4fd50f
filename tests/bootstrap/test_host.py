import logging
import socket

import pytest
import trio
from onmeet_bootstrap.config.model import BootstrapConfig
from onmeet_bootstrap.errors import StartFailed
from onmeet_bootstrap.host import network_of, open_bootstrap_host, remote_address, silence_libraries

from onmeet_node.net.libp2p.open_host import HostConfig, open_host

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("/ip4/127.0.0.1/tcp/0", "127.0.0.1"),
        ("/ip4/127.0.0.1/tcp/0/ws", "127.0.0.1"),
        ("/ip6/::1/tcp/0", "::1"),
        ("/ip6/::1/tcp/0/ws", "::1"),
    ],
)
async def test_the_network_that_asks_is_known_over_every_transport(listen: str, expected: str):
    seen: list[str | None] = []

    async def note(stream) -> None:
        seen.extend([remote_address(stream), network_of(stream)])

    with trio.fail_after(20):
        async with (
            open_bootstrap_host(BootstrapConfig(listen=(listen,))) as server,
            open_host(HostConfig(listen=())) as client,
        ):
            server.handle("/test/1", note)
            await client.connect(server.addresses)
            stream = await client.open_stream(server.peer_id, "/test/1")
            await stream.send_eof()
            assert await stream.receive_some() == b""
    assert seen[0] == expected
    assert seen[1] in {"127.0.0.1", "::"}


async def test_a_bootstrap_keeps_its_peer_id():
    config = BootstrapConfig(listen=("/ip4/127.0.0.1/tcp/0",))
    peers = []
    with trio.fail_after(20):
        for _ in range(2):
            async with open_bootstrap_host(config) as host:
                peers.append(host.peer_id)
    assert peers[0] == peers[1]


async def test_a_port_in_use_is_said_with_the_remedy():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = BootstrapConfig(listen=(f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}",))
        with pytest.raises(StartFailed, match="another port"):
            async with open_bootstrap_host(config):
                pass


def test_an_address_that_is_none_is_said():
    with pytest.raises(ValueError, match="'/ip4/banana' is no multiaddr to listen on"):
        BootstrapConfig(listen=("/ip4/banana",))


def test_libraries_write_nothing_into_the_log(caplog: pytest.LogCaptureFixture):
    names = ("libp2p", "onmeet_node")
    before = [(logging.getLogger(n).propagate, logging.getLogger(n).handlers) for n in names]
    try:
        silence_libraries()
        logging.getLogger("libp2p.network.swarm").error("peer 12D3KooW at /ip4/192.0.2.1")
        logging.getLogger("onmeet_node.net.libp2p.open_host").error(
            "peer 12D3KooW at /ip4/192.0.2.1"
        )
        assert caplog.records == []
    finally:
        for name, (propagate, handlers) in zip(names, before, strict=True):
            logging.getLogger(name).propagate = propagate
            logging.getLogger(name).handlers = handlers
