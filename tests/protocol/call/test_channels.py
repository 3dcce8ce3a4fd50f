"""Sealed channels that break and come back, in every state of a call; and peers that are wrong."""

from __future__ import annotations

import pytest

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.wire import messages as m
from tests.protocol.call.phone import (
    ANSWER,
    BOB,
    BOTH,
    CALL,
    CAROL,
    LAPTOP,
    NONCE,
    OFFER,
    PHONE,
    Phone,
    commits,
    ended,
    of,
    sent,
)

LOST = on.DeviceLost(BOB, PHONE)
BACK = on.DeviceReady(CALL, PHONE)
SEARCHED = on.SearchEnded(CALL)
REVEALED = m.Reveal(call=CALL, nonce=NONCE)


# ── ringing ─────────────────────────────────────────────────────────────────────────────────────
def test_a_caller_that_loses_every_device_says_so_and_looks_again() -> None:
    alice = Phone()
    alice.rings_at(PHONE, early=True)
    effects = alice.does(LOST)
    assert of(effects, do.FindDevices) == [do.FindDevices(CALL, BOB)]
    assert alice.state() is State.DIALING
    assert alice.line.calls[0].ring is None
    assert sent(alice.does(BACK)) == [m.Invite(call=CALL, sdp=OFFER, commitment=commits())]
    alice.hears(m.Ringing(call=CALL))
    assert alice.state() is State.RINGING_OUT


def test_one_of_two_devices_lost_is_no_reason_to_stop() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP)
    assert of(alice.does(LOST), do.FindDevices) == []
    assert alice.state() is State.RINGING_OUT


def test_searches_go_on_until_the_ring_time_is_over() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    alice.does(LOST)
    searches = 1
    effects = alice.does(SEARCHED)
    while ended(effects) is None:
        assert alice.line.next_timeout is not None
        effects = alice.wait(alice.line.next_timeout - alice.now)
        searches += len(of(effects, do.FindDevices))
        effects += alice.does(SEARCHED)
    assert ended(effects) is EndReason.NO_ANSWER
    assert searches == 10  # one of them soon after the loss


def test_a_phone_whose_caller_is_gone_stops_ringing_soon() -> None:
    alice = Phone()
    alice.is_rung()
    alice.does(LOST)
    assert ended(alice.wait(14.9)) is None
    assert ended(alice.wait(0.1)) is EndReason.MISSED
    assert alice.hears(m.Invite(call=CALL)) == []


def test_a_caller_that_is_back_in_time_keeps_it_ringing() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    alice.does(on.Alerting(CALL))
    alice.does(LOST)
    alice.wait(10)
    assert sent(alice.does(BACK)) == [
        m.Ringing(call=CALL, state=m.RingState.ALERTING),
        m.Answer(call=CALL, sdp=ANSWER, nonce=NONCE),
    ]
    assert ended(alice.wait(34.9)) is None
    assert ended(alice.wait(0.1)) is EndReason.MISSED


def test_accepting_while_the_channel_is_gone_is_told_when_it_is_back() -> None:
    alice = Phone()
    alice.is_rung()
    alice.does(LOST)
    accepted = alice.does(on.AcceptCall(CALL, BOTH))
    assert sent(accepted) == []
    assert of(accepted, do.FindDevices) == [do.FindDevices(CALL, BOB)]
    assert sent(alice.does(BACK)) == [m.Accept(call=CALL)]


def test_an_accept_lost_with_its_channel_is_repeated_to_the_caller_that_asks_again() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    alice.does(on.AcceptCall(CALL, BOTH))
    alice.does(LOST)
    asked = alice.hears(m.Invite(call=CALL, sdp=OFFER), early=True)
    assert sent(asked) == [
        m.Accept(call=CALL),
        m.Answer(call=CALL, sdp=ANSWER, nonce=NONCE),
    ]


def test_nothing_connects_and_no_channel_is_left() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    alice.does(on.AcceptCall(CALL, BOTH))
    alice.does(LOST)
    assert ended(alice.wait(20)) is EndReason.CONNECTION_LOST


