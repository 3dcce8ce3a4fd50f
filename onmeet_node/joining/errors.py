"""Why a guest is not in a call."""

from __future__ import annotations

from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.wire import messages as m

_DENIED = {
    m.DenyReason.DENIED: "The host did not let you in.",
    m.DenyReason.REMOVED: "The host sent you out of the call.",
    m.DenyReason.LINK_CLOSED: "This link was closed. Ask for a new one.",
    m.DenyReason.EXPIRED: "This link has expired. Ask for a new one.",
    m.DenyReason.FULL: "Too many guests are waiting. Try again in a while.",
    m.DenyReason.NO_ANSWER: "Nobody opened. Try again later, or ask your host.",
    m.DenyReason.FAULT: "An error in your host's program sent you away. Knock again.",
}


class EntryDenied(OnMeetError, kind="NotLetIn"):
    """The host denied the guest."""

    def __init__(self, reason: m.DenyReason) -> None:
        super().__init__(_DENIED[reason])
        self.reason = reason


class NoMedia(OnMeetError):
    """No path for sound and picture was found, or it was lost."""
