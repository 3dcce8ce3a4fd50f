"""Serving the streams that peers open, so that none of them can harm more than itself."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import trio
from libp2p.abc import INetStream

from onmeet_node.net.errors import NetError
from onmeet_node.net.libp2p.muxing import LeanStream
from onmeet_node.net.libp2p.patches import Remedies
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.process.faults import contained
from onmeet_node.protocol.errors import RemoteProtocolError

Handler = Callable[[Stream], Awaitable[None]]

log = logging.getLogger(__name__)

LOST_SECONDS = 0.5
"""For a handler whose stream was reset or lost to read what came before, and to end by itself."""
SWEEP_EVERY = 10.0
"""Seconds between looks for handlers that were not told that their stream is no longer there."""
_ORDINARY = (trio.BrokenResourceError, trio.TooSlowError, NetError, RemoteProtocolError)
HANDLER_LIMIT = 1.0
"""Seconds that cancelled handlers may take to clean up when the host stops."""


class Serving:
    """The handlers that run now, for all protocols of a host."""

    def __init__(self, wrap: Callable[[INetStream], Stream], remedies: Remedies) -> None:
        self._wrap = wrap
        self._remedies = remedies
        self._running: dict[trio.CancelScope, INetStream] = {}
        self._accepting = True
        self._ended = trio.Event()

    def __len__(self) -> int:
        return len(self._running)

    def handler(
        self, protocol: str, handler: Handler, *, limit: int, timeout: float | None
    ) -> Callable[[INetStream], Awaitable[None]]:
        """`handler` as the library calls it. See `Host.handle`."""
        of_peer: Counter[str] = Counter()
        bounded = self._remedies.bound_handlers

        async def serve(raw: INetStream) -> None:
            stream = self._wrap(raw)
            if not self._accepting or (bounded and of_peer[stream.peer_id] >= limit):
                stream.abort()
                return
            of_peer[stream.peer_id] += 1
            try:
                await self._run(raw, stream, handler, timeout)
            except _ORDINARY as error:
                # Peers leave, stall and break rules; anything else is a fault, told by `library`.
                log.debug("a stream of %s ended: %s", protocol, type(error).__name__)
            finally:
                of_peer[stream.peer_id] -= 1
                if not of_peer[stream.peer_id]:
                    del of_peer[stream.peer_id]
                stream.abort()

        return serve

    async def _run(
        self, raw: INetStream, stream: Stream, handler: Handler, timeout: float | None
    ) -> None:
        with trio.move_on_after(float("inf") if timeout is None else timeout) as scope:
            self._running[scope] = raw
            muxed = raw.muxed_stream  # type: ignore[attr-defined]
            if self._remedies.end_handlers and isinstance(muxed, LeanStream):
                muxed.when_lost = partial(_end_soon, scope)
                if muxed.reset_received:
                    _end_soon(scope)
            try:
                await handler(stream)
                await stream.aclose()
            finally:
                del self._running[scope]
                self._ended.set()
                self._ended = trio.Event()

    async def sweep(self) -> None:
        """Cancel handlers whose stream is gone, for ever, should nobody have told them."""
        while True:
            await trio.sleep(SWEEP_EVERY)
            with contained("libp2p stream"):
                self._cancel_lost()

    def _cancel_lost(self) -> None:
        # NOTE: a function of its own, lest the sleeping loop's variables keep a dead connection.
        for scope, raw in list(self._running.items()):
            if raw.muxed_stream.reset_received or raw.muxed_conn.is_closed:  # type: ignore[attr-defined]
                scope.cancel()

    async def stop(self) -> None:
        """Accept nothing new and cancel what runs. Takes HANDLER_LIMIT seconds at most."""
        self._accepting = False
        for scope in list(self._running):
            scope.cancel()
        with trio.move_on_after(HANDLER_LIMIT) as limit:
            limit.shield = True
            while self._running:
                await self._ended.wait()


def _end_soon(scope: trio.CancelScope) -> None:
    scope.deadline = min(scope.deadline, trio.current_time() + LOST_SECONDS)
