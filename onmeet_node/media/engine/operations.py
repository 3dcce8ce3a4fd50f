"""The operations of one session that are under way: closing the session ends them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, TypeVarTuple

from onmeet_node.media.errors import EngineFailed, MediaError, SessionClosed

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CLOSE_SECONDS = 1.2
"""For aiortc to close before it is left behind: the promise is 2 s for everything."""

_closing_late: set[asyncio.Future[Any]] = set()
"""Keeps what is still closing from being collected as garbage."""


class SessionOperations:
    """Runs operations until the session is closed, and closes it once, whoever asks."""

    def __init__(self) -> None:
        self._busy: set[asyncio.Task[Any]] = set()
        self._closing: asyncio.Task[None] | None = None

    @property
    def closing(self) -> bool:
        """Whether the session is closed, or is being closed."""
        return self._closing is not None

    async def aio_do(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Runs one operation such that closing the session ends it. Raises `MediaError`s alone."""
        if self._closing is not None:
            raise SessionClosed("This media session is closed; open a new one.")

        async def call() -> T:
            return await function(*args)

        task = asyncio.ensure_future(call())
        self._busy.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if self._closing is not None:
                raise SessionClosed("The media session was closed meanwhile.") from None
            raise
        except MediaError:
            raise
        except Exception as error:
            # The border of this package: whatever a library raised that nobody foresaw.
            log.error("a media session failed: %s", type(error).__name__)  # noqa: TRY400 - no words
            raise EngineFailed(
                f"The media engine failed ({type(error).__name__}). Call again, or restart On-Meet."
            ) from error
        finally:
            task.cancel()
            self._busy.discard(task)

    def begin(self, job: Awaitable[Any]) -> None:
        """Runs a job that nobody waits for but the end of the session."""
        self._busy.add(asyncio.ensure_future(job))

    async def aio_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Ends all operations and runs `close`, the first time; then, and later, waits for it."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._aio_close(close))
        await asyncio.shield(self._closing)

    async def _aio_close(self, close: Callable[[], Awaitable[None]]) -> None:
        busy = list(self._busy)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await close()


async def aio_finish(closing: list[Awaitable[Any]]) -> None:
    """Runs what closes a session, for `CLOSE_SECONDS`; what takes longer goes on by itself."""
    tasks = [asyncio.ensure_future(job) for job in closing]
    _, stuck = await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
    if stuck:
        # NOTE: on a machine that is short of CPU. They go on by themselves and are awaited when
        # the thread stops; cancelling aiortc's close would leave its sockets open for good.
        log.info("a media session is still closing: %d tasks", len(stuck))
        _closing_late.update(stuck)
        for task in stuck:
            task.add_done_callback(_closing_late.discard)
