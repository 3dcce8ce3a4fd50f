"""What every part of the call machine stands on: its state, its timers, its legs, its end."""

from __future__ import annotations

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.authentication import StringAllowance
from onmeet_node.protocol.call.effects import Effect, EndReason, Ring, State
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.leg import Leg
from onmeet_node.protocol.call.status import CallStatus
from onmeet_node.protocol.call.table import TRANSITIONS, UNANSWERED, Trigger
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import (
    CallId,
    CallMessage,
    CancelReason,
    DeclineReason,
    HangupReason,
    Kind,
    MediaState,
    RingState,
)

MAX_AGE_MS = 600_000
"""The greatest age an invite can state (protocol/wire/messages.py); it is late long before."""

LOUDNESS = (Ring.SENT, Ring.DELIVERED, Ring.SILENCED, Ring.ALERTING)
"""Of several devices, the caller is told of the one that rings most noticeably."""


class CallState:
    """The state of one call, and what changes it: what all parts of `CallMachine` stand on."""

    def __init__(
        self,
        me: Identity,
        peer: Identity,
        call: CallId,
        *,
        outgoing: bool,
        kinds: frozenset[Kind],
        begun: float,
        now: float,
    ) -> None:
        self.id = call
        self.peer = peer
        self.outgoing = outgoing
        self.state = State.DIALING if outgoing else State.RINGING_IN
        self.last_word: CallMessage | None = None
        """What a device that missed our end of the call is told when it speaks of it again."""
        self.me = me
        self.early = False
        self.expected = False
        self.begun = begun
        self.now = now
        self.since = now
        self.accepted_at: float | None = None
        """When it was accepted, on the clock of `now`."""
        self.connected_at: float | None = None
        self.kinds = kinds
        self.mine = kinds
        self.rung = RingState.DELIVERED
        self.media: MediaState | None = None
        self.peer_media: MediaState | None = None
        self.allowance = StringAllowance()
        self.compared: bool | None = None
        """What the person here said of the authentication string."""
        self.peer_compared: bool | None = None

        self.legs: dict[Device, Leg] = {}
        self.leg: Leg | None = None
        self.rang = False
        self.agreed = False
        """The accept reached a channel: both sides will know of it, and media may be attached."""
        self.released: set[Device] = set()
        """Devices that may still ring because their channel was lost when another one accepted."""

        self.stopped: set[Device] = set()
        """Devices whose node was stopped while nobody had answered."""

        self.others: set[Device] = set()
        """Further devices of the peer: that they are found says nothing about the one we lost."""

        self.deadline: float | None = begun + (timing.UNHEARD if outgoing else timing.RING)
        self.offer_at: float | None = None
        self.patience = timing.OFFER_PATIENCE
        self.taking_at: float | None = None
        """When an offer of the peer that came too soon after others is taken."""
        self.search_at: float | None = None
        self.searching = False

        self.out: list[Effect] = []
        self._shown: do.CallChanged | None = None

    # ── what it looks like from outside ───────────────────────────────────────────────────────────
    @property
    def device(self) -> Device | None:
        """The device the call is with, or that rings us."""
        return self.leg.device if self.leg else None

    def reached(self, device: Device) -> bool:
        """Whether this device said that it has our invite."""
        leg = self.legs.get(device)
        return leg is not None and leg.ring not in {None, Ring.SENT}

    @property
    def status(self) -> CallStatus:
        """The call as it is now, for people to look at."""
        return CallStatus(
            call=self.id,
            peer=self.peer,
            outgoing=self.outgoing,
            state=self.state,
            since=self.since,
            connected_at=self.connected_at,
            kinds=self.kinds,
            sending=self.mine,
            ring=self.ring,
            device=self.device,
            signaling=any(leg.open for leg in self.legs.values()),
            peer_media=self.peer_media,
        )

    @property
    def next_timeout(self) -> float | None:
        """When `tick` wants to be called, on the clock of `now`."""
        times = (self.deadline, self.offer_at, self.taking_at, self.search_at)
        return min((time for time in times if time is not None), default=None)

    # ── the state ─────────────────────────────────────────────────────────────────────────────────
    def go(self, trigger: Trigger) -> None:
        """The state that the table names, and its deadline."""
        state = TRANSITIONS[self.state][trigger]
        if state is self.state:
            return
        self.state = state
        self.since = self.now
        self.offer_at = None
        match state:
            case State.DIALING | State.RINGING_OUT | State.RINGING_IN:
                pass  # one deadline for all of the ringing, set at the start
            case State.CONNECTING:
                self.accepted_at = self.now
                self.deadline = self.now + timing.CONNECT
            case State.RECONNECTING:
                self.patience = timing.OFFER_PATIENCE
                self.deadline = self.now + timing.RECONNECT
            case State.CONNECTED | State.ENDED:
                self.deadline = None

    def end(
        self,
        trigger: Trigger,
        reason: EndReason,
        last_word: CallMessage | None,
        *,
        spare: Leg | None = None,
        leave_note: bool = False,
        said: str | None = None,
    ) -> None:
        """Ends the call: `last_word` to all devices that know of it, but not to `spare`."""
        self.go(trigger)
        self.last_word = last_word
        legs = list(self.legs.values())
        for leg in legs:
            if last_word is not None and leg.invited and leg is not spare:
                self.add(leg.send(last_word))
        for leg in legs:
            self.add(leg.close_all())
        self.legs.clear()
        self.searching = False
        self.search_at = self.taking_at = None
        self.out.append(do.EndOfCall(self.id, self.peer, self.outgoing, reason, leave_note, said))

    def final_message(
        self,
        cancel: CancelReason = CancelReason.CANCELLED,
        decline: DeclineReason = DeclineReason.NO_ANSWER,
        hangup: HangupReason = HangupReason.NORMAL,
    ) -> CallMessage:
        """What tells the peer that the call is over, in the state it is in."""
        if self.state in UNANSWERED:
            return m.Cancel(call=self.id, reason=cancel)
        if self.state is State.RINGING_IN:
            return m.Decline(call=self.id, reason=decline)
        return m.Hangup(call=self.id, reason=hangup)

    # ── what goes out ─────────────────────────────────────────────────────────────────────────────
    def invite(self, leg: Leg) -> None:
        """Invites a device, with the offer if there is one."""
        leg.invited = True
        leg.ring = leg.ring or Ring.SENT
        offer = leg.session(0)
        age_ms = min(int((self.now - self.begun) * 1000), MAX_AGE_MS)
        self.add(
            leg.send(
                m.Invite(
                    call=self.id,
                    kinds=listed(self.mine),
                    sdp=offer.sdp if offer else None,
                    age_ms=age_ms,
                    commitment=offer.exchange.commitment if offer else None,
                )
            )
        )
        if offer is not None:
            self.add(leg.tell_candidates(offer))

    def release(self, device: Device) -> None:
        """Stops the ringing of a device: another one answered."""
        self.released.discard(device)
        cancel = m.Cancel(call=self.id, reason=CancelReason.ANSWERED_ELSEWHERE)
        self.out.append(do.Send(self.peer, device, cancel))

    def add(self, effects: list[Effect]) -> None:
        """To be done, after what is to be done already."""
        self.out += effects

    def flush(self) -> list[Effect]:
        """What is to be done, and what there is to show if that changed."""
        effects, self.out = self.out, []
        shown = do.CallChanged(
            call=self.id,
            peer=self.peer,
            state=self.state,
            outgoing=self.outgoing,
            kinds=self.kinds,
            ring=self.ring,
            device=self.device,
        )
        if self.state is not State.ENDED and shown != self._shown:
            self._shown = shown
            effects.append(shown)
        return effects

    # ── inside ────────────────────────────────────────────────────────────────────────────────────
    @property
    def ring(self) -> Ring | None:
        """How noticeably it rings, at the device where it does most."""
        rings = [leg.ring for leg in self.legs.values() if leg.ring is not None]
        return max(rings, key=LOUDNESS.index, default=None)

    def add_leg(self, device: Device) -> Leg:
        """A device that takes part."""
        leg = Leg(self.me, self.peer, self.id, device, self.allowance, outgoing=self.outgoing)
        self.legs[device] = leg
        return leg


def listed(kinds: frozenset[Kind]) -> tuple[Kind, ...]:
    """In the order in which they are sent."""
    return tuple(sorted(kinds))
