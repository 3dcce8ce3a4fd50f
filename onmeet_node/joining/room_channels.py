"""How the channels of a guest without a browser are carried in a room.

A guest has no node: by its line to the door, by whoever is host, or beside the media.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import trio

from onmeet_node.calls.call import Call
from onmeet_node.media.endpoint import MediaSession
from onmeet_node.media.errors import MediaError
from onmeet_node.net.channels.carried_streams import GUEST, CarriedStream, CarriedStreams
from onmeet_node.net.channels.channels import Channels
from onmeet_node.process.faults import alone
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key, succession
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.room import Seat
from onmeet_node.protocol.wire.turn import LentTurnServer
from onmeet_node.rooms.guests import NUMBER_BYTES

SayOnLine = Callable[[bytes], Awaitable[None]]
"""Sends one frame in a `Carry` on the line to the door. Raises `trio.BrokenResourceError`."""


class CarriedGuestChannels:
    """A guest's `GuestChannels`."""

    def __init__(
        self,
        room: Room,
        channels: Channels,
        nursery: trio.Nursery,
        *,
        door: Key,
        line: SayOnLine,
        lend: Callable[[Sequence[LentTurnServer]], None],
    ) -> None:
        """`door`: whose door the line leads to. `lend` is given the TURN servers lent to us."""
        self._room = room
        self._channels = channels
        self._door = door
        self._line = line
        self._lend = lend
        self._doors: list[CarriedStream] = []
        self._here = Device(f"room:{room.id.hex()}")
        self._pipes = CarriedStreams(
            lambda stream: nursery.start_soon(alone, "participant", self._accept, stream)
        )
        self._numbers: Counter[Key] = Counter()
        self._beside: dict[Key, MediaSession] = {}
        self._opening: set[Key] = set()

    def is_guest(self, key: bytes) -> bool:
        """See `GuestChannels`: a guest's frames travel beside the media of all its calls."""
        del key
        return True

    def may_enter(self, key: bytes) -> bool:
        """See `GuestChannels`."""
        del key
        return False

    def lent(self, message: w.Lent) -> None:
        """See `GuestChannels`."""
        self._lend(message.servers)

    def roster_changed(self) -> None:
        """See `GuestChannels`."""
        for key in self._pipes.known():
            if not self._room.seated(key):
                self._pipes.forget(key)

    def way_lost(self, way: object) -> None:
        """See `GuestChannels`."""
        self._pipes.lost(way)
        self._beside = {k: session for k, session in self._beside.items() if session is not way}

    def line_lost(self) -> None:
        """The line to the door has ended."""
        for stream in self._doors:
            stream.end()
        self._doors.clear()

    def carried(self, frame: bytes) -> None:
        """What the line to the door carried."""
        for stream in self._doors[-1:]:
            stream.feed(frame)

    async def _accept(self, stream: CarriedStream) -> None:
        if await self._channels.accept(stream, Device(GUEST), self._here) is None:
            await stream.aclose()

    async def open(self, seat: Seat, call: Call | None) -> None:
        """Opens a channel to a seat, by whatever way there is, unless that is under way already.
        Raises `NetError` and `trio.BrokenResourceError`.
        """
        key = Key(seat.key)
        if key in self._opening:
            return
        self._opening.add(key)
        try:
            await self._open(key, call)
        finally:
            self._opening.discard(key)

    async def _open(self, key: Key, call: Call | None) -> None:
        session = call.session if call is not None else None
        if session is not None:
            stream = self._outgoing(key, session, partial(_carry_beside, session))
        elif key == self._door:
            stream = CarriedStream(self._line)
            self._doors.append(stream)
        else:
            via = self._carrier()
            stream = self._outgoing(key, via, partial(self._carry_through, via, key))
        try:
            await self._channels.open_over(stream, Identity(key), self._here, Device(GUEST))
        except BaseException:
            await stream.aclose()
            raise

    def _carrier(self) -> Key:
        """Who passes frames on: the host, or else the first in the order with whom we speak."""
        roster = self._room.roster
        order = succession(roster) if roster is not None else [self._door]
        return next((key for key in order if self._channels.devices(Identity(key))), order[0])

    def _outgoing(
        self, key: Key, way: object, carry: Callable[[int, bytes], Awaitable[None]]
    ) -> CarriedStream:
        self._numbers[key] += 1
        number = self._numbers[key]
        return self._pipes.begin(key, number, way, partial(carry, number))

    async def _carry_through(self, via: Key, key: Key, number: int, frame: bytes) -> None:
        devices = self._channels.devices(Identity(via))
        message = w.Pipe(key=key, onward=True, pipe=number, data=frame)
        if not devices or not self._channels.send(Identity(via), devices[0], message):
            raise trio.BrokenResourceError
        await trio.lowlevel.checkpoint()

    def piped(self, sender: Key, message: w.Pipe) -> None:
        """See `GuestChannels`: an answer to us, or another guest who opens a channel to us."""
        key = Key(message.key)
        if message.onward or not self._room.seated(sender) or not self._room.seated(key):
            return  # a guest passes nothing on
        carry = partial(self._carry_through, sender, key, message.pipe)
        self._take(key, message.pipe, message.data, sender, carry)

    def beside(self, key: Key, session: MediaSession, data: bytes) -> None:
        """See `GuestChannels`."""
        number, frame = int.from_bytes(data[:NUMBER_BYTES], "big"), data[NUMBER_BYTES:]
        if frame:
            self._take(key, number, frame, session, partial(_carry_beside, session, number))

    def _take(
        self, key: Key, number: int, frame: bytes, way: object, carry: Callable[[bytes], Any]
    ) -> None:
        self._numbers[key] = max(self._numbers[key], number)
        self._pipes.take(key, number, frame, way, carry)


async def _carry_beside(session: MediaSession, number: int, frame: bytes) -> None:
    try:
        await session.carry(number.to_bytes(NUMBER_BYTES, "big") + frame)
    except MediaError as error:
        raise trio.BrokenResourceError from error
