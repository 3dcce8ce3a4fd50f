"""How a call ends: what a person, the peer or a timer makes of it in each state, and the last word.

The caller is told no more than the callee wants it to know, and never less than is true.
"""

from __future__ import annotations

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.call.leg import Leg
from onmeet_node.protocol.call.media import Negotiation
from onmeet_node.protocol.call.ringing import DeviceRinging
from onmeet_node.protocol.call.state import CallState
from onmeet_node.protocol.call.table import (
    ACCEPTED,
    UNANSWERED,
    CallerGone,
    ConnectTimeout,
    PathHeld,
    ReconnectTimeout,
    RingTimeout,
)
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import (
    CallMessage,
    CancelReason,
    DeclineReason,
    HangupReason,
)

HUNG_UP = {
    HangupReason.NORMAL: EndReason.PEER_HUNG_UP,
    HangupReason.MEDIA_FAILED: EndReason.MEDIA_FAILED,
    HangupReason.CONNECTION_LOST: EndReason.CONNECTION_LOST,
    HangupReason.SHUTDOWN: EndReason.SHUTDOWN,
    HangupReason.FAULT: EndReason.FAULT,
}
DECLINED = {
    DeclineReason.DECLINED: EndReason.PEER_DECLINED,
    DeclineReason.BUSY: EndReason.PEER_BUSY,
    DeclineReason.NO_ANSWER: EndReason.NO_ANSWER,
    DeclineReason.NOT_NOW: EndReason.PEER_DECLINED,
}
CANCELLED = {
    CancelReason.CANCELLED: EndReason.MISSED,
    CancelReason.ANSWERED_ELSEWHERE: EndReason.ANSWERED_ELSEWHERE,
    CancelReason.NO_ANSWER: EndReason.MISSED,
    CancelReason.SUPERSEDED: EndReason.SUPERSEDED,
}


class CallEnding:
    """Ends the call with the reason that is true for us, and tells the peer its own."""

    def __init__(self, call: CallState, negotiation: Negotiation, ringing: DeviceRinging) -> None:
        self._call = call
        self._negotiation = negotiation
        self._ringing = ringing

    # ── by this side ──────────────────────────────────────────────────────────────────────────────
    def decline(self, note: str | None) -> None:
        """A person here does not take it."""
        word = m.Decline(call=self._call.id, note=note)
        self._call.end(on.DeclineCall, EndReason.DECLINED, word)

    def fault(self) -> None:
        """Our own program failed in the middle of an event of this call."""
        # NOTE: a hangup while it rings here, too: the caller shall not read that we declined
        last: CallMessage = m.Hangup(call=self._call.id, reason=HangupReason.FAULT)
        if self._call.state in UNANSWERED:
            last = self._call.final_message()
        self._call.end(on.ProgramFault, EndReason.FAULT, last)

    def hang_up(self, *, shutdown: bool) -> None:
        """A person here hangs up, or the node stops (`shutdown`)."""
        reason = HangupReason.SHUTDOWN if shutdown else HangupReason.NORMAL
        last: CallMessage | None = self._call.final_message(
            CancelReason.CANCELLED, DeclineReason.DECLINED, reason
        )
        match self._call.state:
            case State.DIALING | State.RINGING_OUT:
                ended = EndReason.CANCELLED
            case State.RINGING_IN:
                ended = EndReason.DECLINED
                if shutdown:  # of this device alone; a decline would stop the others too
                    last = m.Hangup(call=self._call.id, reason=reason)
            case State.CONNECTING | State.CONNECTED | State.RECONNECTING:
                ended = EndReason.HUNG_UP
            case State.ENDED:
                return
        self._call.end(on.HangUp, EndReason.SHUTDOWN if shutdown else ended, last)

    # ── by the peer ───────────────────────────────────────────────────────────────────────────────
    def cancelled(self, reason: CancelReason) -> None:
        """The caller does not call any more."""
        ended = CANCELLED[reason]
        if self._call.state in ACCEPTED and ended is EndReason.MISSED:
            ended = EndReason.PEER_HUNG_UP
        self._call.end(m.Cancel, ended, None)

    def declined_by(self, leg: Leg, message: m.Decline) -> None:
        """A device of the peer does not take it, for all of them."""
        no_answer = message.reason is DeclineReason.NO_ANSWER
        last = None
        if self._call.state in UNANSWERED:
            last = m.Cancel(
                call=self._call.id,
                reason=CancelReason.NO_ANSWER if no_answer else CancelReason.ANSWERED_ELSEWHERE,
            )
        self._call.end(
            m.Decline,
            DECLINED[message.reason],
            last,
            spare=leg,
            leave_note=no_answer,
            said=message.note,
        )

    def hung_up_by(self, leg: Leg, reason: HangupReason) -> None:
        """A device of the peer hangs up, or stops."""
        if reason is HangupReason.SHUTDOWN and self._call.state in UNANSWERED:
            self._ringing.device_stopped(leg)
            return
        # NOTE: before an accept it comes from a callee whose accept was lost with its channel, or
        # from a caller that had not heard ours
        last = None
        if self._call.state in UNANSWERED:
            last = m.Cancel(call=self._call.id, reason=CancelReason.ANSWERED_ELSEWHERE)
        ended = EndReason.MISSED if self._call.state is State.RINGING_IN else HUNG_UP[reason]
        self._call.end(m.Hangup, ended, last, spare=leg)

    # ── by a timer ────────────────────────────────────────────────────────────────────────────────
    def time_out(self) -> None:
        """The deadline of the state we are in has passed."""
        match self._call.state:
            case State.DIALING | State.RINGING_OUT:
                reason = EndReason.NO_ANSWER if self._call.rang else EndReason.NOT_REACHABLE
                last = self._call.final_message(CancelReason.NO_ANSWER)
                self._call.end(RingTimeout, reason, last, leave_note=True)
            case State.RINGING_IN:
                if self._call.now < self._call.begun + timing.RING:
                    self._call.end(CallerGone, EndReason.MISSED, None)
                else:
                    self._call.end(RingTimeout, EndReason.MISSED, self._call.final_message())
            case State.CONNECTING:
                if self._call.leg is not None and self._call.leg.open:
                    last = self._call.final_message(hangup=HangupReason.MEDIA_FAILED)
                    self._call.end(ConnectTimeout, EndReason.MEDIA_FAILED, last)
                else:
                    last = self._call.final_message(hangup=HangupReason.CONNECTION_LOST)
                    self._call.end(ConnectTimeout, EndReason.CONNECTION_LOST, last)
            case State.RECONNECTING:
                if self._call.leg is not None and self._call.leg.live:
                    if self._call.leg.pending is not None:
                        self._call.add(self._call.leg.close(self._call.leg.pending.generation))
                    self._negotiation.connected(PathHeld)
                else:
                    last = self._call.final_message(hangup=HangupReason.CONNECTION_LOST)
                    self._call.end(ReconnectTimeout, EndReason.CONNECTION_LOST, last)
            case State.CONNECTED | State.ENDED:
                raise AssertionError("has no deadline")
