"""A whole bootstrap, asked as nodes ask it."""

import attrs
import pytest
import trio
from onmeet_bootstrap.app import open_bootstrap
from onmeet_bootstrap.config.model import ephemeral_config

from onmeet_node.net.bootstraps.bootstraps import ask_description
from onmeet_node.net.errors import BootstrapRefused, RelayUnavailable
from onmeet_node.net.libp2p.open_host import Host, HostConfig, open_host
from onmeet_node.net.relay.client import RelayClient, through
from onmeet_node.protocol.wire.bootstrap_api import (
    PROTOCOL,
    Describe,
    Echo,
    Observed,
    Refused,
    decode_answer,
    encode_request,
    open_description,
)
from onmeet_node.protocol.wire.frames import encode_frame
from tests.bootstrap.asking import ask
from tests.fakes.relay_world import ECHO, echo, said_back

pytestmark = pytest.mark.real


def dial_only() -> HostConfig:
    return HostConfig(listen=())


async def test_two_nodes_meet_through_one_bootstrap_in_this_process():
    with trio.fail_after(30):
        async with (
            open_bootstrap(ephemeral_config()) as bootstrap,
            open_host(dial_only()) as callee,
            open_host(dial_only()) as caller,
        ):
            callee.handle(ECHO, echo)
            for host in (callee, caller):
                assert await host.join(bootstrap.addresses) == (bootstrap.peer_id,)
            await RelayClient(callee).reserve(bootstrap.addresses)
            RelayClient(caller)
            await caller.connect([through(bootstrap.addresses[0], callee.peer_id)])
            stream = await caller.open_stream(callee.peer_id, ECHO)
            assert await said_back(stream, b"hello") == b"hello"
            counts = bootstrap.counts()
            assert (counts.connections, counts.reservations, counts.circuits) == (2, 1, 1)


async def test_a_bootstrap_signs_who_it_is_with_the_key_of_its_address():
    config = attrs.evolve(ephemeral_config(), operator="Verein", region="de")
    with trio.fail_after(20):
        async with open_bootstrap(config) as bootstrap, open_host(dial_only()) as node:
            await node.connect(bootstrap.addresses)
            signed, round_trip = await ask_description(node, bootstrap.peer_id)
            import time

            description = open_description(signed, bootstrap.peer_id, now=int(time.time()))
            assert (description.operator, description.region) == ("Verein", "de")
            assert "relay" in description.services
            assert 0 < round_trip < 1


async def _ask_often(node: Host, peer: str, times: int) -> int:
    """How many of so many questions were answered."""
    answered = 0
    for _ in range(times):
        try:
            await ask_description(node, peer)
            answered += 1
        except RelayUnavailable:
            pass
    return answered


async def test_who_asks_too_often_waits_and_others_do_not():
    config = attrs.evolve(ephemeral_config(), requests_burst=3, requests_per_minute=1.0)
    with trio.fail_after(20):
        async with (
            open_bootstrap(config) as bootstrap,
            open_host(dial_only()) as greedy,
            open_host(dial_only()) as modest,
        ):
            for host in (greedy, modest):
                await host.connect(bootstrap.addresses)
            assert await _ask_often(greedy, bootstrap.peer_id, 6) == 3
            assert await _ask_often(modest, bootstrap.peer_id, 1) == 1


async def test_a_network_full_of_invented_nodes_is_held_to_its_share():
    config = attrs.evolve(
        ephemeral_config(), requests_burst=2, requests_per_minute=1.0, network_factor=2
    )
    answered = 0
    with trio.fail_after(30):
        async with open_bootstrap(config) as bootstrap:
            for _ in range(4):
                async with open_host(dial_only()) as invented:
                    await invented.connect(bootstrap.addresses)
                    answered += await _ask_often(invented, bootstrap.peer_id, 2)
    assert answered == 4


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100,
        encode_frame(b"not msgpack"),
        encode_frame(encode_request(Describe()))[:-1],
        b"",
    ],
)
async def test_nonsense_ends_its_stream_and_nothing_else(bytes_sent: bytes):
    with trio.fail_after(20):
        async with open_bootstrap(ephemeral_config()) as bootstrap, open_host(dial_only()) as node:
            await node.connect(bootstrap.addresses)
            stream = await node.open_stream(bootstrap.peer_id, PROTOCOL)
            if bytes_sent:
                await stream.send_all(bytes_sent)
            await stream.send_eof()
            assert await stream.receive_some() == b""
            await ask_description(node, bootstrap.peer_id)


async def test_many_questions_on_one_stream_are_answered_in_order_up_to_a_limit():
    with trio.fail_after(20):
        async with open_bootstrap(ephemeral_config()) as bootstrap, open_host(dial_only()) as node:
            await node.connect(bootstrap.addresses)
            stream = await node.open_stream(bootstrap.peer_id, PROTOCOL)
            await stream.send_all(encode_frame(encode_request(Describe())) * 20)
            received = b"".join([data async for data in stream])
            length = int.from_bytes(received[:4], "big") + 4
            assert len(received) == 8 * length


@pytest.mark.parametrize(
    ("listen", "seen"),
    [("/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1"), ("/ip6/::1/tcp/0/ws", "/ip6/::1")],
)
async def test_a_node_is_told_where_it_is_seen_to_come_from(listen: str, seen: str):
    config = attrs.evolve(ephemeral_config(), listen=(listen,))
    with trio.fail_after(20):
        async with open_bootstrap(config) as bootstrap, open_host(dial_only()) as node:
            await node.connect(bootstrap.addresses)
            assert await ask(node, bootstrap.peer_id, Echo()) == Observed(address=seen)


async def test_a_question_from_a_later_version_is_declined_in_words():
    with trio.fail_after(20):
        async with open_bootstrap(ephemeral_config()) as bootstrap, open_host(dial_only()) as node:
            await node.connect(bootstrap.addresses)
            stream = await node.open_stream(bootstrap.peer_id, PROTOCOL)
            await stream.send_all(encode_frame(b"\x81\xa1t\xa5later"))
            await stream.send_eof()
            answer = decode_answer(b"".join([data async for data in stream])[4:])
            assert isinstance(answer, Refused)
            assert answer.reason == "unsupported"


async def test_a_node_that_is_no_bootstrap_is_told_apart():
    with trio.fail_after(20):
        async with (
            open_host(HostConfig(listen=("/ip4/127.0.0.1/tcp/0",))) as other,
            open_host(dial_only()) as node,
        ):
            await node.connect(other.addresses)
            with pytest.raises(BootstrapRefused, match="no On-Meet bootstrap"):
                await ask_description(node, other.peer_id)


async def test_what_a_bootstrap_held_for_a_node_is_gone_with_it():
    with trio.fail_after(20):
        async with open_bootstrap(ephemeral_config()) as bootstrap:
            async with open_host(dial_only()) as node:
                await RelayClient(node).reserve(bootstrap.addresses)
                gone = node.peer_id
            while bootstrap.counts().connections:  # noqa: ASYNC110
                await trio.sleep(0.01)
            assert bootstrap.counts().reservations == 0
            assert gone not in repr(vars(bootstrap._relay))
