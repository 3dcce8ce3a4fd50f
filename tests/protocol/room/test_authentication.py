"""Nobody can choose their number once they know another's: the room string is nobody's to aim."""

from __future__ import annotations

import pytest

from onmeet_node.protocol.room.authentication import (
    CommitmentRound,
    StringAuthentication,
    commitment,
)
from onmeet_node.protocol.room.roster import Key, digest, sign
from onmeet_node.protocol.wire.room import Role, RosterBody, Seat
from tests.protocol.room.test_rooms import meeting
from tests.protocol.room.world import ROOM, key_of

A, B, C = (key_of(name) for name in "abc")
DIGEST = b"d" * 16


def body_of(*keys, version=0):
    seats = tuple(
        Seat(key=key.public, order=n, role=Role.MEMBER if n else Role.HOST)
        for n, key in enumerate(keys)
    )
    return RosterBody(room=ROOM, host=keys[0].public, version=version, seats=seats, next_order=9)


def round_of(key, body=None):
    body = body or body_of(A, B, C)
    return StringAuthentication(Key(key.public), key.sign).round(body, DIGEST)


def pledge(to: CommitmentRound, whose, by: CommitmentRound, *, number=True):
    to.take(Key(whose.public), by.commitment, by.nonce if number else None)


def test_a_number_is_shown_when_everybody_has_pledged_theirs_and_not_before():
    a, b, c = (round_of(key) for key in (A, B, C))
    assert a.nonce is b.nonce is c.nonce is None
    pledge(a, B, b)
    assert a.nonce is None
    pledge(a, C, c)
    assert a.nonce is not None
    assert a.string is None
    for one, whose in ((b, A), (c, A)):
        pledge(one, whose, a)
    pledge(b, C, c)
    pledge(c, B, b)
    for one, whose, other in ((a, B, b), (a, C, c), (b, C, c), (c, B, b)):
        pledge(one, whose, other)
    assert a.string == b.string == c.string is not None


def test_who_alone_is_in_has_a_string_at_once():
    assert round_of(A, body_of(A)).string is not None


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_second_commitment_counts_for_nothing(when):
    """Chosen after the others' numbers were shown, it would aim the string."""
    a, b, c = (round_of(key) for key in (A, B, C))
    pledge(a, B, b)
    if when == "after":
        pledge(a, C, c)
        assert a.nonce is not None
    aimed = b"n" * 16
    a.take(Key(B.public), commitment(DIGEST, B.public, aimed), aimed)
    pledge(a, C, c)
    c.take(Key(A.public), a.commitment, None)
    c.take(Key(B.public), b.commitment, None)
    pledge(a, C, c)
    assert a.string is None
    b.take(Key(A.public), a.commitment, None)
    b.take(Key(C.public), c.commitment, None)
    pledge(a, B, b)
    assert a.string is not None


@pytest.mark.parametrize("other", ["number", "key", "roster"])
def test_a_number_that_was_not_pledged_is_not_taken(other):
    a = round_of(A, body_of(A, B))
    number = b"n" * 16
    pledged = commitment(
        DIGEST if other != "roster" else b"e" * 16,
        B.public if other != "key" else A.public,
        number if other != "number" else b"m" * 16,
    )
    a.take(Key(B.public), pledged, number)
    assert a.string is None


def test_nobody_speaks_for_us_or_from_outside():
    a = round_of(A, body_of(A, B))
    before = a.commitment
    a.take(Key(A.public), commitment(DIGEST, A.public, b"n" * 16), b"n" * 16)
    a.take(Key(C.public), commitment(DIGEST, C.public, b"n" * 16), b"n" * 16)
    assert (a.commitment, a.nonce) == (before, None)


def test_each_roster_has_numbers_of_its_own_and_one_that_comes_back_finds_what_was_said():
    pledges = StringAuthentication(Key(A.public), A.sign)
    first, second = body_of(A, B), body_of(A, B, version=1)
    digests = [digest(sign(body, Key(A.public), A.sign)) for body in (first, second)]
    one, other = pledges.round(first, digests[0]), pledges.round(second, digests[1])
    assert one.commitment != other.commitment
    one.take(Key(B.public), b"c" * 32, None)
    again = pledges.round(first, digests[0])
    again.take(Key(B.public), commitment(digests[0], B.public, b"n" * 16), b"n" * 16)
    assert again.string is None, "what B said first counts"


def test_a_host_that_shows_two_people_two_rosters_cannot_give_them_one_string():
    """What it says to one it has to say before it knows what the other will see."""
    liar = key_of("liar")
    to_b, to_c = body_of(A, B, liar), body_of(A, liar, C)
    b, c = round_of(B, to_b), round_of(C, to_c)
    # All is said to B, and B's string stands, before C has shown anything.
    numbers = {key: bytes([n]) * 16 for n, key in enumerate((A, liar))}
    for key, number in numbers.items():
        b.take(Key(key.public), commitment(DIGEST, key.public, number), number)
    assert b.string is not None
    assert c.nonce is None, "and C shows nothing until all of C's roster is pledged"


def test_a_string_is_there_again_after_each_change_of_the_room():
    world = meeting("a", "b", "c")
    seen = world.strings
    world.do("a", lambda room: room.lock(locked=True, now=world.now))
    world.run(2)
    assert len(world.strings) == 1
    assert None not in world.strings | seen
    assert seen != world.strings, "numbers are of one roster"


def test_who_withholds_their_part_leaves_all_without_a_string():
    world = meeting("a", "b", "c")
    world.crash("c")
    world.do("a", lambda room: room.lock(locked=True, now=world.now))
    world.run(2)
    assert world.strings == {None}
    world.run(90)  # and is given up
    assert len(world.strings) == 1
    assert None not in world.strings
