"""The media half of a call: who offers when, what connecting and losing a path mean."""

from __future__ import annotations

from dataclasses import replace

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, State, StringJudged
from onmeet_node.protocol.call.errors import GenerationsUsedUp
from onmeet_node.protocol.call.leg import Leg
from onmeet_node.protocol.call.search import DeviceSearch
from onmeet_node.protocol.call.session import Offer, Session
from onmeet_node.protocol.call.state import CallState
from onmeet_node.protocol.call.table import ACCEPTED, Trigger
from onmeet_node.protocol.wire.messages import HangupReason, MediaState, StringChecked

MediaEvent = (
    on.OfferReady
    | on.AnswerReady
    | on.CandidatesReady
    | on.MediaConnected
    | on.MediaPathLost
    | on.MediaFailed
)


class Negotiation:
    """Offers and answers. `leg.py` has the generations; here is what they mean to the call."""

    def __init__(self, call: CallState, search: DeviceSearch) -> None:
        self._call = call
        self._search = search

    def handle(self, event: MediaEvent, leg: Leg, session: Session) -> None:
        """What the media engine tells of one session."""
        match event:
            case on.OfferReady():
                if session.ours and session.sdp is None:
                    self._offer_ready(leg, session, event)
            case on.AnswerReady():
                if not session.ours and session.sdp is None:
                    self._answer_ready(leg, session, event)
            case on.CandidatesReady(candidates=candidates, end=end):
                self._call.add(leg.candidates_ready(session, candidates, end=end))
            case on.MediaConnected():
                if session.answered:
                    self._call.add(leg.connected(session))
                    if self._call.agreed and self._call.state is not State.CONNECTED:
                        self.connected(on.MediaConnected)
            case on.MediaPathLost():
                if session.connected and not session.lost:
                    session.lost = True
                    self._path_lost(leg, session)
            case on.MediaFailed():
                self._media_failed(leg, session)

    def begin(self, leg: Leg) -> None:
        """Both sides have agreed: what is connected plays, else it is offered."""
        self._call.agreed = True
        self._call.add(leg.attach(self._call.mine))
        if self._call.media is not None:
            self._call.add(leg.send(self._call.media))
        if leg.live:
            self.connected(on.MediaConnected)
        elif leg.offer is not None:
            self._call.add(leg.take_offer(leg.offer, self._call.kinds))
        elif leg.pending is None and self.may_offer(leg):
            self.offer()

    def may_offer(self, leg: Leg) -> bool:
        """Whether an offer is ours to make; while connecting, the callee waits for the caller's."""
        return self._call.outgoing or leg.media_broke or self._call.state is State.RECONNECTING

    def offer(self) -> None:
        """Offers anew, if there is a channel to do it over."""
        if self._call.leg is None or not self._call.leg.open:
            return  # `Ringing.reopened` sees to it
        try:
            self._call.add(self._call.leg.make_offer(self._call.kinds))
        except GenerationsUsedUp:
            failed = self._call.final_message(hangup=HangupReason.MEDIA_FAILED)
            self._call.end(on.MediaFailed, EndReason.MEDIA_FAILED, failed)
        else:
            self.be_patient()

    def offer_again(self) -> None:
        """The offer that is out was not answered in time: the next one is given more."""
        if self._call.leg is not None and self._call.leg.pending is not None:
            self._call.patience = min(2 * self._call.patience, timing.OFFER_PATIENCE_MAX)
        self.offer()

    def be_patient(self) -> None:
        """The next offer, if it takes one, is due after this."""
        if self._call.state is State.RECONNECTING:
            self._call.offer_at = self._call.now + self._call.patience

    def _offer_ready(self, leg: Leg, session: Session, event: on.OfferReady) -> None:
        if not leg.offer_made(session, event.sdp, event.nonce):
            self._media_failed(leg, session)
            return
        self._call.add(leg.tell_offer(session))
        if self._call.state in ACCEPTED:
            self._call.add(leg.attach(self._call.mine))

    def offered(self, leg: Leg, offer: Offer, *, early: bool) -> None:
        """The peer offers: while it rings here, only who may see our addresses is answered."""
        if self._call.state in ACCEPTED or (self._call.state is State.RINGING_IN and early):
            due = leg.waits_until(offer.generation, self._call.now)
            if due is not None:
                leg.keep_offer(replace(offer, early=True))
                self._call.taking_at = (
                    due if self._call.taking_at is None else min(due, self._call.taking_at)
                )
                return
            self._call.add(leg.take_offer(offer, self._call.kinds))
            self.be_patient()
        elif self._call.state is State.RINGING_IN:
            leg.keep_offer(offer)

    def take_late(self) -> None:
        """Takes the offers that waited for their turn."""
        self._call.taking_at = None
        for leg in tuple(self._call.legs.values()):
            offer = leg.offer
            if offer is not None and offer.early:
                leg.offer = None
                self.offered(leg, offer, early=True)

    def _answer_ready(self, leg: Leg, session: Session, event: on.AnswerReady) -> None:
        if not leg.answer_made(session, event.sdp, event.nonce):
            self._media_failed(leg, session)
            return
        self._call.add(leg.tell_answer(session))
        self._call.add(leg.authenticate(session))
        self._call.add(leg.flush_candidates(session))
        if self._call.agreed:
            self._call.add(leg.attach(self._call.mine))

    def connected(self, trigger: Trigger) -> None:
        """Media flows."""
        self._call.go(trigger)
        if self._call.connected_at is None:
            self._call.connected_at = self._call.now

    def _reconnect(self, trigger: Trigger) -> None:
        assert self._call.leg is not None, "it was connected"
        self._call.go(trigger)
        self.be_patient()
        if not self._call.leg.open:
            self._search.pause = timing.SEARCH_PAUSE
            self._search.begin()
        if self._call.leg.pending is None:
            self.offer()

    def _path_lost(self, leg: Leg, session: Session) -> None:
        if self._call.state not in ACCEPTED:
            leg.media_broke = True
            self._call.add(leg.close(session.generation))
        elif self._call.state is State.CONNECTED and not leg.live:
            self._reconnect(on.MediaPathLost)

    def _media_failed(self, leg: Leg, session: Session) -> None:
        leg.media_broke = True
        leg.failures += not session.connected
        self._call.add(leg.close(session.generation))
        match self._call.state:
            case State.CONNECTING:
                if leg.failures >= timing.MEDIA_TRIES:
                    failed = self._call.final_message(hangup=HangupReason.MEDIA_FAILED)
                    self._call.end(on.MediaFailed, EndReason.MEDIA_FAILED, failed)
                elif leg.pending is None:
                    self.offer()
            case State.CONNECTED:
                if not leg.live:
                    self._reconnect(on.MediaFailed)
            case State.RECONNECTING:
                if leg.pending is None:
                    self._call.offer_at = self._call.now + timing.OFFER_PAUSE
            case State.DIALING | State.RINGING_OUT | State.RINGING_IN | State.ENDED:
                pass

    def restart(self, trigger: Trigger) -> None:
        """A new path beside the old one."""
        leg = self._call.leg
        if self._call.state not in ACCEPTED or leg is None:
            return
        self._call.add(leg.abandon_pending())
        if self._call.state is State.CONNECTED:
            self._reconnect(trigger)
        elif self.may_offer(leg):
            self.offer()

    def tell_media(self, event: on.SetMedia) -> None:
        """What we send, for the other to show: muted, camera off, a screen."""
        media = MediaState(
            call=self._call.id,
            muted=event.muted,
            camera_off=event.camera_off,
            sharing=event.sharing,
        )
        if media == (self._call.media or MediaState(call=self._call.id)):
            return
        self._call.media = media
        if self._call.state in ACCEPTED and self._call.leg is not None:
            self._call.add(self._call.leg.send(media))

    def compared(self, *, same: bool) -> None:
        """The person here compared the authentication string: the other side hears of it."""
        if same is self._call.compared:
            return
        self._call.compared = same
        if self._call.leg is not None:
            self._call.add(self._call.leg.send(StringChecked(call=self._call.id, same=same)))
        self._tell_compared()

    def compared_there(self, *, same: bool) -> None:
        """The person there did."""
        if self._call.state in ACCEPTED and same is not self._call.peer_compared:
            self._call.peer_compared = same
            self._tell_compared()

    def _tell_compared(self) -> None:
        call = self._call
        self._call.out.append(StringJudged(call.id, call.peer, call.compared, call.peer_compared))
