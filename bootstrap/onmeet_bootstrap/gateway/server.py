"""HTTPS for guests: the page's files, and a WebSocket that is joined to a host's stream.

The gateway copies frames and understands none. Nothing of a guest is kept but counts by address,
for as long as they are here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sized
from contextlib import asynccontextmanager

import trio
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from onmeet_bootstrap.config.model import GuestsConfig, SiteConfig
from onmeet_bootstrap.errors import Exhausted
from onmeet_bootstrap.gateway.doors import Book, NoSuchDoor, Passage
from onmeet_bootstrap.gateway.listening import HostGuard, listen_all, open_certificate
from onmeet_bootstrap.gateway.pages import COMMON, GatewayPages
from onmeet_bootstrap.gateway.site import Site
from onmeet_bootstrap.limits import Caps, Quota
from onmeet_node.net.asgi.config import ServerLimits
from onmeet_node.net.asgi.server import open_server
from onmeet_node.net.libp2p.remote_address import prefix_of
from onmeet_node.net.rates import AllowedRate, RateLimit
from onmeet_node.net.websocket import close_websocket
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire.door import HOST_GONE, MALFORMED, NO_DOOR, TOO_MANY, TOO_SLOW
from onmeet_node.protocol.wire.frames import MAX_FRAME_BYTES, FrameDecoder, encode_frame
from onmeet_node.protocol.wire.link import DOOR_ID_BYTES

GOING_AWAY, TOO_BIG = 1001, 1009

LAST_WORDS_SECONDS = 1.0
"""For what a host said last to pass to its guest, once the door, or the host's stream, is gone."""
STOP_WORDS_SECONDS = 0.25
"""For what hosts have said already, when the gateway stops."""
STOP_SECONDS = 2.0
"""For guests to hear that the gateway stops."""

_NO_SITE = SiteConfig()


