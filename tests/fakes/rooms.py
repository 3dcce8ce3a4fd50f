"""Rooms of several people in this process: real conferences over hosts and media that are not.

Held against the real thing by tests/node/test_rooms.py, where the same rooms are between nodes.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import partial

import trio

from onmeet_node.calls.options import CallOptions
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.joining.room import NoContacts
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.room.effects import Effect
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.protocol.wire.room import RoomKnock, Seat
from onmeet_node.rooms.conference import Conference, open_conference
from onmeet_node.rooms.guests import RoomGuests
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.testing.hosts import FakeHost, FakeNetwork
from onmeet_node.testing.media import FakeEndpoint
from tests.fakes.calls import FakeSetup

ROOM = b"r" * 16


@dataclass
class Person:
    """Somebody in the room: their conference, and what carries it."""

    name: str
    host: FakeHost
    media: FakeEndpoint
    events: trio.MemoryReceiveChannel[NodeEvent]
    conference: Conference
    ended: trio.Event

    def told(self) -> list[NodeEvent]:
        """What they were told since this was asked last."""
        found = []
        while self.events.statistics().current_buffer_used:
            found.append(self.events.receive_nowait())
        return found


class Meeting:
    """One room."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.network = FakeNetwork(nursery)
        self._nursery = nursery

    async def create(self, name: str, *, knock: bool = False) -> Person:
        """Who makes it."""
        key, host = IdentityKey(secrets.token_bytes(32)), self.network.host(name)
        seat = Seat(
            key=key.public, order=0, name=name, device=name, addresses=host.addresses, video=True
        )
        room = Room.create(key, ROOM, seat, now=trio.current_time(), title="Tuesday", knock=knock)
        return await self._open(name, host, key, (room, []))

    async def join(self, name: str, by: Person, *, invited: bool = True) -> Person:
        """Somebody knocks at the door of somebody who is in."""
        key, host = IdentityKey(secrets.token_bytes(32)), self.network.host(name)
        token = secrets.token_bytes(16) if invited else None
        if token is not None:
            by.conference.room.invite(token)
        knock = RoomKnock(room=ROOM, name=name, addresses=host.addresses, token=token, video=True)
        door = Seat(key=by.conference.me, order=0, device=by.name, addresses=by.host.addresses)
        start = Room.join(key, door, knock, now=trio.current_time())
        return await self._open(name, host, key, start)

    async def _open(
        self, name: str, host: FakeHost, key: IdentityKey, start: tuple[Room, list[Effect]]
    ) -> Person:
        person: Person = await self._nursery.start(self._hold, name, host, key, start)
        return person

    async def _hold(
        self,
        name: str,
        host: FakeHost,
        key: IdentityKey,
        start: tuple[Room, list[Effect]],
        *,
        task_status: trio.TaskStatus[Person],
    ) -> None:
        hub: Hub[NodeEvent] = Hub()
        setup, events, ended = FakeSetup(), hub.open(), trio.Event()
        options = RoomOptions(name=name, kinds=frozenset(Kind), wish=CallOptions())
        async with open_conference(
            start,
            key,
            options,
            network=host,  # type: ignore[arg-type]
            setup=setup,
            hub=hub,
            contacts=NoContacts(name),
            guests=partial(RoomGuests, lend=_nothing),
        ) as (conference, _):
            task_status.started(Person(name, host, setup.media, events, conference, ended))
            async with trio.open_nursery() as nursery:
                for event in (conference.left, conference.over):
                    nursery.start_soon(_then_cancel, event, nursery)
        ended.set()


async def _nothing() -> tuple[TurnServer, ...]:
    await trio.lowlevel.checkpoint()
    return ()


async def _then_cancel(event: trio.Event, nursery: trio.Nursery) -> None:
    await event.wait()
    nursery.cancel_scope.cancel()
