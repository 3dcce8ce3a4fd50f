"""Calls between runners, over messages in memory: what their timers, channels and media do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.errors import ChatNotTaken, StringNotComparable
from onmeet_node.events import CallRinging, StateChanged
from onmeet_node.media.endpoint import Failed, PathLost
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.wire.messages import Kind
from tests.fakes.calls import DELAY, Phone, Phones

SOON = 1.0


@pytest.fixture
async def phones() -> AsyncIterator[Phones]:
    async with trio.open_nursery() as nursery:
        yield Phones(nursery)
        nursery.cancel_scope.cancel()


async def talk(alice: Phone, bob: Phone) -> tuple[Call, Call]:
    """Their call, once media flows on both sides."""
    with bob.runner.calls.ringer() as ringing:
        call = alice.dial(bob)
        theirs = await ringing.receive()
        theirs.accept()
        await call.connected()
        await theirs.connected()
    assert call.state is theirs.state is State.CONNECTED
    return call, theirs


def over(*phones: Phone) -> bool:
    """Nothing is left of any call: no session, and nobody whose channel is watched for it."""
    return not any(phone.calls or +phone.kept for phone in phones) and all(
        session.closed for phone in phones for session in phone.media.sessions
    )


async def test_it_rings_as_long_as_both_sides_agreed_and_is_then_missed(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    began = trio.current_time()
    with bob.runner.calls.ringer() as ringing:
        call = alice.dial(bob)
        theirs = await ringing.receive()
        events = [event async for event in call.events]
        assert await theirs.ended() is EndReason.MISSED
    assert call.reason is EndReason.NO_ANSWER
    assert trio.current_time() - began == pytest.approx(timing.RING, abs=SOON)
    rings = [event.ring for event in events if isinstance(event, CallRinging)]
    assert rings[-1] is Ring.ALERTING, "somebody was there to notice"
    assert [note for _, note in alice.ledger.ended] == [True], "bob is to learn that she called"
    assert bob.ledger.reasons == [EndReason.MISSED]
    await trio.sleep(SOON)
    assert over(alice, bob)


async def test_a_device_that_says_nothing_is_given_up_before_the_ring_is_over(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    phones.deafen(bob)
    began = trio.current_time()
    call = alice.dial(bob)
    assert await call.ended() is EndReason.NOT_REACHABLE
    assert trio.current_time() - began == pytest.approx(timing.UNHEARD, abs=SOON)
    await trio.sleep(SOON)
    assert over(alice)
    assert not bob.ledger.ended, "he never knew"


async def test_a_phone_whose_caller_is_gone_stops_ringing(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    with bob.runner.calls.ringer() as ringing:
        alice.dial(bob)
        theirs = await ringing.receive()
        phones.cut(alice)
        cut = trio.current_time()
        assert await theirs.ended() is EndReason.MISSED
    assert trio.current_time() - cut == pytest.approx(timing.CALLER_GONE, abs=SOON)


async def test_a_broken_path_is_replaced_and_the_call_goes_on(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    call, theirs = await talk(alice, bob)
    old = alice.media.sessions[-1]
    with call.watch() as events:
        old.tell(PathLost())
        states = []
        while State.CONNECTED not in states:
            event = await events.receive()
            if isinstance(event, StateChanged):
                states.append(event.state)
    assert states == [State.RECONNECTING, State.CONNECTED]
    await trio.sleep(SOON)
    assert old.closed
    for one, phone in ((call, alice), (theirs, bob)):
        assert one.state is State.CONNECTED
        assert one.session is phone.media.sessions[-1]
        assert [session.closed for session in phone.media.sessions] == [True, False]
    for one in (call, theirs):
        await one.string.wait()
    assert call.sas == theirs.sas is not None, "of the certificates in use"


async def test_media_that_does_not_come_back_ends_the_call_on_both_sides(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    call, theirs = await talk(alice, bob)
    alice.media.reaches = bob.media.reaches = False
    began = trio.current_time()
    for phone in (alice, bob):
        phone.media.sessions[-1].tell(PathLost())
    assert await call.ended() is EndReason.CONNECTION_LOST
    assert await theirs.ended() is EndReason.CONNECTION_LOST
    assert trio.current_time() - began == pytest.approx(timing.RECONNECT, abs=SOON)
    assert len(alice.media.sessions) > 2, "it was tried again and again"
    await trio.sleep(SOON)
    assert over(alice, bob)


async def test_a_lost_channel_is_looked_for_while_media_goes_on(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    call, theirs = await talk(alice, bob)
    phones.cut(bob)
    await trio.sleep(2 * timing.RECONNECT)
    assert call.state is theirs.state is State.CONNECTED, "media flows, so they talk"
    phones.mend(bob)
    await trio.sleep(timing.SEARCH_PAUSE_MAX + SOON)
    call.hang_up()
    assert await theirs.ended() is EndReason.PEER_HUNG_UP, "the channel is there again"


async def test_a_first_path_that_fails_is_tried_once_more_and_then_told(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    alice.media.reaches = bob.media.reaches = False
    with bob.runner.calls.ringer() as ringing:
        call = alice.dial(bob)
        theirs = await ringing.receive()
        theirs.accept()
        for _ in range(timing.MEDIA_TRIES):
            await trio.sleep(SOON)
            assert call.state is State.CONNECTING
            alice.media.sessions[-1].tell(Failed("no pair worked"))
        assert await call.ended() is EndReason.MEDIA_FAILED
    assert call.trouble == "no pair worked"
    assert len(alice.media.sessions) == timing.MEDIA_TRIES
    assert await theirs.ended() is EndReason.MEDIA_FAILED


async def test_somebody_who_was_let_in_is_taken_at_once_and_rings_nowhere(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    sound = frozenset({Kind.AUDIO})
    with bob.runner.calls.ringer() as ringing:
        bob.runner.expect(alice.identity, sound, alice.dial(bob).wish)
        began = trio.current_time()
        (call,) = alice.calls
        await call.connected()
        assert trio.current_time() - began < 10 * DELAY
        with pytest.raises(trio.WouldBlock):
            ringing.receive_nowait()
    (theirs,) = bob.calls
    theirs.hang_up()
    assert await call.ended() is EndReason.PEER_HUNG_UP
    bob.runner.expect_no_more(alice.identity)
    with bob.runner.calls.ringer() as ringing:
        alice.dial(bob)
        assert (await ringing.receive()).state is State.RINGING_IN, "it was for one call"


async def test_lines_of_chat_go_to_a_program_that_says_in_its_hello_that_it_takes_them(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    bob.caps -= {"chat"}
    call, theirs = await talk(alice, bob)
    with pytest.raises(ChatNotTaken):
        await call.send_chat("hello?")
    await theirs.send_chat("hello")


async def test_who_cannot_say_what_they_see_is_not_compared_with(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    bob.caps -= {"compare"}
    call, theirs = await talk(alice, bob)
    for one in (call, theirs):
        await one.string.wait()
    assert not call.string.ask
    assert theirs.string.ask
    with pytest.raises(StringNotComparable):
        call.string.compare(same=True)


async def test_both_are_asked_and_a_contact_is_verified_when_both_said_so(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    call, theirs = await talk(alice, bob)
    for one in (call, theirs):
        await one.string.wait()
        assert one.string.ask
    call.string.compare(same=True)
    await trio.sleep(SOON)
    assert theirs.string.theirs is True
    assert alice.ledger.agreed == bob.ledger.agreed == []
    theirs.string.compare(same=True)
    await trio.sleep(SOON)
    assert alice.ledger.agreed == [bob.identity]
    assert bob.ledger.agreed == [alice.identity]


async def test_one_who_sees_another_number_verifies_nobody(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    call, theirs = await talk(alice, bob)
    await theirs.string.wait()
    call.string.compare(same=True)
    theirs.string.compare(same=False)
    await trio.sleep(SOON)
    assert call.string.theirs is False
    assert alice.ledger.agreed == bob.ledger.agreed == []


async def test_what_a_device_can_do_holds_while_its_channel_is_away(
    phones: Phones, autojump_clock: object
) -> None:
    alice, bob = phones.add("alice"), phones.add("bob")
    call, _ = await talk(alice, bob)
    phones.cut(bob)
    await call.send_chat("still there?")
