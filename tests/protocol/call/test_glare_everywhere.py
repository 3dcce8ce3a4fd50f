"""Both dial at once, in every order the network can make of it: one call is left, and it talks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.wire.messages import CallId
from tests.examples import examples
from tests.protocol.call.phone import ALICE, BOB, BOTH
from tests.protocol.call.world import World

TWO = ((ALICE, "a1"), (BOB, "b1"))
FOUR = ((ALICE, "a1"), (ALICE, "a2"), (BOB, "b1"), (BOB, "b2"))
STEP = st.tuples(st.sampled_from(["report", "deliver", "find"]), st.integers(0, 5))


@pytest.mark.parametrize("devices", [TWO, FOUR], ids=["two devices", "four devices"])
@settings(max_examples=examples(250), deadline=None)
@given(data=st.data())
def test_both_calling_at_once_leaves_one_call(
    devices: tuple[tuple[on.Identity, str], ...], data: st.DataObject
) -> None:
    world = World(reopens=data.draw(st.booleans(), "told of channels others opened"))
    for me, device in devices:
        world.add(me, device, early=data.draw(st.booleans(), f"early media at {device}"))
    if data.draw(st.booleans(), "the channels are open already"):
        world.channels = {
            frozenset({one.device, other.device})
            for one in world.nodes.values()
            for other in world.nodes.values()
            if one.me != other.me
        }
    ours, theirs = data.draw(st.permutations([CallId(b"\x01" * 16), CallId(b"\x02" * 16)]))
    a1, b1 = world.nodes[on.Device("a1")], world.nodes[on.Device("b1")]

    a1.does(on.Dial(ours, BOB, BOTH, early_media=a1.early))
    for what, which in data.draw(st.lists(STEP, max_size=12), label="until the other dials"):
        getattr(world, what)(which)
    b1.does(on.Dial(theirs, ALICE, BOTH, early_media=b1.early))
    for what, which in data.draw(st.lists(STEP, max_size=40), label="and then"):
        getattr(world, what)(which)
    world.flow()

    assert len(world.live()) == 1
    (left,) = world.live()
    assert world.states(left) == {a1.device: State.CONNECTED, b1.device: State.CONNECTED}
    world.check_agreement()
    (lost,) = {ours, theirs} - {left}
    assert set(world.ends(lost).values()) <= {EndReason.SUPERSEDED}


@settings(max_examples=examples(250), deadline=None)
@given(data=st.data())
def test_three_devices_calling_each_other_at_once_leave_one_call(data: st.DataObject) -> None:
    """Alice dials on two devices at once, Bob on one of two."""
    world = World(reopens=data.draw(st.booleans()))
    for me, device in FOUR:
        world.add(me, device, early=data.draw(st.booleans()))
    ids = data.draw(st.permutations([CallId(bytes([n]) * 16) for n in range(3)]))
    dials = {
        "a1": on.Dial(ids[0], BOB, BOTH, early_media=data.draw(st.booleans())),
        "a2": on.Dial(ids[1], BOB, BOTH, early_media=data.draw(st.booleans())),
        "b1": on.Dial(ids[2], ALICE, BOTH, early_media=data.draw(st.booleans())),
    }
    for device, dial in dials.items():
        world.nodes[on.Device(device)].does(dial)
        for what, which in data.draw(st.lists(STEP, max_size=10)):
            getattr(world, what)(which)
    for what, which in data.draw(st.lists(STEP, max_size=40)):
        getattr(world, what)(which)
    world.settle()
    world.check_agreement()
    assert len(world.live()) == 1


Schedule = list[tuple[str, int]]


@pytest.mark.parametrize(
    ("dials", "rest"),
    [
        pytest.param(
            [("b1", 2, [("find", 0)]), ("a2", 1, []), ("b2", 3, [])],
            [("find", 1), ("report", 1)],
            id="declining the second device ended its call on the other one",
        ),
        pytest.param(
            [
                ("b1", 2, []),
                ("b2", 3, [("find", 1), ("report", 0), ("find", 0)]),
                (
                    "a1",
                    0,
                    [
                        ("deliver", 0),
                        ("report", 0),
                        ("report", 1),
                        ("deliver", 1),
                        ("report", 0),
                        ("deliver", 3),
                    ],
                ),
                ("a2", 1, []),
            ],
            [("deliver", 1), ("deliver", 3)],
            id="so did declining it while the first call was just accepted",
        ),
    ],
)
def test_schedules_that_once_left_no_call(
    dials: list[tuple[str, int, Schedule]], rest: Schedule
) -> None:
    world = World(reopens=False)
    for me, device in FOUR:
        world.add(me, device, early=False)
    for device, number, steps in dials:
        node = world.nodes[on.Device(device)]
        call, peer = CallId(bytes([number]) * 16), BOB if node.me == ALICE else ALICE
        node.does(on.Dial(call, peer, BOTH, early_media=False))
        for what, which in steps:
            getattr(world, what)(which)
    for what, which in rest:
        getattr(world, what)(which)
    world.settle()
    world.check_agreement()
    assert world.live()


@settings(max_examples=examples(250), deadline=None)
@given(data=st.data())
def test_four_devices_calling_each_other_at_once_leave_one_or_two_calls(
    data: st.DataObject,
) -> None:
    """Two, when the pairs of devices that found each other have none in common."""
    world = World(reopens=data.draw(st.booleans()))
    for me, device in FOUR:
        world.add(me, device, early=data.draw(st.booleans()))
    ids = data.draw(st.permutations([CallId(bytes([n]) * 16) for n in range(4)]))
    for number, (me, device) in enumerate(data.draw(st.permutations(FOUR))):
        node = world.nodes[on.Device(device)]
        node.does(on.Dial(ids[number], BOB if me == ALICE else ALICE, BOTH, node.early))
        for what, which in data.draw(st.lists(STEP, max_size=10)):
            getattr(world, what)(which)
    for what, which in data.draw(st.lists(STEP, max_size=40)):
        getattr(world, what)(which)
    world.settle()
    world.check_agreement()
    assert len(world.live()) in {1, 2}


@settings(max_examples=examples(250), deadline=None)
@given(data=st.data())
def test_two_devices_accepting_at_once_leave_one_of_them_in_the_call(data: st.DataObject) -> None:
    world = World(reopens=data.draw(st.booleans()))
    for me, device in ((ALICE, "a1"), (BOB, "b1"), (BOB, "b2")):
        world.add(me, device, early=data.draw(st.booleans()))
    call = CallId(b"\x01" * 16)
    world.nodes[on.Device("a1")].does(
        on.Dial(call, BOB, BOTH, early_media=data.draw(st.booleans()))
    )
    world.flow()
    for device in data.draw(st.permutations(["b1", "b2"])):
        world.nodes[on.Device(device)].does(on.AcceptCall(call, BOTH))
        for what, which in data.draw(st.lists(STEP, max_size=8)):
            getattr(world, what)(which)
    world.flow()
    world.check_agreement()
    assert world.live() == {call}
    assert list(world.ends(call).values()) == [EndReason.ANSWERED_ELSEWHERE]


@settings(max_examples=examples(250), deadline=None)
@given(data=st.data())
def test_a_cancel_and_an_accept_that_cross_end_the_call_on_both_sides(data: st.DataObject) -> None:
    world = World(reopens=data.draw(st.booleans()))
    alice, bob = world.add(ALICE, "a1"), world.add(BOB, "b1", early=data.draw(st.booleans()))
    call = CallId(b"\x01" * 16)
    alice.does(on.Dial(call, BOB, BOTH, early_media=data.draw(st.booleans())))
    world.flow()
    acts = [(alice, on.HangUp(call)), (bob, on.AcceptCall(call, BOTH))]
    for node, act in data.draw(st.permutations(acts)):
        node.does(act)
        for what, which in data.draw(st.lists(STEP, max_size=8)):
            getattr(world, what)(which)
    world.flow()
    world.check_agreement()
    assert world.live() == set()
    ends = world.ends(call)
    assert (ends[alice.device], ends[bob.device]) in {
        (EndReason.CANCELLED, EndReason.MISSED),
        (EndReason.CANCELLED, EndReason.PEER_HUNG_UP),
        (EndReason.HUNG_UP, EndReason.PEER_HUNG_UP),
    }