# ── talking ─────────────────────────────────────────────────────────────────────────────────────
def test_media_goes_on_without_a_channel_while_one_is_looked_for() -> None:
    alice = Phone()
    alice.talks()
    assert alice.does(LOST) == [do.SuspectMedia(CALL, PHONE, 0), do.FindDevices(CALL, BOB)]
    assert alice.state() is State.CONNECTED
    assert alice.line.calls[0].signaling is False
    for _ in range(20):
        assert alice.does(SEARCHED) == []
        assert alice.wait(60) == [do.FindDevices(CALL, BOB)]
    assert alice.state() is State.CONNECTED
    assert sent(alice.does(BACK)) == [REVEALED]
    assert alice.does(SEARCHED) == []
    assert alice.line.next_timeout is None


def test_mute_set_while_the_channel_was_gone_is_told_when_it_is_back() -> None:
    alice = Phone()
    alice.talks()
    alice.does(LOST)
    assert alice.does(on.SetMedia(CALL, muted=True, camera_off=True, sharing=False)) == []
    assert sent(alice.does(BACK)) == [
        m.MediaState(call=CALL, muted=True, camera_off=True),
        REVEALED,
    ]


def test_both_gone_then_the_channel_back_brings_a_fresh_offer() -> None:
    alice = Phone()
    alice.talks()
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    alice.does(on.OfferReady(CALL, PHONE, 2, OFFER, NONCE))
    alice.does(LOST)
    back = alice.does(BACK)
    assert of(back, do.CloseMedia) == [do.CloseMedia(CALL, PHONE, 2)]
    assert of(back, do.MakeOffer)[0].generation == 4


def test_losing_media_hastens_the_search_for_the_channel() -> None:
    alice = Phone()
    alice.talks()
    alice.does(LOST)
    for _ in range(8):
        alice.does(SEARCHED)
        alice.wait(60)
    alice.does(SEARCHED)
    lost = alice.does(on.MediaPathLost(CALL, PHONE, 0))
    assert of(lost, do.FindDevices) == [do.FindDevices(CALL, BOB)]


def test_a_message_over_a_channel_the_peer_opened_counts_as_its_return() -> None:
    alice = Phone()
    alice.talks()
    alice.does(LOST)
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    effects = alice.hears(m.MediaState(call=CALL, muted=True))
    assert of(effects, do.MakeOffer)


def test_a_peer_that_died_is_given_up_after_45_seconds() -> None:
    alice = Phone()
    alice.talks()
    alice.does(LOST)
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    alice.does(SEARCHED)
    assert ended(alice.wait(44.9)) is None
    assert ended(alice.wait(0.1)) is EndReason.CONNECTION_LOST


def test_a_peer_that_started_again_is_given_up_when_two_searches_find_only_its_new_device() -> None:
    alice = Phone()
    alice.talks()
    alice.does(LOST)
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    assert ended(alice.does(SEARCHED)) is None
    for end in (None, EndReason.CONNECTION_LOST):
        assert of(alice.wait(5), do.FindDevices)
        assert sent(alice.does(on.DeviceReady(CALL, LAPTOP))) == []
        assert ended(alice.does(SEARCHED)) is end


def test_a_second_device_that_was_there_all_the_time_is_no_sign_of_a_restart() -> None:
    """Their laptop is found at once while their phone is in a tunnel: the call waits for it."""
    alice = Phone()
    alice.talks(outgoing=False)
    alice.does(LOST)
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    for _ in range(8):
        alice.does(on.DeviceReady(CALL, LAPTOP))
        assert ended(alice.does(SEARCHED)) is None
        assert of(alice.wait(5), do.FindDevices)
    assert of(alice.does(BACK), do.MakeOffer)
    assert alice.state() is State.RECONNECTING


def test_a_device_that_rang_too_is_no_sign_of_a_restart() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP, early=True)
    alice.hears(m.Answer(call=CALL, sdp=ANSWER))
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    alice.hears(m.Accept(call=CALL))
    alice.does(LOST)
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    alice.does(SEARCHED)  # the laptop is out of reach for a moment, too
    for _ in range(5):
        alice.wait(5)
        alice.does(on.DeviceReady(CALL, LAPTOP))
        assert ended(alice.does(SEARCHED)) is None


