"""Carries out what the machine of one room asks for (PROTOCOL, "Rooms").

The machine (`protocol.room.machine.Room`) decides who is in and who rings whom. Here are its
channels (a book of their own, between the keys of this room), its timer, and its calls
(`RoomCalls`).

An error of ours in what one participant makes us do ends the channel, or the call, with that one;
in the room's own timer, the room for us: others carry it on.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import get_args

import trio

from onmeet_node.calls.interfaces import MediaSetup
from onmeet_node.net.channels.carried_streams import GUEST
from onmeet_node.net.channels.channels import (
    ChannelEvent,
    ChannelGone,
    ChannelOpened,
    Channels,
    MessageArrived,
)
from onmeet_node.net.errors import NetError
from onmeet_node.process.faults import alone, contained
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room.effects import Effect, RoomEnd
from onmeet_node.protocol.room.errors import RoomError
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key, seat_of
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import CallMessage, Card, CardUpdate
from onmeet_node.protocol.wire.room import RosterBody, Seat
from onmeet_node.rooms.calls import RoomCalls
from onmeet_node.rooms.changes import ChangeSignal
from onmeet_node.rooms.interfaces import GuestChannels
from onmeet_node.rooms.notices import RoomNotices
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.rooms.participants import Participants
from onmeet_node.store.errors import StoreError

log = logging.getLogger(__name__)

OPEN_SECONDS = 12.0
"""To open a channel to one seat, as for a call (`reach.OPEN_SECONDS`)."""
GOODBYE_SECONDS = 2.0
"""For the last words to reach a guest, whose channel may end with the call."""


class RoomRunner:
    """One room, from coming in to its end. Live in `run`, and in the nursery it is given."""

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
        media_ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`media_ready`: see `RoomCalls`."""
        self.inside = trio.Event()
        """Set when we are in, or it is over."""
        self.over = trio.Event()
        self.said = trio.Event()
        """Set when everybody has heard that we leave, or that it is over."""
        self.calls = RoomCalls(
            room,
            options,
            channels,
            setup,
            nursery,
            participants=participants,
            guests=guests,
            notices=notices,
            changes=changes,
            perform=self.perform,
            media_ready=media_ready,
        )
        self._room = room
        self._channels = channels
        self._nursery = nursery
        self._participants = participants
        self._guests = guests
        self._notices = notices
        self._changes = changes
        self._wake = trio.Event()

    # ── the machine ─────────────────────────────────────────────────────────────────────────────
    def act(self, change: Callable[[Room, float], list[Effect]]) -> None:
        """Asks the machine for something at the present time. Raises its `RoomError`."""
        self.perform(change(self._room, trio.current_time()))

    def perform(self, effects: list[Effect]) -> None:
        """Carries out what the machine asks for, in order."""
        for effect in effects:
            with contained("participant"):
                self._do(effect)
        self._wake.set()
        if effects:
            self._changes.notify()

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
                self.calls.ring(key)
            case do.HangUpWith(key=key):
                if self._room.over is not None:
                    return  # everybody is parted from in `say_goodbye`
                if self._guests.is_guest(key):
                    self._begin(self._part, key)
                else:
                    self.calls.hang_up(key)
            case do.RosterChanged(roster=roster):
                self._roster_changed(roster)
            case do.KnockCame(key=key) if self._opens_to(key):
                self._begin(self._let_in, effect)
            case do.Said(by=by, private=True) if self._participants.refuses(by):
                pass
            case do.EndOfRoom():
                self._end(effect)
            case _:
                self._notices.tell(effect)

    def _begin(self, serve: Callable[..., Awaitable[object]], *args: object) -> None:
        """A task for one participant."""
        self._nursery.start_soon(alone, "participant", serve, *args)

    def _end(self, effect: do.EndOfRoom) -> None:
        self.inside.set()
        self.over.set()
        self._notices.tell(effect)

    def _opens_to(self, key: bytes) -> bool:
        return self._room.opens_to(promised=self._guests.may_enter(key))

    async def _let_in(self, knocked: do.KnockCame) -> None:
        """After what made the machine say that they knock: it is not re-entered in an effect."""
        await trio.lowlevel.checkpoint()
        if not self._opens_to(knocked.key):  # since this moment everybody knocks
            self._notices.tell(knocked)
            return
        with suppress(RoomError):  # they have gone, or nobody more fits
            self.act(lambda room, now: room.admit(knocked.key, now=now))

    def _roster_changed(self, roster: RosterBody) -> None:
        if seat_of(roster, self._room.me) is not None:
            self.inside.set()
        for gone in self._participants.keys() - {Key(seat.key) for seat in roster.seats}:
            self._participants.forget(gone)
        self._guests.roster_changed()
        self._notices.changed(roster)
        self.calls.take_all()

    async def _open(self, seat: Seat) -> None:
        opened = False
        with contained("participant"), trio.move_on_after(OPEN_SECONDS):
            try:
                await self._guests.open(seat, self.calls.with_key(seat.key))
                opened = True
            except (NetError, trio.BrokenResourceError) as error:
                log.debug("a seat could not be reached: %s", type(error).__name__)
        if not opened:
            self.perform(self._room.lost(seat.key, now=trio.current_time()))

    # ── tasks ───────────────────────────────────────────────────────────────────────────────────
    async def run(self) -> None:
        """Until the room is over."""
        with contained("room", then=self.fail):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                nursery.start_soon(self.calls.run)
                nursery.start_soon(self._tick)
                await self.over.wait()
                nursery.cancel_scope.cancel()

    def fail(self) -> None:
        """We met an error of our own: the room is over for us, and the others carry it on."""
        with contained("room"):
            self.act(lambda room, now: room.leave(now=now, reason=RoomEnd.FAULT))
        if not self.over.is_set():  # nor can the machine say so
            self._end(do.EndOfRoom(RoomEnd.FAULT))

    async def _tick(self) -> None:
        while True:
            self._wake = trio.Event()
            due = self._room.next_timeout
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

    def _part_from(self, key: bytes) -> None:
        """Closes the channels with a participant at whose word or need we failed."""
        for device in self._channels.devices(Identity(key)):
            channel = self._channels.get(Identity(key), device)
            if channel is not None:
                channel.close("fault")

    def _take_event(self, event: ChannelEvent) -> None:
        key = Key(event.identity)
        match event:
            case ChannelOpened(device=device, hello=hello):
                words = self._participants.came(key, hello.card or Card())
                guest = device == GUEST
                if not guest:
                    self._channels.send(event.identity, device, words)
                self.perform(
                    self._room.opened(key, "" if guest else device, now=trio.current_time())
                )
                if guest and self._room.roster is not None:
                    self._guests.roster_changed()
            case MessageArrived(message=message) if isinstance(message, get_args(CallMessage)):
                if self._room.seated(key) or self._room.other(key) is not None:
                    self.calls.message(event.identity, event.device, message)
            case MessageArrived(message=w.Pipe() as piece):
                self._guests.piped(key, piece)
            case MessageArrived(message=w.Acquaint() as words, device=device):
                self._acquainted(event.identity, device, words)
            case MessageArrived(message=CardUpdate(card=card)):
                self._participants.changed(key, card)
                self._changes.notify()
            case MessageArrived(message=w.Lent() as loan):
                self._guests.lent(loan)
            case MessageArrived(message=message):
                self.perform(self._room.received(key, message, now=trio.current_time()))
            case ChannelGone(device=device):
                self.calls.device_lost(event.identity, device)
                if not self._channels.devices(event.identity):
                    self._participants.gone(key)
                    self._guests.way_lost(key)
                    self.perform(self._room.lost(key, now=trio.current_time()))

    def _acquainted(self, peer: Identity, device: Device, words: w.Acquaint) -> None:
        """Who are contacts of each other see each other's cards as contacts do (P4)."""
        if self._guests.is_guest(peer):
            return
        card = self._participants.acquainted(Key(peer), words)
        if card is not None:
            self._channels.send(peer, device, CardUpdate(card=card))
        self.calls.refusal_changed(Key(peer))
        self._changes.notify()

    # ── leaving ─────────────────────────────────────────────────────────────────────────────────
    async def say_goodbye(self) -> None:
        """Leaves, if it is not over, and ends channels and calls: in this order where a channel
        may travel beside the media of a call. Returns when all have heard the last word, or after
        `GOODBYE_SECONDS` and `Timing.close`.
        """
        with contained("room"):
            if self._room.over is None:
                self.act(lambda room, now: room.leave(now=now))
        with trio.CancelScope(shield=True):
            keys = [Key(call.peer) for call in self.calls.on]
            guests = [key for key in keys if self._guests.is_guest(key)]
            for key in keys:
                if key not in guests:
                    self.calls.hang_up(key)
            await self._flush(*guests)
            await self._channels.close_all()
            for key in guests:
                self.calls.hang_up(key)
        self.said.set()

    async def _part(self, key: Key) -> None:
        """Ends the call with this guest, once they have heard what was said before, or hear it on
        a channel that they open in place of a lost one.
        """
        with trio.move_on_after(GOODBYE_SECONDS):
            while not self._channels.devices(Identity(key)):
                await self._changes.wait()
        await self._flush(key)
        self.calls.hang_up(key)

    async def _flush(self, *keys: Key) -> None:
        with trio.move_on_after(GOODBYE_SECONDS):
            async with trio.open_nursery() as nursery:
                for key in keys:
                    for device in self._channels.devices(Identity(key)):
                        channel = self._channels.get(Identity(key), device)
                        if channel is not None:
                            nursery.start_soon(channel.flush)
