"""One line with a finger on it: what the traces of this folder are written with."""

from __future__ import annotations

from typing import TypeVar

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.authentication import commitment
from onmeet_node.protocol.call.effects import Effect, EndReason, State
from onmeet_node.protocol.call.events import Device, Event, Identity
from onmeet_node.protocol.call.node_calls import CallSettings, NodeCalls
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallId, CallMessage, Kind

T = TypeVar("T")

ALICE = Identity(b"a" * 32)
BOB = Identity(b"b" * 32)
CAROL = Identity(b"c" * 32)
PHONE, LAPTOP = Device("phone"), Device("laptop")
LOW, CALL, HIGH = CallId(b"\x01" * 16), CallId(b"\x05" * 16), CallId(b"\x09" * 16)
AUDIO = frozenset({Kind.AUDIO})
BOTH = frozenset({Kind.AUDIO, Kind.VIDEO})
OFFER, ANSWER = "v=0 offer", "v=0 answer"
NONCE, THEIRS = b"n" * m.NONCE_BYTES, b"t" * m.NONCE_BYTES
"""Of whoever is held, and of the peer."""


def commits(generation: int = 0, nonce: bytes = NONCE, call: CallId = CALL) -> bytes:
    """What an offer promises to reveal."""
    return commitment(call, generation, nonce)


class Phone:
    """Alice's line by default; the peer is Bob. Time passes only in `wait`."""

    def __init__(
        self,
        me: Identity = ALICE,
        settings: CallSettings | None = None,
        *,
        conference: bool = False,
        at_once: int = 1,
    ) -> None:
        self.line = NodeCalls(me, settings, conference=conference, at_once=at_once)
        self.peer = BOB if me == ALICE else ALICE
        self.now = 1000.0

    # ── doing things ────────────────────────────────────────────────────────────────────────────
    def does(self, event: Event) -> list[Effect]:
        return self.line.handle(event, now=self.now)

    def hears(
        self,
        message: CallMessage,
        device: Device = PHONE,
        *,
        peer: Identity | None = None,
        early: bool = False,
    ) -> list[Effect]:
        return self.does(on.MessageReceived(peer or self.peer, device, message, early))

    def wait(self, seconds: float) -> list[Effect]:
        """Lets time pass, with every timer on the way."""
        until = self.now + seconds
        effects: list[Effect] = []
        while (due := self.line.next_timeout) is not None and due <= until:
            self.now = max(self.now, due)
            effects += self.line.tick(now=self.now)
        self.now = until
        return effects

    # ── getting somewhere ───────────────────────────────────────────────────────────────────────
    def dials(self, call: CallId = CALL, *, early: bool = False) -> list[Effect]:
        return self.does(on.Dial(call, self.peer, BOTH, early_media=early))

    def rings_at(self, *devices: Device, call: CallId = CALL, early: bool = False) -> None:
        """Dialled, and ringing at these devices; with early media each has our offer."""
        self.dials(call, early=early)
        for device in devices:
            self.does(on.DeviceReady(call, device))
            self.hears(m.Ringing(call=call, state=m.RingState.ALERTING), device)
            if early:
                self.does(on.OfferReady(call, device, 0, OFFER, NONCE))
        self.does(on.SearchEnded(call))

    def is_rung(self, call: CallId = CALL, *, early: bool = False) -> list[Effect]:
        """Rung by the peer's phone, with an offer; answered while it rings if `early`."""
        effects = self.hears(
            m.Invite(call=call, sdp=OFFER, commitment=commits(0, THEIRS, call)), early=early
        )
        if early:
            effects += self.does(on.AnswerReady(call, PHONE, 0, ANSWER, NONCE))
            effects += self.hears(m.Reveal(call=call, nonce=THEIRS))
        return effects

    def talks(self, call: CallId = CALL, *, outgoing: bool = True) -> None:
        """In a connected call with the peer's phone, on generation 0."""
        if outgoing:
            self.rings_at(PHONE, call=call, early=True)
            self.hears(m.Answer(call=call, generation=0, sdp=ANSWER, nonce=THEIRS))
            self.does(on.MediaConnected(call, PHONE, 0))
            self.hears(m.Accept(call=call))
        else:
            self.is_rung(call, early=True)
            self.does(on.MediaConnected(call, PHONE, 0))
            self.does(on.AcceptCall(call, BOTH))
        assert self.state(call) is State.CONNECTED

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    def state(self, call: CallId = CALL) -> State:
        """ENDED for calls that are over or unknown."""
        return next((c.state for c in self.line.calls if c.call == call), State.ENDED)


def sent(effects: list[Effect], device: Device | None = None) -> list[CallMessage]:
    """The messages among effects, to one device or to all."""
    sends = [e for e in effects if isinstance(e, do.Send)]
    return [e.message for e in sends if device in (None, e.device)]


def of(effects: list[Effect], kind: type[T]) -> list[T]:
    return [e for e in effects if isinstance(e, kind)]


def ended(effects: list[Effect]) -> EndReason | None:
    """How a call ended among these effects, if one did."""
    ends = of(effects, do.EndOfCall)
    assert len(ends) <= 1
    return ends[0].reason if ends else None
