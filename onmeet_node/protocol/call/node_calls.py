"""All calls of a node: who is busy, which of two crossing calls goes on, what came too late."""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import Effect, EndReason, State
from onmeet_node.protocol.call.errors import AlreadyInCall, CallRefused, UnknownCall
from onmeet_node.protocol.call.events import Event, Identity
from onmeet_node.protocol.call.machine import CallMachine
from onmeet_node.protocol.call.status import CallStatus
from onmeet_node.protocol.call.table import UNANSWERED
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CALL_ID_BYTES, CallId, CallMessage


class Busy(enum.StrEnum):
    """What a caller learns while we are in another call."""

    TELL = "tell"
    """That we are busy, at once."""
    HIDE = "hide"
    """Nothing: for them it is as if our device had the call, and nobody noticed it."""


GIVEN_UP = {
    State.RINGING_IN: EndReason.MISSED,
    State.CONNECTING: EndReason.PEER_HUNG_UP,
    State.CONNECTED: EndReason.PEER_HUNG_UP,
    State.RECONNECTING: EndReason.CONNECTION_LOST,
}
"""How a call ended of which its peer knows no more."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """What is so for all calls until it is said otherwise."""

    busy: Busy = Busy.TELL
    alerts: bool = False
    """Whatever comes in is noticeable at once, because somebody is there to ring for. Saves the
    caller the wait for a second message; without it `Alerting` says so later."""


class NodeCalls:
    """The calls of one node. Not safe for use from several threads; effects are done in order."""

    def __init__(
        self,
        me: Identity,
        settings: CallSettings | None = None,
        *,
        conference: bool = False,
        at_once: int = 1,
    ) -> None:
        """`conference`: calls with several people at once are what it is for, and none is busy.

        `at_once`: with how many people calls may be; one more caller learns what
        `CallSettings.busy` says. Calls that we dial count, and are never refused: a program knows
        what it does.
        """
        self._conference = conference
        self._at_once = at_once
        self.settings = settings or CallSettings()
        """May be replaced at any time; the next event is handled by it."""
        self._me = me
        self._calls: dict[CallId, CallMachine] = {}
        self._over: OrderedDict[CallId, tuple[Identity, CallMessage | None]] = OrderedDict()
        self._rang: OrderedDict[Identity, tuple[float, ...]] = OrderedDict()

    @property
    def calls(self) -> tuple[CallStatus, ...]:
        """Every call that is not over, oldest first."""
        return tuple(call.status for call in self._calls.values())

    @property
    def next_timeout(self) -> float | None:
        """When `tick` wants to be called, on the clock of `now`; None while nothing is due ever."""
        times = [call.next_timeout for call in self._calls.values()]
        return min((time for time in times if time is not None), default=None)

    def tick(self, *, now: float) -> list[Effect]:
        """Does what is due. Early and repeated calls do no harm."""
        effects: list[Effect] = []
        for call in list(self._calls.values()):
            effects += self._step(call, partial(call.tick, now=now), now)
        return effects

    def handle(self, event: Event, *, now: float) -> list[Effect]:
        """Takes an event at `now` (seconds, never going back); returns what to do, in order.

        Raises `CallRefused`, changing nothing, if a person here asks for something that
        makes no sense now (often because the other side was quicker). Whatever peers send is
        handled: what is late is dropped, what is wrong ends their call.
        """
        match event:
            case on.Dial():
                return self._dial(event, now)
            case on.AcceptCall():
                return self._accept(event, now)
            case (
                on.DeclineCall()
                | on.SilenceCall()
                | on.SetMedia()
                | on.JudgeString()
                | on.RestartMedia()
            ):
                return self._pass(self._known(event.call), event, now)
            case on.HangUp(call=call_id):
                if call_id in self._over:
                    return []
                return self._pass(self._known(call_id), event, now)
            case on.MessageReceived():
                return self._message(event, now)
            case on.DeviceLost(peer=peer):
                return self._pass_all(self._with(peer), event, now)
            case on.NetworkChanged():
                return self._pass_all(list(self._calls.values()), event, now)
            case (
                on.Alerting()
                | on.DeviceReady()
                | on.SearchEnded()
                | on.OfferReady()
                | on.AnswerReady()
                | on.CandidatesReady()
                | on.MediaConnected()
                | on.MediaPathLost()
                | on.MediaFailed()
                | on.PeerBroke()
                | on.ProgramFault()
            ):
                # a report of the runner that crossed the end of its call is late, not wrong
                late = self._calls.get(event.call)
                return self._pass(late, event, now) if late else []

    # ── from the person ───────────────────────────────────────────────────────────────────────────
    def check_dial(self, event: on.Dial) -> None:
        """Raises what handling `event` would raise, so that nobody is told of a call before."""
        if (
            len(event.call) != CALL_ID_BYTES
            or event.call in self._calls
            or event.call in self._over
        ):
            raise CallRefused(f"a call id is {CALL_ID_BYTES} fresh random bytes")
        if event.peer == self._me:
            raise CallRefused("this is your own code: calling needs somebody else's")
        if not event.kinds:
            raise CallRefused("a call needs sound or picture: dial with at least one kind")
        going = self._with(event.peer)
        if going and all(call.state is not State.RINGING_IN for call in going):
            raise AlreadyInCall("a call with this person is on: use it, or hang it up first")

    def _dial(self, event: on.Dial, now: float) -> list[Effect]:
        self.check_dial(event)
        for call in self._with(event.peer):
            if call.state is State.RINGING_IN:
                # they were quicker, and nobody heard of our call yet: take theirs
                accept = on.AcceptCall(call.id, event.kinds)
                self._remember(event.call, event.peer, None)
                ended = do.EndOfCall(
                    event.call, event.peer, outgoing=True, reason=EndReason.SUPERSEDED
                )
                return [*self._accept(accept, now), ended]
        call, effects = CallMachine.dial(self._me, event, now=now, expected=self._conference)
        self._calls[call.id] = call
        return effects

    def _accept(self, event: on.AcceptCall, now: float) -> list[Effect]:
        call = self._known(event.call)
        self._rang.pop(call.peer, None)
        effects = self._pass(call, event, now)
        for other in self._with(call.peer):
            if other is not call:
                # only a call that lost its peer rings beside another one of the same peer
                effects += self._supersede(other, EndReason.CONNECTION_LOST, now)
        return effects

    # ── from the network ──────────────────────────────────────────────────────────────────────────
    def _message(self, event: on.MessageReceived, now: float) -> list[Effect]:
        message = event.message
        call = self._calls.get(message.call)
        if call is not None:
            # NOTE: another person's id for a call is not a call of theirs, whatever they know of it
            return self._pass(call, event, now) if call.peer == event.peer else []
        if message.call in self._over:
            return self._say_it_is_over(event)
        match message:
            case m.Invite():
                return self._invited(event, message, now)
            case m.Cancel() | m.Decline() | m.Hangup():
                # it overtook its own invite, which must not ring any more
                self._remember(message.call, event.peer, None)
                return []
            case (
                m.Ringing()
                | m.Accept()
                | m.Renegotiate()
                | m.Answer()
                | m.Reveal()
                | m.StringChecked()
                | m.Candidates()
                | m.MediaState()
            ):
                return []

    def _say_it_is_over(self, event: on.MessageReceived) -> list[Effect]:
        peer, last_word = self._over[event.message.call]
        if peer != event.peer or last_word is None:
            return []
        # NOTE: never an answer to a last word, or two nodes would go on saying good-bye
        asks = isinstance(event.message, m.Invite | m.Accept | m.Renegotiate)
        if isinstance(last_word, m.Ringing):  # hidden: says what a phone says that goes on ringing
            asks = isinstance(event.message, m.Invite)
        if not asks:
            return []
        return [do.Send(event.peer, event.device, last_word)]

    def _invited(self, event: on.MessageReceived, invite: m.Invite, now: float) -> list[Effect]:
        peer, device = event.peer, event.device
        if peer == self._me or invite.age_ms >= timing.RING * 1000:
            return []
        effects: list[Effect] = []
        begun = now - invite.age_ms / 1000
        for call in self._with(peer):
            if call.state in UNANSWERED:
                return self._glare(call, event, invite, now)
            if call.device != device:
                continue
            accepted = call.accepted_at
            if call.outgoing and call.id > invite.call and accepted and begun <= accepted:
                # the end of a glare: they dialled before they accepted ours
                return self._decline_busy(event)
            # a device has one call with us, so it gave up the one we know
            effects += self._supersede(call, GIVEN_UP[call.state], now)
        if not self._conference and self._rings_too_often(peer, now):
            return effects + self._decline_busy(event)
        if not self._conference and self._is_busy(peer):
            return effects + self._busy(event)
        call, more = CallMachine.ring(self._me, event, invite, now=now, alerts=self.settings.alerts)
        self._calls[call.id] = call
        return effects + more

    def _is_busy(self, peer: Identity) -> bool:
        """Whether no call with this person can begin: one is on, or too many with others are."""
        others = {call.peer for call in self._calls.values()} - {peer}
        same = any(call.state is not State.RECONNECTING for call in self._with(peer))
        return same or len(others) >= self._at_once

    def _rings_too_often(self, peer: Identity, now: float) -> bool:
        recent = [at for at in self._rang.pop(peer, ()) if now - at < timing.RING_WINDOW]
        too_often = len(recent) >= timing.MAX_RINGS
        self._rang[peer] = tuple(recent) if too_often else (*recent, now)
        if len(self._rang) > timing.MAX_RINGERS:
            self._rang.popitem(last=False)
        return too_often

    def _glare(
        self, ours: CallMachine, event: on.MessageReceived, invite: m.Invite, now: float
    ) -> list[Effect]:
        """Both dialled: the greater id goes on, accepted by whoever was called with it.

        But a device that told us of ours, and dials all the same, will never accept it: it is
        hiding that it was busy then, and calls back.
        """
        if ours.id > invite.call and not ours.reached(event.device):
            self._remember(invite.call, event.peer, None)
            return self._pass(ours, on.DeviceReady(ours.id, event.device), now)
        theirs, effects = CallMachine.ring(self._me, event, invite, now=now, accept=ours.sending)
        self._calls[theirs.id] = theirs
        return effects + self._supersede(ours, EndReason.SUPERSEDED, now)

    def _busy(self, event: on.MessageReceived) -> list[Effect]:
        call_id, peer, device = event.message.call, event.peer, event.device
        same = self._with(peer)
        effects: list[Effect] = []
        # NOTE: two devices of one person that call us at once: a decline of the second call would
        # end it on our other devices too, where it may just have been taken
        unsettled = any(call.state in {State.RINGING_IN, State.CONNECTING} for call in same)
        match Busy.HIDE if unsettled else self.settings.busy:
            case Busy.TELL:
                effects = self._decline_busy(event)
            case Busy.HIDE:
                rings = m.Ringing(call=call_id)
                self._remember(call_id, peer, rings)
                effects = [do.Send(peer, device, rings)]
        if not same:  # a second device of the person we talk to is no missed call
            effects.append(do.EndOfCall(call_id, peer, outgoing=False, reason=EndReason.BUSY))
        return effects

    def _decline_busy(self, event: on.MessageReceived) -> list[Effect]:
        busy = m.Decline(call=event.message.call, reason=m.DeclineReason.BUSY)
        self._remember(event.message.call, event.peer, busy)
        return [do.Send(event.peer, event.device, busy)]

    # ── inside ────────────────────────────────────────────────────────────────────────────────────
    def _with(self, peer: Identity) -> list[CallMachine]:
        return [call for call in self._calls.values() if call.peer == peer]

    def _known(self, call_id: CallId) -> CallMachine:
        call = self._calls.get(call_id)
        if call is None:
            raise UnknownCall("this call is over, or never was; look at the calls there are")
        return call

    def _pass(self, call: CallMachine, event: Event, now: float) -> list[Effect]:
        return self._step(call, partial(call.handle, event, now=now), now)

    def _supersede(self, call: CallMachine, reason: EndReason, now: float) -> list[Effect]:
        return self._step(call, partial(call.supersede, reason, now=now), now)

    def _step(
        self, call: CallMachine, step: Callable[[], list[Effect]], now: float
    ) -> list[Effect]:
        """One step of one call: an error of ours in it ends this call, and no other one."""
        try:
            effects = step()
        except CallRefused:
            raise
        except Exception as error:  # noqa: BLE001 - told by the runner, who has a log
            effects = [do.Faulted(call.id, error), *self._break_off(call, now)]
        return self._settle(call, effects)

    def _break_off(self, call: CallMachine, now: float) -> list[Effect]:
        try:
            return call.break_off(now=now)
        except Exception:  # noqa: BLE001 - the first error is told; this call is beyond a last word
            return call.give_up()

    def _pass_all(self, calls: list[CallMachine], event: Event, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for call in calls:
            effects += self._pass(call, event, now)
        return effects

    def _settle(self, call: CallMachine, effects: list[Effect]) -> list[Effect]:
        """Lets go of a call that is over."""
        if call.state is State.ENDED and self._calls.pop(call.id, None) is not None:
            self._remember(call.id, call.peer, call.last_word)
        return effects

    def _remember(self, call_id: CallId, peer: Identity, last_word: CallMessage | None) -> None:
        self._over[call_id] = (peer, last_word)
        self._over.move_to_end(call_id)
        if len(self._over) > timing.MAX_REMEMBERED:
            self._over.popitem(last=False)
