"""The book of channels, over a network in memory that delays: reuse, duplicates, loss, idleness."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from onmeet_node.net.channels.channel import End
from onmeet_node.net.channels.channels import (
    ChannelGone,
    ChannelOpened,
    Channels,
    MessageArrived,
    open_channels,
)
from onmeet_node.net.channels.credentials import KeyAlone
from onmeet_node.net.channels.handshake import SIGNAL_PROTOCOL
from onmeet_node.net.errors import ChannelRefused, NetError, PeerUnreachable
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire.messages import CallId, ContactRequest, Hello, Invite, Ringing
from onmeet_node.testing.hosts import FakeHost, FakeNetwork
from tests.fakes.sealed import ALICE, BOB, hello, name

INVITE = Invite(call=CallId(b"c" * 16))


def note(n: int) -> ContactRequest:
    return ContactRequest(note=str(n))


class Person:
    """A node as far as channels go: book, door, and all that the book told."""

    def __init__(self, who: str, key: IdentityKey, host: FakeHost) -> None:
        self.who = who
        self.key = key
        self.host = host
        self.identity = name(key)
        self.device = Device(host.peer_id)
        self.blocked: set[Identity] = set()
        self.told: list[ChannelOpened | MessageArrived | ChannelGone] = []
        self.book: Channels

    def greet(self, identity: Identity, opening_hash: bytes) -> Hello:
        return hello(self.who)

    def admit(self, identity: Identity, greeting: Hello, opening_hash: bytes) -> Hello | None:
        return None if identity in self.blocked else hello(self.who)

    async def listen(self) -> None:
        async for event in self.book.events:
            self.told.append(event)

    def messages(self) -> list[object]:
        return [event.message for event in self.told if isinstance(event, MessageArrived)]

    def kinds(self) -> list[type]:
        return [type(event) for event in self.told if not isinstance(event, MessageArrived)]

    async def open(self, other: Person, **options):
        return await self.book.open(other.identity, other.device, other.host.addresses, **options)

    def send(self, other: Person, message) -> bool:
        return self.book.send(other.identity, other.device, message)

    def channel(self, other: Person):
        return self.book.get(other.identity, other.device)


class World:
    def __init__(self, nursery: trio.Nursery, stack: contextlib.AsyncExitStack) -> None:
        self.nursery = nursery
        self.stack = stack
        self.network = FakeNetwork(nursery)
        self._count = 0

    async def person(self, who: str, key: IdentityKey, **options) -> Person:
        self._count += 1
        person = Person(who, key, self.network.host(f"device{self._count}"))
        person.book = await self.stack.enter_async_context(
            open_channels(person.host, KeyAlone(key), person, **options)
        )
        self.nursery.start_soon(person.listen)
        return person


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        async with contextlib.AsyncExitStack() as stack:
            yield World(nursery, stack)
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def alice_and_bob(**options) -> AsyncIterator[tuple[World, Person, Person]]:
    async with world() as here:
        alice = await here.person("Alice", ALICE, **options)
        bob = await here.person("Bob", BOB, **options)
        yield here, alice, bob


class TestOpening:
    async def test_both_sides_learn_of_a_channel_and_of_each_other(self, autojump_clock):
        async with alice_and_bob() as (_, alice, bob):
            await alice.open(bob)
            await trio.sleep(1)
            opened = ChannelOpened(bob.identity, bob.device, hello("Bob"), incoming=False)
            assert alice.told == [opened]
            opened = ChannelOpened(alice.identity, alice.device, hello("Alice"), incoming=True)
            assert bob.told == [opened]
            assert alice.channel(bob).handshake_hash == bob.channel(alice).handshake_hash
            assert bob.book.devices(alice.identity) == (alice.device,)

    async def test_an_open_channel_is_used_again_by_either_side(self, autojump_clock):
        async with alice_and_bob() as (_, alice, bob):
            channel = await alice.open(bob)
            assert await alice.open(bob) is channel
            await trio.sleep(1)
            assert (await bob.open(alice)).handshake_hash == channel.handshake_hash
            assert alice.host.dials + bob.host.dials == 1

    async def test_several_who_open_at_once_share_one_channel_and_none_loses_its_words(
        self, autojump_clock
    ):
        async with alice_and_bob() as (here, alice, bob):
            async with trio.open_nursery() as nursery:
                for n in range(5):
                    nursery.start_soon(lambda n=n: alice.open(bob, first=[note(n)]))
            await trio.sleep(1)
            assert sorted(m.note for m in bob.messages()) == list("01234")
            assert len(here.network.streams) == 1

    async def test_an_invite_rings_before_the_opener_has_heard_back(self, autojump_clock):
        async with alice_and_bob() as (here, alice, bob):
            here.network.delay = lambda: 1.0
            here.nursery.start_soon(lambda: alice.open(bob, first=[INVITE]))
            await trio.sleep(3.01)  # one for the connection, one for the stream, one for message 1
            assert bob.messages() == [INVITE]
            assert alice.channel(bob) is None

    async def test_a_peer_that_is_offline_is_unreachable(self, autojump_clock):
        async with alice_and_bob() as (_, alice, bob):
            bob.host.up = False
            with pytest.raises(PeerUnreachable):
                await alice.open(bob)
            assert alice.channel(bob) is None
            assert alice.send(bob, note(1)) is False
            bob.host.up = True
            await alice.open(bob)

    async def test_a_cancelled_opening_does_not_stand_in_the_way_of_the_next(self, autojump_clock):
        async with alice_and_bob() as (here, alice, bob):
            here.network.delay = lambda: 1.0
            with trio.move_on_after(2.5):
                await alice.open(bob)
            await trio.sleep(5)
            assert alice.channel(bob) is None
            await alice.open(bob)
            assert alice.send(bob, note(1))
            await trio.sleep(5)
            assert bob.messages() == [note(1)]

    async def test_one_who_gives_up_does_not_spoil_it_for_another_who_waits(self, autojump_clock):
        async with alice_and_bob() as (here, alice, bob):
            here.network.delay = lambda: 1.0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(alice.open, bob)
                with trio.move_on_after(0.5):
                    await alice.open(bob)
            assert alice.channel(bob) is not None

    async def test_large_first_words_follow_the_handshake(self, autojump_clock):
        async with alice_and_bob() as (_, alice, bob):
            invites = [Invite(call=CallId(bytes([n]) * 16), sdp="x" * 24_000) for n in range(6)]
            await alice.open(bob, first=invites)
            await trio.sleep(1)
            assert bob.messages() == invites

    async def test_own_devices_of_one_person_can_have_a_channel(self, autojump_clock):
        async with world() as here:
            phone = await here.person("Phone", ALICE)
            laptop = await here.person("Laptop", ALICE)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(phone.open, laptop)
                nursery.start_soon(laptop.open, phone)
            await trio.sleep(5)
            left, right = phone.channel(laptop), laptop.channel(phone)
            assert left.handshake_hash == right.handshake_hash


class TestAdmission:
    async def test_a_blocked_caller_learns_nothing_but_that_nobody_answers(self, autojump_clock):
        async with alice_and_bob() as (_, alice, bob):
            bob.blocked.add(alice.identity)
            began = trio.current_time()
            with pytest.raises(ChannelRefused, match="not reachable"):
                await alice.open(bob, first=[INVITE])
            blocked_for = trio.current_time() - began
            await trio.sleep(60)
            assert bob.told == []

            began = trio.current_time()
            stranger = Identity(IdentityKey.from_seed(b"x" * 32).public)
            with pytest.raises(ChannelRefused):
                await alice.book.open(stranger, bob.device, bob.host.addresses)
            assert trio.current_time() - began == pytest.approx(blocked_for, abs=0.1)

    async def test_an_error_of_the_door_reaches_who_opens_and_nobody_else(self, autojump_clock):
        async with alice_and_bob() as (_, alice, bob):

            def greet(identity, opening_hash):
                raise RuntimeError("the store is closed")

            alice.greet = greet
            with pytest.raises(RuntimeError, match="store"):
                await alice.open(bob)
            del alice.greet
            await alice.open(bob)


class TestDuplicates:
    @pytest.mark.parametrize("seed", range(60))
    async def test_opening_at_once_from_both_sides_leaves_one_and_loses_nothing(
        self, autojump_clock, seed
    ):
        chance = random.Random(seed)
        async with alice_and_bob() as (here, alice, bob):
            here.network.delay = lambda: chance.uniform(0.001, 0.1)

            async def act(me: Person, other: Person) -> None:
                await trio.sleep(chance.uniform(0, 0.3))
                await me.open(other, first=[note(0)])
                for n in range(1, 30):
                    assert me.send(other, note(n))
                    await trio.sleep(chance.choice([0, 0.001, 0.02]))

            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(act, alice, bob)
                    nursery.start_soon(act, bob, alice)
            await trio.sleep(5)
            assert alice.messages() == bob.messages() == [note(n) for n in range(30)]
            assert alice.kinds() == bob.kinds() == [ChannelOpened]
            left, right = alice.channel(bob), bob.channel(alice)
            assert left.handshake_hash == right.handshake_hash
            assert len(alice.book._lines) == len(bob.book._lines) == 1
            for book in (alice.book, bob.book):
                (line,) = book._lines.values()
                assert line.channels == {line.current}

    async def test_two_over_streams_of_our_own_leave_one_that_the_book_knows(self, autojump_clock):
        async with alice_and_bob() as (here, alice, bob):
            here.network.delay = lambda: 0.1
            await alice.host.connect(bob.host.addresses)

            async def act(after: float) -> None:
                await trio.sleep(after)
                stream = await alice.host.open_stream(bob.device, SIGNAL_PROTOCOL)
                await alice.book.open_over(stream, bob.identity, bob.device, alice.device)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(act, 0)
                nursery.start_soon(act, 0.05)  # before the first is open
            await trio.sleep(10)
            assert alice.send(bob, note(1))
            assert bob.send(alice, note(2))
            await trio.sleep(1)
            assert (bob.messages(), alice.messages()) == ([note(1)], [note(2)])
            for book in (alice.book, bob.book):
                (line,) = book._lines.values()
                assert line.channels == {line.current}

    async def test_a_channel_held_by_the_app_goes_on_working_when_it_lost(self, autojump_clock):
        for seed in range(20):
            chance = random.Random(seed)
            async with alice_and_bob() as (here, alice, bob):
                here.network.delay = lambda chance=chance: chance.uniform(0.001, 0.1)
                kept: dict[str, object] = {}

                async def act(me: Person, other: Person, kept=kept) -> None:
                    kept[me.who] = await me.open(other)

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(act, alice, bob)
                    nursery.start_soon(act, bob, alice)
                await trio.sleep(5)
                kept["Alice"].send(note(1))
                kept["Bob"].send(note(1))
                await trio.sleep(5)
                assert alice.messages() == bob.messages() == [note(1)]

    async def test_a_peer_that_lost_the_channel_can_open_another_at_once(self, autojump_clock):
        async with alice_and_bob() as (_, alice, bob):
            for opener, other in ((alice, bob), (bob, alice)) * 2:
                channel = await opener.open(other)
                await trio.sleep(1)
                # The opener's end dies; the other side has not noticed.
                channel.fail(End.LOST)
                channel._framed._stream._out.send = lambda data: None
                await channel.over.wait()
                again = await opener.open(other)
                await trio.sleep(1)
                assert opener.send(other, note(1))
                assert other.send(opener, note(2))
                await trio.sleep(1)
                assert opener.channel(other) is again
                assert other.channel(opener).handshake_hash == again.handshake_hash
                assert other.messages()[-1] == note(1)
                assert opener.messages()[-1] == note(2)
                await opener.book.close(other.identity)
                await trio.sleep(1)


class TestMoving:
    @pytest.mark.parametrize("seed", range(30))
    async def test_a_channel_moves_to_a_better_connection_and_loses_nothing(
        self, autojump_clock, seed
    ):
        chance = random.Random(seed)
        async with alice_and_bob() as (here, alice, bob):
            here.network.delay = lambda: chance.uniform(0.001, 0.1)
            before = await alice.open(bob)
            await trio.sleep(1)

            async def talk(me: Person, other: Person) -> None:
                for n in range(50):
                    assert me.send(other, note(n))
                    await trio.sleep(chance.choice([0, 0.001, 0.05]))

            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(talk, alice, bob)
                    nursery.start_soon(talk, bob, alice)
                    await trio.sleep(chance.uniform(0, 0.5))
                    for me, other in ((alice, bob), (bob, alice)):
                        me.host.direct(other.device)
            await trio.sleep(5)
            assert alice.messages() == bob.messages() == [note(n) for n in range(50)]
            assert alice.kinds() == bob.kinds() == [ChannelOpened]
            assert before.over.is_set()
            left, right = alice.channel(bob), bob.channel(alice)
            assert left.handshake_hash == right.handshake_hash != before.handshake_hash

    async def test_a_move_that_fails_leaves_the_channel_as_it_is(self, autojump_clock):
        async with alice_and_bob() as (_, alice, bob):
            before = await alice.open(bob)
            await trio.sleep(1)
            bob.host.stop_handling(SIGNAL_PROTOCOL)
            alice.host.direct(bob.device)
            await trio.sleep(5)
            assert alice.channel(bob) is before
            assert alice.send(bob, note(1))
            await trio.sleep(1)
            assert bob.messages() == [note(1)]


class TestLoss:
    async def test_a_lost_connection_is_told_at_once_with_its_reason(self, autojump_clock):
        async with alice_and_bob() as (here, alice, bob):
            await alice.open(bob)
            await trio.sleep(1)
            here.network.cut()
            await trio.sleep(0.01)
            assert alice.told[-1] == ChannelGone(bob.identity, bob.device, End.LOST)
            assert bob.told[-1] == ChannelGone(alice.identity, alice.device, End.LOST)
            assert alice.channel(bob) is None
            assert alice.send(bob, note(1)) is False
            assert alice.book.devices(bob.identity) == ()

    async def test_a_peer_behind_a_dead_path_is_told_after_15_seconds(self, autojump_clock):
        async with alice_and_bob() as (here, alice, bob):
            await alice.open(bob)
            await trio.sleep(1)
            here.network.mute(bob.device)
            await trio.sleep(15.1)
            assert alice.told[-1] == ChannelGone(bob.identity, bob.device, End.SILENT)

    async def test_the_connection_of_a_peer_that_may_be_gone_is_looked_at_once_it_is_needed(
        self, autojump_clock
    ):
        async with alice_and_bob() as (here, alice, bob):
            await alice.open(bob)
            await trio.sleep(300)
            here.network.mute(bob.device)
            await trio.sleep(18)
            assert alice.host.suspected == []
            assert alice.send(bob, note(1))
            assert alice.host.suspected == [bob.device]
            await trio.sleep(15.1)
            assert alice.told[-1] == ChannelGone(bob.identity, bob.device, End.SILENT)

    async def test_after_a_loss_it_can_be_opened_again_from_either_side(self, autojump_clock):
        async with alice_and_bob() as (here, alice, bob):
            for opener, other in ((alice, bob), (bob, alice), (alice, bob)):
                await opener.open(other)
                await trio.sleep(1)
                here.network.cut()
                await trio.sleep(1)
            assert alice.kinds() == [ChannelOpened, ChannelGone] * 3
            assert alice.book._lines == {}

    async def test_leaving_says_bye_so_that_the_peer_knows_at_once(self, autojump_clock):
        async with world() as here:
            bob = await here.person("Bob", BOB)
            alice = Person("Alice", ALICE, here.network.host("alice"))
            async with open_channels(alice.host, KeyAlone(ALICE), alice) as alice.book:
                await alice.open(bob)
                alice.send(bob, note(1))
            await trio.sleep(0.1)
            assert bob.messages() == [note(1)]
            assert bob.told[-1] == ChannelGone(
                alice.identity, alice.device, End.PEER_CLOSED, "shutdown"
            )
            with pytest.raises(NetError):
                await bob.open(alice)


class TestIdle:
    async def test_sixteen_idle_channels_are_kept_the_last_used_ones(self, autojump_clock):
        async with world() as here:
            alice = await here.person("Alice", ALICE)
            others = [
                await here.person(str(n), IdentityKey.from_seed(bytes([n]) * 32)) for n in range(20)
            ]
            for other in others[:16]:
                await alice.open(other)
            alice.send(others[0], note(1))
            for other in others[16:]:
                await alice.open(other)
            await trio.sleep(5)
            still = [other.who for other in others if alice.channel(other)]
            assert still == ["0", *map(str, range(5, 20))]
            assert others[1].told[-1].detail == "idle"

    async def test_strangers_take_each_others_places_and_no_contacts(self, autojump_clock):
        async with world() as here:
            contact = await here.person("contact", IdentityKey.from_seed(b"c" * 32))
            alice = await here.person(
                "Alice", ALICE, max_idle=2, known=lambda peer: peer == contact.identity
            )
            assert await contact.open(alice)
            strangers = [
                await here.person(str(n), IdentityKey.from_seed(bytes([n]) * 32)) for n in range(5)
            ]
            for stranger in strangers:
                await stranger.open(alice)
            await trio.sleep(5)
            still = [one.who for one in (contact, *strangers) if alice.channel(one)]
            assert still == ["contact", "4"]

    async def test_channels_in_use_are_never_closed_for_others(self, autojump_clock):
        async with world() as here:
            alice = await here.person("Alice", ALICE, max_idle=2)
            others = [
                await here.person(str(n), IdentityKey.from_seed(bytes([n]) * 32)) for n in range(5)
            ]
            await alice.open(others[0])
            with alice.book.keep(others[0].identity):
                for other in others[1:]:
                    await alice.open(other)
                await trio.sleep(5)
                assert [o.who for o in others if alice.channel(o)] == ["0", "3", "4"]
            await trio.sleep(5)
            assert [o.who for o in others if alice.channel(o)] == ["3", "4"]

    async def test_heard_from_is_used(self, autojump_clock):
        async with world() as here:
            alice = await here.person("Alice", ALICE, max_idle=2)
            first, second, third = [
                await here.person(str(n), IdentityKey.from_seed(bytes([n]) * 32)) for n in range(3)
            ]
            await alice.open(first)
            await alice.open(second)
            await trio.sleep(1)
            assert first.send(alice, note(1))
            await trio.sleep(1)
            await alice.open(third)
            await trio.sleep(5)
            assert [o.who for o in (first, second, third) if alice.channel(o)] == ["0", "2"]


async def test_addresses_that_lead_to_another_than_was_asked_for_are_not_dialled(autojump_clock):
    async with alice_and_bob() as (here, alice, bob):
        victim = await here.person("victim", IdentityKey.from_seed(b"v" * 32))
        with pytest.raises(PeerUnreachable):
            await alice.book.open(bob.identity, bob.device, victim.host.addresses)
        assert alice.host.dials == 0
        both = (*victim.host.addresses, *bob.host.addresses)
        await alice.book.open(bob.identity, bob.device, both)
        assert not alice.host.connected(victim.device)


async def test_an_app_that_takes_no_events_slows_its_peers_and_loses_nothing(autojump_clock):
    async with world() as here:
        alice = await here.person("Alice", ALICE)
        bob = Person("Bob", BOB, here.network.host("bob"))
        bob.book = await here.stack.enter_async_context(open_channels(bob.host, KeyAlone(BOB), bob))
        await alice.open(bob)
        total = 400
        for n in range(total):
            assert alice.send(bob, note(n))
            await trio.sleep(0.03)
        here.nursery.start_soon(bob.listen)
        await trio.sleep(30)
        assert bob.messages() == [note(n) for n in range(total)]


async def test_a_message_sent_in_answer_to_a_message_arrives(autojump_clock):
    async with alice_and_bob() as (_, alice, bob):
        await alice.open(bob, first=[INVITE])
        await trio.sleep(0.1)
        assert bob.send(alice, Ringing(call=INVITE.call))
        await trio.sleep(0.1)
        assert alice.messages() == [Ringing(call=INVITE.call)]


async def test_a_channel_that_is_refused_is_not_tried_by_another_protocol(autojump_clock):
    """Who stands between may leave words out of what multistream negotiates: it decides nothing."""
    async with world() as people:
        alice, bob = await people.person("Alice", ALICE), await people.person("Bob", BOB)
        asked = []

        async def refuse(peer, protocol):
            await trio.lowlevel.checkpoint()
            asked.append(protocol)
            raise PeerUnreachable(peer)

        alice.host.open_stream = refuse
        with pytest.raises(NetError):
            await alice.open(bob)
    assert set(asked) == {SIGNAL_PROTOCOL}
