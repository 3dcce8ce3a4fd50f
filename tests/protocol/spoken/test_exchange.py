"""The exchange of a spoken code: traces, what a guess gets to know, and the published vectors.

`python tests/protocol/spoken/test_exchange.py` writes the vectors anew: only for a new protocol.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.spoken.code import SpokenCode, parse_spoken
from onmeet_node.protocol.spoken.exchange import (
    CodeReceived,
    ExchangeFailed,
    SendLetter,
    SpokenEnd,
    SpokenExchange,
    SpokenRole,
    SpokenState,
    WordsAgree,
)
from onmeet_node.protocol.wire.mailbox import (
    MAX_LETTER_BYTES,
    MAX_LETTERS,
    MailboxEnd,
    PakeProof,
    PakeShare,
    SealedCode,
    WrongWords,
    decode_letter,
    encode_letter,
)
from tests.examples import examples

FILE = Path(__file__).parents[2] / "vectors" / "spoken.json"
CODE = parse_spoken("7-crossover-clockwork")
OTHER = parse_spoken("7-crossover-zulu")
MAILBOX = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
ENTROPY = {SpokenRole.SAYER: bytes(range(64)), SpokenRole.ADDER: bytes(range(64, 128))}
SECRETS = {SpokenRole.SAYER: "onmeet:sayer", SpokenRole.ADDER: "onmeet:adder"}


def side(role, code=CODE, mailbox=MAILBOX):
    return SpokenExchange(role, code, mailbox, entropy=ENTROPY[role])


def run(*, sayer=CODE, adder=CODE, mailboxes=(MAILBOX, MAILBOX), change=lambda _from, body: body):
    """Both to their end, letters in the order in which they were put; what each side saw."""
    sides = {
        SpokenRole.SAYER: side(SpokenRole.SAYER, sayer, mailboxes[0]),
        SpokenRole.ADDER: side(SpokenRole.ADDER, adder, mailboxes[1]),
    }
    seen = {role: [] for role in SpokenRole}
    sent = {role: [] for role in SpokenRole}
    queue = []

    def do(role, effects):
        for effect in effects:
            match effect:
                case SendLetter(body):
                    sent[role].append(body)
                    queue.append((role, change(role, body)))
                case WordsAgree():
                    seen[role].append(effect)
                    do(role, sides[role].reveal(SECRETS[role]))
                case _:
                    seen[role].append(effect)

    for role in (SpokenRole.ADDER, SpokenRole.SAYER):
        do(role, sides[role].start())
    while queue:
        role, body = queue.pop(0)
        other = SpokenRole.ADDER if role is SpokenRole.SAYER else SpokenRole.SAYER
        do(other, sides[other].take(body))
    return seen, sent


def names(letters):
    return [type(decode_letter(body)).__name__ for body in letters]


def test_both_sides_get_each_others_contact_code():
    seen, sent = run()
    assert seen[SpokenRole.SAYER] == [WordsAgree(), CodeReceived("onmeet:adder")]
    assert seen[SpokenRole.ADDER] == [WordsAgree(), CodeReceived("onmeet:sayer")]
    for letters in sent.values():
        assert names(letters) == ["PakeShare", "PakeProof", "SealedCode"]
        assert len(letters) <= MAX_LETTERS
        assert all(len(body) <= MAX_LETTER_BYTES for body in letters)


def test_wrong_words_are_seen_by_both_and_nothing_is_revealed():
    seen, sent = run(adder=OTHER)
    assert seen[SpokenRole.SAYER] == seen[SpokenRole.ADDER] == [ExchangeFailed(SpokenEnd.WRONG)]
    assert names(sent[SpokenRole.ADDER]) == ["PakeShare", "PakeProof"]
    # The sayer proves nothing to a guess: there is nothing to check a second one with.
    assert names(sent[SpokenRole.SAYER]) == ["PakeShare", "WrongWords"]


def test_the_same_words_at_two_mailboxes_do_not_fit_together():
    seen, _ = run(mailboxes=(MAILBOX, MAILBOX[:-1] + "a"))
    assert seen[SpokenRole.SAYER] == seen[SpokenRole.ADDER] == [ExchangeFailed(SpokenEnd.WRONG)]


def test_somebody_between_with_a_guess_is_seen_by_both():
    """A mailbox that answers each side itself has one guess for each, and each sees it."""
    for role in SpokenRole:
        middle = SpokenRole.ADDER if role is SpokenRole.SAYER else SpokenRole.SAYER
        honest, guess = side(role), side(middle, OTHER)
        first, share = honest.start()[0].body, guess.start()[0].body
        told = [*honest.take(share)]
        proofs = [*guess.take(first)]
        if role is SpokenRole.SAYER:
            assert honest.take(proofs[0].body)[-1] == ExchangeFailed(SpokenEnd.WRONG)
        else:
            # It has the adder's proof, to check its one guess with, and can only leave or be wrong.
            assert names([told[0].body]) == ["PakeProof"]
            assert guess.take(told[0].body)[-1] == ExchangeFailed(SpokenEnd.WRONG)
            assert honest.ended(MailboxEnd.LEFT) == [ExchangeFailed(SpokenEnd.UNPROVEN)]


def test_whoever_leaves_before_proving_anything_may_have_guessed():
    sayer, adder = side(SpokenRole.SAYER), side(SpokenRole.ADDER)
    sayer.start()
    sayer.take(adder.start()[0].body)
    assert sayer.ended(MailboxEnd.LEFT) == [ExchangeFailed(SpokenEnd.UNPROVEN)]
    assert sayer.ended(MailboxEnd.LEFT) == []


@pytest.mark.parametrize("end", list(MailboxEnd))
def test_each_end_of_a_mailbox_is_told(end):
    one = side(SpokenRole.ADDER)
    one.start()
    assert one.ended(end) == [ExchangeFailed(SpokenEnd(end.value))]
    assert one.state is SpokenState.FAILED
    assert one.take(b"anything") == []


def test_what_one_said_cannot_be_sent_back_to_it():
    one = side(SpokenRole.ADDER)
    share = one.start()[0].body
    assert one.take(share) == [ExchangeFailed(SpokenEnd.BROKEN)]


BAD_POINTS = {
    "all zeros": bytes(32),
    "the neutral element": (1).to_bytes(32, "little"),
    "of order two": (2**255 - 20).to_bytes(32, "little"),
    "of order eight": bytes.fromhex(
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
    ),
    "not on the curve": (2).to_bytes(32, "little"),
    "all ones": b"\xff" * 32,
}


@pytest.mark.parametrize("name", BAD_POINTS)
def test_a_share_that_is_no_point_of_the_group_ends_it(name):
    one = side(SpokenRole.SAYER)
    one.start()
    told = one.take(encode_letter(PakeShare(element=BAD_POINTS[name])))
    assert told == [ExchangeFailed(SpokenEnd.BROKEN)]


@pytest.mark.parametrize(
    "letter",
    [PakeProof(tag=bytes(32)), SealedCode(box=bytes(1_216)), WrongWords()],
    ids=lambda one: type(one).__name__,
)
def test_letters_out_of_order_end_it(letter):
    one = side(SpokenRole.SAYER)
    one.start()
    assert one.take(encode_letter(letter)) == [ExchangeFailed(SpokenEnd.BROKEN)]


def test_a_letter_that_was_altered_is_noticed():
    for role, number in ((role, n) for role in SpokenRole for n in range(3)):
        count = dict.fromkeys(SpokenRole, 0)

        def flip(who, body, role=role, number=number, count=count):
            count[who] += 1
            if who is role and count[who] - 1 == number:
                return body[:-1] + bytes([body[-1] ^ 1])
            return body

        seen, _ = run(change=flip)
        other = SpokenRole.ADDER if role is SpokenRole.SAYER else SpokenRole.SAYER
        assert isinstance(seen[other][-1], ExchangeFailed), (role, number)


def test_a_contact_code_is_shown_once_and_to_nobody_before_the_words_agree():
    one = side(SpokenRole.SAYER)
    with pytest.raises(LocalProtocolError):
        one.reveal("onmeet:x")
    one.start()
    with pytest.raises(LocalProtocolError):
        one.start()
    with pytest.raises(LocalProtocolError):
        SpokenExchange(SpokenRole.SAYER, CODE, MAILBOX, entropy=bytes(63))


def test_the_length_of_a_code_does_not_show():
    sizes = set()
    for text in ("onmeet:x", "onmeet:" + "y" * 1_160):
        sayer, adder = side(SpokenRole.SAYER), side(SpokenRole.ADDER)
        first, second = sayer.start()[0].body, adder.start()[0].body
        sayer.take(second)
        proof = adder.take(first)[0].body
        sayer.take(proof)
        sizes.add(len(sayer.reveal(text)[0].body))
    assert len(sizes) == 1


def test_neither_words_nor_keys_are_in_a_repr():
    one = side(SpokenRole.SAYER)
    one.start()
    assert "crossover" not in f"{one!r} {SendLetter(b'secret')!r} {CodeReceived('secret')!r}"
    assert "secret" not in f"{SendLetter(b'secret')!r} {CodeReceived('secret')!r}"


@given(st.lists(st.binary(max_size=64), max_size=4), st.sampled_from(SpokenRole))
@settings(max_examples=examples(100))
def test_any_letters_fail_it_or_are_passed_over(letters, role):
    one = side(role)
    one.start()
    for letter in letters:
        one.take(letter)
    assert one.state in {SpokenState.SHARING, SpokenState.FAILED}


@given(st.binary(min_size=2, max_size=2), st.binary(min_size=2, max_size=2))
@settings(max_examples=examples(24), deadline=None)
def test_codes_arrive_if_and_only_if_the_words_are_the_same(said, typed):
    seen, _ = run(sayer=SpokenCode(7, said), adder=SpokenCode(7, typed))
    arrived = [isinstance(told[-1], CodeReceived) for told in seen.values()]
    assert arrived == [said == typed] * 2


def vectors():
    """What goes over the wire for fixed random bytes; bytes in hex."""
    _, sent = run()
    return {
        "code": CODE.text(),
        "mailbox": MAILBOX,
        "entropy": {role.value: ENTROPY[role].hex() for role in SpokenRole},
        "contact_code": {role.value: SECRETS[role] for role in SpokenRole},
        "letters": {role.value: [body.hex() for body in sent[role]] for role in SpokenRole},
    }


def test_this_implementation_gives_the_published_vectors():
    assert json.loads(FILE.read_text()) == vectors()


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n")
