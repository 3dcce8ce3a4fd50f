"""Three devices of one person that are offline, come back, and edit at once."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from onmeet_node.protocol.own.replica import (
    MAX_LEAP,
    MAX_WRITERS,
    EntriesInMemory,
    Entry,
    EntryVersion,
    Replica,
    exchange,
    pass_on,
)

DEVICES = [bytes([n]) * 32 for n in range(3)]
KEYS = [b"ana", b"ben"]


class Three:
    def __init__(self) -> None:
        self.shelves = [EntriesInMemory() for _ in DEVICES]
        self.of = [Replica(d, shelf) for d, shelf in zip(DEVICES, self.shelves, strict=True)]

    def all_meet(self) -> None:
        """Twice each, so that what the third brings reaches the first."""
        for _ in range(2):
            for one, other in ((0, 1), (1, 2), (2, 0)):
                exchange(self.of[one], self.of[other])

    def values(self, key: bytes) -> set[bytes | None]:
        return {replica.get("name", key) for replica in self.of}


def test_what_one_device_writes_a_third_has_though_they_never_meet():
    three = Three()
    three.of[0].write("name", b"ana", b"Ana")
    exchange(three.of[0], three.of[1])
    exchange(three.of[1], three.of[2])
    assert three.of[2].get("name", b"ana") == b"Ana"


def test_edits_of_different_entries_at_once_are_both_kept():
    three = Three()
    three.of[0].write("name", b"ana", b"Ana")
    three.of[1].write("favourite", b"ana", b"1")
    three.all_meet()
    for replica in three.of:
        assert replica.get("name", b"ana") == b"Ana"
        assert replica.get("favourite", b"ana") == b"1"


def test_what_was_deleted_does_not_come_back_with_a_device_that_was_away():
    three = Three()
    three.of[0].write("name", b"ana", b"Ana")
    three.all_meet()
    three.of[1].write("name", b"ana", None)
    exchange(three.of[0], three.of[1])
    exchange(three.of[2], three.of[0])  # which had it all the time
    three.all_meet()
    assert three.values(b"ana") == {None}


def test_a_device_that_claims_the_greatest_counter_keeps_no_later_edit_out():
    three = Three()
    three.of[0].write("name", b"ana", b"Ana")
    most = 2**53 - 1
    for replica in three.of[:2]:
        assert not replica.take(Entry("name", b"ana", b"?", EntryVersion(most, DEVICES[2])))
        replica.caught_up({DEVICES[2]: most, DEVICES[0]: most, b"n" * 32: most})
    three.of[1].take(Entry("name", b"ana", b"!", EntryVersion(MAX_LEAP, DEVICES[2])))
    three.all_meet()
    three.of[0].write("name", b"ana", b"Anna")
    three.all_meet()
    assert three.values(b"ana") == {b"Anna"}
    assert max(three.of[0].vector.values()) <= MAX_LEAP + 2


def test_writers_that_nobody_knows_do_not_grow_without_end():
    replica = Three().of[0]
    replica.take(Entry("name", b"ana", b"Ana", EntryVersion(1, DEVICES[1])))
    for n in range(2 * MAX_WRITERS):
        replica.caught_up({n.to_bytes(32, "big"): 1})
    replica.write("name", b"ana", b"Anna")
    assert len(replica.vector) <= MAX_WRITERS
    assert DEVICES[0] in replica.vector


def test_two_that_write_at_once_agree_whoever_is_asked_first():
    for order in ((0, 1), (1, 0)):
        three = Three()
        three.of[0].write("name", b"ana", b"by 0")
        three.of[1].write("name", b"ana", b"by 1")
        exchange(*(three.of[n] for n in order))
        assert three.of[0].get("name", b"ana") == three.of[1].get("name", b"ana") == b"by 1"


def test_who_has_everything_is_sent_nothing_again():
    three = Three()
    three.of[0].write("name", b"ana", b"Ana")
    exchange(three.of[0], three.of[1])
    assert three.of[0].missing(three.of[1].vector) == []
    assert three.of[1].missing(three.of[0].vector) == []


def test_an_edit_wins_over_what_it_replaced_though_the_line_broke_before_all_had_come():
    three = Three()
    for text in (b"1", b"2", b"3"):
        three.of[0].write("name", b"ana", text)
    (last,) = three.of[0].missing({})
    three.of[1].take(last)  # and then nothing more
    three.of[1].write("name", b"ana", b"mine")
    three.all_meet()
    assert three.values(b"ana") == {b"mine"}


class Devices(RuleBasedStateMachine):
    """The model: the last edit in the order of (what its writer had seen, who) wins."""

    def __init__(self) -> None:
        super().__init__()
        self.three = Three()
        self.edits = 0

    @rule(
        who=st.integers(0, 2), key=st.sampled_from(KEYS), value=st.sampled_from([b"x", b"y", None])
    )
    def edit(self, who, key, value):
        value = value and value + str(self.edits).encode()
        self.edits += 1
        before = self.three.of[who].get("name", key)
        self.three.of[who].write("name", key, value)
        assert self.three.of[who].get("name", key) == value, before

    @rule(one=st.integers(0, 2), other=st.integers(0, 2))
    def meet(self, one, other):
        if one != other:
            exchange(self.three.of[one], self.three.of[other])
            for key in KEYS:
                assert self.three.of[one].get("name", key) == self.three.of[other].get("name", key)

    @rule(one=st.integers(0, 2), other=st.integers(0, 2), cut=st.integers(0, 3))
    def meet_and_lose_the_line(self, one, other, cut):
        """Some entries arrive, and not that these were all: the next meeting brings the rest."""
        if one != other:
            giver, taker = self.three.of[one], self.three.of[other]
            for entry in giver.missing(taker.vector)[:cut]:
                taker.take(entry)

    @rule(who=st.integers(0, 2))
    def begin_anew(self, who):
        """A device is restarted: what it kept is all it has."""
        self.three.of[who] = Replica(DEVICES[who], self.three.shelves[who])

    @rule(one=st.integers(0, 2), other=st.integers(0, 2))
    def say_it_twice(self, one, other):
        if one != other:
            giver, taker = self.three.of[one], self.three.of[other]
            everything = giver.missing({})
            pass_on(giver, taker, everything)
            pass_on(giver, taker, reversed(everything))

    @invariant()
    def a_vector_never_says_more_than_is_there(self):
        for replica, others in ((self.three.of[n], self.three.of) for n in range(3)):
            for other in others:
                for entry in other.missing({}):
                    if entry.version.counter <= replica.vector.get(entry.version.writer, 0):
                        mine = replica._shelf.get(entry.name)
                        assert mine is not None
                        assert mine.version >= entry.version

    def teardown(self):
        self.three.all_meet()
        for key in KEYS:
            assert len(self.three.values(key)) == 1
        vectors = [replica.vector for replica in self.three.of]
        assert vectors[0] == vectors[1] == vectors[2]


TestDevices = Devices.TestCase
TestDevices.settings = settings(deadline=None, max_examples=100, stateful_step_count=30)
