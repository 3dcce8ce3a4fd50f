"""The events of one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from onmeet_node.events.node import NodeEvent
from onmeet_node.protocol.call.authentication import StringDoubt
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.wire.messages import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(NodeEvent):
    """Something about one call."""

    call: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming(CallEvent):
    """A call rings here."""

    name: ClassVar[str] = "incoming"
    identity: bytes
    contact: str | None
    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(CallEvent):
    """Our invite is on its way to a device of the peer; nothing is known of it there yet."""

    name: ClassVar[str] = "sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRinging(CallEvent):
    """What the furthest of the peer's devices said of the ring: it never says more than that."""

    name: ClassVar[str] = "ringing"
    ring: Ring


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(CallEvent):
    """The call was taken, here or there."""

    name: ClassVar[str] = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaUp(CallEvent):
    """Media flows over this kind of path.

    `region`: of the relay on our side, ``ca`` or ``de`` as its operator signs; None without one.
    """

    name: ClassVar[str] = "connected"
    path: str
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated(CallEvent):
    """There is a short authentication string to compare; or `doubt` says why there is none."""

    name: ClassVar[str] = "authenticated"
    sas: str | None
    doubt: StringDoubt | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StringCompared(CallEvent):
    """What the two people said of the string: the same, or not; None while they said nothing."""

    name: ClassVar[str] = "compared"
    ours: bool | None
    theirs: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstMedia(CallEvent):
    """The first frame of a kind was decoded here."""

    name: ClassVar[str] = "media"
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingStopped(CallEvent):
    """Nothing more of this call is recorded here: the disk is full, say. The call goes on."""

    name: ClassVar[str] = "recording-stopped"
    sentence: str
    """Why, what is left of it, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEnded(CallEvent):
    """A file that the call sent is over, of this kind: silence, or its last picture, follows."""

    name: ClassVar[str] = "source-ended"
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged(CallEvent):
    """The call entered a state."""

    name: ClassVar[str] = "state"
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerMediaChanged(CallEvent):
    """The peer muted, switched its camera or shares its screen."""

    name: ClassVar[str] = "peer-media"
    endless: ClassVar[bool] = True
    muted: bool
    camera_off: bool
    sharing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatLine(CallEvent):
    """The peer wrote a line of chat."""

    name: ClassVar[str] = "chat"
    endless: ClassVar[bool] = True
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(CallEvent):
    """The call is over; `sentence` says why in words, and what to try."""

    name: ClassVar[str] = "ended"
    reason: EndReason
    sentence: str
    detail: str | None
    """What failed exactly, where that is known."""
    seconds: float
    """Since it was taken; 0 if it never was."""
    note: str | None = None
    """What they wrote when they declined, cleaned."""
