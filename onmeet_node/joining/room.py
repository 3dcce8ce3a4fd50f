"""A room as a guest without a browser is in it: for bots, tests and ``onmeet join``.

The guest page does the same in `ui/src/guest/room`.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.options import CallOptions
from onmeet_node.contacts.acquaintances import Known, Tie
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.joining.errors import EntryDenied
from onmeet_node.joining.line import DoorClosed, GuestLine
from onmeet_node.joining.options import GuestOptions, Tell
from onmeet_node.joining.room_channels import CarriedGuestChannels, SayOnLine
from onmeet_node.media.endpoint import IceServer, MediaEndpoint, SessionConfig
from onmeet_node.media.engine.endpoint import open_endpoint
from onmeet_node.net.channels.carried_streams import GUEST
from onmeet_node.net.errors import PeerUnreachable, StreamRefused
from onmeet_node.net.libp2p.streams import Stream
from onmeet_node.process.leaving import in_order
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.door import HOST_GONE
from onmeet_node.protocol.wire.messages import Card, Kind
from onmeet_node.protocol.wire.room import Seat
from onmeet_node.protocol.wire.turn import LentTurnServer
from onmeet_node.rooms.conference import Conference, open_conference
from onmeet_node.rooms.options import RoomOptions

LENT_SECONDS = 3.0
"""For the host to lend TURN credentials, before calls begin without."""


class NoNetwork:
    """A `ChannelNetwork` of somebody who has none."""

    peer_id = GUEST

    def connected(self, peer: str) -> bool:
        """See `ChannelNetwork`."""
        del peer
        return False

    async def connect(self, addresses: Sequence[str]) -> str:
        """See `ChannelNetwork`; a guest's channels are opened by `CarriedGuestChannels`."""
        raise PeerUnreachable(str(addresses[:1]))

    async def open_stream(self, peer: str, protocol: str) -> Stream:
        """See `connect`."""
        raise StreamRefused(peer, protocol, "a guest has no libp2p")

    def suspect(self, peer: str) -> None:
        """See `ChannelNetwork`."""

    async def verify(self, peer: str) -> None:
        """See `ChannelNetwork`."""

    def on_direct(self, notify: Callable[[str], None]) -> Callable[[], None]:
        """See `ChannelNetwork`."""
        del notify
        return lambda: None

    def handle(self, protocol: str, handler: Any) -> None:
        """See `ChannelNetwork`."""

    def stop_handling(self, protocol: str) -> None:
        """See `ChannelNetwork`."""


class NoContacts:
    """An `AddressBookView` of somebody who knows nobody."""

    def __init__(self, name: str) -> None:
        self._card = Card(name=name)

    def known(self) -> Mapping[Identity, Tie]:
        """See `AddressBookView`."""
        return {}

    def get(self, peer: Identity) -> Known | None:
        """See `AddressBookView`."""
        del peer
        return None

    def card(self, peer: Identity | None) -> Card:
        """See `AddressBookView`."""
        del peer
        return self._card


class GuestMediaSetup:
    """Where a guest's calls get their media: a `MediaSetup` with borrowed TURN servers."""

    def __init__(self, endpoint: MediaEndpoint) -> None:
        self._endpoint = endpoint
        self._servers: tuple[LentTurnServer, ...] = ()
        self._lent = trio.Event()

    def lend(self, servers: Sequence[LentTurnServer]) -> None:
        """The host lends these."""
        self._servers = tuple(servers)
        self._lent.set()

    async def ready(self) -> None:
        """Waits until the host has lent some, or lends none."""
        with trio.move_on_after(LENT_SECONDS):
            await self._lent.wait()

    async def endpoint(self, call: Call) -> MediaEndpoint:
        """See `MediaSetup`."""
        del call
        await trio.lowlevel.checkpoint()
        return self._endpoint

    async def session(self, call: Call, kinds: frozenset[Kind]) -> SessionConfig:
        """See `MediaSetup`."""
        await trio.lowlevel.checkpoint()
        wish = call.wish
        return SessionConfig(
            kinds=kinds,
            ice_servers=tuple(IceServer(s.url, s.username, s.credential) for s in self._servers),
            relay_only=wish.relay_only,
            source=wish.source,
            record=wish.record,
            call=call.id,
            room=wish.room,
            carry=wish.carry,
        )

    def region_of(self, url: str) -> str | None:
        """See `MediaSetup`."""
        del url
        return None


