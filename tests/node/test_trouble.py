"""What goes wrong around a whole node: hostile peers, absent ones, a disk that is full."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
from onmeet_bootstrap.app import Bootstrap

from onmeet_node.net.channels.channels import Channels, open_channels
from onmeet_node.net.libp2p.open_host import HostConfig, open_host
from onmeet_node.net.presence.rendezvous import Rendezvous
from onmeet_node.node.node import Node
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, Ring
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.audience import proof
from onmeet_node.protocol.identity.code import CodeExpired, parse_code
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.person_keys import HeldKeys
from onmeet_node.protocol.wire.messages import (
    CallId,
    Candidate,
    Candidates,
    Card,
    ContactRequest,
    Hangup,
    Hello,
    Invite,
    Kind,
    Message,
)
from tests import disks
from tests.fakes.persons import MadeUpPerson
from tests.node.conftest import (
    LOOPBACK,
    Start,
    answer_all,
    befriend,
    code_of,
    connected,
    ended,
    told,
    until,
)

pytestmark = pytest.mark.real


# ── a hostile peer ───────────────────────────────────────────────────────────────────────────────
class Hostile:
    """Somebody with a contact code and a program of their own: any message, over a real channel."""

    def __init__(self, channels: Channels, victim: Identity, device: Device) -> None:
        self._channels = channels
        self._victim = victim
        self._device = device

    def send(self, *messages: Message) -> None:
        for message in messages:
            assert self._channels.send(self._victim, self._device, message)


class Greeter:
    """Says a name that no honest program says, and lets everybody in."""

    def __init__(self, secret: bytes, name: str) -> None:
        self._secret = secret
        self._card = Card(name=name)

    def greet(self, identity: Identity, opening_hash: bytes) -> Hello:
        return Hello(card=self._card, proof=proof(self._secret, opening_hash))

    def admit(self, identity: Identity, hello: Hello, opening_hash: bytes) -> Hello | None:
        return Hello(card=self._card)


@contextlib.asynccontextmanager
async def hostile(code: str, bootstrap: Bootstrap, name: str = "Mallory") -> AsyncIterator[Hostile]:
    """A hostile peer with an open channel to whoever made the code."""
    victim = parse_code(code)
    key = IdentityKey.from_seed(os.urandom(32))
    async with open_host(HostConfig(listen=LOOPBACK)) as host:
        await host.join(bootstrap.addresses)
        identity = Identity(victim.identity)
        (found, *_) = await Rendezvous(host, HeldKeys(key)).resolve(identity, victim.secret)
        me = MadeUpPerson(key, keys={Device(found.peer_id): found.key})
        async with open_channels(host, me, Greeter(victim.secret, name)) as channels:
            device = Device(found.peer_id)
            with trio.fail_after(15):
                await channels.open(identity, device, (*found.addresses, *found.relays))
            yield Hostile(channels, identity, device)


async def still_works(node: Node, friend: Node) -> None:
    """The node takes an ordinary call as if nothing had been."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, node)
        async with friend.call(node.identity) as call:
            await connected(call)
        await until(lambda: not [*node.calls, *friend.calls], "it is over on both sides")
        nursery.cancel_scope.cancel()


def invite(number: int, sdp: str | None = None) -> Invite:
    return Invite(call=CallId(bytes([number]) * 16), kinds=tuple(Kind), sdp=sdp)


