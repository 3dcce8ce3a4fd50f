"""The bridge between trio and asyncio."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest
import trio

from onmeet_node.media.asyncio_thread import SWITCH_INTERVAL, open_asyncio_thread
from onmeet_node.media.errors import SessionClosed


async def aio_double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


async def test_results_and_exceptions_come_back() -> None:
    async def aio_fail() -> None:
        raise KeyError("which")

    async with open_asyncio_thread() as thread:
        assert await thread.run(aio_double, 21) == 42
        with pytest.raises(KeyError, match="which"):
            await thread.run(aio_fail)


async def test_cancelling_waits_for_the_clean_up_in_asyncio() -> None:
    steps: list[str] = []

    async def aio_work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.02)
            steps.append("cleaned up")

    async with open_asyncio_thread() as thread:
        with trio.move_on_after(0.05) as scope:
            await thread.run(aio_work)
        steps.append("went on")
    assert scope.cancelled_caught
    assert steps == ["cleaned up", "went on"]


async def test_a_result_that_beats_the_cancellation_is_kept() -> None:
    async def aio_stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "done anyway"
        return "?"

    async with open_asyncio_thread() as thread:
        with trio.CancelScope() as scope:
            scope.cancel()
            assert await thread.run(aio_stubborn) == "done anyway"


async def test_the_way_back_is_bounded_and_ordered() -> None:
    async with open_asyncio_thread() as thread:
        way_back = thread.way_back(3)

        async def aio_flood() -> None:
            for number in range(10):
                way_back.send(number)
            way_back.close()

        await thread.run(aio_flood)
        assert [number async for number in way_back.receiver] == [0, 1, 2]


async def test_the_switch_interval_is_short_while_any_is_open_and_restored_after() -> None:
    before = sys.getswitchinterval()
    async with open_asyncio_thread():
        async with open_asyncio_thread():
            assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
        assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    assert sys.getswitchinterval() == pytest.approx(before)


async def test_nothing_is_left_behind() -> None:
    async def aio_leave_a_task() -> None:
        asyncio.get_running_loop().create_task(asyncio.sleep(60))

    async with open_asyncio_thread() as thread:
        await thread.run(aio_leave_a_task)
    assert thread.abandoned == ()
    assert "onmeet-media" not in {t.name for t in threading.enumerate()}
    with pytest.raises(SessionClosed, match="open the endpoint again"):
        await thread.run(aio_double, 1)


async def test_a_blocked_trio_task_does_not_stop_asyncio() -> None:
    """A user's slow code must not be heard in the audio."""
    async with open_asyncio_thread() as thread:
        longest = 0.0
        stop = threading.Event()

        async def aio_tick() -> float:
            nonlocal longest
            loop = asyncio.get_running_loop()
            last = loop.time()
            while not stop.is_set():
                await asyncio.sleep(0.005)
                longest, last = max(longest, loop.time() - last), loop.time()
            return longest

        async with trio.open_nursery() as nursery:
            nursery.start_soon(thread.run, aio_tick)
            await trio.sleep(0.05)
            end = trio.current_time() + 1.0
            while trio.current_time() < end:
                sum(range(1000))
            stop.set()
    assert longest < 0.5
