"""How the calls of a room reach its people, who is at its door, and what is kept of it: nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import trio

from onmeet_node.calls.call import Call
from onmeet_node.net.channels.channels import Channels
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.wire.messages import CallMessage, Card, Hello
from onmeet_node.protocol.wire.vocabulary import UNTOLD
from onmeet_node.rooms.changes import ChangeSignal
from onmeet_node.rooms.participants import Participants

FIND_SECONDS = 20.0
"""For a channel that a call lost to be open again."""
MAX_STRANGERS = 48
"""Channels of people who are not in: they knock, or are sent away."""


class RoomTransport:
    """A `CallTransport` over the channels of one room."""

    def __init__(self, room: Room, channels: Channels, changes: ChangeSignal) -> None:
        self._room = room
        self._channels = channels
        self._changes = changes

    async def find(
        self,
        peer: Identity,
        found: Callable[[Device], None],
        *,
        unanswered: Callable[[], bool] = lambda: False,
    ) -> None:
        """See `CallTransport`: waits until a channel is open, as the room opens it."""
        del unanswered
        with trio.move_on_after(FIND_SECONDS):
            while not (devices := self._channels.devices(peer)):
                await self._changes.wait()
            for device in devices:
                found(device)

    def send(self, peer: Identity, device: Device, message: CallMessage) -> bool:
        """See `CallTransport`."""
        return self._channels.send(peer, device, message)

    def capabilities(self, peer: Identity, device: Device) -> frozenset[str] | None:
        """See `CallTransport`: in rooms nobody names any."""
        del peer, device
        return UNTOLD

    def early_media(self, peer: Identity) -> bool:
        """Both are let in: the offer goes with the invite."""
        del peer
        return True

    def keep(self, peer: Identity) -> AbstractContextManager[None]:
        """See `CallTransport`."""
        return self._channels.keep(peer)

    def binding(self, peer: Identity) -> bytes:
        """See `CallTransport`: the room and both keys."""
        return self._room.id + b"".join(sorted((self._room.me, peer)))

    def alone(self) -> bool:
        """See `CallTransport`."""
        return False


class RoomLedger:
    """A `CallLedger` that writes nothing down."""

    def __init__(self, participants: Participants, ended: Callable[[Call], None]) -> None:
        """`ended` is told of each call with a participant that is over."""
        self._participants = participants
        self._ended = ended

    def name_of(self, peer: Identity) -> str:
        """See `CallLedger`."""
        return self._participants.name_of(peer)

    def busy(self) -> Busy:
        """See `CallLedger`: nobody is busy in a room."""
        return Busy.TELL

    def silent_for(self, peer: Identity) -> float | None:
        """See `CallLedger`: nobody is heard of before they come."""
        del peer
        return None

    def asks_to_compare(self, peer: Identity) -> bool:
        """See `CallLedger`: a room has a string of its own."""
        del peer
        return False

    def string_agreed(self, peer: Identity) -> None:
        """See `CallLedger`: room keys are nobody's for longer than the room."""
        del peer

    def call_ended(self, call: Call, *, leave_note: bool) -> None:
        """See `CallLedger`."""
        del leave_note
        self._ended(call)


class RoomDoorkeeper:
    """A `channels.Doorkeeper`: whoever has a key comes as far as the machine, which decides."""

    def __init__(
        self, room: Room, *, card: Callable[[], Card], channels_open: Callable[[], int]
    ) -> None:
        """`card`: as anybody sees it. `channels_open`: how many there are in this room."""
        self._room = room
        self._card = card
        self._channels_open = channels_open

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
        crowded = self._channels_open() > MAX_STRANGERS
        return self.greet(identity, opening_hash) if known or not crowded else None
