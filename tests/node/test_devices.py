"""Devices of people, on real nodes: a home of before, and a device that is revoked."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import pytest
import trio
from onmeet_bootstrap.app import Bootstrap

from onmeet_node.config import Config
from onmeet_node.contacts.lending import lend_pairs, lend_signers
from onmeet_node.contacts.linking import LinkFailed
from onmeet_node.contacts.own_devices import NotHere, TooManyDevices
from onmeet_node.errors import OnMeetError
from onmeet_node.events import LinkOffered, NodeEvent
from onmeet_node.node.linking import link_home
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Device
from onmeet_node.protocol.identity.blinding import epoch_at
from onmeet_node.protocol.identity.devices import read_list
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.store import ContactState, KeyFile, create_linked_home, open_home
from onmeet_node.store.database import Database, load_schemas
from onmeet_node.store.home import new_home
from tests.node.conftest import Start, answer_all, befriend, connected, ended, has_secret, until
from tests.node.test_spoken import wrong

pytestmark = pytest.mark.real


def home_of_format_3(home: Path, seed: bytes, name: str, friend: bytes, secrets_: tuple) -> None:
    """As the program of then left it: a contact on either side, who has the other's secret."""
    own, theirs = secrets_
    now = int(time.time())

    def fill(database: Database) -> None:
        run = database.execute
        run("INSERT INTO identity VALUES (1, ?, ?)", (seed, now - 9_000))
        run(
            "INSERT INTO audience (id, kind, label, secret, direct, revoked, created) "
            "VALUES (1, 'contacts', 'contacts', ?, 1, 0, ?)",
            (own, now - 9_000),
        )
        run(
            "INSERT INTO contact (identity, name, card, state, secret, may_see_direct, verified, "
            "favourite, granted, added) VALUES (?, ?, '{}', 'accepted', ?, 1, 1, 0, 1, ?)",
            (friend, name, theirs, now - 8_000),
        )
        run(
            "INSERT INTO device VALUES (?, '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA', "
            "'[]', ?)",
            (friend, now + 9_000),
        )

    new_home(home, KeyFile(), schemas=load_schemas()[:3], fill=fill)


async def test_homes_of_format_3_are_migrated_at_the_next_start_and_reach_each_other(
    start: Start, tmp_path: Path
) -> None:
    seeds = [secrets.token_bytes(32) for _ in range(2)]
    alices, bobs = (IdentityKey(seed).public for seed in seeds)
    hers, his = secrets.token_bytes(16), secrets.token_bytes(16)
    home_of_format_3(tmp_path / "Alice", seeds[0], "Bob", bobs, (hers, his))
    home_of_format_3(tmp_path / "Bob", seeds[1], "Alice", alices, (his, hers))
    alice, bob = await start("Alice"), await start("Bob")
    assert (alice.identity, bob.identity) == (alices, bobs)
    contact = alice.people.get(bob.identity)
    assert contact is not None
    assert contact.verified
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        nursery.start_soon(answer_all, alice)
        async with alice.call("Bob") as call:
            await connected(call)
        await until(lambda: not [*alice.calls, *bob.calls], "the call is over on both sides")
        async with bob.call("Alice") as call:
            await connected(call)
        nursery.cancel_scope.cancel()
    for one, other in ((alice, bob), (bob, alice)):
        await until(lambda one=one, other=other: has_secret(one, other.identity), "the secret")
    await start.stop("Alice")
    await start.stop("Bob")
    with open_home(tmp_path / "Alice", KeyFile()) as store:
        assert store.database.format == len(load_schemas())
        assert [copy.name for copy in store.database.copies()] == ["onmeet.db.format-3"]
        signed, _ = store.devices.own()
        assert signed is not None
        assert read_list(alices, signed).devices == (IdentityKey(store.identity.device).public,)
        kept = store.devices.of(bob.identity)
        assert kept is not None
        assert len(read_list(bob.identity, kept).devices) == 1


# ── a device that is stolen ──────────────────────────────────────────────────────────────────────
def copy_of_a_linked_device(owner: Node, home: Path, *friends: Node) -> None:
    """What linking leaves on a device, made by hand: the list with it, contacts, what is lent."""
    seed, now = secrets.token_bytes(32), int(time.time())
    own = owner.devices.own
    own.add(IdentityKey(seed).public, "laptop")
    create_linked_home(
        home, KeyFile(), owner.identity, seed, (own.list.signed, own.details), now=now
    )
    secret = owner.people.codes.contacts_audience().secret
    with open_home(home, KeyFile()) as store:
        audience = store.audiences.rotate_contacts(secret, now=now)
        for friend in friends:
            contact = owner.people.get(friend.identity)
            assert contact is not None
            store.contacts.save(contact)
            store.contacts.update(friend.identity, granted=audience.id)
        store.lent.take(
            [
                lent
                for lent in lend_signers(own.keys, [secret], now=now)
                if abs(lent[1] - epoch_at(now)) <= 2
            ],
            lend_pairs(own.keys, [friend.identity for friend in friends]),
            before=0,
        )


