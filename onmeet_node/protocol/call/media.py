"""The media half of a call: who offers when, what connecting and losing a path mean."""

from __future__ import annotations

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.call.errors import GenerationsUsedUp
from onmeet_node.protocol.call.leg import Leg, Session
from onmeet_node.protocol.call.state import CallCore
from onmeet_node.protocol.call.table import ACCEPTED, Trigger
from onmeet_node.protocol.wire.messages import HangupReason, MediaState

MediaEvent = (
    on.OfferReady
    | on.AnswerReady
    | on.CandidatesReady
    | on.MediaConnected
    | on.MediaPathLost
    | on.MediaFailed
)


class MediaCall(CallCore):
    """A call that negotiates. `leg.py` has the generations; here is what they mean to the call."""

    def _media_event(self, event: MediaEvent, leg: Leg, session: Session) -> None:
        match event:
            case on.OfferReady(sdp=sdp):
                if session.ours and session.sdp is None:
                    self._offer_ready(leg, session, sdp)
            case on.AnswerReady(sdp=sdp):
                if not session.ours and session.sdp is None:
                    self._answer_ready(leg, session, sdp)
            case on.CandidatesReady(candidates=candidates, end=end):
                self._do(leg.candidates_ready(session, candidates, end=end))
            case on.MediaConnected():
                if session.answered:
                    self._do(leg.connected(session))
                    if self._agreed and self.state is not State.CONNECTED:
                        self._connected(on.MediaConnected)
            case on.MediaPathLost():
                if session.connected and not session.lost:
                    session.lost = True
                    self._path_lost(leg, session)
            case on.MediaFailed():
                self._media_failed(leg, session)

    def _begin_media(self, leg: Leg) -> None:
        self._agreed = True
        self._do(leg.attach(self._mine))
        if self._media is not None:
            self._do(leg.send(self._media))
        if leg.live:
            self._connected(on.MediaConnected)
        elif leg.offer is not None:
            self._do(leg.take_offer(leg.offer.generation, leg.offer.sdp, self._kinds))
        elif leg.pending is None and self._may_offer(leg):
            self._offer()

    def _may_offer(self, leg: Leg) -> bool:
        """Whether an offer is ours to make; while connecting, the callee waits for the caller's."""
        return self.outgoing or leg.media_broke or self.state is State.RECONNECTING

    def _offer(self) -> None:
        if self._leg is None or not self._leg.open:
            return  # `_reopened` sees to it
        try:
            self._do(self._leg.make_offer(self._kinds))
        except GenerationsUsedUp:
            failed = self._last_word(hangup=HangupReason.MEDIA_FAILED)
            self._end(on.MediaFailed, EndReason.MEDIA_FAILED, failed)
        else:
            self._be_patient()

    def _offer_again(self) -> None:
        if self._leg is not None and self._leg.pending is not None:
            self._patience = min(2 * self._patience, timing.OFFER_PATIENCE_MAX)
        self._offer()

    def _be_patient(self) -> None:
        if self.state is State.RECONNECTING:
            self._offer_at = self._now + self._patience

    def _offer_ready(self, leg: Leg, session: Session, sdp: str) -> None:
        if not leg.offer_made(session, sdp):
            self._media_failed(leg, session)
            return
        self._do(leg.tell_offer(session))
        if self.state in ACCEPTED:
            self._do(leg.attach(self._mine))

    def _offered(self, leg: Leg, generation: int, sdp: str, *, early: bool) -> None:
        """The peer offers: while it rings here, only who may see our addresses is answered."""
        if self.state in ACCEPTED or (self.state is State.RINGING_IN and early):
            due = leg.waits_until(generation, self._now)
            if due is not None:
                leg.keep_offer(generation, sdp, early=True)
                self._taking_at = due if self._taking_at is None else min(due, self._taking_at)
                return
            self._do(leg.take_offer(generation, sdp, self._kinds))
            self._be_patient()
        elif self.state is State.RINGING_IN:
            leg.keep_offer(generation, sdp)

    def _take_late(self) -> None:
        """Takes the offers that waited for their turn."""
        self._taking_at = None
        for leg in tuple(self._legs.values()):
            offer = leg.offer
            if offer is not None and offer.early:
                leg.offer = None
                self._offered(leg, offer.generation, offer.sdp, early=True)

    def _answer_ready(self, leg: Leg, session: Session, sdp: str) -> None:
        if not leg.answer_made(session, sdp):
            self._media_failed(leg, session)
            return
        self._do(leg.tell_answer(session))
        self._do(leg.flush_candidates(session))
        if self._agreed:
            self._do(leg.attach(self._mine))

    def _connected(self, trigger: Trigger) -> None:
        self._go(trigger)
        if self._connected_at is None:
            self._connected_at = self._now

    def _reconnect(self, trigger: Trigger) -> None:
        assert self._leg is not None, "it was connected"
        self._go(trigger)
        self._be_patient()
        if not self._leg.open:
            self._search_pause = timing.SEARCH_PAUSE
            self._search()
        if self._leg.pending is None:
            self._offer()

    def _path_lost(self, leg: Leg, session: Session) -> None:
        if self.state not in ACCEPTED:
            leg.media_broke = True
            self._do(leg.close(session.generation))
        elif self.state is State.CONNECTED and not leg.live:
            self._reconnect(on.MediaPathLost)

    def _media_failed(self, leg: Leg, session: Session) -> None:
        leg.media_broke = True
        leg.failures += not session.connected
        self._do(leg.close(session.generation))
        match self.state:
            case State.CONNECTING:
                if leg.failures >= timing.MEDIA_TRIES:
                    failed = self._last_word(hangup=HangupReason.MEDIA_FAILED)
                    self._end(on.MediaFailed, EndReason.MEDIA_FAILED, failed)
                elif leg.pending is None:
                    self._offer()
            case State.CONNECTED:
                if not leg.live:
                    self._reconnect(on.MediaFailed)
            case State.RECONNECTING:
                if leg.pending is None:
                    self._offer_at = self._now + timing.OFFER_PAUSE
            case State.DIALING | State.RINGING_OUT | State.RINGING_IN | State.ENDED:
                pass

    def _restart_media(self, trigger: Trigger) -> None:
        leg = self._leg
        if self.state not in ACCEPTED or leg is None:
            return
        self._do(leg.abandon_pending())
        if self.state is State.CONNECTED:
            self._reconnect(trigger)
        elif self._may_offer(leg):
            self._offer()

    def _set_media(self, event: on.SetMedia) -> None:
        media = MediaState(
            call=self.id,
            muted=event.muted,
            camera_off=event.camera_off,
            sharing=event.sharing,
        )
        if media == (self._media or MediaState(call=self.id)):
            return
        self._media = media
        if self.state in ACCEPTED and self._leg is not None:
            self._do(self._leg.send(media))
