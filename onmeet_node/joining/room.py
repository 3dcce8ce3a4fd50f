"""A room as a guest without a browser sees it: for bots, tests and ``onmeet join``.

The guest page does the same in `ui/src/guest/room`. A guest has no node: its channels are
carried by its line to the door, by whoever is host, or beside the media.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from onmeet_node.calls.call import Call
from onmeet_node.contacts.acquaintances import Known, Tie
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.media.endpoint import IceServer, MediaEndpoint, MediaSession, SessionConfig
from onmeet_node.media.errors import MediaError
from onmeet_node.net.channels.carried_streams import GUEST, CarriedStream, CarriedStreams
from onmeet_node.net.channels.channels import Channels, open_channels
from onmeet_node.net.errors import PeerUnreachable, StreamRefused
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.process.faults import alone
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key, succession
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import Card, Kind, Message
from onmeet_node.protocol.wire.room import Seat
from onmeet_node.protocol.wire.turn import LentTurnServer
from onmeet_node.rooms.conference import Conference, RoomOptions
from onmeet_node.rooms.guests import NUMBER_BYTES
from onmeet_node.rooms.transport import RoomDoorkeeper

LENT_SECONDS = 3.0
"""For the host to lend TURN credentials, before calls begin without."""

SayOnLine = Callable[[bytes], Awaitable[None]]
"""Sends one frame in a `Carry` on the line to the door. Raises `trio.BrokenResourceError`."""


class NoNetwork:
    """A `channels.Network` of somebody who has none."""

    peer_id = GUEST

    def connected(self, peer: str) -> bool:
        """See `channels.Network`."""
        del peer
        return False

    async def connect(self, addresses: Sequence[str]) -> str:
        """See `channels.Network`; a guest's channels are opened by `CarriedGuestChannels`."""
        raise PeerUnreachable(str(addresses[:1]))

    async def open_stream(self, peer: str, protocol: str) -> Stream:
        """See `connect`."""
        raise StreamRefused(peer, protocol, "a guest has no libp2p")

    def suspect(self, peer: str) -> None:
        """See `channels.Network`."""

    async def verify(self, peer: str) -> None:
        """See `channels.Network`."""

    def on_direct(self, notify: Callable[[str], None]) -> Callable[[], None]:
        """See `channels.Network`."""
        del notify
        return lambda: None

    def handle(self, protocol: str, handler: Any) -> None:
        """See `channels.Network`."""

    def stop_handling(self, protocol: str) -> None:
        """See `channels.Network`."""


class NoContacts:
    """A `AddressBookView` of somebody who knows nobody."""

    def __init__(self, name: str) -> None:
        self._card = Card(name=name)

    def known(self) -> Mapping[Identity, Tie]:
        """See `AddressBookView`."""
        return {}

    def get(self, peer: Identity) -> Known | None:
        """See `AddressBookView`."""
        del peer
        return None

    def card(self, peer: Identity | None) -> Card:
        """See `AddressBookView`."""
        del peer
        return self._card


class GuestMediaSetup:
    """Where a guest's calls get their media: a `caller` studio with borrowed TURN servers."""

    def __init__(self, endpoint: MediaEndpoint) -> None:
        self._endpoint = endpoint
        self.servers: tuple[LentTurnServer, ...] = ()

    async def endpoint(self, call: Call) -> MediaEndpoint:
        """See `NodeMediaSetup`."""
        del call
        await trio.lowlevel.checkpoint()
        return self._endpoint

    async def session(self, call: Call, kinds: frozenset[Kind]) -> SessionConfig:
        """See `NodeMediaSetup`."""
        await trio.lowlevel.checkpoint()
        wish = call.wish
        return SessionConfig(
            kinds=kinds,
            ice_servers=tuple(IceServer(s.url, s.username, s.credential) for s in self.servers),
            relay_only=wish.relay_only,
            source=wish.source,
            record=wish.record,
            call=call.id,
            room=wish.room,
            carry=wish.carry,
        )

    def region_of(self, url: str) -> str | None:
        """See `NodeMediaSetup`."""
        del url
        return None