async def test_a_linked_device_calls_and_is_called_until_it_is_revoked_and_then_by_nobody(
    start: Start, tmp_path: Path
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    copy_of_a_linked_device(alice, tmp_path / "Laptop", bob)
    laptop = await start("Laptop")
    assert laptop.identity == alice.identity
    with pytest.raises(NotHere):
        laptop.people.codes.new()
    with pytest.raises(NotHere):
        laptop.devices.own.add(secrets.token_bytes(32), "another")
    stolen = Device(laptop.started.peer_id)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        nursery.start_soon(answer_all, laptop)
        async with laptop.call("Bob") as call:
            await connected(call)
        await until(lambda: not [*laptop.calls, *bob.calls], "the call is over")
        async with bob.call(alice.identity) as call:  # nobody answers at Alice's own
            await connected(call)
        await until(lambda: not [*laptop.calls, *bob.calls, *alice.calls], "and this one")
        nursery.cancel_scope.cancel()
    assert bob._channels.get(alice.identity, stolen) is not None

    gone = alice.devices.revoke("laptop")
    await until(lambda: bob._channels.get(alice.identity, stolen) is None, "its channel is closed")
    await until(lambda: has_secret(alice, bob.identity), "Bob has the new secret")
    with bob.watch() as seen:
        async with laptop.call("Bob") as call:
            assert await ended(call) is EndReason.NOT_REACHABLE
        assert not [event for event in seen_now(seen) if event.name == "incoming"]
    assert bob._channels.get(alice.identity, stolen) is None

    # Bob's node begins anew: what it knows of Alice's devices it still knows.
    await start.stop("Bob")
    bob = await start("Bob")
    async with laptop.call("Bob") as call:
        assert await ended(call) is EndReason.NOT_REACHABLE
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, alice)
        nursery.start_soon(answer_all, laptop)
        async with bob.call(alice.identity) as call:
            await connected(call)
            assert bob._channels.devices(alice.identity) == (Device(alice.started.peer_id),)
        nursery.cancel_scope.cancel()
    # Where Bob looks for her, it has no place: it has not the keys, and its list counts no more.
    secret = alice.people.codes.contacts_audience().secret
    contact = bob.people.get(alice.identity)
    assert contact is not None
    assert contact.secret == secret
    assert laptop.devices.own.keys.signer(secret, epoch_at(int(time.time()))) is None
    listing = await bob._network.rendezvous.look_up(alice.identity, secret)
    assert [presence.peer_id for presence in listing.presences] == [alice.started.peer_id]
    assert listing.devices is not None
    assert not listing.devices.has(gone.key)


def seen_now(events: trio.MemoryReceiveChannel) -> list:
    found = []
    while True:
        try:
            found.append(events.receive_nowait())
        except trio.WouldBlock:
            return found


# ── linking, and devices in step ─────────────────────────────────────────────────────────────────
class Linked:
    """A new device that is being linked, in a task of its own."""

    def __init__(self) -> None:
        self.code, self.words, self.error = "", (), None
        self.offered, self.over = trio.Event(), trio.Event()

    async def run(self, home: Path, bootstraps: tuple[str, ...], name: str) -> None:
        async def tell(event: NodeEvent) -> None:
            if isinstance(event, LinkOffered):
                self.code = event.code
                self.offered.set()
            else:
                self.words = event.words

        config = Config(home=home, bootstraps=bootstraps, lan=False)
        try:
            await link_home(config, KeyFile(), name, tell)
        except OnMeetError as error:
            self.error = error
        self.over.set()


async def offered(nursery: trio.Nursery, home: Path, bootstrap: Bootstrap, name: str) -> Linked:
    linked = Linked()
    nursery.start_soon(linked.run, home, bootstrap.addresses, name)
    with trio.fail_after(30):
        await linked.offered.wait()
    return linked


async def link(owner: Node, bootstrap: Bootstrap, home: Path, name: str) -> Linked:
    """Links a new device, whose words are confirmed."""
    async with trio.open_nursery() as nursery:
        linked = await offered(nursery, home, bootstrap, name)

        async def show(words: tuple[str, ...], device: str) -> None:
            assert device == name
            assert len(words) == 4
            owner.device_links.answer(yes=True)
            linked.shown = words

        view = await owner.device_links.add(linked.code, show)
        assert (view.name, view.holds_identity) == (name, False)
        with trio.fail_after(30):
            await linked.over.wait()
    assert linked.error is None
    assert linked.words == linked.shown
    return linked


