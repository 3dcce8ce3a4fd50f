"""Waking those who wait for something to be different."""

from __future__ import annotations

from collections.abc import Callable

import trio


class ChangeSignal:
    """Tells all who wait that something of a room, or of the rooms, may be different."""

    def __init__(self, tell: Callable[[], None] = lambda: None) -> None:
        """`tell`: called besides, before they wake."""
        self._tell = tell
        self._next = trio.Event()

    @property
    def next(self) -> trio.Event:
        """Set with the next change. Who looks at something takes it before, and misses none."""
        return self._next

    async def wait(self) -> None:
        """Waits for the next change."""
        await self._next.wait()

    def notify(self) -> None:
        """Something may be different."""
        self._tell()
        self._next.set()
        self._next = trio.Event()
