"""One room on this node: carries out what the room machine asks for (DESIGN 3.2, PROTOCOL "Rooms").

The machine (`room.machine.Room`) decides who is in and who rings whom. Here are its channels (a
book of their own, between the keys of this room), its calls (a caller of their own, in which nobody
is busy), its timer, and what people are told of it.

An error of ours in what one participant makes us do ends the channel, or the call, with that one;
in the room's own timer, the room for us: others carry it on.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self, get_args

import trio
import trio.lowlevel

from onmeet_node.calls.call import Call
from onmeet_node.calls.errors import CallNotActive
from onmeet_node.calls.interfaces import MediaSetup
from onmeet_node.calls.media_setup import NodeMediaSetup
from onmeet_node.calls.options import CallOptions
from onmeet_node.calls.runner import CallRunner
from onmeet_node.events import CallEnded, Hub, Incoming, NodeEvent, RecordingStopped, StateChanged
from onmeet_node.media.endpoint import MediaEndpoint, MediaSession
from onmeet_node.media.errors import MediaError
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.net.channels.carried_streams import GUEST
from onmeet_node.net.channels.channels import (
    ChannelEvent,
    ChannelGone,
    ChannelNetwork,
    ChannelOpened,
    Channels,
    MessageArrived,
    open_channels,
)
from onmeet_node.net.errors import NetError
from onmeet_node.process.faults import alone, contained
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.node_calls import NodeCalls
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.lookalike import meant
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room.effects import Effect, RoomEnd
from onmeet_node.protocol.room.errors import NotInRoom, RoomError
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key, seat_of
from onmeet_node.protocol.room.send_limits import SendLimits, send_limits
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import (
    MAX_NAME_CHARS,
    CallId,
    CallMessage,
    CardUpdate,
    Kind,
    MediaState,
    Message,
)
from onmeet_node.protocol.wire.room import RosterBody, Seat
from onmeet_node.rooms.guests import RoomGuests
from onmeet_node.rooms.notices import RoomNotices
from onmeet_node.rooms.participants import AddressBookView, Participants
from onmeet_node.rooms.transport import RoomDoorkeeper, RoomLedger, RoomTransport
from onmeet_node.store.errors import StoreError

log = logging.getLogger(__name__)

OPEN_SECONDS = 12.0
"""To open a channel to one seat, as for a call (`reach.OPEN_SECONDS`)."""
SAID_SECONDS = 10.0
"""For those in a room to confirm what was said, before whoever said it is told."""

GOODBYE_SECONDS = 2.0
"""For the last words to reach a guest, whose channel may end with the call."""


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """How we come into a room."""

    name: str
    kinds: frozenset[Kind]
    wish: CallOptions
    record: Path | None = None
    """Directory with a file for what each participant sends."""


class GuestChannels(Protocol):
    """What carries the channels between guests and everybody: `guests.RoomGuests` at a node, and
    `CarriedGuestChannels` at a guest.
    """

    def is_guest(self, key: bytes) -> bool:
        """Whether frames travel beside the media of the call with this seat."""
        ...

    def may_enter(self, key: bytes) -> bool:
        """Whether their link lets them in without a word of anybody."""
        ...

    def piped(self, sender: Key, message: w.Pipe) -> None:
        """A frame came over the channel with `sender`."""
        ...

    def watch(self, call: Call) -> None:
        """Takes the frames beside the media of this call."""
        ...

    def way_lost(self, way: object) -> None:
        """A channel that carried (its key), or a media session, is gone."""
        ...

    def roster_changed(self) -> None:
        """Somebody came or went, or another is host."""
        ...


class Conference:
    """One room, from coming in to its end. Made by `open_conference`."""

    def __init__(
        self,
        room: Room,
        presence: RoomOptions,
        channels: Channels,
        studio: MediaSetup,
        hub: Hub[NodeEvent],
        nursery: trio.Nursery,
        *,
        circle: AddressBookView,
        guests: GuestChannels,
        on_change: Callable[[], None],
    ) -> None:
        self.room = room
        self.id = room.id
        """16 random bytes."""
        self.me = room.me
        """Our key in this room."""
        self.since = int(time.time())
        self.presence = presence
        self.faces = Participants(room.id, room.me, circle)
        self.guests = guests
        self.over = trio.Event()
        self.left = trio.Event()
        """Set when we want to leave."""
        self.said = trio.Event()
        """Set when everybody has heard that we leave, or that it is over."""
        self.inside = trio.Event()
        """Set when we are in, or it is over."""
        self.muted: frozenset[Kind] = frozenset()
        self._teller = RoomNotices(
            room.id,
            room.me,
            hub,
            title=lambda: self.title,
            name_of=self.name_of,
            string=lambda: room.string,
        )
        self._channels = channels
        self._on_change = on_change
        self._nursery = nursery
        self._wake = trio.Event()
        self._news = trio.Event()
        self._calls_hub: Hub[NodeEvent] = Hub()
        self._sent: dict[MediaSession, SendLimits] = {}
        """How each media session was shaped last."""
        line = NodeCalls(Identity(room.me), conference=True)
        self._caller = CallRunner(
            line,
            RoomTransport(self, channels),
            studio,
            RoomLedger(self),
            self._calls_hub,
            nursery,
            wish_for=self._wish,
        )

    def __repr__(self) -> str:
        return f"<Conference {self.id.hex()[:8]}>"

    @property
    def others(self) -> tuple[Key, ...]:
        """Everybody who is in but us."""
        seats = self.room.roster.seats if self.room.roster is not None else ()
        return tuple(Key(seat.key) for seat in seats if seat.key != self.me)

    @property
    def calls(self) -> tuple[Call, ...]:
        """One with each participant."""
        return tuple(self._caller.calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        await trio.lowlevel.checkpoint()

    # ── what a person does ──────────────────────────────────────────────────────────────────────
    def act(self, change: Callable[[Room, float], list[Effect]]) -> None:
        """Asks the machine for something at the present time. Raises its `RoomError`."""
        self._perform(change(self.room, trio.current_time()))

    async def say(self, text: str, to: bytes | None = None) -> tuple[Key, ...]:
        """Writes a line of 1-4,000 characters to everybody, or to one key.

        Returns, once that is known, the keys of those who may not have it: their channel is gone,
        or says nothing for `SAID_SECONDS`. Raises `NotInRoom`.
        """
        keys = self.others if to is None else (Key(to),)
        self.act(lambda room, now: room.say(text, to, now=now))
        self._teller.said(text, to)
        has: set[Key] = set()

        async def look(key: Key) -> None:
            if await self._has_all(key):
                has.add(key)

        async with trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(look, key)
        return tuple(key for key in keys if key not in has and self.room.seated(key))

    async def _has_all(self, key: Key) -> bool:
        """Whether a participant has taken all that was sent to them."""
        with trio.move_on_after(SAID_SECONDS):
            for device in self._channels.devices(Identity(key)):
                channel = self._channels.get(Identity(key), device)
                if channel is not None and await channel.flush():
                    return True
        return False

    async def met(self) -> None:
        """Waits until everybody who is in is reached, or the room is over."""
        await self.inside.wait()
        while self.room.over is None and not all(p["here"] for p in self.describe()["people"]):
            await self.changed()

    def who(self, text: str, keys: Sequence[bytes] | None = None) -> Key:
        """The participant (or, with `keys`, the one of these) of this name or start of a key.

        Raises `protocol.room.errors.NotInRoom` if it is not exactly one.
        """
        roster = self.room.roster
        seats = {Key(s.key): s.name for s in roster.seats} if roster else {}
        pool = (
            [Key(key) for key in keys] if keys is not None else [k for k in seats if k != self.me]
        )
        names = self.room.knocks | seats
        # As they call themselves, and as we call a contact: both are on the screen.
        shown = {key: clean_text(names.get(key, ""), MAX_NAME_CHARS) for key in pool}
        given = {key: self.name_of(key) for key in pool}
        found = list(dict.fromkeys((*meant(text, shown), *meant(text, given)))) if text else pool
        if len(found) > 1:
            listed = ", ".join(f"{given[key]} ({key.hex()[:8]})" for key in found)
            raise NotInRoom(f"{text!r} may be any of: {listed}. Use the start of the key.")
        if not found:
            raise NotInRoom(f"Nobody here is called {text!r}. See: onmeet room list")
        return found[0]

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """Stops or resumes sending a kind to everybody."""
        self.muted = self.muted | {kind} if muted else self.muted - {kind}
        for call in self.calls:
            await self._mute_one(call, kind, muted=muted)
        self._changed()

    def refuse(self, key: bytes, *, refused: bool = True) -> None:
        """Refuses contact with a participant, or no longer: their private lines are dropped, and
        media with them goes through relays alone. They learn nothing of it (P6).
        """
        self.faces.refuse(Key(key), refused=refused)
        self._rewish(Key(key))
        self._changed()

    def _rewish(self, key: Key) -> None:
        for call in self.calls:
            wish = self._wish(call.peer)
            if call.peer == Identity(key) and call.wish.relay_only != wish.relay_only:
                call.wish = wish
                if call.has_media:
                    call.restart_media()

    def move(self, endpoint: MediaEndpoint | None) -> None:
        """Goes on with the media of another endpoint: another page's camera and microphone."""
        self.presence = replace(self.presence, wish=replace(self.presence.wish, endpoint=endpoint))
        for call in self.calls:
            call.wish = self._wish(call.peer)
            call.restart_media()
        self._changed()

    @property
    def title(self) -> str:
        """What its host named it; empty until we are in."""
        roster = self.room.roster
        return clean_text(roster.title, MAX_NAME_CHARS) if roster is not None else ""

    def describe(self) -> dict[str, Any]:
        """For the command line and the app."""
        roster = self.room.roster
        return {
            "room": self.id.hex(),
            "title": self.title,
            "state": "over" if self.room.over else "in" if roster else "knocking",
            "role": self.room.role.value if self.room.role else None,
            "locked": roster.locked if roster else False,
            "knock": roster.knock if roster else True,
            "host": roster.host.hex() if roster else None,
            "version": [roster.claims, roster.term, roster.version] if roster else None,
            "string": self.room.string,
            "people": [self._describe(seat) for seat in roster.seats] if roster else [],
            "knocking": [
                {"key": key.hex(), "name": clean_text(name, MAX_NAME_CHARS)}
                for key, name in self.room.knocks.items()
            ],
            "warnings": list(self._teller.warnings.values()),
        }

    def _describe(self, seat: Seat) -> dict[str, Any]:
        mine = seat.key == self.me
        other = self.room.other(seat.key)
        call = self.call_with(seat.key)
        media = call.peer_media if call is not None else None
        if mine:
            media = self._own_media()
        muted = bool(media and media.muted)
        known, card = self.faces.known(Key(seat.key)), self.faces.card(Key(seat.key))
        identity = self.faces.identity(Key(seat.key))
        return {
            "key": seat.key.hex(),
            "name": self.name_of(seat.key),
            "role": seat.role.value,
            "me": mine,
            "here": mine or bool(other and other.up),
            "media": mine or bool(other and other.media),
            "seen": mine or bool(other and self.me in other.here.sees),
            "hand": self.room.hand if mine else bool(other and other.here.hand),
            "muted": muted,
            "camera_off": bool(media and media.camera_off),
            "sharing": bool(media and media.sharing),
            "contact": known.name if known is not None else None,
            "identity": identity.hex() if identity is not None else None,
            "verified": known is not None and known.verified,
            "card": {
                name: getattr(card, name)
                for name in ("name", "country", "phone", "email")
                if getattr(card, name)
            },
            "path": call.path.value if call is not None and call.path else None,
            "call": call.id.hex() if call is not None else None,
            "hidden": self.faces.refuses(Key(seat.key)),
        }

    async def describe_with_media(self) -> dict[str, Any]:
        """`describe`, with the counters of each participant's media."""
        shown = self.describe()
        for person in shown["people"]:
            call = self.call_with(bytes.fromhex(person["key"]))
            person["streams"] = await call.counters() if call is not None else []
        return shown

    def _own_media(self) -> MediaState | None:
        if self.calls:
            return self.calls[0].local_media
        return MediaState(call=CallId(bytes(16)), muted=Kind.AUDIO in self.muted)

    def call_with(self, key: bytes) -> Call | None:
        """The call that is on with a participant."""
        return next((call for call in self.calls if call.peer == key), None)

    def name_of(self, key: bytes) -> str:
        """How a participant is shown: a contact as we call them, others as they call themselves."""
        known = self.faces.known(Key(key))
        if known is not None and known.name:
            return known.name
        seat = seat_of(self.room.roster, key) if self.room.roster else None
        return clean_text(seat.name, MAX_NAME_CHARS) if seat and seat.name else key.hex()[:8]

    async def changed(self) -> None:
        """Waits until something of `describe` may be different."""
        await self._news.wait()

    # ── tasks ───────────────────────────────────────────────────────────────────────────────────
    async def run(self) -> None:
        """Until the room is over."""
        with contained("room", then=self.fail):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                nursery.start_soon(self._follow_calls)
                nursery.start_soon(self._caller.run_timers)
                nursery.start_soon(self._tick)
                nursery.start_soon(self._keep_shapes)
                await self.over.wait()
                nursery.cancel_scope.cancel()

    def fail(self) -> None:
        """We met an error of our own: the room is over for us, and the others carry it on."""
        with contained("room"):
            self.act(lambda room, now: room.leave(now=now, reason=RoomEnd.FAULT))
        if not self.over.is_set():  # nor can the machine say so
            self._end(do.EndOfRoom(RoomEnd.FAULT))

    def _end(self, effect: do.EndOfRoom) -> None:
        self.inside.set()
        self.over.set()
        self._teller.tell(effect)

    def _part_from(self, key: bytes) -> None:
        """Closes the channels with a participant at whose word or need we failed."""
        for device in self._channels.devices(Identity(key)):
            channel = self._channels.get(Identity(key), device)
            if channel is not None:
                channel.close("fault")

    def _begin(self, serve: Callable[..., Awaitable[object]], *args: object) -> None:
        """A task for one participant."""
        self._nursery.start_soon(alone, "participant", serve, *args)

    async def say_goodbye(self) -> None:
        """Leaves, if it is not over, and ends channels and calls: in this order where a channel
        may travel beside the media of a call. Returns when all have heard the last word, or after
        `GOODBYE_SECONDS` and `Timing.close`.
        """
        with contained("room"):
            if self.room.over is None:
                self.act(lambda room, now: room.leave(now=now))
        with trio.CancelScope(shield=True):
            keys = [Key(call.peer) for call in self.calls]
            guests = [key for key in keys if self.guests.is_guest(key)]
            for key in keys:
                if key not in guests:
                    self._hang_up(key)
            await self._flush(*guests)
            await self._channels.close_all()
            for key in guests:
                self._hang_up(key)
        self.said.set()

    async def _part(self, *keys: Key) -> None:
        """Ends the calls with these guests, once they have heard what was said before."""
        await self._flush(*keys)
        for key in keys:
            self._hang_up(key)

    async def _flush(self, *keys: Key) -> None:
        with trio.move_on_after(GOODBYE_SECONDS):
            async with trio.open_nursery() as nursery:
                for key in keys:
                    for device in self._channels.devices(Identity(key)):
                        channel = self._channels.get(Identity(key), device)
                        if channel is not None:
                            nursery.start_soon(channel.flush)

    def _hang_up(self, key: Key) -> None:
        for call in self.calls:
            if call.peer == Identity(key):
                call.hang_up()

    async def _keep_shapes(self) -> None:
        """Sends each as much picture as they show of us, among so many (`room.send_limits`)."""
        while True:
            news = self._news
            roster = self.room.roster
            people = sum(seat.video for seat in roster.seats) if roster is not None else 0
            live: dict[MediaSession, SendLimits] = {}
            for call in self.calls:
                other, session = self.room.other(call.peer), call.session
                if session is None or other is None:
                    continue
                live[session] = wanted = send_limits(people, other.shown)
                if self._sent.get(session) != wanted:
                    with (
                        contained("call", then=partial(self._caller.fault, call.id)),
                        suppress(MediaError),  # it has just been closed
                    ):
                        await session.shape(wanted)
            self._sent = live
            await news.wait()

    async def _tick(self) -> None:
        while True:
            self._wake = trio.Event()
            due = self.room.next_timeout
            with trio.move_on_at(math.inf if due is None else due) as sleep:
                await self._wake.wait()
            if sleep.cancelled_caught:
                self.act(lambda room, now: room.tick(now=now))

    async def _listen(self) -> None:
        async for event in self._channels.events:
            with contained("participant", then=partial(self._part_from, event.identity)):
                try:
                    self._take_event(event)
                except StoreError as error:
                    what, why = type(event).__name__, type(error).__name__
                    log.warning("%s in a room was not dealt with: %s", what, why)

    def _take_event(self, event: ChannelEvent) -> None:
        key = Key(event.identity)
        match event:
            case ChannelOpened(device=device, hello=hello):
                words = self.faces.came(key, hello.card)
                guest = device == GUEST
                if not guest:
                    self._channels.send(event.identity, device, words)
                self._perform(
                    self.room.opened(key, "" if guest else device, now=trio.current_time())
                )
                if guest:
                    self._guests_changed()
            case MessageArrived(message=message) if isinstance(message, get_args(CallMessage)):
                if self.room.seated(key) or self.room.other(key) is not None:
                    self._caller.message(event.identity, event.device, message)
            case MessageArrived(message=w.Pipe() as piece):
                self.guests.piped(key, piece)
            case MessageArrived(message=w.Acquaint() as words, device=device):
                self._acquainted(event.identity, device, words)
            case MessageArrived(message=CardUpdate(card=card)):
                self.faces.changed(key, card)
                self._changed()
            case MessageArrived(message=message):
                self._hear(key, message)
            case ChannelGone(device=device):
                self._caller.device_lost(event.identity, device)
                if not self._channels.devices(event.identity):
                    self.faces.gone(key)
                    self.guests.way_lost(key)
                    self._perform(self.room.lost(key, now=trio.current_time()))

    def _hear(self, key: Key, message: Message) -> None:
        self._perform(self.room.received(key, message, now=trio.current_time()))

    def _acquainted(self, peer: Identity, device: Device, words: w.Acquaint) -> None:
        """Who are contacts of each other see each other's cards as contacts do (P4)."""
        if self.guests.is_guest(peer):
            return
        card = self.faces.acquainted(Key(peer), words)
        if card is not None:
            self._channels.send(peer, device, CardUpdate(card=card))
        self._rewish(Key(peer))
        self._changed()

    def _guests_changed(self) -> None:
        if self.room.roster is not None:
            self.guests.roster_changed()

    async def _follow_calls(self) -> None:
        with self._calls_hub.watch() as events:
            async for event in events:
                with contained("participant"):
                    self._follow_call(event)
                self._changed()

    def _follow_call(self, event: NodeEvent) -> None:
        now = trio.current_time()
        match event:
            case Incoming(call=call_id):
                call = self._caller.calls.get(call_id)  # type: ignore[arg-type]
                if call is not None:
                    self._take(call)
            case StateChanged(call=call_id, state=state):
                call = self._caller.calls.get(call_id)  # type: ignore[arg-type]
                if call is not None and state in {State.CONNECTED, State.RECONNECTING}:
                    up = state is State.CONNECTED
                    self._perform(self.room.media(call.peer, up=up, now=now))
                    if up and self.muted:
                        self._begin(self._mute_all, call)
            case RecordingStopped(call=call_id, sentence=sentence):
                call = self._caller.calls.get(call_id)  # type: ignore[arg-type]
                if call is not None:
                    self._teller.recording_stopped(Key(call.peer), sentence)
            case CallEnded():
                pass  # the ledger is told, who knows with whom it was
            case _:
                pass

    async def _mute_all(self, call: Call) -> None:
        for kind in self.muted:
            await self._mute_one(call, kind, muted=True)

    async def _mute_one(self, call: Call, kind: Kind, *, muted: bool) -> None:
        with (
            contained("call", then=partial(self._caller.fault, call.id)),
            suppress(MediaError, CallNotActive),  # its session was just closed
        ):
            if call.has_media:
                await call.mute(kind, muted=muted)

    def _take(self, call: Call) -> None:
        """Takes a call of somebody who is in; of others when they turn out to be."""
        if call.state is State.RINGING_IN and self.room.seated(call.peer):
            self._perform(self.room.called(call.peer, now=trio.current_time()))
            self.guests.watch(call)
            with contained("call", then=partial(self._caller.fault, call.id)):
                # What they did not offer cannot be answered, and what we do not want to send is not
                # sent because nothing else was offered.
                kinds = self.presence.kinds & call.kinds
                if kinds:
                    call.accept(kinds, self._wish(call.peer))
                else:
                    call.decline()

    # ── effects ─────────────────────────────────────────────────────────────────────────────────
    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            with contained("participant"):
                self._do(effect)
        self._wake.set()
        if effects:
            self._changed()

    def _changed(self) -> None:
        self._on_change()
        self._news.set()
        self._news = trio.Event()

    def _do(self, effect: Effect) -> None:
        match effect:
            case do.SendInRoom(to=to, message=message):
                for device in self._channels.devices(Identity(to)):
                    self._channels.send(Identity(to), device, message)
            case do.Open(seat=seat):
                self._begin(self._open, seat)
            case do.Close(key=key):
                self._begin(self._channels.close, Identity(key))
            case do.RingMember(key=key):
                self._ring(key)
            case do.HangUpWith(key=key):
                if self.room.over is not None:
                    return  # everybody is parted from in `say_goodbye`
                if self.guests.is_guest(key):
                    self._begin(self._part, key)
                else:
                    self._hang_up(key)
            case do.RosterChanged(roster=roster):
                self._roster_changed(roster)
            case do.KnockCame(key=key) if self._opens_to(key):
                self._begin(self._let_in, effect)
            case do.Said(by=by, private=True) if self.faces.refuses(by):
                pass
            case do.EndOfRoom():
                self._end(effect)
            case _:
                self._teller.tell(effect)

    def leave(self) -> None:
        """Leaves; others carry the room on."""
        self.left.set()

    def react(self, emoji: str) -> None:
        """Shows everybody a reaction: one emoji."""
        self.act(lambda room, now: room.react(emoji, now=now))
        self._teller.reacted(self.me, emoji)

    def _opens_to(self, key: bytes) -> bool:
        return self.room.opens_to(promised=self.guests.may_enter(key))

    async def _let_in(self, knocked: do.KnockCame) -> None:
        """After what made the machine say that they knock: it is not re-entered in an effect."""
        await trio.lowlevel.checkpoint()
        if not self._opens_to(knocked.key):  # since this moment everybody knocks
            self._teller.tell(knocked)
            return
        with suppress(RoomError):  # they have gone, or nobody more fits
            self.act(lambda room, now: room.admit(knocked.key, now=now))

    def _roster_changed(self, roster: RosterBody) -> None:
        if seat_of(roster, self.me) is not None:
            self.inside.set()
        for gone in self.faces.keys() - {Key(seat.key) for seat in roster.seats}:
            self.faces.forget(gone)
        self.guests.roster_changed()
        self._teller.changed(roster)
        for call in self.calls:
            self._take(call)

    async def _open(self, seat: Seat) -> None:
        opened = False
        with contained("participant"), trio.move_on_after(OPEN_SECONDS):
            try:
                await self._open_channel(seat)
                opened = True
            except (NetError, trio.BrokenResourceError) as error:
                log.debug("a seat could not be reached: %s", type(error).__name__)
        if not opened:
            self._perform(self.room.lost(seat.key, now=trio.current_time()))

    async def _open_channel(self, seat: Seat) -> None:
        await self._channels.open(Identity(seat.key), Device(seat.device), seat.addresses)

    def _ring(self, key: Key) -> None:
        try:
            call = self._caller.dial(Identity(key), self.presence.kinds, self._wish(Identity(key)))
        except CallRefused:
            return  # theirs is on already
        self.guests.watch(call)

    def _wish(self, peer: Identity) -> CallOptions:
        directory = self.presence.record
        wish = replace(self.presence.wish, room=self.id, carry=self.guests.is_guest(peer))
        if directory is not None:
            name = "".join(c for c in self.name_of(peer) if c.isalnum())[:24] or "somebody"
            wish = replace(wish, record=directory / f"{name}-{peer.hex()[:8]}.mp4")
        if self.faces.refuses(Key(peer)):
            wish = replace(wish, relay_only=True)
        return wish

    def call_ended(self, call: Call) -> None:
        """For `RoomLedger`: a call with a participant is over; maybe another took its place."""
        for link in call.links:
            self.guests.way_lost(link.session)
        if any(c is not call and c.peer == call.peer for c in self.calls):
            return
        self._perform(self.room.call_over(call.peer, now=trio.current_time()))


@asynccontextmanager
async def open_conference(
    start: tuple[Room, list[Effect]],
    key: IdentityKey,
    presence: RoomOptions,
    *,
    street: ChannelNetwork,
    studio: NodeMediaSetup,
    hub: Hub[NodeEvent],
    circle: AddressBookView,
    lend: Callable[[], Awaitable[tuple[TurnServer, ...]]],
    on_change: Callable[[], None],
) -> AsyncIterator[Conference]:
    """A room while the block lasts; leaving it leaves the room. `lend`: TURN for one guest.
    `on_change`: called whenever something of `describe` may be different.
    """
    room, effects = start
    door = RoomDoorkeeper(room, lambda: circle.card(None))
    async with open_channels(street, key, door) as channels, trio.open_nursery() as nursery:
        door.channels = channels
        guests = RoomGuests(room, channels, nursery, lend=lend)
        conference = Conference(
            room,
            presence,
            channels,
            studio,
            hub,
            nursery,
            circle=circle,
            guests=guests,
            on_change=on_change,
        )
        nursery.start_soon(conference.run)
        conference._perform(effects)
        try:
            yield conference
        finally:
            await conference.say_goodbye()
            nursery.cancel_scope.cancel()
