"""What networks and machines do to a running call: moves, sleep, processes that die."""

from __future__ import annotations

import pytest

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.wire import messages as m
from tests.protocol.call.phone import (
    ANSWER,
    BOB,
    BOTH,
    CALL,
    CAROL,
    HIGH,
    NONCE,
    OFFER,
    PHONE,
    Phone,
    commits,
    ended,
    of,
    sent,
)

MOVED = on.NetworkChanged()
LOST = on.DeviceLost(BOB, PHONE)
BACK = on.DeviceReady(CALL, PHONE)
SEARCHED = on.SearchEnded(CALL)
PATH_LOST = on.MediaPathLost(CALL, PHONE, 0)


@pytest.fixture
def alice() -> Phone:
    phone = Phone()
    phone.talks()
    return phone


# ── a process that dies ─────────────────────────────────────────────────────────────────────────
def test_a_lost_channel_makes_the_media_path_suspect_at_once(alice: Phone) -> None:
    lost = alice.does(LOST)
    assert lost == [do.SuspectMedia(CALL, PHONE, 0), do.FindDevices(CALL, BOB)]
    assert alice.state() is State.CONNECTED, "perhaps it was the channel alone"
    assert of(alice.does(PATH_LOST), do.FindDevices) == []
    assert alice.state() is State.RECONNECTING


def test_both_paths_are_suspect_while_one_replaces_the_other(alice: Phone) -> None:
    alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER))
    alice.does(on.AnswerReady(CALL, PHONE, 3, ANSWER, NONCE))
    assert of(alice.does(LOST), do.SuspectMedia) == [do.SuspectMedia(CALL, PHONE, 0)]
    alice.does(on.MediaConnected(CALL, PHONE, 3))
    alice.does(BACK)
    assert of(alice.does(LOST), do.SuspectMedia) == [do.SuspectMedia(CALL, PHONE, 3)]


def test_a_path_known_to_be_lost_is_not_suspected_again(alice: Phone) -> None:
    alice.does(PATH_LOST)
    assert of(alice.does(LOST), do.SuspectMedia) == []


def test_early_media_with_a_device_that_died_while_it_rang_is_not_connected_to() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    assert of(alice.does(LOST), do.SuspectMedia) == [do.SuspectMedia(CALL, PHONE, 0)]
    assert alice.does(PATH_LOST) == [do.CloseMedia(CALL, PHONE, 0)]
    alice.does(on.AcceptCall(CALL, BOTH))
    assert alice.state() is State.CONNECTING


# ── an address that changes ─────────────────────────────────────────────────────────────────────
def test_a_move_makes_a_fresh_offer_at_once_while_the_old_path_still_plays(alice: Phone) -> None:
    moved = alice.does(MOVED)
    assert of(moved, do.MakeOffer) == [do.MakeOffer(CALL, PHONE, 2, BOTH)]
    assert of(moved, do.CloseMedia) == []
    assert alice.state() is State.RECONNECTING
    assert sent(alice.does(on.OfferReady(CALL, PHONE, 2, OFFER, NONCE))) == [
        m.Renegotiate(call=CALL, generation=2, sdp=OFFER, commitment=commits(2))
    ]


def test_a_second_move_replaces_the_offer_of_the_first(alice: Phone) -> None:
    alice.does(MOVED)
    again = alice.does(MOVED)
    assert of(again, do.CloseMedia) == [do.CloseMedia(CALL, PHONE, 2)]
    assert of(again, do.MakeOffer) == [do.MakeOffer(CALL, PHONE, 4, BOTH)]


def test_a_move_that_broke_the_channel_offers_when_it_is_back(alice: Phone) -> None:
    alice.does(LOST)
    assert alice.does(SEARCHED) == []
    moved = alice.does(MOVED)
    assert of(moved, do.FindDevices) == [do.FindDevices(CALL, BOB)], "not 5 s later"
    assert of(moved, do.MakeOffer) == []
    assert of(moved, do.SuspectMedia) == [do.SuspectMedia(CALL, PHONE, 0)]
    assert alice.state() is State.CONNECTED, "until it is known that the path is gone"
    alice.does(PATH_LOST)
    assert of(alice.does(BACK), do.MakeOffer) == [do.MakeOffer(CALL, PHONE, 2, BOTH)]


