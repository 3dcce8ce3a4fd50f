"""Calling somebody, up to the moment media flows."""

from __future__ import annotations

import pytest

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.authentication import Nonces
from onmeet_node.protocol.call.effects import EndReason, Ring, State
from onmeet_node.protocol.call.errors import AlreadyInCall, CallRefused
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import RingState
from tests.protocol.call.phone import (
    ALICE,
    ANSWER,
    AUDIO,
    BOB,
    BOTH,
    CALL,
    CAROL,
    HIGH,
    LAPTOP,
    NONCE,
    OFFER,
    PHONE,
    THEIRS,
    Phone,
    commits,
    ended,
    of,
    sent,
)


def changed(state: State, **more: object) -> do.CallChanged:
    return do.CallChanged(CALL, BOB, state, outgoing=True, kinds=BOTH, **more)


def test_an_early_media_call_from_dialling_to_talking() -> None:
    alice = Phone()
    assert alice.dials(early=True) == [do.FindDevices(CALL, BOB), changed(State.DIALING)]
    assert alice.does(on.DeviceReady(CALL, PHONE)) == [
        do.Send(BOB, PHONE, m.Invite(call=CALL)),
        changed(State.DIALING, ring=Ring.SENT),
    ]
    assert alice.hears(m.Ringing(call=CALL)) == [
        do.MakeOffer(CALL, PHONE, 0, BOTH),
        changed(State.RINGING_OUT, ring=Ring.DELIVERED),
    ]
    assert alice.does(on.OfferReady(CALL, PHONE, 0, OFFER, NONCE)) == [
        do.Send(BOB, PHONE, m.Renegotiate(call=CALL, generation=0, sdp=OFFER, commitment=commits()))
    ]
    assert alice.hears(m.Ringing(call=CALL, state=RingState.ALERTING)) == [
        changed(State.RINGING_OUT, ring=Ring.ALERTING)
    ]
    assert alice.hears(m.Answer(call=CALL, sdp=ANSWER, nonce=THEIRS)) == [
        do.TakeAnswer(CALL, PHONE, 0, ANSWER),
        do.Send(BOB, PHONE, m.Reveal(call=CALL, nonce=NONCE)),
        do.Authenticate(CALL, PHONE, 0, Nonces(offerer=NONCE, answerer=THEIRS)),
    ]
    assert alice.does(on.MediaConnected(CALL, PHONE, 0)) == []
    assert alice.hears(m.Accept(call=CALL)) == [
        do.Attach(CALL, PHONE, 0, BOTH),
        changed(State.CONNECTED, ring=Ring.ALERTING, device=PHONE),
    ]


def test_in_a_conference_the_offer_does_not_wait_for_the_ringing() -> None:
    alice = Phone(conference=True)
    alice.dials(early=True)
    assert alice.does(on.DeviceReady(CALL, PHONE)) == [
        do.Send(BOB, PHONE, m.Invite(call=CALL)),
        do.MakeOffer(CALL, PHONE, 0, BOTH),
        changed(State.DIALING, ring=Ring.SENT),
    ]
    offer = m.Renegotiate(call=CALL, generation=0, sdp=OFFER, commitment=commits())
    assert sent(alice.does(on.OfferReady(CALL, PHONE, 0, OFFER, NONCE))) == [offer]
    assert of(alice.hears(m.Ringing(call=CALL)), do.MakeOffer) == []
    accepted = alice.hears(m.Accept(call=CALL))
    assert of(accepted, do.Attach) == [do.Attach(CALL, PHONE, 0, BOTH)]
    assert of(accepted, do.MakeOffer) == []


def test_without_early_media_the_offer_follows_the_accept() -> None:
    alice = Phone()
    alice.dials()
    invite = alice.does(on.DeviceReady(CALL, PHONE))
    assert sent(invite) == [m.Invite(call=CALL)]
    accepted = alice.hears(m.Accept(call=CALL))
    assert of(accepted, do.MakeOffer) == [do.MakeOffer(CALL, PHONE, 0, BOTH)]
    assert alice.state() is State.CONNECTING
    assert alice.does(on.OfferReady(CALL, PHONE, 0, OFFER, NONCE)) == [
        do.Send(
            BOB, PHONE, m.Renegotiate(call=CALL, generation=0, sdp=OFFER, commitment=commits())
        ),
        do.Attach(CALL, PHONE, 0, BOTH),
    ]
    alice.hears(m.Answer(call=CALL, sdp=ANSWER))
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    assert alice.state() is State.CONNECTED


def test_media_is_attached_when_accepted_before_it_is_connected() -> None:
    alice = Phone()
    alice.rings_at(PHONE, early=True)
    assert of(alice.hears(m.Accept(call=CALL)), do.Attach) == [do.Attach(CALL, PHONE, 0, BOTH)]
    alice.hears(m.Answer(call=CALL, sdp=ANSWER))
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    assert alice.state() is State.CONNECTED


