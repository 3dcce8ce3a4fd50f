"""Being called, up to the moment media flows."""

from __future__ import annotations

import pytest

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.authentication import Nonces
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.call.errors import CallRefused, UnknownCall
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.call.node_calls import CallSettings
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.messages import CallId, RingState
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
    LOW,
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


def test_an_early_media_call_from_ringing_to_talking() -> None:
    alice = Phone()
    rung = do.CallChanged(CALL, BOB, State.RINGING_IN, outgoing=False, kinds=BOTH, device=PHONE)
    invite = m.Invite(call=CALL, sdp=OFFER, commitment=commits(0, THEIRS))
    assert alice.hears(invite, early=True) == [
        do.Send(BOB, PHONE, m.Ringing(call=CALL, state=RingState.DELIVERED)),
        do.MakeAnswer(CALL, PHONE, 0, BOTH, OFFER),
        rung,
    ]
    assert sent(alice.does(on.Alerting(CALL))) == [m.Ringing(call=CALL, state=RingState.ALERTING)]
    assert alice.does(on.AnswerReady(CALL, PHONE, 0, ANSWER, NONCE)) == [
        do.Send(BOB, PHONE, m.Answer(call=CALL, sdp=ANSWER, nonce=NONCE))
    ]
    assert alice.hears(m.Reveal(call=CALL, nonce=THEIRS)) == [
        do.Authenticate(CALL, PHONE, 0, Nonces(offerer=THEIRS, answerer=NONCE))
    ]
    assert alice.does(on.MediaConnected(CALL, PHONE, 0)) == []
    assert alice.does(on.AcceptCall(CALL, AUDIO)) == [
        do.Send(BOB, PHONE, m.Accept(call=CALL, kinds=(m.Kind.AUDIO,))),
        do.Attach(CALL, PHONE, 0, AUDIO),
        do.CallChanged(CALL, BOB, State.CONNECTED, outgoing=False, kinds=BOTH, device=PHONE),
    ]


def test_where_somebody_is_there_to_notice_it_rings_at_once() -> None:
    alice = Phone(settings=CallSettings(alerts=True))
    alerting = m.Ringing(call=CALL, state=RingState.ALERTING)
    assert sent(alice.hears(m.Invite(call=CALL))) == [alerting]
    assert alice.does(on.Alerting(CALL)) == []
    assert sent(alice.hears(m.Invite(call=CALL))) == [alerting]


def test_nothing_of_ours_is_gathered_before_accepting_a_stranger() -> None:
    alice = Phone()
    assert of(alice.is_rung(), do.MakeAnswer) == []
    alice.hears(m.Candidates(call=CALL, candidates=(m.Candidate(candidate="c"),), end=True))
    accepted = alice.does(on.AcceptCall(CALL, BOTH))
    assert sent(accepted) == [m.Accept(call=CALL)]
    assert of(accepted, do.MakeAnswer) == [do.MakeAnswer(CALL, PHONE, 0, BOTH, OFFER)]
    assert of(accepted, do.Attach) == []
    answered = alice.does(on.AnswerReady(CALL, PHONE, 0, ANSWER, NONCE))
    assert sent(answered) == [m.Answer(call=CALL, sdp=ANSWER, nonce=NONCE)]
    assert len(of(answered, do.TakeCandidates)) == 1
    assert of(answered, do.Attach) == [do.Attach(CALL, PHONE, 0, BOTH)]
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    assert alice.state() is State.CONNECTED


def test_an_offer_that_follows_its_invite_is_answered_while_it_rings() -> None:
    alice = Phone()
    alice.hears(m.Invite(call=CALL), early=True)
    assert alice.hears(m.Renegotiate(call=CALL, generation=0, sdp=OFFER), early=True) == [
        do.MakeAnswer(CALL, PHONE, 0, BOTH, OFFER)
    ]
    alice.does(on.AnswerReady(CALL, PHONE, 0, ANSWER, NONCE))
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    assert alice.state() is State.RINGING_IN
    alice.does(on.AcceptCall(CALL, BOTH))
    assert alice.state() is State.CONNECTED


def test_an_offer_that_follows_its_invite_waits_for_the_accept_of_a_stranger() -> None:
    alice = Phone()
    alice.hears(m.Invite(call=CALL))
    assert alice.hears(m.Renegotiate(call=CALL, generation=0, sdp=OFFER)) == []
    later = m.Renegotiate(call=CALL, generation=3, sdp=OFFER + " again")
    assert alice.hears(later) == []
    accepted = alice.does(on.AcceptCall(CALL, BOTH))
    assert of(accepted, do.MakeAnswer) == [do.MakeAnswer(CALL, PHONE, 3, BOTH, OFFER + " again")]


def test_a_call_accepted_before_its_offer_came_is_answered_when_it_does() -> None:
    alice = Phone()
    alice.hears(m.Invite(call=CALL), early=True)
    assert of(alice.does(on.AcceptCall(CALL, BOTH)), do.MakeAnswer) == []
    offered = alice.hears(m.Renegotiate(call=CALL, generation=0, sdp=OFFER))
    assert offered == [do.MakeAnswer(CALL, PHONE, 0, BOTH, OFFER)]


