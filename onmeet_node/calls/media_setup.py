"""Where calls get their media endpoint from, opened once and not before it is needed.

aiortc takes a fifth of a second to load: a node that just waits to be called does not pay it before
it is reachable.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.options import CallOptions
from onmeet_node.config import Config
from onmeet_node.media.checking import check_media, make_recording_directory
from onmeet_node.media.endpoint import IceServer, MediaEndpoint, SessionConfig
from onmeet_node.media.errors import GatheringFailed
from onmeet_node.media.ice_report import IceReport
from onmeet_node.net.bootstraps.turn import TurnServers
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.wire.messages import Kind

if TYPE_CHECKING:
    from onmeet_node.media.frames import FrameFeed


TURN_SECONDS = 5.0
"""For the first credentials, at a call right after the start: connecting and two round trips."""


TOKEN_SECONDS = 1.0
"""For a bootstrap that lends for tokens to take one: a round trip, of the first call in the life of
its credentials alone, and begun before anybody is looked for."""

OpenMedia = Callable[[], AbstractAsyncContextManager[MediaEndpoint]]


@asynccontextmanager
async def open_aiortc() -> AsyncIterator[MediaEndpoint]:
    """Aiortc in this process, loaded when it is first asked for."""
    from onmeet_node.media.engine.endpoint import open_endpoint  # noqa: PLC0415 - heavy

    async with open_endpoint() as endpoint:
        yield endpoint


class NodeMediaSetup:
    """Opens the media endpoint when it is first asked for, and knows what each call sends."""

    def __init__(
        self,
        config: Config,
        *,
        turn: TurnServers,
        relay_only: Callable[[], bool],
        open_media: OpenMedia = open_aiortc,
    ) -> None:
        self._open_media = open_media
        self._config = config
        self._turn = turn
        self._relay_only = relay_only
        self._wanted = trio.Event()
        self._ready = trio.Event()
        self._endpoint: MediaEndpoint | None = None
        self._app: Callable[[], MediaEndpoint | None] = lambda: None

    async def run(self) -> None:
        """Holds the endpoint open from its first use until cancelled."""
        await self._wanted.wait()
        async with self._open_media() as endpoint:
            self._endpoint = endpoint
            self._ready.set()
            try:
                await trio.sleep_forever()
            finally:
                self._ready = trio.Event()

    def use_app(self, endpoint: Callable[[], MediaEndpoint | None]) -> None:
        """From now on the local app is there; `endpoint` gives one while a page of it is open."""
        self._app = endpoint

    def prepare(self) -> None:
        """Opens the endpoint in the background, so that the first call finds it open."""
        self._wanted.set()

    async def endpoint(self, call: Call) -> MediaEndpoint:
        """Where the media of this call is.

        In the page that it was dialled or taken in. A call that nobody took yet is prepared in an
        open page of the app, unless it is to send something of its own; else in this process.
        """
        wish = call.wish
        if wish.endpoint is not None:
            return wish.endpoint
        of_room = wish.room is not None  # of a room that no page is in
        app = self.page_endpoint() if wish.source is None and not of_room else None
        of_app = app is not None and call.state is State.RINGING_IN
        return app if app is not None and of_app else await self._engine()

    def page_endpoint(self) -> MediaEndpoint | None:
        """The open page's endpoint, unless this node is to send something of its own."""
        return self._app() if self._config.source == "none" else None

    async def _engine(self) -> MediaEndpoint:
        """aiortc, as soon as it is open."""
        self._wanted.set()
        await self._ready.wait()
        assert self._endpoint is not None
        return self._endpoint

    async def examine(self) -> IceReport:
        """What media would have to go on with: candidates are gathered, and given up."""
        endpoint = await self._engine()
        with trio.move_on_after(TURN_SECONDS):
            await self._turn.ready()
        config = SessionConfig(
            frozenset({Kind.AUDIO}), ice_servers=self._servers(), relay_only=self._relay_only()
        )
        session = await endpoint.open_session(config)
        try:
            with suppress(GatheringFailed):  # the report says why
                await session.create_offer()
            return session.report()
        finally:
            await session.aclose()

    async def check(self, wish: CallOptions, kinds: frozenset[Kind]) -> None:
        """Raises `SourceUnavailable` or `SinkUnavailable` if such a call could not be.

        For before somebody is rung, or told that we take their call.
        """
        self._turn.want()
        if wish.endpoint is not None:
            return  # a page asks its person itself
        if self.page_endpoint() is not None and wish.source is None and wish.record is None:
            return
        await check_media(
            wish.source if wish.source is not None else self._config.source,
            kinds,
            record=wish.record,
            directory=None if wish.record else self._config.record,
        )

    def _servers(self) -> tuple[IceServer, ...]:
        return tuple(
            IceServer(server.url, server.username, server.credential)
            for server in self._turn.current()
        )

    def region_of(self, url: str) -> str | None:
        """Where a TURN server is, as its operator signs: ``ca`` or ``de``."""
        return self._turn.region_of(url)

    async def session(self, call: Call, kinds: frozenset[Kind]) -> SessionConfig:
        """What a media session of this call shall do.

        Waits for TURN credentials where there is no call without them.
        """
        wish, kept = call.wish, self._config.record
        relay_only = wish.relay_only or self._relay_only()
        self._turn.want()
        if relay_only or self._turn.rationed():
            with trio.move_on_after(TURN_SECONDS if relay_only else TOKEN_SECONDS):
                await self._turn.ready()
        source: str | FrameFeed = wish.source if wish.source is not None else self._config.source
        return SessionConfig(
            kinds=kinds,
            ice_servers=self._servers(),
            relay_only=relay_only,
            source=source,
            record=wish.record or (_file(kept, call, ".mp4") if kept else None),
            picture=_file(kept, call, ".png") if kept else None,
            tap=wish.tap,
            call=call.id,
            room=wish.room,
            carry=wish.carry,
        )


def _file(directory: Path, call: Call, suffix: str) -> Path:
    make_recording_directory(directory)
    began = time.strftime("%Y%m%d-%H%M%S", time.localtime(call.began))
    return directory / f"{began}-{call.id.hex()[:8]}{suffix}"
