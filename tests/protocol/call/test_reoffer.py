"""Media that fails or moves in mid-call: re-offers, collisions, candidates. Alice is polite."""

from __future__ import annotations

import pytest

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.authentication import Nonces, StringDoubt
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.wire import messages as m
from tests.protocol.call.phone import (
    ALICE,
    ANSWER,
    BOB,
    BOTH,
    CALL,
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

ICE = (m.Candidate(candidate="candidate:1 1 udp 1 192.0.2.1 9 typ host"),)


@pytest.fixture
def alice() -> Phone:
    phone = Phone()
    phone.talks()
    return phone


def offered(phone: Phone, generation: int) -> list[do.Effect]:
    return phone.does(on.OfferReady(CALL, PHONE, generation, OFFER, NONCE))


def test_a_lost_path_is_replaced_and_then_closed(alice: Phone) -> None:
    lost = alice.does(on.MediaPathLost(CALL, PHONE, 0))
    assert alice.state() is State.RECONNECTING
    assert of(lost, do.MakeOffer) == [do.MakeOffer(CALL, PHONE, 2, BOTH)]
    assert offered(alice, 2) == [
        do.Send(
            BOB, PHONE, m.Renegotiate(call=CALL, generation=2, sdp=OFFER, commitment=commits(2))
        ),
        do.Attach(CALL, PHONE, 2, BOTH),
    ]
    assert alice.hears(m.Answer(call=CALL, generation=2, sdp=ANSWER, nonce=THEIRS)) == [
        do.TakeAnswer(CALL, PHONE, 2, ANSWER),
        do.Send(BOB, PHONE, m.Reveal(call=CALL, generation=2, nonce=NONCE)),
        do.Authenticate(CALL, PHONE, 2, Nonces(offerer=NONCE, answerer=THEIRS)),
    ]
    back = alice.does(on.MediaConnected(CALL, PHONE, 2))
    assert of(back, do.CloseMedia) == [do.CloseMedia(CALL, PHONE, 0)]
    assert alice.state() is State.CONNECTED


def test_a_new_network_is_moved_to_while_the_old_path_still_plays(alice: Phone) -> None:
    moved = alice.does(on.RestartMedia(CALL))
    assert alice.state() is State.RECONNECTING
    assert of(moved, do.CloseMedia) == []
    offered(alice, 2)
    alice.hears(m.Answer(call=CALL, generation=2, sdp=ANSWER))
    assert of(alice.does(on.MediaConnected(CALL, PHONE, 2)), do.CloseMedia)


def test_a_re_offer_of_the_peer_does_not_interrupt(alice: Phone) -> None:
    effects = alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER))
    assert effects == [do.MakeAnswer(CALL, PHONE, 3, BOTH, OFFER)]
    effects = alice.does(on.AnswerReady(CALL, PHONE, 3, ANSWER, NONCE))
    assert sent(effects) == [m.Answer(call=CALL, generation=3, sdp=ANSWER)]
    assert of(effects, do.Attach) == [do.Attach(CALL, PHONE, 3, BOTH)]
    assert alice.does(on.MediaConnected(CALL, PHONE, 3)) == [do.CloseMedia(CALL, PHONE, 0)]
    assert alice.state() is State.CONNECTED


def test_the_polite_side_yields_when_offers_cross(alice: Phone) -> None:
    alice.does(on.RestartMedia(CALL))
    offered(alice, 2)
    yielded = alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER))
    assert yielded == [
        do.CloseMedia(CALL, PHONE, 2),
        do.MakeAnswer(CALL, PHONE, 3, BOTH, OFFER),
    ]
    assert alice.hears(m.Answer(call=CALL, generation=2, sdp=ANSWER)) == []


def test_the_impolite_side_ignores_the_offer_that_crossed_its_own() -> None:
    bob = Phone(BOB)
    bob.talks()
    assert of(bob.does(on.RestartMedia(CALL)), do.MakeOffer)[0].generation == 3
    offered(bob, 3)
    assert bob.hears(m.Renegotiate(call=CALL, generation=2, sdp=OFFER)) == []
    assert of(bob.hears(m.Answer(call=CALL, generation=3, sdp=ANSWER)), do.TakeAnswer)


def test_an_offer_heard_twice_is_answered_twice_and_opened_once(alice: Phone) -> None:
    alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER))
    assert alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER)) == []
    answered = alice.does(on.AnswerReady(CALL, PHONE, 3, ANSWER, NONCE))
    again = alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER))
    assert sent(again) == sent(answered)
    assert of(again, do.MakeAnswer) == []


def test_a_path_that_comes_back_by_itself_is_kept(alice: Phone) -> None:
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    assert alice.state() is State.CONNECTED


