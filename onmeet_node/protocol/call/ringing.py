"""The signaling half of a call: devices that ring, channels that come and go."""

from __future__ import annotations

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.events import Device
from onmeet_node.protocol.call.leg import Leg
from onmeet_node.protocol.call.media import Negotiation
from onmeet_node.protocol.call.search import DeviceSearch
from onmeet_node.protocol.call.state import CallState, listed
from onmeet_node.protocol.call.table import ACCEPTED, UNANSWERED, RingsNowhere
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import Kind, RingState

RING_ORDER = tuple(Ring)


class DeviceRinging:
    """Rings, is accepted, and goes on when a channel is there again."""

    def __init__(self, call: CallState, search: DeviceSearch, negotiation: Negotiation) -> None:
        self._call = call
        self._search = search
        self._negotiation = negotiation

    # ── ringing, on either side ───────────────────────────────────────────────────────────────────
    def device_ready(self, device: Device) -> None:
        """A channel with this device is open."""
        leg = self._call.legs.get(device)
        if leg is not None:
            if not leg.open:
                leg.open = True
                self.reopened(leg)
        elif self._call.state in UNANSWERED:
            new = device not in self._call.stopped  # what is going may still be found
            if new and len(self._call.legs) + len(self._call.stopped) < timing.MAX_LEGS:
                self._call.search_at = None
                leg = self._call.add_leg(device)
                self._call.invite(leg)
                if self._call.expected:
                    self._call.add(leg.make_offer(self._call.mine))
        elif device in self._call.released:
            self._call.release(device)
        elif self._search.is_first and len(self._call.others) < timing.MAX_LEGS:
            self._call.others.add(device)
        elif device not in self._call.others:
            self._search.stranger_found = True

    def rings_there(self, leg: Leg, state: RingState) -> None:
        """A device says how noticeably it rings."""
        if self._call.state not in UNANSWERED:
            return
        # NOTE: a device goes through these in order, so what leads back came late
        if leg.ring is None or RING_ORDER.index(Ring(state)) > RING_ORDER.index(leg.ring):
            leg.ring = Ring(state)
        if not self._call.rang:
            self._call.deadline = self._call.begun + timing.RING
        self._call.rang = True
        self._call.go(m.Ringing)
        if self._call.early and not leg.used:
            # NOTE: not before it rings, which gathering would hold up (STUN and TURN servers are
            # asked, for up to a second), and not for a device that is busy or not there
            self._call.add(leg.make_offer(self._call.mine))

    def rings_here(self, state: RingState) -> None:
        """It rings here so noticeably; the caller is told."""
        if (
            self._call.state is State.RINGING_IN
            and self._call.leg is not None
            and self._call.rung is not state
        ):
            self._call.rung = state
            self._call.add(self._call.leg.send(m.Ringing(call=self._call.id, state=state)))

    def accept(self, kinds: frozenset[Kind]) -> None:
        """A person here takes it, with these kinds."""
        assert self._call.leg is not None, "an incoming call has its leg from the start"
        self._call.mine = kinds
        self._call.kinds |= kinds
        self._call.go(on.AcceptCall)
        self._call.add(self._call.leg.send(m.Accept(call=self._call.id, kinds=listed(kinds))))
        if self._call.leg.open:
            self._negotiation.begin(self._call.leg)
        else:
            self._search.begin()  # `Ringing.reopened` sees to the rest

    def accepted_by(self, leg: Leg, kinds: frozenset[Kind]) -> None:
        """One device took it; the others stop ringing."""
        others = [other for other in self._call.legs.values() if other is not leg]
        self._call.leg = leg
        self._call.legs = {leg.device: leg}
        self._call.others.update(other.device for other in others)
        self._call.kinds = self._call.mine | kinds
        self._call.go(m.Accept)
        self._negotiation.begin(leg)
        for other in others:
            if other.invited and other.open:
                self._call.release(other.device)
            elif other.invited:
                self._call.released.add(other.device)
            self._call.add(other.close_all())

    # ── channels ──────────────────────────────────────────────────────────────────────────────────
    def device_lost(self, device: Device) -> None:
        """The last channel with this device is gone."""
        leg = self._call.legs.get(device)
        if leg is None or not leg.open:
            return
        leg.open = False
        self._call.add(leg.suspect())
        if self._call.state in UNANSWERED:
            leg.ring = None
        if self._call.state is State.RINGING_OUT and self._call.ring in {None, Ring.SENT}:
            self._call.go(RingsNowhere)
        if any(other.open for other in self._call.legs.values()):
            return
        if self._call.state is State.RINGING_IN:
            assert self._call.deadline is not None, "ringing always ends"
            self._call.deadline = min(self._call.deadline, self._call.now + timing.CALLER_GONE)
            return
        if self._call.search_at is None:
            self._search.is_first = self._call.state in ACCEPTED
            self._search.soon = self._call.state in UNANSWERED
            self._search.is_stale = self._call.searching and self._search.soon
            self._search.begin()

    def device_stopped(self, leg: Leg) -> None:
        """Its node ends while nobody has answered: the call rings on at the others, if any."""
        del self._call.legs[leg.device]
        self._call.stopped.add(leg.device)
        self._call.add(leg.close_all())
        if not self._call.legs and not self._call.searching:
            self._call.end(m.Hangup, EndReason.SHUTDOWN, None)
            return
        if self._call.state is State.RINGING_OUT and self._call.ring in {None, Ring.SENT}:
            self._call.go(RingsNowhere)
        if not any(other.open for other in self._call.legs.values()):
            self._search.begin()

    def network_changed(self) -> None:
        """We have other addresses now."""
        if self._call.state is not State.RINGING_IN and not any(
            leg.open for leg in self._call.legs.values()
        ):
            self._search.is_stale = self._call.searching
            if self._call.state in UNANSWERED:
                self._search.moved = True
                self._call.deadline = self._call.begun + timing.RING
            self._search.pause = timing.SEARCH_PAUSE
            self._search.begin()
        connected = self._call.state is State.CONNECTED
        if self._call.state in ACCEPTED and not (
            connected and self._call.leg and not self._call.leg.open
        ):
            self._negotiation.restart(on.NetworkChanged)
            return
        # NOTE: a path that plays while no offer can be sent is not called broken before it is
        for leg in self._call.legs.values():
            self._call.add(leg.suspect())
            self._call.add(leg.abandon_pending())  # while it rings: offered anew on accept

    def reopened(self, leg: Leg) -> None:
        """A channel with a device of this call is there again."""
        self.say_again(leg)
        self._call.search_at = None
        if self._call.state is State.RINGING_IN:
            self._call.deadline = self._call.begun + timing.RING
        if self._call.state not in ACCEPTED:
            return
        self._negotiation.be_patient()
        self._search.pause = timing.SEARCH_PAUSE
        self._search.without = 0
        if not self._call.agreed:
            self._negotiation.begin(leg)
            return
        if self._call.state is State.CONNECTED:
            return
        pending = leg.pending
        if pending.ours if pending else self._negotiation.may_offer(leg):
            self._negotiation.offer()

    def say_again(self, leg: Leg) -> None:
        """Says what counts to a device that may not have heard it, or asks for it."""
        match self._call.state:
            case State.DIALING | State.RINGING_OUT:
                self._call.invite(leg)
            case State.RINGING_IN:
                self._call.add(leg.send(m.Ringing(call=self._call.id, state=self._call.rung)))
            case State.CONNECTING | State.CONNECTED | State.RECONNECTING:
                if not self._call.outgoing:
                    self._call.add(
                        leg.send(m.Accept(call=self._call.id, kinds=listed(self._call.mine)))
                    )
                if self._call.media is not None:
                    self._call.add(leg.send(self._call.media))
                if self._call.compared is not None:
                    said = m.StringChecked(call=self._call.id, same=self._call.compared)
                    self._call.add(leg.send(said))
            case State.ENDED:
                return
        if leg.pending is not None:
            self._call.add(leg.tell_answer(leg.pending))
        self._call.add(leg.tell_nonces())
