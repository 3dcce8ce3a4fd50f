"""Looking for the devices of somebody: who is dialled, and when the DHT is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from onmeet_node.contacts.reach import OTHERS_AFTER, PeerTransport
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.record import Listing, Presence

BOB = Identity(b"b" * 32)
PHONE, LAPTOP, TABLET = (
    Presence(peer_id=f"12D3KooW{name}", addresses=("/ip4/192.0.2.1/tcp/1",))
    for name in ("phone", "laptop", "tablet")
)


class FakeChannel:
    """An open one; `in_doubt` and `over` as of `Channel`."""

    def __init__(self) -> None:
        self.over = trio.Event()
        self.in_doubt = False


class World:
    """Channels, the DHT and what is known of where Bob is, in memory."""

    def __init__(self, *, open_to: tuple[Presence, ...], known: tuple[Presence, ...]) -> None:
        self.channels = {Device(one.peer_id): FakeChannel() for one in open_to}
        self.known = known
        self.published = (PHONE, LAPTOP, TABLET)
        self.asked_at: list[float] = []
        self.dialled: list[Device] = []
        self.reported: list[str] = []
        self.ringing = True
        joined = trio.Event()
        joined.set()
        self.here = Device("12D3KooWhere")
        parts: Any = (self, self, self, self, self)
        self.transport = PeerTransport(*parts, alone=lambda: False, joined=joined)

    # ── as `Channels`, `Rendezvous`, `PeerLocator` and `DeviceCredentials` ──────────────────────
    identity = Identity(b"a" * 32)

    def expected(self, peer: Identity, presences: tuple[Presence, ...]) -> tuple[Presence, ...]:
        return presences

    def found(self, peer: Identity, listing: Listing) -> tuple[Presence, ...]:
        return listing.presences

    def devices(self, peer: Identity) -> tuple[Device, ...]:
        return tuple(self.channels)

    def get(self, peer: Identity, device: Device) -> FakeChannel | None:
        return self.channels.get(device)

    async def open(self, peer: Identity, device: Device, ways: tuple[str, ...]) -> FakeChannel:
        self.dialled.append(device)
        await trio.sleep(0.1)
        return self.channels.setdefault(device, FakeChannel())

    async def look_up(self, peer: Identity, secret: bytes) -> Listing:
        self.asked_at.append(trio.current_time())
        await trio.sleep(0.1)
        return Listing(self.published)

    def seen_at(self, peer: Identity) -> tuple[Presence, ...]:
        return self.known

    def secrets_of(self, peer: Identity) -> tuple[bytes, ...]:
        return (bytes(16),)

    def remember(self, peer: Identity, presences: tuple[Presence, ...]) -> None:
        self.known = presences

    # ── a call ──────────────────────────────────────────────────────────────────────────────────
    async def find(self, unanswered: Callable[[], bool] | None = None) -> None:
        await self.transport.find(
            BOB,
            lambda device: self.reported.append(str(device)),
            unanswered=unanswered or (lambda: self.ringing),
        )


def ids(*presences: Presence) -> list[str]:
    return [one.peer_id for one in presences]


async def test_a_call_that_is_answered_asks_nobody_where_its_known_devices_are(
    autojump_clock,
) -> None:
    world = World(open_to=(PHONE, LAPTOP), known=(PHONE, LAPTOP))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.find)
        await trio.sleep(OTHERS_AFTER / 2)
        world.ringing = False
    assert sorted(world.reported) == sorted(ids(PHONE, LAPTOP))
    assert world.asked_at == []
    assert world.dialled == []


async def test_a_device_switched_on_since_rings_when_nobody_has_answered(autojump_clock) -> None:
    world = World(open_to=(PHONE,), known=(PHONE,))
    began = trio.current_time()
    await world.find()
    assert set(world.reported) == set(ids(PHONE, LAPTOP, TABLET))
    assert world.asked_at == [pytest.approx(began + OTHERS_AFTER)]


async def test_a_known_device_without_a_channel_is_looked_for_at_once(autojump_clock) -> None:
    world = World(open_to=(PHONE,), known=(PHONE, LAPTOP))
    began = trio.current_time()
    await world.find()
    assert world.asked_at == [began]
    assert Device(LAPTOP.peer_id) in world.dialled


async def test_somebody_of_whom_no_device_was_seen_is_looked_for_at_once(autojump_clock) -> None:
    world = World(open_to=(PHONE,), known=())
    began = trio.current_time()
    await world.find()
    assert world.asked_at == [began]


async def test_a_lost_call_looks_at_once_whoever_else_is_there(autojump_clock) -> None:
    world = World(open_to=(PHONE,), known=(PHONE,))
    began = trio.current_time()
    await world.find(lambda: False)
    assert world.asked_at == [began]


async def test_a_channel_lost_while_it_rings_is_looked_after_at_once(autojump_clock) -> None:
    world = World(open_to=(PHONE,), known=(PHONE,))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.find)
        await trio.sleep(0.5)
        lost = trio.current_time()
        world.channels.pop(Device(PHONE.peer_id)).over.set()
    assert world.asked_at == [lost]


async def test_a_channel_in_doubt_is_not_waited_for(autojump_clock) -> None:
    world = World(open_to=(PHONE,), known=(PHONE,))
    world.channels[Device(PHONE.peer_id)].in_doubt = True
    began = trio.current_time()
    await world.find()
    (asked,) = world.asked_at
    assert asked - began < OTHERS_AFTER / 2


async def test_an_open_channel_is_enough_for_a_message(autojump_clock) -> None:
    world = World(open_to=(PHONE,), known=())
    assert await world.transport.channel(BOB)
    assert world.asked_at == []
