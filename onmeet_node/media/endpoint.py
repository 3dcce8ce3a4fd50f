"""What a call needs of a WebRTC endpoint (PROTOCOL, "Media"), seen from trio.

One `MediaSession` is one peer connection: one generation of one leg of a call. A media re-offer
opens a new one and closes the old one when the new one is connected.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import trio

from onmeet_node.media.frames import FrameFeed, FrameTap
from onmeet_node.media.ice_report import IceReport
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.room.send_limits import SendLimits
from onmeet_node.protocol.wire.messages import CallId, Candidate, Chat, Kind


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server of our own choosing; there is no default one, ever (P8)."""

    url: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """How to build one peer connection."""

    kinds: frozenset[Kind]
    ice_servers: tuple[IceServer, ...] = ()
    relay_only: bool = False
    """Emit and use relay candidates alone."""
    source: str | FrameFeed | None = None
    """What `attach` opens: ``test``, ``none``, ``devices``, a file's path, or a program's frames.
    None: the endpoint's own setting."""
    record: pathlib.Path | None = None
    """File that gets what the peer sends; its suffix chooses the format (`recording_formats`)."""
    picture: pathlib.Path | None = None
    """PNG file that gets the first decoded picture."""
    tap: FrameTap | None = None
    """Gets decoded frames, for API users."""
    call: CallId | None = None
    """Which call it is for; endpoints that show the call to a person need to know."""
    room: bytes | None = None
    """The room that the call belongs to: its calls share one camera and microphone."""
    carry: bool = False
    """Whether a second data channel carries frames of a sealed channel, for either end's program:
    `MediaSession.carry` and `FrameCarried`."""


@dataclass(frozen=True, slots=True)
class Connected:
    """ICE and DTLS are up; media flows as soon as a track is attached."""

    path: MediaPath
    server: str | None = None
    """URL of the TURN server that our end goes through, if it does."""


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """The first frame of this kind was decoded here."""

    kind: Kind


@dataclass(frozen=True, slots=True)
class PathLost:
    """The path does not work: time for a media re-offer. `Connected` follows if it works again.

    There was no consent from the peer for 4 s (RFC 7675), or its port is closed or it is suspected
    and silent (0.4 s, three round trips of a slow path), or our TURN server is gone (at once).
    """


@dataclass(frozen=True, slots=True)
class Failed:
    """The peer connection will not come up, or is gone for good; `why` is for people."""

    why: str


@dataclass(frozen=True, slots=True)
class ChatReceived:
    """A line of chat came over the data channel."""

    chat: Chat


@dataclass(frozen=True, slots=True)
class FrameCarried:
    """A frame came over the data channel for frames; see `SessionConfig.carry`."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LocalCandidates:
    """More ICE candidates of ours, for endpoints that trickle (the page; never aiortc)."""

    candidates: tuple[Candidate, ...]
    end: bool


@dataclass(frozen=True, slots=True)
class RecorderStopped:
    """Nothing more is recorded: the disk is full, say. The session goes on; `why` is for people."""

    why: str


@dataclass(frozen=True, slots=True)
class SourcesGone:
    """Nothing is sent any more: what had camera and microphone is gone (a page was closed)."""


@dataclass(frozen=True, slots=True)
class SourceOver:
    """What was sent of this kind is at its end, as a file is; nothing follows it."""

    kind: Kind


MediaEvent = (
    Connected
    | FirstFrame
    | PathLost
    | Failed
    | ChatReceived
    | FrameCarried
    | LocalCandidates
    | RecorderStopped
    | SourcesGone
    | SourceOver
)


@dataclass(frozen=True, slots=True)
class StreamStats:
    """Counters of one kind of media since the session began. Times in milliseconds."""

    kind: Kind
    frames_sent: int = 0
    frames_decoded: int = 0
    frames_concealed: int = 0
    """Audio frames invented because theirs did not arrive in time."""
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    target_bitrate: int | None = None
    """Bits per second that rate control allows the encoder now."""
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class MediaStats:
    """A snapshot of one session."""

    path: MediaPath | None
    streams: tuple[StreamStats, ...]
    local_candidate_types: tuple[str, ...] = ()
    remote_candidate_types: tuple[str, ...] = ()


class MediaSession(Protocol):
    """One peer connection. Methods raise `MediaError`; `aclose` works after a cancelled one."""

    events: trio.MemoryReceiveChannel[MediaEvent]
    """What happened, in order, bounded; ends when the session is closed."""

    async def create_offer(self) -> str:
        """The SDP offer, candidates included as far as this endpoint gathers before it returns."""
        ...

    async def accept_offer(self, sdp: str) -> str:
        """Takes the peer's offer and returns the SDP answer."""
        ...

    async def accept_answer(self, sdp: str) -> None:
        """Takes the peer's answer; connecting begins."""
        ...

    async def add_candidates(self, candidates: Sequence[Candidate], *, end: bool) -> None:
        """Adds trickled candidates of the peer (RFC 8838)."""
        ...

    async def attach(self, kinds: frozenset[Kind], config: SessionConfig | None = None) -> None:
        """Opens the sources of these kinds and sends them (replaceTrack: no renegotiation).

        `config`: source, record, picture and tap as they are now; a session that was opened while
        it rang did not know yet what the person would choose when accepting.
        """
        ...

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """Stops or resumes sending this kind; a muted camera or microphone is closed."""
        ...

    async def send_chat(self, chat: Chat) -> None:
        """Sends a line over the data channel."""
        ...

    async def carry(self, frame: bytes) -> None:
        """Sends a frame of at most `MAX_CARRIED_BYTES` over the data channel for frames; nothing if
        it is not open.
        """
        ...

    async def shape(self, shape: SendLimits) -> None:
        """The most to send as picture from now on, whatever the path would carry."""
        ...

    async def stats(self) -> MediaStats:
        """Counters as of now."""
        ...

    async def suspect(self) -> None:
        """Something else says that the peer may be gone: find out now.

        `PathLost` follows within 0.7 s if so, later where the round trip is above 130 ms.
        """
        ...

    def report(self) -> IceReport:
        """What ICE found and tried so far; also when it failed, and after `aclose`."""
        ...

    async def aclose(self) -> None:
        """Closes sources, sinks and the connection, within 2 s in whatever state it is."""
        ...


class MediaEndpoint(Protocol):
    """Where sessions come from: aiortc in this process, or the person's browser page."""

    async def open_session(self, config: SessionConfig) -> MediaSession:
        """A new peer connection; the caller owns it and closes it with `aclose`."""
        ...
