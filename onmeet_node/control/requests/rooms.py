"""What is asked about rooms. `room` is an id, the start of one or a title; None: the only one."""

from __future__ import annotations

import enum

import attrs

from onmeet_node.control.shapes import (
    KINDS,
    MAX_CODE_CHARS,
    NAME,
    ROOM,
    TIME,
    WHICH,
    WHO,
    Headless,
    Request,
    headless,
    number,
    settled,
)
from onmeet_node.protocol.wire.fields import Choice, Flag, Integer, Text, field, maybe
from onmeet_node.protocol.wire.limits import MAX_TEXT_CHARS
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, Kind
from onmeet_node.protocol.wire.room import MAX_REACTION_CHARS, PictureSize

MAX_MINUTES = 7 * 24 * 60
MAX_ZONE_CHARS = 64


class Repeats(enum.StrEnum):
    """Of a meeting in a calendar."""

    ONCE = "once"
    DAILY = "daily"
    WEEKLY = "weekly"


# ── coming in ────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class NewRoom(Request):
    """Makes a room of our own.

    `standing`: the title names a standing meeting, whose room code stays from time to time. `name`:
    ours in it; None: as in the profile.
    """

    id: int = number()
    title: str = field(NAME, default="")
    standing: bool = field(Flag(), default=False)
    knock: bool = field(Flag(), default=False)
    kinds: tuple[Kind, ...] = field(KINDS)
    name: str | None = maybe(Text(1, MAX_NAME_CHARS))
    relay_only: bool = field(Flag(), default=False)
    headless: Headless | None = headless()
    settle: bool = settled()


@attrs.frozen(kw_only=True)
class JoinRoom(Request):
    """Comes into a room by a room code, or by an invitation (`room`; neither: the only one).

    Answered as soon as the host is being asked; with `inside`, when we are in.
    """

    id: int = number()
    room: str | None = maybe(WHICH)
    code: str | None = maybe(Text(1, MAX_CODE_CHARS), hidden=True)
    kinds: tuple[Kind, ...] = field(KINDS)
    name: str | None = maybe(Text(1, MAX_NAME_CHARS))
    relay_only: bool = field(Flag(), default=False)
    headless: Headless | None = headless()
    inside: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class ListRooms(Request):
    """The rooms we are in, invitations, and standing meetings."""

    id: int = number()


@attrs.frozen(kw_only=True)
class DismissInvitation(Request):
    """Puts an invitation away; who sent it is not told."""

    id: int = number()
    room: str = field(ROOM)


# ── who else comes ───────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class InviteToRoom(Request):
    """Asks somebody in."""

    id: int = number()
    room: str | None = maybe(WHICH)
    who: str = field(WHO)


@attrs.frozen(kw_only=True)
class LinkToRoom(Request):
    """A link by which guests come into this room from a browser. `knock`: somebody admits each."""

    id: int = number()
    room: str | None = maybe(WHICH)
    knock: bool = field(Flag(), default=True)


@attrs.frozen(kw_only=True)
class PlanMeeting(Request):
    """A calendar file (RFC 5545) for a standing meeting, with its room code, and a guest link if
    one can be made. The meeting is made if there is none of this title.
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
class MeetingCode(Request):
    """The room code of a standing meeting, which is made if there is none of this title."""

    id: int = number()
    title: str = field(NAME)


@attrs.frozen(kw_only=True)
class ForgetMeeting(Request):
    """Forgets a standing meeting: its room code leads nowhere from now on."""

    id: int = number()
    title: str = field(NAME)


# ── inside ───────────────────────────────────────────────────────────────────────────────────────
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
class ChangeRoom(Request):
    """Does something about a room as a whole."""

    id: int = number()
    room: str | None = maybe(WHICH)
    action: RoomAction = field(Choice(RoomAction))
    settle: bool = settled()


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
class ChangeSeat(Request):
    """Does something about a participant, or somebody at the door (`key` None: the only one)."""

    id: int = number()
    room: str | None = maybe(WHICH)
    key: str | None = maybe(WHICH)
    action: SeatAction = field(Choice(SeatAction))


@attrs.frozen(kw_only=True)
class SayInRoom(Request):
    """A line to everybody, or to one. Answered once it is known who has it."""

    id: int = number()
    room: str | None = maybe(WHICH)
    text: str = field(Text(1, MAX_TEXT_CHARS), hidden=True)
    to: str | None = maybe(WHICH)


@attrs.frozen(kw_only=True)
class ReactInRoom(Request):
    """Shows everybody one emoji."""

    id: int = number()
    room: str | None = maybe(WHICH)
    emoji: str = field(Text(1, MAX_REACTION_CHARS))


@attrs.frozen(kw_only=True)
class LookAt(Request):
    """How large a participant's picture (None: everybody's) is shown here now: they send no more
    than that.
    """

    id: int = number()
    room: str | None = maybe(WHICH)
    key: str | None = maybe(WHICH)
    size: PictureSize = field(Choice(PictureSize))


@attrs.frozen(kw_only=True)
class MuteRoom(Request):
    """Stops or resumes sending a kind to everybody."""

    id: int = number()
    room: str | None = maybe(WHICH)
    kind: Kind = field(Choice(Kind), default=Kind.AUDIO)
    muted: bool = field(Flag(), default=True)
