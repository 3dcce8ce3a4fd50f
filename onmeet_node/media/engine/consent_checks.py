"""Asking a peer again and again whether it is there, as consent to send demands (RFC 7675)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

from onmeet_node.media.engine.consent import JITTER, PathWatch

P = TypeVar("P")


class ConsentChecks(Generic[P]):
    """The checks of one agent, from its connection on. `P`: a nominated pair of candidates.

    `ask` asks over a pair, and raises if no consent came. `on_path` is called with False when the
    path is lost, with True when it came back.
    """

    def __init__(
        self,
        pairs: Callable[[], Iterable[P]],
        ask: Callable[[P], Awaitable[object]],
        on_path: Callable[[bool], None],
    ) -> None:
        self._pairs = pairs
        self._ask = ask
        self._on_path = on_path
        self._watch = PathWatch(time.monotonic())
        self._hurry = asyncio.Event()

    @property
    def round_trip(self) -> float:
        """Seconds to the peer and back; 0 while unknown."""
        return self._watch.round_trip or 0.0

    async def aio_run(self) -> None:
        """Asks until the peer counts as dead."""
        watch = self._watch
        lost = False
        asked: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as asking:
            while not watch.dead(now := time.monotonic()):
                if lost != watch.lost(now):
                    lost = not lost
                    self._on_path(not lost)
                for pair in list(self._pairs()):
                    task = asking.create_task(self._aio_ask(pair))
                    asked.add(task)
                    task.add_done_callback(asked.discard)
                pause = watch.pause(now)
                await self.aio_pause(pause)
                late = (resumed := time.monotonic()) - now - pause * (1 + JITTER)
                watch.stood_still(max(0.0, late), resumed)
            for task in asked:
                task.cancel()

    async def _aio_ask(self, pair: P) -> None:
        began = time.monotonic()
        try:
            await self._ask(pair)
        except Exception:  # noqa: BLE001 - whatever came, it was no consent
            return
        self._watch.consented(time.monotonic(), asked=began)

    async def aio_pause(self, seconds: float) -> None:
        """± JITTER, so that many sessions do not check at once; a hint ends it."""
        self._hurry.clear()
        jitter = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
        # NOTE: not asyncio.wait_for, which in Python 3.11 loses a cancellation that comes at the
        # moment of the hint, as it does when both ends hang up: the agent then lived on for 15 s.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds * jitter):
                await self._hurry.wait()

    def heard(self) -> None:
        """A packet came over the path."""
        self._watch.heard(time.monotonic())

    def hint(self, why: str) -> None:
        """Something says that the peer may be gone: check at once, and often."""
        hurried = self._watch.hurried(time.monotonic())
        self._watch.hint(why, time.monotonic())
        if not hurried:
            self._hurry.set()

    def broke(self) -> None:
        """Nothing can come over the path any more."""
        self._watch.broke()
        self._hurry.set()