@asynccontextmanager
async def open_guest_conference(
    room: bytes,
    host: bytes,
    options: RoomOptions,
    *,
    line: SayOnLine,
    endpoint: MediaEndpoint,
    hub: Hub[NodeEvent],
) -> AsyncIterator[tuple[Conference, CarriedGuestChannels]]:
    """A room by a link while the block lasts, and what carries our channels. Whoever opened the
    line gives what it carries to that.
    """
    key = IdentityKey.from_seed(secrets.token_bytes(32))
    knock = w.RoomKnock(room=room, name=options.name, video=Kind.VIDEO in options.kinds)
    door = Seat(key=host, order=0)
    setup = GuestMediaSetup(endpoint)
    async with open_conference(
        Room.join(key, door, knock, now=trio.current_time(), as_guest=True),
        key,
        options,
        network=NoNetwork(),
        setup=setup,
        hub=hub,
        contacts=NoContacts(options.name),
        guests=partial(CarriedGuestChannels, door=Key(host), line=line, lend=setup.lend),
        media_ready=setup.ready,
    ) as opened:
        yield opened


async def stay_in_room(
    line: GuestLine, room: bytes, host: bytes, visitor: GuestOptions, tell: Tell, inside: trio.Event
) -> str:
    """Where a link leads into a room: what its other members do, until it or the guest's time is
    over; gives ``left``, or why it is over.
    """
    options = RoomOptions(
        name=visitor.name,
        kinds=frozenset(Kind),
        wish=CallOptions(source=visitor.source, relay_only=visitor.relay_only),
        record=visitor.record,
    )

    async def say(frame: bytes) -> None:
        try:
            await line.say(m.Carry(data=frame))
        except DoorClosed as closed:
            raise trio.BrokenResourceError from closed

    hub: Hub[NodeEvent] = Hub()
    denied: list[m.DenyReason] = []
    lost: list[DoorClosed] = []

    @asynccontextmanager
    async def in_it() -> AsyncIterator[Conference]:
        async with (
            open_endpoint() as endpoint,
            # NOTE: outside the conference: what is answered to its last words comes over the line.
            trio.open_nursery() as nursery,
            open_guest_conference(room, host, options, line=say, endpoint=endpoint, hub=hub) as (
                conference,
                channels,
            ),
        ):

            async def carry() -> None:
                try:
                    while True:
                        message = await line.hear()
                        if isinstance(message, m.Carry):
                            channels.carried(message.data)
                        elif isinstance(message, m.Deny) and not conference.inside.is_set():
                            denied.append(message.reason)
                            conference.inside.set()
                        elif isinstance(message, m.Bye):
                            raise DoorClosed(HOST_GONE)
                except DoorClosed as closed:
                    if not conference.inside.is_set():
                        lost.append(closed)
                        conference.inside.set()
                channels.line_lost()

            nursery.start_soon(carry)
            try:
                yield conference
            finally:
                nursery.start_soon(_then_cancel, conference.said.wait, nursery)

    with hub.watch() as events:
        async with in_order(in_it()) as conference, trio.open_nursery() as nursery:

            async def follow() -> None:
                async for event in events:
                    told = event.as_json()
                    del told["t"]
                    tell(told.pop("event"), **told)

            nursery.start_soon(follow)
            await conference.inside.wait()
            with trio.move_on_after(math.inf if visitor.seconds is None else visitor.seconds):
                if not denied and not lost:
                    inside.set()
                    await conference.over.wait()
            over = conference.room.over
            nursery.cancel_scope.cancel()
    if denied:
        raise EntryDenied(denied[0])
    if lost:
        raise lost[0]
    return over.value if over is not None else "left"


async def _then_cancel(wait: Callable[[], Awaitable[object]], nursery: trio.Nursery) -> None:
    await wait()
    nursery.cancel_scope.cancel()
