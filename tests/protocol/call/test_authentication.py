"""The exchange of nonces: what it comes to in any order, and what a middle can do about it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call import timing
from onmeet_node.protocol.call.authentication import (
    NonceExchange,
    Nonces,
    StringAllowance,
    StringDoubt,
    commitment,
)
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.identity.safety import sas
from onmeet_node.protocol.wire import messages as m
from tests.examples import examples
from tests.protocol.call.phone import (
    ANSWER,
    BOB,
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

AGREED = Nonces(offerer=THEIRS, answerer=NONCE)


def exchange(*, ours: bool, generation: int = 0) -> NonceExchange:
    return NonceExchange(CALL, generation, StringAllowance(), ours=ours)


def answering() -> NonceExchange:
    """An offer of theirs, answered."""
    theirs = exchange(ours=False)
    theirs.offered(commits(0, THEIRS))
    theirs.answer(NONCE)
    return theirs


# ── what a peer may do wrong ────────────────────────────────────────────────────────────────────
def test_both_ends_have_the_same_nonces_and_the_offerer_shows_its_own_last() -> None:
    one, other = exchange(ours=True), exchange(ours=False)
    one.offer(NONCE)
    assert one.shown is None, "not before it is answered"
    other.offered(one.commitment)
    other.answer(THEIRS)
    one.answered(other.shown)
    assert one.shown == NONCE
    other.revealed(NONCE)
    assert one.outcome == other.outcome == Nonces(offerer=NONCE, answerer=THEIRS)


def test_a_commitment_never_revealed_gives_no_string() -> None:
    assert answering().outcome is None


def test_a_wrong_nonce_gives_no_string_even_if_the_right_one_follows() -> None:
    theirs = answering()
    theirs.revealed(b"x" * 16)
    theirs.revealed(THEIRS)
    assert theirs.outcome is StringDoubt.WRONG


def test_a_nonce_revealed_before_the_answer_gives_no_string() -> None:
    theirs = exchange(ours=False)
    theirs.offered(commits(0, THEIRS))
    theirs.revealed(THEIRS)
    theirs.answer(NONCE)
    assert theirs.outcome is StringDoubt.WRONG
    assert theirs.shown is None, "and ours is kept"


def test_a_nonce_revealed_twice_counts_once() -> None:
    theirs = answering()
    theirs.revealed(THEIRS)
    theirs.revealed(THEIRS)
    theirs.revealed(b"x" * 16)
    assert theirs.outcome == AGREED


def test_who_commits_to_nothing_or_shows_nothing_gets_no_string() -> None:
    theirs, ours = exchange(ours=False), exchange(ours=True)
    theirs.offered(None)
    theirs.answer(NONCE)
    ours.offer(NONCE)
    ours.answered(None)
    for one in (theirs, ours):
        assert one.outcome is StringDoubt.MISSING
        assert one.shown is None


def test_a_commitment_of_another_call_or_generation_is_none() -> None:
    of_other = commitment(b"\x09" * 16, 0, THEIRS), commitment(CALL, 2, THEIRS)
    for committed in of_other:
        theirs = exchange(ours=False)
        theirs.offered(committed)
        theirs.answer(NONCE)
        theirs.revealed(THEIRS)
        assert theirs.outcome is StringDoubt.WRONG


def test_a_commitment_said_again_differently_changes_nothing() -> None:
    theirs = answering()
    theirs.offered(commits(0, b"x" * 16))
    theirs.revealed(THEIRS)
    assert theirs.outcome == AGREED


def test_no_more_nonces_are_shown_in_a_call_than_there_are_guesses() -> None:
    allowance = StringAllowance()
    shown = 0
    for generation in range(2 * timing.MAX_STRINGS):
        theirs = NonceExchange(CALL, generation, allowance, ours=bool(generation % 2))
        if generation % 2:
            theirs.offer(NONCE)
            theirs.answered(THEIRS)
        else:
            theirs.offered(commits(generation, THEIRS))
            theirs.answer(NONCE)
        shown += theirs.shown is not None
    assert shown == timing.MAX_STRINGS
    assert theirs.outcome is StringDoubt.TOO_MANY


# ── any order, anything twice ───────────────────────────────────────────────────────────────────
@settings(max_examples=examples(200))
@given(
    st.lists(
        st.sampled_from(["offer", "offered", "answer", "answered", "revealed", "wrong"]),
        max_size=14,
    )
)
def test_whatever_comes_when_the_two_never_have_different_nonces(steps: list[str]) -> None:
    one, other = exchange(ours=True), exchange(ours=False)
    answered = False
    for step in steps:
        match step:
            case "offer":
                one.offer(NONCE)
            case "offered":
                other.offered(one.commitment)
            case "answer":
                other.answer(THEIRS)
                answered = True
            case "answered" if answered:
                one.answered(other.shown)
            case "revealed" if one.shown is not None:
                other.revealed(one.shown)
            case "wrong":
                other.revealed(b"x" * 16)
    made = [end.outcome for end in (one, other) if isinstance(end.outcome, Nonces)]
    assert made in ([], [made and made[0]], [made and made[0]] * 2)
    if isinstance(other.outcome, Nonces):
        assert one.outcome == other.outcome, "the answerer has it last"
    if one.shown is not None:
        assert other.shown is not None, "nobody shows theirs before the other is bound"


# ── in a call ───────────────────────────────────────────────────────────────────────────────────
def outcomes(effects: list[do.Effect]) -> list[Nonces | StringDoubt]:
    return [effect.outcome for effect in of(effects, do.Authenticate)]


def rung() -> Phone:
    """Rung by the peer, whose offer is answered and not yet followed by its nonce."""
    alice = Phone()
    alice.hears(m.Invite(call=CALL, sdp=OFFER, commitment=commits(0, THEIRS)), early=True)
    alice.does(on.AnswerReady(CALL, PHONE, 0, ANSWER, NONCE))
    return alice


def test_a_reveal_lost_with_its_channel_is_asked_for_by_the_answer() -> None:
    alice = rung()
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    alice.does(on.AcceptCall(CALL, m.Kind and frozenset(m.Kind)))
    alice.does(on.DeviceLost(BOB, PHONE))
    answer = m.Answer(call=CALL, sdp=ANSWER, nonce=NONCE)
    assert answer in sent(alice.does(on.DeviceReady(CALL, PHONE)))
    assert outcomes(alice.hears(m.Reveal(call=CALL, nonce=THEIRS))) == [AGREED]
    alice.does(on.DeviceLost(BOB, PHONE))
    assert answer not in sent(alice.does(on.DeviceReady(CALL, PHONE))), "all is said"


def test_an_answer_said_again_is_answered_by_the_reveal() -> None:
    alice = Phone()
    alice.rings_at(PHONE, early=True)
    answer = m.Answer(call=CALL, sdp=ANSWER, nonce=THEIRS)
    reveal = m.Reveal(call=CALL, nonce=NONCE)
    assert sent(alice.hears(answer)) == [reveal]
    assert alice.hears(answer) == [do.Send(BOB, PHONE, reveal)]
    other = m.Answer(call=CALL, sdp=ANSWER, nonce=b"x" * 16)
    assert outcomes(alice.hears(other)) == [], "what was said first counts"


def test_a_reveal_before_our_answer_is_ready_gives_no_string_and_the_call_goes_on() -> None:
    alice = Phone()
    alice.hears(m.Invite(call=CALL, sdp=OFFER, commitment=commits(0, THEIRS)), early=True)
    assert alice.hears(m.Reveal(call=CALL, nonce=THEIRS)) == []
    answered = alice.does(on.AnswerReady(CALL, PHONE, 0, ANSWER, NONCE))
    assert m.Answer(call=CALL, sdp=ANSWER) in sent(answered), "and ours is not shown"
    assert outcomes(answered) == [StringDoubt.WRONG]
    assert alice.state() is State.RINGING_IN


def test_a_wrong_reveal_is_told_once_and_the_call_goes_on() -> None:
    alice = rung()
    assert outcomes(alice.hears(m.Reveal(call=CALL, nonce=b"x" * 16))) == [StringDoubt.WRONG]
    assert alice.hears(m.Reveal(call=CALL, nonce=THEIRS)) == []
    assert alice.state() is State.RINGING_IN


def test_whoever_reveals_what_is_ours_to_reveal_broke_the_call() -> None:
    alice = Phone()
    alice.talks()
    assert ended(alice.hears(m.Reveal(call=CALL, nonce=NONCE))) is do.EndReason.PEER_ERROR


def test_a_reveal_of_a_generation_that_gave_way_is_late() -> None:
    alice = rung()
    alice.does(on.AcceptCall(CALL, frozenset(m.Kind)))
    alice.does(on.MediaConnected(CALL, PHONE, 0))
    alice.does(on.RestartMedia(CALL))
    alice.hears(m.Renegotiate(call=CALL, generation=3, sdp=OFFER, commitment=commits(3, THEIRS)))
    assert outcomes(alice.hears(m.Reveal(call=CALL, generation=3, nonce=THEIRS))) == []
    alice.does(on.AnswerReady(CALL, PHONE, 3, ANSWER, NONCE))
    alice.does(on.MediaConnected(CALL, PHONE, 3))
    assert alice.hears(m.Reveal(call=CALL, nonce=THEIRS)) == [], "of generation 0, closed"


def test_what_both_said_of_the_string_is_known_to_both_and_said_again() -> None:
    alice = Phone()
    alice.talks()
    pressed = alice.does(on.JudgeString(CALL, same=True))
    assert pressed == [
        do.Send(BOB, PHONE, m.StringChecked(call=CALL, same=True)),
        do.StringJudged(CALL, BOB, ours=True, theirs=None),
    ]
    assert alice.does(on.JudgeString(CALL, same=True)) == []
    heard = m.StringChecked(call=CALL, same=True)
    assert alice.hears(heard) == [do.StringJudged(CALL, BOB, ours=True, theirs=True)]
    assert alice.hears(heard) == []
    alice.does(on.DeviceLost(BOB, PHONE))
    assert heard in sent(alice.does(on.DeviceReady(CALL, PHONE)))


# ── a middle with keys of its own on both sides ─────────────────────────────────────────────────
SIZE = 100
"""Strings are compared by their last two digits here, so that a search has an end."""
GAMES = 1_500
KEYS = {"ann": b"A" * 32, "middle": b"M" * 32, "ben": b"B" * 32}
CERTIFICATES = {"ann": b"a" * 32, "middle": b"m" * 32, "ben": b"b" * 32}


def shown(person: str, offerer: bytes, answerer: bytes) -> int:
    """What this person sees, who talks to the middle."""
    keys = b"".join(sorted((KEYS[person], KEYS["middle"])))
    certificates = CERTIFICATES[person], CERTIFICATES["middle"]
    return int(sas(keys, *certificates, (offerer, answerer)).replace(" ", "")) % SIZE


class Side:
    """An honest person's end, which believes that the middle is the other one."""

    def __init__(self, person: str, dice: random.Random, *, offers: bool) -> None:
        self.person = person
        self._end = exchange(ours=offers)
        self._offers = offers
        self._nonce = dice.randbytes(16)
        if offers:
            self._end.offer(self._nonce)

    @property
    def string(self) -> int | None:
        nonces = self._end.outcome
        made = isinstance(nonces, Nonces)
        return shown(self.person, nonces.offerer, nonces.answerer) if made else None

    def answer(self, nonce: bytes) -> bytes:
        """The middle answers; what it is revealed."""
        self._end.answered(nonce)
        assert self._end.shown is not None
        return self._end.shown

    def offer(self, committed: bytes) -> bytes:
        """The middle offers; the nonce it is answered with."""
        self._end.offered(committed)
        self._end.answer(self._nonce)
        assert self._end.shown is not None
        return self._end.shown

    def reveal(self, nonce: bytes) -> None:
        self._end.revealed(nonce)


