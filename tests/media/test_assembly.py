"""Pictures out of packets."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.media.engine.frame_assembly import MAX_WAIT, MIN_WAIT, PictureAssembler

KEY, DELTA = b"\x00", b"\x01"


def stream(pictures: int, *, every: int = 1000) -> list[tuple[int, int, bytes, bool, bool]]:
    """Three packets a picture: (sequence, timestamp, data, first, marker)."""
    packets = []
    for number in range(pictures):
        head = KEY if number % every == 0 else DELTA
        for part in range(3):
            data = (head if part == 0 else b"") + bytes([number, part])
            packets.append((number * 3 + part, number * 3000, data, part == 0, part == 2))
    return packets


def feed(
    assembler: PictureAssembler,
    packets: list[tuple[int, int, bytes, bool, bool]],
    *,
    offset: int = 0,
    pace: float = 0.01,
) -> list[int]:
    done: list[int] = []
    for index, (sequence, timestamp, data, first, marker) in enumerate(packets):
        pictures = assembler.push(
            (sequence + offset) & 0xFFFF,
            timestamp,
            data,
            first=first,
            marker=marker,
            now=index * pace,
        )
        done += [picture.timestamp // 3000 for picture in pictures]
    return done


def test_a_picture_is_there_with_its_last_packet_not_with_the_next_picture() -> None:
    assert feed(PictureAssembler(), stream(1)) == [0]


def test_sequence_numbers_wrap() -> None:
    assert feed(PictureAssembler(), stream(40), offset=65_500) == list(range(40))


def test_a_retransmitted_packet_completes_all_that_waited_for_it() -> None:
    packets = stream(5)
    late = packets.pop(4)
    assembler = PictureAssembler()
    assert feed(assembler, [*packets, late]) == [0, 1, 2, 3, 4]
    assert not assembler.wants_pli


def test_a_packet_lost_for_good_leads_to_a_key_frame_request_and_then_on() -> None:
    packets = [p for p in stream(40, every=30) if p[0] != 10]
    assembler = PictureAssembler()
    done: list[int] = []
    asked = []
    for index, (sequence, timestamp, data, first, marker) in enumerate(packets):
        now = index * 0.011
        pictures = assembler.push(sequence, timestamp, data, first=first, marker=marker, now=now)
        done += [p.timestamp // 3000 for p in pictures]
        if assembler.wants_pli:
            asked.append(now)
            assembler.pli_sent(now=now)
    assert done == [0, 1, 2, *range(30, 40)]
    assert asked
    assert asked[0] < 10 * 0.011 + MIN_WAIT + 0.05


@pytest.mark.parametrize(("round_trip", "survives"), [(0.02, False), (0.3, True), (5.0, False)])
def test_a_retransmission_is_waited_for_as_long_as_the_path_takes_within_reason(
    round_trip: float, survives: bool
) -> None:
    assembler = PictureAssembler()
    assembler.round_trip = round_trip
    lost = 10
    comes_after = MAX_WAIT + 0.1 if round_trip > 1 else 0.33
    packets = stream(40)
    late = packets.pop(lost)
    packets.insert(lost + int(comes_after / 0.011), late)
    assert (feed(assembler, packets, pace=0.011) == list(range(40))) == survives


def test_a_key_frame_whose_middle_was_lost_does_not_block_the_next_one() -> None:
    packets = [p for p in stream(80, every=30) if p[0] not in (1, 91)]
    assert feed(PictureAssembler(), packets, pace=0.011)[-1] == 79


def test_nothing_is_decoded_before_the_first_key_frame() -> None:
    assembler = PictureAssembler()
    assert feed(assembler, stream(6, every=4)[3:]) == [4, 5]
    assert assembler.wants_pli


def test_padding_packets_are_passed_over() -> None:
    packets = stream(3)
    shifted = [(s + (1 if s > 2 else 0), t, d, f, m) for s, t, d, f, m in packets]
    shifted.insert(3, (3, 0, b"", False, False))
    assert feed(PictureAssembler(), shifted) == [0, 1, 2]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF),
            st.booleans(),
            st.booleans(),
            st.binary(max_size=3),
            st.floats(0, 1),
        ),
        max_size=200,
    )
)
def test_no_sequence_of_packets_breaks_it_or_makes_it_hoard(
    packets: list[tuple[int, bool, bool, bytes, float]],
) -> None:
    assembler = PictureAssembler()
    now = 0.0
    for sequence, first, marker, data, wait in packets:
        now += wait
        for picture in assembler.push(sequence, 0, data, first=first, marker=marker, now=now):
            assert picture.data
        assert len(assembler._packets) <= 1024


@given(st.data())
def test_loss_and_reordering_never_give_a_damaged_picture(data: st.DataObject) -> None:
    """Whatever comes out is complete, in order, and never follows a hole without a key frame."""
    packets = stream(60, every=10)
    kept = [p for p in packets if data.draw(st.integers(0, 19)) > 0]
    for index in range(len(kept) - 1):
        if data.draw(st.integers(0, 9)) == 0:
            kept[index], kept[index + 1] = kept[index + 1], kept[index]
    done = feed(PictureAssembler(), kept, pace=0.011)
    assert done == sorted(set(done))
    for before, after in itertools.pairwise(done):
        assert after == before + 1 or after % 10 == 0