def test_an_offer_lost_with_its_channel_comes_with_the_invite_that_is_said_again() -> None:
    alice = Phone()
    alice.hears(m.Invite(call=CALL), early=True)
    alice.does(on.DeviceLost(BOB, PHONE))
    again = alice.hears(m.Invite(call=CALL, sdp=OFFER), early=True)
    assert of(again, do.MakeAnswer) == [do.MakeAnswer(CALL, PHONE, 0, BOTH, OFFER)]


def test_declining() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    assert alice.does(on.DeclineCall(CALL)) == [
        do.Send(BOB, PHONE, m.Decline(call=CALL)),
        do.CloseMedia(CALL, PHONE, 0),
        do.EndOfCall(CALL, BOB, False, EndReason.DECLINED),
    ]


def test_silencing_is_told_and_the_call_can_still_be_taken() -> None:
    alice = Phone()
    alice.is_rung()
    alice.does(on.Alerting(CALL))
    silenced = m.Ringing(call=CALL, state=RingState.SILENCED)
    assert sent(alice.does(on.SilenceCall(CALL))) == [silenced]
    assert alice.does(on.Alerting(CALL)) == []
    alice.does(on.AcceptCall(CALL, BOTH))
    assert alice.state() is State.CONNECTING


def test_nobody_takes_it_in_time() -> None:
    alice = Phone()
    alice.hears(m.Invite(call=CALL, age_ms=5000))
    assert alice.wait(39.9) == []
    over = alice.wait(0.1)
    assert sent(over) == [m.Decline(call=CALL, reason=m.DeclineReason.NO_ANSWER)]
    assert ended(over) is EndReason.MISSED


@pytest.mark.parametrize(
    ("reason", "ringing", "accepted"),
    [
        (m.CancelReason.CANCELLED, EndReason.MISSED, EndReason.PEER_HUNG_UP),
        (m.CancelReason.NO_ANSWER, EndReason.MISSED, EndReason.PEER_HUNG_UP),
        (m.CancelReason.ANSWERED_ELSEWHERE,) + (EndReason.ANSWERED_ELSEWHERE,) * 2,
        (m.CancelReason.SUPERSEDED,) + (EndReason.SUPERSEDED,) * 2,
    ],
)
def test_a_cancel_ends_the_call_even_if_it_crossed_our_accept(
    reason: m.CancelReason, ringing: EndReason, accepted: EndReason
) -> None:
    alice = Phone()
    alice.is_rung()
    assert ended(alice.hears(m.Cancel(call=CALL, reason=reason))) is ringing
    alice.is_rung(HIGH, early=True)
    alice.does(on.AcceptCall(HIGH, BOTH))
    effects = alice.hears(m.Cancel(call=HIGH, reason=reason))
    assert ended(effects) is accepted
    assert of(effects, do.CloseMedia) == [do.CloseMedia(HIGH, PHONE, 0)]


def test_a_cancel_that_overtook_its_invite_keeps_it_from_ringing() -> None:
    alice = Phone()
    assert alice.hears(m.Cancel(call=CALL)) == []
    assert alice.hears(m.Invite(call=CALL)) == []


def test_a_late_invite_does_not_ring() -> None:
    assert Phone().hears(m.Invite(call=CALL, age_ms=45_000)) == []


def test_a_replayed_invite_does_not_ring_again() -> None:
    alice = Phone()
    alice.is_rung()
    alice.does(on.DeclineCall(CALL))
    for _ in range(3):
        assert alice.hears(m.Invite(call=CALL)) == [do.Send(BOB, PHONE, m.Decline(call=CALL))]
    # nor for somebody else who got hold of the id
    assert alice.hears(m.Invite(call=CALL), peer=CAROL) == []


def test_an_invite_repeated_while_it_rings_is_answered_but_rings_once() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    alice.does(on.Alerting(CALL))
    assert alice.hears(m.Invite(call=CALL, sdp=OFFER), early=True) == [
        do.Send(BOB, PHONE, m.Ringing(call=CALL, state=RingState.ALERTING)),
        do.Send(BOB, PHONE, m.Answer(call=CALL, sdp=ANSWER, nonce=NONCE)),
    ]


def test_the_memory_of_calls_is_bounded() -> None:
    alice = Phone()
    for n in range(2000):
        alice.hears(m.Cancel(call=m.CallId(n.to_bytes(16))))
    assert len(alice.line._over) == 256


def test_busy_is_told() -> None:
    alice = Phone()
    alice.talks()
    effects = alice.hears(m.Invite(call=HIGH), LAPTOP, peer=CAROL)
    assert effects == [
        do.Send(CAROL, LAPTOP, m.Decline(call=HIGH, reason=m.DeclineReason.BUSY)),
        do.EndOfCall(HIGH, CAROL, False, EndReason.BUSY),
    ]
    assert alice.state() is State.CONNECTED