def test_a_path_that_outlives_the_move_is_kept_when_the_channel_is_back(alice: Phone) -> None:
    alice.does(LOST)
    alice.does(MOVED)
    assert of(alice.does(BACK), do.MakeOffer) == []
    assert alice.state() is State.CONNECTED


def test_a_search_that_the_move_overtook_is_begun_anew(alice: Phone) -> None:
    alice.does(LOST)
    assert of(alice.does(MOVED), do.FindDevices) == [], "one at a time"
    assert alice.does(SEARCHED) == [do.FindDevices(CALL, BOB)]
    assert alice.does(SEARCHED) == []


def test_moving_while_we_dial_looks_again_before_saying_not_reachable() -> None:
    alice = Phone()
    alice.dials()
    assert alice.does(MOVED) == []
    assert alice.does(SEARCHED) == [do.FindDevices(CALL, BOB)]
    assert ended(alice.does(SEARCHED)) is EndReason.NOT_REACHABLE


@pytest.mark.parametrize("outgoing", [True, False])
def test_moving_while_it_rings_offers_anew_on_accept(outgoing: bool) -> None:
    alice = Phone()
    if outgoing:
        alice.rings_at(PHONE, early=True)
    else:
        alice.is_rung(early=True)
    assert alice.does(MOVED) == [do.CloseMedia(CALL, PHONE, 0)]
    if outgoing:
        accepted = alice.hears(m.Accept(call=CALL))
    else:
        accepted = alice.does(on.AcceptCall(CALL, BOTH))
    assert of(accepted, do.MakeOffer) == [do.MakeOffer(CALL, PHONE, 2, BOTH)]


def test_moving_while_it_rings_asks_whether_the_early_path_still_works() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    assert alice.does(MOVED) == [do.SuspectMedia(CALL, PHONE, 0)]


def test_moving_while_media_connects_offers_from_the_new_address() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    alice.does(on.AcceptCall(CALL, BOTH))
    assert alice.does(MOVED) == [
        do.CloseMedia(CALL, PHONE, 0),
        do.MakeOffer(CALL, PHONE, 2, BOTH),
    ]


def test_a_move_concerns_every_call(alice: Phone) -> None:
    alice.does(on.Dial(HIGH, CAROL, BOTH, early_media=False))
    alice.does(MOVED)
    assert alice.does(on.SearchEnded(HIGH)) == [do.FindDevices(HIGH, CAROL)]
    assert alice.state() is State.RECONNECTING


def test_a_move_without_calls_is_nobody_s_business() -> None:
    assert Phone().does(MOVED) == []


# ── a machine that sleeps: the next tick comes minutes late ─────────────────────────────────────
def oversleeps(phone: Phone, seconds: float) -> list[do.Effect]:
    phone.now += seconds
    effects = phone.line.tick(now=phone.now)
    due = phone.line.next_timeout
    assert due is None or due > phone.now
    return effects


def test_a_call_that_lost_nothing_survives_the_sleep_of_this_machine(alice: Phone) -> None:
    assert oversleeps(alice, 600) == []
    assert alice.state() is State.CONNECTED


def test_one_search_makes_up_for_all_that_were_slept_through(alice: Phone) -> None:
    alice.does(LOST)
    alice.does(SEARCHED)
    assert oversleeps(alice, 600) == [do.FindDevices(CALL, BOB)]


def test_a_reconnecting_call_that_is_over_ends_and_begins_nothing(alice: Phone) -> None:
    alice.does(LOST)
    alice.does(PATH_LOST)
    alice.does(SEARCHED)
    assert oversleeps(alice, 600) == [
        do.CloseMedia(CALL, PHONE, 0),
        do.EndOfCall(CALL, BOB, True, EndReason.CONNECTION_LOST),
    ]


