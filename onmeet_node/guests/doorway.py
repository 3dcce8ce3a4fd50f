"""A room behind a door of ours, and a guest's way into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onmeet_node.net.channels.carried_streams import CarriedStream
from onmeet_node.net.channels.channel import Channel
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key


class RoomDoorway:
    """One guest on the way through a door of ours into the room."""

    def __init__(self, room: Room, stream: CarriedStream) -> None:
        self._room = room
        self._stream = stream
        self.key: Key | None = None
        """Theirs in the room, once it is proven."""

    @property
    def inside(self) -> bool:
        """Whether they were let in."""
        return self.key is not None and self._room.seated(self.key)

    def feed(self, frame: bytes) -> None:
        """What the line carried."""
        self._stream.feed(frame)

    def end(self) -> None:
        """The line has ended."""
        self._stream.end()


@dataclass(frozen=True, slots=True)
class RoomEntrance:
    """A room that a guest link leads into."""

    room: bytes
    host: bytes
    """Its host's key there, which is ours."""
    is_open: Callable[[], bool]
    """Whether the link leads there now: while we are the room's host."""
    all_knock: Callable[[], bool]
    """Whether everybody knocks there, whatever a link promises."""
    enter: Callable[[Channel, bool], RoomDoorway]
    """Begins to serve a guest who came through the link's door. True: somebody must let them in."""
