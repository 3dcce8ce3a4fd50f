"""The messages of a sealed channel; one file because it is the catalogue of the wire.

Frozen typed values, as PROTOCOL has them under "Messages". Each class is one msgpack map with the
key ``t`` naming its type: the class's name in lower case and with hyphens. What each field may hold
is said here, so that a decoded message needs no further check; making one that breaks it raises
ValueError. Unknown keys are ignored, unknown types decode to `Unknown` and are answered with
`Unsupported`.
"""

from __future__ import annotations

import enum
from typing import Any, NewType

import attrs

from onmeet_node.protocol.wire import limits, own, turn
from onmeet_node.protocol.wire import room as rooms
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

CallId = NewType("CallId", bytes)
"""16 random bytes naming one call; of two crossing calls the greater id wins (glare)."""

CALL_ID_BYTES = 16
MAX_SDP_CHARS = 24_000
"""A Chromium offer with audio, video and data is about 7,000 characters."""
MAX_CANDIDATES = 64
"""Per message; of more the first are taken."""
MAX_GENERATION = 65_535
"""Media re-offers in one call."""
MAX_TEXT_CHARS = limits.MAX_TEXT_CHARS
MAX_TYPE_CHARS = 32
"""Of a message's type name; a longer one is malformed, not unknown."""
MAX_NAME_CHARS = limits.MAX_NAME_CHARS
MAX_FIELD_CHARS = 120
DIGEST_BYTES = 16
NONCE_BYTES = rooms.NONCE_BYTES
COMMITMENT_BYTES = rooms.COMMITMENT_BYTES
MAX_LIST_BYTES = 512
"""Of a signed device list; one of four devices has 234."""
MAX_DETAILS_BYTES = 8_192
"""Four names, and 64 keys that were revoked: 3,000 bytes."""
MAX_PICTURE_BYTES = 24_576
"""Of a picture of a person: 256 by 256 pixels with room to spare, and fit for one frame."""


class Kind(enum.StrEnum):
    """A kind of media that a call carries."""

    AUDIO = "audio"
    VIDEO = "video"


class RingState(enum.StrEnum):
    """What truly happened to an invite at the device that got it (P14)."""

    DELIVERED = "delivered"
    """The device has it; nothing makes a sound yet."""
    ALERTING = "alerting"
    """It is ringing where a person can notice it."""
    SILENCED = "silenced"
    """The person silenced the ring, or rings nowhere now; accepting is still possible."""


class DeclineReason(enum.StrEnum):
    """Why an invite was not accepted."""

    DECLINED = "declined"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    NOT_NOW = "not-now"


class CancelReason(enum.StrEnum):
    """Why the caller takes an invite back."""

    CANCELLED = "cancelled"
    ANSWERED_ELSEWHERE = "answered-elsewhere"
    NO_ANSWER = "no-answer"
    SUPERSEDED = "superseded"
    """Lost glare: the other call with this peer goes on."""


class HangupReason(enum.StrEnum):
    """Why an accepted call ends."""

    NORMAL = "normal"
    MEDIA_FAILED = "media-failed"
    CONNECTION_LOST = "connection-lost"
    SHUTDOWN = "shutdown"
    FAULT = "fault"
    """The program that says so met an error of its own. Before an accept, too."""


MAX_NOTE_CHARS = 280
"""Of a line that goes with a contact request or with a declined call."""


def _call_id() -> Any:
    return field(Data(CALL_ID_BYTES, CALL_ID_BYTES))


def _kinds() -> Any:
    return field(
        Several(Choice(Kind), 1, len(Kind), distinct=True), default=(Kind.AUDIO, Kind.VIDEO)
    )


def _generation() -> Any:
    return field(Integer(0, MAX_GENERATION), default=0)


def _commitment() -> Any:
    return maybe(Data(COMMITMENT_BYTES, COMMITMENT_BYTES), hidden=True)


_SDP = Text(1, MAX_SDP_CHARS, ascii=True)
"""ASCII, as every WebRTC stack writes it: then its characters bound its bytes, and it fits a frame.
SDP and candidates hold addresses: they stay out of repr, and so out of every log."""


@attrs.frozen(kw_only=True)
class Card:
    """A profile as far as its owner shows it to this reader. Every field may be hidden.

    `country` is an ISO 3166-1 alpha-2 code. Text is as the sender typed it: whoever displays it
    cleans control characters and direction overrides first.
    """

    name: str | None = maybe(Text(0, MAX_NAME_CHARS), hidden=True)
    country: str | None = maybe(Text(2, 2, pattern="[A-Z]{2}"), hidden=True)
    phone: str | None = maybe(Text(0, MAX_FIELD_CHARS), hidden=True)
    email: str | None = maybe(Text(0, MAX_FIELD_CHARS), hidden=True)
    picture: bytes | None = maybe(Data(DIGEST_BYTES, DIGEST_BYTES), hidden=True)
    """BLAKE2b-128 of the picture; `AskPicture` brings it."""


