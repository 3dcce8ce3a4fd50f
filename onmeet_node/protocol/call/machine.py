"""One call: events and the time in, effects out (PROTOCOL, "Calls").

Where it may go is in `table.py`. A call has legs, one for each device of the peer. The caller's
legs ring together until one device accepts; from then on both sides have exactly one leg. The
callee has one leg from the start.

Messages are not repeated on a timer: a channel keeps order and loses nothing until it breaks. When
one opens again, each side says anew what still counts: the invite, the ringing, the accept, the
answer, and an offer made afresh, because the addresses in an old one may be gone.
"""

from __future__ import annotations

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import Effect, EndReason, State
from onmeet_node.protocol.call.ending import CallEnding
from onmeet_node.protocol.call.errors import CallRefused, PeerBrokeCall
from onmeet_node.protocol.call.events import Device, Event, Identity
from onmeet_node.protocol.call.media import Negotiation
from onmeet_node.protocol.call.ringing import DeviceRinging
from onmeet_node.protocol.call.search import DeviceSearch
from onmeet_node.protocol.call.session import Offer
from onmeet_node.protocol.call.state import CallState
from onmeet_node.protocol.call.status import CallStatus
from onmeet_node.protocol.call.table import (
    ACCEPTED,
    TRANSITIONS,
    UNANSWERED,
    PeerError,
    Superseded,
)
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import (
    CallId,
    CallMessage,
    CancelReason,
    Kind,
    RingState,
)