def test_re_offers_are_repeated_with_pauses_for_45_seconds_and_no_longer(alice: Phone) -> None:
    began = alice.now
    effects = alice.does(on.MediaPathLost(CALL, PHONE, 0))
    generations: list[int] = []
    while ended(effects) is None:
        offers = of(effects, do.MakeOffer)
        generations += [offer.generation for offer in offers]
        for offer in offers:
            alice.does(on.MediaFailed(CALL, PHONE, offer.generation))
        assert alice.line.next_timeout is not None
        effects = alice.wait(alice.line.next_timeout - alice.now)
    assert ended(effects) is EndReason.CONNECTION_LOST
    assert sent(effects) == [m.Hangup(call=CALL, reason=m.HangupReason.CONNECTION_LOST)]
    assert alice.now - began == pytest.approx(45)
    assert generations == sorted(set(generations))
    assert len(generations) == 23


def test_an_unanswered_re_offer_is_replaced(alice: Phone) -> None:
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    offered(alice, 2)
    effects = alice.wait(10)
    assert of(effects, do.CloseMedia) == [do.CloseMedia(CALL, PHONE, 2)]
    assert of(effects, do.MakeOffer) == [do.MakeOffer(CALL, PHONE, 4, BOTH)]


def test_the_next_one_is_given_more_time_lest_re_offers_keep_each_other_from_connecting(
    alice: Phone,
) -> None:
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    offered(alice, 2)
    assert of(alice.wait(timing.OFFER_PATIENCE), do.MakeOffer) != []
    offered(alice, 4)
    assert of(alice.wait(timing.OFFER_PATIENCE), do.MakeOffer) == []
    assert of(alice.wait(timing.OFFER_PATIENCE), do.MakeOffer) != []


def test_a_move_that_leads_nowhere_keeps_the_old_path(alice: Phone) -> None:
    alice.does(on.RestartMedia(CALL))
    effects = alice.wait(45)
    assert ended(effects) is None
    assert alice.state() is State.CONNECTED


@pytest.mark.parametrize("outgoing", [True, False])
def test_a_first_failure_is_tried_again_a_second_one_is_told(outgoing: bool) -> None:
    alice = Phone()
    if outgoing:
        alice.rings_at(PHONE, early=True)
        alice.hears(m.Accept(call=CALL))
    else:
        alice.is_rung(early=True)
        alice.does(on.AcceptCall(CALL, BOTH))
    again = alice.does(on.MediaFailed(CALL, PHONE, 0))
    assert of(again, do.MakeOffer) == [do.MakeOffer(CALL, PHONE, 2, BOTH)]
    over = alice.does(on.MediaFailed(CALL, PHONE, 2))
    assert sent(over) == [m.Hangup(call=CALL, reason=m.HangupReason.MEDIA_FAILED)]
    assert ended(over) is EndReason.MEDIA_FAILED


def test_media_that_failed_while_ringing_is_offered_anew_on_accept() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    assert alice.does(on.MediaFailed(CALL, PHONE, 0)) == [do.CloseMedia(CALL, PHONE, 0)]
    assert alice.state() is State.RINGING_IN
    assert of(alice.does(on.AcceptCall(CALL, BOTH)), do.MakeOffer)


def test_a_path_lost_while_ringing_is_offered_anew_on_accept() -> None:
    alice = Phone()
    alice.rings_at(PHONE, early=True)
    alice.hears(m.Answer(call=CALL, sdp=ANSWER))
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    alice.does(on.MediaPathLost(CALL, PHONE, 0))
    assert of(alice.hears(m.Accept(call=CALL)), do.MakeOffer) == [
        do.MakeOffer(CALL, PHONE, 2, BOTH)
    ]


def test_no_media_within_20_seconds_of_accepting() -> None:
    alice = Phone()
    alice.is_rung(early=True)
    alice.does(on.AcceptCall(CALL, BOTH))
    assert alice.wait(19.9) == []
    assert ended(alice.wait(0.1)) is EndReason.MEDIA_FAILED


def test_candidates_wait_for_the_answer_and_keep_their_order() -> None:
    alice = Phone()
    alice.rings_at(PHONE, early=True)
    assert alice.hears(m.Candidates(call=CALL, candidates=ICE)) == []
    assert alice.hears(m.Candidates(call=CALL, candidates=ICE * 2, end=True)) == []
    assert alice.hears(m.Answer(call=CALL, sdp=ANSWER)) == [
        do.TakeAnswer(CALL, PHONE, 0, ANSWER),
        do.Authenticate(CALL, PHONE, 0, StringDoubt.MISSING),
        do.TakeCandidates(CALL, PHONE, 0, ICE, False),
        do.TakeCandidates(CALL, PHONE, 0, ICE * 2, True),
    ]
    assert of(alice.hears(m.Candidates(call=CALL, candidates=ICE)), do.TakeCandidates)


def test_candidates_of_an_old_generation_are_late(alice: Phone) -> None:
    alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER))
    alice.does(on.AnswerReady(CALL, PHONE, 3, ANSWER, NONCE))
    alice.does(on.MediaConnected(CALL, PHONE, 3))
    assert alice.hears(m.Candidates(call=CALL, generation=0, candidates=ICE)) == []
    assert alice.hears(m.Candidates(call=CALL, generation=2, candidates=ICE)) == []


