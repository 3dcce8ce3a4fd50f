"""Library calls that run to their end, whatever becomes of those who asked for them."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio

from onmeet_node.net.errors import HostClosed
from onmeet_node.net.libp2p.streams import Stream

T = TypeVar("T")

log = logging.getLogger(__name__)


class LibraryCalls:
    """Runs library calls in one nursery of the host, so that only the host's end cancels them.

    Cancelling the library in the middle of a write leaves half a Noise frame
    behind, which ends the connection with all its streams.
    """

    def __init__(self, io: trio.Nursery, *, abandon: bool) -> None:
        self._io = io
        self._abandon = abandon
        self._closed = False
        self.running = 0

    def close(self) -> None:
        """Refuse new calls and cancel those that run."""
        self._closed = True
        self._io.cancel_scope.cancel()

    @property
    def closed(self) -> bool:
        """Whether new calls are refused."""
        return self._closed

    async def call(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """The result of `fn(*args)`, which goes on if the caller is cancelled.

        A stream that nobody waits for any more is reset. Raises what `fn` raises,
        or HostClosed.
        """
        if self._closed:
            raise HostClosed
        if not self._abandon:
            return await fn(*args)
        results: list[T] = []
        failures: list[Exception] = []
        done = trio.Event()
        abandoned = False

        async def run() -> None:
            self.running += 1
            try:
                result = await fn(*args)
            except Exception as error:  # noqa: BLE001 - handed to the caller
                failures.append(error)
            else:
                results.append(result)
                if abandoned and isinstance(result, Stream):
                    result.abort()
            finally:
                self.running -= 1
                done.set()

        self._io.start_soon(run)
        try:
            await done.wait()
        except trio.Cancelled:
            abandoned = True
            for result in results:
                if isinstance(result, Stream):
                    result.abort()
            raise
        if failures:
            raise failures[0]
        if not results:
            raise HostClosed
        return results[0]

    def spawn(self, fn: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Run `fn(*args)` in the background; its errors are logged and dropped.

        Does nothing once the host is closing.
        """

        async def run() -> None:
            self.running += 1
            try:
                await fn(*args)
            except Exception as error:  # noqa: BLE001 - nobody is there to be told
                log.debug("a background call failed: %r", error)
            finally:
                self.running -= 1

        if not self._closed:
            self._io.start_soon(run)