class CallMachine:
    """One call. `NodeCalls` makes it, gives it each event that concerns it, and drops it ended."""

    def __init__(self, call: CallState) -> None:
        self._call = call
        self._search = DeviceSearch(call)
        self._negotiation = Negotiation(call, self._search)
        self._ringing = DeviceRinging(call, self._search, self._negotiation)
        self._ending = CallEnding(call, self._negotiation, self._ringing)

    @classmethod
    def dial(
        cls, me: Identity, event: on.Dial, *, now: float, expected: bool = False
    ) -> tuple[CallMachine, list[Effect]]:
        """An outgoing call, and its first effects. `expected`: it is taken without ringing."""
        call = CallState(
            me, event.peer, event.call, outgoing=True, kinds=event.kinds, begun=now, now=now
        )
        call.early = event.early_media
        call.expected = expected
        self = cls(call)
        self._search.begin()
        return self, call.flush()

    @classmethod
    def ring(
        cls,
        me: Identity,
        event: on.MessageReceived,
        invite: m.Invite,
        *,
        now: float,
        alerts: bool = False,
        accept: frozenset[Kind] | None = None,
    ) -> tuple[CallMachine, list[Effect]]:
        """An incoming call; with `accept` it is taken at once, with these kinds of media."""
        begun = now - invite.age_ms / 1000
        kinds = frozenset(invite.kinds)
        call = CallState(
            me, event.peer, invite.call, outgoing=False, kinds=kinds, begun=begun, now=now
        )
        leg = call.leg = call.add_leg(event.device)
        leg.invited = True
        if alerts:
            call.rung = RingState.ALERTING
        self = cls(call)
        if accept is None:
            self._ringing.say_again(leg)
        if invite.sdp is not None:
            early = event.early_media and accept is None
            self._negotiation.offered(leg, Offer(0, invite.sdp, invite.commitment), early=early)
        if accept is not None:
            self._ringing.accept(accept)
        return self, call.flush()

    # ── what it looks like from outside ───────────────────────────────────────────────────────────
    @property
    def id(self) -> CallId:
        """Of the call."""
        return self._call.id

    @property
    def peer(self) -> Identity:
        """Whom it is with."""
        return self._call.peer

    @property
    def outgoing(self) -> bool:
        """Whether we called."""
        return self._call.outgoing

    @property
    def state(self) -> State:
        """Where it is in the table."""
        return self._call.state

    @property
    def last_word(self) -> CallMessage | None:
        """What a device that missed our end of the call is told when it speaks of it again."""
        return self._call.last_word

    @property
    def device(self) -> Device | None:
        """The device the call is with, or that rings us."""
        return self._call.device

    @property
    def accepted_at(self) -> float | None:
        """When it was accepted, on the clock of `now`."""
        return self._call.accepted_at

    @property
    def sending(self) -> frozenset[Kind]:
        """The kinds of media we send, once accepted."""
        return self._call.mine

    @property
    def status(self) -> CallStatus:
        """The call as it is now, for people to look at."""
        return self._call.status

    @property
    def next_timeout(self) -> float | None:
        """When `tick` wants to be called, on the clock of `now`."""
        return self._call.next_timeout

    def reached(self, device: Device) -> bool:
        """Whether this device said that it has our invite."""
        return self._call.reached(device)

    # ── what `NodeCalls` does with it ────────────────────────────────────────────────────────────
    def handle(self, event: Event, *, now: float) -> list[Effect]:
        """Takes one event of this call, from its own peer.

        Raises `CallRefused`, changing nothing, when the state does not allow what a person
        here asks for. Events that come too late are dropped; a peer that is plainly wrong ends
        the call.
        """
        self._refuse(event)
        self._call.now = now
        try:
            self._dispatch(event)
        except PeerBrokeCall:
            self._call.end(
                PeerError, EndReason.PEER_ERROR, self._call.final_message(CancelReason.CANCELLED)
            )
        return self._call.flush()

    def tick(self, *, now: float) -> list[Effect]:
        """Does what is due at `now`.

        What is over ends first: a machine that slept begins nothing in vain.
        """
        self._call.now = now
        if self._call.deadline is not None and now >= self._call.deadline:
            self._ending.time_out()
        if self._call.search_at is not None and now >= self._call.search_at:
            self._search.begin()
        if self._call.taking_at is not None and now >= self._call.taking_at:
            self._negotiation.take_late()
        if self._call.offer_at is not None and now >= self._call.offer_at:
            self._call.offer_at = None
            self._negotiation.offer_again()
        return self._call.flush()

    def supersede(self, reason: EndReason, *, now: float) -> list[Effect]:
        """Ends the call because another one with the same peer takes its place."""
        self._call.now = now
        self._call.end(Superseded, reason, self._call.final_message(CancelReason.SUPERSEDED))
        return self._call.flush()

    def break_off(self, *, now: float) -> list[Effect]:
        """Ends the call after an event of it raised what nobody expected, in the middle perhaps."""
        self._call.now = now
        if self._call.state is State.ENDED:
            told = any(isinstance(effect, do.EndOfCall) for effect in self._call.out)
            ended = do.EndOfCall(
                self._call.id, self._call.peer, self._call.outgoing, EndReason.FAULT
            )
            return [*self._call.flush(), *(() if told else (ended,))]
        self._ending.fault()
        return self._call.flush()

    def give_up(self) -> list[Effect]:
        """Ends the call in whatever state it is, when even `break_off` raised."""
        self._call.state = State.ENDED
        return [do.EndOfCall(self.id, self.peer, self.outgoing, EndReason.FAULT)]

    # ── events ────────────────────────────────────────────────────────────────────────────────────
    def _refuse(self, event: Event) -> None:
        if isinstance(event, on.Dial):
            raise CallRefused("this call was dialled already; give a new one a new id")
        answer = isinstance(event, on.AcceptCall | on.DeclineCall | on.SilenceCall)
        if answer and type(event) not in TRANSITIONS[self._call.state]:
            raise CallRefused(
                f"the call is {self.state.value}, not ringing here: there is nothing to answer"
            )
        if isinstance(event, on.JudgeString) and self._call.connected_at is None:
            raise CallRefused("this call has no number to compare before it is connected")
        if isinstance(event, on.AcceptCall) and not event.kinds:
            raise CallRefused("a call needs sound or picture: accept with at least one kind")

    def _dispatch(self, event: Event) -> None:
        match event:
            case on.Dial():
                raise AssertionError("refused")
            case on.AcceptCall(kinds=kinds):
                self._ringing.accept(kinds)
            case on.DeclineCall(note=note):
                self._ending.decline(note)
            case on.Alerting():
                if self._call.rung is RingState.DELIVERED:
                    self._ringing.rings_here(RingState.ALERTING)
            case on.SilenceCall():
                self._ringing.rings_here(RingState.SILENCED)
            case on.HangUp(shutdown=shutdown):
                self._ending.hang_up(shutdown=shutdown)
            case on.SetMedia():
                self._negotiation.tell_media(event)
            case on.JudgeString(same=same):
                self._negotiation.compared(same=same)
            case on.RestartMedia():
                self._negotiation.restart(on.RestartMedia)
            case on.NetworkChanged():
                self._ringing.network_changed()
            case on.DeviceReady(device=device):
                self._ringing.device_ready(device)
            case on.SearchEnded():
                self._search.ended()
            case on.MessageReceived(device=device, message=message, early_media=early):
                self._message(device, message, early=early)
            case on.DeviceLost(device=device):
                self._ringing.device_lost(device)
            case on.ProgramFault():
                self._ending.fault()
            case on.PeerBroke():
                raise PeerBrokeCall("its sealed channel carried what nobody sealed")
            case (
                on.OfferReady()
                | on.AnswerReady()
                | on.CandidatesReady()
                | on.MediaConnected()
                | on.MediaPathLost()
                | on.MediaFailed()
            ):
                leg = self._call.legs.get(event.device)
                session = leg.session(event.generation) if leg else None
                if leg is not None and session is not None:
                    self._negotiation.handle(event, leg, session)

    def _message(self, device: Device, message: CallMessage, *, early: bool) -> None:
        leg = self._call.legs.get(device)
        if leg is None or not leg.invited:
            # NOTE: e.g. a second device that accepted before it heard that the first one had
            late = isinstance(message, m.Accept | m.Renegotiate)
            if late and self._call.outgoing and self._call.state in ACCEPTED:
                self._call.release(device)
            return
        was_open, leg.open = leg.open, True
        self._check_role(message)
        match message:
            case m.Invite(sdp=sdp, commitment=commitment):
                if was_open:
                    self._ringing.say_again(leg)
                if sdp is not None and not leg.used:
                    self._negotiation.offered(leg, Offer(0, sdp, commitment), early=early)
            case m.Ringing(state=state):
                self._ringing.rings_there(leg, state)
            case m.Accept(kinds=kinds):
                if self._call.state in UNANSWERED:
                    self._ringing.accepted_by(leg, frozenset(kinds))
            case m.Renegotiate(generation=generation, sdp=sdp, commitment=commitment):
                self._negotiation.offered(leg, Offer(generation, sdp, commitment), early=early)
            case m.Answer():
                self._call.add(leg.take_answer(message))
            case m.Reveal(generation=generation, nonce=nonce):
                self._call.add(leg.take_reveal(generation, nonce))
            case m.StringChecked(same=same):
                self._negotiation.compared_there(same=same)
            case m.Candidates():
                self._call.add(leg.take_candidates(message))
            case m.MediaState():
                if self._call.state in ACCEPTED and message != self._call.peer_media:
                    self._call.peer_media = message
                    self._call.out.append(do.PeerMedia(self._call.id, message))
            case m.Decline():
                self._ending.declined_by(leg, message)
            case m.Cancel(reason=reason):
                self._ending.cancelled(reason)
            case m.Hangup(reason=reason):
                self._ending.hung_up_by(leg, reason)
        if not was_open and self._call.state is not State.ENDED:
            self._ringing.reopened(leg)

    def _check_role(self, message: CallMessage) -> None:
        match message:
            case m.Ringing() | m.Accept() | m.Decline():
                wrong = not self._call.outgoing
            case m.Invite() | m.Cancel():
                wrong = self._call.outgoing
            case (
                m.Renegotiate()
                | m.Answer()
                | m.Reveal()
                | m.StringChecked()
                | m.Candidates()
                | m.MediaState()
                | m.Hangup()
            ):
                wrong = False
        if wrong:
            raise PeerBrokeCall(f"{type(message).__name__} from the wrong side of the call")
