"""Real nodes: whoever floods one takes no room of others in its home, and is cut off at once."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from onmeet_node.contacts.address_book import Ambiguous, NoSuchPerson
from onmeet_node.contacts.admission import NOTES, NOTES_BY_CODE, STRANGERS_NOTES
from onmeet_node.contacts.cards import CARDS
from onmeet_node.contacts.grants import GRANTS, grant_ref
from onmeet_node.net.channels.channel import Channel
from onmeet_node.net.channels.channels import open_channels
from onmeet_node.net.libp2p.config import HostConfig
from onmeet_node.net.libp2p.open_host import Host, open_host
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.effects import EndReason
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.audience import proof
from onmeet_node.protocol.identity.code import parse_code
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import CallId, Card, Message
from onmeet_node.rooms.invitations import MAX_INVITATIONS_OF_ONE
from onmeet_node.store import CallRecord, Contact, ContactState
from onmeet_node.store.contacts import MAX_REQUESTS_BY_CODE
from onmeet_node.store.history import ANYONE, MAX_MISSED, MAX_MISSED_BY_CODE, by_code
from tests.fakes.persons import MadeUpPerson
from tests.node.conftest import Start, befriend, code_of, told, until

pytestmark = pytest.mark.real

FRIEND, ASKING = (Identity(IdentityKey.from_seed(b * 32).public) for b in (b"f", b"q"))


def new_call() -> CallId:
    return CallId(secrets.token_bytes(16))


def note(text: str = "x" * 3_900) -> m.MissedCall:
    return m.MissedCall(call=new_call(), age_s=0, note=text)


def send(node: Node, peer: Identity, messages: list[Message]) -> None:
    """Says these on the open channel, as fast as a channel takes them."""
    (device,) = node._channels.devices(peer)
    for message in messages:
        assert node._channels.send(peer, device, message)


async def heard(node: Node, peer: Identity, messages: list[Message]) -> None:
    """The same, in portions that no channel is closed for, and waits until the peer took them."""
    for begin in range(0, len(messages), 100):
        send(node, peer, messages[begin : begin + 100])
        (device,) = node._channels.devices(peer)
        channel = node._channels.get(peer, device)
        assert channel is not None
        with trio.fail_after(60):
            assert await channel.flush()
            await trio.sleep(2.2)  # the channel's own rate: this is no flood of messages


def leave_traces(node: Node) -> None:
    """What others left in this home before."""
    node._store.contacts.save(
        Contact(
            identity=FRIEND,
            state=ContactState.ACCEPTED,
            added=1,
            card=Card(name="Friend"),
            secret=b"s" * 16,
        )
    )
    for peer, came_by in ((FRIEND, None), (ASKING, by_code(99)), (ASKING, ANYONE)):
        node._store.calls.save(
            CallRecord(
                call=new_call(),
                peer=peer,
                outgoing=False,
                started=1,
                ended=1,
                reason=EndReason.MISSED,
                came_by=came_by,
            )
        )
    node._store.contacts.save(
        Contact(identity=ASKING, state=ContactState.REQUESTED_BY_THEM, added=1, audience=99)
    )


def traces(node: Node) -> tuple[object, ...]:
    """What is left of them."""
    store = node._store
    rows = [*store.calls.list(peer=FRIEND), *store.calls.list(peer=ASKING)]
    return (*rows, store.contacts.get(FRIEND), store.contacts.get(ASKING))


async def test_a_contact_who_tells_of_missed_calls_without_end_writes_few(start: Start) -> None:
    alice, eve = await start("Alice"), await start("Eve")
    await befriend(eve, alice)
    leave_traces(alice)
    before = traces(alice)
    await heard(eve, alice.identity, [note() for _ in range(200)])
    rows = alice._store.calls.list(peer=eve.identity, limit=1_000)
    assert NOTES.burst <= len(rows) <= MAX_MISSED
    assert traces(alice) == before
    assert alice.connected(eve.identity), "what is too much is merely not kept"
    assert alice.status().contacts == 2


async def test_an_honest_outbox_that_tells_all_at_once_is_believed(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(bob, alice)
    notes = [note("hello") for _ in range(32)]
    with alice.watch() as events:
        await heard(bob, alice.identity, [*notes])
        for _ in notes:
            await told(events, "missed-call", identity=bob.identity.hex())
    assert len(alice._store.calls.list(peer=bob.identity)) == len(notes)


class Quiet:
    """The network of a host that several people use: nobody serves what comes in."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def handle(self, protocol: str, handler: object) -> None:
        """Nothing comes in."""

    def stop_handling(self, protocol: str) -> None:
        """Nothing came in."""