def searched(wanted: int, of: Callable[[bytes], int], dice: random.Random) -> bytes:
    """A nonce that gives the wanted string: found in no time where one may look for it."""
    while of(nonce := dice.randbytes(16)) != wanted:
        pass
    return nonce


def answers_both(dice: random.Random) -> bool:
    ann, ben = (Side(name, dice, offers=True) for name in ("ann", "ben"))
    ann.answer(dice.randbytes(16))
    assert ann.string is not None
    guess = dice.randbytes(16)  # of Ben's nonce, of which the hash is all there is
    ben.answer(searched(ann.string, lambda nonce: shown("ben", guess, nonce), dice))
    return ann.string == ben.string


def offers_to_one_first(dice: random.Random) -> bool:
    ann, ben = Side("ann", dice, offers=True), Side("ben", dice, offers=False)
    mine = dice.randbytes(16)
    theirs = ben.offer(commitment(CALL, 0, mine))
    wanted, guess = shown("ben", mine, theirs), dice.randbytes(16)
    ann.answer(searched(wanted, lambda nonce: shown("ann", guess, nonce), dice))
    ben.reveal(mine)
    return ann.string == ben.string


def answers_one_first(dice: random.Random) -> bool:
    ann, ben = Side("ann", dice, offers=True), Side("ben", dice, offers=False)
    ann.answer(dice.randbytes(16))
    assert ann.string is not None
    guess = dice.randbytes(16)
    mine = searched(ann.string, lambda nonce: shown("ben", nonce, guess), dice)
    ben.offer(commitment(CALL, 0, mine))
    ben.reveal(mine)
    return ann.string == ben.string


