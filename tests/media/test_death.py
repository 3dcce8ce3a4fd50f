"""A peer whose process is killed is missed at once, by the ICMP errors of its closed port."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest
import trio

from onmeet_node.media.aiortc_endpoint import AiortcEndpoint
from onmeet_node.media.endpoint import Connected, FirstFrame, PathLost, SessionConfig
from onmeet_node.wire.messages import Kind
from tests.media.support import AUDIO, Listener

pytestmark = [pytest.mark.real, pytest.mark.slow]

PEER = """
import json, sys, trio
from onmeet_node.media.aiortc_endpoint import MediaSettings, open_endpoint
from onmeet_node.media.endpoint import SessionConfig
from tests.media.support import AUDIO

async def main():
    async with open_endpoint(MediaSettings(source="test")) as endpoint:
        session = await endpoint.open_session(SessionConfig(AUDIO))
        answer = await session.accept_offer(json.loads(sys.stdin.readline()))
        print(json.dumps(answer), flush=True)
        await session.attach(AUDIO)
        await trio.sleep_forever()

trio.run(main)
"""


async def test_a_killed_peer_is_missed_within_a_second(endpoint: AiortcEndpoint) -> None:
    session = await endpoint.open_session(SessionConfig(AUDIO))
    process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [sys.executable, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        async with trio.open_nursery() as nursery:
            listener = Listener(session)
            nursery.start_soon(listener.run)
            process.stdin.write(json.dumps(await session.create_offer()) + "\n")
            process.stdin.flush()
            answer = await trio.to_thread.run_sync(process.stdout.readline)
            await session.accept_answer(json.loads(answer))
            await listener.wait_for(Connected)
            await session.attach(AUDIO)
            await listener.wait_for(FirstFrame(Kind.AUDIO))
            killed = time.monotonic()
            process.kill()
            await listener.wait_for(PathLost)
            assert time.monotonic() - killed < 1.0
            await session.aclose()
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        process.wait(10)
        process.stdin.close()
        process.stdout.close()


async def test_a_suspicion_that_is_wrong_changes_nothing(endpoint: AiortcEndpoint) -> None:
    from tests.media.support import open_pair

    async with open_pair(endpoint, SessionConfig(AUDIO)) as pair:
        await pair.a.wait_for(Connected)
        for _ in range(5):
            await pair.a.session.suspect()
            await trio.sleep(0.2)  # time itself: long enough to decide wrongly
        assert not pair.a.have(PathLost)
