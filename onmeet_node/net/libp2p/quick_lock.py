"""A lock that costs nothing while nobody else has it."""

from __future__ import annotations

import trio


class QuickLock:
    """`trio.Lock` for ``async with``, without the pass of the scheduler where it is free.

    The library takes half a dozen locks for each frame, nearly always free ones. There is no
    checkpoint then: what is done inside ends in a socket's, or does not wait at all.
    """

    def __init__(self) -> None:
        self._lock = trio.Lock()

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()

    def locked(self) -> bool:
        """Whether somebody has it."""
        return self._lock.locked()
