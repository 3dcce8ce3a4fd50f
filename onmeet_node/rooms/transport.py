"""How the calls of a room reach its people, who is at its door, and what is kept of it: nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import trio

from onmeet_node.calls.call import Call
from onmeet_node.net.channels.channels import Channels
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.wire.messages import CallMessage, Card, Hello

FIND_SECONDS = 20.0
"""For a channel that a call lost to be open again."""
MAX_STRANGERS = 48
"""Channels of people who are not in: they knock, or are sent away."""


class Hall(Protocol):
    """The part of `conference.Conference` that its calls need."""

    @property
    def id(self) -> bytes:
        """Of the room."""
        ...

    @property
    def me(self) -> bytes:
        """Our key there."""
        ...

    async def changed(self) -> None:
        """Returns when something may be different."""
        ...

    def name_of(self, key: bytes) -> str:
        """How a participant is shown."""
        ...

    def call_ended(self, call: Call) -> None:
        """A call with a participant is over."""
        ...


class RoomTransport:
    """A `CallTransport` over the channels of one room."""

    def __init__(self, hall: Hall, channels: Channels) -> None:
        self._hall = hall
        self._channels = channels

    async def find(self, peer: Identity, found: Callable[[Device], None]) -> None:
        """See `CallTransport`: waits until a channel is open, as the room opens it."""
        with trio.move_on_after(FIND_SECONDS):
            while not (devices := self._channels.devices(peer)):
                await self._hall.changed()
            for device in devices:
                found(device)

    def send(self, peer: Identity, device: Device, message: CallMessage) -> bool:
        """See `CallTransport`."""
        return self._channels.send(peer, device, message)

    def early_media(self, peer: Identity) -> bool:
        """Both are let in: the offer goes with the invite."""
        del peer
        return True

    def keep(self, peer: Identity) -> AbstractContextManager[None]:
        """See `CallTransport`."""
        return self._channels.keep(peer)

    def binding(self, peer: Identity) -> bytes:
        """See `CallTransport`: the room and both keys."""
        return self._hall.id + b"".join(sorted((self._hall.me, peer)))

    def alone(self) -> bool:
        """See `CallTransport`."""
        return False


class RoomLedger:
    """A `CallLedger` that writes nothing down."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    def name_of(self, peer: Identity) -> str:
        """See `CallLedger`."""
        return self._hall.name_of(peer)

    def busy(self) -> Busy:
        """See `CallLedger`: nobody is busy in a room."""
        return Busy.TELL

    def silent_for(self, peer: Identity) -> float | None:
        """See `CallLedger`: nobody is heard of before they come."""
        del peer
        return None

    def call_ended(self, call: Call, *, leave_note: bool) -> None:
        """See `CallLedger`."""
        del leave_note
        self._hall.call_ended(call)


class RoomDoorkeeper:
    """A `channels.Doorkeeper`: whoever has a key comes as far as the machine, which decides."""

    def __init__(self, room: Room, card: Callable[[], Card]) -> None:
        """`card`: as anybody sees it."""
        self._room = room
        self._card = card
        self.channels: Channels | None = None

    def greet(self, identity: Identity, opening_hash: bytes) -> Hello:
        """See `channels.Doorkeeper`."""
        del identity, opening_hash
        return Hello(card=self._card())

    def admit(self, identity: Identity, hello: Hello, opening_hash: bytes) -> Hello | None:
        """See `channels.Doorkeeper`."""
        del hello
        known = self._room.seated(identity)
        if self._room.over is not None or self._room.roster is None:
            return None
        crowded = self.channels is not None and len(self.channels) > MAX_STRANGERS
        return self.greet(identity, opening_hash) if known or not crowded else None