class Holder:
    """The Doorkeeper of somebody who holds a code."""

    def __init__(self, secret: bytes, name: str) -> None:
        self._secret = secret
        self._name = name

    def greet(self, identity: Identity, opening_hash: bytes) -> m.Hello:
        """Shows that the code is held."""
        return m.Hello(card=Card(name=self._name), proof=proof(self._secret, opening_hash))

    def admit(self, identity: Identity, hello: m.Hello, opening_hash: bytes) -> m.Hello | None:
        """Nobody comes in."""
        return None


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """What strangers reach the node from."""
    async with open_host(HostConfig(listen=())) as opened:
        yield opened


@asynccontextmanager
async def stranger(
    host: Host, node: Node, code: str, name: str = "Somebody"
) -> AsyncIterator[tuple[Identity, Channel]]:
    """Somebody new with a code of a node, and their open channel to it."""
    key = IdentityKey.from_seed(secrets.token_bytes(32))
    holder = Holder(parse_code(code).secret, name)
    device = Device(node.started.peer_id)
    me = MadeUpPerson(key, keys={device: node.devices.own.key.public})
    async with open_channels(Quiet(host), me, holder) as book:
        with trio.fail_after(30):
            channel = await book.open(node.identity, device, node.started.addresses)
            yield Identity(key.public), channel


async def say(channel: Channel, *messages: Message) -> None:
    """Says these, and waits until the node has read them."""
    for message in messages:
        channel.send(message)
    assert await channel.flush()


async def come_and_say(host: Host, node: Node, code: str, *messages: Message) -> Identity:
    """Somebody new says these and goes; returns when the node has dealt with all of it."""
    async with stranger(host, node, code) as (identity, channel):
        await say(channel, *messages)
    await until(lambda: not node.connected(identity), "they are gone", 30)
    return identity


async def test_a_stranger_with_a_code_writes_few_and_is_told_nothing_of_it(
    start: Start, host: Host
) -> None:
    alice = await start("Alice")
    leave_traces(alice)
    before = traces(alice)
    code = await code_of(alice)
    eve = await come_and_say(host, alice, code, *(note() for _ in range(60)))
    rows = alice._store.calls.list(peer=eve, limit=1_000)
    assert 0 < len(rows) <= STRANGERS_NOTES.burst + 1
    assert [row.code for row in alice.history.list(1)] == ["test"]
    assert traces(alice) == before


async def test_many_identities_with_one_code_write_no_more_than_one_code_may(
    start: Start, host: Host
) -> None:
    alice = await start("Alice")
    leave_traces(alice)
    before = traces(alice)
    code, other = await code_of(alice), alice.people.codes.new("other").uri
    for _ in range(2 * NOTES_BY_CODE.burst):
        await come_and_say(host, alice, code, note(), note())
    mine = [row for row in alice.history.list(1_000) if row.code == "test"]
    assert 0 < len(mine) <= MAX_MISSED_BY_CODE
    assert traces(alice) == before
    # Whoever has another code is heard as if nothing were.
    friend = await come_and_say(host, alice, other, note("It is me"))
    assert [row.note for row in alice._store.calls.list(peer=friend)] == ["It is me"]


async def test_requests_by_one_code_end_and_leave_others_their_place(
    start: Start, host: Host
) -> None:
    alice = await start("Alice")
    leave_traces(alice)
    before = traces(alice)
    code, other = await code_of(alice), alice.people.codes.new("other").uri
    first = await come_and_say(host, alice, code, m.ContactRequest())
    for _ in range(MAX_REQUESTS_BY_CODE + 5):
        await come_and_say(host, alice, code, m.ContactRequest(note="let me in"))
    friend = await come_and_say(host, alice, other, m.ContactRequest())
    asking = [c.via for c in alice.people.all() if c.state is ContactState.REQUESTED_BY_THEM]
    assert asking.count("test") == MAX_REQUESTS_BY_CODE
    assert asking.count("other") == 1
    assert traces(alice) == before
    assert alice.people.get(first) is not None, "who asked first is not pushed out"

    # One step ends it: the code, what came by it, and the channel of whoever is there.
    async with stranger(host, alice, code) as (eve, channel):
        await until(lambda: alice.connected(eve), "Eve is there")
        assert alice.people.revoke("test", drop=True) == MAX_REQUESTS_BY_CODE
        with trio.fail_after(30):
            await channel.over.wait()
    assert alice.people.get(first) is None
    assert alice.people.get(friend) is not None
    assert traces(alice) == before
    assert [code.label for code in alice.people.codes.live()] == ["other"]


