"""The plain sentence for each end reason: what happened and what to do about it (P14)."""

from __future__ import annotations

from onmeet_node.call.effects import EndReason

_SENTENCES = {
    EndReason.HUNG_UP: "You hung up.",
    EndReason.PEER_HUNG_UP: "The other side hung up.",
    EndReason.CANCELLED: "You cancelled the call before it was answered.",
    EndReason.MISSED: "You missed this call. Call back when it suits you.",
    EndReason.DECLINED: "You declined the call.",
    EndReason.PEER_DECLINED: "The call was declined.",
    EndReason.PEER_BUSY: "They are in another call. Try again later.",
    EndReason.BUSY: "It came while you were in another call. Call back when you are free.",
    EndReason.NO_ANSWER: (
        "It rang, but nobody answered. They will see that you called; try again later."
    ),
    EndReason.NOT_REACHABLE: (
        "None of their devices could be reached: their node is not running, or not connected. "
        "They will see that you called when both of you are next online. "
        "If this happens with everyone, run: onmeet doctor"
    ),
    EndReason.ANSWERED_ELSEWHERE: "The call was answered on another device.",
    EndReason.SUPERSEDED: "You called each other at the same moment; the other call goes on.",
    EndReason.MEDIA_FAILED: (
        "The call was accepted, but no path for sound and picture was found between the two "
        "networks. Run: onmeet doctor - it says what this network blocks."
    ),
    EndReason.CONNECTION_LOST: (
        "The connection was lost and did not come back in time. Check the network and call again."
    ),
    EndReason.PEER_ERROR: (
        "The other side's program did something that it must not. Both of you should update."
    ),
    EndReason.SHUTDOWN: "The call ended because one of the two nodes was stopped.",
}


def sentence(reason: EndReason) -> str:
    """What a person is told about how a call ended."""
    return _SENTENCES[reason]
