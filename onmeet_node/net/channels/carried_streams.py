"""Streams made of frames that something else carries: a line to a door, another's channel, or a
data channel beside the media (PROTOCOL, "Guests in rooms").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.room import MAX_CARRIED_BYTES

GUEST = "guest"
"""What a guest is called where a node has its PeerId."""
MAX_WAITING = 64
"""Frames come but not read; past it the stream ends. A sealed channel reads all the time."""
MAX_PIPES = 3
"""Of one guest at once: the one in use, one that takes its place, and one that failed."""

Carry = Callable[[bytes], Awaitable[None]]
"""Carries one frame to the other end. Raises `trio.BrokenResourceError` when it cannot."""


class CarriedStream(trio.abc.Stream):
    """A stream for `net.channels.channel` over whole frames."""

    def __init__(self, carry: Carry) -> None:
        self._carry = carry
        self._decoder = FrameDecoder()
        self._come, self._waiting = trio.open_memory_channel[bytes](MAX_WAITING)

    def feed(self, frame: bytes) -> None:
        """A frame has come. Never waits."""
        try:
            # Driven by a guest: past MAX_WAITING its own stream ends, as where a line breaks.
            self._come.send_nowait(encode_frame(frame))
        except trio.WouldBlock:
            self.end()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # nobody reads it any more

    def end(self) -> None:
        """Nothing more will come."""
        self._come.close()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`."""
        for frame in self._decoder.feed(bytes(data)):
            if len(frame) > MAX_CARRIED_BYTES:
                raise trio.BrokenResourceError("a frame is too long to be carried")
            await self._carry(frame)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream`; gives whole frames, whatever `max_bytes`."""
        del max_bytes
        try:
            return await self._waiting.receive()
        except trio.EndOfChannel:
            return b""

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`."""
        self.end()
        self._waiting.close()
        await trio.lowlevel.checkpoint()


class CarriedStreams:
    """The numbered attempts of each guest to open a channel with us, by whatever way."""

    def __init__(self, serve: Callable[[CarriedStream], None]) -> None:
        """`serve` begins to speak over a new stream; it does not wait."""
        self._serve = serve
        self._streams: dict[bytes, dict[int, CarriedStream]] = {}
        self._ways: dict[CarriedStream, object] = {}

    def begin(self, guest: bytes, number: int, way: object, carry: Carry) -> CarriedStream:
        """A stream for an attempt of our own."""
        streams = self._streams.setdefault(guest, {})
        stream = streams[number] = CarriedStream(carry)
        self._ways[stream] = way
        while len(streams) > MAX_PIPES:
            self._drop(guest, min(streams))
        return stream

    def take(self, guest: bytes, number: int, frame: bytes, way: object, carry: Carry) -> None:
        """A frame of this guest. `way`: by which it came; `carry` goes back there."""
        streams = self._streams.setdefault(guest, {})
        stream = streams.get(number)
        if stream is None:
            if streams and number < max(streams):
                return  # late: of an attempt that was given up
            stream = self.begin(guest, number, way, carry)
            self._serve(stream)
        elif self._ways[stream] != way:
            return
        stream.feed(frame)

    def lost(self, way: object) -> None:
        """Nothing more comes this way."""
        for stream, by in self._ways.items():
            if by == way:
                stream.end()

    def known(self) -> set[bytes]:
        """Guests of whom there are streams."""
        return set(self._streams)

    def forget(self, guest: bytes) -> None:
        """They are not in any more."""
        for number in list(self._streams.get(guest, ())):
            self._drop(guest, number)
        self._streams.pop(guest, None)

    def _drop(self, guest: bytes, number: int) -> None:
        stream = self._streams[guest].pop(number)
        del self._ways[stream]
        stream.end()
