"""What shows only in numbers: dialling at the same moment, and calls in a row.

ONMEET_FULL=1 runs the full numbers of the release checks, 200 and 100.
"""

from __future__ import annotations

import itertools
import random
import threading
from pathlib import Path

import psutil
import pytest
import trio

from onmeet_node.calls.call import Call
from onmeet_node.media.engine.memory import return_memory
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.effects import State
from tests.examples import FULL
from tests.node.conftest import Start, answer_all, befriend, connected, until

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]

CROSSINGS = 200 if FULL else 25
CALLS = 100 if FULL else 25
BATCHES = 3


async def test_both_dialling_at_the_same_moment_leaves_exactly_one_call(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    dice = random.Random(1)
    for _ in range(CROSSINGS):
        await _cross(alice, bob, dice.uniform(0, 0.06), dice.uniform(0, 0.06))
        await until(lambda: not [*alice.calls, *bob.calls], "both calls over")


async def _cross(alice: Node, bob: Node, *delays: float) -> None:
    seen: dict[str, Call] = {}
    both = trio.Event()

    async def dial(node: Node, peer: Node, delay: float) -> None:
        await trio.sleep(delay)
        async with node.call(peer.identity) as call:
            await connected(call)
            await call.current.string.wait()
            (only,) = node.calls
            assert only is call.current
            seen[node.identity.hex()] = only
            if len(seen) == 2:
                both.set()
            await both.wait()

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(dial, alice, bob, delays[0])
            nursery.start_soon(dial, bob, alice, delays[1])
    one, other = seen.values()
    assert one.id == other.id
    assert one.sas == other.sas


async def test_calls_in_a_row_leave_nothing_behind(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        await _call_often(alice, bob, 10)
        looks = [await _settled(alice)]
        for _ in range(BATCHES):
            await _call_often(alice, bob, (CALLS - 10) // BATCHES)
            looks.append(await _settled(alice))
        nursery.cancel_scope.cancel()
    before, after = looks[0], looks[-1]
    assert after["fds"] <= before["fds"]
    # a connection that the DHT opens meanwhile has four tasks; a leak would have one a call
    assert after["tasks"] <= before["tasks"] + 10
    assert after["streams"] <= before["streams"]
    # trio keeps the threads of to_thread for ten seconds after their last work, and on a busy
    # machine several work at once; a leak would have one a call
    assert after["threads"] <= before["threads"] + 8
    # The heap of a process that ran a thousand tests before this one breathes by tens of megabytes,
    # and once. A leak grows with each batch: it was 3 MB a call before memory was given back.
    grown = [late["megabytes"] - early["megabytes"] for early, late in itertools.pairwise(looks)]
    assert min(grown) < (CALLS - 10) // BATCHES


async def _call_often(alice: Node, bob: Node, times: int) -> None:
    for _ in range(times):
        async with alice.call(bob.identity) as call:
            await connected(call)
            assert call.state is State.CONNECTED
        await until(lambda: not [*alice.calls, *bob.calls], "both ends over")


async def _settled(node: Node) -> dict[str, float]:
    """The numbers once two looks in a row agree on those that must not grow."""
    last: dict[str, float] = {}
    for _ in range(40):
        await trio.sleep(0.5)  # time itself: closing, tidying and idle threads take theirs
        now = _numbers(node)
        keys = ("fds", "tasks", "streams")
        if last and all(now[key] == last[key] for key in keys):
            # What is held counts, not what the allocator keeps of all the tests before this one.
            return_memory()
            return _numbers(node)
        last = now
    return last


def _numbers(node: Node) -> dict[str, float]:
    process = psutil.Process()
    return {
        "fds": process.num_fds(),
        "threads": threading.active_count(),
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "streams": node.host_stats().streams,
        "megabytes": _held_bytes() / 1e6,
    }


def _held_bytes() -> int:
    """What this process itself holds, in memory or swapped out; what it only mapped comes and goes
    in a resident set as the kernel likes.
    """
    fields = dict(
        line.split(":") for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    )
    return sum(int(fields[name].split()[0]) * 1024 for name in ("Anonymous", "Swap"))
