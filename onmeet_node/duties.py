"""What a node does for itself while nobody asks: delivering what waits for others.

Somebody for whom a request, a missed call or a new secret waits is looked for now and then, ever
less often; once a channel is open, `People.channel_opened` hands everything over.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import trio

from onmeet_node.call.events import Identity
from onmeet_node.faults import alone
from onmeet_node.people import People

FIRST_SECONDS = 2.0
"""Soon: the first look may have come before the node had found its way in."""
LAST_SECONDS = 1800.0
"""Looked for every half an hour in the end: about 50 lookups a day for each person."""


async def run_duties(people: People, find: Callable[[Identity], Awaitable[bool]]) -> None:
    """Looks for everybody for whom something waits until cancelled."""
    pause = FIRST_SECONDS
    while True:
        people.tidy()
        waiting = people.waiting_for()
        for peer in waiting:
            await alone("duty", find, peer)
        with trio.move_on_after(pause * random.uniform(0.8, 1.2)) as rest:  # noqa: S311 - jitter
            await people.new_duty()
        pause = min(pause * 2, LAST_SECONDS) if rest.cancelled_caught else FIRST_SECONDS
