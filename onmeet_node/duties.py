"""What a node does for itself while nobody asks: delivering what waits for others.

Somebody for whom a request, a missed call or a new secret waits is looked for now and then, ever
less often; once a channel is open, `People.channel_opened` hands everything over.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import trio

from onmeet_node.call.events import Identity
from onmeet_node.faults import alone, kept
from onmeet_node.people import People

FIRST_SECONDS = 2.0
"""Soon: the first look may have come before the node had found its way in."""
LAST_SECONDS = 1800.0
"""Looked for every half an hour in the end: about 50 lookups a day for each person."""
OWED_SECONDS = 15.0
"""For each whom only the new secret waits for, whether they are found or not."""


async def run_duties(people: People, find: Callable[[Identity], Awaitable[bool]]) -> None:
    """Looks for everybody for whom something waits until cancelled."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept, "duties", _pay, people, find)
        await _deliver(people, find)


async def _pay(people: People, find: Callable[[Identity], Awaitable[bool]]) -> None:
    """The new secret, to one after the other: there may be a thousand, and they find us meanwhile
    by a record of their own.
    """
    while True:
        for peer in people.owed():
            with trio.move_on_after(_jittered(OWED_SECONDS)):
                await alone("duty", find, peer)
                await trio.sleep_forever()
        await trio.sleep(_jittered(LAST_SECONDS))


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


async def _deliver(people: People, find: Callable[[Identity], Awaitable[bool]]) -> None:
    pause = FIRST_SECONDS
    while True:
        people.tidy()
        waiting = people.waiting_for()
        for peer in waiting:
            await alone("duty", find, peer)
        with trio.move_on_after(_jittered(pause)) as rest:
            await people.new_duty()
        pause = min(pause * 2, LAST_SECONDS) if rest.cancelled_caught else FIRST_SECONDS