@attrs.frozen(kw_only=True)
class Hello:
    """First message of each side on a new channel.

    `proof` shows that the sender holds an audience's secret (a contact code or the contacts
    secret): BLAKE2b-256 keyed with that secret over the handshake hash, 32 bytes. Without it a
    stranger reaches only a node that takes calls from anyone (P5).

    `device` is the device key whose X25519 form Noise proved, and `devices` the list, signed by
    the sender's identity, that has it ("Devices"). Without them the identity itself speaks: so in
    rooms, where everybody has a key of one visit.
    """

    card: Card | None = maybe(Nested(Card))
    """Absent in message 1 between people who are no contacts yet: `CardUpdate` follows."""
    caps: tuple[str, ...] = field(Several(Text(1, 32), 0, 32, cut=True), default=())
    proof: bytes | None = maybe(Data(32, 32), hidden=True)
    device: bytes | None = maybe(Data(32, 32), hidden=True)
    devices: bytes | None = maybe(Data(1, MAX_LIST_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class CardUpdate:
    """The sender's card changed while the channel is open."""

    card: Card = field(Nested(Card))


@attrs.frozen(kw_only=True)
class DevicesUpdate:
    """The sender's list of devices changed while the channel is open.

    `details` go to the person's own devices alone ("Devices").
    """

    devices: bytes = field(Data(1, MAX_LIST_BYTES), hidden=True)
    details: bytes | None = maybe(Data(1, MAX_DETAILS_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class AskPicture:
    """Asks for the picture that the receiver's card names. Answered with `Picture`, or not."""

    digest: bytes = field(Data(DIGEST_BYTES, DIGEST_BYTES))


@attrs.frozen(kw_only=True)
class Picture:
    """A JPEG (ISO/IEC 10918-1) without metadata, whose BLAKE2b-128 the sender's card names."""

    data: bytes = field(Data(1, MAX_PICTURE_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class ContactRequest:
    """Asks to become a contact; the card shown is the one in `Hello` or `CardUpdate` before."""

    note: str | None = maybe(Text(0, MAX_NOTE_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class ContactAccepted:
    """Answers a contact request. The contacts secret follows in a `Grant`."""


@attrs.frozen(kw_only=True)
class Grant:
    """The sender's contacts secret: from now on the receiver finds the sender's record with it."""

    secret: bytes = field(Data(16, 16), hidden=True)
    direct: bool = field(Flag(), default=True)
    """Whether records of that audience carry direct addresses."""


@attrs.frozen(kw_only=True)
class Invite:
    """Rings the receiver. `sdp` is the offer of generation 0 on the fast path, else absent.

    `age_ms` is how long ago the call was begun, by the sender's own monotonic clock; the receiver
    adds nothing to it but its own time since arrival. An invite older than the ring time is late.
    """

    call: CallId = _call_id()
    kinds: tuple[Kind, ...] = _kinds()
    sdp: str | None = maybe(_SDP, hidden=True)
    age_ms: int = field(Integer(0, 600_000), default=0)
    commitment: bytes | None = _commitment()
    """Beside `sdp`."""


@attrs.frozen(kw_only=True)
class Ringing:
    """What became of the invite on the sending device."""

    call: CallId = _call_id()
    state: RingState = word(RingState.DELIVERED)


@attrs.frozen(kw_only=True)
class Accept:
    """The person took the call. Media follows on the fast path at once, else after `Answer`."""

    call: CallId = _call_id()
    kinds: tuple[Kind, ...] = _kinds()


@attrs.frozen(kw_only=True)
class Renegotiate:
    """An SDP offer for a fresh peer connection of a new generation (media re-offer).

    `commitment`: a hash of the sender's nonce ("Numbers to compare"), which `Reveal` brings.
    """

    call: CallId = _call_id()
    generation: int = _generation()
    sdp: str = field(_SDP, hidden=True)
    commitment: bytes | None = _commitment()


@attrs.frozen(kw_only=True)
class Answer:
    """The SDP answer to the offer of the same generation, with the answering side's nonce."""

    call: CallId = _call_id()
    generation: int = _generation()
    sdp: str = field(_SDP, hidden=True)
    nonce: bytes | None = maybe(Data(NONCE_BYTES, NONCE_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class Reveal:
    """The nonce to which the sender committed with its offer of this generation."""

    call: CallId = _call_id()
    generation: int = _generation()
    nonce: bytes = field(Data(NONCE_BYTES, NONCE_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class StringChecked:
    """What the sender's person said of the authentication string: the same there, or not."""

    call: CallId = _call_id()
    same: bool = field(Flag())


@attrs.frozen(kw_only=True)
class Candidate:
    """One ICE candidate, as in RFC 8839 ``a=candidate:`` without the ``a=``."""

    candidate: str = field(Text(1, 300, ascii=True), hidden=True)
    mid: str | None = maybe(Text(0, 64, ascii=True))
    index: int | None = maybe(Integer(0, 63))


@attrs.frozen(kw_only=True)
class Candidates:
    """Trickled ICE candidates (RFC 8838) of one generation; `end` says that no more follow."""

    call: CallId = _call_id()
    generation: int = _generation()
    candidates: tuple[Candidate, ...] = field(
        Several(Nested(Candidate), 0, MAX_CANDIDATES, cut=True), default=()
    )
    end: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class MediaState:
    """What the sender sends just now, so that the other side can show it."""

    call: CallId = _call_id()
    muted: bool = field(Flag(), default=False)
    camera_off: bool = field(Flag(), default=False)
    sharing: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class Decline:
    """The call is not taken, on any of the receiver's devices."""

    call: CallId = _call_id()
    reason: DeclineReason = word(DeclineReason.DECLINED)
    note: str | None = maybe(Text(0, MAX_NOTE_CHARS), hidden=True)
    """What the person who declines has to say, as typed: clean before display."""


@attrs.frozen(kw_only=True)
class Cancel:
    """The caller takes the invite back, from this device or altogether."""

    call: CallId = _call_id()
    reason: CancelReason = word(CancelReason.CANCELLED)


@attrs.frozen(kw_only=True)
class Hangup:
    """An accepted call is over."""

    call: CallId = _call_id()
    reason: HangupReason = word(HangupReason.NORMAL)


@attrs.frozen(kw_only=True)
class MissedCall:
    """From the caller's outbox: it called `age_s` seconds ago and did not get through."""

    call: CallId = _call_id()
    age_s: int = field(Integer(0, 90 * 86_400), default=0)
    note: str | None = maybe(Text(0, MAX_TEXT_CHARS), hidden=True)


@attrs.frozen(kw_only=True)
class Received:
    """Confirms a message that its sender keeps until then.

    `ref`, 16 bytes: of a `MissedCall` its call id, of a `Grant` the BLAKE2b-128 of its secret.
    """

    ref: bytes = field(Data(16, 16))


@attrs.frozen(kw_only=True)
class Chat:
    """A line of chat; travels on the call's data channel, in the same encoding."""

    text: str = field(Text(1, MAX_TEXT_CHARS), hidden=True)
    number: int | None = maybe(Integer(0, 2**32 - 1))
    """The receiver confirms it by this; a line said again keeps it."""


@attrs.frozen(kw_only=True)
class ChatTaken:
    """A line of chat has arrived; travels as that line did."""

    number: int = field(Integer(0, 2**32 - 1))


# ── guests (PROTOCOL, "Guests"): only on a channel that came through a door ───────────────────────
TICKET_BYTES = 16
GUEST_ID_BYTES = 32


class WaitState(enum.StrEnum):
    """What truly became of a knock (P14)."""

    DELIVERED = "delivered"
    """The host's node has it; nobody is there to see it."""
    SHOWN = "shown"
    """It is shown where a person can notice it."""
    BUSY = "busy"
    """It is shown, but the host is in another call."""


class DenyReason(enum.StrEnum):
    """Why a guest is not, or no longer, in the call."""

    DENIED = "denied"
    REMOVED = "removed"
    """Was in the call, and was sent out of it."""
    LINK_CLOSED = "link-closed"
    """The host closed the link, or it was for one use and is used."""
    EXPIRED = "expired"
    FULL = "full"
    """As many guests wait or talk as the host's node takes."""
    NO_ANSWER = "no-answer"
    """Nobody opened in the time a knock waits."""
    FAULT = "fault"
    """The host's program met an error of its own."""


@attrs.frozen(kw_only=True)
class Welcome:
    """The host to a guest, inside the handshake's second message: who is behind this door."""

    card: Card = field(Nested(Card), default=Card())
    """As the host shows it to everyone."""
    title: str = field(Text(0, MAX_NAME_CHARS), default="", hidden=True)
    """What the host named the link; clean before display."""
    knock: bool = field(Flag(), default=True)
    """Whether somebody must admit; else whoever has the link comes in."""
    once: bool = field(Flag(), default=False)
    """The link is for one guest: it leads nowhere once somebody was admitted by it."""
    room: bytes | None = maybe(Data(rooms.ROOM_ID_BYTES, rooms.ROOM_ID_BYTES))
    """The room that the link leads into ("Rooms, Guests"); absent: a call with the host alone."""
    host: bytes | None = maybe(Data(rooms.KEY_BYTES, rooms.KEY_BYTES))
    """That room's host: its key there."""


@attrs.frozen(kw_only=True)
class Carry:
    """One frame of the channel between the guest's room key and the host's, on a line to a room.

    What a guest says in a room it says on that channel, as everybody does; this line carries it.
    """

    data: bytes = field(Data(1, rooms.MAX_CARRIED_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class Knock:
    """A guest asks to come in. `ticket` is of an `Admit` before, after a line that broke."""

    name: str = field(Text(1, MAX_NAME_CHARS), hidden=True)
    """As typed: clean before display."""
    ticket: bytes | None = maybe(Data(TICKET_BYTES, TICKET_BYTES), hidden=True)


@attrs.frozen(kw_only=True)
class Wait:
    """What became of the knock; said again when it changes."""

    state: WaitState = word(WaitState.DELIVERED)


@attrs.frozen(kw_only=True)
class Admit:
    """The guest may come in: it now sends an `Invite`, which is accepted at once.

    `guest` names the guest in this call, and is the greater of the two identities: its first four
    bytes are 255. It and the link's key bind the authentication string.
    """

    guest: bytes = field(Data(GUEST_ID_BYTES, GUEST_ID_BYTES), hidden=True)
    ticket: bytes = field(Data(TICKET_BYTES, TICKET_BYTES), hidden=True)
    """Lets the same guest in again, should the line break during the call."""
    servers: tuple[turn.LentTurnServer, ...] = field(
        Several(Nested(turn.LentTurnServer), 0, turn.MAX_SERVERS, cut=True), default=()
    )


@attrs.frozen(kw_only=True)
class Deny:
    """The guest may not come in, or is sent out. The channel is closed after it."""

    reason: DenyReason = word(DenyReason.DENIED)


@attrs.frozen(kw_only=True)
class Ping:
    """Asks for a `Pong` with the same number."""

    n: int = field(Integer(0, 2**32 - 1), default=0)


@attrs.frozen(kw_only=True)
class Pong:
    """Answers a `Ping`."""

    n: int = field(Integer(0, 2**32 - 1), default=0)


@attrs.frozen(kw_only=True)
class Unsupported:
    """Answers a message of a type this side does not know."""

    type: str = field(Text(0, MAX_TYPE_CHARS))


@attrs.frozen(kw_only=True)
class Bye:
    """The channel is about to be closed in order."""

    reason: str = field(Text(0, 64))


@attrs.frozen(kw_only=True)
class Unknown:
    """What a message of an unknown type decodes to. Never encoded."""

    type: str = field(Text(0, MAX_TYPE_CHARS))


Message = (
    Hello
    | CardUpdate
    | DevicesUpdate
    | own.KnownSoFar
    | own.KeptEntries
    | own.LentKeySet
    | AskPicture
    | Picture
    | ContactRequest
    | ContactAccepted
    | Grant
    | Invite
    | Ringing
    | Accept
    | Renegotiate
    | Answer
    | Reveal
    | StringChecked
    | Candidates
    | MediaState
    | Decline
    | Cancel
    | Hangup
    | MissedCall
    | Received
    | Chat
    | ChatTaken
    | Welcome
    | Knock
    | Wait
    | Admit
    | Deny
    | Carry
    | rooms.Roster
    | rooms.RoomInvite
    | rooms.AskRoom
    | rooms.NoRoom
    | rooms.RoomKnock
    | rooms.AtDoor
    | rooms.RoomRequest
    | rooms.Here
    | rooms.RoomSay
    | rooms.React
    | rooms.Look
    | rooms.Acquaint
    | rooms.Pipe
    | rooms.Lent
    | rooms.RoomLeave
    | Ping
    | Pong
    | Unsupported
    | Bye
    | Unknown
)
CallMessage = (
    Invite
    | Ringing
    | Accept
    | Renegotiate
    | Answer
    | Reveal
    | StringChecked
    | Candidates
    | MediaState
    | Decline
    | Cancel
    | Hangup
)
"""The messages that belong to one call, each with its `call` id."""
GuestMessage = Welcome | Knock | Wait | Admit | Deny | Carry
"""The messages that only a channel through a door carries."""
