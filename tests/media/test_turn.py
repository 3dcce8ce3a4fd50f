"""Through a real TURN server: coturn on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import pathlib
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import trio

from onmeet_node.media.aiortc_endpoint import AiortcEndpoint
from onmeet_node.media.endpoint import Connected, FirstFrame, IceServer, Path, SessionConfig
from onmeet_node.media.errors import GatheringFailed
from onmeet_node.wire.messages import Kind
from tests.bootstrap.ports import free_port
from tests.media.support import BOTH, open_pair

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which("turnserver") is None, reason="coturn is not installed"),
]
SECRET = "of the test"


@dataclass
class Turn:
    port: int
    kill: Callable[[], None]

    def server(self, secret: str = SECRET, transport: str = "udp") -> IceServer:
        username = f"{int(time.time()) + 600}:random"
        mac = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
        url = f"turn:127.0.0.1:{self.port}?transport={transport}"
        return IceServer(url, username, base64.b64encode(mac).decode())


@pytest.fixture
async def turn(tmp_path: pathlib.Path) -> AsyncIterator[Turn]:
    port = free_port()
    options = f"""--listening-ip=127.0.0.1 --relay-ip=127.0.0.1 --listening-port={port}
        --allow-loopback-peers --no-cli --userdb=:memory: --no-tls --no-dtls --realm=onmeet
        --use-auth-secret --no-stdout-log --log-file=/dev/null --pidfile={tmp_path}/pid
        --min-port=40000 --max-port=40200 --no-rfc5780"""
    server = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        ["turnserver", *options.split(), f"--static-auth-secret={SECRET}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with trio.fail_after(10):
            while True:
                assert server.poll() is None, "coturn ended at once"
                try:
                    stream = await trio.open_tcp_stream("127.0.0.1", port)
                    await stream.aclose()
                    break
                except OSError:
                    await trio.sleep(0.05)
        yield Turn(port, server.kill)
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_relay_only_shows_no_own_address_and_media_flows(
    endpoint: AiortcEndpoint, turn: Turn, transport: str
) -> None:
    config = SessionConfig(BOTH, ice_servers=(turn.server(transport=transport),), relay_only=True)
    shown: list[str] = []

    def look(sdp: str) -> str:
        shown.append(sdp)
        return sdp

    async with open_pair(endpoint, config, over=look) as pair:
        await pair.a.wait_for(Connected(Path.RELAY, config.ice_servers[0].url))
        await pair.b.wait_for(Connected(Path.RELAY, config.ice_servers[0].url))
        await pair.a.session.attach(BOTH)
        await pair.b.wait_for(FirstFrame(Kind.AUDIO))
        await pair.b.wait_for(FirstFrame(Kind.VIDEO))
        stats = await pair.a.session.stats()
    assert stats.local_candidate_types == ("relay",)
    for sdp in shown:
        candidates = [line for line in sdp.splitlines() if line.startswith("a=candidate:")]
        assert candidates
        assert all(" typ relay" in line and "raddr 0.0.0.0" in line for line in candidates)
        assert "192.0.2" not in sdp


async def test_one_side_relay_only_is_enough(endpoint: AiortcEndpoint, turn: Turn) -> None:
    hidden = SessionConfig(BOTH, ice_servers=(turn.server(),), relay_only=True)
    async with open_pair(endpoint, hidden, other=SessionConfig(BOTH)) as pair:
        await pair.a.wait_for(Connected(Path.RELAY, hidden.ice_servers[0].url))
        await pair.b.session.attach(BOTH)
        await pair.a.wait_for(FirstFrame(Kind.AUDIO))


async def test_a_direct_path_is_preferred_to_the_relay(
    endpoint: AiortcEndpoint, turn: Turn
) -> None:
    config = SessionConfig(BOTH, ice_servers=(turn.server(),))
    async with open_pair(endpoint, config) as pair:
        await pair.a.wait_for(Connected)
        assert pair.a.have(Connected) == [Connected(Path.HOST)]
        assert "relay" in (await pair.a.session.stats()).local_candidate_types


async def test_wrong_credentials_are_reported_not_silent(
    endpoint: AiortcEndpoint, turn: Turn
) -> None:
    config = SessionConfig(BOTH, ice_servers=(turn.server(secret="wrong"),), relay_only=True)
    session = await endpoint.open_session(config)
    with pytest.raises(GatheringFailed, match="401"):
        await session.create_offer()
    await session.aclose()


async def test_a_server_that_dies_in_a_call_does_not_delay_closing(
    endpoint: AiortcEndpoint, turn: Turn
) -> None:
    config = SessionConfig(BOTH, ice_servers=(turn.server(),), relay_only=True)
    async with open_pair(endpoint, config) as pair:
        await pair.a.wait_for(Connected)
        agent = pair.a.session._peer._agents[0]
        assert agent.path is Path.RELAY
        turn.kill()
        with trio.fail_after(2):
            await pair.a.session.aclose()
