"""The calls of one room: one with each participant, in which nobody is busy (PROTOCOL, "Rooms").

The room machine decides who rings whom; what becomes of a call is told to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.errors import CallNotActive
from onmeet_node.calls.interfaces import MediaSetup
from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.runner import CallRunner
from onmeet_node.events import Hub, Incoming, NodeEvent, RecordingStopped, StateChanged
from onmeet_node.media.endpoint import MediaEndpoint, MediaSession
from onmeet_node.media.errors import MediaError
from onmeet_node.net.channels.channels import Channels
from onmeet_node.process.faults import alone, contained
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.node_calls import NodeCalls
from onmeet_node.protocol.room.effects import Effect
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.room.send_limits import SendLimits, send_limits
from onmeet_node.protocol.wire.messages import CallId, CallMessage, Kind, MediaState
from onmeet_node.rooms.changes import ChangeSignal
from onmeet_node.rooms.interfaces import GuestChannels
from onmeet_node.rooms.notices import RoomNotices
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.rooms.participants import Participants
from onmeet_node.rooms.transport import RoomLedger, RoomTransport


class RoomCalls:
    """The calls of one room. Its tasks are those of `run`, and some in the nursery it is given."""

    def __init__(
        self,
        room: Room,
        options: RoomOptions,
        channels: Channels,
        setup: MediaSetup,
        nursery: trio.Nursery,
        *,
        participants: Participants,
        guests: GuestChannels,
        notices: RoomNotices,
        changes: ChangeSignal,
        perform: Callable[[list[Effect]], None],
        media_ready: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """`perform` carries out what the room machine makes of what becomes of calls.

        `media_ready` is waited for before anybody is rung; None: there is nothing to wait for.
        """
        self.options = options
        """How we came in, and since `move` with whose camera and microphone."""
        self.muted: frozenset[Kind] = frozenset()
        """What is not sent to anybody."""
        self._room = room
        self._nursery = nursery
        self._participants = participants
        self._guests = guests
        self._notices = notices
        self._changes = changes
        self._perform = perform
        self._media_ready = media_ready
        self._hub: Hub[NodeEvent] = Hub()
        self._sent: dict[MediaSession, SendLimits] = {}
        """What each media session was limited to last."""
        self._carrying: set[CallId] = set()
        """Calls that we rang or took: what comes beside their media is of the room."""
        self._runner = CallRunner(
            NodeCalls(Identity(room.me), conference=True),
            RoomTransport(room, channels, changes),
            setup,
            RoomLedger(participants, self._ended),
            self._hub,
            nursery,
            wish_for=self._wish,
            on_frame=self._frame_came,
        )

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    @property
    def on(self) -> tuple[Call, ...]:
        """One with each participant."""
        return tuple(self._runner.calls)

    def with_key(self, key: bytes) -> Call | None:
        """The call that is on with a participant."""
        return next((call for call in self.on if call.peer == key), None)

    @property
    def own_media(self) -> MediaState:
        """What we send."""
        if self.on:
            return self.on[0].local_media
        return MediaState(call=CallId(bytes(16)), muted=Kind.AUDIO in self.muted)

    # ── what a person does ──────────────────────────────────────────────────────────────────────
    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """Stops or resumes sending a kind to everybody, also to those who come later."""
        self.muted = self.muted | {kind} if muted else self.muted - {kind}
        for call in self.on:
            await self._mute_one(call, kind, muted=muted)

    def move(self, endpoint: MediaEndpoint | None) -> None:
        """Goes on with the media of another endpoint: another page's camera and microphone."""
        self.options = replace(self.options, wish=replace(self.options.wish, endpoint=endpoint))
        for call in self.on:
            call.wish = self._wish(call.peer)
            call.restart_media()

    # ── what the room asks ──────────────────────────────────────────────────────────────────────
    def ring(self, key: Key) -> None:
        """Begins a call with a participant, unless theirs is on already."""
        if self._media_ready is None:
            self._dial(key)
        else:
            self._begin(self._dial_when_ready, key, self._media_ready)

    async def _dial_when_ready(self, key: Key, ready: Callable[[], Awaitable[None]]) -> None:
        await ready()
        if self._room.seated(key):
            self._dial(key)

    def _dial(self, key: Key) -> None:
        try:
            call = self._runner.dial(Identity(key), self.options.kinds, self._wish(Identity(key)))
        except CallRefused:
            return  # theirs is on already
        self._carrying.add(call.id)

    def hang_up(self, key: Key) -> None:
        """Ends the calls with a participant."""
        for call in self.on:
            if call.peer == Identity(key):
                call.hang_up()

    def take_all(self) -> None:
        """Takes the calls of those who are in by now; of others when they turn out to be."""
        for call in self.on:
            self._take(call)

    def refusal_changed(self, key: Key) -> None:
        """Contact with a participant is refused, or no longer: how media reaches them changes."""
        for call in self.on:
            wish = self._wish(call.peer)
            if call.peer == Identity(key) and call.wish.relay_only != wish.relay_only:
                call.wish = wish
                if call.has_media:
                    call.restart_media()

    def message(self, peer: Identity, device: Device, message: CallMessage) -> None:
        """A call message arrived."""
        self._runner.message(peer, device, message)

    def device_lost(self, peer: Identity, device: Device) -> None:
        """The channel with a participant's device is gone."""
        self._runner.device_lost(peer, device)

    # ── tasks ───────────────────────────────────────────────────────────────────────────────────
    async def run(self) -> None:
        """Carries the calls on, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow)
            nursery.start_soon(self._runner.run_timers)
            nursery.start_soon(self._keep_limits)

    def _begin(self, serve: Callable[..., Awaitable[object]], *args: object) -> None:
        """A task for one participant."""
        self._nursery.start_soon(alone, "participant", serve, *args)

    async def _follow(self) -> None:
        with self._hub.watch() as events:
            async for event in events:
                with contained("participant"):
                    self._take_event(event)
                self._changes.notify()

    def _take_event(self, event: NodeEvent) -> None:
        match event:
            case Incoming(call=call_id):
                call = self._runner.calls.get(CallId(call_id))
                if call is not None:
                    self._take(call)
            case StateChanged(call=call_id, state=state):
                call = self._runner.calls.get(CallId(call_id))
                if call is not None and state in {State.CONNECTED, State.RECONNECTING}:
                    up = state is State.CONNECTED
                    self._perform(self._room.media(call.peer, up=up, now=trio.current_time()))
                    if up and self.muted:
                        self._begin(self._mute_all, call)
            case RecordingStopped(call=call_id, sentence=sentence):
                call = self._runner.calls.get(CallId(call_id))
                if call is not None:
                    self._notices.recording_stopped(Key(call.peer), sentence)
            case _:
                pass  # of its end the ledger is told, who knows with whom it was

    def _take(self, call: Call) -> None:
        """Takes a call of somebody who is in; of others when they turn out to be."""
        if call.state is State.RINGING_IN and self._room.seated(call.peer):
            self._perform(self._room.called(call.peer, now=trio.current_time()))
            self._carrying.add(call.id)
            with self._or_fault(call):
                # What they did not offer cannot be answered, and what we do not want to send is not
                # sent because nothing else was offered.
                kinds = self.options.kinds & call.kinds
                if kinds:
                    call.accept(kinds, self._wish(call.peer))
                else:
                    call.decline()

    async def _mute_all(self, call: Call) -> None:
        for kind in self.muted:
            await self._mute_one(call, kind, muted=True)

    async def _mute_one(self, call: Call, kind: Kind, *, muted: bool) -> None:
        with (
            self._or_fault(call),
            suppress(MediaError, CallNotActive),  # its session was just closed
        ):
            if call.has_media:
                await call.mute(kind, muted=muted)

    def _or_fault(self, call: Call) -> AbstractContextManager[None]:
        """What the block raises ends this call alone."""
        return contained("call", then=partial(self._runner.fault, call.id))

    async def _keep_limits(self) -> None:
        """Sends each as much picture as they show of us, among so many (`room.send_limits`)."""
        while True:
            news = self._changes.next
            roster = self._room.roster
            people = sum(seat.video for seat in roster.seats) if roster is not None else 0
            live: dict[MediaSession, SendLimits] = {}
            for call in self.on:
                other, session = self._room.other(call.peer), call.session
                if session is None or other is None:
                    continue
                live[session] = wanted = send_limits(people, other.shown)
                if self._sent.get(session) != wanted:
                    with self._or_fault(call), suppress(MediaError):  # it has just been closed
                        await session.shape(wanted)
            self._sent = live
            await news.wait()

    # ── what calls send, keep and carry ─────────────────────────────────────────────────────────
    def _wish(self, peer: Identity) -> CallOptions:
        directory = self.options.record
        wish = replace(self.options.wish, room=self._room.id, carry=self._guests.is_guest(peer))
        if directory is not None:
            shown = self._participants.name_of(peer)
            name = "".join(c for c in shown if c.isalnum())[:24] or "somebody"
            wish = replace(wish, record=directory / f"{name}-{peer.hex()[:8]}.mp4")
        if self._participants.refuses(Key(peer)):
            wish = replace(wish, relay_only=True)
        return wish

    def _frame_came(self, call: Call, session: MediaSession, data: bytes) -> None:
        if call.id in self._carrying:
            self._guests.beside(Key(call.peer), session, data)

    def _ended(self, call: Call) -> None:
        """A call with a participant is over; maybe another took its place."""
        self._carrying.discard(call.id)
        for link in call.links:
            self._guests.way_lost(link.session)
        if any(c is not call and c.peer == call.peer for c in self.on):
            return
        self._perform(self._room.call_over(call.peer, now=trio.current_time()))
