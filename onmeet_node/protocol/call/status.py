"""What a user interface shows of a call, as one immutable value."""

from __future__ import annotations

from dataclasses import dataclass

from onmeet_node.protocol.call.effects import Ring, State
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.wire.messages import CallId, Kind, MediaState


@dataclass(frozen=True, slots=True)
class CallStatus:
    """One call as it is now. Times are those given to the machine as `now`."""

    call: CallId
    peer: Identity
    outgoing: bool
    state: State
    since: float
    """When it entered this state."""
    connected_at: float | None
    """When media was first up; talking time counts from here."""
    kinds: frozenset[Kind]
    """Kinds of media either side sends."""
    sending: frozenset[Kind]
    """Kinds we send, once accepted."""
    ring: Ring | None
    """The furthest any device of the callee got; None before the first invite went out."""
    device: Device | None
    """The device the call is with, or the one that rings us; None before the callee accepted."""
    signaling: bool
    """A sealed channel to the peer is open."""
    peer_media: MediaState | None
    """What the peer said it sends just now."""
