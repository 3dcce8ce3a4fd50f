"""The signaling half of a call: devices that ring, channels that come and go, searches."""

from __future__ import annotations

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.events import Device
from onmeet_node.protocol.call.leg import Leg
from onmeet_node.protocol.call.media import MediaCall
from onmeet_node.protocol.call.state import listed
from onmeet_node.protocol.call.table import ACCEPTED, UNANSWERED, RingsNowhere
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import HangupReason, Kind, RingState

RING_ORDER = tuple(Ring)


class RingingCall(MediaCall):
    """A call that rings, is accepted, and finds its devices again."""

    # ── ringing, on either side ───────────────────────────────────────────────────────────────────
    def _device_ready(self, device: Device) -> None:
        leg = self._legs.get(device)
        if leg is not None:
            if not leg.open:
                leg.open = True
                self._reopened(leg)
        elif self.state in UNANSWERED:
            new = device not in self._stopped  # what is going may still be found
            if new and len(self._legs) + len(self._stopped) < timing.MAX_LEGS:
                self._search_at = None
                leg = self._add(device)
                self._invite(leg)
                if self._expected:
                    self._do(leg.make_offer(self._mine))
        elif device in self._released:
            self._release(device)
        elif self._search_is_first and len(self._others) < timing.MAX_LEGS:
            self._others.add(device)
        elif device not in self._others:
            self._stranger_found = True

    def _ringing(self, leg: Leg, state: RingState) -> None:
        if self.state not in UNANSWERED:
            return
        # NOTE: a device goes through these in order, so what leads back came late
        if leg.ring is None or RING_ORDER.index(Ring(state)) > RING_ORDER.index(leg.ring):
            leg.ring = Ring(state)
        if not self._rang:
            self._deadline = self._begun + timing.RING
        self._rang = True
        self._go(m.Ringing)
        if self._early and not leg.used:
            # NOTE: not before it rings, which gathering would hold up (STUN and TURN servers are
            # asked, for up to a second), and not for a device that is busy or not there
            self._do(leg.make_offer(self._mine))

    def _ring_here(self, state: RingState) -> None:
        if self.state is State.RINGING_IN and self._leg is not None and self._rung is not state:
            self._rung = state
            self._do(self._leg.send(m.Ringing(call=self.id, state=state)))

    def _accept(self, kinds: frozenset[Kind]) -> None:
        assert self._leg is not None, "an incoming call has its leg from the start"
        self._mine = kinds
        self._kinds |= kinds
        self._go(on.AcceptCall)
        self._do(self._leg.send(m.Accept(call=self.id, kinds=listed(kinds))))
        if self._leg.open:
            self._begin_media(self._leg)
        else:
            self._search()  # `_reopened` sees to the rest

    def _accepted_by(self, leg: Leg, kinds: frozenset[Kind]) -> None:
        others = [other for other in self._legs.values() if other is not leg]
        self._leg = leg
        self._legs = {leg.device: leg}
        self._others.update(other.device for other in others)
        self._kinds = self._mine | kinds
        self._go(m.Accept)
        self._begin_media(leg)
        for other in others:
            if other.invited and other.open:
                self._release(other.device)
            elif other.invited:
                self._released.add(other.device)
            self._do(other.close_all())

    # ── channels ──────────────────────────────────────────────────────────────────────────────────
    def _search_ended(self) -> None:
        if not self._searching:
            return
        self._searching = False
        self._search_is_first = False
        stale, self._search_is_stale = self._search_is_stale, False
        if any(leg.open for leg in self._legs.values()):
            return
        if stale:
            self._search()
            return
        # NOTE: a device that said nothing before it was lost may be a channel whose other end went
        # long ago. It has been looked for twice then; who waits is told. One that rang may be back.
        silent = self.state in UNANSWERED and not self._rang and not self._moved
        if not self._legs and self._stopped:
            self._end(on.SearchEnded, EndReason.SHUTDOWN, None)
            return
        if not self._legs or (silent and not self._search_soon):
            self._end(on.SearchEnded, EndReason.NOT_REACHABLE, None, leave_note=True)
            return
        if self.state in (State.CONNECTING, State.RECONNECTING):
            self._searches_without += self._stranger_found
            if self._searches_without >= timing.SEARCHES_WITHOUT:
                lost = self._last_word(hangup=HangupReason.CONNECTION_LOST)
                self._end(on.SearchEnded, EndReason.CONNECTION_LOST, lost)
                return
        soon, self._search_soon = self._search_soon, False
        self._search_at = self._now + (timing.SEARCH_SOON if soon else self._search_pause)
        if self.state is State.CONNECTED:
            self._search_pause = min(2 * self._search_pause, timing.SEARCH_PAUSE_MAX)

    def _device_lost(self, device: Device) -> None:
        leg = self._legs.get(device)
        if leg is None or not leg.open:
            return
        leg.open = False
        self._do(leg.suspect())
        if self.state in UNANSWERED:
            leg.ring = None
        if self.state is State.RINGING_OUT and self._ring in {None, Ring.SENT}:
            self._go(RingsNowhere)
        if any(other.open for other in self._legs.values()):
            return
        if self.state is State.RINGING_IN:
            assert self._deadline is not None, "ringing always ends"
            self._deadline = min(self._deadline, self._now + timing.CALLER_GONE)
            return
        if self._search_at is None:
            self._search_is_first = self.state in ACCEPTED
            self._search_soon = self.state in UNANSWERED
            self._search_is_stale = self._searching and self._search_soon
            self._search()

    def _device_stopped(self, leg: Leg) -> None:
        """Its node ends while nobody has answered: the call rings on at the others, if any."""
        del self._legs[leg.device]
        self._stopped.add(leg.device)
        self._do(leg.close_all())
        if not self._legs and not self._searching:
            self._end(m.Hangup, EndReason.SHUTDOWN, None)
            return
        if self.state is State.RINGING_OUT and self._ring in {None, Ring.SENT}:
            self._go(RingsNowhere)
        if not any(other.open for other in self._legs.values()):
            self._search()

    def _network_changed(self) -> None:
        if self.state is not State.RINGING_IN and not any(leg.open for leg in self._legs.values()):
            self._search_is_stale = self._searching
            if self.state in UNANSWERED:
                self._moved = True
                self._deadline = self._begun + timing.RING
            self._search_pause = timing.SEARCH_PAUSE
            self._search()
        connected = self.state is State.CONNECTED
        if self.state in ACCEPTED and not (connected and self._leg and not self._leg.open):
            self._restart_media(on.NetworkChanged)
            return
        # NOTE: a path that plays while no offer can be sent is not called broken before it is
        for leg in self._legs.values():
            self._do(leg.suspect())
            self._do(leg.abandon_pending())  # while it rings: offered anew on accept

    def _reopened(self, leg: Leg) -> None:
        self._say_again(leg)
        self._search_at = None
        if self.state is State.RINGING_IN:
            self._deadline = self._begun + timing.RING
        if self.state not in ACCEPTED:
            return
        self._be_patient()
        self._search_pause = timing.SEARCH_PAUSE
        self._searches_without = 0
        if not self._agreed:
            self._begin_media(leg)
            return
        if self.state is State.CONNECTED:
            return
        pending = leg.pending
        if pending.ours if pending else self._may_offer(leg):
            self._offer()

    def _say_again(self, leg: Leg) -> None:
        """Says what counts to a device that may not have heard it, or asks for it."""
        match self.state:
            case State.DIALING | State.RINGING_OUT:
                self._invite(leg)
            case State.RINGING_IN:
                self._do(leg.send(m.Ringing(call=self.id, state=self._rung)))
            case State.CONNECTING | State.CONNECTED | State.RECONNECTING:
                if not self.outgoing:
                    self._do(leg.send(m.Accept(call=self.id, kinds=listed(self._mine))))
                if self._media is not None:
                    self._do(leg.send(self._media))
            case State.ENDED:
                return
        if leg.pending is not None:
            self._do(leg.tell_answer(leg.pending))
