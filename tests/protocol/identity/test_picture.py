"""Pictures of people: what is kept of a file, and what is refused."""

from __future__ import annotations

import io

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onmeet_node.protocol.identity.errors import BadPicture
from onmeet_node.protocol.identity.picture import MAX_SIDE, clean_picture, digest_of
from onmeet_node.protocol.wire.messages import MAX_PICTURE_BYTES


def jpeg(width: int = 64, height: int = 48) -> bytes:
    """A real JPEG from ffmpeg's encoder."""
    out = io.BytesIO()
    with av.open(out, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        frame = av.VideoFrame(width, height, "yuvj420p")
        for number, plane in enumerate(frame.planes):
            plane.update(bytes((x * 3 + number * 80) % 256 for x in range(plane.buffer_size)))
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return out.getvalue()


def size_of(data: bytes) -> tuple[int, int]:
    """As another decoder reads it."""
    with av.open(io.BytesIO(data), format="mjpeg") as container:
        frame = next(container.decode(video=0))
        return frame.width, frame.height


PLAIN = jpeg()
EXIF = b"\xff\xe1\x00\x18Exif\0\0Montreal 45.5 N\0"


def test_where_a_picture_was_taken_is_not_kept() -> None:
    cleaned = clean_picture(
        PLAIN[:2] + EXIF + b"\xff\xfe\x00\x07mine!" + PLAIN[2:] + b"after the end"
    )
    assert b"Montreal" not in cleaned
    assert b"mine!" not in cleaned
    assert b"after the end" not in cleaned
    assert cleaned == clean_picture(PLAIN)
    assert size_of(cleaned) == (64, 48)


def test_cleaning_what_is_clean_changes_nothing() -> None:
    cleaned = clean_picture(PLAIN)
    assert clean_picture(cleaned) == cleaned
    assert len(digest_of(cleaned)) == 16


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no JPEG"),
        (b"<svg onload=alert(1)>", "no JPEG"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "no JPEG"),
        (b"\xff\xd8", "cut off"),
        (b"\xff\xd8\xff\xd9", "no size"),
        (PLAIN[: len(PLAIN) // 2], "cut off"),
        (jpeg(MAX_SIDE + 16, 16), "pixels"),
        (PLAIN[:2] + b"\xff\xf7\x00\x02" + PLAIN[2:], "no photo has"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(BadPicture, match=why):
        clean_picture(data)


def test_a_small_file_that_would_unpack_into_a_huge_picture_is_refused() -> None:
    at = PLAIN.index(b"\xff\xc0") + 5
    bomb = PLAIN[:at] + b"\xff\xff\xff\xff" + PLAIN[at + 4 :]
    with pytest.raises(BadPicture, match="65535 by 65535"):
        clean_picture(bomb)


@given(st.integers(0, len(PLAIN) - 1), st.integers(0, 255), st.binary(max_size=20))
def test_whatever_is_damaged_is_cleaned_or_refused(at: int, value: int, extra: bytes) -> None:
    damaged = PLAIN[:at] + bytes((value,)) + extra + PLAIN[at + 1 :]
    try:
        cleaned = clean_picture(damaged)
    except BadPicture:
        return
    assert clean_picture(cleaned) == cleaned
    assert len(cleaned) <= MAX_PICTURE_BYTES


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_or_cleaned(data: bytes) -> None:
    try:
        clean_picture(b"\xff\xd8" + data)
    except BadPicture:
        return
