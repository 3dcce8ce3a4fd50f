"""Waiting for the first of several things."""

from __future__ import annotations

import pytest
import trio

from onmeet_node.net.waiting import either


async def test_the_first_ends_the_wait_and_cancels_the_rest(autojump_clock: object) -> None:
    ended: list[str] = []

    async def last(name: str, seconds: float) -> None:
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            ended.append(f"{name} was cancelled")
            raise
        ended.append(name)

    began = trio.current_time()
    await either(last("slow", 60), last("quick", 1))
    assert trio.current_time() - began == 1
    assert ended == ["quick", "slow was cancelled"]


async def test_what_is_over_already_is_not_waited_for() -> None:
    done = trio.Event()
    done.set()
    with trio.fail_after(1):
        await either(trio.Event().wait(), done.wait())


async def test_whoever_is_cancelled_already_leaves_nothing_unawaited() -> None:
    """A coroutine that was never awaited is a warning, which is an error here."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await either(trio.Event().wait(), trio.Event().wait())
    assert scope.cancelled_caught


async def test_an_error_of_one_is_the_callers() -> None:
    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("no")

    with pytest.RaisesGroup(OSError):
        await either(trio.Event().wait(), fail())
