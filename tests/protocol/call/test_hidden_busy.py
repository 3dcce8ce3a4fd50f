"""Somebody who does not want it known that they are in a call (`Busy.HIDE`)."""

from __future__ import annotations

import pytest

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.node_calls import Busy, CallSettings
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallId
from tests.protocol.call.node import Node
from tests.protocol.call.phone import (
    ALICE,
    BOB,
    BOTH,
    CALL,
    CAROL,
    HIGH,
    LAPTOP,
    LOW,
    OFFER,
    Phone,
    ended,
    sent,
)
from tests.protocol.call.world import World

HIDE = CallSettings(busy=Busy.HIDE)


def test_the_caller_hears_that_it_arrived_and_nothing_more() -> None:
    alice = Phone(settings=HIDE)
    alice.talks()
    effects = alice.hears(m.Invite(call=HIGH), LAPTOP, peer=CAROL)
    assert sent(effects) == [m.Ringing(call=HIGH)]
    assert ended(effects) is EndReason.BUSY
    offer = m.Renegotiate(call=HIGH, generation=0, sdp=OFFER)
    assert alice.hears(offer, LAPTOP, peer=CAROL, early=True) == []
    assert alice.hears(m.Cancel(call=HIGH), LAPTOP, peer=CAROL) == []


def test_a_caller_that_asks_again_over_a_new_channel_hears_the_same_again() -> None:
    alice = Phone(settings=HIDE)
    alice.talks()
    alice.hears(m.Invite(call=HIGH), LAPTOP, peer=CAROL)
    again = alice.hears(m.Invite(call=HIGH, age_ms=9000), LAPTOP, peer=CAROL)
    assert sent(again) == [m.Ringing(call=HIGH)]


def bob_in_a_call_with_carol() -> tuple[World, Node]:
    world = World()
    bob, carol = world.add(BOB, "b1"), world.add(CAROL, "c1")
    bob.line.settings = HIDE
    bob.does(on.Dial(CALL, CAROL, BOTH, early_media=False))
    world.flow()
    carol.does(on.AcceptCall(CALL, BOTH))
    world.flow()
    return world, bob


def what_alice_sees(world: World) -> list[object]:
    """Of a call to Bob: every state with its time, and the end."""
    alice = world.add(ALICE, "a1", early=False)
    began = world.now
    alice.does(on.Dial(HIGH, BOB, BOTH, early_media=False))
    seen: list[object] = []
    while alice.line.calls:
        world.flow()
        seen += [(world.now - began, c.state, c.ring, c.signaling) for c in alice.line.calls]
        if len(seen) == 10:  # the channel breaks on the way
            world.cut(0)
        world.wait(1)
    end = alice.ledger.ended[HIGH]
    return [*seen, (world.now - began, end.reason, end.leave_note)]


def test_it_looks_like_a_phone_that_nobody_notices() -> None:
    idle = World()
    idle.add(BOB, "b1", early=False)
    unnoticed = what_alice_sees(idle)
    world, _ = bob_in_a_call_with_carol()
    hidden = what_alice_sees(world)
    assert hidden == unnoticed
    assert hidden[-1] == (timing.RING, EndReason.NO_ANSWER, True)


@pytest.mark.parametrize(("first", "back"), [(LOW, HIGH), (HIGH, LOW)])
def test_calling_back_somebody_who_still_rings_us_brings_one_call(
    first: CallId, back: CallId
) -> None:
    """Bob has hung up with Carol and sees that Alice called, who has not given up yet."""
    world, bob = bob_in_a_call_with_carol()
    alice = world.add(ALICE, "a1")
    alice.does(on.Dial(first, BOB, BOTH, early_media=True))
    world.flow()
    assert [call.ring for call in alice.line.calls] == [Ring.DELIVERED]
    bob.does(on.HangUp(CALL))
    world.wait(5)
    bob.does(on.Dial(back, ALICE, BOTH, early_media=True))
    world.flow()
    assert world.states(back) == {alice.device: State.CONNECTED, bob.device: State.CONNECTED}
    assert world.ends(first)[alice.device] is EndReason.SUPERSEDED
