"""What the app's page and its node say to each other about rooms; part of `messages`.

The guest page has no node: there the page itself makes `RoomShown` and takes the requests, so that
one room screen serves both.
"""

from __future__ import annotations

import enum

import attrs

from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.wire.fields import (
    Choice,
    Data,
    Flag,
    Integer,
    Maybe,
    Nested,
    Several,
    Text,
    field,
)
from onmeet_node.protocol.wire.fields import maybe as maybe_field
from onmeet_node.protocol.wire.limits import MAX_TEXT_CHARS
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.protocol.wire.room import (
    MAX_CARRIED_BYTES,
    MAX_REACTION_CHARS,
    MAX_SEATS,
    PictureSize,
    Role,
)
from onmeet_node.web.shapes import (
    CALL,
    IDENTITY,
    MAX_CODE_CHARS,
    NAME,
    SENTENCE,
    TIME,
    CardShown,
    number,
    session,
)

ROOM = CALL
"""16 bytes in hex."""
KEY = IDENTITY
"""Of a participant in one room: 32 bytes in hex. It says nothing about who that is elsewhere."""
MAX_MINUTES = 7 * 24 * 60
MAX_WARNINGS = 32
MAX_ZONE_CHARS = 64
_KINDS = Several(Choice(Kind), 1, 2, distinct=True)


class RoomState(enum.StrEnum):
    """How far we are in."""

    KNOCKING = "knocking"
    IN = "in"


class Repeats(enum.StrEnum):
    """Of a meeting in a calendar."""

    ONCE = "once"
    DAILY = "daily"
    WEEKLY = "weekly"


# ── requests ─────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class NewRoom:
    """Makes a room, with this page's devices. Answered with `RoomMade`; `Rooms` has it then.

    `standing`: the title names a standing meeting, whose room code stays from time to time.
    """

    id: int = number()
    title: str = field(NAME, default="")
    standing: bool = field(Flag(), default=False)
    knock: bool = field(Flag(), default=False)
    kinds: tuple[Kind, ...] = field(_KINDS)


@attrs.frozen(kw_only=True)
class JoinRoom:
    """Comes into a room by a room code, or by an invitation (`room`). Answered with `RoomMade` as
    soon as the host is being asked; `Rooms` says whether we are in.
    """

    id: int = number()
    room: str | None = maybe_field(ROOM)
    code: str | None = maybe_field(Text(1, MAX_CODE_CHARS), hidden=True)
    kinds: tuple[Kind, ...] = field(_KINDS)


@attrs.frozen(kw_only=True)
class DismissInvitation:
    """Puts an invitation away; who sent it is not told."""

    id: int = number()
    room: str = field(ROOM)


@attrs.frozen(kw_only=True)
class ForgetMeeting:
    """Forgets a standing meeting: its room code leads nowhere from now on."""

    id: int = number()
    title: str = field(NAME)


@attrs.frozen(kw_only=True)
class InviteToRoom:
    """Asks somebody in. Answered with `Invited`."""

    id: int = number()
    room: str = field(ROOM)
    identity: str = field(IDENTITY)


@attrs.frozen(kw_only=True)
class LinkToRoom:
    """A link by which guests come into this room from a browser. Answered with `RoomLink`."""

    id: int = number()
    room: str = field(ROOM)


class RoomAction(enum.StrEnum):
    """What may be done about a room as a whole."""

    LOCK = "lock"
    UNLOCK = "unlock"
    RAISE_HAND = "raise-hand"
    LOWER_HAND = "lower-hand"
    LEAVE = "leave"
    END = "end"
    """For everybody."""
    MOVE_HERE = "move-here"
    """Go on with this page's devices in place of another page's."""


@attrs.frozen(kw_only=True)
class ChangeRoom:
    """Answered with `Done`; `Rooms` follows."""

    id: int = number()
    room: str = field(ROOM)
    action: RoomAction = field(Choice(RoomAction))


class SeatAction(enum.StrEnum):
    """What may be done about one participant, or somebody at the door."""

    ADMIT = "admit"
    DENY = "deny"
    REMOVE = "remove"
    ASK_MUTE = "ask-mute"
    PROMOTE = "promote"
    DEMOTE = "demote"
    HIDE = "hide"
    """Refuse contact with them: no private lines, media by relays alone. They learn nothing."""
    SHOW = "show"
    """No longer."""


