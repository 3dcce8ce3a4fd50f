"""Streams of rooms: one libp2p protocol for all of them, so that none can be told from outside.

A stream begins with the id of its room; from there on it is a channel's (`net.channels`), between
the keys that two people have in this room.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from onmeet_node.net.channels.carried_streams import GUEST
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.protocol.wire.frames import encode_frame
from onmeet_node.protocol.wire.room import ROOM_ID_BYTES, ROOM_PROTOCOL

NAME_SECONDS = 10.0
"""For whoever opened a stream to say of which room it is."""
MAX_STREAMS = 128
"""Of one peer's connection and all rooms together."""
_HEAD = len(encode_frame(bytes(ROOM_ID_BYTES)))

Handler = Callable[[Stream], Awaitable[None]]


class RoomStreams:
    """All rooms of one node."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._rooms: dict[bytes, Handler] = {}
        host.handle(ROOM_PROTOCOL, self._serve, limit=MAX_STREAMS)

    def of(self, room: bytes) -> RoomNetwork:
        """What the channels of one room use."""
        return RoomNetwork(self._host, self._rooms, room)

    async def _serve(self, stream: Stream) -> None:
        head = b""
        with trio.move_on_after(NAME_SECONDS):
            while len(head) < _HEAD:
                data = await stream.receive_some(_HEAD - len(head))
                if not data:
                    return
                head += data
        handler = self._rooms.get(head[-ROOM_ID_BYTES:]) if len(head) == _HEAD else None
        if handler is not None:
            await handler(stream)


class RoomNetwork:
    """The host, as the channels of one room see it. See `channels.Network`."""

    def __init__(self, host: Host, rooms: dict[bytes, Handler], room: bytes) -> None:
        self.peer_id = host.peer_id
        self.connected = host.connected
        self.connect = host.connect
        self.verify = host.verify
        self.on_direct = host.on_direct
        self._host = host
        self._rooms = rooms
        self._room = room

    def suspect(self, peer: str) -> None:
        """See `channels.Network`; a guest has no connection of its own to look at."""
        if peer != GUEST:
            self._host.suspect(peer)

    async def open_stream(self, peer: str, protocol: str) -> Stream:
        """See `channels.Network`."""
        del protocol
        stream = await self._host.open_stream(peer, ROOM_PROTOCOL)
        try:
            await stream.send_all(encode_frame(self._room))
        except BaseException:
            stream.abort()
            raise
        return stream

    def handle(self, protocol: str, handler: Handler) -> None:
        """See `channels.Network`."""
        del protocol
        self._rooms[self._room] = handler

    def stop_handling(self, protocol: str) -> None:
        """See `channels.Network`."""
        del protocol
        self._rooms.pop(self._room, None)