def test_an_offer_that_is_ready_after_the_accept_is_sent_then() -> None:
    alice = Phone()
    alice.dials(early=True)
    alice.does(on.DeviceReady(CALL, PHONE))
    alice.hears(m.Ringing(call=CALL))
    assert of(alice.hears(m.Accept(call=CALL)), do.MakeOffer) == []
    assert alice.does(on.OfferReady(CALL, PHONE, 0, OFFER, NONCE)) == [
        do.Send(
            BOB, PHONE, m.Renegotiate(call=CALL, generation=0, sdp=OFFER, commitment=commits())
        ),
        do.Attach(CALL, PHONE, 0, BOTH),
    ]


@pytest.mark.parametrize(
    "failed",
    [
        on.MediaFailed(CALL, PHONE, 0),
        on.OfferReady(CALL, PHONE, 0, "x" * (m.MAX_SDP_CHARS + 1), NONCE),
    ],
    ids=["failed", "too long to send"],
)
def test_a_failed_offer_does_not_stop_the_ringing(failed: on.Event) -> None:
    alice = Phone()
    alice.dials(early=True)
    alice.does(on.DeviceReady(CALL, PHONE))
    alice.hears(m.Ringing(call=CALL))
    assert alice.does(failed) == [do.CloseMedia(CALL, PHONE, 0)]
    assert of(alice.hears(m.Accept(call=CALL)), do.MakeOffer)[0].generation == 2


def test_one_offer_is_made_for_each_device_that_rings() -> None:
    alice = Phone()
    alice.dials(early=True)
    for device in (PHONE, LAPTOP):
        alice.does(on.DeviceReady(CALL, device))
    for state in RingState:
        rung = of(alice.hears(m.Ringing(call=CALL, state=state), LAPTOP), do.MakeOffer)
        first = state is RingState.DELIVERED
        assert rung == [do.MakeOffer(CALL, LAPTOP, 0, BOTH)] * first


def test_nobody_found_is_told_at_once_and_leaves_a_note() -> None:
    alice = Phone()
    alice.dials()
    assert alice.does(on.SearchEnded(CALL)) == [
        do.EndOfCall(CALL, BOB, True, EndReason.NOT_REACHABLE, leave_note=True)
    ]
    assert alice.line.next_timeout is None


def test_an_end_of_search_with_a_device_changes_nothing() -> None:
    alice = Phone()
    alice.dials()
    alice.does(on.DeviceReady(CALL, PHONE))
    assert alice.does(on.SearchEnded(CALL)) == []


def test_nobody_answers_for_45_seconds() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP)
    assert alice.wait(44.9) == []
    over = alice.wait(0.1)
    for device in (PHONE, LAPTOP):
        assert sent(over, device) == [m.Cancel(call=CALL, reason=m.CancelReason.NO_ANSWER)]
    assert over[-1] == do.EndOfCall(CALL, BOB, True, EndReason.NO_ANSWER, leave_note=True)


def test_a_device_that_never_says_it_rings_is_not_called_unanswered() -> None:
    alice = Phone()
    alice.dials()
    alice.does(on.DeviceReady(CALL, PHONE))
    assert ended(alice.wait(45)) is EndReason.NOT_REACHABLE


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        (m.DeclineReason.DECLINED, EndReason.PEER_DECLINED),
        (m.DeclineReason.NOT_NOW, EndReason.PEER_DECLINED),
        (m.DeclineReason.BUSY, EndReason.PEER_BUSY),
        (m.DeclineReason.NO_ANSWER, EndReason.NO_ANSWER),
    ],
)
def test_a_decline_on_one_device_stops_the_others(reason: m.DeclineReason, end: EndReason) -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP)
    effects = alice.hears(m.Decline(call=CALL, reason=reason), PHONE)
    assert sent(effects, PHONE) == []
    assert isinstance(sent(effects, LAPTOP)[0], m.Cancel)
    assert ended(effects) is end


def test_the_first_device_to_accept_gets_the_call() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP, early=True)
    effects = alice.hears(m.Accept(call=CALL), LAPTOP)
    elsewhere = m.Cancel(call=CALL, reason=m.CancelReason.ANSWERED_ELSEWHERE)
    assert sent(effects, PHONE) == [elsewhere]
    assert of(effects, do.CloseMedia) == [do.CloseMedia(CALL, PHONE, 0)]
    assert of(effects, do.Attach) == [do.Attach(CALL, LAPTOP, 0, BOTH)]
    # the other one accepted before it heard of it
    assert alice.hears(m.Accept(call=CALL), PHONE) == [do.Send(BOB, PHONE, elsewhere)]
    assert alice.line.calls[0].device == LAPTOP


