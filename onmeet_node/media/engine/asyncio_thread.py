"""asyncio in one plain thread, seen from trio (ARCHITECTURE, "Why it is so").

aiortc runs here and nowhere else. Under trio-asyncio, closing a peer connection hung whenever an
encode was in flight; in guest mode each hiccup of trio was a hiccup of the audio.
Functions that run in this thread are named ``aio_…``.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar, TypeVarTuple

import trio

from onmeet_node.media.errors import SessionClosed

log = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SWITCH_INTERVAL = 0.0005
"""Seconds a busy trio task may hold the interpreter while audio waits. Measured with a busy trio
loop: audio jitter p95 6 ms, against 16 ms at Python's own 5 ms."""

GRACE_SECONDS = 0.2
"""How long tasks may go on when the thread is to stop, before they are cancelled."""
STOP_SECONDS = 2.0
"""How long cancelled tasks may clean up before the thread ends without them."""
JOIN_SECONDS = 10.0
"""For all of it, and the loop's own end. A library that never returns shall not keep a node."""


def _note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody waits for any more.

    aiortc connects in a task of its own, which fails when the connection is closed meanwhile: in a
    room, every time that somebody goes while others are still coming.
    """
    # Not what it says: it may hold what a peer said.
    log.debug("nobody awaits a %s any more", type(context.get("exception")).__name__)


class AsyncioThread:
    """A running asyncio loop in its own thread. Made by `open_asyncio_thread`."""

    def __init__(self) -> None:
        self._trio = trio.lowlevel.current_trio_token()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event
        self._running = threading.Event()
        self._lock = threading.Lock()
        self._under_way: set[Callable[[], None]] | None = set()
        """Wakes those who wait for a call; None once the loop is closed and answers nobody."""
        self.abandoned: tuple[str, ...] = ()
        """Tasks that did not end when the thread stopped, for tests and bug reports."""
        self._thread = threading.Thread(target=self._main, name="onmeet-media", daemon=True)

    def _main(self) -> None:
        try:
            asyncio.run(self._aio_main())
        finally:
            self._loop = None
            self._running.set()
            with self._lock:
                left, self._under_way = self._under_way, None
            # What was posted in the loop's last turn is accepted and never run.
            for tell in left or ():
                tell()

    async def _aio_main(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_note)
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._running.set()
        await self._stopping.wait()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:  # what is about to end may do so by itself
            await asyncio.wait(left, timeout=GRACE_SECONDS)
        for task in left:
            task.cancel()
        if left:
            _, stuck = await asyncio.wait(left, timeout=STOP_SECONDS)
            self.abandoned = tuple(repr(task) for task in stuck)

    async def _start(self) -> None:
        # Shielded, and it takes milliseconds: a thread that nobody saw start could not be stopped.
        with trio.CancelScope(shield=True):
            self._thread.start()
            await trio.to_thread.run_sync(self._running.wait)

    async def _stop(self) -> None:
        self.post(self._stopping.set)
        await trio.to_thread.run_sync(self._thread.join, JOIN_SECONDS)
        if self._thread.is_alive():  # it is a daemon: it keeps no program from ending
            log.error("The media thread did not end within %.0f s", JOIN_SECONDS)

    async def run(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Awaits ``function(*args)`` in the asyncio thread; its result or exception comes back.

        When the trio task is cancelled, the asyncio task is cancelled and its clean-up awaited.
        Raises `SessionClosed` if the thread is stopping.
        """
        crossing = _Crossing(trio.lowlevel.current_task(), self._trio, function, args)
        with self._lock:
            if self._under_way is None:
                raise SessionClosed("The media engine has stopped; open the endpoint again.")
            self._under_way.add(crossing.tell)
        self.post(crossing.aio_start)
        raise_cancel: Callable[[], None] | None = None

        def abort(raise_it: Callable[[], None]) -> trio.lowlevel.Abort:
            nonlocal raise_cancel
            raise_cancel = raise_it
            self.post(crossing.aio_cancel)
            return trio.lowlevel.Abort.FAILED

        await trio.lowlevel.wait_task_rescheduled(abort)
        with self._lock:
            if self._under_way is not None:
                self._under_way.discard(crossing.tell)
        try:
            return crossing.result()
        except asyncio.CancelledError:
            if raise_cancel is not None:
                raise_cancel()
            raise SessionClosed("The media engine stopped while this was under way.") from None

    def post(self, function: Callable[[*Ts], object], *args: *Ts) -> bool:
        """Calls ``function(*args)`` in the asyncio thread soon; False if that thread has ended."""
        loop = self._loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop was closed in this instant
            return False
        return True

    def way_back(self, capacity: int) -> WayBack[T]:
        """A bounded channel from the asyncio thread into trio."""
        return WayBack(self._trio, capacity)


class WayBack(Generic[T]):
    """A bounded channel from the asyncio thread into trio.

    What a full channel cannot take is lost, so whoever sends must send little.
    """

    def __init__(self, token: trio.lowlevel.TrioToken, capacity: int) -> None:
        self._token = token
        self._room = capacity // 2
        self._sender: trio.MemorySendChannel[T]
        self._sender, self.receiver = trio.open_memory_channel[T](capacity)

    def _deliver(self, value: T, droppable: bool) -> None:
        if droppable and self._sender.statistics().current_buffer_used >= self._room:
            return
        # What a peer can send without end is `droppable`, so it leaves room for the few others.
        with suppress(trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            self._sender.send_nowait(value)

    def send(self, value: T, *, droppable: bool = False) -> None:
        """Sends without waiting. From any thread. `droppable` leaves half of the room to others."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._deliver, value, droppable)

    def close(self) -> None:
        """Ends the receiver's loop after what was sent. From any thread."""
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._sender.close)


class _Crossing(Generic[*Ts, T]):
    """One call from trio into asyncio. All of it runs in the asyncio thread but `result`."""

    def __init__(
        self,
        waiter: trio.lowlevel.Task,
        token: trio.lowlevel.TrioToken,
        function: Callable[[*Ts], Awaitable[T]],
        args: tuple[*Ts],
    ) -> None:
        self._waiter = waiter
        self._token = token
        self._function = function
        self._args = args
        self._task: asyncio.Task[T] | None = None
        self._told = False

    async def _aio_call(self) -> T:
        return await self._function(*self._args)

    def aio_start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._aio_call())
        self._task.add_done_callback(lambda _: self.tell())

    def aio_cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def tell(self) -> None:
        """Wakes the waiter, once."""
        if not self._told:
            self._told = True
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(trio.lowlevel.reschedule, self._waiter)

    def result(self) -> T:
        if self._task is None or not self._task.done():  # the loop ended before it did
            raise asyncio.CancelledError
        return self._task.result()


class _SwitchInterval:
    """Shortens the interpreter's switch interval while any media thread is open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = 0.0

    def acquire(self) -> None:
        with self._lock:
            if self._users == 0:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(SWITCH_INTERVAL)
            self._users += 1

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._before)


_switch_interval = _SwitchInterval()


@asynccontextmanager
async def open_asyncio_thread() -> AsyncIterator[AsyncioThread]:
    """Runs asyncio in a thread of its own until left; then nothing of it is left.

    Whoever opens peer connections in it closes them before leaving: aiortc's decoder threads
    would otherwise outlive it.
    """
    thread = AsyncioThread()
    _switch_interval.acquire()
    try:
        await thread._start()
        yield thread
    finally:
        with trio.CancelScope(shield=True):
            await thread._stop()
        _switch_interval.release()
