"""From an identity and a secret to a conversation: real hosts, a real DHT between them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import trio

from onmeet_node.net.channels.channel import End
from onmeet_node.net.channels.channels import (
    ChannelGone,
    ChannelOpened,
    Channels,
    MessageArrived,
    open_channels,
)
from onmeet_node.net.channels.credentials import KeyAlone
from onmeet_node.net.channels.handshake_limits import HandshakeLimits
from onmeet_node.net.errors import ChannelRefused, PutFailed
from onmeet_node.net.libp2p.open_host import Host, open_host
from onmeet_node.net.presence.rendezvous import Rendezvous
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.audience import Audience
from onmeet_node.protocol.identity.blinding import epoch_at
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.person_keys import HeldKeys
from onmeet_node.protocol.identity.record import Presence, record_key, seal_record
from onmeet_node.protocol.wire.errors import RecordError
from onmeet_node.protocol.wire.messages import CallId, ContactRequest, Hello, Invite
from onmeet_node.testing.dht import FakeClock, FakeDht
from tests.fakes.hosts import config
from tests.fakes.sealed import ALICE, BOB, hello, name

pytestmark = pytest.mark.real

CONTACTS = Audience("contacts", b"c" * 16, direct=True)
INVITE = Invite(call=CallId(b"c" * 16))


class Door:
    """Lets everybody in but those on `blocked`."""

    def __init__(self, who: str) -> None:
        self.who = who
        self.blocked: set[Identity] = set()

    def greet(self, identity: Identity, opening_hash: bytes) -> Hello:
        return hello(self.who)

    def admit(self, identity: Identity, greeting: Hello, opening_hash: bytes) -> Hello | None:
        return None if identity in self.blocked else hello(self.who)


class Node:
    def __init__(self, host: Host, book: Channels, rendezvous: Rendezvous, door: Door) -> None:
        self.host = host
        self.book = book
        self.rendezvous = rendezvous
        self.door = door

    async def message(self) -> object:
        """The next message; other events are passed over."""
        while True:
            event = await self.book.events.receive()
            if isinstance(event, MessageArrived):
                return event.message

    def presence(self, audience: Audience) -> Presence:
        return Presence(self.host.peer_id, self.host.addresses)


@contextlib.asynccontextmanager
async def node(
    who: str, key: IdentityKey, through: Host, limits: HandshakeLimits | None = None
) -> AsyncIterator[Node]:
    door = Door(who)
    async with (
        open_host(config()) as host,
        open_channels(host, KeyAlone(key), door, limits=limits) as book,
    ):
        await host.join(through.addresses)
        async with trio.open_nursery() as nursery:
            made = Node(host, book, Rendezvous(host, HeldKeys(key)), door)
            nursery.start_soon(made.rendezvous.run, lambda: [CONTACTS], made.presence)
            yield made
            nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def two_nodes(limits: HandshakeLimits | None = None) -> AsyncIterator[tuple[Node, Node]]:
    """`limits`: Bob's."""
    async with (
        open_host(config(server=True)) as bootstrap,
        node("Alice", ALICE, bootstrap) as alice,
        node("Bob", BOB, bootstrap, limits) as bob,
    ):
        yield alice, bob


async def reach(caller: Node, callee: Identity):
    (presence,) = await caller.rendezvous.resolve(callee, CONTACTS.secret)
    return await caller.book.open(
        callee, Device(presence.peer_id), presence.addresses, first=[INVITE]
    )


async def test_two_people_meet_knowing_only_an_identity_and_a_secret():
    with trio.fail_after(30):
        async with two_nodes() as (alice, bob):
            await bob.rendezvous.published.wait()
            channel = await reach(alice, name(BOB))
            assert channel.hello == hello("Bob")
            opened = await bob.book.events.receive()
            assert isinstance(opened, ChannelOpened)
            assert opened.identity == name(ALICE)
            assert await bob.message() == INVITE
            for n in range(20):
                alice.book.send(name(BOB), channel.device, ContactRequest(note=f"to {n}"))
                bob.book.send(name(ALICE), opened.device, ContactRequest(note=f"fro {n}"))
            for n in range(20):
                assert await bob.message() == ContactRequest(note=f"to {n}")
                assert await alice.message() == ContactRequest(note=f"fro {n}")


