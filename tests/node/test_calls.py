"""Calls between two real nodes, as both people see them."""

from __future__ import annotations

import pytest
import trio

from onmeet_node.calls.options import CallOptions
from onmeet_node.contacts.address_book import NoSuchPerson, OwnCode
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.errors import AlreadyInCall
from onmeet_node.protocol.wire.messages import Chat, Kind
from tests.node.conftest import (
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


async def test_contacts_call_with_sound_and_picture_both_ways(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    with bob.watch() as bobs, alice.watch() as alices:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_all, bob)
            async with alice.call("Bob") as call:
                await connected(call)
                for events in (alices, bobs):
                    first = await told(events, "media")
                    await told(
                        events, "media", kind="audio" if first["kind"] == "video" else "video"
                    )
                (theirs,) = bob.calls
                for one in (call, theirs):
                    await one.string.wait()
                assert call.sas is not None
                assert call.sas == theirs.sas
                assert call.path == theirs.path == "host"
                frames = {s.kind: s.frames_decoded for s in (await call.stats()).streams}
                assert frames[Kind.AUDIO] > 0
                assert frames[Kind.VIDEO] > 0
            assert await ended(call) is EndReason.HUNG_UP
            assert await ended(theirs) is EndReason.PEER_HUNG_UP
            nursery.cancel_scope.cancel()
    (hers,), (his,) = alice.history.list(10), bob.history.list(10)
    assert (hers.with_, hers.outgoing, hers.reason) == ("Bob", True, "hung-up")
    assert (his.with_, his.outgoing, his.reason) == ("Alice", False, "peer-hung-up")
    assert hers.sas == his.sas


async def test_while_it_rings_nothing_is_sent_and_media_is_ready_between_contacts(
    start: Start,
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with bob.incoming() as ringing, alice.call("Bob") as call:
        with trio.fail_after(10):
            theirs = await ringing.receive()
        await until(lambda: call.links and theirs.links, "ICE and DTLS while it rings")
        assert call.state is State.RINGING_OUT
        assert theirs.state is State.RINGING_IN
        for one in (call, theirs):
            stats = await one.links[0].session.stats()
            assert [stream.frames_sent for stream in stats.streams] == [0, 0]
        theirs.accept()
        await connected(call)


async def test_whoever_holds_a_code_rings_and_media_waits_for_the_answer(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    code = await code_of(bob)
    async with bob.incoming() as ringing, alice.call(code) as call:
        with trio.fail_after(10):
            theirs = await ringing.receive()
        await until(lambda: call.ring is Ring.ALERTING, "the caller learns that it rings")
        assert not theirs.links
        theirs.accept()
        await connected(call)
        assert bob.people.name_of(alice.identity) != "Alice"  # not a contact


async def test_without_a_code_nobody_rings_and_nothing_tells_why(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    code = await code_of(bob)
    bob.people.codes.revoke("test")
    async with bob.incoming() as ringing, alice.call(code) as call:
        assert await ended(call, 40) is EndReason.NOT_REACHABLE
        with pytest.raises(trio.WouldBlock):
            ringing.receive_nowait()
    assert bob.history.list(10) == ()


async def test_a_blocked_person_is_told_what_an_absent_one_would_be(start: Start) -> None:
    alice, bob, carol = await start("Alice"), await start("Bob"), await start("Carol")
    await befriend(alice, bob)
    await befriend(carol, bob)
    bob.people.block(alice.identity)
    await until(lambda: alice.status().channels == 0, "Alice notices that the channel closed")
    async with bob.incoming() as ringing, alice.call("Bob") as call:
        assert await ended(call, 40) is EndReason.NOT_REACHABLE
        with pytest.raises(trio.WouldBlock):
            ringing.receive_nowait()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        async with carol.call("Bob") as other:
            await connected(other)
        nursery.cancel_scope.cancel()


async def test_own_foreign_and_unknown_codes_are_refused_by_name(start: Start) -> None:
    alice = await start("Alice")
    with pytest.raises(OwnCode):
        alice.people.add(await code_of(alice))
    with pytest.raises(NoSuchPerson, match="contacts list"):
        alice.people.who("Nobody")


async def test_declining_cancelling_and_being_busy_are_told_apart(start: Start) -> None:
    alice, bob, carol = await start("Alice"), await start("Bob"), await start("Carol")
    await befriend(alice, bob)
    await befriend(carol, bob)
    async with bob.incoming() as ringing:
        async with alice.call("Bob") as call:
            with trio.fail_after(10):
                (await ringing.receive()).decline()
            assert await ended(call) is EndReason.PEER_DECLINED
        async with alice.call("Bob"):
            with trio.fail_after(10):
                theirs = await ringing.receive()
        assert await ended(theirs) is EndReason.MISSED
        async with alice.call("Bob") as call:
            with trio.fail_after(10):
                (await ringing.receive()).accept()
            await connected(call)
            async with carol.call("Bob") as second:
                assert await ended(second) is EndReason.PEER_BUSY
            assert call.state is State.CONNECTED


async def test_a_second_call_to_the_same_person_is_refused_and_leaves_the_first_alone(
    start: Start,
) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        async with alice.call("Bob") as call:
            await connected(call)
            with alice.watch() as events:
                with pytest.raises(AlreadyInCall):
                    async with alice.call("Bob"):
                        pass
                with pytest.raises(trio.WouldBlock):
                    events.receive_nowait()  # nobody was told of a call that never was
            assert list(alice.calls) == [call]
            assert call.state is State.CONNECTED
        nursery.cancel_scope.cancel()


async def test_silencing_is_told_and_the_call_can_still_be_taken(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with bob.incoming() as ringing, alice.call("Bob") as call:
        with trio.fail_after(10):
            theirs = await ringing.receive()
        theirs.silence()
        await until(lambda: call.ring is Ring.SILENCED, "the caller learns of it")
        theirs.accept()
        await connected(call)


async def test_chat_and_muting_reach_the_other_side(start: Start) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    with bob.watch() as bobs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_all, bob)
            async with alice.call("Bob") as call:
                await connected(call)
                with trio.fail_after(10):
                    await call.send_chat("good morning")
                assert (await told(bobs, "chat"))["text"] == "good morning"
                for line in ("once", "once", "after"):  # one said again over a new path, say
                    await call._session().send_chat(Chat(text=line, number=len(line)))
                assert [(await told(bobs, "chat"))["text"] for _ in "12"] == ["once", "after"]
                await call.mute(Kind.AUDIO)
                assert (await told(bobs, "peer-media"))["muted"] is True
            nursery.cancel_scope.cancel()


async def test_a_call_can_be_recorded(start: Start, tmp_path) -> None:
    alice, bob = await start("Alice"), await start("Bob")
    await befriend(alice, bob)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        with alice.watch() as events:
            wish = CallOptions(record=tmp_path / "bob.webm")
            async with alice.call("Bob", wish=wish) as call:
                await connected(call)
                await told(events, "media", kind="video")
        await ended(call)
        file = tmp_path / "bob.webm"
        await until(lambda: file.exists() and file.stat().st_size > 1000, "a recording")
        nursery.cancel_scope.cancel()


async def test_a_node_that_stops_says_so(start: Start, tmp_path, bootstrap) -> None:
    from onmeet_node.config import Config
    from onmeet_node.node.opening import open_node
    from tests.node.conftest import LOOPBACK, make_home

    bob = await start("Bob")
    make_home(tmp_path / "Eve", "Eve")
    config = Config(
        home=tmp_path / "Eve",
        listen=LOOPBACK,
        bootstraps=bootstrap.addresses,
        lan=False,
        source="test",
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_all, bob)
        async with open_node(config=config) as eve:
            with trio.fail_after(20):
                await eve.reachable.wait()
            await befriend(eve, bob)
            peer = eve.people.who("Bob")
            call = eve._caller.dial(peer, frozenset(Kind), CallOptions())
            await connected(call)
            (theirs,) = bob.calls
        assert await ended(theirs) is EndReason.SHUTDOWN
        nursery.cancel_scope.cancel()
