"""What every part of the call machine stands on: its state, its timers, its legs, its end."""

from __future__ import annotations

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import timing
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


class CallCore:
    """The state of one call, and what changes it. `machine.Call` is the whole."""

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
        self._me = me
        self._early = False
        self._expected = False
        self._begun = begun
        self._now = now
        self._since = now
        self._accepted_at: float | None = None
        self._connected_at: float | None = None
        self._kinds = kinds
        self._mine = kinds
        self._rung = RingState.DELIVERED
        self._media: MediaState | None = None
        self._peer_media: MediaState | None = None

        self._legs: dict[Device, Leg] = {}
        self._leg: Leg | None = None
        self._rang = False
        self._agreed = False
        """The accept reached a channel: both sides will know of it, and media may be attached."""
        self._released: set[Device] = set()
        """Devices that may still ring because their channel was lost when another one accepted."""

        self._stopped: set[Device] = set()
        """Devices whose node was stopped while nobody had answered."""

        self._others: set[Device] = set()
        """Further devices of the peer: that they are found says nothing about the one we lost."""

        self._deadline: float | None = begun + (timing.UNHEARD if outgoing else timing.RING)
        self._offer_at: float | None = None
        self._patience = timing.OFFER_PATIENCE
        self._taking_at: float | None = None
        """When an offer of the peer that came too soon after others is taken."""
        self._search_at: float | None = None
        self._search_pause = timing.SEARCH_PAUSE
        self._searching = False
        self._search_is_stale = False
        """Our network changed during the search: what it did not find may be there."""
        self._search_soon = False
        """A device was lost while nobody has answered: somebody waits."""
        self._moved = False
        """Our network changed while nobody had answered: the new one may take its time."""
        self._search_is_first = False
        """No search has ended since the device was lost."""
        self._stranger_found = False
        """The search found a device that is none of `_others`: the lost one, started again?"""
        self._searches_without = 0

        self._out: list[Effect] = []
        self._shown: do.CallChanged | None = None

    # ── what it looks like from outside ───────────────────────────────────────────────────────────
    @property
    def device(self) -> Device | None:
        """The device the call is with, or that rings us."""
        return self._leg.device if self._leg else None

    @property
    def accepted_at(self) -> float | None:
        """When it was accepted, on the clock of `now`."""
        return self._accepted_at

    def reached(self, device: Device) -> bool:
        """Whether this device said that it has our invite."""
        leg = self._legs.get(device)
        return leg is not None and leg.ring not in {None, Ring.SENT}

    @property
    def sending(self) -> frozenset[Kind]:
        """The kinds of media we send, once accepted."""
        return self._mine

    @property
    def status(self) -> CallStatus:
        """The call as it is now, for people to look at."""
        return CallStatus(
            call=self.id,
            peer=self.peer,
            outgoing=self.outgoing,
            state=self.state,
            since=self._since,
            connected_at=self._connected_at,
            kinds=self._kinds,
            sending=self._mine,
            ring=self._ring,
            device=self.device,
            signaling=any(leg.open for leg in self._legs.values()),
            peer_media=self._peer_media,
        )

    @property
    def next_timeout(self) -> float | None:
        """When `tick` wants to be called, on the clock of `now`."""
        times = (self._deadline, self._offer_at, self._taking_at, self._search_at)
        return min((time for time in times if time is not None), default=None)

    # ── the state ─────────────────────────────────────────────────────────────────────────────────
    def _go(self, trigger: Trigger) -> None:
        state = TRANSITIONS[self.state][trigger]
        if state is self.state:
            return
        self.state = state
        self._since = self._now
        self._offer_at = None
        match state:
            case State.DIALING | State.RINGING_OUT | State.RINGING_IN:
                pass  # one deadline for all of the ringing, set at the start
            case State.CONNECTING:
                self._accepted_at = self._now
                self._deadline = self._now + timing.CONNECT
            case State.RECONNECTING:
                self._patience = timing.OFFER_PATIENCE
                self._deadline = self._now + timing.RECONNECT
            case State.CONNECTED | State.ENDED:
                self._deadline = None

    def _end(
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
        self._go(trigger)
        self.last_word = last_word
        legs = list(self._legs.values())
        for leg in legs:
            if last_word is not None and leg.invited and leg is not spare:
                self._do(leg.send(last_word))
        for leg in legs:
            self._do(leg.close_all())
        self._legs.clear()
        self._searching = False
        self._search_at = self._taking_at = None
        self._out.append(do.EndOfCall(self.id, self.peer, self.outgoing, reason, leave_note, said))

    def _last_word(
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
    def _invite(self, leg: Leg) -> None:
        leg.invited = True
        leg.ring = leg.ring or Ring.SENT
        offer = leg.session(0)
        age_ms = min(int((self._now - self._begun) * 1000), MAX_AGE_MS)
        self._do(
            leg.send(
                m.Invite(
                    call=self.id,
                    kinds=listed(self._mine),
                    sdp=offer.sdp if offer else None,
                    age_ms=age_ms,
                )
            )
        )
        if offer is not None:
            self._do(leg.tell_candidates(offer))

    def _release(self, device: Device) -> None:
        self._released.discard(device)
        cancel = m.Cancel(call=self.id, reason=CancelReason.ANSWERED_ELSEWHERE)
        self._out.append(do.Send(self.peer, device, cancel))

    def _search(self) -> None:
        self._search_at = None
        if not self._searching:
            self._searching = True
            self._stranger_found = False
            self._out.append(do.FindDevices(self.id, self.peer))

    def _do(self, effects: list[Effect]) -> None:
        self._out += effects

    def _flush(self) -> list[Effect]:
        effects, self._out = self._out, []
        shown = do.CallChanged(
            call=self.id,
            peer=self.peer,
            state=self.state,
            outgoing=self.outgoing,
            kinds=self._kinds,
            ring=self._ring,
            device=self.device,
        )
        if self.state is not State.ENDED and shown != self._shown:
            self._shown = shown
            effects.append(shown)
        return effects

    # ── inside ────────────────────────────────────────────────────────────────────────────────────
    @property
    def _ring(self) -> Ring | None:
        rings = [leg.ring for leg in self._legs.values() if leg.ring is not None]
        return max(rings, key=LOUDNESS.index, default=None)

    def _add(self, device: Device) -> Leg:
        leg = Leg(self._me, self.peer, self.id, device, outgoing=self.outgoing)
        self._legs[device] = leg
        return leg


def listed(kinds: frozenset[Kind]) -> tuple[Kind, ...]:
    """In the order in which they are sent."""
    return tuple(sorted(kinds))
