"""The doors that are open, and how much may go through them. In memory alone."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from onmeet_bootstrap.errors import Exhausted, TokenNotTaken
from onmeet_bootstrap.limits import Caps, Quota
from onmeet_node.net.bootstraps.doors import Abortable
from onmeet_node.net.errors import NetError
from onmeet_node.net.libp2p.open_host import Host
from onmeet_node.net.libp2p.remote_address import prefix_of
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.protocol.errors import RemoteProtocolError
from onmeet_node.protocol.wire.bootstrap_api import Refused
from onmeet_node.protocol.wire.door import (
    DOOR_PROTOCOL,
    MAX_FRAME_BYTES,
    DoorOpened,
    OpenDoor,
    decode_request,
    encode_answer,
)
from onmeet_node.protocol.wire.frames import FrameDecoder, encode_frame
from onmeet_node.protocol.wire.link import GUEST_PROTOCOL, door_id

if TYPE_CHECKING:
    from onmeet_bootstrap.tokens.redeeming import Redeemer

ASK_SECONDS = 10.0
"""For a host to say which door it wants, once its stream is open."""
OPEN_SECONDS = 10.0
"""For a host to take the stream of a guest."""
PAID_SECONDS = 24 * 3600.0
"""That a token keeps a door open, where doors cost any; its host then opens it anew."""
LAST_WORDS_SECONDS = 1.0
"""For the end of a guest's stream to be written."""


@attrs.frozen
class DoorLimits:
    """How many doors there may be."""

    total: int = 2_048
    per_network: int = 256
    per_node: int = 16


class NoSuchDoor(Exception):
    """No open door has this id."""


class _Door:
    """One open door: whose it is, and who is in it."""

    def __init__(self, host_peer: str) -> None:
        self.host_peer = host_peer
        self.guests = 0
        self.gone = trio.Event()


@attrs.define
class Passage:
    """A guest's way to the host."""

    stream: Abortable
    gone: trio.Event
    """Set when the door is gone."""
    count: int = 0
    """Bytes that passed, both ways."""


class Book(Protocol):
    """What a gateway needs of doors; `Doors` is a bootstrap's, a node has its own."""

    def __len__(self) -> int: ...

    def enter(self, name: bytes) -> contextlib.AbstractAsyncContextManager[Passage]:
        """The way to the host behind a door. Raises `NoSuchDoor` and `Exhausted`."""
        ...


class Doors:
    """Serves `/onmeet/door/1`, and finds the host behind a door."""

    def __init__(
        self,
        host: Host,
        origin: Callable[[], str],
        limits: DoorLimits,
        *,
        address_of: Callable[[Stream], str | None],
        guests_per_door: int,
        redeemer: Redeemer | None = None,
        paid_seconds: float = PAID_SECONDS,
    ) -> None:
        """`redeemer`: what takes tokens, if doors cost any; each pays `paid_seconds`."""
        self._host = host
        self._origin = origin
        self._address_of = address_of
        self._guests_per_door = guests_per_door
        self._redeemer = redeemer if redeemer is not None and redeemer.doors else None
        self._paid_seconds = paid_seconds if self._redeemer is not None else math.inf
        self._quota = Quota(Caps(limits.total, limits.per_network, limits.per_node), "doors")
        self._open: dict[bytes, _Door] = {}
        self.on_closed: Callable[[str], None] = lambda _host: None
        self.on_guest_left: Callable[[str, int], None] = lambda _host, _bytes: None
        host.handle(DOOR_PROTOCOL, self._serve, limit=limits.per_node)

    def __len__(self) -> int:
        return len(self._open)

    def held_by(self, peer: str) -> int:
        """How many doors this node has open."""
        return self._quota.held_by(peer)

    # ── hosts ───────────────────────────────────────────────────────────────────────────────────
    async def _serve(self, stream: Stream) -> None:
        """One door, from its opening to the end of its host's stream."""
        with contextlib.suppress(RemoteProtocolError, trio.BrokenResourceError):
            asked = None
            with trio.move_on_after(ASK_SECONDS):
                asked = await self._asked(stream)
            if asked is None:
                return
            door, token = door_id(asked.secret), asked.token
            del asked
            prefix = prefix_of(self._address_of(stream))
            try:
                with self._quota.holding(stream.peer_id, prefix):
                    if self._redeemer is not None:
                        self._redeemer.pay_door(token)
                    del token
                    with trio.move_on_after(self._paid_seconds):
                        await self._keep(stream, door)
                self.on_closed(stream.peer_id)
            except Exhausted as error:
                await _say(stream, Refused("busy", str(error)[:200]))
            except TokenNotTaken as error:
                await _say(stream, Refused(error.reason, str(error)[:200]))

    async def _asked(self, stream: Stream) -> OpenDoor | None:
        decoder = FrameDecoder(MAX_FRAME_BYTES)
        while data := await stream.receive_some():
            for frame in decoder.feed(data):
                request = decode_request(frame)
                if isinstance(request, OpenDoor):
                    return request
                await _say(stream, Refused("unsupported", "Doors are opened here, nothing else."))
                return None
        return None

    async def _keep(self, stream: Stream, name: bytes) -> None:
        if name in self._open:
            # A host that came back before we noticed that it had gone: its old door goes first.
            if self._open[name].host_peer != stream.peer_id:
                self._open[name].gone.set()
            else:
                raise Exhausted("That door is open.")
        door = self._open[name] = _Door(stream.peer_id)
        try:
            await _say(stream, DoorOpened(origin=self._origin()))
            async with trio.open_nursery() as nursery:

                async def until_gone() -> None:
                    await door.gone.wait()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(until_gone)
                with contextlib.suppress(trio.BrokenResourceError):
                    while await stream.receive_some():
                        pass  # it has nothing more to say
                nursery.cancel_scope.cancel()
        finally:
            door.gone.set()
            self._forget(name, door)

    def _forget(self, name: bytes, door: _Door) -> None:
        if self._open.get(name) is door:
            del self._open[name]

    # ── guests ──────────────────────────────────────────────────────────────────────────────────
    @contextlib.asynccontextmanager
    async def enter(self, name: bytes) -> AsyncIterator[Passage]:
        """The way to the host behind a door.

        Raises `NoSuchDoor`, and `Exhausted` when the door is full.
        """
        door = self._open.get(name)
        if door is None:
            raise NoSuchDoor
        if door.guests >= self._guests_per_door:
            raise Exhausted("As many guests as may be are at that door.")
        door.guests += 1
        stream: Stream | None = None
        try:
            with trio.move_on_after(OPEN_SECONDS):
                try:
                    stream = await self._host.open_stream(door.host_peer, GUEST_PROTOCOL)
                    await stream.send_all(encode_frame(name))
                except (NetError, trio.BrokenResourceError):
                    stream = None
            if stream is None:
                raise NoSuchDoor
            passage = Passage(stream, door.gone)
            try:
                yield passage
            finally:
                self.on_guest_left(door.host_peer, passage.count)
        finally:
            door.guests -= 1
            if stream is not None:
                # In order: a reset would overtake what the guest said last.
                with trio.move_on_after(LAST_WORDS_SECONDS, shield=True):
                    await stream.aclose()
                stream.abort()


async def _say(stream: Stream, answer: DoorOpened | Refused) -> None:
    await stream.send_all(encode_frame(encode_answer(answer)))
