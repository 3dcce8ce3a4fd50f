"""What the call machine wants done, in this order. `calls.runner` does it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from onmeet_node.protocol.call.authentication import Nonces, StringDoubt
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire.messages import CallId, CallMessage, Candidate, Kind, MediaState


class State(enum.StrEnum):
    """The states of a call: PROTOCOL, "Calls", has their picture."""

    DIALING = "dialing"
    """Looking for the peer; nothing has reached a device of theirs."""
    RINGING_OUT = "ringing-out"
    RINGING_IN = "ringing-in"
    CONNECTING = "connecting"
    """Accepted; media is not up yet."""
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


class Ring(enum.StrEnum):
    """What a caller knows of the ringing. All but `SENT` are the callee's own words (`RingState`):
    nothing here may make a caller believe that a phone rings which does not (P14).
    """

    SENT = "sent"
    """The invite went out on a channel; no device has confirmed it. Never on the wire."""
    DELIVERED = "delivered"
    """It reached the device."""
    ALERTING = "alerting"
    """It rings where a person can notice it."""
    SILENCED = "silenced"
    """The person silenced it; accepting is still possible."""


class EndReason(enum.StrEnum):
    """Why a call ended, as told to the person and kept in the history (P14)."""

    HUNG_UP = "hung-up"
    PEER_HUNG_UP = "peer-hung-up"
    CANCELLED = "cancelled"
    """We took the invite back."""
    MISSED = "missed"
    """It rang here and nobody took it in time, or the caller gave up."""
    DECLINED = "declined"
    """We declined."""
    PEER_DECLINED = "peer-declined"
    PEER_BUSY = "peer-busy"
    BUSY = "busy"
    """It came while we were in another call."""
    NO_ANSWER = "no-answer"
    NOT_REACHABLE = "not-reachable"
    """No device of the peer could be reached."""
    ANSWERED_ELSEWHERE = "answered-elsewhere"
    SUPERSEDED = "superseded"
    """Lost glare; the other call goes on. Not a call of its own in the history."""
    MEDIA_FAILED = "media-failed"
    CONNECTION_LOST = "connection-lost"
    PEER_ERROR = "peer-error"
    """The other side's program sent what no honest one sends in that state."""
    SHUTDOWN = "shutdown"
    """The node here or there was stopped."""
    FAULT = "fault"
    """The program here or there met an error of its own in this call."""


@dataclass(frozen=True, slots=True)
class FindDevices:
    """Open sealed channels to all devices of `peer`; answer with `DeviceReady`, `SearchEnded`.

    Given again while a call is reconnecting and its channel is lost.
    """

    call: CallId
    peer: Identity


@dataclass(frozen=True, slots=True)
class Send:
    """Send over the sealed channel to this device."""

    peer: Identity
    device: Device
    message: CallMessage


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Open a session for this leg and generation and create its offer; then `OfferReady`."""

    call: CallId
    device: Device
    generation: int
    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class MakeAnswer:
    """Open a session for this leg and generation with the peer's offer; then `AnswerReady`."""

    call: CallId
    device: Device
    generation: int
    kinds: frozenset[Kind]
    sdp: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TakeAnswer:
    """Give the peer's answer to the session that made the offer."""

    call: CallId
    device: Device
    generation: int
    sdp: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TakeCandidates:
    """Give trickled candidates of the peer to the session."""

    call: CallId
    device: Device
    generation: int
    candidates: tuple[Candidate, ...] = field(repr=False)
    end: bool


@dataclass(frozen=True, slots=True)
class Authenticate:
    """What this generation's authentication string is made of, or why it has none. Said once."""

    call: CallId
    device: Device
    generation: int
    outcome: Nonces | StringDoubt


@dataclass(frozen=True, slots=True)
class Attach:
    """The call is accepted: open these sources and send them on this session."""

    call: CallId
    device: Device
    generation: int
    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """Close the session of this leg and generation, if there is one."""

    call: CallId
    device: Device
    generation: int


@dataclass(frozen=True, slots=True)
class SuspectMedia:
    """The device of this session may be gone: find out at once rather than when its time is up.

    A process that dies takes its channel with it, and that is heard long before silence tells.
    """

    call: CallId
    device: Device
    generation: int


@dataclass(frozen=True, slots=True)
class CallChanged:
    """The call entered a state, or what is known about its ringing changed."""

    call: CallId
    peer: Identity
    state: State
    outgoing: bool
    kinds: frozenset[Kind]
    ring: Ring | None = None
    """The furthest any device of the peer got; None before the first invite went out."""
    device: Device | None = None
    """The device the call is with, once accepted; or the one that rang us."""


@dataclass(frozen=True, slots=True)
class PeerMedia:
    """What the peer sends changed."""

    call: CallId
    media: MediaState


@dataclass(frozen=True, slots=True)
class StringJudged:
    """What the two people said of the authentication string, each None while they said nothing."""

    call: CallId
    peer: Identity
    ours: bool | None
    theirs: bool | None


@dataclass(frozen=True, slots=True)
class Faulted:
    """A step of this call raised what nobody expected; `EndOfCall` follows."""

    call: CallId
    error: Exception = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndOfCall:
    """Over; `leave_note`: the outbox gets a missed-call note.

    The last effect about this call, but for a `Send` that says so again to a device that missed it.
    """

    call: CallId
    peer: Identity
    outgoing: bool
    reason: EndReason
    leave_note: bool = False
    said: str | None = None
    """What they wrote when they declined, as typed."""


Effect = (
    FindDevices
    | Send
    | MakeOffer
    | MakeAnswer
    | TakeAnswer
    | TakeCandidates
    | Authenticate
    | Attach
    | CloseMedia
    | SuspectMedia
    | CallChanged
    | PeerMedia
    | StringJudged
    | Faulted
    | EndOfCall
)
