"""The media sessions of a page: each is one peer connection, which the node asks for."""

from __future__ import annotations

import attrs

from onmeet_node.control.shapes import CALL, SAFE, SENTENCE, session
from onmeet_node.protocol.media import MediaPath
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
    maybe,
)
from onmeet_node.protocol.wire.messages import MAX_CANDIDATES, MAX_SDP_CHARS, Candidate, Kind
from onmeet_node.protocol.wire.room import MAX_CARRIED_BYTES

_SDP = Text(1, MAX_SDP_CHARS, ascii=True)


# ── the page speaks ──
@attrs.frozen(kw_only=True)
class Described:
    """The page's SDP for a session: the offer it was asked for, or its answer to one."""

    session: int = session()
    sdp: str = field(_SDP, hidden=True)


@attrs.frozen(kw_only=True)
class Found:
    """ICE candidates of the page."""

    session: int = session()
    candidates: tuple[Candidate, ...] = field(
        Several(Nested(Candidate), 0, MAX_CANDIDATES), default=()
    )
    end: bool = field(Flag(), default=False)


@attrs.frozen(kw_only=True)
class MediaConnected:
    """ICE and DTLS are up, or up again. `server`: URL of the TURN server of a relay candidate."""

    session: int = session()
    path: MediaPath = field(Choice(MediaPath))
    server: str | None = maybe(Text(1, 512), hidden=True)


@attrs.frozen(kw_only=True)
class MediaFirstFrame:
    """The first frame of a kind was decoded."""

    session: int = session()
    kind: Kind = field(Choice(Kind))


@attrs.frozen(kw_only=True)
class MediaPathLost:
    """The path does not work; the node makes a media re-offer."""

    session: int = session()


@attrs.frozen(kw_only=True)
class MediaFailed:
    """The session cannot go on. `why`: for people, as `MediaError` would say it."""

    session: int = session()
    why: str = field(SENTENCE, hidden=True)


@attrs.frozen(kw_only=True)
class StreamCounters:
    """One kind of media since the session began; as `media.endpoint.StreamStats`."""

    kind: Kind = field(Choice(Kind))
    frames_sent: int = field(Integer(0, SAFE), default=0)
    frames_decoded: int = field(Integer(0, SAFE), default=0)
    frames_concealed: int = field(Integer(0, SAFE), default=0)
    packets_sent: int = field(Integer(0, SAFE), default=0)
    packets_received: int = field(Integer(0, SAFE), default=0)
    packets_lost: int = field(Integer(0, SAFE), default=0)
    bytes_sent: int = field(Integer(0, SAFE), default=0)
    bytes_received: int = field(Integer(0, SAFE), default=0)
    jitter_ms: int = field(Integer(0, 100_000), default=0)
    round_trip_ms: int | None = maybe(Integer(0, 100_000))


@attrs.frozen(kw_only=True)
class PairSeen:
    """Candidate pairs of one kind: ``host/udp`` and so on; as `media.report.PairReport`."""

    local: str = field(Text(1, 32, ascii=True))
    remote: str = field(Text(1, 32, ascii=True))
    state: str = field(Text(1, 32, ascii=True))
    count: int = field(Integer(1, 1_000), default=1)


@attrs.frozen(kw_only=True)
class ServerSeen:
    """What came of asking one STUN or TURN server; as `media.report.ServerReport`."""

    kind: str = field(Text(1, 32, ascii=True))
    worked: bool = field(Flag())
    error: str = field(Text(0, 200), default="")


@attrs.frozen(kw_only=True)
class MediaCounters:
    """Sent every 2 s while a session is connected, at each change of its ICE state, and at the end.

    Types only: no address ever.
    """

    session: int = session()
    streams: tuple[StreamCounters, ...] = field(Several(Nested(StreamCounters), 0, 4), default=())
    local: tuple[str, ...] = field(Several(Text(1, 32, ascii=True), 0, 16), default=())
    remote: tuple[str, ...] = field(Several(Text(1, 32, ascii=True), 0, 16), default=())
    pairs: tuple[PairSeen, ...] = field(Several(Nested(PairSeen), 0, 24), default=())
    servers: tuple[ServerSeen, ...] = field(Several(Nested(ServerSeen), 0, 8), default=())


