"""The messages of rooms (PROTOCOL, "Rooms"). All but `RoomInvite` and `AskRoom` travel on channels
between room keys: keys of one visit to one room, which say nothing about whose they are.
"""

from __future__ import annotations

import enum
from typing import Any

import attrs

from onmeet_node.protocol.wire.fields import (
    Choice,
    Data,
    Flag,
    Integer,
    Nested,
    Several,
    Text,
    field,
    maybe,
    word,
)
from onmeet_node.protocol.wire.limits import MAX_NAME_CHARS, MAX_TEXT_CHARS
from onmeet_node.protocol.wire.turn import MAX_SERVERS, LentTurnServer

ROOM_PROTOCOL = "/onmeet/room/1"
"""libp2p protocol of the channels of rooms: a frame with the room's id, then as on any channel."""
ROOM_ID_BYTES = 16
KEY_BYTES = 32
COMMITMENT_BYTES = 32
NONCE_BYTES = 16
TOKEN_BYTES = 16
MAX_SEATS = 12
"""People in one room with sound alone."""
MAX_VIDEO_SEATS = 8
"""People in one room with picture: each sends to each."""
MAX_ADDRESSES = 8
MAX_ADDRESS_CHARS = 256
MAX_DEVICE_CHARS = 64
MAX_REMOVED = 64
MAX_ROSTER_BYTES = 48_000
MAX_COUNT = 2**31 - 1
MAX_REACTION_CHARS = 16
MAX_KNOCKS = 32
"""At the door at once."""
TAG_BYTES = 16
MAX_TAGS = 256
MAX_CARRIED_BYTES = 60_000
"""Of one frame of a guest's channel on its way through the host, or over a data channel."""


class Role(enum.StrEnum):
    """What somebody may do in a room."""

    HOST = "host"
    """Keeps the roster. Exactly one."""
    CO_HOST = "co-host"
    """Asks the host for everything a host does; the first to carry on after one."""
    MEMBER = "member"
    GUEST = "guest"
    """Came by a link; never carries a room on."""


class RoomAct(enum.StrEnum):
    """What is asked of a host, or (`MUTE`) of anybody by somebody who may."""

    ADMIT = "admit"
    DENY = "deny"
    REMOVE = "remove"
    LOCK = "lock"
    """Nobody new is let in, and nobody may knock."""
    UNLOCK = "unlock"
    PROMOTE = "promote"
    """Makes a member a co-host."""
    DEMOTE = "demote"
    MUTE = "mute"
    """Asks somebody to mute themselves. Nobody can be unmuted by others."""
    END = "end"
    """Ends the room for all."""


class PictureSize(enum.StrEnum):
    """How large a picture is shown where it is received."""

    NONE = "none"
    """Not at all: it is on no page of tiles, or hidden."""
    SMALL = "small"
    LARGE = "large"


def _room() -> Any:
    return field(Data(ROOM_ID_BYTES, ROOM_ID_BYTES))


def _key() -> Any:
    return field(Data(KEY_BYTES, KEY_BYTES))


def _addresses() -> Any:
    return field(
        Several(Text(1, MAX_ADDRESS_CHARS, ascii=True), 0, MAX_ADDRESSES, cut=True),
        default=(),
        hidden=True,
    )


@attrs.frozen(kw_only=True)
class Seat:
    """Somebody in a room. `order`: of coming in, which is never given twice."""

    key: bytes = _key()
    """Ed25519 public key, of this visit alone."""
    role: Role = word(Role.MEMBER)
    order: int = field(Integer(0, MAX_COUNT))
    name: str = field(Text(0, MAX_NAME_CHARS), default="", hidden=True)
    """As they call themselves here: clean before display."""
    device: str = field(Text(0, MAX_DEVICE_CHARS, ascii=True), default="")
    """libp2p PeerId; empty for a guest, who is reached through the host's node."""
    addresses: tuple[str, ...] = _addresses()
    """Multiaddrs where the device is reached."""
    video: bool = field(Flag(), default=True)
    """Whether they come with a picture; without, a room has more seats."""


@attrs.frozen(kw_only=True)
class RosterBody:
    """Who is in a room, as its host says. Inside `Roster`, signed.

    `term` counts the hosts there were, `claims` those of them whom their predecessor did not name,
    `version` the changes under this host.
    """

    room: bytes = _room()
    host: bytes = _key()
    term: int = field(Integer(0, MAX_COUNT), default=0)
    claims: int = field(Integer(0, MAX_COUNT), default=0)
    version: int = field(Integer(0, MAX_COUNT), default=0)
    next_order: int = field(Integer(1, MAX_COUNT), default=1)
    title: str = field(Text(0, MAX_NAME_CHARS), default="", hidden=True)
    locked: bool = field(Flag(), default=False)
    knock: bool = field(Flag(), default=True)
    """Whether somebody must admit those who have been invited, too."""
    ended: bool = field(Flag(), default=False)
    """The host ended it for all."""
    seats: tuple[Seat, ...] = field(Several(Nested(Seat), 1, MAX_SEATS))
    removed: tuple[bytes, ...] = field(
        Several(Data(KEY_BYTES, KEY_BYTES), 0, MAX_REMOVED), default=()
    )
    """Keys of those who were sent out, newest last."""


@attrs.frozen(kw_only=True)
class Roster:
    """A `RosterBody` as its host signed it (RFC 8032, over a domain and the body's bytes)."""

    body: bytes = field(Data(1, MAX_ROSTER_BYTES), hidden=True)
    signer: bytes = _key()
    """The host of the body; or the host before, who names that one."""
    signature: bytes = field(Data(64, 64), hidden=True)


