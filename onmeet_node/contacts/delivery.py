"""What a node does for itself while nobody asks: delivering what waits for others.

Somebody for whom a request, a missed call or a new secret waits is looked for now and then, ever
less often; once a channel is open, `Contacts.channel_opened` hands everything over.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from onmeet_node.contacts.contacts import Contacts
from onmeet_node.process.faults import alone, kept
from onmeet_node.protocol.call.events import Identity

FIRST_SECONDS = 2.0
"""Soon: the first look may have come before the node had found its way in."""
LAST_SECONDS = 1800.0
"""Looked for every half an hour in the end: about 50 lookups a day for each person."""
OWED_SECONDS = 15.0
"""For each whom only the new secret waits for, whether they are found or not."""


async def run_delivery(people: Contacts, find: Callable[[Identity], Awaitable[bool]]) -> None:
    """Looks for everybody for whom something waits until cancelled."""
    tell_news, news = trio.open_memory_channel[None](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept, "duties", _pay, people, find, news)
        await _deliver(people, find, tell_news)


async def _pay(
    people: Contacts,
    find: Callable[[Identity], Awaitable[bool]],
    news: trio.MemoryReceiveChannel[None],
) -> None:
    """The new secret, to one after the other: there may be a thousand, and they find us meanwhile
    by a record of their own.
    """
    while True:
        for peer in people.owed():
            with trio.move_on_after(_jittered(OWED_SECONDS)):
                await alone("duty", find, peer)
                await trio.sleep_forever()
        with trio.move_on_after(_jittered(LAST_SECONDS)):
            await news.receive()


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


async def _deliver(
    people: Contacts,
    find: Callable[[Identity], Awaitable[bool]],
    tell_news: trio.MemorySendChannel[None],
) -> None:
    pause = FIRST_SECONDS
    while True:
        people.tidy()
        waiting = people.waiting_for()
        for peer in waiting:
            await alone("duty", find, peer)
        with trio.move_on_after(_jittered(pause)) as rest:
            await people.new_duty()
        if rest.cancelled_caught:
            pause = min(pause * 2, LAST_SECONDS)
        else:
            pause = FIRST_SECONDS
            with suppress(trio.WouldBlock):  # it has not looked since the last one
                tell_news.send_nowait(None)
