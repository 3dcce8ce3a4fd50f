"""Checks every effect of a line against what a runner may rely on."""

from __future__ import annotations

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call.effects import Effect, EndReason, Ring, State
from onmeet_node.protocol.call.events import Device
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallId

UNHEARD = {EndReason.NO_ANSWER, EndReason.NOT_REACHABLE}
"""After these the caller's outbox tells the callee of the call."""
Key = tuple[CallId, Device, int]


class Ledger:
    """What one line was told and has asked for so far."""

    def __init__(self) -> None:
        self.made: dict[Key, bool] = {}
        """Media sessions, and whether the offer was ours."""
        self.open: set[Key] = set()
        self.attached: set[Key] = set()
        self.answered: set[Key] = set()
        self.authenticated: set[Key] = set()
        self.accepted: set[CallId] = set()
        self.ended: dict[CallId, do.EndOfCall] = {}
        self.rings: set[tuple[CallId, Ring]] = set()
        """What may be shown of the ringing: what was sent, and what devices said."""

    def heard(self, message: m.CallMessage) -> None:
        if isinstance(message, m.Accept):
            self.accepted.add(message.call)
        if isinstance(message, m.Ringing):
            self.rings.add((message.call, Ring(message.state)))

    def check(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._check(effect)

    def _check(self, effect: Effect) -> None:
        if isinstance(effect, do.Send):
            message = effect.message
            if message.call in self.ended:
                hidden = self.ended[message.call].reason is EndReason.BUSY
                last = m.Ringing if hidden else m.Cancel | m.Decline | m.Hangup
                assert isinstance(message, last | m.Decline), "only the last word"
            if isinstance(message, m.Accept):
                self.accepted.add(message.call)
            if isinstance(message, m.Invite):
                self.rings.add((message.call, Ring.SENT))
            return
        assert effect.call not in self.ended, "nothing is asked for a call that is over"
        match effect:
            case do.MakeOffer() | do.MakeAnswer():
                key = (effect.call, effect.device, effect.generation)
                assert key not in self.made, "each generation of a leg is one session"
                self.made[key] = isinstance(effect, do.MakeOffer)
                self.open.add(key)
                of_call = [k for k in self.open if k[:2] == key[:2]]
                assert len(of_call) <= 2, "the session that plays, and the one that replaces it"
            case do.TakeAnswer():
                key = (effect.call, effect.device, effect.generation)
                assert key in self.open
                assert self.made[key], "only to an offer of ours"
                assert key not in self.answered
                self.answered.add(key)
            case do.TakeCandidates():
                key = (effect.call, effect.device, effect.generation)
                assert key in self.open
                assert key in self.answered or not self.made[key]
            case do.Authenticate():
                key = (effect.call, effect.device, effect.generation)
                assert key in self.open
                assert key not in self.authenticated, "once"
                self.authenticated.add(key)
            case do.Attach():
                key = (effect.call, effect.device, effect.generation)
                assert key in self.open
                assert key not in self.attached, "once"
                assert effect.call in self.accepted, "no microphone opens before the accept"
                self.attached.add(key)
            case do.SuspectMedia():
                assert (effect.call, effect.device, effect.generation) in self.open
            case do.CloseMedia():
                self.open.remove((effect.call, effect.device, effect.generation))
            case do.CallChanged():
                assert effect.state is not State.ENDED
                if effect.ring is not None:
                    assert (effect.call, effect.ring) in self.rings, "only what a device said"
                if effect.state is State.RINGING_OUT:
                    assert effect.ring not in {None, Ring.SENT}, "it rings, and somebody said so"
            case do.EndOfCall():
                assert not [key for key in self.open if key[0] == effect.call], "all is closed"
                assert effect.leave_note == (effect.outgoing and effect.reason in UNHEARD)
                self.ended[effect.call] = effect
            case do.FindDevices() | do.PeerMedia() | do.StringJudged():
                pass
