"""The one table of a call's states, and the picture drawn from it for PROTOCOL.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.call.events import (
    AcceptCall,
    DeclineCall,
    Dial,
    HangUp,
    MediaConnected,
    MediaFailed,
    MediaPathLost,
    NetworkChanged,
    ProgramFault,
    RestartMedia,
    SearchEnded,
    SilenceCall,
)
from onmeet_node.protocol.wire.messages import (
    Accept,
    CallMessage,
    Cancel,
    Decline,
    Hangup,
    Invite,
    Ringing,
)


class RingTimeout:
    """`timing.RING` is over."""


class CallerGone:
    """The caller's channel was lost while it rang, for `timing.CALLER_GONE`."""


class ConnectTimeout:
    """`timing.CONNECT` is over."""


class ReconnectTimeout:
    """`timing.RECONNECT` is over and no path works."""


class PathHeld:
    """`timing.RECONNECT` is over, no new path came up, but the old one still works."""


class RingsNowhere:
    """No channel is left to any device of the callee that said it has the invite."""


class Superseded:
    """Another call with the same peer goes on in place of this one."""


class PeerError:
    """The peer sent what no honest one sends: PROTOCOL, "Calls", has the list."""


Trigger = type
"""What moves a call: the class of an event, of a received message, or one of the above."""

UNANSWERED = frozenset({State.DIALING, State.RINGING_OUT})
ACCEPTED = frozenset({State.CONNECTING, State.CONNECTED, State.RECONNECTING})

STARTS: Mapping[Trigger, State] = {Dial: State.DIALING, Invite: State.RINGING_IN}
"""How a call begins."""

# NOTE: a trigger is taken when its rule says so (machine.py): `SearchEnded` ends a call only when
# it brought nothing, `MediaFailed` only when the tries are used up. Where it leads is said here.
TRANSITIONS: Mapping[State, Mapping[Trigger, State]] = {
    State.DIALING: {
        Ringing: State.RINGING_OUT,
        Accept: State.CONNECTING,
        SearchEnded: State.ENDED,
        HangUp: State.ENDED,
        Decline: State.ENDED,
        Hangup: State.ENDED,
        RingTimeout: State.ENDED,
        Superseded: State.ENDED,
        PeerError: State.ENDED,
        ProgramFault: State.ENDED,
    },
    State.RINGING_OUT: {
        Ringing: State.RINGING_OUT,
        RingsNowhere: State.DIALING,
        Accept: State.CONNECTING,
        HangUp: State.ENDED,
        Decline: State.ENDED,
        Hangup: State.ENDED,
        RingTimeout: State.ENDED,
        Superseded: State.ENDED,
        PeerError: State.ENDED,
        ProgramFault: State.ENDED,
    },
    State.RINGING_IN: {
        SilenceCall: State.RINGING_IN,
        AcceptCall: State.CONNECTING,
        DeclineCall: State.ENDED,
        HangUp: State.ENDED,
        Cancel: State.ENDED,
        Hangup: State.ENDED,
        RingTimeout: State.ENDED,
        CallerGone: State.ENDED,
        Superseded: State.ENDED,
        PeerError: State.ENDED,
        ProgramFault: State.ENDED,
    },
    State.CONNECTING: {
        MediaConnected: State.CONNECTED,
        MediaFailed: State.ENDED,
        SearchEnded: State.ENDED,
        HangUp: State.ENDED,
        Hangup: State.ENDED,
        Cancel: State.ENDED,
        Decline: State.ENDED,
        ConnectTimeout: State.ENDED,
        Superseded: State.ENDED,
        PeerError: State.ENDED,
        ProgramFault: State.ENDED,
    },
    State.CONNECTED: {
        MediaPathLost: State.RECONNECTING,
        MediaFailed: State.RECONNECTING,
        RestartMedia: State.RECONNECTING,
        NetworkChanged: State.RECONNECTING,
        HangUp: State.ENDED,
        Hangup: State.ENDED,
        Cancel: State.ENDED,
        Decline: State.ENDED,
        Superseded: State.ENDED,
        PeerError: State.ENDED,
        ProgramFault: State.ENDED,
    },
    State.RECONNECTING: {
        MediaConnected: State.CONNECTED,
        PathHeld: State.CONNECTED,
        MediaFailed: State.ENDED,
        SearchEnded: State.ENDED,
        HangUp: State.ENDED,
        Hangup: State.ENDED,
        Cancel: State.ENDED,
        Decline: State.ENDED,
        ReconnectTimeout: State.ENDED,
        Superseded: State.ENDED,
        PeerError: State.ENDED,
        ProgramFault: State.ENDED,
    },
    State.ENDED: {},
}


def diagram() -> str:
    """The table as a Mermaid state diagram, one line for each pair of states."""
    lines = ["stateDiagram-v2"]
    for trigger, state in STARTS.items():
        lines.append(f"    [*] --> {_name(state)}: {_label(trigger)}")
    for source, row in TRANSITIONS.items():
        targets: dict[State, list[str]] = {}
        for trigger, target in row.items():
            targets.setdefault(target, []).append(_label(trigger))
        for target, names in targets.items():
            lines.append(f"    {_name(source)} --> {_name(target)}: {', '.join(names)}")
    lines.append(f"    {_name(State.ENDED)} --> [*]")
    return "\n".join(lines)


def _name(state: State) -> str:
    """Mermaid takes no hyphens in names."""
    return state.value.replace("-", "_")


def _label(trigger: Trigger) -> str:
    received = trigger in get_args(CallMessage)
    return f"received {trigger.__name__}" if received else trigger.__name__
