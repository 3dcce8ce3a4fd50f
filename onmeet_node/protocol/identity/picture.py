"""A person's picture: what of a JPEG is kept, and which are refused.

Only what draws the picture stays. Metadata goes: a camera writes where it was and whose it is
(Exif, APP1), and nobody chose to tell that with a picture of themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from onmeet_node.protocol.wire.messages import DIGEST_BYTES, MAX_PICTURE_BYTES

from .errors import BadPicture

MAX_SIDE = 512
"""Pixels: a small file that unpacks into a huge picture is refused before anything unpacks it."""

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = {0xC0, 0xC1, 0xC2}
"""Baseline, extended and progressive Huffman: what browsers draw (ISO/IEC 10918-1, B.1.1.3)."""
_TABLES = {0xC4, 0xDB, 0xDD}
"""Huffman and quantization tables, restart interval."""
_DROPPED = {*range(0xE0, 0xF0), 0xFE}
"""Application segments and comments."""


def digest_of(picture: bytes) -> bytes:
    """How a card names a picture: BLAKE2b-128."""
    return hashlib.blake2b(picture, digest_size=DIGEST_BYTES).digest()


def clean_picture(data: bytes) -> bytes:
    """The JPEG without metadata; the same again for what is clean already. Raises `BadPicture`."""
    kept = bytearray((0xFF, _START))
    framed = False
    for marker, segment in _segments(data):
        if marker in _DROPPED:
            continue
        if marker in _FRAMES:
            if framed:
                raise BadPicture("The picture has several frames. Save it as a plain JPEG.")
            framed = True
            _check_size(segment)
        elif marker not in _TABLES and marker != _SCAN:
            raise BadPicture(f"The picture has a part that no photo has ({marker:#x}).")
        kept += bytes((0xFF, marker)) + segment
    if not framed:
        raise BadPicture("The picture has no size. Save it as a plain JPEG.")
    kept += bytes((0xFF, _END))
    if len(kept) > MAX_PICTURE_BYTES:
        raise BadPicture(f"The picture has over {MAX_PICTURE_BYTES} bytes. Make it smaller.")
    return bytes(kept)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each marker with its segment (of a scan: with its entropy-coded data), up to the end."""
    if data[:2] != bytes((0xFF, _START)):
        raise BadPicture("The picture is no JPEG.")
    at = 2
    while True:
        if at + 2 > len(data) or data[at] != 0xFF:
            raise BadPicture("The picture is cut off or damaged.")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == _END:
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > len(data):
            raise BadPicture("The picture is cut off or damaged.")
        if marker == _SCAN:
            end = _scan_end(data, end)
        yield marker, data[at + 2 : end]
        at = end


def _scan_end(data: bytes, at: int) -> int:
    """Where the next marker begins that is neither stuffing nor a restart."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2
    raise BadPicture("The picture is cut off or damaged.")


def _check_size(frame: bytes) -> None:
    if len(frame) < 8:
        raise BadPicture("The picture is cut off or damaged.")
    height, width = int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[5:7], "big")
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise BadPicture(f"The picture has {width} by {height} pixels; {MAX_SIDE} is the most.")
