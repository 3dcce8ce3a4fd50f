"""The bridge between trio and asyncio."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest
import trio
import trio.testing

from onmeet_node.media.engine.asyncio_thread import SWITCH_INTERVAL, open_asyncio_thread
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


async def test_what_comes_in_the_last_turn_of_the_loop_is_told_so() -> None:
    """asyncio takes a callback until the loop is closed, and runs none after its last turn."""
    last_turn, posted = threading.Event(), threading.Event()
    refused: list[str] = []

    async def call_late() -> None:
        with pytest.raises(SessionClosed) as told:
            await thread.run(aio_double, 21)
        refused.append(str(told.value))

    async def in_the_last_turn() -> None:
        await trio.to_thread.run_sync(last_turn.wait)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call_late)
            await trio.testing.wait_all_tasks_blocked()
            posted.set()

    async with trio.open_nursery() as nursery, open_asyncio_thread() as thread:
        loop = thread._loop
        assert loop is not None
        close = loop.close

        def close_after_all() -> None:
            last_turn.set()
            posted.wait(10)
            close()

        loop.close = close_after_all  # type: ignore[method-assign]
        nursery.start_soon(in_the_last_turn)
    assert refused == ["The media engine stopped while this was under way."]


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


async def test_what_a_peer_sends_without_end_leaves_room_for_the_end_of_its_session() -> None:
    async with open_asyncio_thread() as thread:
        way_back = thread.way_back(4)

        async def aio_flood() -> None:
            for _ in range(100):
                way_back.send("a line of chat", droppable=True)
            way_back.send("failed")
            way_back.close()

        await thread.run(aio_flood)
        with trio.fail_after(10):
            assert [event async for event in way_back.receiver] == ["a line of chat"] * 2 + [
                "failed"
            ]
