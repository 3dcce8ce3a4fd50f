"""Where a party's fault stops (ARCHITECTURE): an error of ours in serving one ends that one alone.

Each test breaks a part that serves one call, peer, guest, participant, room or command, as no
honest part breaks, while somebody else uses the same node.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
from onmeet_bootstrap.config.model import BootstrapConfig, ephemeral_config

from onmeet_node.calls.options import CallOptions
from onmeet_node.control.socket import serve_control
from onmeet_node.events import CardChanged, RoomReacted
from onmeet_node.joining.line import open_line
from onmeet_node.node.node import Node
from onmeet_node.process import faults
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.rooms.views import RoomView
from onmeet_node.testing.media import FakeEndpoint, FakeSession
from tests.node.conftest import Start, befriend, connected, ended, told, until
from tests.node.test_rooms import invited
from tests.node.test_rooms import until as room_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

SECRET = "carol@example.org"


class OursError(Exception):
    """What nobody expects; its words are of the kind that no log may hold."""


def broken(*_: Any, **__: Any) -> Any:
    raise OursError(SECRET)


def wish(endpoint: Any = None) -> CallOptions:
    return CallOptions(endpoint=endpoint or FakeEndpoint())


async def nodes(start: Start, *names: str) -> list[Node]:
    """With fake media, and the first a contact of all others."""
    made = [await start(name, source="none") for name in names]
    for node in made:
        endpoint = FakeEndpoint()
        node.use_app(lambda endpoint=endpoint: endpoint)
    for other in made[1:]:
        await befriend(made[0], other)
    return made


async def takes_calls(node: Node) -> None:
    async with node.incoming() as ringing:
        async for call in ringing:
            call.accept(wish=wish())


def count(party: str) -> int:
    return faults.counts().get(party, 0)


# ── calls ────────────────────────────────────────────────────────────────────────────────────────
class Breaks(FakeEndpoint):
    """An endpoint of which one method of each session breaks."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self._method = method

    async def open_session(self, config: Any) -> FakeSession:
        if self._method == "open_session":
            raise OursError(SECRET)
        session = await super().open_session(config)
        setattr(session, self._method, broken)
        return session


class BreaksAtTheEnd(FakeEndpoint):
    """Its sessions never open, and break when they are given up: a fault beside a cancellation."""

    async def open_session(self, config: Any) -> FakeSession:
        async def never() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise OursError(SECRET)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(never)
            await trio.sleep_forever()
        raise AssertionError("never")


