"""Whether a node can be reached: a bootstrap looks, at the asking node's own address alone."""

from __future__ import annotations

import socket

import attrs
import pytest
import trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.protocol.wire.bootstrap_api import DialBack, DialedBack, Refused, Transport
from tests.bootstrap.asking import ask

pytestmark = pytest.mark.real


def port_of(address: str) -> int:
    return int(address.split("/")[4])


@pytest.mark.parametrize(
    ("listen", "transport"),
    [
        ("/ip4/127.0.0.1/tcp/0", Transport.TCP),
        ("/ip4/127.0.0.1/tcp/0/ws", Transport.WEBSOCKET),
        ("/ip6/::1/tcp/0", Transport.TCP),
    ],
)
async def test_a_node_that_listens_is_reached(listen: str, transport: Transport) -> None:
    host = listen.rsplit("/tcp", 1)[0]
    config = attrs.evolve(ephemeral_config(), listen=(f"{host}/tcp/0",))
    with trio.fail_after(20):
        async with open_bootstrap(config) as bootstrap, open_host(HostConfig((listen,))) as node:
            await node.connect(bootstrap.addresses)
            port = port_of(node.addresses[0])
            answer = await ask(node, bootstrap.peer_id, DialBack(port=port, transport=transport))
            suffix = "/ws" if transport is Transport.WEBSOCKET else ""
            assert answer == DialedBack(reachable=True, address=f"{host}/tcp/{port}{suffix}")
            # the connection that was made for it is gone, the one it was asked over is not
            assert node.stats().connections == bootstrap.counts().connections == 1


async def test_a_closed_port_and_one_of_somebody_else_are_not_reached() -> None:
    with trio.fail_after(30):
        async with (
            open_bootstrap(ephemeral_config()) as bootstrap,
            open_host(HostConfig(())) as node,
            open_host(HostConfig(("/ip4/127.0.0.1/tcp/0",))) as other,
        ):
            await node.connect(bootstrap.addresses)
            with socket.socket() as closed:
                closed.bind(("127.0.0.1", 0))
                for port in (closed.getsockname()[1], port_of(other.addresses[0])):
                    answer = await ask(node, bootstrap.peer_id, DialBack(port=port))
                    assert isinstance(answer, DialedBack)
                    assert not answer.reachable


async def test_who_never_answers_costs_one_place_and_nobody_else_theirs() -> None:
    with trio.fail_after(60), socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        async with (
            open_bootstrap(ephemeral_config()) as bootstrap,
            open_host(HostConfig(())) as node,
        ):
            await node.connect(bootstrap.addresses)
            question = DialBack(port=silent.getsockname()[1])
            answers: list[object] = []

            async def one() -> None:
                answers.append(await ask(node, bootstrap.peer_id, question))

            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(one)
            refused = [answer for answer in answers if isinstance(answer, Refused)]
            assert len(refused) == 2
            assert {answer.reason for answer in refused} == {"busy"}
            assert (
                DialedBack(reachable=False, address=f"/ip4/127.0.0.1/tcp/{question.port}")
                in answers
            )