def test_a_device_out_of_reach_when_another_accepted_is_stopped_when_it_is_back() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP)
    alice.does(on.DeviceLost(BOB, PHONE))
    assert sent(alice.hears(m.Accept(call=CALL), LAPTOP), PHONE) == []
    back = alice.does(on.DeviceReady(CALL, PHONE))
    assert sent(back, PHONE) == [m.Cancel(call=CALL, reason=m.CancelReason.ANSWERED_ELSEWHERE)]
    assert sent(alice.does(on.DeviceReady(CALL, PHONE))) == []


def test_a_device_found_while_another_rings_rings_too() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    alice.wait(3)
    assert sent(alice.does(on.DeviceReady(CALL, LAPTOP))) == [m.Invite(call=CALL, age_ms=3000)]


def test_the_caller_sees_the_device_that_rings_most_noticeably() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    alice.does(on.DeviceReady(CALL, LAPTOP))
    alice.hears(m.Ringing(call=CALL), LAPTOP)
    assert alice.line.calls[0].ring is Ring.ALERTING
    alice.hears(m.Ringing(call=CALL, state=RingState.SILENCED), PHONE)
    assert alice.line.calls[0].ring is Ring.SILENCED
    alice.hears(m.Ringing(call=CALL, state=RingState.ALERTING), PHONE)  # overtaken, late
    assert alice.line.calls[0].ring is Ring.SILENCED


def test_what_the_caller_sees_of_one_device_from_sent_to_silenced() -> None:
    alice = Phone()
    alice.dials()
    assert alice.line.calls[0].ring is None
    seen = of(alice.does(on.DeviceReady(CALL, PHONE)), do.CallChanged)
    for state in RingState:
        seen += of(alice.hears(m.Ringing(call=CALL, state=state)), do.CallChanged)
    assert [(change.state, change.ring) for change in seen] == [
        (State.DIALING, Ring.SENT),
        (State.RINGING_OUT, Ring.DELIVERED),
        (State.RINGING_OUT, Ring.ALERTING),
        (State.RINGING_OUT, Ring.SILENCED),
    ]


def test_a_device_that_is_lost_is_not_said_to_ring() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    lost = of(alice.does(on.DeviceLost(BOB, PHONE)), do.CallChanged)
    assert [(change.state, change.ring) for change in lost] == [(State.DIALING, None)]
    back = of(alice.does(on.DeviceReady(CALL, PHONE)), do.CallChanged)
    assert [(change.state, change.ring) for change in back] == [(State.DIALING, Ring.SENT)]


def test_a_device_lost_while_it_is_still_looked_for_is_looked_for_again_at_once() -> None:
    alice = Phone()
    alice.dials()
    alice.does(on.DeviceReady(CALL, PHONE))
    alice.does(on.DeviceLost(BOB, PHONE))
    assert alice.does(on.SearchEnded(CALL)) == [do.FindDevices(CALL, BOB)]


def test_a_lost_device_is_looked_for_at_once_and_again_when_its_old_record_is_gone() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    find = do.FindDevices(CALL, BOB)
    assert find in alice.does(on.DeviceLost(BOB, PHONE))
    alice.does(on.SearchEnded(CALL))
    assert alice.wait(1.1) == [find]
    alice.does(on.SearchEnded(CALL))
    assert alice.wait(1.1) == []
    assert alice.wait(4) == [find]


def test_a_device_that_said_nothing_and_is_not_found_twice_is_not_reachable() -> None:
    alice = Phone()
    alice.dials()
    alice.does(on.DeviceReady(CALL, PHONE))
    alice.does(on.SearchEnded(CALL))
    alice.does(on.DeviceLost(BOB, PHONE))
    assert ended(alice.does(on.SearchEnded(CALL))) is None
    alice.wait(1.1)
    assert ended(alice.does(on.SearchEnded(CALL))) is EndReason.NOT_REACHABLE


def test_of_two_devices_the_one_that_rang_is_lost() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    alice.does(on.DeviceReady(CALL, LAPTOP))
    alice.does(on.DeviceLost(BOB, PHONE))
    assert (alice.state(), alice.line.calls[0].ring) == (State.DIALING, Ring.SENT)
    alice.hears(m.Ringing(call=CALL), LAPTOP)
    assert (alice.state(), alice.line.calls[0].ring) == (State.RINGING_OUT, Ring.DELIVERED)


def test_an_invite_that_never_left_is_not_called_sent() -> None:
    alice = Phone()
    alice.dials(early=True)
    alice.does(on.DeviceReady(CALL, PHONE))
    alice.does(on.DeviceLost(BOB, PHONE))
    assert sent(alice.does(on.OfferReady(CALL, PHONE, 0, OFFER, NONCE))) == []
    assert alice.line.calls[0].ring is None