class Gateway:
    """The routes. `files`: the guest page as it was built, by path."""

    def __init__(
        self,
        config: GuestsConfig,
        doors: Book,
        files: Mapping[str, bytes],
        facts: Mapping[str, object],
        site: SiteConfig,
    ) -> None:
        """`facts`: what ``/.well-known/onmeet.json`` says of this server. Raises `ConfigError`."""
        self.site = Site(site, facts, COMMON, prefix_of=self._prefix) if site.serve else None
        self._config = config
        self.book = doors
        self.origin = config.origin
        self._guests = Quota(
            Caps(config.max_guests, config.guests_per_network, config.guests_per_network), "guests"
        )
        self._tries = RateLimit(
            AllowedRate(per_minute=config.tries_per_minute, burst=config.tries_burst),
            trio.current_time,
        )
        self._stopping = trio.Event()
        self._went = trio.Event()
        self.reload: Callable[[], None] = lambda: None
        """Takes the certificate's files anew; lines that are open go on. Raises `ConfigError`."""
        self.lines: Sized = ()
        """The connections of browsers."""
        self.on_left: Callable[[], None] = lambda: None
        """Called when a guest has gone: what was theirs is to be forgotten."""
        self.pages = GatewayPages(
            files,
            facts,
            embed_allow=config.embed_allow,
            secure=lambda: self.origin.startswith("https://"),
        )
        self.app = Starlette(
            routes=[
                WebSocketRoute("/door", self._door),
                Route("/.well-known/onmeet.json", self.pages.describe, methods=["GET"]),
                *(self.site.routes if self.site is not None else []),
                Route("/{path:path}", self.pages.file, methods=["GET"]),
            ]
        )

    @staticmethod
    def _prefix(request: HTTPConnection) -> str:
        # The server has put in who asks, whichever proxy is in front.
        return prefix_of(request.client.host if request.client else None)

    @property
    def guests(self) -> int:
        """How many WebSockets are open."""
        return self._guests.held

    @property
    def doors(self) -> int:
        """How many doors are open."""
        return len(self.book)

    @property
    def limits(self) -> tuple[RateLimit, ...]:
        """What remembers addresses."""
        return (self._tries, *((self.site.letters,) if self.site is not None else ()))

    @property
    def tries(self) -> RateLimit:
        """What remembers how often an address came lately."""
        return self._tries

    async def empty(self) -> None:
        """Returns when no guest is left."""
        while self.guests:
            await self._went.wait()

    def stop(self) -> None:
        """Tells every guest that the gateway goes away."""
        self._stopping.set()

    # ── the door ────────────────────────────────────────────────────────────────────────────────
    async def _door(self, guest: WebSocket) -> None:
        if guest.headers.get("origin", self.origin) != self.origin:
            await guest.close(1008)  # before it is accepted: the browser sees a 403
            return
        prefix = self._prefix(guest)
        await guest.accept()
        if not self._tries.allow(prefix):
            await close_websocket(guest, TOO_MANY)
            return
        try:
            with self._guests.holding(prefix, prefix):
                await close_websocket(guest, await self._attend(guest))
        except Exhausted:
            await close_websocket(guest, TOO_MANY)
        self._went.set()
        self._went = trio.Event()
        self.on_left()

    async def _attend(self, guest: WebSocket) -> int:
        """One guest from the door's id to the end; gives the close code."""
        codes: list[int] = []
        async with trio.open_nursery() as nursery:

            async def stopping() -> None:
                await self._stopping.wait()
                await trio.sleep(STOP_WORDS_SECONDS)
                codes.append(GOING_AWAY)
                nursery.cancel_scope.cancel()

            nursery.start_soon(stopping)
            codes.append(await self._pass_through(guest))
            nursery.cancel_scope.cancel()
        return codes[0]

    async def _pass_through(self, guest: WebSocket) -> int:
        name: bytes | None = None
        with trio.move_on_after(self._config.name_seconds) as patience:
            try:
                name = await _receive(guest)
            except WebSocketDisconnect:
                return 1000
        if patience.cancelled_caught:
            return TOO_SLOW
        if name is None or len(name) != DOOR_ID_BYTES:
            return MALFORMED
        try:
            async with self.book.enter(name) as passage:
                return await self._join(guest, passage)
        except NoSuchDoor:
            return NO_DOOR
        except Exhausted:
            return TOO_MANY

    async def _join(self, guest: WebSocket, passage: Passage) -> int:
        """Copies both ways, one frame in hand each way, until one side ends."""
        ends: list[int] = []
        async with trio.open_nursery() as nursery:

            def end(code: int) -> None:
                ends.append(code)
                nursery.cancel_scope.cancel()

            async def inwards() -> None:
                code = await self._from_guest(guest, passage)
                if code == HOST_GONE:  # it may have said something before
                    await trio.sleep(LAST_WORDS_SECONDS)
                end(code)

            async def outwards() -> None:
                end(await self._to_guest(guest, passage))

            async def watch() -> None:
                await passage.gone.wait()
                await trio.sleep(LAST_WORDS_SECONDS)
                end(HOST_GONE)

            for task in (inwards, outwards, watch):
                nursery.start_soon(task)
        return ends[0]

    async def _from_guest(self, guest: WebSocket, passage: Passage) -> int:
        pace = _Pace(self._config.bytes_per_second)
        while True:
            try:
                frame = await _receive(guest)
            except WebSocketDisconnect:
                return 1000
            if frame is None:
                return MALFORMED
            if len(frame) > MAX_FRAME_BYTES:
                return TOO_BIG
            await pace.take(len(frame))
            passage.count += len(frame)
            with trio.move_on_after(self._config.write_seconds) as limit:
                try:
                    await passage.stream.send_all(encode_frame(frame))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    return HOST_GONE
            if limit.cancelled_caught:
                return TOO_SLOW

    async def _to_guest(self, guest: WebSocket, passage: Passage) -> int:
        pace = _Pace(self._config.bytes_per_second)
        decoder = FrameDecoder()
        try:
            while data := await passage.stream.receive_some():
                for frame in decoder.feed(data):
                    await pace.take(len(frame))
                    passage.count += len(frame)
                    # One to a guest who does not read ends by itself (`ServerLimits`).
                    await guest.send_bytes(frame)
        except (WebSocketDisconnect, RuntimeError):
            return 1000
        except (RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
            return HOST_GONE
        return HOST_GONE


class _Pace:
    """Lets so many bytes a second through, two seconds' worth at once; more wait."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._free_at = trio.current_time() - 2.0

    async def take(self, size: int) -> None:
        """Returns when the sender may go on. Who waits does not read, and its peer feels it."""
        now = trio.current_time()
        self._free_at = max(self._free_at, now - 2.0) + size / self._rate
        if self._free_at > now:
            await trio.sleep(self._free_at - now)


async def _receive(guest: WebSocket) -> bytes | None:
    """The next message; None for text."""
    content = await guest.receive()
    if content["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(content.get("code", 1005))
    data: bytes | None = content.get("bytes")
    return data


@asynccontextmanager
async def open_gateway(
    config: GuestsConfig,
    doors: Book,
    files: Mapping[str, bytes],
    facts: Mapping[str, object],
    *,
    site: SiteConfig = _NO_SITE,
    kind: type[Gateway] = Gateway,
) -> AsyncIterator[Gateway]:
    """Serves guests while the block runs. Raises `ConfigError` and `StartFailed`.

    `kind`: a test may look over the gateway's shoulder.
    """
    gateway = kind(config, doors, files, facts, site)
    context = open_certificate(config)
    sockets = listen_all(config.listen, config.write_seconds)
    if not gateway.origin:
        host, port = sockets[0].getsockname()[:2]
        gateway.origin = f"{'https' if config.certificate else 'http'}://{host}:{port}"
    if context is not None:

        def reload() -> None:
            open_certificate(config)  # what cannot be used leaves the one in use as it is
            context.load_cert_chain(config.certificate, config.key)

        gateway.reload = reload
    limits = ServerLimits(
        message_bytes=MAX_FRAME_BYTES,
        ping_seconds=config.ping_seconds,
        write_seconds=config.write_seconds,
    )
    app = HostGuard(gateway.app, lambda: gateway.origin)
    async with open_server(
        app, sockets, limits, context=context, proxies=config.behind_proxy
    ) as server:
        gateway.lines = server
        try:
            yield gateway
        finally:
            gateway.stop()
            with trio.CancelScope(shield=True), trio.move_on_after(STOP_SECONDS):
                await gateway.empty()
