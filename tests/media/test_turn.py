"""Through a real TURN server: coturn on loopback."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator

import pytest
import trio

from onmeet_node.media.endpoint import Connected, FirstFrame, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint
from onmeet_node.media.errors import GatheringFailed
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import Kind
from tests.media.coturn import Turn, run_coturn
from tests.media.support import BOTH, Shape, open_lossy_path, open_pair
from tests.requirements import needs_coturn

pytestmark = [
    pytest.mark.real,
    needs_coturn,
]


@pytest.fixture
async def turn(tmp_path: pathlib.Path) -> AsyncIterator[Turn]:
    async with run_coturn(tmp_path) as running:
        yield running


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
        await pair.a.wait_for(Connected(MediaPath.RELAY, config.ice_servers[0].url))
        await pair.b.wait_for(Connected(MediaPath.RELAY, config.ice_servers[0].url))
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
        await pair.a.wait_for(Connected(MediaPath.RELAY, hidden.ice_servers[0].url))
        await pair.b.session.attach(BOTH)
        await pair.a.wait_for(FirstFrame(Kind.AUDIO))


async def test_a_direct_path_is_preferred_to_the_relay(
    endpoint: AiortcEndpoint, turn: Turn
) -> None:
    config = SessionConfig(BOTH, ice_servers=(turn.server(),))
    async with open_pair(endpoint, config) as pair:
        await pair.a.wait_for(Connected)
        assert pair.a.have(Connected) == [Connected(MediaPath.HOST)]
        assert "relay" in (await pair.a.session.stats()).local_candidate_types


async def test_a_relay_that_answers_sooner_does_not_win_over_a_slow_direct_path(
    endpoint: AiortcEndpoint, turn: Turn
) -> None:
    config = SessionConfig(BOTH, ice_servers=(turn.server(),))
    async with open_lossy_path(Shape(delay=0.1)) as path:

        def slow_direct(sdp: str) -> str:
            relays = {line for line in sdp.split("\r\n") if " typ relay" in line}
            assert relays
            return path.rewrite(sdp) + "\r\n".join(relays) + "\r\n"

        async with open_pair(endpoint, config, over=slow_direct) as pair:
            for end in (pair.a, pair.b):
                await end.wait_for(Connected)
                assert [event.path is MediaPath.RELAY for event in end.have(Connected)] == [False]


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
        assert agent.path is MediaPath.RELAY
        turn.kill()
        with trio.fail_after(2):
            await pair.a.session.aclose()
