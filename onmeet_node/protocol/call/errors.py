"""What can be wrong with an event: whose fault it is decides what happens."""

from onmeet_node.errors import OnMeetError


class CallError(OnMeetError):
    """Base of this package's errors."""


class LocalProtocolError(CallError):
    """Somebody here asked for what the call's state does not allow. Nothing was changed."""


class UnknownCall(LocalProtocolError):
    """There is no such call, or it is over already; refresh what is shown and go on."""


class AlreadyInCall(LocalProtocolError):
    """A call with this person is on; use it, or hang it up before calling again."""


class RemoteProtocolError(CallError):
    """A device of the peer sent what no honest one sends. Ends the call, never leaves `handle`."""


class GenerationsUsedUp(CallError):
    """65,535 media generations were offered; the call ends, as it cannot renegotiate any more."""