class CarriedGuestChannels:
    """How a guest's channels are carried: a `conference.Frames`."""

    def __init__(
        self, room: Room, channels: Channels, nursery: trio.Nursery, door: Key, line: SayOnLine
    ) -> None:
        """`door`: whose door the line leads to."""
        self._room = room
        self._channels = channels
        self._door = door
        self._line = line
        self._doors: list[CarriedStream] = []
        self._here = Device(f"room:{room.id.hex()}")
        self._pipes = CarriedStreams(
            lambda stream: nursery.start_soon(alone, "participant", self._accept, stream)
        )
        self._numbers: Counter[Key] = Counter()
        self._beside: dict[Key, MediaSession] = {}
        self._opening: set[Key] = set()

    def is_guest(self, key: bytes) -> bool:
        """See `Frames`: a guest's frames travel beside the media of all its calls."""
        del key
        return True

    def may_enter(self, key: bytes) -> bool:
        """See `Frames`."""
        del key
        return False

    def roster_changed(self) -> None:
        """See `Frames`."""
        for key in self._pipes.known():
            if not self._room.seated(key):
                self._pipes.forget(key)

    def way_lost(self, way: object) -> None:
        """See `Frames`."""
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
        """See `Frames`: an answer to us, or another guest who opens a channel to us."""
        key = Key(message.key)
        if message.onward or not self._room.seated(sender) or not self._room.seated(key):
            return  # a guest passes nothing on
        carry = partial(self._carry_through, sender, key, message.pipe)
        self._take(key, message.pipe, message.data, sender, carry)

    def watch(self, call: Call) -> None:
        """See `Frames`."""
        call.on_frame = partial(self._came_beside, Key(call.peer))

    def _came_beside(self, key: Key, session: MediaSession, data: bytes) -> None:
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


class GuestConference(Conference):
    """A room that we came into by a link."""

    def __init__(
        self,
        room: Room,
        presence: RoomOptions,
        channels: Channels,
        studio: GuestMediaSetup,
        hub: Hub[NodeEvent],
        nursery: trio.Nursery,
        *,
        frames: CarriedGuestChannels,
    ) -> None:
        super().__init__(
            room,
            presence,
            channels,
            studio,
            hub,
            nursery,
            circle=NoContacts(presence.name),
            guests=frames,
            on_change=lambda: None,
        )
        self.frames = frames
        self._borrowed = studio
        self._lent = trio.Event()

    async def _open_channel(self, seat: Seat) -> None:
        await self.frames.open(seat, self.call_with(seat.key))

    def _ring(self, key: Key) -> None:
        self._begin(self._ring_when_lent, key)

    async def _ring_when_lent(self, key: Key) -> None:
        with trio.move_on_after(LENT_SECONDS):
            await self._lent.wait()
        if self.room.seated(key):
            super()._ring(key)

    def _hear(self, key: Key, message: Message) -> None:
        if isinstance(message, w.Lent):
            self._borrowed.servers = message.servers
            self._lent.set()
        else:
            super()._hear(key, message)


@asynccontextmanager
async def open_guest_conference(
    room: bytes,
    host: bytes,
    presence: RoomOptions,
    *,
    line: SayOnLine,
    endpoint: MediaEndpoint,
    hub: Hub[NodeEvent],
) -> AsyncIterator[GuestConference]:
    """A room by a link while the block lasts. Whoever opened the line gives what it carries to
    `frames.carried`.
    """
    key = IdentityKey.from_seed(secrets.token_bytes(32))
    knock = w.RoomKnock(room=room, name=presence.name, video=Kind.VIDEO in presence.kinds)
    door = Seat(key=host, order=0)
    machine, effects = Room.join(key, door, knock, now=trio.current_time(), as_guest=True)
    doorkeeper = RoomDoorkeeper(machine, lambda: Card(name=presence.name))
    async with (
        open_channels(NoNetwork(), key, doorkeeper) as channels,
        trio.open_nursery() as nursery,
    ):
        doorkeeper.channels = channels
        frames = CarriedGuestChannels(machine, channels, nursery, Key(host), line)
        studio = GuestMediaSetup(endpoint)
        conference = GuestConference(
            machine, presence, channels, studio, hub, nursery, frames=frames
        )
        nursery.start_soon(conference.run)
        conference._perform(effects)
        try:
            yield conference
        finally:
            await conference.say_goodbye()
            nursery.cancel_scope.cancel()
