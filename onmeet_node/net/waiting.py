"""Small tools for waiting."""

from __future__ import annotations

from collections.abc import Awaitable

import trio


async def either(*waits: Awaitable[object]) -> None:
    """Return once the first of these is over; the others are cancelled."""
    async with trio.open_nursery() as nursery:

        async def one(wait: Awaitable[object]) -> None:
            await wait
            nursery.cancel_scope.cancel()

        for wait in waits:
            nursery.start_soon(one, wait)