def test_hanging_up_while_it_rings_cancels_everywhere() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP, early=True)
    effects = alice.does(on.HangUp(CALL))
    cancel = m.Cancel(call=CALL, reason=m.CancelReason.CANCELLED)
    assert sent(effects) == [cancel, cancel]
    assert len(of(effects, do.CloseMedia)) == 2
    assert effects[-1] == do.EndOfCall(CALL, BOB, True, EndReason.CANCELLED)


def test_an_accept_that_crossed_our_cancel_is_told_so_again() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    alice.does(on.HangUp(CALL))
    cancel = m.Cancel(call=CALL, reason=m.CancelReason.CANCELLED)
    assert alice.hears(m.Accept(call=CALL)) == [do.Send(BOB, PHONE, cancel)]
    assert alice.hears(m.Hangup(call=CALL)) == []  # their last word needs none of ours


def test_a_callee_that_hung_up_before_its_accept_arrived() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP)
    effects = alice.hears(m.Hangup(call=CALL))
    assert ended(effects) is EndReason.PEER_HUNG_UP
    assert isinstance(sent(effects, LAPTOP)[0], m.Cancel)


def test_no_more_devices_ring_than_the_bound() -> None:
    alice = Phone()
    alice.dials()
    invites = [alice.does(on.DeviceReady(CALL, on.Device(f"d{i}"))) for i in range(20)]
    assert sum(bool(sent(effects)) for effects in invites) == 8


def test_impossible_wishes_are_refused_and_change_nothing() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    before = (alice.line.calls, alice.line.next_timeout)
    for wish in (
        on.Dial(HIGH, ALICE, BOTH, early_media=False),
        on.Dial(CALL, CAROL, BOTH, early_media=False),
        on.Dial(on.CallId(b"short"), CAROL, BOTH, early_media=False),
        on.Dial(HIGH, CAROL, frozenset(), early_media=False),
        on.AcceptCall(CALL, AUDIO),
        on.AcceptCall(HIGH, AUDIO),
        on.DeclineCall(CALL),
        on.SilenceCall(CALL),
        on.HangUp(HIGH),
    ):
        with pytest.raises(CallRefused):
            alice.does(wish)
    with pytest.raises(AlreadyInCall):
        alice.dials(HIGH)
    assert (alice.line.calls, alice.line.next_timeout) == before


def test_hanging_up_twice_is_no_mistake() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    alice.does(on.HangUp(CALL))
    assert alice.does(on.HangUp(CALL)) == []


def test_a_line_written_on_declining_comes_with_the_end() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    effects = alice.hears(m.Decline(call=CALL, note="Later?"), PHONE)
    assert of(effects, do.EndOfCall)[0].said == "Later?"


STOPPED = m.Hangup(call=CALL, reason=m.HangupReason.SHUTDOWN)


def test_the_only_device_is_stopped_while_it_rings_and_the_caller_knows_at_once() -> None:
    alice = Phone()
    alice.rings_at(PHONE, early=True)
    effects = alice.hears(STOPPED)
    assert ended(effects) is EndReason.SHUTDOWN
    assert of(effects, do.CloseMedia) == [do.CloseMedia(CALL, PHONE, 0)]
    assert sent(effects) == []


def test_one_of_two_devices_is_stopped_while_both_ring_and_the_other_rings_on() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP)
    assert sent(alice.hears(STOPPED)) == []
    assert alice.state() is State.RINGING_OUT
    assert alice.does(on.DeviceReady(CALL, PHONE)) == [], "it is going, though still found"
    alice.hears(m.Accept(call=CALL), LAPTOP)
    assert alice.state() is State.CONNECTING


def test_a_device_is_stopped_while_others_are_looked_for_which_then_ring() -> None:
    alice = Phone()
    alice.dials()
    alice.does(on.DeviceReady(CALL, PHONE))
    alice.hears(m.Ringing(call=CALL))
    assert ended(alice.hears(STOPPED)) is None
    assert alice.state() is State.DIALING
    assert sent(alice.does(on.DeviceReady(CALL, LAPTOP))) == [m.Invite(call=CALL)]


def test_a_device_is_stopped_while_others_are_looked_for_in_vain() -> None:
    alice = Phone()
    alice.dials()
    alice.does(on.DeviceReady(CALL, PHONE))
    alice.hears(m.Ringing(call=CALL))
    alice.hears(STOPPED)
    assert ended(alice.does(on.SearchEnded(CALL))) is EndReason.SHUTDOWN


def test_a_device_is_stopped_and_the_other_whose_channel_was_lost_is_looked_for() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP)
    alice.does(on.DeviceLost(BOB, LAPTOP))
    assert of(alice.hears(STOPPED), do.FindDevices) == [do.FindDevices(CALL, BOB)]
    assert alice.state() is State.DIALING
