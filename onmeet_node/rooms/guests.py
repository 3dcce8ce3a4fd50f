"""A room's guests at a node: they come in by a line to a door, and speak with everybody through
whoever carries their frames (PROTOCOL, "Guests in rooms").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from onmeet_node.calls.call import Call
from onmeet_node.guests.doorway import RoomDoorway
from onmeet_node.media.endpoint import MediaSession
from onmeet_node.media.errors import MediaError
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.net.channels.carried_streams import GUEST, CarriedStream, CarriedStreams
from onmeet_node.net.channels.channel import Channel
from onmeet_node.net.channels.channels import Channels
from onmeet_node.net.errors import ChannelEnded
from onmeet_node.process.faults import alone, contained
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key, seat_of
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import Message
from onmeet_node.protocol.wire.turn import MAX_SERVERS
from onmeet_node.protocol.wire.turn import LentTurnServer as LentServer

LEND_SECONDS = 3.0
"""For the bootstrap to lend TURN credentials of the guest's own."""
LAST_WORDS_SECONDS = 2.0
"""For a guest who is sent out to be told."""
NUMBER_BYTES = 4
"""Before each frame beside the media: of the guest's attempt, big-endian."""


class RoomGuests:
    """The guests of one room, as one of its nodes serves them."""

    def __init__(
        self,
        room: Room,
        channels: Channels,
        nursery: trio.Nursery,
        *,
        lend: Callable[[], Awaitable[tuple[TurnServer, ...]]],
    ) -> None:
        self._room = room
        self._channels = channels
        self._nursery = nursery
        self._lend = lend
        self._pipes = CarriedStreams(lambda stream: nursery.start_soon(self._accept, stream))
        self._lent: set[Key] = set()
        self._free: set[Key] = set()
        self._going: set[Key] = set()
        """Who are in no more, and may not have heard so yet."""
        self._here = Device(f"room:{room.id.hex()}")

    def is_guest(self, key: bytes) -> bool:
        """See `GuestChannels`: a guest, also one who is in no more and is to hear just that."""
        return self._seated(key) or key in self._pipes.known()

    def _seated(self, key: bytes) -> bool:
        """Whether this seat is a guest's."""
        roster = self._room.roster
        seat = seat_of(roster, key) if roster is not None else None
        return seat is not None and seat.role is w.Role.GUEST

    def _serves(self, key: Key) -> bool:
        """Whether frames of this key's channel are for us: a guest's, or of one who is to hear that
        they were sent out.
        """
        return self._seated(key) or (key in self._going and self._room.welcome(key))

    def may_enter(self, key: bytes) -> bool:
        """Whether their link lets them in without a word of anybody."""
        return Key(key) in self._free

    async def open(self, seat: w.Seat, call: Call | None) -> None:
        """Opens a channel to a node's seat. Raises `NetError` and `trio.BrokenResourceError`."""
        del call  # its media carries guests' frames alone
        await self._channels.open(Identity(seat.key), Device(seat.device), seat.addresses)

    def lent(self, message: w.Lent) -> None:
        """A node has TURN servers of its own."""

    def enter(self, line: Channel, *, knock: bool) -> RoomDoorway:
        """Begins to serve a guest who came through a door of ours. `knock`: somebody must let
        them in.
        """

        async def carry(frame: bytes) -> None:
            try:
                line.send(m.Carry(data=frame))
            except ChannelEnded as error:
                raise trio.BrokenResourceError from error
            await trio.lowlevel.checkpoint()

        stream = CarriedStream(carry)
        doorway = RoomDoorway(self._room, stream)

        async def speak() -> None:
            with contained("guest"):
                channel = await self._channels.accept(stream, Device(GUEST), self._here)
                if channel is not None:
                    doorway.key = Key(channel.identity)
                    if not knock:
                        self._free.add(doorway.key)
                    await channel.over.wait()
            line.close("room")

        self._nursery.start_soon(speak)
        return doorway

    async def _accept(self, stream: CarriedStream) -> None:
        opened = None
        with contained("guest"):
            opened = await self._channels.accept(stream, Device(GUEST), self._here)
        if opened is None:
            await stream.aclose()

    # ── frames that others carry ────────────────────────────────────────────────────────────────
    def piped(self, sender: Key, message: w.Pipe) -> None:
        """A frame of a guest's channel: for us, or to be passed on between two seats."""
        key = Key(message.key)
        if not self._room.seated(sender):
            return
        if message.onward:
            if not self._room.seated(key):
                return
            if key != self._room.me and (self._seated(sender) or self._seated(key)):
                self._send(key, w.Pipe(key=sender, pipe=message.pipe, data=message.data))
        elif self._serves(key) and not self._seated(sender):
            number = message.pipe

            async def carry(frame: bytes) -> None:
                onward = w.Pipe(key=key, onward=True, pipe=number, data=frame)
                if not self._send(sender, onward):
                    raise trio.BrokenResourceError
                await trio.lowlevel.checkpoint()

            self._pipes.take(key, number, message.data, sender, carry)

    def _send(self, key: Key, message: Message) -> bool:
        devices = self._channels.devices(Identity(key))
        return bool(devices) and self._channels.send(Identity(key), devices[0], message)

    def beside(self, key: Key, session: MediaSession, data: bytes) -> None:
        """A frame of a guest's channel that came beside the media of the call with them."""
        head, frame = data[:NUMBER_BYTES], data[NUMBER_BYTES:]
        if not frame or not self._serves(key):
            return

        async def carry(answer: bytes) -> None:
            try:
                await session.carry(head + answer)
            except MediaError as error:
                raise trio.BrokenResourceError from error

        self._pipes.take(key, int.from_bytes(head, "big"), frame, session, carry)

    def way_lost(self, way: object) -> None:
        """A channel that carried (its key), or a media session, is gone."""
        self._pipes.lost(way)

    # ── who comes and goes ──────────────────────────────────────────────────────────────────────
    def roster_changed(self) -> None:
        """Lends TURN to guests who are new to us as their host; forgets those who went."""
        roster = self._room.roster
        assert roster is not None
        guests = {Key(seat.key) for seat in roster.seats if seat.role is w.Role.GUEST}
        self._lent &= guests
        for key in map(Key, self._pipes.known() - guests - self._going):
            self._going.add(key)
            self._nursery.start_soon(alone, "guest", self._let_go, key)
        if not self._room.is_host:
            self._lent.clear()
            return
        for key in guests - self._lent:
            if self._channels.devices(Identity(key)):
                self._lent.add(key)
                self._nursery.start_soon(alone, "guest", self._lend_to, key)

    async def _let_go(self, key: Key) -> None:
        """Of somebody who is not in any more: they hear so before their streams end."""
        await trio.sleep(LAST_WORDS_SECONDS)
        if not self._seated(key):
            self._pipes.forget(key)
        self._going.discard(key)

    async def _lend_to(self, key: Key) -> None:
        servers: tuple[TurnServer, ...] = ()
        with trio.move_on_after(LEND_SECONDS):
            servers = await self._lend()
        lent = tuple(
            LentServer(url=s.url, username=s.username, credential=s.credential)
            for s in servers[:MAX_SERVERS]
        )
        self._send(key, w.Lent(servers=lent))
