"""A guest's line without a browser: what the guest page does, up to the media (PROTOCOL, "Guests").

For ``onmeet join``, the load, and the tests of both sides of a door.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from onmeet_node.net.errors import NetError
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire import codec
from onmeet_node.protocol.wire.door import HOST_GONE, MALFORMED, NO_DOOR, TOO_MANY, TOO_SLOW
from onmeet_node.protocol.wire.errors import LinkError
from onmeet_node.protocol.wire.frames import FrameDecoder
from onmeet_node.protocol.wire.kem import KEM_SEED_BYTES
from onmeet_node.protocol.wire.link import GuestLink, guest_prologue, read_link
from onmeet_node.protocol.wire.messages import Bye, Message, Ping, Pong, Welcome
from onmeet_node.protocol.wire.noise import Handshake
from onmeet_node.protocol.wire.rekey import ReceivingCipher, SendingCipher

M = TypeVar("M")


_WHY = {
    1002: "the other side does not speak our protocol; it may be a newer or older version",
    1003: "the other side does not speak our protocol; it may be a newer or older version",
    1001: "the server is being restarted; try again in a moment",
    MALFORMED: "the server did not understand it; is it a guest link of On-Meet?",
    NO_DOOR: "the link leads nowhere just now: it was used or closed, or its host is not online",
    TOO_SLOW: "the line was too slow; try again",
    HOST_GONE: "the host has gone or closed it; ask them",
    TOO_MANY: "too many people use this server just now; try again in a minute",
}


class DoorClosed(NetError):
    """The gateway or the host closed the line, with the WebSocket's close code."""

    def __init__(self, code: int) -> None:
        why = _WHY.get(code, "the connection was lost; try again")
        super().__init__(f"The line to the host was closed: {why}.")
        self.code = code


class GuestLine:
    """One sealed channel of a guest."""

    def __init__(self, socket: WebSocketConnection, link: GuestLink) -> None:
        self.link = link
        self.welcome: Welcome
        self._socket = socket
        self._over = False
        self._send: SendingCipher
        self._receive: ReceivingCipher

    async def shake_hands(self) -> None:
        """Opens the channel; the host is proven by its key in the link."""
        noise = Handshake.initiate_nkpsk0(
            self.link.key,
            self.link.psk,
            guest_prologue(self.link.door),
            secrets.token_bytes(32),
            secrets.token_bytes(KEM_SEED_BYTES),
        )
        await self.send_frame(self.link.door)
        await self.send_frame(noise.write_message())
        try:
            frames = list(FrameDecoder().feed(noise.read_message(await self.receive_frame())))
            welcome = codec.decode(frames[0]) if frames else None
        except RemoteProtocolError as error:
            raise DoorClosed(1002) from error
        if not isinstance(welcome, Welcome):
            raise DoorClosed(1002)
        self.welcome = welcome
        send, receive = noise.split()
        self._send = SendingCipher(send, now=trio.current_time())
        self._receive = ReceivingCipher(receive)

    async def receive_frame(self) -> bytes:
        """One WebSocket message, as it came. Raises `DoorClosed`."""
        try:
            message = await self._socket.get_message()
        except ConnectionClosed as closed:
            raise DoorClosed(closed.reason.code if closed.reason else 1006) from None
        if not isinstance(message, bytes):
            raise DoorClosed(1003)
        return message

    async def send_frame(self, frame: bytes) -> None:
        """One WebSocket message, as it is. Raises `DoorClosed`."""
        try:
            await self._socket.send_message(frame)
        except ConnectionClosed as closed:
            raise DoorClosed(closed.reason.code if closed.reason else 1006) from None

    def seal(self, message: Message) -> list[bytes]:
        """The frames that carry this message, mostly one; they must be the next ones sent."""
        return self._send.seal(codec.encode(message), now=trio.current_time())

    async def say(self, message: Message) -> None:
        """Sends one message. Raises `DoorClosed`."""
        for frame in self.seal(message):
            await self.send_frame(frame)

    async def hear(self) -> Message:
        """The next message that is not the channel's own. Raises `DoorClosed`."""
        while True:
            frame = await self.receive_frame()
            try:
                data = self._receive.open(frame)
                if data is None:
                    continue
                message = codec.decode(data)
            except RemoteProtocolError as error:
                raise DoorClosed(1002) from error
            match message:
                case Ping(n=n):
                    await self.say(Pong(n=n))
                case Pong():
                    continue
                case Bye():
                    self._over = True
                    await self.say(Bye(reason="bye"))
                    return message
                case _:
                    return message

    async def close(self, reason: str) -> None:
        """Says Bye, and returns when the host has answered it, or the line is closed.

        What was said before has arrived then. Whoever waits bounds it in time.
        """
        if self._over:
            return
        try:
            await self.say(Bye(reason=reason))
            while True:
                data = self._receive.open(await self.receive_frame())
                if data is not None and isinstance(codec.decode(data), Bye):
                    return
        except DoorClosed:
            return

    async def hear_one(self, kind: type[M]) -> M:
        """The next message of this type, passing over others."""
        while not isinstance(message := await self.hear(), kind):
            if isinstance(message, Bye):
                raise DoorClosed(HOST_GONE)
        return message


@asynccontextmanager
async def open_line(
    url: str, *, trust: ssl.SSLContext | None = None, shake: bool = True, plain: bool = False
) -> AsyncIterator[GuestLine]:
    """Opens a guest link as a page would. `shake` False: the WebSocket alone. `plain`: without
    TLS whatever the link says, to stand where a proxy would.

    Raises `LinkError`, `DoorClosed`, and what `trio_websocket` raises when nobody listens.
    """
    origin, link = read_link(url)
    host, port, secure = _server_of(origin)
    secure = secure and not plain
    tcp = await trio.open_tcp_stream(host, port or (443 if secure else 80))
    stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = tcp
    if secure:
        context = trust or ssl.create_default_context()
        stream = trio.SSLStream(tcp, context, server_hostname=host, https_compatible=True)
    try:
        async with trio.open_nursery() as nursery:
            socket = await wrap_client_stream(
                nursery,
                stream,
                urlsplit(origin).netloc,
                "/door",
                extra_headers=[(b"Origin", origin.encode())],
            )
            line = GuestLine(socket, link)
            if shake:
                with trio.fail_after(15):
                    await line.shake_hands()
            yield line
            nursery.cancel_scope.cancel()
    except* DoorClosed as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    finally:
        # NOTE: the library leaves it open when the other side closes first.
        await trio.aclose_forcefully(tcp)


def _server_of(origin: str) -> tuple[str, int | None, bool]:
    """Host, port if one is named, and whether over TLS. Raises `LinkError`."""
    try:
        parts = urlsplit(origin)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise LinkError("That link does not say where it leads; copy it from its https:// on.")
    return host, port, parts.scheme == "https"