async def test_room_invitations_of_one_push_out_nobody_elses(start: Start, host: Host) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(bob, alice)
    code = await code_of(alice)

    def invite(title: str) -> w.RoomInvite:
        return w.RoomInvite(
            room=secrets.token_bytes(16),
            host=secrets.token_bytes(32),
            token=secrets.token_bytes(16),
            title=title,
        )

    wanted = invite("Team")
    await heard(bob, alice.identity, [wanted])
    for _ in range(6):
        await come_and_say(host, alice, code, *(invite("Prize!") for _ in range(20)))
    others = [one for one in alice.rooms.invitations if one.peer != bob.identity]
    assert 0 < len(others) <= MAX_INVITATIONS_OF_ONE
    assert [one.invite for one in alice.rooms.invitations if one.peer == bob.identity] == [wanted]

    # Nor does anybody replace another's invitation by naming its room.
    async with stranger(host, alice, code) as (_, channel):
        await say(channel, w.RoomInvite(room=wanted.room, host=b"h" * 32, token=b"t" * 16))
    assert wanted in [one.invite for one in alice.rooms.invitations]


async def test_cards_and_secrets_that_never_stay_the_same_are_written_now_and_then(
    start: Start,
) -> None:
    alice, eve = await start("Alice"), await start("Eve")
    await befriend(eve, alice)
    wrote: list[str] = []
    alice._store.database.watch(wrote.append)
    cards: list[Message] = [m.CardUpdate(card=Card(name=f"Eve {n}")) for n in range(200)]
    await heard(
        eve, alice.identity, [*cards, *(m.Grant(secret=secrets.token_bytes(16)) for _ in range(50))]
    )
    alice._store.database.watch(None)
    changed = [one for one in wrote if one.startswith("INSERT INTO contact")]
    assert len(changed) < CARDS.burst + GRANTS.burst + 20

    def name() -> str:
        contact = alice.people.get(eve.identity)
        assert contact is not None
        return contact.display_name

    await until(lambda: name() == "Eve 199", "the last card is kept all the same", 30)


async def test_confirming_again_and_again_publishes_and_erases_nothing(start: Start) -> None:
    alice, eve = await start("Alice"), await start("Eve")
    await befriend(eve, alice)
    confirmed = m.Received(ref=grant_ref(alice.people.codes.contacts_audience().secret))
    wrote: list[str] = []
    alice._store.database.watch(wrote.append)
    await heard(eve, alice.identity, [confirmed] * 50 + [m.Received(ref=b"r" * 16)] * 50)
    alice._store.database.watch(None)
    assert [one for one in wrote if not one.startswith(("SELECT", "PRAGMA", "--"))] == []


async def test_somebodys_own_name_never_stands_for_anothers_identity(
    start: Start, host: Host
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(bob, alice)
    code = await code_of(alice)
    prefix = bob.identity.hex()[:12]
    async with stranger(host, alice, code, name=prefix) as (eve, channel):
        await say(channel, m.ContactRequest())
    assert alice.people.who(prefix) == bob.identity
    assert alice.people.which(prefix) == bob.identity
    assert alice.people.which(f"name:{prefix}") == eve
    with pytest.raises(NoSuchPerson):
        alice.people.who("0123456789ab")

    # Who merely asks is nobody to call, and does not make a contact's name ambiguous.
    for name in ("Bob", "Воb", "Mallory"):
        async with stranger(host, alice, code, name=name) as (_, channel):
            await say(channel, m.ContactRequest())
    assert alice.people.who("Bob") == bob.identity
    for name in ("Mallory", "Воb", "B0b"):
        with pytest.raises(NoSuchPerson, match=r"Nobody whom you accepted|You know nobody"):
            alice.people.who(name)
    with pytest.raises(Ambiguous, match="looks like"):
        alice.people.which("Bob")

    # A contact who takes another's name makes it ambiguous; a name of the owner's own settles it.
    alice._store.contacts.save(
        Contact(identity=FRIEND, state=ContactState.ACCEPTED, added=1, card=Card(name=" BOB"))
    )
    with pytest.raises(Ambiguous, match=bob.identity.hex()[:12]):
        alice.people.who("Bob")
    alice.people.rename(bob.identity, "Bob")
    assert alice.people.who("bob") == bob.identity