async def test_media_that_breaks_ends_its_call_and_no_other(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob, carol = await nodes(start, "Alice", "Bob", "Carol")
    before = count("call")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(takes_calls, bob)
        nursery.start_soon(takes_calls, carol)
        async with alice.call(bob.identity, wish=wish()) as call:
            await connected(call)
            for number, where in enumerate(("open_session", "create_offer", "accept_answer"), 1):
                async with alice.call(carol.identity, wish=wish(Breaks(where))) as other:
                    assert await ended(other) is EndReason.FAULT
                assert count("call") == before + number
                await until(lambda: not list(carol.calls), "Carol's side is over, too")
            async with alice.call(carol.identity, wish=wish(Breaks("aclose"))) as other:
                await connected(other)  # only its end breaks
                other.hang_up()
                assert await ended(other) is EndReason.HUNG_UP
            await until(lambda: count("call") > before + 3, "that fault is counted")
            await until(lambda: not list(carol.calls), "Carol's side is over again")
            closed = count("call")
            async with alice.call(carol.identity, wish=wish(BreaksAtTheEnd())) as other:
                await until(lambda: alice._caller._legs._opening, "its session is opening")
                other.hang_up()
            await until(lambda: count("call") > closed, "and the one beside a cancellation")
            assert call.state is State.CONNECTED
            await call.mute(Kind.AUDIO)
            call.hang_up()
            assert await ended(call) is EndReason.HUNG_UP
        nursery.cancel_scope.cancel()
    assert alice.status().faults["call"] >= before + 5
    reasons = [row.reason for row in alice.history.list(10) if row.with_ == "Carol"]
    assert reasons.count("fault") == 3
    assert any("An error in one of" in row.sentence for row in alice.history.list(10))
    assert "OursError" in caplog.text
    assert SECRET not in caplog.text


async def test_the_other_side_of_a_call_that_broke_reads_that(start: Start) -> None:
    alice, bob = await nodes(start, "Alice", "Bob")
    async with bob.incoming() as ringing, alice.call(bob.identity, wish=wish()) as call:
        with trio.fail_after(60):
            theirs = await ringing.receive()
        theirs.accept(wish=wish())
        await connected(call)
        bob._caller.fault(theirs.id)
        assert await ended(call) is EndReason.FAULT
        assert await ended(theirs) is EndReason.FAULT
    assert bob.history.list(1)[0].reason == alice.history.list(1)[0].reason == "fault"


async def test_a_call_ends_even_if_nobody_can_say_why_or_write_it_down(start: Start) -> None:
    alice, bob = await nodes(start, "Alice", "Bob")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(takes_calls, bob)
        async with alice.call(bob.identity, wish=wish()) as call:
            await connected(call)
            alice.people.silent_for = broken  # type: ignore[method-assign]
            alice.people.on_ended = broken
            call.hang_up()
            assert await ended(call) is EndReason.HUNG_UP
            assert list(alice.calls) == []
        async with alice.call(bob.identity, wish=wish()) as again:
            await connected(again)
        nursery.cancel_scope.cancel()


# ── people ───────────────────────────────────────────────────────────────────────────────────────
async def test_what_breaks_at_one_peers_message_costs_their_channel_and_no_call(
    start: Start,
) -> None:
    alice, bob, carol = await nodes(start, "Alice", "Bob", "Carol")
    before = count("peer")
    publish = alice.hub.publish

    def breaks_at_carol(event: Any) -> None:
        if isinstance(event, CardChanged) and event.identity == carol.identity:
            raise OursError(SECRET)
        publish(event)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(takes_calls, bob)
        nursery.start_soon(takes_calls, alice)
        async with alice.call(bob.identity, wish=wish()) as call:
            await connected(call)
            alice.hub.publish = breaks_at_carol  # type: ignore[method-assign]
            await carol.deliver(alice.identity)
            with carol.watch() as hers:
                carol.people.change_profile({"phone": "+1 613 555 0100"}, {"phone": "contacts"})
                await told(hers, "presence", connected=False, seconds=60)
            assert count("peer") == before + 1
            alice.hub.publish = publish  # type: ignore[method-assign]
            assert call.state is State.CONNECTED
        async with carol.call(alice.identity, wish=wish()) as next_call:
            await connected(next_call, 60)
        nursery.cancel_scope.cancel()


async def test_one_contact_who_cannot_be_looked_for_keeps_nobody_waiting(start: Start) -> None:
    alice, bob = await nodes(start, "Alice", "Bob")
    await start.stop("Bob")
    await until(lambda: not alice.connected(bob.identity), "Bob is gone")
    before = count("device search")
    alice._transport.remember = broken  # type: ignore[method-assign]
    bob = await start("Bob", source="none")
    bob.use_app(FakeEndpoint)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(takes_calls, bob)
        async with alice.call(bob.identity, wish=wish()) as call:
            await until(lambda: count("device search") > before, "a lookup broke", 60)
            assert await ended(call, 60) in {EndReason.NOT_REACHABLE, EndReason.NO_ANSWER}
        nursery.cancel_scope.cancel()


# ── guests ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def bootstrap_config() -> BootstrapConfig:
    """A bootstrap with a door for guests, who all come from one address here."""
    config = ephemeral_config(guests=True)
    guests = attrs.evolve(config.guests, tries_per_minute=1e6, tries_burst=100_000)
    return attrs.evolve(config, guests=guests)


async def test_a_guest_at_whom_the_node_fails_is_told_and_the_next_one_comes_in(
    start: Start,
) -> None:
    (host,) = await nodes(start, "Hedda")
    with trio.fail_after(60):
        while not host.guests.links.possible():
            await host._network.gateways_changed()
    link = await host.guests.links.new("Tuesday", once=False, knock=True)
    before = count("guest")
    async with open_line(link.url) as other:
        await other.say(m.Knock(name="Hanna"))
        with trio.fail_after(60):
            await other.hear_one(m.Wait)
        async with open_line(link.url) as line:
            handler = host.guests._handler
            entrance, handler._entrance = handler._entrance, broken  # type: ignore[method-assign]
            await line.say(m.Carry(data=b"x"))
            with trio.fail_after(60):
                assert (await line.hear_one(m.Deny)).reason is m.DenyReason.FAULT
            handler._entrance = entrance  # type: ignore[method-assign]
        assert count("guest") == before + 1
        assert [guest.name for guest in host.guests.waiting()] == ["Hanna"]
        host.guests.admit(host.guests.who("Hanna"), wish=wish())
        with trio.fail_after(60):
            await other.hear_one(m.Admit)
    assert host.guests.links.list()[0].open


# ── rooms ────────────────────────────────────────────────────────────────────────────────────────
def presence(name: str) -> RoomOptions:
    return RoomOptions(name=name, kinds=frozenset(Kind), wish=wish())


async def meet(host: Node, *members: Node) -> list[Conference]:
    rooms = [await host.rooms.create("Tuesday", presence("host"))]
    for number, member in enumerate(members):
        assert await host.rooms.invite(rooms[0], member.identity)
        await invited(member)
        rooms.append(await member.rooms.join("", presence(f"member {number}")))
    for room in rooms:
        await room_until(room, all_here(1 + len(members)))
    return rooms


def all_here(number: int) -> Callable[[RoomView], bool]:
    return lambda shown: (
        len(shown.people) == number and all(one.here and one.media for one in shown.people)
    )


async def test_what_breaks_at_one_participant_leaves_the_room_and_a_call_as_they_are(
    start: Start,
) -> None:
    alice, bob, carol = await nodes(start, "Alice", "Bob", "Carol")
    hub = alice.hub
    publish = hub.publish

    def breaks_at_hearts(event: Any) -> None:
        if isinstance(event, RoomReacted) and event.emoji == "\u2764":
            raise OursError(SECRET)
        publish(event)

    hub.publish = breaks_at_hearts  # type: ignore[method-assign]
    hers, _bobs, carols = await meet(alice, bob, carol)
    before = count("participant")
    with alice.watch() as events:
        carols.react("\u2764")
        await until(lambda: count("participant") > before, "the fault is counted")
        carols.react("\U0001f44d")
        await told(events, "room-reaction", emoji="\U0001f44d", seconds=60)
    assert all_here(3)(hers.describe())


async def test_media_of_one_participant_that_breaks_leaves_the_others_theirs(
    start: Start,
) -> None:
    alice, bob, carol = await nodes(start, "Alice", "Bob", "Carol")
    hers, bobs, carols = await meet(alice, bob, carol)
    call = hers.call_with(bobs.me)
    other = hers.call_with(carols.me)
    assert call is not None
    assert other is not None
    before = count("call")
    assert call.session is not None
    call.session.mute = broken  # type: ignore[method-assign]
    await hers.mute(Kind.AUDIO, muted=True)
    assert count("call") == before + 1
    assert await ended(call) is EndReason.FAULT
    assert other.local_media.muted
    assert other.state is State.CONNECTED
    await room_until(hers, all_here(3))  # it is begun again


async def test_a_room_whose_machine_breaks_ends_for_us_and_says_so_and_the_others_go_on(
    start: Start,
) -> None:
    alice, bob, carol = await nodes(start, "Alice", "Bob", "Carol")
    hers, bobs, carols = await meet(alice, bob, carol)
    before = count("room")
    with alice.watch() as events:
        hers.room.tick = broken  # type: ignore[method-assign]
        hers.room._members.obtain(hers.others[0]).try_at = trio.current_time()
        hers._runner._wake.set()
        over = await told(events, "room-over", seconds=60)
    assert over["reason"] == "fault"
    assert "An error in this program" in over["sentence"]
    assert count("room") == before + 1
    await until(lambda: not alice.rooms.on, "Alice is in no room")
    for room in (bobs, carols):
        await room_until(room, all_here(2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(takes_calls, bob)
        async with alice.call(bob.identity, wish=wish()) as call:
            await connected(call)
        nursery.cancel_scope.cancel()


# ── commands ─────────────────────────────────────────────────────────────────────────────────────
async def ask(node: Node, do: str) -> dict[str, Any]:
    stream = await trio.open_unix_socket(str(node.config.socket))
    async with stream:
        await stream.send_all(json.dumps({"do": do}).encode() + b"\n")
        answer = b""
        with trio.fail_after(60):
            while part := await stream.receive_some():
                answer += part
    said: dict[str, Any] = json.loads(answer)
    return said


async def test_a_command_that_breaks_is_told_and_the_next_one_works(start: Start) -> None:
    (alice,) = await nodes(start, "Alice")
    before = count("command")
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, alice, alice.config.socket)
        history, alice.history.list = alice.history.list, broken  # type: ignore[method-assign]
        assert "error of its own" in (await ask(alice, "read-history"))["error"]
        assert count("command") == before + 1
        alice.history.list = history  # type: ignore[method-assign]
        assert await ask(alice, "read-history") == {"result": []}
        assert (await ask(alice, "show-status"))["result"]["faults"]["command"] == before + 1
        nursery.cancel_scope.cancel()
