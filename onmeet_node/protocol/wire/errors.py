"""What can be wrong with bytes on the wire, and whose fault it is (h11's distinction)."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.errors import RemoteProtocolError


class DecodeError(RemoteProtocolError):
    """Bytes from outside that are no message, or one with a value out of its range."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Unreadable message: {reason}. The other side runs a broken or incompatible "
            "version: one of the two should update."
        )
        self.reason = reason


class UnknownMessage(DecodeError):
    """A message of a later version: of a type, or with a word or length, that is not known here."""


class FrameTooLong(RemoteProtocolError):
    """A frame announces more bytes than a channel accepts. Refused before any is kept."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(
            f"The other side announced a frame of {length} bytes; at most {limit} are accepted. "
            "It does not speak this protocol: close the connection."
        )
        self.length = length
        self.limit = limit


class HandshakeError(RemoteProtocolError):
    """The sealed channel did not come to be; nothing the other side sent is to be believed."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"No sealed channel: {reason}. The other side may not hold the key it should have; "
            "look the contact up again, and compare contact codes if this persists."
        )
        self.reason = reason


class CipherError(RemoteProtocolError):
    """A sealed message does not open: altered, replayed, reordered or lost on the way."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The sealed channel is broken: {reason}. Open a new one.")
        self.reason = reason


class RecordError(RemoteProtocolError):
    """A DHT record that must not be stored, returned or believed."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Record refused: {reason}. If it is your own, check this machine's clock; "
            "if not, look it up again."
        )
        self.reason = reason


class DescriptionError(RemoteProtocolError):
    """A bootstrap's description of itself is not to be believed."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The bootstrap's description is not valid: {reason}. "
            "Check this machine's clock, or use another bootstrap."
        )
        self.reason = reason


class LinkError(OnMeetError):
    """A guest link that is none; the message says what to do."""
