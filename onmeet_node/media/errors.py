"""What can go wrong with media. Each message says what happened and what to do."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.errors import LocalProtocolError, RemoteProtocolError


class MediaError(OnMeetError):
    """Base of everything this package raises on purpose."""


class MediaMisuse(MediaError, LocalProtocolError, kind="LocalProtocolError"):
    """A method was called in a state where it makes no sense: a bug on this side."""


class PeerBrokeMedia(MediaError, RemoteProtocolError, kind="RemoteProtocolError"):
    """The peer sent something no honest endpoint sends: end the call, keep the node."""


class BadDescription(PeerBrokeMedia):
    """The peer's SDP or candidates are malformed, too large, or offer nothing we can do."""


class EngineFailed(MediaError):
    """aiortc, PyAV or aioice failed in a way that nobody foresaw; the session cannot go on."""


class GatheringFailed(MediaError):
    """No ICE candidate could be gathered; the message names the TURN server and its answer."""


class SourceUnavailable(MediaError):
    """The camera, microphone or file could not be opened."""


class SinkUnavailable(MediaError):
    """The recording could not be opened or written."""


class SessionClosed(MediaError):
    """The session was closed, here or by the end of the endpoint."""


class LibraryChanged(MediaError):
    """A private attribute of aiortc or aioice that this package relies on is gone."""


class ChatUnconfirmed(MediaError):
    """A line of chat was sent, and the peer's program did not say that it has it."""

    def __init__(self) -> None:
        super().__init__(
            "The line of chat may not have arrived: nothing confirms it. Write it again."
        )
