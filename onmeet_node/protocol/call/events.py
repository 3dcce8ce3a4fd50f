"""What can happen to the calls of a node. Every event goes with the time into `NodeCalls`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NewType

from onmeet_node.protocol.wire.messages import CallId, CallMessage, Candidate, Kind

Identity = NewType("Identity", bytes)
"""A person: the 32 bytes of their Ed25519 public key."""

Device = NewType("Device", str)
"""A running node of a person: its libp2p PeerId, in base58. Changes at every start."""


# ── from the person ──────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Dial:
    """Call `peer`. `early_media`: our direct addresses may go to them with the invite."""

    call: CallId
    peer: Identity
    kinds: frozenset[Kind]
    early_media: bool


@dataclass(frozen=True, slots=True)
class AcceptCall:
    """Take a ringing call, with these kinds of media of our own."""

    call: CallId
    kinds: frozenset[Kind]


@dataclass(frozen=True, slots=True)
class DeclineCall:
    """Refuse a ringing call, with a line for the caller if there is one to say."""

    call: CallId
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Alerting:
    """The call now rings where a person can notice it; the caller learns `alerting`."""

    call: CallId


@dataclass(frozen=True, slots=True)
class SilenceCall:
    """Stop the ringing; the caller learns `silenced` and the call may still be taken."""

    call: CallId


@dataclass(frozen=True, slots=True)
class HangUp:
    """End this call in whatever state it is: cancels, declines or hangs up, as fits."""

    call: CallId
    shutdown: bool = False
    """The node is stopping."""


@dataclass(frozen=True, slots=True)
class SetMedia:
    """What we send just now; passed on to the peer when it changes."""

    call: CallId
    muted: bool
    camera_off: bool
    sharing: bool


@dataclass(frozen=True, slots=True)
class JudgeString:
    """The person compared the authentication string with the other one's: the same, or not."""

    call: CallId
    same: bool


@dataclass(frozen=True, slots=True)
class RestartMedia:
    """Replace the peer connection of this call by a media re-offer."""

    call: CallId


@dataclass(frozen=True, slots=True)
class NetworkChanged:
    """Our addresses changed, or the machine woke up: of concern to every call."""


# ── from the network ─────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class DeviceReady:
    """A sealed channel to one of the peer's devices is open: for `FindDevices`, or re-dialled."""

    call: CallId
    device: Device


@dataclass(frozen=True, slots=True)
class SearchEnded:
    """`FindDevices` will bring no further device (it may have brought some)."""

    call: CallId


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A call message over the sealed channel to `device` of `peer`.

    `early_media`: `peer` may see our direct addresses before we accept (fast path).
    """

    peer: Identity
    device: Device
    message: CallMessage
    early_media: bool = False


@dataclass(frozen=True, slots=True)
class PeerBroke:
    """What came over the peer's sealed channel was altered on the way, or by its program."""

    call: CallId


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """The last sealed channel to this device is gone."""

    peer: Identity
    device: Device


# ── from media: always of one leg (call and device) and one generation ───────────────────────────
@dataclass(frozen=True, slots=True)
class ProgramFault:
    """What serves this call here stopped by an error of this program's own: the call ends."""

    call: CallId


@dataclass(frozen=True, slots=True)
class OfferReady:
    """`MakeOffer` is done. `nonce`: fresh random bytes for this generation's string."""

    call: CallId
    device: Device
    generation: int
    sdp: str = field(repr=False)
    nonce: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AnswerReady:
    """`MakeAnswer` is done. `nonce`: fresh random bytes for this generation's string."""

    call: CallId
    device: Device
    generation: int
    sdp: str = field(repr=False)
    nonce: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CandidatesReady:
    """Local candidates of an endpoint that trickles."""

    call: CallId
    device: Device
    generation: int
    candidates: tuple[Candidate, ...]
    end: bool


@dataclass(frozen=True, slots=True)
class MediaConnected:
    """ICE and DTLS are up."""

    call: CallId
    device: Device
    generation: int


@dataclass(frozen=True, slots=True)
class MediaPathLost:
    """The media path went silent."""

    call: CallId
    device: Device
    generation: int


@dataclass(frozen=True, slots=True)
class MediaFailed:
    """The generation will not work; also any error of making an offer or answer."""

    call: CallId
    device: Device
    generation: int


Event = (
    Dial
    | AcceptCall
    | DeclineCall
    | Alerting
    | SilenceCall
    | HangUp
    | SetMedia
    | JudgeString
    | RestartMedia
    | NetworkChanged
    | DeviceReady
    | SearchEnded
    | MessageReceived
    | DeviceLost
    | PeerBroke
    | ProgramFault
    | OfferReady
    | AnswerReady
    | CandidatesReady
    | MediaConnected
    | MediaPathLost
    | MediaFailed
)
