"""Contacts recognize each other by tags that say nothing to anybody else."""

from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.protocol.identity.acquaint import STEPS, TAG_BYTES, pair_key, recognized, tag, tags
from onmeet_node.protocol.identity.keys import IdentityKey

ROOM = b"r" * 16
A, B, C = b"a" * 32, b"b" * 32, b"c" * 32
"""Room keys."""
RANDOM = bytes(max(STEPS) * TAG_BYTES)


def person(name: str) -> IdentityKey:
    return IdentityKey.from_seed(name.encode().ljust(32, b"."))


def test_two_contacts_recognize_each_other_and_nobody_else_does() -> None:
    ada, ben, cleo = person("ada"), person("ben"), person("cleo")
    assert pair_key(ada, ben.public) == pair_key(ben, ada.public)
    said = tags([pair_key(ada, ben.public)], ROOM, A, B, RANDOM)
    bens = {ada.public: pair_key(ben, ada.public), cleo.public: pair_key(ben, cleo.public)}
    assert recognized(bens, ROOM, A, B, said) == ada.public
    cleos = {ada.public: pair_key(cleo, ada.public), ben.public: pair_key(cleo, ben.public)}
    assert recognized(cleos, ROOM, A, B, said) is None, "she is no contact of Ada's"


def test_a_tag_works_in_one_room_between_two_keys_and_in_one_direction() -> None:
    pair = pair_key(person("ada"), person("ben").public)
    mine = tag(pair, ROOM, A, B)
    others = [tag(pair, ROOM, B, A), tag(pair, ROOM, A, C), tag(pair, b"s" * 16, A, B)]
    assert mine not in others
    assert len(set(others)) == 3


@given(st.integers(0, 300))
def test_the_number_of_tags_says_little_of_the_number_of_contacts(contacts: int) -> None:
    pairs = [n.to_bytes(32, "big") for n in range(contacts)]
    said = tags(pairs, ROOM, A, B, bytes(range(256)) * TAG_BYTES)
    assert len(said) in STEPS
    assert list(said) == sorted(said)
    assert {tag(pair, ROOM, A, B) for pair in pairs[: max(STEPS)]} <= set(said)
