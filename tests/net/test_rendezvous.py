"""Records that appear, stay, move and go: with a DHT in memory and hours that pass in no time."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import attrs
import pytest
import trio

from onmeet_node.net.errors import NetError
from onmeet_node.net.presence import publisher
from onmeet_node.net.presence.rendezvous import Rendezvous
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.audience import ANYONE_SECRET, Audience
from onmeet_node.protocol.identity.blinding import EPOCH_SECONDS, epoch_at
from onmeet_node.protocol.identity.errors import IdentityError
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.person_keys import HeldKeys
from onmeet_node.protocol.identity.record import Presence, open_record, record_key
from onmeet_node.protocol.wire import record
from onmeet_node.testing.dht import START, FakeClock, FakeDht

KEY = IdentityKey.from_seed(bytes(range(32)))
ME = Identity(KEY.public)
CONTACTS = Audience("contacts", b"c" * 16, direct=True)
CODE = Audience("a code", b"o" * 16)
ANYONE = Audience("anyone", ANYONE_SECRET)
PHONE = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
LAPTOP = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo"


def presence(peer: str = PHONE, port: int = 4001) -> Presence:
    return Presence(
        peer_id=peer,
        addresses=(f"/ip4/192.0.2.1/tcp/{port}/p2p/{peer}",),
        relays=(f"/ip4/192.0.2.9/tcp/4001/p2p/{LAPTOP}/p2p-circuit/p2p/{peer}",),
    )


def shown(of: Presence, audience: Audience) -> Presence:
    return of if audience.direct else attrs.evolve(of, addresses=())


class Node:
    """A publisher whose audiences and addresses a test changes as it likes."""

    def __init__(
        self,
        dht: FakeDht,
        audiences: Sequence[Audience] = (CONTACTS,),
        where: Presence | None = None,
        key: IdentityKey = KEY,
    ) -> None:
        self.rendezvous = Rendezvous(dht, HeldKeys(key), clock=dht.clock)
        self.audiences = list(audiences)
        self.where: Presence | None = where or presence()

    async def run(self) -> None:
        await self.rendezvous.run(
            lambda: self.audiences,
            lambda audience: self.where and shown(self.where, audience),
        )


@contextlib.asynccontextmanager
async def running(*nodes: Node) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for node in nodes:
            nursery.start_soon(node.run)
        yield
        nursery.cancel_scope.cancel()


@pytest.fixture
async def dht() -> FakeDht:
    return FakeDht(FakeClock())


async def found(dht: FakeDht, secret: bytes = CONTACTS.secret) -> tuple[Presence, ...]:
    return await Rendezvous(dht, HeldKeys(KEY), clock=dht.clock).resolve(ME, secret)


class TestBeingFound:
    async def test_a_published_node_is_found_by_identity_and_secret_alone(
        self, autojump_clock, dht
    ):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.published.wait()
            (device,) = await found(dht)
        assert attrs.evolve(device, seen_at=0) == presence()

    async def test_it_is_found_by_nobody_with_another_secret(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.published.wait()
            assert await found(dht, CODE.secret) == ()

    async def test_an_audience_without_direct_addresses_sees_relays_alone(
        self, autojump_clock, dht
    ):
        node = Node(dht, [CONTACTS, CODE])
        async with running(node):
            await node.rendezvous.published.wait()
            (device,) = await found(dht, CODE.secret)
        assert device.addresses == ()
        assert device.relays == presence().relays

    async def test_anyone_mode_needs_no_secret(self, autojump_clock, dht):
        node = Node(dht, [ANYONE])
        async with running(node):
            await node.rendezvous.published.wait()
            assert await found(dht, bytes(16))

    async def test_an_expired_code_finds_nothing_any_more(self, autojump_clock, dht):
        node = Node(dht, [attrs.evolve(CODE, expires=START + 600)])
        async with running(node):
            await node.rendezvous.published.wait()
            assert await found(dht, CODE.secret)
            await trio.sleep(700)
            assert await found(dht, CODE.secret) == ()

    async def test_a_revoked_code_finds_nothing_any_more(self, autojump_clock, dht):
        node = Node(dht, [CONTACTS, CODE])
        async with running(node):
            await node.rendezvous.published.wait()
            node.audiences.remove(CODE)
            node.rendezvous.refresh()
            await trio.sleep(1)
            assert await found(dht, CODE.secret) == ()
            assert await found(dht)

    async def test_new_addresses_are_told_at_once(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.published.wait()
            node.where = presence(port=5001)
            node.rendezvous.refresh()
            await trio.sleep(1)
            (device,) = await found(dht)
        assert device.addresses == presence(port=5001).addresses

    async def test_what_was_refreshed_is_there_when_it_has_settled(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.settled()
            node.where = presence(port=5001)
            node.rendezvous.refresh()
            await node.rendezvous.settled()
            assert dht.puts[-1][0] == pytest.approx(dht.clock(), abs=1)
            (device,) = await found(dht)
            assert device.addresses == presence(port=5001).addresses

    async def test_nothing_has_settled_while_nobody_stores(self, autojump_clock, dht):
        dht.down = True
        node = Node(dht)
        async with running(node):
            with trio.move_on_after(300) as waited:
                await node.rendezvous.settled()
            assert waited.cancelled_caught
            dht.down = False
            with trio.fail_after(61):
                await node.rendezvous.settled()

    async def test_records_that_the_servers_lost_are_put_again_when_told(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.settled()
            dht.stored.clear()
            node.rendezvous.renew()
            await node.rendezvous.settled()
            assert await found(dht)

    async def test_an_offline_node_is_not_published_until_it_has_addresses(
        self, autojump_clock, dht
    ):
        node = Node(dht)
        node.where = None
        async with running(node):
            await trio.sleep(100)
            assert not node.rendezvous.published.is_set()
            node.where = presence()
            node.rendezvous.refresh()
            with trio.fail_after(1):
                await node.rendezvous.published.wait()

    async def test_a_node_that_stops_takes_itself_out(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.published.wait()
        await node.rendezvous.withdraw()
        assert await found(dht) == ()

    async def test_a_node_that_died_is_forgotten_after_two_hours(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.published.wait()
        await trio.sleep(7300)
        assert await found(dht) == ()


class TestManySingles:
    """After somebody was blocked every contact has a record of its own until it is heard of."""

    SINGLES = tuple(
        Audience("pair", n.to_bytes(16), direct=True, single=True) for n in range(1, 1001)
    )

    async def test_the_node_is_reachable_before_a_thousand_contacts_have_theirs(
        self, autojump_clock, dht
    ):
        node = Node(dht, [CONTACTS, *self.SINGLES])
        dht.latency = 1.0
        async with running(node):
            await node.rendezvous.published.wait()
            assert await found(dht)
            assert len(dht.puts) < 20

    async def test_a_new_code_does_not_wait_for_them(self, autojump_clock, dht):
        node = Node(dht, [CONTACTS, *self.SINGLES])
        dht.latency = 1.0
        async with running(node):
            await node.rendezvous.published.wait()
            await trio.sleep(30)
            before = len(dht.puts)
            node.audiences.insert(1, CODE)
            node.rendezvous.refresh()
            await node.rendezvous.settled()
            assert await found(dht, CODE.secret)
            assert len(dht.puts) - before < 20
            await trio.sleep(4000)
            assert await found(dht, self.SINGLES[-1].secret), "they follow"

    async def test_each_costs_one_question_and_one_record(self, autojump_clock, dht):
        (one, *_) = self.SINGLES
        node = Node(dht, [CONTACTS, one])
        async with running(node):
            await node.rendezvous.published.wait()
            await trio.sleep(600)
        key = record_key(ME, one.secret, epoch_at(int(dht.clock())))
        assert [asked for _, asked in dht.gets].count(key) == 1
        assert [put for _, put, _ in dht.puts].count(key) == 1


class TestOverTime:
    async def test_it_is_found_at_every_moment_of_two_days(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.published.wait()
            for _ in range(2 * 24 * 6):
                await trio.sleep(600)
                assert await found(dht)

    @pytest.mark.parametrize("ahead", [-540, 1500])
    async def test_a_reader_whose_clock_is_wrong_finds_it_around_the_turn_of_an_epoch(
        self, autojump_clock, dht, ahead
    ):
        node = Node(dht)
        reader = Rendezvous(dht, HeldKeys(KEY), clock=lambda: dht.clock() + ahead)
        async with running(node):
            await trio.sleep(EPOCH_SECONDS - 1800)
            for _ in range(60):
                await trio.sleep(60)
                assert await reader.resolve(ME, CONTACTS.secret)

    async def test_records_of_the_next_epoch_appear_before_it_and_not_together(
        self, autojump_clock, dht
    ):
        audiences = [Audience(str(i), bytes([i]) * 16) for i in range(6)]
        async with running(Node(dht, audiences)):
            await trio.sleep(EPOCH_SECONDS - 1)
        epoch = epoch_at(START)
        first = {
            audience.label: next(
                when
                for when, key, _ in dht.puts
                if key == record_key(ME, audience.secret, epoch + 1)
            )
            for audience in audiences
        }
        boundary = START + EPOCH_SECONDS
        assert all(when <= boundary - publisher.OVERLAP_SECONDS + 60 for when in first.values())
        assert max(first.values()) - min(first.values()) > 60

    async def test_a_quiet_hour_costs_a_handful_of_puts(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await trio.sleep(3600)
        assert len(dht.puts) <= 4
        assert len(dht.gets) <= 10

    async def test_refreshed_records_are_always_newer(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            for port in range(5000, 5010):
                node.where = presence(port=port)
                node.rendezvous.refresh()
                await trio.sleep(0.3)
        numbers = [record.decode(value).seq for _, _, value in dht.puts]
        assert len(numbers) == len(set(numbers)) == 10
        assert numbers == sorted(numbers)

    async def test_a_clock_set_back_by_a_day_does_not_stop_publishing(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.published.wait()
            dht.clock.ahead = -86_400
            await trio.sleep(60)
            assert await found(dht)

    async def test_waking_up_after_a_night_of_sleep_publishes_within_a_minute(
        self, autojump_clock, dht
    ):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.published.wait()
            dht.clock.ahead = 8 * 3600
            await trio.sleep(60)
            assert await found(dht)


class TestTrouble:
    async def test_another_device_with_a_clock_far_ahead_does_not_stop_publishing(
        self, autojump_clock, dht
    ):
        ahead = Node(dht, where=presence(LAPTOP))
        ahead.rendezvous = Rendezvous(dht, HeldKeys(KEY), clock=lambda: dht.clock() + 599)
        here = Node(dht)
        async with running(ahead):
            await ahead.rendezvous.published.wait()
            async with running(here):
                with trio.fail_after(120):
                    await here.rendezvous.published.wait()
                assert {device.peer_id for device in await found(dht)} == {PHONE, LAPTOP}

    async def test_with_the_dht_down_it_tries_again_until_it_is_up(self, autojump_clock, dht):
        dht.down = True
        node = Node(dht)
        async with running(node):
            await trio.sleep(300)
            assert not node.rendezvous.published.is_set()
            assert len(dht.gets) < 25
            dht.down = False
            with trio.fail_after(61):
                await node.rendezvous.published.wait()

    async def test_when_told_that_the_network_is_back_it_does_not_wait(self, autojump_clock, dht):
        dht.down = True
        node = Node(dht)
        async with running(node):
            await trio.sleep(300)
            dht.down = False
            node.rendezvous.refresh()
            with trio.fail_after(1):
                await node.rendezvous.published.wait()

    async def test_alone_in_the_dht_is_not_reachable(self, autojump_clock, dht):
        dht.peers = 0
        node = Node(dht)
        async with running(node):
            await trio.sleep(60)
            assert not node.rendezvous.published.is_set()

    async def test_a_hanging_lookup_delays_publishing_by_seconds_alone(self, autojump_clock, dht):
        node = Node(dht)
        dht.hanging = True
        async with running(node):
            await trio.sleep(publisher.READ_SECONDS + 1)
            assert dht.puts
            dht.hanging = False
            with trio.fail_after(10):
                await node.rendezvous.published.wait()

    async def test_a_lookup_without_a_network_says_so(self, autojump_clock, dht):
        dht.down = True
        with pytest.raises(NetError):
            await found(dht)

    async def test_a_lookup_of_a_bad_key_says_so(self, autojump_clock, dht):
        with pytest.raises(IdentityError):
            await Rendezvous(dht, HeldKeys(KEY), clock=dht.clock).resolve(
                Identity(bytes(32)), bytes(16)
            )

    async def test_a_lookup_asks_three_times_and_no_more(self, autojump_clock, dht):
        assert await found(dht) == ()
        await trio.sleep(3600)
        assert len(dht.gets) == 3


class TestSeveralDevices:
    async def test_all_devices_of_a_person_are_found(self, autojump_clock, dht):
        phone, laptop = Node(dht), Node(dht, where=presence(LAPTOP))
        async with running(phone, laptop):
            await trio.sleep(60)
            assert {device.peer_id for device in await found(dht)} == {PHONE, LAPTOP}

    async def test_one_that_leaves_leaves_the_other_in(self, autojump_clock, dht):
        phone, laptop = Node(dht), Node(dht, where=presence(LAPTOP))
        async with running(phone):
            async with running(laptop):
                await trio.sleep(60)
            await laptop.rendezvous.withdraw()
            assert {device.peer_id for device in await found(dht)} == {PHONE}

    async def test_one_that_died_is_dropped_by_the_other(self, autojump_clock, dht):
        phone, laptop = Node(dht), Node(dht, where=presence(LAPTOP))
        async with running(phone):
            async with running(laptop):
                await trio.sleep(60)
            await trio.sleep(3 * 3600)
            assert {device.peer_id for device in await found(dht)} == {PHONE}


class TestWhatTheDhtSees:
    async def test_stored_records_tell_neither_who_nor_where_nor_which_belong_together(
        self, autojump_clock, dht
    ):
        async with running(Node(dht, [CONTACTS, CODE])):
            await trio.sleep(EPOCH_SECONDS)
        logged = [key.encode() + value for _, key, value in dht.puts]
        for needle in (ME, PHONE.encode(), b"\xc0\x00\x02\x01", KEY.x25519, CONTACTS.secret):
            assert not any(needle in entry for entry in logged)
        assert len({len(value) for _, _, value in dht.puts}) == 1
        authors = {record.decode(value).public for _, _, value in dht.puts}
        assert len(authors) == len({key for _, key, _ in dht.puts}) == 4

    async def test_a_record_does_not_open_in_another_epoch(self, autojump_clock, dht):
        node = Node(dht)
        async with running(node):
            await node.rendezvous.published.wait()
        (key, value), *_ = dht.stored.items()
        epoch = epoch_at(START)
        assert open_record(ME, CONTACTS.secret, epoch, value, now=START + 1)
        with pytest.raises(Exception, match="another key"):
            open_record(ME, CONTACTS.secret, epoch + 1, value, now=START + 1)
        assert key == record_key(ME, CONTACTS.secret, epoch)
