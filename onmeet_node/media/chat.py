"""Chat of a call over its data channel. Runs in the asyncio thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiortc

from onmeet_node.media.errors import SessionClosed
from onmeet_node.wire.codec import decode, encode
from onmeet_node.wire.errors import DecodeError
from onmeet_node.wire.messages import Chat

LABEL = "onmeet"
STREAM = 0
"""Negotiated out of band: both sides open stream 0, and no message opens it (RFC 8831, 6.4)."""
MAX_BYTES = 20_000
"""Above the longest line: 4,000 characters of up to 4 bytes."""


class ChatChannel:
    """Lines both ways, in order, in the wire encoding of the sealed channel."""

    def __init__(self, pc: aiortc.RTCPeerConnection, receive: Callable[[Chat], None]) -> None:
        self._receive = receive
        self._settled = asyncio.Event()
        self._channel = pc.createDataChannel(LABEL, negotiated=True, id=STREAM)
        self._channel.on("open", self._settled.set)
        self._channel.on("close", self._settled.set)
        self._channel.on("message", self._on_message)

    async def aio_send(self, chat: Chat) -> None:
        """Sends a line, once the channel is open. Raises `SessionClosed`."""
        await self._settled.wait()
        if self._channel.readyState != "open":
            raise SessionClosed("The chat is closed: the connection of the call has ended.")
        self._channel.send(encode(chat))

    def _on_message(self, data: object) -> None:
        """Whatever is no line of chat is ignored: it cannot be answered here."""
        if not isinstance(data, bytes) or len(data) > MAX_BYTES:
            return
        try:
            message = decode(data)
        except DecodeError:
            return
        if isinstance(message, Chat):
            self._receive(message)