def test_whoever_slept_learns_from_the_other_side_that_the_call_is_over() -> None:
    """Clocks that stand still in sleep (Linux) leave our side believing that it goes on."""
    asleep, awake = Phone(), Phone(BOB)
    asleep.talks()
    awake.talks(outgoing=False)
    awake.does(on.DeviceLost(asleep.line._me, PHONE))
    awake.does(PATH_LOST)
    assert ended(awake.wait(45)) is EndReason.CONNECTION_LOST
    asleep.does(LOST)
    asleep.does(PATH_LOST)
    asleep.does(BACK)
    offered = sent(asleep.does(on.OfferReady(CALL, PHONE, 2, OFFER, NONCE)))
    (told,) = sent(awake.hears(offered[0]))
    assert ended(asleep.hears(told)) is EndReason.CONNECTION_LOST


def test_a_phone_that_slept_while_it_rang_has_missed_the_call() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    assert ended(oversleeps(alice, 600)) is EndReason.MISSED


def test_a_caller_that_slept_while_it_rang_says_so_once() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    over = oversleeps(alice, 600)
    assert sent(over) == [m.Cancel(call=CALL, reason=m.CancelReason.NO_ANSWER)]
    assert ended(over) is EndReason.NO_ANSWER


# ── nothing hangs ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("outgoing", [True, False])
def test_a_call_without_any_path_says_so_within_20_seconds_of_the_accept(outgoing: bool) -> None:
    """Offers are made, answered, and never connect: no failure is reported at all."""
    alice = Phone()
    if outgoing:
        alice.rings_at(PHONE, early=True)
        alice.hears(m.Answer(call=CALL, sdp=ANSWER))
        alice.hears(m.Accept(call=CALL))
    else:
        alice.is_rung(early=True)
        alice.does(on.AcceptCall(CALL, BOTH))
    alice.wait(15)
    alice.does(MOVED)  # not even a network that changes all the time makes it longer
    assert ended(alice.wait(4.9)) is None
    over = alice.wait(0.1)
    assert ended(over) is EndReason.MEDIA_FAILED
    assert sent(over) == [m.Hangup(call=CALL, reason=m.HangupReason.MEDIA_FAILED)]


def test_a_network_that_changes_all_the_time_does_not_keep_a_lost_call(alice: Phone) -> None:
    alice.does(PATH_LOST)
    effects: list[do.Effect] = []
    for _ in range(int(timing.RECONNECT)):
        assert ended(effects) is None
        alice.does(MOVED)
        effects = alice.wait(1)
    assert ended(effects) is EndReason.CONNECTION_LOST


def test_searches_for_the_peer_come_every_5_seconds_while_reconnecting(alice: Phone) -> None:
    alice.does(LOST)
    alice.does(PATH_LOST)
    began, searches = alice.now, [0.0]
    effects = alice.does(SEARCHED)
    while ended(effects) is None:
        assert alice.line.next_timeout is not None
        effects = alice.wait(alice.line.next_timeout - alice.now)
        if of(effects, do.FindDevices):
            searches.append(alice.now - began)
            effects += alice.does(SEARCHED)
    assert searches == pytest.approx(list(range(0, 45, 5)))


def test_what_is_shown_of_a_call_whose_device_died_and_came_back(alice: Phone) -> None:
    alice.does(LOST)
    assert alice.line.calls[0].signaling is False
    alice.does(PATH_LOST)
    assert alice.state() is State.RECONNECTING
    back = alice.does(BACK)
    assert alice.line.calls[0].signaling is True
    alice.does(on.OfferReady(CALL, PHONE, of(back, do.MakeOffer)[0].generation, OFFER, NONCE))
    alice.hears(m.Answer(call=CALL, generation=2, sdp=ANSWER))
    alice.does(on.MediaConnected(CALL, PHONE, 2))
    assert alice.state() is State.CONNECTED
    assert alice.line.calls[0].ring is Ring.ALERTING