async def test_three_devices_of_one_person_are_in_step_and_one_that_is_revoked_is_not(
    start: Start, bootstrap: Bootstrap, tmp_path: Path
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    await link(alice, bootstrap, tmp_path / "Laptop", "laptop")
    await link(alice, bootstrap, tmp_path / "Phone", "phone")
    laptop, phone = await start("Laptop"), await start("Phone")
    everywhere = (alice, laptop, phone)

    def all_call_him(name: str) -> bool:
        return all(
            (contact := node.people.get(bob.identity)) is not None and contact.display_name == name
            for node in everywhere
        )

    await until(lambda: all_call_him("Bob"), "the contact is on all three")
    assert laptop.people.profile().name == "Alice"
    assert {view.name for view in phone.devices.all()} >= {"laptop", "phone"}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        async with phone.call(bob.identity) as call:
            await connected(call)
        await until(lambda: not [*phone.calls, *bob.calls], "the call is over")
        nursery.cancel_scope.cancel()

    # One is away; two fields of one contact are changed on two devices.
    await start.stop("Phone")
    alice.people.rename(bob.identity, "Bobby")
    laptop.people.set_favourite(bob.identity, favourite=True)
    code = alice.people.codes.new("club")
    phone = await start("Phone")
    everywhere = (alice, laptop, phone)
    await until(lambda: all_call_him("Bobby"), "his name is on all three")
    await until(
        lambda: all(
            node.people.get(bob.identity).favourite
            and [one.label for one in node.people.codes.live()][-1:] == [code.label]
            for node in everywhere
        ),
        "so is the rest",
    )

    # A linked device blocks: the one that holds the identity makes the secret another one.
    before = alice.people.codes.contacts_audience().secret
    laptop.people.block(bob.identity)
    await until(
        lambda: all(
            node.people.get(bob.identity).state is ContactState.BLOCKED for node in everywhere
        ),
        "he is blocked on all three",
    )
    await until(
        lambda: (
            len({node.people.codes.contacts_audience().secret for node in everywhere}) == 1
            and alice.people.codes.contacts_audience().secret != before
        ),
        "they have the new secret",
    )

    # The laptop is stolen: what is done from now on it does not learn.
    gone = alice.devices.revoke("laptop")
    await until(lambda: not phone.devices.own.list.has(gone.key), "the phone knows")
    await until(lambda: not laptop.connected(alice.identity), "nobody speaks to it")
    alice.people.unblock(bob.identity)
    await until(
        lambda: phone.people.get(bob.identity) is None, "he is a stranger to those who are left"
    )
    assert laptop.people.get(bob.identity) is not None


async def test_a_wrong_word_two_at_once_and_a_fifth_device_are_refused_in_words(
    start: Start, bootstrap: Bootstrap, tmp_path: Path
) -> None:
    alice = await start("Alice")

    async def never(_words: tuple[str, ...], _device: str) -> None:
        pytest.fail("nobody has the words")

    async with trio.open_nursery() as nursery:
        linked = await offered(nursery, tmp_path / "New", bootstrap, "new")
        with pytest.raises(LinkFailed, match="not the words"):
            await alice.device_links.add(wrong(linked.code), never)
        with trio.fail_after(30):
            await linked.over.wait()
        assert "a wrong code" in str(linked.error)
        assert not (tmp_path / "New").exists()

        # Two at once: the second is refused, and the first one goes on; its person says no.
        first = await offered(nursery, tmp_path / "New", bootstrap, "new")
        second = await offered(nursery, tmp_path / "Other", bootstrap, "other")

        async def refuse(_words: tuple[str, ...], _device: str) -> None:
            with pytest.raises(LinkFailed, match="just now"):
                await alice.device_links.add(second.code, never)
            alice.device_links.answer(yes=False)

        with pytest.raises(LinkFailed, match="not confirmed"):
            await alice.device_links.add(first.code, refuse)
        with trio.fail_after(30):
            await first.over.wait()
        assert "said no" in str(first.error)
        nursery.cancel_scope.cancel()
    assert len(alice.devices.all()) == 1
    assert not (tmp_path / "New").exists()
    for number in range(3):
        alice.devices.add(IdentityKey(secrets.token_bytes(32)).public, f"device {number}")
    with pytest.raises(TooManyDevices, match="4 devices already"):
        await alice.device_links.add("7-crossover-clockwork", never)
    with pytest.raises(LinkFailed, match="No device waits"):
        alice.device_links.answer(yes=True)
