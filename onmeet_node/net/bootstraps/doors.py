"""Doors for guests, at the host: opened at a gateway, and the streams of those who come through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import trio

from onmeet_node.net.errors import (
    BootstrapRefused,
    RelayInterrupted,
    RelayUnavailable,
    StreamRefused,
    TokenRefused,
)
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.process.faults import contained
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire.bootstrap_api import Refused
from onmeet_node.protocol.wire.door import (
    DOOR_PROTOCOL,
    MAX_FRAME_BYTES,
    DoorOpened,
    OpenDoor,
    decode_answer,
    encode_request,
)
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.link import DOOR_ID_BYTES, GUEST_PROTOCOL, door_id

OPEN_SECONDS = 10.0
NAME_SECONDS = 10.0
"""For a gateway to say through which door a guest came."""
MAX_STREAMS = 96
"""Of guests through one gateway at once; the node has fewer visits (`guests.MAX_VISITS`)."""
BACKLOG = 32
_HEAD = 4 + DOOR_ID_BYTES

_WHY = {"busy": "it has no door to spare just now", "unavailable": "it lets no guests in"}


class HostDoor:
    """One open door."""

    def __init__(self, door: bytes, gateway: str) -> None:
        self.id = door
        self.gateway = gateway
        self.origin = ""
        self.gone = trio.Event()
        """Set when the gateway has closed it, or is lost."""
        self.arrive, self.guests = trio.open_memory_channel[GuestStream](BACKLOG)
        """`guests`: the stream of each guest, for as long as they are there."""

    def __repr__(self) -> str:
        return "<Door>"


class Abortable(Protocol):
    """A stream that can be reset: libp2p's (`net.libp2p.streams.Stream`), or a pipe in this process
    (`embedded.gateway`).
    """

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`."""
        ...

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        ...

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream`."""
        ...

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`."""
        ...

    def abort(self) -> None:
        """Resets it at once."""
        ...


class GuestStream(trio.abc.Stream):
    """A guest's stream after the door's id; `done` is set when the host has finished with it."""

    def __init__(self, stream: Abortable) -> None:
        self._stream = stream
        self.done = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream`."""
        return await self._stream.receive_some(max_bytes)

    def abort(self) -> None:
        """Resets the stream at once."""
        self._stream.abort()
        self.done.set()

    async def aclose(self) -> None:
        """Ends the stream in order."""
        try:
            await self._stream.aclose()
        finally:
            self.done.set()


class HostDoors:
    """All doors of this host."""

    def __init__(
        self, host: Host, *, token_for: Callable[[str], bytes | None] = lambda _: None
    ) -> None:
        """`token_for` gives what opens a door at this gateway, where that costs something."""
        self._host = host
        self._token_for = token_for
        self._unspent: dict[str, bytes] = {}
        """By gateway: a token that went with a question that nobody answered."""
        self._open: dict[bytes, HostDoor] = {}
        host.handle(GUEST_PROTOCOL, self._serve, limit=MAX_STREAMS)

    @asynccontextmanager
    async def open(self, gateway: str, secret: bytes) -> AsyncIterator[HostDoor]:
        """A door at this gateway (its PeerId) while the block lasts, or until `HostDoor.gone`.

        Raises BootstrapRefused if it says that it is no gateway, RelayUnavailable, TokenRefused,
        and PeerUnreachable.
        """
        door = HostDoor(door_id(secret), gateway)
        if door.id in self._open:
            raise RelayUnavailable("that door is open already")
        try:
            stream = await self._host.open_stream(gateway, DOOR_PROTOCOL)
        except StreamRefused as error:
            if error.unknown:
                raise BootstrapRefused("it lets no guests in") from error
            raise RelayInterrupted("it opened no stream for a door") from error
        # Guests may come before we have read that it is open.
        self._open[door.id] = door
        try:
            with trio.move_on_after(OPEN_SECONDS) as limit:
                door.origin = await self._paid(stream, secret)
            if limit.cancelled_caught:
                raise RelayUnavailable("it does not answer")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, stream, door)
                yield door
                nursery.cancel_scope.cancel()
        finally:
            del self._open[door.id]
            door.gone.set()
            door.arrive.close()
            stream.abort()

    async def _paid(self, stream: Stream, secret: bytes) -> str:
        """Opens it, with a token if that is what it costs; the origin of its links."""
        gateway = stream.peer_id
        token = self._unspent.pop(gateway, None) or self._token_for(gateway)
        try:
            return await self._ask(stream, secret, token)
        except TokenRefused:
            raise
        except BaseException:
            if token is not None:
                self._unspent[gateway] = token
            raise

    async def _ask(self, stream: Stream, secret: bytes, token: bytes | None) -> str:
        decoder = FrameDecoder(MAX_FRAME_BYTES)
        try:
            await stream.send_all(
                encode_frame(encode_request(OpenDoor(secret=secret, token=token)))
            )
            while data := await stream.receive_some():
                for frame in decoder.feed(data):
                    match decode_answer(frame):
                        case DoorOpened(origin=origin):
                            return origin
                        case Refused(reason=reason) if reason.startswith("token-"):
                            raise TokenRefused(reason)
                        case Refused(reason=reason):
                            raise RelayUnavailable(_WHY.get(reason, "it refused a door"))
                        case _:
                            raise BootstrapRefused("it does not say what it was asked")
        except RemoteProtocolError as error:
            raise BootstrapRefused("it does not speak our protocol") from error
        except trio.BrokenResourceError:
            raise RelayInterrupted("it closed the request") from None
        raise RelayInterrupted("it closed the request")

    async def _watch(self, stream: Stream, door: HostDoor) -> None:
        with (
            contained("door"),
            suppress(trio.BrokenResourceError, trio.ClosedResourceError),
        ):
            while await stream.receive_some():
                pass  # it has nothing more to say
        door.gone.set()

    async def _serve(self, stream: Stream) -> None:
        head = b""
        with trio.move_on_after(NAME_SECONDS):
            while len(head) < _HEAD:
                data = await stream.receive_some(_HEAD - len(head))
                if not data:
                    return
                head += data
        door = self._open.get(head[4:])
        if head[:4] != DOOR_ID_BYTES.to_bytes(4, "big") or door is None:
            return
        if door.gateway != stream.peer_id:
            return  # only the gateway where we opened it brings guests
        guest = GuestStream(stream)
        try:
            # Driven by guests, of this one door: too many at once, and the newest is turned away.
            door.arrive.send_nowait(guest)
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            return
        await guest.done.wait()
