"""A device in the world of world.py: a line, what its runner would do, and media that pretends."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.authentication import Nonces, StringDoubt
from onmeet_node.protocol.call.effects import Effect
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Device, Event, Identity
from onmeet_node.protocol.call.node_calls import NodeCalls
from onmeet_node.protocol.wire import messages as m
from tests.protocol.call.ledger import Key, Ledger

if TYPE_CHECKING:
    from tests.protocol.call.world import World


@dataclass(eq=False)
class Session:
    """A peer connection that exists in name."""

    node: Node
    key: Key
    ours: bool
    offer: str
    """The offer that began it, naming the session it came from."""
    open: bool = True
    attached: bool = False
    twin: Session | None = None
    outcome: Nonces | StringDoubt | None = None

    @property
    def name(self) -> str:
        call, device, generation = self.key
        return f"{self.node.device} {call.hex()} {device} {generation}"

    @property
    def nonce(self) -> bytes:
        """Another one for each session."""
        return hashlib.blake2b(self.name.encode(), digest_size=m.NONCE_BYTES).digest()

    def close(self) -> None:
        """The other end notices soon."""
        self.open = False
        if self.twin is not None and self.twin.open:
            self.twin.node.reports.append(on.MediaPathLost(*self.twin.key))


@dataclass(eq=False)
class Node:
    """A device of a person: a line, and what its runner would do."""

    world: World
    me: Identity
    device: Device
    early: bool = True
    alive: bool = True
    stopping: bool = False
    """It says good-bye to its calls and begins no other."""
    reports: deque[Event] = field(default_factory=deque)
    """What its runner has to tell it, in this order."""
    searches: list[do.FindDevices] = field(default_factory=list)
    sessions: dict[Key, Session] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.line = NodeCalls(self.me)
        self.ledger = Ledger()

    def does(self, event: Event) -> None:
        if not self.alive or (self.stopping and isinstance(event, on.Dial)):
            return
        if isinstance(event, on.HangUp):
            self.stopping |= event.shutdown
        try:
            effects = self.line.handle(event, now=self.world.now)
        except CallRefused:
            return
        self.perform(effects)

    def perform(self, effects: list[Effect]) -> None:
        self.ledger.check(effects)
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case do.FindDevices():
                self.searches.append(effect)
            case do.Send(peer=peer, device=device, message=message):
                if isinstance(message, m.Accept):
                    self.world.accepted.add(message.call)
                if frozenset({self.device, device}) in self.world.channels:
                    self.world.wire(self.device, device).append(message)
                else:
                    self.reports.append(on.DeviceLost(peer, device))
            case do.MakeOffer(call=call, device=device, generation=generation):
                session = self._open((call, device, generation), ours=True)
                session.offer = session.name
                self.reports.append(on.OfferReady(*session.key, session.name, session.nonce))
            case do.MakeAnswer(call=call, device=device, generation=generation, sdp=sdp):
                session = self._open((call, device, generation), ours=False)
                session.offer = sdp
                self.reports.append(on.AnswerReady(*session.key, session.name, session.nonce))
            case do.TakeAnswer(call=call, device=device, generation=generation, sdp=sdp):
                self.world.join(self.sessions[call, device, generation], sdp)
            case do.Attach(call=call, device=device, generation=generation):
                assert call in self.world.accepted, "media before the callee accepted"
                self.sessions[call, device, generation].attached = True
            case do.CloseMedia(call=call, device=device, generation=generation):
                self.sessions[call, device, generation].close()
            case do.SuspectMedia(call=call, device=device, generation=generation):
                session = self.sessions[call, device, generation]
                if self.world.unheard(session):
                    self.reports.append(on.MediaPathLost(*session.key))
            case do.Authenticate(call=call, device=device, generation=generation):
                self.sessions[call, device, generation].outcome = effect.outcome
            case (
                do.TakeCandidates()
                | do.CallChanged()
                | do.PeerMedia()
                | do.StringJudged()
                | do.EndOfCall()
            ):
                pass

    def _open(self, key: Key, *, ours: bool) -> Session:
        session = self.sessions[key] = Session(self, key, ours, "")
        self.world.named[session.name] = session
        return session