def offers_to_both(dice: random.Random) -> bool:
    ann, ben = (Side(name, dice, offers=False) for name in ("ann", "ben"))
    for side in (ann, ben):
        mine = dice.randbytes(16)
        side.offer(commitment(CALL, 0, mine))
        side.reveal(mine)
    return ann.string == ben.string


def reveals_another(dice: random.Random) -> bool:
    """Commits to one nonce, and reveals the one that would make the strings agree."""
    ann, ben = Side("ann", dice, offers=True), Side("ben", dice, offers=False)
    ann.answer(dice.randbytes(16))
    wanted = ann.string
    assert wanted is not None
    theirs = ben.offer(commitment(CALL, 0, dice.randbytes(16)))
    fits = searched(wanted, lambda nonce: shown("ben", nonce, theirs), dice)
    assert shown("ben", fits, theirs) == wanted, "without a commitment they would agree"
    ben.reveal(fits)
    assert ben.string is None
    return ann.string == ben.string


def test_without_a_commitment_a_middle_makes_the_strings_agree_each_time() -> None:
    dice = random.Random(1)
    for _ in range(50):
        ann, ben = dice.randbytes(16), dice.randbytes(16)  # shown with the offers
        wanted = shown("ann", ann, mine := dice.randbytes(16))
        fits = searched(wanted, lambda nonce, ben=ben: shown("ben", ben, nonce), dice)
        assert shown("ann", ann, mine) == shown("ben", ben, fits)


@pytest.mark.parametrize(
    "attack", [answers_both, offers_to_one_first, answers_one_first, offers_to_both]
)
def test_with_it_a_middle_has_one_guess(attack: Callable[[random.Random], bool]) -> None:
    dice = random.Random(2)
    games = GAMES if attack is offers_to_both else GAMES // 3
    hits = sum(attack(dice) for _ in range(games))
    expected = games / SIZE
    assert abs(hits - expected) < 4 * expected**0.5, (hits, expected)


def test_a_middle_that_reveals_what_it_found_later_gets_no_string_at_all() -> None:
    dice = random.Random(3)
    assert not any(reveals_another(dice) for _ in range(50))
