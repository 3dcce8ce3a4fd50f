"""What a call carries beside its media, over data channels. Runs in the asyncio thread."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import aiortc
import attrs

from onmeet_node.media.errors import ChatUnconfirmed, SessionClosed
from onmeet_node.protocol.wire.codec import decode, encode
from onmeet_node.protocol.wire.errors import DecodeError
from onmeet_node.protocol.wire.limits import MAX_BACKLOG_BYTES, MAX_LINE_BYTES
from onmeet_node.protocol.wire.messages import Chat, ChatTaken
from onmeet_node.protocol.wire.room import MAX_CARRIED_BYTES

LABEL = "onmeet"
STREAM = 0
"""Negotiated out of band: both sides open stream 0, and no message opens it (RFC 8831, 6.4)."""

TAKEN_SECONDS = 10.0
"""For the other side to confirm a line."""

FRAMES_LABEL, FRAMES_STREAM = "onmeet-frames", 1


class ChatChannel:
    """Lines both ways, in order, in the wire encoding of the sealed channel."""

    def __init__(self, pc: aiortc.RTCPeerConnection, receive: Callable[[Chat], None]) -> None:
        self._receive = receive
        self._settled = asyncio.Event()
        # Begins anywhere: a session that goes on with a call numbers on from no other's lines.
        self._next = secrets.randbits(31)
        self._taken: dict[int, asyncio.Future[None]] = {}
        self._channel = pc.createDataChannel(LABEL, negotiated=True, id=STREAM)
        self._channel.on("open", self._settled.set)
        self._channel.on("close", self._on_close)
        self._channel.on("message", self._on_message)

    async def aio_send(self, chat: Chat) -> None:
        """Sends a line, once the channel is open, and returns when the other side has it.

        Raises `SessionClosed`, and `ChatUnconfirmed` where nobody says that it has arrived.
        """
        await self._settled.wait()
        if self._channel.readyState != "open":
            raise SessionClosed("The chat is closed: the connection of the call has ended.")
        if chat.number is None:
            chat = attrs.evolve(chat, number=self._next)
            self._next += 1
        assert chat.number is not None
        taken = self._taken[chat.number] = asyncio.get_running_loop().create_future()
        try:
            self._channel.send(encode(chat))
            await asyncio.wait_for(taken, TAKEN_SECONDS)
        except TimeoutError:
            raise ChatUnconfirmed from None
        finally:
            self._taken.pop(chat.number, None)

    def _on_close(self) -> None:
        self._settled.set()
        for taken in self._taken.values():
            if not taken.done():
                taken.set_exception(ChatUnconfirmed())

    def _on_message(self, data: object) -> None:
        """Whatever is no line of chat is ignored: it cannot be answered here."""
        if not isinstance(data, bytes) or len(data) > MAX_LINE_BYTES:
            return
        try:
            message = decode(data)
        except DecodeError:
            return
        if isinstance(message, ChatTaken):
            taken = self._taken.get(message.number)
            if taken is not None and not taken.done():
                taken.set_result(None)
        elif isinstance(message, Chat):
            self._receive(message)
            if message.number is not None and self._channel.readyState == "open":
                self._confirm(message.number)

    def _confirm(self, number: int) -> None:
        # Who writes without end and reads nothing is confirmed nothing more.
        if self._channel.bufferedAmount <= MAX_BACKLOG_BYTES:
            self._channel.send(encode(ChatTaken(number=number)))


class FrameChannel:
    """Frames of a sealed channel both ways, whole and in order; what is in them is not our concern.

    `receive` takes frames of 1 to `MAX_CARRIED_BYTES` bytes; others are dropped.
    """

    def __init__(self, pc: aiortc.RTCPeerConnection, receive: Callable[[bytes], None]) -> None:
        self._receive = receive
        self._channel = pc.createDataChannel(FRAMES_LABEL, negotiated=True, id=FRAMES_STREAM)
        self._channel.on("message", self._on_message)

    def send(self, frame: bytes) -> None:
        """Sends one, if the channel is open and takes it."""
        if self._channel.readyState == "open" and self._channel.bufferedAmount < MAX_BACKLOG_BYTES:
            self._channel.send(frame)

    def _on_message(self, data: object) -> None:
        if isinstance(data, bytes) and 1 <= len(data) <= MAX_CARRIED_BYTES:
            self._receive(data)
