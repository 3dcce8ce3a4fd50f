"""Nothing is left of a call that is over."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path

import pytest
import trio

from onmeet_node.media.endpoint import Connected, FirstFrame, SessionConfig
from onmeet_node.media.engine.endpoint import AiortcEndpoint, MediaSettings, open_endpoint
from onmeet_node.protocol.wire.messages import Kind
from tests.media.support import BOTH, open_pair

pytestmark = pytest.mark.real

POOLS = ("asyncio_", "Trio thread")
"""Worker threads that asyncio and trio keep for next time."""


def threads() -> list[str]:
    return sorted(t.name for t in threading.enumerate() if not t.name.startswith(POOLS))


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def tasks(endpoint: AiortcEndpoint) -> int:
    async def aio_count() -> int:
        return len(asyncio.all_tasks())

    return await endpoint._thread.run(aio_count)


async def one_call(endpoint: AiortcEndpoint) -> None:
    async with open_pair(endpoint, SessionConfig(BOTH)) as pair:
        await pair.a.wait_for(Connected)
        await pair.a.session.attach(BOTH)
        await pair.b.session.attach(BOTH)
        await pair.b.wait_for(FirstFrame(Kind.VIDEO))


async def test_twenty_calls_leave_no_thread_descriptor_or_task(endpoint: AiortcEndpoint) -> None:
    for _ in range(2):
        await one_call(endpoint)
    before = threads(), descriptors(), await tasks(endpoint)
    for _ in range(20):
        await one_call(endpoint)
    gc.collect()
    with trio.fail_after(5):
        while (threads(), descriptors(), await tasks(endpoint)) != before:  # noqa: ASYNC110
            await trio.sleep(0.05)


async def test_an_endpoint_leaves_no_thread_or_descriptor() -> None:
    async def cycle() -> None:
        async with open_endpoint(MediaSettings(source="test")) as endpoint:
            await one_call(endpoint)

    await cycle()
    before = threads(), descriptors()
    for _ in range(3):
        await cycle()
    assert (threads(), descriptors()) == before


async def test_sessions_that_are_closed_while_they_connect_leave_no_thread(
    endpoint: AiortcEndpoint,
) -> None:
    """As in a room, when somebody goes while others are still coming: at every moment of it."""
    await one_call(endpoint)
    before = threads()
    for moment in range(40):
        async with open_pair(endpoint, SessionConfig(BOTH)) as pair:
            await trio.sleep(moment * 0.004)  # time itself is what is tried
            await pair.a.session.aclose()
    with trio.fail_after(10):
        while threads() != before:  # noqa: ASYNC110
            await trio.sleep(0.05)
