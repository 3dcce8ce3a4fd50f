"""A code that links a device: the person is asked between what the new one says and is told.

`python tests/protocol/spoken/test_link.py` writes the vectors anew: only for a new protocol.
"""

import json
from pathlib import Path

import pytest

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.spoken.exchange import (
    CodeReceived,
    ExchangeFailed,
    SendLetter,
    SpokenEnd,
    SpokenExchange,
    SpokenPurpose,
    SpokenRole,
    SpokenState,
    WordsAgree,
)
from onmeet_node.protocol.spoken.words import THREE_SYLLABLES, TWO_SYLLABLES
from onmeet_node.protocol.wire.mailbox import MailboxEnd
from tests.protocol.spoken.test_exchange import CODE, ENTROPY, MAILBOX, OTHER

FILE = Path(__file__).parents[2] / "vectors" / "link.json"
NEW, OLD = SpokenRole.SAYER, SpokenRole.ADDER


class Pair:
    """Both sides, up to where the new device has said who it is."""

    def __init__(self, *, code=CODE, purposes=(SpokenPurpose.LINK, SpokenPurpose.LINK)):
        self.sides = {
            NEW: SpokenExchange(NEW, CODE, MAILBOX, entropy=ENTROPY[NEW], purpose=purposes[0]),
            OLD: SpokenExchange(OLD, code, MAILBOX, entropy=ENTROPY[OLD], purpose=purposes[1]),
        }
        self.seen = {NEW: [], OLD: []}
        self.sent = {NEW: [], OLD: []}
        for role in (OLD, NEW):
            self.do(role, self.sides[role].start())
        self.deliver()

    def do(self, role, effects):
        for effect in effects:
            if isinstance(effect, SendLetter):
                self.sent[role].append(effect.body)
                self.waiting = [*getattr(self, "waiting", []), (role, effect.body)]
                continue
            self.seen[role].append(effect)
            if isinstance(effect, WordsAgree) and role is NEW:
                self.do(role, self.sides[role].reveal("new"))

    def deliver(self):
        while self.waiting:
            role, body = self.waiting.pop(0)
            other = OLD if role is NEW else NEW
            self.do(other, self.sides[other].take(body))

    def confirm(self):
        self.do(OLD, self.sides[OLD].reveal("welcome"))
        self.deliver()


def test_both_show_the_same_words_and_the_old_one_speaks_last():
    pair = Pair()
    assert pair.seen == {NEW: [WordsAgree()], OLD: [WordsAgree(), CodeReceived("new")]}
    shown = pair.sides[NEW].shown_words()
    assert shown == pair.sides[OLD].shown_words()
    for word, words in zip(shown, (THREE_SYLLABLES, TWO_SYLLABLES) * 2, strict=True):
        assert word in words
    pair.confirm()
    assert pair.seen[NEW][-1] == CodeReceived("welcome")


def test_a_person_who_says_no_has_told_nothing():
    pair = Pair()
    assert len(pair.sent[OLD]) == 2  # share and proof
    (told,) = pair.sides[NEW].ended(MailboxEnd.LEFT)
    assert told == ExchangeFailed(SpokenEnd.LEFT)


def test_the_old_one_tells_nothing_before_it_has_heard_who_asks():
    early = SpokenExchange(OLD, CODE, MAILBOX, entropy=ENTROPY[OLD], purpose=SpokenPurpose.LINK)
    early.start()
    with pytest.raises(LocalProtocolError):
        early.reveal("welcome")
    pair = Pair()
    pair.confirm()
    with pytest.raises(LocalProtocolError):
        pair.sides[OLD].reveal("again")


def test_wrong_words_are_seen_by_both():
    pair = Pair(code=OTHER)
    assert pair.seen == {role: [ExchangeFailed(SpokenEnd.WRONG)] for role in (NEW, OLD)}


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_code_of_one_purpose_is_a_wrong_one_for_the_other(wrong):
    purposes = [SpokenPurpose.LINK, SpokenPurpose.LINK]
    purposes[wrong] = SpokenPurpose.CONTACT
    pair = Pair(purposes=tuple(purposes))
    assert [seen[-1] for seen in pair.seen.values()] == [ExchangeFailed(SpokenEnd.WRONG)] * 2
    assert all(side.state is SpokenState.FAILED for side in pair.sides.values())


def vectors():
    """What goes over the wire, and what is shown, for fixed random bytes; bytes in hex."""
    pair = Pair()
    words = pair.sides[NEW].shown_words()
    pair.confirm()
    return {
        "code": CODE.text(),
        "mailbox": MAILBOX,
        "entropy": {role.value: ENTROPY[role].hex() for role in SpokenRole},
        "content": {NEW.value: "new", OLD.value: "welcome"},
        "words": list(words),
        "letters": {role.value: [body.hex() for body in pair.sent[role]] for role in SpokenRole},
    }


def test_this_implementation_gives_the_published_link_vectors():
    assert json.loads(FILE.read_text()) == vectors()


if __name__ == "__main__":
    FILE.write_text(json.dumps(vectors(), indent=1) + "\n")
