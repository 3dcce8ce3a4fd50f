"""A peer whose process is killed is missed at once.

On a direct path the ICMP errors of its closed port tell; behind a relay the broken channel does.
"""

from __future__ import annotations

import asyncio
import pathlib

import pytest
import trio

from onmeet_node.media.endpoint import Connected, FirstFrame, PathLost, SessionConfig
from onmeet_node.media.engine.consent import BROKEN_CHANNEL, LOST_SECONDS
from onmeet_node.media.engine.consent_checks import ConsentChecks
from onmeet_node.media.engine.endpoint import AiortcEndpoint
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.wire.messages import Kind
from tests.media.coturn import run_coturn
from tests.media.peer_process import start_peer
from tests.media.support import AUDIO, Listener, Shape, open_lossy_path, open_pair
from tests.requirements import needs_coturn

pytestmark = [pytest.mark.real, pytest.mark.slow]
SILENT = LOST_SECONDS
"""Without a hint it takes at least so long; how much less with one is for the benchmarks."""


async def seconds_until_missed(
    endpoint: AiortcEndpoint, config: SessionConfig, *, path: MediaPath, suspect: bool
) -> float:
    """Calls a process, kills it, and waits for the lost path."""
    session = await endpoint.open_session(config)
    async with start_peer(config) as peer, trio.open_nursery() as nursery:
        listener = Listener(session)
        nursery.start_soon(listener.run)
        answer = await peer.describe("accept_offer", await session.create_offer())
        await session.accept_answer(answer)
        await listener.wait_for(Connected)
        assert [event.path for event in listener.have(Connected)] == [path]
        await session.attach(AUDIO)
        await listener.wait_for(FirstFrame(Kind.AUDIO))
        await trio.sleep(1.5)  # time itself: consent was checked, the round trip is known
        assert not listener.have(PathLost)
        killed = trio.current_time()
        peer.process.kill()
        if suspect:
            await session.suspect()
        missed = await listener.wait_for(PathLost)
        await session.aclose()
        nursery.cancel_scope.cancel()
    return missed - killed


async def test_a_killed_peer_is_missed_before_its_silence_would_tell(
    endpoint: AiortcEndpoint,
) -> None:
    config = SessionConfig(AUDIO)
    assert await seconds_until_missed(endpoint, config, path=MediaPath.HOST, suspect=False) < SILENT


@needs_coturn
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_suspicion_that_is_right_is_certain_before_the_silence_would_tell(
    endpoint: AiortcEndpoint, tmp_path: pathlib.Path, transport: str
) -> None:
    async with run_coturn(tmp_path) as turn:
        config = SessionConfig(AUDIO, ice_servers=(turn.server(transport),), relay_only=True)
        seconds = {
            suspect: await seconds_until_missed(
                endpoint, config, path=MediaPath.RELAY, suspect=suspect
            )
            for suspect in (True, False)
        }
    assert seconds[True] < seconds[False]


@pytest.mark.parametrize("delay", [0.0, 0.15, 0.3])
async def test_a_suspicion_that_is_wrong_changes_nothing(
    endpoint: AiortcEndpoint, delay: float
) -> None:
    """No media is sent here, so that answers to consent checks alone can tell."""
    async with (
        open_lossy_path(Shape(delay=delay)) as path,
        open_pair(endpoint, SessionConfig(AUDIO), over=path.rewrite) as pair,
    ):
        await pair.a.wait_for(Connected)
        for _ in range(8):
            await pair.a.session.suspect()
            await trio.sleep(0.3)  # time itself: long enough to decide wrongly
        assert not pair.a.have(PathLost)


async def test_closing_at_the_moment_of_a_hint_is_not_overheard(endpoint: AiortcEndpoint) -> None:
    async def aio_close_while_hinted() -> bool:
        checks = ConsentChecks[object](tuple, asyncio.sleep, lambda _up: None)
        pause = asyncio.ensure_future(checks.aio_pause(30))
        await asyncio.sleep(0)
        checks.hint(BROKEN_CHANNEL)
        pause.cancel()
        await asyncio.wait({pause})
        return pause.cancelled()

    assert await endpoint._thread.run(aio_close_while_hinted)
