"""The aiortc endpoint seen from trio: for headless nodes, bots, recordings, tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple

import trio

from onmeet_node.media.endpoint import (
    ChatReceived,
    FrameCarried,
    MediaEvent,
    MediaStats,
    SessionConfig,
)
from onmeet_node.media.engine.asyncio_thread import AsyncioThread, WayBack, open_asyncio_thread
from onmeet_node.media.engine.internals import aio_check_libraries
from onmeet_node.media.engine.peer import Peer
from onmeet_node.media.engine.recording import Recorders
from onmeet_node.media.errors import MediaError
from onmeet_node.media.ice_report import IceReport
from onmeet_node.protocol.room.send_limits import SendLimits
from onmeet_node.protocol.wire.messages import Candidate, Chat, Kind

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EVENT_BACKLOG = 256
"""Events waiting for the caller. A session has a handful, chat and frames aside; of a flood of
those the newest are lost."""


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """What holds for all sessions of an endpoint."""

    source: str = "none"
    """Where sessions that name none send from; see `SessionConfig.source`."""


class AiortcSession:
    """A `MediaSession` on aiortc. Made by `AiortcEndpoint.open_session`."""

    def __init__(
        self,
        thread: AsyncioThread,
        peer: Peer,
        events: trio.MemoryReceiveChannel[MediaEvent],
        forget: Callable[[], None],
    ) -> None:
        self._thread = thread
        self._peer = peer
        self.events = events
        self._forget = forget

    async def create_offer(self) -> str:
        """See `MediaSession`; raises `GatheringFailed` when there is no candidate to offer."""
        return await self._run(self._peer.aio_create_offer)

    async def accept_offer(self, sdp: str) -> str:
        """See `MediaSession`; raises `BadDescription`, `GatheringFailed`."""
        return await self._run(self._peer.aio_accept_offer, sdp)

    async def accept_answer(self, sdp: str) -> None:
        """See `MediaSession`; raises `BadDescription`."""
        await self._run(self._peer.aio_accept_answer, sdp)

    async def add_candidates(self, candidates: Sequence[Candidate], *, end: bool) -> None:
        """See `MediaSession`; raises `BadDescription`."""
        await self._run(self._peer.aio_add_candidates, candidates, end)

    async def attach(self, kinds: frozenset[Kind], config: SessionConfig | None = None) -> None:
        """See `MediaSession`; raises `SourceUnavailable`, `SinkUnavailable`."""
        await self._run(self._peer.aio_attach, kinds, config)

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """See `MediaSession`; raises `SourceUnavailable` when a device does not open again."""
        await self._run(self._peer.aio_mute, kind, muted)

    async def send_chat(self, chat: Chat) -> None:
        """See `MediaSession`; waits until the channel is open."""
        await self._run(self._peer.aio_send_chat, chat)

    async def carry(self, frame: bytes) -> None:
        """See `MediaSession`."""
        await self._run(self._peer.aio_carry, frame)

    async def shape(self, shape: SendLimits) -> None:
        """See `MediaSession`."""
        await self._run(self._peer.aio_shape, shape)

    async def stats(self) -> MediaStats:
        """See `MediaSession`."""
        return await self._run(self._peer.aio_stats)

    async def suspect(self) -> None:
        """See `MediaSession`."""
        await self._run(self._peer.aio_suspect)

    def report(self) -> IceReport:
        """See `MediaSession`. Read from another thread: what changes meanwhile may be missing."""
        return self._peer.report()

    async def aclose(self) -> None:
        """See `MediaSession`."""
        with trio.CancelScope(shield=True):
            await self._run(self._peer.aio_close)
        self._forget()

    async def _run(self, function: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        return await self._thread.run(function, *args)


class AiortcEndpoint:
    """A `MediaEndpoint` on aiortc. Made by `open_endpoint`."""

    def __init__(self, thread: AsyncioThread, settings: MediaSettings) -> None:
        self._thread = thread
        self._settings = settings
        self._recorders = Recorders()
        self._peers: dict[Peer, Callable[[], None]] = {}

    async def open_session(self, config: SessionConfig) -> AiortcSession:
        """A new peer connection. Raises `SinkUnavailable`; `MediaError` for a bad server URL."""
        way_back: WayBack[MediaEvent] = self._thread.way_back(EVENT_BACKLOG)
        source = config.source if config.source is not None else self._settings.source

        def emit(event: MediaEvent) -> None:
            way_back.send(event, droppable=isinstance(event, ChatReceived | FrameCarried))

        async def aio_make() -> Peer:
            return Peer(config, source=source, recorders=self._recorders, emit=emit)

        peer = await self._thread.run(aio_make)
        self._peers[peer] = way_back.close
        return AiortcSession(self._thread, peer, way_back.receiver, lambda: self._forget(peer))

    def _forget(self, peer: Peer) -> None:
        close = self._peers.pop(peer, None)
        if close is not None:
            close()

    async def _aclose(self) -> None:
        peers = list(self._peers)

        async def aio_close_all() -> None:
            await asyncio.gather(*(peer.aio_close() for peer in peers))

        await self._thread.run(aio_close_all)
        for peer in peers:
            self._forget(peer)


@asynccontextmanager
async def open_endpoint(settings: MediaSettings | None = None) -> AsyncIterator[AiortcEndpoint]:
    """An endpoint in a thread of its own. Leaving closes its sessions, then the thread.

    Raises `LibraryChanged` if the installed aiortc or aioice does not fit.
    """
    async with open_asyncio_thread() as thread:
        await thread.run(aio_check_libraries)
        endpoint = AiortcEndpoint(thread, settings or MediaSettings())
        try:
            yield endpoint
        finally:
            with trio.CancelScope(shield=True):
                await endpoint._aclose()


__all__ = ["AiortcEndpoint", "AiortcSession", "MediaError", "MediaSettings", "open_endpoint"]