# ── ends that cross ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("said", "end"),
    [
        (m.HangupReason.NORMAL, EndReason.PEER_HUNG_UP),
        (m.HangupReason.MEDIA_FAILED, EndReason.MEDIA_FAILED),
        (m.HangupReason.CONNECTION_LOST, EndReason.CONNECTION_LOST),
        (m.HangupReason.SHUTDOWN, EndReason.SHUTDOWN),
    ],
)
def test_the_peer_ends_the_call(said: m.HangupReason, end: EndReason) -> None:
    alice = Phone()
    alice.talks()
    effects = alice.hears(m.Hangup(call=CALL, reason=said))
    assert effects == [do.CloseMedia(CALL, PHONE, 0), do.EndOfCall(CALL, BOB, True, end)]


def test_crossing_hangups_are_silent() -> None:
    alice = Phone()
    alice.talks()
    assert sent(alice.does(on.HangUp(CALL))) == [m.Hangup(call=CALL)]
    assert alice.hears(m.Hangup(call=CALL)) == []


def test_stopping_the_node_ends_the_call_with_the_reason() -> None:
    alice = Phone()
    alice.talks()
    effects = alice.does(on.HangUp(CALL, shutdown=True))
    assert sent(effects) == [m.Hangup(call=CALL, reason=m.HangupReason.SHUTDOWN)]
    assert ended(effects) is EndReason.SHUTDOWN


def test_a_hangup_lost_with_its_channel_is_told_to_a_peer_that_tries_to_go_on() -> None:
    alice = Phone()
    alice.talks()
    alice.does(LOST)
    assert sent(alice.does(on.HangUp(CALL))) == []
    tried = alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER))
    assert sent(tried) == [m.Hangup(call=CALL)]


def test_whatever_comes_after_the_end_is_late() -> None:
    alice = Phone()
    alice.talks()
    alice.hears(m.Hangup(call=CALL))
    for late in (
        on.OfferReady(CALL, PHONE, 2, OFFER, NONCE),
        on.MediaConnected(CALL, PHONE, 0),
        on.MediaFailed(CALL, PHONE, 0),
        on.DeviceReady(CALL, PHONE),
        on.SearchEnded(CALL),
        LOST,
    ):
        assert alice.does(late) == []
    for message in (
        m.Candidates(call=CALL, end=True),
        m.Answer(call=CALL, sdp=ANSWER, nonce=NONCE),
        m.Ringing(call=CALL),
        m.MediaState(call=CALL),
        m.Renegotiate(call=CALL, generation=3, sdp=OFFER),
    ):
        assert alice.hears(message) == []


# ── peers that are wrong ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "wrong",
    [
        m.Ringing(call=CALL),
        m.Accept(call=CALL),
        m.Decline(call=CALL),
        m.Answer(call=CALL, generation=0, sdp=ANSWER),
    ],
)
def test_a_caller_that_speaks_the_callee_s_part_loses_the_call(wrong: m.CallMessage) -> None:
    alice = Phone()
    alice.is_rung(early=True)
    effects = alice.hears(wrong)
    assert ended(effects) is EndReason.PEER_ERROR
    assert of(effects, do.CloseMedia) == [do.CloseMedia(CALL, PHONE, 0)]


@pytest.mark.parametrize(
    "wrong",
    [
        m.Invite(call=CALL),
        m.Cancel(call=CALL),
        m.Renegotiate(call=CALL, generation=2, sdp=OFFER),
        m.Answer(call=CALL, generation=3, sdp=ANSWER),
    ],
)
def test_a_callee_that_speaks_our_part_loses_the_call(wrong: m.CallMessage) -> None:
    alice = Phone()
    alice.talks()
    effects = alice.hears(wrong)
    assert ended(effects) is EndReason.PEER_ERROR
    assert sent(effects) == [m.Hangup(call=CALL)]


@pytest.mark.parametrize(
    "message", [m.Hangup(call=CALL), m.Accept(call=CALL), m.MediaState(call=CALL, muted=True)]
)
def test_others_have_no_say_in_a_call(message: m.CallMessage) -> None:
    alice = Phone()
    alice.talks(outgoing=False)
    assert alice.hears(message, peer=CAROL) == []
    assert alice.hears(message, LAPTOP) == []


def test_a_device_that_was_not_rung_cannot_accept() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    assert alice.hears(m.Accept(call=CALL), LAPTOP) == []
    assert alice.state() is State.RINGING_OUT
