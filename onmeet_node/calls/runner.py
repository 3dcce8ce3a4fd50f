"""Carries out what the call machine asks for: channels, media sessions, timers, history.

The machine (`NodeCalls`) decides; this module owns the tasks. Everything goes through
`CallRunner.feed`, which never waits: messages are handed to channels, media work to one task per
session, which does it in order.

Each effect is of one call, and so is each task: what one of them raises unexpectedly ends that call
(`ProgramFault`), and the others go on.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import trio

from onmeet_node.calls.book import CallBook
from onmeet_node.calls.call import Call
from onmeet_node.calls.interfaces import CallLedger, CallTransport, MediaSetup
from onmeet_node.calls.media_sessions import LegKey, MediaSessions, MediaTask
from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.sentences import Facts, own_fault, sentence, stopped_there
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.media.endpoint import MediaSession
from onmeet_node.media.ice_report import IceReport
from onmeet_node.process.faults import contained
from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import Effect, EndReason, State
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Device, Event, Identity
from onmeet_node.protocol.call.node_calls import CallSettings, NodeCalls
from onmeet_node.protocol.call.table import UNANSWERED
from onmeet_node.protocol.wire.messages import CALL_ID_BYTES, CallId, CallMessage, Invite, Kind


@dataclass(frozen=True, slots=True)
class ExpectedCall:
    """How a call is taken that was agreed to before it came."""

    kinds: frozenset[Kind]
    wish: CallOptions


class CallRunner:
    """All calls of a node. Lives in the nursery it is given for as long as the node runs."""

    def __init__(
        self,
        line: NodeCalls,
        reach: CallTransport,
        studio: MediaSetup,
        ledger: CallLedger,
        hub: Hub[NodeEvent],
        nursery: trio.Nursery,
        *,
        wish_for: Callable[[Identity], CallOptions] = lambda _: CallOptions(),
        ending: Callable[[], bool] = lambda: False,
        on_frame: Callable[[Call, MediaSession, bytes], None] = lambda *_: None,
    ) -> None:
        """`wish_for`: what a call sends and keeps that comes in, until somebody takes it.

        `ending`: whether the node is being stopped, and not one call. `on_frame`: given each frame
        that came beside the media of a call, and over which session.
        """
        self._wish_for = wish_for
        self._ending = ending
        self._on_frame = on_frame
        self._line = line
        self._reach = reach
        self._studio = studio
        self._legs = MediaSessions(studio.endpoint, nursery)
        self._ledger = ledger
        self._nursery = nursery
        self._wake = trio.Event()
        self._holds: dict[CallId, ExitStack] = {}
        self._expected: dict[Identity, ExpectedCall] = {}
        self.calls = CallBook(hub, feed=self.feed, leave=self.leave, asks=ledger.asks_to_compare)

    # ── what people do ──────────────────────────────────────────────────────────────────────────
    def dial(self, peer: Identity, kinds: frozenset[Kind], wish: CallOptions) -> Call:
        """Begins a call; it rings as soon as a device of `peer` is found.

        Raises `AlreadyInCall` while there is one with this person.
        """
        call_id = CallId(secrets.token_bytes(CALL_ID_BYTES))
        early = self._reach.early_media(peer)
        dial = on.Dial(call=call_id, peer=peer, kinds=kinds, early_media=early)
        self._line.check_dial(dial)
        call = self._open(call_id, peer, outgoing=True, kinds=kinds, wish=wish)
        self.feed(dial)
        return call

    def message(self, peer: Identity, device: Device, message: CallMessage) -> None:
        """A call message arrived from somebody who may call us."""
        early = self._reach.early_media(peer)
        self.feed(on.MessageReceived(peer=peer, device=device, message=message, early_media=early))
        self._learn(peer, device, message.call)
        welcomed = self._expected.get(peer)
        if welcomed is None or not isinstance(message, Invite):
            return
        del self._expected[peer]
        call = self.calls.get(message.call)
        if call is not None and call.state is State.RINGING_IN:
            call.accept(welcomed.kinds, welcomed.wish)

    def expect(self, peer: Identity, kinds: frozenset[Kind], wish: CallOptions) -> None:
        """The next invite of this peer is taken at once: a person has let them in before it."""
        self._expected[peer] = ExpectedCall(kinds, wish)

    def expect_no_more(self, peer: Identity) -> None:
        """They are gone, or were sent away."""
        self._expected.pop(peer, None)

    def broke(self, call: Call) -> None:
        """Somebody altered what came over the peer's channel: the call ends, saying so."""
        call.trouble = (
            "What came over the line had been altered, repeated or left out on the way. Do not "
            "trust the server that the link names; make a new link with another one."
        )
        self.feed(on.PeerBroke(call=call.id))

    def _learn(self, peer: Identity, device: Device, call_id: CallId) -> None:
        """Keeps what a device of a call can do, which holds while its channel is away."""
        call, named = self.calls.get(call_id), self._reach.capabilities(peer, device)
        if call is not None and call.peer == peer and named is not None:
            call.named[device] = named

    def device_lost(self, peer: Identity, device: Device) -> None:
        """The last sealed channel to a device is gone."""
        self.feed(on.DeviceLost(peer=peer, device=device))

    def network_changed(self) -> None:
        """Tells all calls that our addresses changed, or that the machine woke up."""
        self.feed(on.NetworkChanged())

    def fault(self, call: CallId) -> None:
        """Ends a call, telling both sides, because something of it here stopped unexpectedly."""
        self.feed(on.ProgramFault(call=call))

    def leave(self, call: CallId) -> None:
        """The program lets go of a call: because it is done with it, or because the node ends."""
        self.feed(on.HangUp(call=call, shutdown=self._ending()))

    # ── the runner ──────────────────────────────────────────────────────────────────────────────
    def feed(self, event: Event) -> None:
        """One event into the machine, its effects carried out before this returns.

        Raises the machine's `CallRefused` if a person asks for what no longer makes sense.
        """
        with contained("call"):  # what was so stays so
            self._line.settings = CallSettings(
                busy=self._ledger.busy(), alerts=self.calls.somebody_listens
            )
        effects: list[Effect] = []
        refused: CallRefused | None = None
        with contained("call"):
            try:
                effects = self._line.handle(event, now=trio.current_time())
            except CallRefused as error:
                refused = error
        if refused is not None:
            raise refused
        self._perform(effects)

    def _perform(self, effects: list[Effect]) -> None:
        broken: set[CallId] = set()
        for effect in effects:
            # The machine tells of a new call after the media it asks for.
            if isinstance(effect, do.CallChanged) and self.calls.get(effect.call) is None:
                with contained("call", then=partial(broken.add, effect.call)):
                    self._begin(effect)
        for effect in effects:
            call = effect.message.call if isinstance(effect, do.Send) else effect.call
            if call in broken and not isinstance(effect, do.CloseMedia | do.EndOfCall):
                continue
            with contained("call", then=partial(broken.add, call)):
                self._do(effect)
        self._wake.set()
        for call in broken:
            self.fault(call)

    async def run_timers(self) -> None:
        """Ticks the machine when it asks for it."""
        while True:
            self._wake = trio.Event()
            due = self._line.next_timeout
            with trio.move_on_at(math.inf if due is None else due) as sleep:
                await self._wake.wait()
            if sleep.cancelled_caught:
                self._perform(self._line.tick(now=trio.current_time()))

    def _do(self, effect: Effect) -> None:
        match effect:
            case do.FindDevices(call=call, peer=peer):
                self._nursery.start_soon(self._find, call, peer)
            case do.Send(peer=peer, device=device, message=message):
                if not self._reach.send(peer, device, message):
                    # NOTE: from a task, not from here: the machine is not re-entered in an effect
                    self._nursery.start_soon(self._lost, peer, device)
            case do.MakeOffer() | do.MakeAnswer():
                self._open_leg(effect)
            case (
                do.TakeAnswer()
                | do.TakeCandidates()
                | do.Authenticate()
                | do.Attach()
                | do.SuspectMedia()
            ):
                self._legs.do(_key(effect), effect)
            case do.CloseMedia():
                self._legs.close(_key(effect))
            case do.CallChanged(call=call):
                self.calls[call].changed(effect)
            case do.PeerMedia(call=call, media=media):
                self.calls[call].peer_sends(media)
            case do.StringJudged(call=call, ours=ours, theirs=theirs):
                self.calls[call].string.compared(ours, theirs)
                if ours and theirs:
                    self._ledger.string_agreed(effect.peer)
            case do.Faulted(error=error):
                raise error
            case do.EndOfCall():
                self._ended(effect)

    async def _find(self, call: CallId, peer: Identity) -> None:
        with contained("call", then=partial(self.fault, call)):
            await self._reach.find(
                peer,
                lambda device: self.feed(on.DeviceReady(call=call, device=device)),
                unanswered=lambda: (
                    (going := self.calls.get(call)) is not None and going.state in UNANSWERED
                ),
            )
            self.feed(on.SearchEnded(call=call))

    async def _lost(self, peer: Identity, device: Device) -> None:
        await trio.lowlevel.checkpoint()
        self.device_lost(peer, device)

    def _open_leg(self, effect: do.MakeOffer | do.MakeAnswer) -> None:
        call = self.calls[effect.call]
        leg = MediaTask(
            key=_key(effect),
            call=call,
            plan=lambda: self._studio.session(call, effect.kinds),
            feed=self.feed,
            on_frame=partial(self._on_frame, call),
            region_of=self._studio.region_of,
            binding=self._reach.binding(call.peer),
        )
        self._legs.open(leg)
        self._legs.do(leg.key, effect)

    def _open(
        self,
        call_id: CallId,
        peer: Identity,
        *,
        outgoing: bool,
        kinds: frozenset[Kind],
        wish: CallOptions,
    ) -> Call:
        """A call comes into being; while it is there, the peer's channels are watched closely."""
        call = self.calls.begin(call_id, peer, outgoing=outgoing, kinds=kinds, wish=wish)
        hold = self._holds[call_id] = ExitStack()
        hold.enter_context(self._reach.keep(peer))
        return call

    def _close(self, call: Call) -> None:
        self.calls.forget(call)
        self._holds.pop(call.id).close()

    def _begin(self, effect: do.CallChanged) -> None:
        call = self._open(
            effect.call,
            effect.peer,
            outgoing=effect.outgoing,
            kinds=effect.kinds,
            wish=self._wish_for(effect.peer),
        )
        name = self._ledger.name_of(call.peer)
        if call.peer in self._expected:
            return  # it is taken in a moment, and rings nowhere
        if effect.state is State.RINGING_IN and self.calls.announce(call, name):
            self._nursery.start_soon(self._alert, call)

    async def _alert(self, call: Call) -> None:
        await trio.lowlevel.checkpoint()
        if call.state is State.RINGING_IN:
            self.feed(on.Alerting(call=call.id))

    def _ended(self, effect: do.EndOfCall) -> None:
        call = self.calls.get(effect.call) or self._open(
            effect.call,
            effect.peer,
            outgoing=effect.outgoing,
            kinds=frozenset(),
            wish=CallOptions(),
        )
        if effect.reason is EndReason.SUPERSEDED and effect.outgoing:
            call.successor = next(
                (c for c in self.calls if c.peer == call.peer and c is not call), None
            )
        words = sentence(effect.reason, outgoing=effect.outgoing)
        with contained("call"):  # it ends even if nobody can say why
            words = self._why(effect, call)
        try:
            call.finish(effect.reason, words, said=effect.said)
        finally:
            self._legs.end(call.id)
            self._close(call)
            self._ledger.call_ended(call, leave_note=effect.leave_note)

    def _why(self, effect: do.EndOfCall, call: Call) -> str:
        call.report = self._legs.report(call.id) or call.report
        if effect.reason is EndReason.FAULT and call.own_fault is not None:
            call.report = replace(call.report or IceReport(), own_fault=call.own_fault)
            return own_fault(call.own_fault)
        if effect.reason is EndReason.SHUTDOWN and not self._ending():
            return stopped_there(answered=call.answered is not None)
        facts = Facts.of(call.report) if call.report is not None else Facts()
        return sentence(
            effect.reason,
            outgoing=effect.outgoing,
            facts=replace(facts, alone=self._reach.alone()),
            last_seen=self._ledger.silent_for(call.peer),
        )


def _key(
    effect: do.MakeOffer
    | do.MakeAnswer
    | do.TakeAnswer
    | do.TakeCandidates
    | do.Authenticate
    | do.Attach
    | do.SuspectMedia
    | do.CloseMedia,
) -> LegKey:
    return LegKey(effect.call, effect.device, effect.generation)
