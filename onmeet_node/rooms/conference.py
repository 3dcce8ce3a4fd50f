"""One room, and what a person does in it (DESIGN 3.2, PROTOCOL "Rooms").

What becomes of that is carried out by `RoomRunner`, and shown as `RoomDescription` describes it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self, TypeVar

import trio
import trio.lowlevel

from onmeet_node.calls.call import Call
from onmeet_node.calls.interfaces import MediaSetup
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.media.endpoint import MediaEndpoint
from onmeet_node.net.channels.channels import ChannelNetwork, Channels, open_channels
from onmeet_node.net.channels.credentials import KeyAlone
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.lookalike import meant
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.room.effects import Effect
from onmeet_node.protocol.room.errors import NotInRoom
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, Kind
from onmeet_node.rooms.changes import ChangeSignal
from onmeet_node.rooms.description import RoomDescription
from onmeet_node.rooms.interfaces import AddressBookView, GuestChannels
from onmeet_node.rooms.notices import RoomNotices
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.rooms.participants import Participants
from onmeet_node.rooms.runner import RoomRunner
from onmeet_node.rooms.transport import RoomDoorkeeper
from onmeet_node.rooms.views import RoomView, RoomWithMedia

SAID_SECONDS = 10.0
"""For those in a room to confirm what was said, before whoever said it is told."""

G = TypeVar("G", bound=GuestChannels)


class Conference:
    """One room, from coming in to its end. Made by `open_conference`."""

    def __init__(
        self,
        room: Room,
        runner: RoomRunner,
        channels: Channels,
        *,
        participants: Participants,
        notices: RoomNotices,
        changes: ChangeSignal,
    ) -> None:
        self.room = room
        self.id = room.id
        """16 random bytes."""
        self.me = room.me
        """Our key in this room."""
        self.since = int(time.time())
        self.left = trio.Event()
        """Set when we want to leave."""
        self.inside = runner.inside
        """Set when we are in, or it is over."""
        self.over = runner.over
        self.said = runner.said
        """Set when everybody has heard that we leave, or that it is over."""
        self._runner = runner
        self._calls = runner.calls
        self._channels = channels
        self._participants = participants
        self._notices = notices
        self._changes = changes
        self._description = RoomDescription(room, participants, runner.calls, notices)

    def __repr__(self) -> str:
        return f"<Conference {self.id.hex()[:8]}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()
        await trio.lowlevel.checkpoint()

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    @property
    def presence(self) -> RoomOptions:
        """How we came in, and since `move` with whose camera and microphone."""
        return self._calls.options

    @property
    def others(self) -> tuple[Key, ...]:
        """Everybody who is in but us."""
        seats = self.room.roster.seats if self.room.roster is not None else ()
        return tuple(Key(seat.key) for seat in seats if seat.key != self.me)

    @property
    def calls(self) -> tuple[Call, ...]:
        """One with each participant."""
        return self._calls.on

    @property
    def title(self) -> str:
        """What its host named it; empty until we are in."""
        return self._participants.title

    def call_with(self, key: bytes) -> Call | None:
        """The call that is on with a participant."""
        return self._calls.with_key(key)

    def name_of(self, key: bytes) -> str:
        """How a participant is shown: a contact as we call them, others as they call themselves."""
        return self._participants.name_of(key)

    def describe(self) -> RoomView:
        """For the command line and the app."""
        return self._description.now()

    async def describe_with_media(self) -> RoomWithMedia:
        """`describe`, with the counters of each participant's media."""
        return await self._description.with_media()

    async def changed(self) -> None:
        """Waits until something of `describe` may be different."""
        await self._changes.wait()

    async def met(self) -> None:
        """Waits until everybody who is in is reached, or the room is over."""
        await self.inside.wait()
        while self.room.over is None and not all(seat.here for seat in self.describe().people):
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

    # ── what a person does ──────────────────────────────────────────────────────────────────────
    def act(self, change: Callable[[Room, float], list[Effect]]) -> None:
        """Asks the machine for something at the present time. Raises its `RoomError`."""
        self._runner.act(change)

    def leave(self) -> None:
        """Leaves; others carry the room on."""
        self.left.set()

    async def say(self, text: str, to: bytes | None = None) -> tuple[Key, ...]:
        """Writes a line of 1-4,000 characters to everybody, or to one key.

        Returns, once that is known, the keys of those who may not have it: their channel is gone,
        or says nothing for `SAID_SECONDS`. Raises `NotInRoom`.
        """
        keys = self.others if to is None else (Key(to),)
        self.act(lambda room, now: room.say(text, to, now=now))
        self._notices.said(text, to)
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

    def react(self, emoji: str) -> None:
        """Shows everybody a reaction: one emoji."""
        self.act(lambda room, now: room.react(emoji, now=now))
        self._notices.reacted(self.me, emoji)

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """Stops or resumes sending a kind to everybody."""
        await self._calls.mute(kind, muted=muted)
        self._changes.notify()

    def move(self, endpoint: MediaEndpoint | None) -> None:
        """Goes on with the media of another endpoint: another page's camera and microphone."""
        self._calls.move(endpoint)
        self._changes.notify()

    def refuse(self, key: bytes, *, refused: bool = True) -> None:
        """Refuses contact with a participant, or no longer: their private lines are dropped, and
        media with them goes through relays alone. They learn nothing of it (P6).
        """
        self._participants.refuse(Key(key), refused=refused)
        self._calls.refusal_changed(Key(key))
        self._changes.notify()


@asynccontextmanager
async def open_conference(
    start: tuple[Room, list[Effect]],
    key: IdentityKey,
    options: RoomOptions,
    *,
    network: ChannelNetwork,
    setup: MediaSetup,
    hub: Hub[NodeEvent],
    contacts: AddressBookView,
    guests: Callable[[Room, Channels, trio.Nursery], G],
    on_change: Callable[[], None] = lambda: None,
    media_ready: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[tuple[Conference, G]]:
    """A room while the block lasts, and what carries its guests; leaving it leaves the room.

    `guests` makes that. `on_change`: called whenever something of `describe` may be different.
    `media_ready`: waited for before anybody is rung.
    """
    room, effects = start
    door = RoomDoorkeeper(
        room, card=lambda: contacts.card(None), channels_open=lambda: len(channels)
    )
    async with (
        open_channels(network, KeyAlone(key), door) as channels,
        trio.open_nursery() as nursery,
    ):
        changes = ChangeSignal(on_change)
        participants = Participants(room, contacts)
        notices = RoomNotices(room, participants, hub)
        carriers = guests(room, channels, nursery)
        runner = RoomRunner(
            room,
            options,
            channels,
            setup,
            nursery,
            participants=participants,
            guests=carriers,
            notices=notices,
            changes=changes,
            media_ready=media_ready,
        )
        conference = Conference(
            room, runner, channels, participants=participants, notices=notices, changes=changes
        )
        nursery.start_soon(runner.run)
        runner.perform(effects)
        try:
            yield conference, carriers
        finally:
            await runner.say_goodbye()
            nursery.cancel_scope.cancel()
