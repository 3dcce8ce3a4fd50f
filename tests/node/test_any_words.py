"""Well-formed messages of every type in any order, from everybody who may speak to a node.

A contact, a member of its room, the host of a room that it is in, and a guest with its link say
anything at all, with ids and keys that mean something. No error of the node's own comes of it, and
an honest call works afterwards. Media is fake, so that what is tried is the node.

ONMEET_FULL=1 says forty times as much. A failure names its seed.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest
import trio
from onmeet_bootstrap.config.model import BootstrapConfig, ephemeral_config

from onmeet_node.calls.options import CallOptions
from onmeet_node.events import RoomInvited
from onmeet_node.joining.line import DoorClosed, open_line
from onmeet_node.net.channels.channels import Channels
from onmeet_node.node.node import Node
from onmeet_node.process import faults
from onmeet_node.protocol.call.errors import CallRefused
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.testing.media import FakeEndpoint, description
from tests.examples import FULL
from tests.fakes.words import Words
from tests.node.conftest import Start, befriend, connected, until
from tests.node.test_rooms import invited

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = 40 if FULL else 1
BURST = 250
"""Messages at once: a channel allows 300, and 50 a second (`Timing`)."""
REFILL_SECONDS = 5.5
SEED = secrets.randbits(32)
CHANNELS_OWN = {m.Unknown, m.Hello, m.Bye, m.Ping, m.Pong, m.Unsupported}
TYPES = tuple(cls for cls in get_args(m.Message) if cls not in CHANNELS_OWN)
ENDINGS = {w.RoomLeave, m.Deny}
"""What a member would say once, and be out."""
MEMORY = 64 * 1024 * 1024


@pytest.fixture
def bootstrap_config() -> BootstrapConfig:
    """A bootstrap with a door for guests, who all come from one address here."""
    config = ephemeral_config(guests=True)
    guests = attrs.evolve(config.guests, tries_per_minute=1e6, tries_burst=100_000)
    return attrs.evolve(config, guests=guests)


@pytest.fixture(autouse=True)
def nothing_of_ours_breaks() -> Iterator[None]:
    before, used = faults.counts(), memory()
    yield
    assert faults.counts() == before, f"seed {SEED}: see the log for what stopped"
    assert memory() - used < MEMORY, f"seed {SEED}"


def memory() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fake_wish() -> CallOptions:
    return CallOptions(endpoint=FakeEndpoint())


async def with_fake_media(start: Start, *names: str) -> list[Node]:
    nodes = [await start(name, source="none") for name in names]
    for node in nodes:
        endpoint = FakeEndpoint()
        node.use_app(lambda endpoint=endpoint: endpoint)
    return nodes


async def takes_calls(node: Node) -> None:
    """Somebody who takes every call that rings long enough."""
    wish = fake_wish()
    async with node.incoming() as ringing:
        async for call in ringing:
            with contextlib.suppress(CallRefused):
                call.accept(wish=wish)


@contextlib.asynccontextmanager
async def at_home(node: Node) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(takes_calls, node)
        yield
        nursery.cancel_scope.cancel()


async def an_honest_call(node: Node, friend: Node) -> None:
    """What a friend notices of all that: nothing."""
    for call in node.calls:
        call.hang_up()
    await until(lambda: not list(node.calls), "its calls are over")
    async with friend.call(node.identity, wish=fake_wish()) as call:
        await connected(call)
    await until(lambda: not [*node.calls, *friend.calls], "that call is over on both sides")


async def heard_all(speaker: Node, listener: Node) -> None:
    """Everything that was said over their own channel was dealt with: what comes last is.

    Said again if it was on a channel that was about to end.
    """
    room = secrets.token_bytes(w.ROOM_ID_BYTES)
    last = w.RoomInvite(room=room, host=bytes(32), token=bytes(16), title="last")
    with listener.watch() as events, trio.fail_after(100):
        while True:
            await speaker.deliver(listener.identity)
            speaker.people._messenger.send(listener.identity, last)
            with trio.move_on_after(10):
                async for event in events:
                    if isinstance(event, RoomInvited) and event.room == room:
                        return


async def say_anything(
    channels: Channels, peer: Identity, make: Callable[[], m.Message | None], again: Any
) -> int:
    """As many messages as the peer takes at once, for some rounds; `again` opens a lost channel."""
    said = 0
    for round_ in range(ROUNDS):
        if round_:
            await trio.sleep(REFILL_SECONDS)
        for _ in range(BURST):
            message = make()
            devices = channels.devices(peer)
            if message is None:
                continue
            if not devices:
                with trio.move_on_after(10):
                    await again()
                continue
            said += channels.send(peer, devices[0], message)
            await trio.lowlevel.checkpoint()
    return said


async def test_a_contact_says_anything_in_any_order(start: Start) -> None:
    bob, carol, mallory = await with_fake_media(start, "Bob", "Carol", "Mallory")
    await befriend(carol, bob)
    await befriend(mallory, bob)
    words = Words(
        SEED,
        ids=[secrets.token_bytes(16) for _ in range(3)],
        keys=[bytes(node.identity) for node in (bob, carol, mallory)],
        texts=(description(), description()),
    )
    async with at_home(bob):
        said = await say_anything(
            mallory._channels,
            bob.identity,
            lambda: words.message(words.random.choice(TYPES)),
            lambda: mallory.deliver(bob.identity),
        )
        assert said > BURST / 2
        await heard_all(mallory, bob)
        await an_honest_call(bob, carol)


# ── rooms ────────────────────────────────────────────────────────────────────────────────────────
def presence(node: str) -> RoomOptions:
    return RoomOptions(name=node, kinds=frozenset(Kind), wish=fake_wish())


async def meet(host: Node, *members: Node) -> list[Conference]:
    """A room of these, the first as its host."""
    rooms = [await host.rooms.create("Tuesday", presence("host"))]
    for number, member in enumerate(members):
        assert await host.rooms.invite(rooms[0], member.identity)
        await invited(member)
        rooms.append(await member.rooms.join("", presence(f"member {number}")))
    for room in rooms:
        await until(lambda room=room: len(room.others) == len(members), "all are in", 60)
        with trio.fail_after(60):
            await room.met()
    return rooms


def room_words(rooms: list[Conference], mine: Conference) -> Callable[[], m.Message | None]:
    """Anything, of people and calls in this room; and rosters, which are signed as theirs are."""
    calls = [bytes(call.id) for room in rooms for call in room.calls]
    words = Words(
        SEED,
        ids=[mine.id, *calls],
        keys=[room.me for room in rooms],
        texts=(description(), description()),
    )
    types = [cls for cls in TYPES if cls not in ENDINGS]
    ours = [cls for cls in types if cls.__module__ == w.__name__]
    key = mine.room._members.key

    def make() -> m.Message | None:
        cls = words.random.choice(words.random.choice([types, ours]))
        if cls is w.Roster and words.random.random() < 0.8:
            body = words.message(w.RosterBody)
            return None if body is None else rosters.sign(body, mine.me, key.sign)
        made: m.Message | None = words.message(cls)
        return made

    return make


@pytest.mark.parametrize("role", ["member", "host"])
async def test_a_member_and_a_host_of_a_room_say_anything_in_any_order(
    start: Start, role: str
) -> None:
    bob, carol, mallory = await with_fake_media(start, "Bob", "Carol", "Mallory")
    await befriend(bob, carol)
    await befriend(bob, mallory)
    if role == "member":
        rooms = await meet(bob, carol, mallory)
        theirs, mine = rooms[0], rooms[2]
    else:
        rooms = await meet(mallory, bob)
        theirs, mine = rooms[1], rooms[0]
    key = Identity(theirs.me)

    async def again() -> None:
        while not mine._channels.devices(key):
            if mine.room.over is not None:
                await trio.sleep_forever()
            await mine.changed()

    async with at_home(bob):
        said = await say_anything(mine._channels, key, room_words(rooms, mine), again)
        assert said > 0
        for device in mine._channels.devices(key):
            channel = mine._channels.get(key, device)
            if channel is not None:
                await channel.flush()
        await heard_all(mallory, bob)
        if role == "member":
            assert theirs.room.over is None
            with trio.fail_after(60):
                while not any(p.here and p.media and not p.me for p in theirs.describe().people):
                    await theirs.changed()
        await an_honest_call(bob, carol)


# ── guests ───────────────────────────────────────────────────────────────────────────────────────
async def test_a_guest_with_a_link_says_anything_in_any_order(start: Start) -> None:
    bob, carol = await with_fake_media(start, "Bob", "Carol")
    await befriend(carol, bob)
    with trio.fail_after(60):
        while not bob.guests.links.possible():
            await bob._network.gateways_changed()
    link = await bob.guests.links.new("Tuesday", once=False, knock=False)
    words = Words(
        SEED,
        ids=[secrets.token_bytes(16) for _ in range(2)],
        keys=[bytes(bob.identity)],
        texts=(description(), description()),
    )
    said = itertools.count()
    async with at_home(bob):
        while next(said) < BURST * ROUNDS:
            with contextlib.suppress(DoorClosed):
                async with open_line(link.url) as line:
                    await line.say(m.Knock(name="Gerda"))
                    for _ in range(50):
                        message = words.message(words.random.choice(TYPES))
                        if message is not None:
                            next(said)
                            await line.say(message)
        # As ever, once the call of the last one, who left without a word, is given up (45 s).
        with trio.fail_after(120):
            while True:
                async with open_line(link.url) as line:
                    await line.say(m.Knock(name="Hanna"))
                    try:
                        await line.hear_one(m.Admit)
                    except DoorClosed:
                        continue
                    break
        await until(lambda: not bob.guests.waiting(), "guests who left are forgotten", 60)
        await an_honest_call(bob, carol)
