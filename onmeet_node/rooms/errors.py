"""What the rooms of a node refuse. What one room refuses: `protocol.room.errors`."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError


class NoSuchRoom(OnMeetError):
    """No single room, or invitation into one, is meant."""


class BadRoomCode(OnMeetError):
    """That is no room code."""