async def test_a_connection_that_breaks_is_told_to_both_within_a_second():
    with trio.fail_after(30):
        async with two_nodes() as (alice, bob):
            await bob.rendezvous.published.wait()
            await reach(alice, name(BOB))
            assert await bob.message() == INVITE
            await alice.book.events.receive()
            with trio.fail_after(1):
                await alice.host.disconnect(bob.host.peer_id)
                assert isinstance(await alice.book.events.receive(), ChannelGone)
                gone = await bob.book.events.receive()
            assert isinstance(gone, ChannelGone)
            assert gone.end in {End.LOST, End.PEER_CLOSED}
            assert await reach(alice, name(BOB))


async def test_both_calling_at_once_over_real_connections_leaves_one_channel():
    with trio.fail_after(60):
        async with two_nodes() as (alice, bob):
            await alice.rendezvous.published.wait()
            await bob.rendezvous.published.wait()
            for _ in range(10):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(reach, alice, name(BOB))
                    nursery.start_soon(reach, bob, name(ALICE))
                assert await alice.message() == INVITE
                assert await bob.message() == INVITE
                with trio.fail_after(5):
                    while not _same(alice, bob):  # noqa: ASYNC110 - settles without an event
                        await trio.sleep(0.01)
                await alice.book.close(name(BOB))
                while not isinstance(await bob.book.events.receive(), ChannelGone):
                    pass


def _same(alice: Node, bob: Node) -> bool:
    left = alice.book.get(name(BOB), Device(bob.host.peer_id))
    right = bob.book.get(name(ALICE), Device(alice.host.peer_id))
    return (left and left.handshake_hash) == (right and right.handshake_hash)


async def test_a_blocked_caller_gets_no_answer_and_bob_hears_nothing():
    with trio.fail_after(30):
        async with two_nodes(HandshakeLimits(seconds=1)) as (alice, bob):
            bob.door.blocked.add(name(ALICE))
            await bob.rendezvous.published.wait()
            with pytest.raises(ChannelRefused):
                await reach(alice, name(BOB))
            with pytest.raises(trio.WouldBlock):
                bob.book.events.receive_nowait()


async def test_forty_channels_leave_nothing_behind():
    with trio.fail_after(60):
        async with two_nodes() as (alice, bob):
            await bob.rendezvous.published.wait()
            counts = []
            for turn in range(40):
                await reach(alice, name(BOB))
                assert await bob.message() == INVITE
                await alice.book.close(name(BOB))
                while not isinstance(await bob.book.events.receive(), ChannelGone):
                    pass
                while not isinstance(await alice.book.events.receive(), ChannelGone):
                    pass
                if turn in {10, 39}:
                    with trio.move_on_after(2):
                        while bob.host.stats().handlers:  # noqa: ASYNC110
                            await trio.sleep(0.05)
                    counts.append((alice.host.stats().streams, bob.host.stats().handlers))
            assert counts[1][1] == 0
            assert counts[1][0] <= counts[0][0] + 2


async def test_the_dht_in_memory_behaves_like_the_real_one():
    """What the other tests of records rest on."""
    with trio.fail_after(20):
        async with open_host(config(server=True)) as server, open_host(config()) as client:
            await client.join(server.addresses)
            clock = FakeClock()
            fake = FakeDht(clock)
            for dht, now in ((client, int(time.time())), (fake, int(clock()))):
                epoch = epoch_at(now)
                key = record_key(name(BOB), CONTACTS.secret, epoch)
                assert await dht.get(key) is None
                values = [
                    seal_record(
                        BOB,
                        CONTACTS.secret,
                        epoch,
                        [],
                        now=at,
                        not_after=at + 3600,
                        nonce24=bytes([at % 256]) * 24,
                    )[1]
                    for at in (now - 10, now, now - 5)
                ]
                assert await dht.put(key, values[0]) >= 1
                assert await dht.get(key) == values[0]
                assert await dht.put(key, values[1]) >= 1
                assert await dht.get(key) == values[1]
                with contextlib.suppress(PutFailed):
                    await dht.put(key, values[2])
                assert await dht.get(key) == values[1]
                with pytest.raises(RecordError):
                    await dht.put(key, values[1][:-1] + bytes([values[1][-1] ^ 1]))
                assert await dht.get(key) == values[1]
