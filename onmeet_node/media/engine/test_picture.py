"""A moving test picture that carries its number, so that a reader knows which frame it got."""

from __future__ import annotations

import av

from onmeet_node.media.frames import VideoFrame

COLUMNS = 20
"""Blocks across: white, black, then the bits of the counter, most significant first."""
ROWS = 12
"""The first row of blocks carries the bits, the second their complement; the rest moves."""
COUNTER_BITS = COLUMNS - 2
WHITE, BLACK, MIDDLE = 235, 16, 128
"""Luma of ITU-R BT.601."""


class TestPicture:
    """Draws the frames of a test picture, sides being multiples of 20."""

    __test__ = False  # not a test, whatever its name tells pytest

    def __init__(self, width: int = 640, height: int = 360) -> None:
        self.width, self.height = width, height
        self._block = width // COLUMNS, height // ROWS
        ramp = bytes(48 + (x * 4) % 160 for x in range(width))
        band = bytes(200 - (x * 3) % 120 for x in range(width))
        rows = [ramp if (y // 24) % 2 else band for y in range(height)]
        self._ground = b"".join(rows) + rows[0] * 2
        self._u = bytes([110]) * (width * height // 4)
        self._v = bytes([150]) * (width * height // 4)

    def draw(self, number: int) -> av.VideoFrame:
        """Frame `number`; only its lowest 18 bits can be read back."""
        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        width, height = self._block
        bits = f"10{number % (1 << COUNTER_BITS):0{COUNTER_BITS}b}"
        row = b"".join(bytes([WHITE if bit == "1" else BLACK]) * width for bit in bits)
        inverse = b"".join(bytes([BLACK if bit == "1" else WHITE]) * width for bit in bits)
        start = (number * 2) % self.width
        area = self.width * (self.height - 2 * height)
        luma = row * height + inverse * height + self._ground[start : start + area]
        _fill(frame.planes[0], luma, self.width, self.height)
        _fill(frame.planes[1], self._u, self.width // 2, self.height // 2)
        _fill(frame.planes[2], self._v, self.width // 2, self.height // 2)
        return frame


def read_counter(frame: av.VideoFrame | VideoFrame) -> int | None:
    """The number drawn in a frame of `TestPicture`, in any size; None if there is none in it."""
    if isinstance(frame, VideoFrame):
        pixels, line = memoryview(frame.y), frame.width
    else:
        pixels, line = memoryview(frame.planes[0]), frame.planes[0].line_size
    block_width, block_height = frame.width / COLUMNS, frame.height / ROWS

    def bits(row: int) -> list[bool]:
        y = int((row + 0.5) * block_height)
        middles = (int((column + 0.5) * block_width) for column in range(COLUMNS))
        return [pixels[y * line + x] > MIDDLE for x in middles]

    upright, inverse = bits(0), bits(1)
    if upright[:2] != [True, False] or any(a is b for a, b in zip(upright, inverse, strict=True)):
        return None
    return int("".join("1" if bit else "0" for bit in upright[2:]), 2)


def _fill(plane: av.video.plane.VideoPlane, pixels: bytes, width: int, height: int) -> None:
    if plane.line_size != width:
        padding = bytes(plane.line_size - width)
        pixels = b"".join(pixels[y * width : (y + 1) * width] + padding for y in range(height))
    plane.update(pixels)