def test_our_candidates_follow_our_description() -> None:
    alice = Phone()
    alice.dials(early=True)
    alice.does(on.DeviceReady(CALL, PHONE))
    alice.hears(m.Ringing(call=CALL))
    ready = on.CandidatesReady(CALL, PHONE, 0, ICE, end=False)
    assert alice.does(ready) == []
    effects = alice.does(on.OfferReady(CALL, PHONE, 0, OFFER, NONCE))
    assert sent(effects) == [
        m.Renegotiate(call=CALL, sdp=OFFER, commitment=commits()),
        m.Candidates(call=CALL, candidates=ICE),
    ]
    last = on.CandidatesReady(CALL, PHONE, 0, (), end=True)
    assert sent(alice.does(last)) == [m.Candidates(call=CALL, end=True)]


def test_many_candidates_of_ours_are_sent_in_several_messages() -> None:
    alice = Phone()
    alice.rings_at(PHONE, early=True)
    effects = alice.does(on.CandidatesReady(CALL, PHONE, 0, ICE * 100, end=True))
    assert [(len(c.candidates), c.end) for c in sent(effects)] == [(64, False), (36, True)]


def test_a_flood_of_candidates_is_cut_off() -> None:
    alice = Phone()
    alice.rings_at(PHONE, early=True)
    for generation in (0, *range(2, 100, 2)):
        for _ in range(50):
            alice.hears(m.Candidates(call=CALL, generation=generation, candidates=ICE * 64))
    early = alice.line._calls[CALL]._call.legs[PHONE]._early
    assert len(early) <= 2
    alice.hears(m.Answer(call=CALL, sdp=ANSWER))
    for _ in range(50):
        effects = alice.hears(m.Candidates(call=CALL, candidates=ICE * 64))
    assert effects == []


def test_generations_that_are_used_up_end_the_call(alice: Phone) -> None:
    alice.hears(m.Renegotiate(call=CALL, generation=65_535, sdp=OFFER))
    assert ended(alice.does(on.RestartMedia(CALL))) is EndReason.MEDIA_FAILED


def test_muting_is_told_when_it_changes() -> None:
    alice = Phone()
    alice.is_rung()
    mute = on.SetMedia(CALL, muted=True, camera_off=False, sharing=False)
    assert alice.does(mute) == []
    muted = m.MediaState(call=CALL, muted=True)
    assert sent(alice.does(on.AcceptCall(CALL, BOTH))) == [m.Accept(call=CALL), muted]
    assert alice.does(mute) == []
    heard = m.MediaState(call=CALL, sharing=True)
    assert alice.hears(heard) == [do.PeerMedia(CALL, heard)]
    assert alice.hears(heard) == []
    assert alice.line.calls[0].peer_media == heard


@pytest.mark.parametrize("me", [ALICE, BOB])
def test_both_restarting_at_once_use_generations_of_their_own(me: on.Identity) -> None:
    phone = Phone(me)
    phone.talks()
    phone.does(on.RestartMedia(CALL))
    again = of(phone.does(on.RestartMedia(CALL)), do.MakeOffer)
    assert [offer.generation for offer in again] == [4 if me == ALICE else 5]


def test_a_storm_of_offers_is_taken_at_a_bounded_rate_and_the_last_one_counts(alice: Phone) -> None:
    """Each costs a peer connection, with its sockets and relays."""
    taken = []
    for round_ in range(1, 401):  # 40 a second
        effects = alice.hears(m.Renegotiate(call=CALL, generation=2 * round_ + 1, sdp=OFFER))
        taken += of(effects, do.MakeAnswer)
        taken += of(alice.wait(0.025), do.MakeAnswer)
    assert len(taken) <= timing.OFFERS_AT_ONCE + 10 / timing.OFFER_EVERY + 1
    late = of(alice.wait(timing.OFFER_EVERY), do.MakeAnswer)
    assert [effect.generation for effect in late] == [801]
    assert of(alice.wait(timing.OFFER_EVERY), do.MakeAnswer) == []


def test_a_few_offers_at_once_are_taken_as_they_come(alice: Phone) -> None:
    for round_ in range(1, timing.OFFERS_AT_ONCE + 1):
        effects = alice.hears(m.Renegotiate(call=CALL, generation=2 * round_ + 1, sdp=OFFER))
        assert len(of(effects, do.MakeAnswer)) == 1


def test_that_there_are_no_more_candidates_is_told_to_the_session_once(alice: Phone) -> None:
    alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER))
    alice.does(on.AnswerReady(CALL, PHONE, 3, ANSWER, NONCE))
    end = m.Candidates(call=CALL, generation=3, candidates=(), end=True)
    assert len(of(alice.hears(end), do.TakeCandidates)) == 1
    assert of(alice.hears(end), do.TakeCandidates) == []
