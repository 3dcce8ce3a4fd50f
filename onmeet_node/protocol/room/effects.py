"""What the room machine wants done, in this order. `rooms.py` does it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire.messages import Message
from onmeet_node.protocol.wire.room import RosterBody, Seat


class RoomEnd(enum.StrEnum):
    """Why a room is over for us."""

    LEFT = "left"
    ENDED = "ended"
    """The host ended it for all."""
    REMOVED = "removed"
    DENIED = "denied"
    FULL = "full"
    LOCKED = "locked"
    HOST_GONE = "host-gone"
    """The host went before it let us in."""
    NO_ANSWER = "no-answer"
    LOST = "lost"
    """A guest reached nobody any more who could carry the room on."""
    FAULT = "fault"
    """This program met an error of its own in this room."""


@dataclass(frozen=True, slots=True)
class SendInRoom:
    """Send over the channel to this key."""

    to: Key
    message: Message


@dataclass(frozen=True, slots=True)
class Open:
    """Open a channel to this seat; `opened` follows if that worked."""

    seat: Seat


@dataclass(frozen=True, slots=True)
class Close:
    """Close the channels with this key: they have no business with us."""

    key: Key


@dataclass(frozen=True, slots=True)
class RingMember:
    """Begin the call with this seat: the one who came later offers."""

    key: Key


@dataclass(frozen=True, slots=True)
class HangUpWith:
    """End the call with this key, who is no longer in."""

    key: Key


@dataclass(frozen=True, slots=True)
class RosterChanged:
    """Who is in, or what the room is like, changed."""

    roster: RosterBody


@dataclass(frozen=True, slots=True)
class StringReady:
    """Everybody in this roster has said their part of its authentication string: there is one."""

    roster: RosterBody


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """What is known of somebody changed: hand, reachability, or whom they see."""

    key: Key


@dataclass(frozen=True, slots=True)
class KnockCame:
    """Somebody asks to be let in, and we may decide."""

    key: Key
    name: str


@dataclass(frozen=True, slots=True)
class KnockGone:
    """They were let in or not, or have gone."""

    key: Key


@dataclass(frozen=True, slots=True)
class AskedToMute:
    """Somebody who may asks us to mute ourselves."""

    by: Key


@dataclass(frozen=True, slots=True)
class Said:
    """Somebody wrote a line."""

    by: Key
    text: str = field(repr=False)
    private: bool = False


@dataclass(frozen=True, slots=True)
class Reacted:
    """Somebody reacts."""

    by: Key
    emoji: str


@dataclass(frozen=True, slots=True)
class OneWayMedia:
    """Of these two one sees the other and is not seen, or neither sees the other."""

    a: Key
    b: Key


@dataclass(frozen=True, slots=True)
class MediaRestored:
    """These two, of whom `OneWayMedia` was told, see each other."""

    a: Key
    b: Key


@dataclass(frozen=True, slots=True)
class RosterMismatch:
    """The host told us something else than somebody else: do not trust this room."""

    host: Key
    other: Key
    """Who was told otherwise."""


@dataclass(frozen=True, slots=True)
class EndOfRoom:
    """Over for us. The last effect."""

    reason: RoomEnd


Effect = (
    SendInRoom
    | Open
    | Close
    | RingMember
    | HangUpWith
    | RosterChanged
    | StringReady
    | MemberChanged
    | KnockCame
    | KnockGone
    | AskedToMute
    | Said
    | Reacted
    | OneWayMedia
    | MediaRestored
    | RosterMismatch
    | EndOfRoom
)
