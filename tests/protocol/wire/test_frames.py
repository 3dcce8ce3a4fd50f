"""Frames survive any way of cutting the stream, and a greedy length is refused at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.protocol.errors import LocalProtocolError
from onmeet_node.protocol.wire.errors import FrameTooLong
from onmeet_node.protocol.wire.frames import MAX_FRAME_BYTES, FrameDecoder, encode_frame


@given(
    payloads=st.lists(st.binary(max_size=40), max_size=12),
    cuts=st.lists(st.integers(1, 9), min_size=1),
)
def test_any_cutting_of_the_stream_gives_the_same_frames(payloads, cuts):
    stream = b"".join(map(encode_frame, payloads))
    decoder = FrameDecoder()
    frames: list[bytes] = []
    position = 0
    for turn in range(len(stream)):
        size = cuts[turn % len(cuts)]
        frames += decoder.feed(stream[position : position + size])
        position += size
    assert frames == payloads
    assert not decoder.partial


def test_the_length_is_four_bytes_big_endian():
    assert encode_frame(b"ring") == b"\x00\x00\x00\x04ring"


@given(frame=st.binary(min_size=1, max_size=30), data=st.data())
def test_an_end_in_the_middle_of_a_frame_can_be_told_from_an_orderly_one(frame, data):
    whole = encode_frame(frame)
    decoder = FrameDecoder()
    assert not decoder.partial
    assert list(decoder.feed(whole[: data.draw(st.integers(1, len(whole) - 1))])) == []
    assert decoder.partial


def test_the_longest_frame_passes():
    payload = bytes(MAX_FRAME_BYTES)
    assert list(FrameDecoder().feed(encode_frame(payload))) == [payload]


def test_a_length_beyond_the_limit_is_refused_before_any_byte_of_the_frame_is_there():
    decoder = FrameDecoder(limit=100)
    with pytest.raises(FrameTooLong, match="101 bytes; at most 100"):
        list(decoder.feed((101).to_bytes(4, "big")))


def test_nothing_is_kept_after_a_refusal_and_it_stays_refused():
    decoder = FrameDecoder(limit=100)
    for _ in range(3):
        with pytest.raises(FrameTooLong):
            list(decoder.feed(b"\xff\xff\xff\xff" + bytes(1_000_000)))
        assert not decoder.partial


def test_the_frames_before_a_refusal_are_still_delivered():
    frames = FrameDecoder(limit=10).feed(encode_frame(b"one") + b"\xff\xff\xff\xff")
    assert next(frames) == b"one"
    with pytest.raises(FrameTooLong):
        next(frames)


@pytest.mark.parametrize("hello", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"SSH-2.0-"])
def test_another_protocol_is_refused_at_its_first_word(hello):
    with pytest.raises(FrameTooLong):
        list(FrameDecoder().feed(hello[:4]))


def test_a_reader_that_stops_after_one_frame_loses_none():
    decoder = FrameDecoder()
    stream = encode_frame(b"one") + encode_frame(b"two") + encode_frame(b"three")
    assert next(decoder.feed(stream[:-2])) == b"one"
    assert list(decoder.feed(stream[-2:])) == [b"two", b"three"]


def test_what_a_peer_would_refuse_is_not_sent():
    with pytest.raises(LocalProtocolError, match="split it"):
        encode_frame(bytes(MAX_FRAME_BYTES + 1))


@given(st.lists(st.binary(max_size=30)))
def test_arbitrary_bytes_give_frames_or_the_one_error(pieces):
    decoder = FrameDecoder(limit=64)
    for piece in pieces:
        try:
            assert all(len(frame) <= 64 for frame in decoder.feed(piece))
        except FrameTooLong:
            return