@attrs.frozen(kw_only=True)
class ChangeSeat:
    """Answered with `Done`; `Rooms` follows."""

    id: int = number()
    room: str = field(ROOM)
    key: str = field(KEY)
    action: SeatAction = field(Choice(SeatAction))


@attrs.frozen(kw_only=True)
class SayInRoom:
    """A line to everybody, or to one. It comes back as `RoomLine`; answered with `SaidInRoom`."""

    id: int = number()
    room: str = field(ROOM)
    text: str = field(Text(1, MAX_TEXT_CHARS), hidden=True)
    to: str | None = maybe_field(KEY)


@attrs.frozen(kw_only=True)
class ReactInRoom:
    """Shows everybody one emoji. Comes back as `RoomReaction`."""

    room: str = field(ROOM)
    emoji: str = field(Text(1, MAX_REACTION_CHARS))


@attrs.frozen(kw_only=True)
class LookAt:
    """How large a participant's picture is shown here now: they send no more than that."""

    room: str = field(ROOM)
    key: str = field(KEY)
    size: PictureSize = field(Choice(PictureSize))


@attrs.frozen(kw_only=True)
class PlanMeeting:
    """A calendar file (RFC 5545) for a standing meeting, with its room code, and a guest link if
    one can be made. The meeting is made if there is none of this title. Answered with `Calendar`.
    """

    id: int = number()
    title: str = field(NAME)
    start: int = field(TIME)
    """Unix seconds."""
    minutes: int = field(Integer(1, MAX_MINUTES))
    repeats: Repeats = field(Choice(Repeats), default=Repeats.ONCE)
    zone: str = field(Text(0, MAX_ZONE_CHARS, ascii=True), default="UTC")
    """IANA name of the time zone in which a repeating meeting keeps its hour."""
    guests: bool = field(Flag(), default=True)
    """Whether the link for guests is in it."""


@attrs.frozen(kw_only=True)
class Carried:
    """A frame came over the data channel for frames of a session."""

    session: int = session()
    data: bytes = field(Data(1, MAX_CARRIED_BYTES), hidden=True)


# ── the node speaks ──────────────────────────────────────────────────────────────────────────────
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


# ── answers ──────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class RoomMade:
    """The room is there, or its host is being asked."""

    id: int = number()
    room: str = field(ROOM)


@attrs.frozen(kw_only=True)
class Invited:
    """Whether a device of theirs has the invitation."""

    id: int = number()
    delivered: bool = field(Flag())


@attrs.frozen(kw_only=True)
class SaidInRoom:
    """The line was said. Sent once it is known who has it."""

    id: int = number()
    missed: tuple[str, ...] = field(Several(KEY, 0, MAX_SEATS))
    """Keys of those who may not have it."""


@attrs.frozen(kw_only=True)
class RoomLink:
    """A guest link into a room."""

    id: int = number()
    url: str = field(Text(1, 1_024), hidden=True)


@attrs.frozen(kw_only=True)
class Calendar:
    """A file of type text/calendar."""

    id: int = number()
    name: str = field(Text(1, 120))
    """For the file, with its ending."""
    text: str = field(Text(1, 16_384), hidden=True)


# ── the node speaks: media ───────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class ShapeMedia:
    """The most that this session may send as picture from now on; 0 for everything: nothing.

    A shared screen keeps its own height.
    """

    session: int = session()
    bitrate: int = field(Integer(0, 20_000_000))
    """Bits per second."""
    height: int = field(Integer(0, 4_320))
    """Rows of the picture."""
    frame_rate: int = field(Integer(0, 120))
    share_bitrate: int = field(Integer(0, 20_000_000))
    """Of a shared screen, in place of `bitrate`."""


@attrs.frozen(kw_only=True)
class CarryMedia:
    """Send this frame over the session's data channel for frames (negotiated, id 1)."""

    session: int = session()
    data: bytes = field(Data(1, MAX_CARRIED_BYTES), hidden=True)


FromPage = (
    NewRoom
    | JoinRoom
    | DismissInvitation
    | ForgetMeeting
    | InviteToRoom
    | LinkToRoom
    | ChangeRoom
    | ChangeSeat
    | SayInRoom
    | ReactInRoom
    | LookAt
    | PlanMeeting
)
FromNode = (
    Rooms
    | RoomLine
    | RoomReaction
    | RoomMuteAsked
    | RoomOver
    | RoomMade
    | Invited
    | RoomLink
    | SaidInRoom
    | Calendar
    | ShapeMedia
    | CarryMedia
)
