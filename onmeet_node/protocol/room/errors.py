"""What rooms refuse."""

from onmeet_node.errors import OnMeetError


class RoomError(OnMeetError):
    """A person asks a room for something that makes no sense now."""


class RoomFull(RoomError):
    """Nobody more fits into a mesh."""


class NotAllowed(RoomError):
    """Only a host or a co-host may do that."""


class NotInRoom(RoomError):
    """Nobody of that kind is in the room, or at its door."""


class BadRoster(OnMeetError):
    """A roster that no honest host signs."""