@attrs.frozen(kw_only=True)
class Carried:
    """A frame came over the data channel for frames of a session."""

    session: int = session()
    data: bytes = field(Data(1, MAX_CARRIED_BYTES), hidden=True)


# ── the node speaks ──
@attrs.frozen(kw_only=True)
class Server:
    """A STUN or TURN server (RFC 7064, 7065)."""

    url: str = field(Text(1, 512))
    username: str | None = field(Maybe(Text(0, 256)), hidden=True)
    credential: str | None = field(Maybe(Text(0, 256)), hidden=True)


@attrs.frozen(kw_only=True)
class OpenMedia:
    """Make a peer connection for a call, with a transceiver of each kind and no track.

    Chat is the negotiated data channel ``onmeet``, id 0. Nothing of camera or microphone is opened
    before `AttachMedia`.
    """

    session: int = session()
    call: str = field(CALL)
    kinds: tuple[Kind, ...] = field(Several(Choice(Kind), 1, 2))
    servers: tuple[Server, ...] = field(Several(Nested(Server), 0, 16))
    relay_only: bool = field(Flag())
    room: str | None = field(Maybe(CALL))
    """The room that the call belongs to: all its calls send the same camera and microphone."""
    carry: bool = field(Flag())
    """Whether a second negotiated data channel, ``onmeet-frames``, id 1, carries frames of a sealed
    channel: see `CarryMedia`. Both ends have it or neither."""


@attrs.frozen(kw_only=True)
class MakeOffer:
    """Answer with `Described`; candidates may follow it in `Found`."""

    session: int = session()


@attrs.frozen(kw_only=True)
class TakeOffer:
    """The peer's offer. Answer with `Described`."""

    session: int = session()
    sdp: str = field(_SDP, hidden=True)


@attrs.frozen(kw_only=True)
class TakeAnswer:
    """The peer's answer; connecting begins."""

    session: int = session()
    sdp: str = field(_SDP, hidden=True)


@attrs.frozen(kw_only=True)
class TakeCandidates:
    """ICE candidates of the peer."""

    session: int = session()
    candidates: tuple[Candidate, ...] = field(Several(Nested(Candidate), 0, MAX_CANDIDATES))
    end: bool = field(Flag())


@attrs.frozen(kw_only=True)
class AttachMedia:
    """The call was accepted: open camera and microphone as chosen and send them (replaceTrack)."""

    session: int = session()
    kinds: tuple[Kind, ...] = field(Several(Choice(Kind), 0, 2))


@attrs.frozen(kw_only=True)
class MuteMedia:
    """Somebody else (the command line) muted this end."""

    session: int = session()
    kind: Kind = field(Choice(Kind))
    muted: bool = field(Flag())


@attrs.frozen(kw_only=True)
class SuspectMedia:
    """The peer may be gone: look now whether packets still come; `MediaPathLost` if not."""

    session: int = session()


@attrs.frozen(kw_only=True)
class CloseMedia:
    """Close the peer connection and, if no other session of this call is left, the devices."""

    session: int = session()


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


FromPageMedia = (
    Described
    | Found
    | MediaConnected
    | MediaFirstFrame
    | MediaPathLost
    | MediaFailed
    | MediaCounters
    | Carried
)
"""What a page says about its media sessions; the page endpoint takes these."""
FromNodeMedia = (
    OpenMedia
    | MakeOffer
    | TakeOffer
    | TakeAnswer
    | TakeCandidates
    | AttachMedia
    | MuteMedia
    | SuspectMedia
    | CloseMedia
    | ShapeMedia
    | CarryMedia
)
