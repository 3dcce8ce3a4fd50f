"""The messages of a sealed channel (PROTOCOL, "Messages"), as frozen typed values.

Each class is one msgpack map with the key ``t`` naming its type. Text and list lengths are bounded
here, in validators, so that a decoded message needs no further check. Unknown keys are ignored,
unknown types decode to `Unknown` and are answered with `Unsupported`.
"""

from __future__ import annotations

import enum
from typing import Any, NewType

import attrs
from attrs import validators as v

CallId = NewType("CallId", bytes)
"""16 random bytes naming one call; of two crossing calls the greater id wins (glare)."""

CALL_ID_BYTES = 16
MAX_SDP_CHARS = 24_000
"""A Chromium offer with audio, video and data is about 7,000 characters."""
MAX_CANDIDATES = 64
"""Per message; a peer that lists more is refused before any is parsed."""
MAX_GENERATION = 65_535
"""Media re-offers in one call."""
MAX_TEXT_CHARS = 4_000
MAX_NAME_CHARS = 80
MAX_FIELD_CHARS = 120


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


def _bytes(low: int, high: int) -> Any:
    return v.and_(v.instance_of(bytes), v.min_len(low), v.max_len(high))


def _string(low: int, high: int) -> Any:
    return v.and_(v.instance_of(str), v.min_len(low), v.max_len(high))


def _call_id() -> Any:
    return attrs.field(validator=_bytes(CALL_ID_BYTES, CALL_ID_BYTES))


def _text(high: int, low: int = 0) -> Any:
    return attrs.field(validator=_string(low, high))


def _optional_text(high: int) -> Any:
    return attrs.field(default=None, validator=v.optional(_string(0, high)))


def _sdp(*, optional: bool = False) -> Any:
    """SDP holds addresses: it stays out of repr, and so out of every log."""
    if optional:
        return attrs.field(
            default=None, repr=False, validator=v.optional(_string(1, MAX_SDP_CHARS))
        )
    return attrs.field(repr=False, validator=_string(1, MAX_SDP_CHARS))


def _integer(high: int) -> Any:
    return attrs.field(default=0, validator=v.and_(v.instance_of(int), v.ge(0), v.le(high)))


def _kinds() -> Any:
    return attrs.field(
        default=(Kind.AUDIO, Kind.VIDEO), validator=v.and_(v.min_len(1), v.max_len(2))
    )


@attrs.frozen(kw_only=True)
class Card:
    """A profile as far as its owner shows it to this reader (P4). Every field may be hidden.

    `country` is an ISO 3166-1 alpha-2 code. Text is as the sender typed it: whoever displays it
    cleans control characters and direction overrides first.
    """

    name: str | None = _optional_text(MAX_NAME_CHARS)
    country: str | None = _optional_text(2)
    phone: str | None = _optional_text(MAX_FIELD_CHARS)
    email: str | None = _optional_text(MAX_FIELD_CHARS)


@attrs.frozen(kw_only=True)
class Hello:
    """First message of each side on a new channel.

    `proof` shows that the sender holds an audience's secret (a contact code or the contacts
    secret): BLAKE2b-256 keyed with that secret over the handshake hash, 32 bytes. Without it a
    stranger reaches only a node that takes calls from anyone (P5).
    """

    card: Card = attrs.field(factory=Card)
    caps: tuple[str, ...] = attrs.field(
        default=(), validator=v.and_(v.max_len(32), v.deep_iterable(_string(1, 32)))
    )
    proof: bytes | None = attrs.field(
        default=None, repr=False, validator=v.optional(_bytes(32, 32))
    )


@attrs.frozen(kw_only=True)
class CardUpdate:
    """The sender's card changed while the channel is open."""

    card: Card


@attrs.frozen(kw_only=True)
class ContactRequest:
    """Asks to become a contact; the card shown is the one in `Hello`."""

    note: str | None = _optional_text(280)


@attrs.frozen(kw_only=True)
class ContactAccepted:
    """Answers a contact request. The contacts secret follows in a `Grant`."""


@attrs.frozen(kw_only=True)
class Grant:
    """The sender's contacts secret: from now on the receiver finds the sender's record with it."""

    secret: bytes = attrs.field(repr=False, validator=_bytes(16, 16))
    direct: bool = True
    """Whether records of that audience carry direct addresses."""


