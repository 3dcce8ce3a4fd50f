"""What pages are shown of rooms, told of them, and answered about them.

The guest page has no node: there the page itself makes `RoomShown` and takes the requests, so that
one room screen serves both.
"""

from __future__ import annotations

import enum

import attrs

from onmeet_node.control.shapes import (
    CALL,
    IDENTITY,
    KEY,
    MAX_CODE_CHARS,
    NAME,
    ROOM,
    SENTENCE,
    TIME,
    CardShown,
    answer_number,
)
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.wire.fields import (
    Choice,
    Flag,
    Integer,
    Maybe,
    Nested,
    Several,
    Text,
    field,
)
from onmeet_node.protocol.wire.messages import MAX_TEXT_CHARS
from onmeet_node.protocol.wire.room import MAX_REACTION_CHARS, MAX_SEATS, Role

MAX_WARNINGS = 32


class RoomState(enum.StrEnum):
    """How far we are in."""

    KNOCKING = "knocking"
    IN = "in"


@attrs.frozen(kw_only=True)
class Participant:
    """Somebody in a room. `key` names them there."""

    key: str = field(KEY)
    name: str = field(NAME)
    role: Role = field(Choice(Role))
    me: bool = field(Flag())
    here: bool = field(Flag())
    """A channel with them is open."""
    media: bool = field(Flag())
    """Their sound and picture reach us."""
    seen: bool = field(Flag())
    """Ours reach them, as they say."""
    hand: bool = field(Flag())
    muted: bool = field(Flag())
    camera_off: bool = field(Flag())
    sharing: bool = field(Flag())
    path: MediaPath | None = field(Maybe(Choice(MediaPath)))
    call: str | None = field(Maybe(CALL))
    """The call with them, whose media the page has under this id; None for ourselves."""
    session: int | None = field(Maybe(Integer(1, 2**31 - 1)))
    hidden: bool = field(Flag())
    """We refuse contact with them."""
    identity: str | None = field(Maybe(IDENTITY))
    """Whom we know them as, proven; None: they are nobody we know, or do not show it."""
    verified: bool = field(Flag())
    """That contact's key was compared."""
    card: CardShown = field(Nested(CardShown))
    """As far as they show it to us."""


@attrs.frozen(kw_only=True)
class Knocker:
    """Somebody at the door, whom we may let in."""

    key: str = field(KEY)
    name: str = field(NAME)


@attrs.frozen(kw_only=True)
class RoomShown:
    """A room we are in, or at whose door we are. `page`: whose devices it uses; None: no page's."""

    room: str = field(ROOM)
    title: str = field(NAME)
    state: RoomState = field(Choice(RoomState))
    page: int | None = field(Maybe(Integer(1, 2**31 - 1)))
    role: Role | None = field(Maybe(Choice(Role)))
    locked: bool = field(Flag())
    knock: bool = field(Flag())
    """Whether somebody must admit those who were invited, too."""
    string: str | None = field(Maybe(Text(1, 80)))
    """The room's authentication string: equal for everybody unless somebody lies."""
    since: int = field(TIME)
    """When we came in."""
    standing: bool = field(Flag())
    code: str | None = field(Maybe(Text(1, MAX_CODE_CHARS)), hidden=True)
    """Room code, if it is a standing meeting of ours."""
    link: str | None = field(Maybe(Text(1, 1_024)), hidden=True)
    """The guest link into it, once one was made."""
    people: tuple[Participant, ...] = field(Several(Nested(Participant), 0, MAX_SEATS))
    """In the order in which they came."""
    knocking: tuple[Knocker, ...] = field(Several(Nested(Knocker), 0, 64))
    warnings: tuple[str, ...] = field(Several(SENTENCE, 0, MAX_WARNINGS))


@attrs.frozen(kw_only=True)
class Invitation:
    """Somebody asks us into a room."""

    room: str = field(ROOM)
    title: str = field(NAME)
    identity: str = field(IDENTITY)
    name: str = field(NAME)


@attrs.frozen(kw_only=True)
class Meeting:
    """A standing meeting of ours, and what leads into it."""

    title: str = field(NAME)
    code: str = field(Text(1, MAX_CODE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class Rooms:
    """Rooms, invitations and standing meetings."""

    rooms: tuple[RoomShown, ...] = field(Several(Nested(RoomShown), 0, 8))
    invitations: tuple[Invitation, ...] = field(Several(Nested(Invitation), 0, 64))
    meetings: tuple[Meeting, ...] = field(Several(Nested(Meeting), 0, 64))


@attrs.frozen(kw_only=True)
class RoomLine:
    """A line of chat in a room, ours included. `to`: whom alone it went to, ourselves perhaps."""

    room: str = field(ROOM)
    key: str = field(KEY)
    name: str = field(NAME)
    mine: bool = field(Flag())
    text: str = field(Text(1, MAX_TEXT_CHARS), hidden=True)
    to: str | None = field(Maybe(KEY))


@attrs.frozen(kw_only=True)
class RoomReaction:
    """Somebody reacts; shown for a moment."""

    room: str = field(ROOM)
    key: str = field(KEY)
    name: str = field(NAME)
    emoji: str = field(Text(1, MAX_REACTION_CHARS))


@attrs.frozen(kw_only=True)
class RoomMuteAsked:
    """The host or a co-host asks us to mute ourselves. Nothing is muted by it."""

    room: str = field(ROOM)
    name: str = field(NAME)


@attrs.frozen(kw_only=True)
class RoomOver:
    """A room is over for us."""

    room: str = field(ROOM)
    title: str = field(NAME)
    reason: RoomEnd = field(Choice(RoomEnd))
    sentence: str = field(SENTENCE)


@attrs.frozen(kw_only=True)
class RoomMade:
    """The room is there, or its host is being asked."""

    id: int = answer_number()
    room: str = field(ROOM)


@attrs.frozen(kw_only=True)
class Invited:
    """Whether a device of theirs has the invitation."""

    id: int = answer_number()
    delivered: bool = field(Flag())


@attrs.frozen(kw_only=True)
class SaidInRoom:
    """The line was said. Sent once it is known who has it."""

    id: int = answer_number()
    missed: tuple[str, ...] = field(Several(KEY, 0, MAX_SEATS))
    """Keys of those who may not have it."""


@attrs.frozen(kw_only=True)
class RoomLink:
    """A guest link into a room."""

    id: int = answer_number()
    url: str = field(Text(1, 1_024), hidden=True)


@attrs.frozen(kw_only=True)
class Calendar:
    """A file of type text/calendar."""

    id: int = answer_number()
    name: str = field(Text(1, 120))
    """For the file, with its ending."""
    text: str = field(Text(1, 16_384), hidden=True)
