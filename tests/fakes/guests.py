"""Doors for guests without a gateway: what comes through one, over streams in memory.

Held against the real thing by tests/node/test_guests.py, where guests come through a real gateway.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar, cast

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from onmeet_node.joining.line import DoorClosed, GuestLine
from onmeet_node.net.bootstraps.doors import GuestStream, HostDoor
from onmeet_node.net.errors import NetError
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.link import door_id, read_link
from onmeet_node.protocol.wire.messages import Bye, Message
from onmeet_node.testing.hosts import FakeStream, piped

M = TypeVar("M")

DELAY = 0.02
ORIGIN = "https://gateway.example"


class FakeGateways:
    """`GuestGateways`, of which there is one. `failures`: met one at each door that is asked for,
    before doors open.
    """

    def __init__(self, failures: Iterable[NetError] = ()) -> None:
        self.asked = 0
        self.doors: dict[bytes, HostDoor] = {}
        """Those that are open, by id."""
        self._failures = iter(failures)

    def gateways(self) -> tuple[str, ...]:
        return ("gateway",)

    async def gateways_changed(self) -> None:
        await trio.sleep_forever()

    @asynccontextmanager
    async def open_door(self, gateway: str, secret: bytes) -> AsyncIterator[HostDoor]:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if (failure := next(self._failures, None)) is not None:
            raise failure
        door = self.doors[door_id(secret)] = HostDoor(door_id(secret), gateway)
        door.origin = ORIGIN
        try:
            yield door
        finally:
            del self.doors[door.id]
            door.gone.set()

    @asynccontextmanager
    async def come(self, url: str) -> AsyncIterator[Visitor]:
        """A guest opens this link, as far as the host's `Welcome`. Leaving the block goes without a
        word.
        """
        _, link = read_link(url)
        socket = _Socket(self.doors[link.door])
        line = GuestLine(cast("WebSocketConnection", socket), link)
        try:
            with trio.fail_after(15):
                await line.shake_hands()
            async with trio.open_nursery() as nursery:
                visitor = Visitor(line)
                nursery.start_soon(visitor.listen)
                yield visitor
                nursery.cancel_scope.cancel()
        finally:
            socket.abort()


class Visitor:
    """A guest who listens all the time, as a page does; `hear` gives what was not heard yet."""

    def __init__(self, line: GuestLine) -> None:
        self.welcome = line.welcome
        self.say = line.say
        self._line = line
        self._tell, self._heard = trio.open_memory_channel[Message](1_000)

    async def listen(self) -> None:
        with self._tell, suppress(DoorClosed):
            while True:
                self._tell.send_nowait(await self._line.hear())

    async def hear(self) -> Message:
        """Raises `trio.EndOfChannel` when the line is closed."""
        return await self._heard.receive()

    async def hear_one(self, kind: type[M]) -> M:
        """The next one of this type, passing over others."""
        while not isinstance(message := await self.hear(), kind):
            assert not isinstance(message, Bye), f"the host has gone; awaited: {kind.__name__}"
        return message


class _Socket:
    """The part of a WebSocket that a line uses: to the gateway, which passes frames on."""

    def __init__(self, door: HostDoor) -> None:
        self._door = door
        self._stream: FakeStream | None = None
        self._decoder = FrameDecoder()
        self._frames: deque[bytes] = deque()

    async def send_message(self, message: bytes) -> None:
        if self._stream is None:  # the door's id, which stays at the gateway
            self._stream, host = piped("guest", "host", lambda: DELAY)
            self._door.arrive.send_nowait(GuestStream(host))
            return
        try:
            await self._stream.send_all(encode_frame(message))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ConnectionClosed(None) from None

    async def get_message(self) -> bytes:
        assert self._stream is not None
        while not self._frames:
            try:
                data = await self._stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                raise ConnectionClosed(None)
            self._frames.extend(self._decoder.feed(data))
        return self._frames.popleft()

    def abort(self) -> None:
        if self._stream is not None:
            self._stream.abort()
