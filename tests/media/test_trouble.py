"""Hostile peers, dead paths, dead servers, and closing in every state."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from onmeet_node.media.endpoint import Connected, Failed, IceServer, PathLost, SessionConfig
from onmeet_node.media.engine import candidates
from onmeet_node.media.engine import ice_gathering as gathering
from onmeet_node.media.engine.endpoint import AiortcEndpoint, AiortcSession, open_endpoint
from onmeet_node.media.errors import (
    BadDescription,
    GatheringFailed,
    SessionClosed,
    SinkUnavailable,
)
from onmeet_node.protocol.wire.messages import Candidate
from tests.media.support import AUDIO, BOTH, Listener, Shape, open_lossy_path, open_pair

pytestmark = pytest.mark.real


@pytest.fixture
def silent() -> Iterator[IceServer]:
    """A TURN server that never answers."""
    with socket.socket(type=socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        yield IceServer(f"turn:127.0.0.1:{port}?transport=udp", "user", "secret")


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: "garbage",
        lambda s: s.replace("a=setup:actpass", "a=setup:nonsense"),
        lambda s: s.replace("opus", "nonsense"),
        lambda s: s.replace("a=rtcp-mux\r\n", ""),
        lambda s: s.replace("a=mid:0", "a=mid:7"),
        lambda s: s.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 zz"),
        lambda s: s.replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 9"),
        lambda s: s[: len(s) // 2],
        lambda s: s.replace("a=rtpmap:", "a=rtpmap:x"),
        lambda s: s.replace("UDP/TLS/RTP/SAVPF", ""),
    ],
)
async def test_a_damaged_offer_is_refused_or_leads_to_nothing(
    endpoint: AiortcEndpoint, damage: object
) -> None:
    assert callable(damage)
    a = await endpoint.open_session(SessionConfig(BOTH))
    b = await endpoint.open_session(SessionConfig(BOTH))
    with contextlib.suppress(BadDescription), trio.fail_after(3):
        await b.accept_offer(damage(await a.create_offer()))
    await close_quickly(a)
    await close_quickly(b)


async def test_ten_thousand_candidates_are_refused(endpoint: AiortcEndpoint) -> None:
    session = await endpoint.open_session(SessionConfig(AUDIO))
    line = "candidate:1 1 udp 1 192.0.2.1 50000 typ host"
    with pytest.raises(BadDescription, match="10000 addresses"):
        await session.add_candidates([Candidate(candidate=line)] * 10_000, end=False)
    offer = await session.create_offer()
    other = await endpoint.open_session(SessionConfig(AUDIO))
    with pytest.raises(BadDescription):
        await other.accept_offer(offer + f"a={line}\r\n" * 10_000)
    await close_quickly(session)
    await close_quickly(other)


async def test_trickled_candidates_have_a_limit_over_the_whole_session(
    endpoint: AiortcEndpoint,
) -> None:
    a = await endpoint.open_session(SessionConfig(AUDIO))
    b = await endpoint.open_session(SessionConfig(AUDIO))
    await b.accept_offer(await a.create_offer())
    for block in range(20):
        some = [
            Candidate(candidate=f"candidate:1 1 udp 1 192.0.2.{block} {n + 1000} typ host")
            for n in range(50)
        ]
        await b.add_candidates(some, end=False)
    agent = b._peer._agents[0]
    assert len(agent.remote_candidates) <= 128
    await close_quickly(a)
    await close_quickly(b)


async def close_quickly(session: AiortcSession) -> None:
    with trio.fail_after(10):  # the promise is 2 s, on a machine that does nothing else
        await session.aclose()


async def test_a_new_session_closes_quickly(endpoint: AiortcEndpoint) -> None:
    await close_quickly(await endpoint.open_session(SessionConfig(BOTH)))


async def test_a_session_that_is_gathering_closes_quickly(
    endpoint: AiortcEndpoint, silent: IceServer
) -> None:
    config = SessionConfig(BOTH, ice_servers=(silent,), relay_only=True)
    session = await endpoint.open_session(config)
    async with trio.open_nursery() as nursery:

        async def gather() -> None:
            with pytest.raises(SessionClosed):
                await session.create_offer()

        nursery.start_soon(gather)
        await trio.sleep(0.2)
        await close_quickly(session)


async def test_a_session_whose_gathering_was_cancelled_closes_quickly(
    endpoint: AiortcEndpoint, silent: IceServer
) -> None:
    session = await endpoint.open_session(SessionConfig(BOTH, ice_servers=(silent,)))
    with trio.move_on_after(0.1) as scope:
        await session.create_offer()
    assert scope.cancelled_caught
    await close_quickly(session)


async def test_a_session_that_waits_for_its_answer_or_its_peer_closes_quickly(
    endpoint: AiortcEndpoint,
) -> None:
    a = await endpoint.open_session(SessionConfig(BOTH))
    b = await endpoint.open_session(SessionConfig(BOTH))
    offer = await a.create_offer()
    await close_quickly(a)  # waiting for the answer
    await b.accept_offer(offer)
    await trio.sleep(0.1)
    await close_quickly(b)  # checking candidates of nobody


async def test_a_session_in_the_middle_of_dtls_closes_quickly(endpoint: AiortcEndpoint) -> None:
    async with open_lossy_path(Shape(delay=0.15)) as path:
        a = await endpoint.open_session(SessionConfig(BOTH))
        b = await endpoint.open_session(SessionConfig(BOTH))
        answer = await b.accept_offer(path.rewrite(await a.create_offer()))
        await a.accept_answer(path.rewrite(answer))
        await trio.sleep(0.55)  # ICE takes one round trip, DTLS two
        await close_quickly(a)
        await close_quickly(b)


async def test_a_session_that_is_encoding_closes_quickly(endpoint: AiortcEndpoint) -> None:
    for pause in (0.0, 0.01, 0.05, 0.1):
        async with open_pair(endpoint, SessionConfig(BOTH)) as pair:
            await pair.a.wait_for(Connected)
            await pair.a.session.attach(BOTH)
            await pair.b.session.attach(BOTH)
            await trio.sleep(pause)
            await close_quickly(pair.a.session)
            await close_quickly(pair.b.session)
            await close_quickly(pair.b.session)  # again: harmless


async def test_nothing_works_after_closing_and_the_error_says_so(endpoint: AiortcEndpoint) -> None:
    session = await endpoint.open_session(SessionConfig(AUDIO))
    await session.aclose()
    with pytest.raises(SessionClosed, match="open a new one"):
        await session.create_offer()
    with pytest.raises(SessionClosed):
        await session.attach(AUDIO)
    assert [event async for event in session.events] == []


async def test_leaving_the_endpoint_closes_its_sessions() -> None:
    async with open_endpoint() as endpoint:
        session = await endpoint.open_session(SessionConfig(BOTH))
        await session.create_offer()
    with pytest.raises(SessionClosed):
        await session.create_offer()


async def test_a_dead_path_is_noticed_within_six_seconds(endpoint: AiortcEndpoint) -> None:
    shape = Shape()
    async with (
        open_lossy_path(shape) as path,
        open_pair(endpoint, SessionConfig(AUDIO), over=path.rewrite) as pair,
    ):
        await pair.a.wait_for(Connected)
        await pair.b.wait_for(Connected)
        begin = trio.current_time()
        shape.loss = 1.0
        assert await pair.a.wait_for(PathLost) - begin < 6.0
        assert await pair.b.wait_for(PathLost) - begin < 6.0
        shape.loss = 0.0  # it comes back by itself: the same session goes on
        with trio.fail_after(4):
            while len(pair.a.have(Connected)) < 2:  # noqa: ASYNC110 - events of another task
                await trio.sleep(0.05)


async def test_the_peers_orderly_close_is_reported(endpoint: AiortcEndpoint) -> None:
    async with open_pair(endpoint, SessionConfig(AUDIO)) as pair:
        await pair.a.wait_for(Connected)
        await pair.b.wait_for(Connected)
        await pair.b.session.aclose()
        await pair.a.wait_for(Failed("The peer closed the media connection."), 3)


async def test_a_forged_certificate_is_not_accepted(endpoint: AiortcEndpoint) -> None:
    """The fingerprint comes over the sealed channel; whoever holds another key stays outside."""
    a = await endpoint.open_session(SessionConfig(AUDIO))
    b = await endpoint.open_session(SessionConfig(AUDIO))
    answer = await b.accept_offer(await a.create_offer())
    lines = [
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) if "fingerprint:sha-256" in line else line
        for line in answer.split("\r\n")
    ]
    only = [line for line in lines if "sha-384" not in line and "sha-512" not in line]
    await a.accept_answer("\r\n".join(only))
    async with trio.open_nursery() as nursery:
        listener = Listener(a)
        nursery.start_soon(listener.run)
        await listener.wait_for(Failed)
        assert not listener.have(Connected)
        await close_quickly(a)
        await close_quickly(b)


async def test_relay_only_without_a_working_server_fails_and_names_it(
    endpoint: AiortcEndpoint, silent: IceServer
) -> None:
    bare = await endpoint.open_session(SessionConfig(AUDIO, relay_only=True))
    with pytest.raises(GatheringFailed, match="none is known"):
        await bare.create_offer()
    dead = await endpoint.open_session(SessionConfig(AUDIO, ice_servers=(silent,), relay_only=True))
    with pytest.raises(GatheringFailed, match="turn/udp: no answer"):
        await dead.create_offer()
    await close_quickly(bare)
    await close_quickly(dead)


async def test_a_dead_server_delays_an_offer_with_host_candidates_less(
    endpoint: AiortcEndpoint, silent: IceServer
) -> None:
    session = await endpoint.open_session(SessionConfig(AUDIO, ice_servers=(silent,)))
    begin = trio.current_time()
    assert " typ host" in await session.create_offer()
    assert trio.current_time() - begin < gathering.GATHER_SECONDS
    await session.aclose()


async def test_a_server_whose_port_is_closed_delays_nothing(endpoint: AiortcEndpoint) -> None:
    closed = tuple(IceServer(url, "u", "c") for url in ("stun:127.0.0.1:9", "turn:127.0.0.1:9"))
    session = await endpoint.open_session(SessionConfig(AUDIO, ice_servers=closed))
    begin = trio.current_time()
    assert " typ host" in await session.create_offer()
    assert trio.current_time() - begin < gathering.GATHER_SECONDS
    assert {s.error for s in session.report().servers} == {"Connection refused"}
    await session.aclose()


async def test_a_server_address_that_makes_no_sense_does_not_spoil_the_call(
    endpoint: AiortcEndpoint,
) -> None:
    config = SessionConfig(AUDIO, ice_servers=(IceServer("turn:"), IceServer("http://x")))
    session = await endpoint.open_session(config)
    assert " typ host" in await session.create_offer()
    assert [server.worked for server in session.report().servers] == [False, False]
    await session.aclose()


async def test_a_recording_in_an_unknown_format_is_refused_in_words(
    endpoint: AiortcEndpoint, tmp_path: Path
) -> None:
    with pytest.raises(SinkUnavailable, match="use one of"):
        await endpoint.open_session(SessionConfig(AUDIO, record=tmp_path / "x.avi"))


LOOPBACK_CALL = """
import trio
from onmeet_node.media.engine.endpoint import MediaSettings, open_endpoint
from onmeet_node.media.endpoint import FirstFrame, SessionConfig
from onmeet_node.protocol.wire.messages import Kind
from tests.media.support import AUDIO, open_pair

async def main():
    async with open_endpoint(MediaSettings(source="test")) as endpoint:
        async with open_pair(endpoint, SessionConfig(AUDIO)) as pair:
            await pair.a.session.attach(AUDIO)
            await pair.b.wait_for(FirstFrame(Kind.AUDIO))
    print("heard")

trio.run(main)
"""


@pytest.mark.netlab
@pytest.mark.skipif(os.geteuid() != 0, reason="making a network namespace needs root")
def test_two_sessions_call_each_other_when_loopback_is_the_only_interface() -> None:
    script = f"ip link set lo up && exec {sys.executable} -c '{LOOPBACK_CALL}'"
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "heard\n", done.stderr


def test_loopback_is_not_offered_when_there_is_another_interface() -> None:
    addresses = candidates.host_addresses()
    assert addresses == ["127.0.0.1"] or "127.0.0.1" not in addresses