@attrs.frozen(kw_only=True)
class RoomInvite:
    """From person to person, over their own channel: come into this room, at this device."""

    room: bytes = _room()
    host: bytes = _key()
    """The host's key in the room."""
    token: bytes = field(Data(TOKEN_BYTES, TOKEN_BYTES), hidden=True)
    """For this person alone; lets them in unless the room asks for a knock."""
    title: str = field(Text(0, MAX_NAME_CHARS), default="", hidden=True)


@attrs.frozen(kw_only=True)
class AskRoom:
    """Asks for the `RoomInvite` of the standing meeting whose room code is known."""

    code: bytes = field(Data(TOKEN_BYTES, TOKEN_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class NoRoom:
    """Answers `AskRoom` when there is no such meeting now."""

    code: bytes = field(Data(TOKEN_BYTES, TOKEN_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class RoomKnock:
    """Asks the host to be let in. Answered with `Wait`, then a `Roster` or `Deny`."""

    room: bytes = _room()
    name: str = field(Text(0, MAX_NAME_CHARS), default="", hidden=True)
    addresses: tuple[str, ...] = _addresses()
    token: bytes | None = maybe(Data(TOKEN_BYTES, TOKEN_BYTES), hidden=True)
    video: bool = field(Flag(), default=True)


@attrs.frozen(kw_only=True)
class Waiting:
    """Somebody at the door."""

    key: bytes = _key()
    name: str = field(Text(0, MAX_NAME_CHARS), default="", hidden=True)


@attrs.frozen(kw_only=True)
class AtDoor:
    """From the host to each co-host: who waits to be let in, said again when it changes."""

    waiting: tuple[Waiting, ...] = field(
        Several(Nested(Waiting), 0, MAX_KNOCKS, cut=True), default=()
    )


@attrs.frozen(kw_only=True)
class RoomRequest:
    """Asks the host for something that a co-host may ask for; `mute` goes to its `seat`."""

    act: RoomAct = field(Choice(RoomAct))
    seat: bytes | None = maybe(Data(KEY_BYTES, KEY_BYTES))


@attrs.frozen(kw_only=True)
class Here:
    """What the sender sees of the room; said to everybody when it changes."""

    sees: tuple[bytes, ...] = field(
        Several(Data(KEY_BYTES, KEY_BYTES), 0, MAX_SEATS, distinct=True, cut=True), default=()
    )
    """Whose media reaches the sender."""
    host: bool = field(Flag(), default=True)
    """Whether the sender's channel to the host is open."""
    hand: bool = field(Flag(), default=False)
    digest: bytes | None = maybe(Data(16, 16))
    """Of the roster the sender goes by: two with one version and two digests show a host's lie."""
    version: int = field(Integer(0, MAX_COUNT), default=0)
    term: int = field(Integer(0, MAX_COUNT), default=0)
    keeper: bytes | None = maybe(Data(KEY_BYTES, KEY_BYTES))
    """Host of that roster."""
    commitment: bytes | None = maybe(Data(COMMITMENT_BYTES, COMMITMENT_BYTES))
    """To the sender's number in the room string for that roster."""
    nonce: bytes | None = maybe(Data(NONCE_BYTES, NONCE_BYTES))
    """That number, once everybody in that roster has said a commitment."""


@attrs.frozen(kw_only=True)
class RoomSay:
    """A line of chat, to everybody or to the receiver alone."""

    text: str = field(Text(1, MAX_TEXT_CHARS), hidden=True)
    private: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class React:
    """A reaction that is shown for a moment: one emoji."""

    emoji: str = field(Text(1, MAX_REACTION_CHARS))


@attrs.frozen(kw_only=True)
class Look:
    """How large the sender shows the receiver's picture: it need not send more."""

    size: PictureSize = word(PictureSize.SMALL)


@attrs.frozen(kw_only=True)
class Acquaint:
    """A tag for each contact of the sender, by which its contacts recognize it: see
    `protocol.identity.acquaint`. Sent once on every channel between two nodes.
    """

    tags: tuple[bytes, ...] = field(
        Several(Data(TAG_BYTES, TAG_BYTES), 0, MAX_TAGS, cut=True), default=(), hidden=True
    )


@attrs.frozen(kw_only=True)
class Pipe:
    """One frame of the channel between a guest and somebody else in the room, through its host.

    `onward`: to be passed on to `key`; else it is from `key`, for the receiver. `pipe` numbers the
    guest's attempts; a frame with a greater one begins a new channel. Who passes it on understands
    none of it, and does so between seats alone.
    """

    key: bytes = _key()
    onward: bool = field(Flag(), default=False)
    pipe: int = field(Integer(0, MAX_COUNT))
    data: bytes = field(Data(1, MAX_CARRIED_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class Lent:
    """TURN credentials of a guest's own, lent by the room's host."""

    servers: tuple[LentTurnServer, ...] = field(
        Several(Nested(LentTurnServer), 0, MAX_SERVERS, cut=True), default=()
    )


@attrs.frozen(kw_only=True)
class RoomLeave:
    """The sender leaves the room."""


RoomMessage = (
    Roster
    | RoomInvite
    | AskRoom
    | NoRoom
    | RoomKnock
    | AtDoor
    | RoomRequest
    | Here
    | RoomSay
    | React
    | Look
    | Acquaint
    | Pipe
    | Lent
    | RoomLeave
)
