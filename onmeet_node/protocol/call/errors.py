"""What can be wrong with an event: whose fault it is decides what happens."""

from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.errors import LocalProtocolError, RemoteProtocolError


class CallError(OnMeetError):
    """Base of this package's errors."""


class CallRefused(CallError, LocalProtocolError, kind="LocalProtocolError"):
    """Somebody here asked for what the call's state does not allow. Nothing was changed."""


class UnknownCall(CallRefused):
    """There is no such call, or it is over already; refresh what is shown and go on."""


class AlreadyInCall(CallRefused):
    """A call with this person is on; use it, or hang it up before calling again."""


class PeerBrokeCall(CallError, RemoteProtocolError, kind="RemoteProtocolError"):
    """A device of the peer sent what no honest one sends. Ends the call, never leaves `handle`."""


class GenerationsUsedUp(CallError):
    """65,535 media generations were offered; the call ends, as it cannot renegotiate any more."""