def test_a_line_for_two_is_busy_for_the_third_and_free_when_one_has_gone() -> None:
    alice, dora = Phone(at_once=2), Identity(b"d" * 32)
    alice.hears(m.Invite(call=LOW))
    alice.hears(m.Invite(call=CALL), peer=CAROL)
    assert ended(alice.hears(m.Invite(call=HIGH), peer=dora)) is EndReason.BUSY
    assert {call.peer for call in alice.line.calls} == {BOB, CAROL}
    assert ended(alice.hears(m.Cancel(call=LOW))) is EndReason.MISSED
    alice.hears(m.Invite(call=CallId(b"\x0a" * 16)), peer=dora)
    assert {call.peer for call in alice.line.calls} == {CAROL, dora}


def test_a_ringing_call_makes_the_line_busy() -> None:
    alice = Phone()
    alice.is_rung()
    assert ended(alice.hears(m.Invite(call=HIGH), peer=CAROL)) is EndReason.BUSY


def test_a_second_device_of_the_person_we_talk_to_is_no_missed_call() -> None:
    alice = Phone()
    alice.talks()
    effects = alice.hears(m.Invite(call=HIGH), LAPTOP)
    assert sent(effects) == [m.Decline(call=HIGH, reason=m.DeclineReason.BUSY)]
    assert ended(effects) is None


def test_a_second_device_of_the_person_who_rings_does_not_stop_either_call() -> None:
    alice = Phone()
    alice.is_rung()
    effects = alice.hears(m.Invite(call=HIGH), LAPTOP)
    assert effects == [do.Send(BOB, LAPTOP, m.Ringing(call=HIGH, state=RingState.DELIVERED))]
    assert alice.state() is State.RINGING_IN


def test_a_new_call_from_the_same_device_means_that_it_gave_up_the_old_one() -> None:
    alice = Phone()
    alice.talks(outgoing=False)
    effects = alice.hears(m.Invite(call=HIGH))
    assert ended(effects) is EndReason.PEER_HUNG_UP
    assert alice.state(HIGH) is State.RINGING_IN


def test_a_person_whose_node_restarted_may_ring_again_while_we_still_look_for_them() -> None:
    alice = Phone()
    alice.talks()
    alice.does(on.DeviceLost(BOB, PHONE))
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    alice.hears(m.Invite(call=HIGH), LAPTOP)
    assert (alice.state(CALL), alice.state(HIGH)) == (State.RECONNECTING, State.RINGING_IN)
    assert ended(alice.does(on.AcceptCall(HIGH, BOTH))) is EndReason.CONNECTION_LOST
    assert alice.state(HIGH) is State.CONNECTING


def test_a_stopping_node_does_not_decline_for_the_other_devices() -> None:
    alice = Phone()
    alice.is_rung()
    effects = alice.does(on.HangUp(CALL, shutdown=True))
    stopped = m.Hangup(call=CALL, reason=m.HangupReason.SHUTDOWN)
    assert sent(effects) == [stopped], "of this device alone: no decline"
    assert ended(effects) is EndReason.SHUTDOWN
    assert sent(alice.is_rung()) == [stopped], "and again to who has not heard it"


def test_our_own_identity_cannot_ring_us() -> None:
    assert Phone().hears(m.Invite(call=CALL), peer=ALICE) == []


def test_answers_to_a_call_that_is_over_are_refused() -> None:
    alice = Phone()
    alice.is_rung()
    alice.hears(m.Cancel(call=CALL))
    for wish in (on.AcceptCall(CALL, BOTH), on.DeclineCall(CALL), on.SilenceCall(CALL)):
        with pytest.raises(UnknownCall):
            alice.does(wish)
    assert alice.does(on.Alerting(CALL)) == []
    alice.is_rung(LOW)
    with pytest.raises(CallRefused):
        alice.does(on.AcceptCall(LOW, frozenset()))
    assert alice.state(LOW) is State.RINGING_IN


def test_who_rings_again_and_again_is_told_busy_and_rings_no_more() -> None:
    phone = Phone()
    calls = [m.CallId(bytes([n]) * 16) for n in range(1, 9)]
    for call in calls[: timing.MAX_RINGS]:
        phone.hears(m.Invite(call=call))
    effects = phone.hears(m.Invite(call=calls[6]))
    busy = m.Decline(call=calls[6], reason=m.DeclineReason.BUSY)
    assert do.Send(BOB, PHONE, busy) in effects
    assert not [e for e in effects if isinstance(e, do.EndOfCall) and e.call == calls[6]]
    assert phone.line.calls == ()
    phone.wait(timing.RING_WINDOW + 1)
    phone.hears(m.Invite(call=calls[7]))
    assert [status.call for status in phone.line.calls] == [calls[7]]


def test_taking_a_call_forgives_the_rings_before_it() -> None:
    phone = Phone()
    for n in range(1, 3 * timing.MAX_RINGS):
        call = m.CallId(bytes([n]) * 16)
        phone.hears(m.Invite(call=call))
        if n % timing.MAX_RINGS == 0:
            phone.does(on.AcceptCall(call, AUDIO))
            phone.hears(m.Hangup(call=call))
            assert phone.line.calls == ()
    assert phone.line.calls