async def test_garbage_for_media_ends_that_call_and_nothing_else(
    start: Start, bootstrap: Bootstrap
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with hostile(await code_of(bob), bootstrap) as mallory:
        for number, sdp in enumerate(
            (
                "garbage",
                "v=0\r\n" * 4_000,
                "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 X 0\r\na=mid:\x00\r\n",
                "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
                + "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n" * 400,
            ),
            start=1,
        ):
            async with bob.incoming() as ringing:
                mallory.send(invite(number, sdp))
                with trio.fail_after(15):
                    call = await ringing.receive()
                call.accept()
                await until(lambda call=call: call.trouble, "what is wrong is known")
                mallory.send(Hangup(call=call.id))
                assert await ended(call) is EndReason.PEER_HUNG_UP
        await still_works(bob, alice)


async def test_ten_thousand_candidates_cost_a_bounded_amount_of_memory(
    start: Start, bootstrap: Bootstrap
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    line = "candidate:1 1 udp 2130706431 192.0.2.1 {} typ host"
    async with hostile(await code_of(bob), bootstrap) as mallory, bob.incoming() as ringing:
        mallory.send(invite(1))
        with trio.fail_after(15):
            call = await ringing.receive()
        for part in range(200):
            many = tuple(Candidate(candidate=line.format(1 + part * 50 + n)) for n in range(50))
            mallory.send(Candidates(call=call.id, generation=0, candidates=many))
            await trio.lowlevel.checkpoint()
        mallory.send(Hangup(call=call.id))
        await ended(call, 40)
        await still_works(bob, alice)


async def test_a_hostile_name_is_shown_harmlessly(start: Start, bootstrap: Bootstrap) -> None:
    bob = await start("Bob")
    name = "\x1b[2J\u202eevil\x00\n" + "x" * 60
    with bob.watch() as told_to_bob:
        async with hostile(await code_of(bob), bootstrap, name) as mallory:
            mallory.send(ContactRequest(note="\x1b]0;pwned\x07 hello"))
            request = await told(told_to_bob, "contact-request")
    assert request["card_name"].startswith("[2Jevil")
    assert all(c.isprintable() for c in request["card_name"] + request["note"])
    (contact,) = bob.people.all()
    assert all(c.isprintable() for c in bob.people.name_of(contact.identity))


async def test_invites_without_end_ring_a_few_times_and_leave_the_history_alone(
    start: Start, bootstrap: Bootstrap
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with hostile(await code_of(bob), bootstrap) as mallory, bob.incoming():
        mallory.send(*(invite(number) for number in range(1, 60)))
        await until(lambda: len(bob.history.list(100)) == timing.MAX_RINGS, "six were missed")
        await still_works(bob, alice)
        assert len(bob.history.list(100)) == timing.MAX_RINGS + 1


# ── people who are away ──────────────────────────────────────────────────────────────────────────
async def test_who_was_away_learns_of_the_call_when_both_are_back(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    await start.stop("Bob")
    async with alice.call("Bob") as call:
        assert await ended(call, 40) is EndReason.NOT_REACHABLE
    bob = await start("Bob")
    with bob.watch() as events:
        # Alice's node looks for him by itself, at the latest half a minute after the call.
        noted = await told(events, "missed-call", seconds=60)
    assert noted["identity"] == alice.identity.hex()
    (row,) = bob.history.list(10)
    assert (row.with_, row.reason, row.outgoing) == ("Alice", "missed", False)
    await until(
        lambda: alice.people.delivery.waiting_for() == [], "the receipt empties Alice's outbox"
    )


async def test_who_hides_being_busy_is_not_told_from_a_device_nobody_is_at(start: Start) -> None:
    alice, bob, carol = await start("Alice"), await start("Bob"), await start("Carol")
    await befriend(alice, bob)
    await befriend(carol, bob)
    bob.people.change_profile({}, {}, busy=Busy.HIDE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        async with alice.call("Bob") as call:
            await connected(call)
            async with carol.call("Bob") as second:
                await until(lambda: second.ring is Ring.DELIVERED, "it reached his device")
            assert second.ring is Ring.DELIVERED  # and never alerting
            assert len(list(bob.calls)) == 1
            assert second.reason is EndReason.CANCELLED
        nursery.cancel_scope.cancel()


async def test_an_expired_code_says_so_and_finds_nobody(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    code = await code_of(bob, days=1)
    parsed = parse_code(code)
    assert parsed.expires is not None
    alice.people.book._now = lambda: parsed.expires + 1
    with pytest.raises(CodeExpired, match="new one"):
        alice.people.add(code)


# ── a full disk ──────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small(tmp_path / "disk", "3m", busy=True) as place:
        yield place


def fill(disk: Path) -> Path:
    """A file that takes what room is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 1024)
    return ballast


async def test_a_full_disk_costs_the_history_and_not_the_call(
    start: Start, small_disk: Path
) -> None:
    alice, bob = await start("Alice"), await start("Bob", home=small_disk / "Bob")
    await befriend(alice, bob)
    ballast = fill(small_disk)
    for _ in range(2):
        await still_works(bob, alice)
        await still_works(alice, bob)
    assert any("is full" in line.remedy for line in await bob.examine())
    ballast.unlink()
    await still_works(bob, alice)
    assert bob.history.list(10)[0].with_ == "Alice"
    assert not any("is full" in line.remedy for line in await bob.examine())
