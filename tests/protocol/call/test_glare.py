"""Both dial at once: the story. Every order of it, on two machines, is in test_two_machines.py."""

from __future__ import annotations

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.wire import messages as m
from tests.protocol.call.phone import (
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
    Phone,
    ended,
    of,
    sent,
)


def test_the_greater_id_wins_and_is_accepted_without_asking() -> None:
    alice = Phone()
    alice.rings_at(PHONE, LAPTOP, early=True)
    effects = alice.hears(m.Invite(call=HIGH, sdp=OFFER), early=True)
    superseded = m.Cancel(call=CALL, reason=m.CancelReason.SUPERSEDED)
    assert sent(effects, PHONE) == [m.Accept(call=HIGH), superseded]
    assert sent(effects, LAPTOP) == [superseded]
    assert of(effects, do.MakeAnswer) == [do.MakeAnswer(HIGH, PHONE, 0, BOTH, OFFER)]
    assert len(of(effects, do.CloseMedia)) == 2
    assert ended(effects) is EndReason.SUPERSEDED
    assert [call.call for call in alice.line.calls] == [HIGH]


def test_the_lesser_id_never_rings() -> None:
    alice = Phone()
    alice.dials()
    alice.does(on.DeviceReady(CALL, PHONE))
    assert alice.hears(m.Invite(call=LOW)) == []
    assert alice.hears(m.Cancel(call=LOW, reason=m.CancelReason.SUPERSEDED)) == []
    assert [call.call for call in alice.line.calls] == [CALL]


def test_a_device_that_has_our_call_and_dials_all_the_same_is_accepted() -> None:
    """It hid that it was busy: it will never accept ours, whatever the ids say."""
    alice = Phone()
    alice.rings_at(PHONE)
    effects = alice.hears(m.Invite(call=LOW))
    assert sent(effects)[0] == m.Accept(call=LOW)
    assert ended(effects) is EndReason.SUPERSEDED


def test_an_invite_from_a_device_not_found_yet_shows_where_to_ring() -> None:
    alice = Phone()
    alice.dials()
    assert sent(alice.hears(m.Invite(call=LOW))) == [m.Invite(call=CALL)]
    assert alice.does(on.DeviceReady(CALL, PHONE)) == []


def test_the_winner_is_accepted_with_the_media_the_loser_was_dialled_with() -> None:
    alice = Phone()
    alice.does(on.Dial(CALL, BOB, AUDIO, early_media=False))
    effects = alice.hears(m.Invite(call=HIGH))
    assert sent(effects) == [m.Accept(call=HIGH, kinds=(m.Kind.AUDIO,))]


def test_dialling_somebody_who_rings_us_takes_their_call() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    effects = alice.dials(HIGH)
    assert sent(effects) == [m.Accept(call=CALL)]
    assert effects[-1] == do.EndOfCall(HIGH, BOB, True, EndReason.SUPERSEDED)
    assert alice.state() is State.CONNECTED


def test_an_invite_that_lost_and_comes_after_the_accept_is_no_missed_call() -> None:
    alice = Phone()
    alice.talks()
    alice.wait(1)
    effects = alice.hears(m.Invite(call=LOW, age_ms=1500))
    assert sent(effects) == [m.Decline(call=LOW, reason=m.DeclineReason.BUSY)]
    assert ended(effects) is None
    assert alice.state() is State.CONNECTED


def test_a_peer_that_gave_up_our_call_and_calls_back_is_not_told_that_we_are_busy() -> None:
    """They lost the connection and dialled anew; we had not noticed yet."""
    alice = Phone()
    alice.talks()
    alice.wait(3)
    effects = alice.hears(m.Invite(call=LOW))
    assert ended(effects) is EndReason.PEER_HUNG_UP
    assert m.Ringing(call=LOW) in sent(effects)
    assert alice.state(LOW) is State.RINGING_IN


def test_a_third_person_is_no_glare() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    effects = alice.hears(m.Invite(call=HIGH), peer=CAROL)
    assert ended(effects) is EndReason.BUSY
    assert alice.state() is State.RINGING_OUT


def test_glare_with_a_device_of_ours_that_did_not_dial() -> None:
    """Bob dialled Alice on all her devices; only one of them had dialled too."""
    idle = Phone()
    idle.is_rung(CALL)
    elsewhere = m.Cancel(call=CALL, reason=m.CancelReason.ANSWERED_ELSEWHERE)
    assert ended(idle.hears(elsewhere)) is EndReason.ANSWERED_ELSEWHERE


def test_the_person_at_the_loser_may_hang_up_the_winner() -> None:
    alice = Phone()
    alice.rings_at(PHONE)
    alice.hears(m.Invite(call=HIGH, sdp=OFFER))
    alice.does(on.AnswerReady(HIGH, PHONE, 0, ANSWER, NONCE))
    assert alice.does(on.HangUp(CALL)) == []
    assert sent(alice.does(on.HangUp(HIGH))) == [m.Hangup(call=HIGH)]
    assert alice.line.calls == ()