@attrs.frozen(kw_only=True)
class Invite:
    """Rings the receiver. `sdp` is the offer of generation 0 on the fast path, else absent.

    `age_ms` is how long ago the call was begun, by the sender's own monotonic clock; the receiver
    adds nothing to it but its own time since arrival. An invite older than the ring time is late.
    """

    call: CallId = _call_id()
    kinds: tuple[Kind, ...] = _kinds()
    sdp: str | None = _sdp(optional=True)
    age_ms: int = _integer(600_000)


@attrs.frozen(kw_only=True)
class Ringing:
    """What became of the invite on the sending device."""

    call: CallId = _call_id()
    state: RingState = RingState.DELIVERED


@attrs.frozen(kw_only=True)
class Accept:
    """The person took the call. Media follows on the fast path at once, else after `Answer`."""

    call: CallId = _call_id()
    kinds: tuple[Kind, ...] = _kinds()


@attrs.frozen(kw_only=True)
class Renegotiate:
    """An SDP offer for a fresh peer connection of a new generation (media re-offer)."""

    call: CallId = _call_id()
    generation: int = _integer(MAX_GENERATION)
    sdp: str = _sdp()


@attrs.frozen(kw_only=True)
class Answer:
    """The SDP answer to the offer of the same generation."""

    call: CallId = _call_id()
    generation: int = _integer(MAX_GENERATION)
    sdp: str = _sdp()


@attrs.frozen(kw_only=True)
class Candidate:
    """One ICE candidate, as in RFC 8839 ``a=candidate:`` without the ``a=``."""

    candidate: str = _text(300, 1)
    mid: str | None = _optional_text(16)
    index: int | None = attrs.field(
        default=None, validator=v.optional(v.and_(v.instance_of(int), v.ge(0), v.le(63)))
    )


@attrs.frozen(kw_only=True)
class Candidates:
    """Trickled ICE candidates (RFC 8838) of one generation; `end` says that no more follow."""

    call: CallId = _call_id()
    generation: int = _integer(MAX_GENERATION)
    candidates: tuple[Candidate, ...] = attrs.field(default=(), validator=v.max_len(MAX_CANDIDATES))
    end: bool = False


@attrs.frozen(kw_only=True)
class MediaState:
    """What the sender sends just now, so that the other side can show it."""

    call: CallId = _call_id()
    muted: bool = False
    camera_off: bool = False
    sharing: bool = False


@attrs.frozen(kw_only=True)
class Decline:
    """The call is not taken, on any of the receiver's devices."""

    call: CallId = _call_id()
    reason: DeclineReason = DeclineReason.DECLINED


@attrs.frozen(kw_only=True)
class Cancel:
    """The caller takes the invite back, from this device or altogether."""

    call: CallId = _call_id()
    reason: CancelReason = CancelReason.CANCELLED


@attrs.frozen(kw_only=True)
class Hangup:
    """An accepted call is over."""

    call: CallId = _call_id()
    reason: HangupReason = HangupReason.NORMAL


@attrs.frozen(kw_only=True)
class MissedCall:
    """From the caller's outbox: it called `age_s` seconds ago and did not get through."""

    call: CallId = _call_id()
    age_s: int = _integer(90 * 86_400)
    note: str | None = _optional_text(MAX_TEXT_CHARS)


@attrs.frozen(kw_only=True)
class Received:
    """Tells the sender that its `MissedCall` is kept; it may leave the outbox."""

    call: CallId = _call_id()


@attrs.frozen(kw_only=True)
class Chat:
    """A line of chat; travels on the call's data channel, in the same encoding."""

    text: str = _text(MAX_TEXT_CHARS, 1)


@attrs.frozen(kw_only=True)
class Ping:
    """Asks for a `Pong` with the same number."""

    n: int = _integer(2**32 - 1)


@attrs.frozen(kw_only=True)
class Pong:
    """Answers a `Ping`."""

    n: int = _integer(2**32 - 1)


@attrs.frozen(kw_only=True)
class Unsupported:
    """Answers a message of a type this side does not know."""

    type: str = _text(32)


@attrs.frozen(kw_only=True)
class Bye:
    """The channel is about to be closed in order."""

    reason: str = _text(64)


@attrs.frozen(kw_only=True)
class Unknown:
    """What a message of an unknown type decodes to. Never encoded."""

    type: str


Message = (
    Hello
    | CardUpdate
    | ContactRequest
    | ContactAccepted
    | Grant
    | Invite
    | Ringing
    | Accept
    | Renegotiate
    | Answer
    | Candidates
    | MediaState
    | Decline
    | Cancel
    | Hangup
    | MissedCall
    | Received
    | Chat
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
    | Candidates
    | MediaState
    | Decline
    | Cancel
    | Hangup
)
"""The messages that belong to one call, each with its `call` id."""
