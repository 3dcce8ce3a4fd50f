"""The picture of a recording: of one size, whatever sizes arrive."""

from __future__ import annotations

import av
from av.video.reformatter import VideoReformatter

LONG, SHORT = 1280, 720
"""The least size of a canvas: what cameras send at their best, however small they begin."""
_BLACK = (16, 128, 128)
"""Of each plane of yuv420p."""


class Canvas:
    """Fits pictures in, whole and upright, with black bars where theirs is another shape."""

    def __init__(self) -> None:
        self.width, self.height = LONG, SHORT
        # NOTE: of our own, because a frame keeps the one of its own `reformat`, and other sinks use
        # the same frame in other threads.
        self._scaler = VideoReformatter()
        self._planes: list[bytes] = []

    def begin(self, first: av.VideoFrame) -> None:
        """Chooses the size by the first picture: as it lies or stands, and no smaller than it."""
        least = (SHORT, LONG) if first.height > first.width else (LONG, SHORT)
        self.width, self.height = (
            max(size, _even(n)) for size, n in zip(least, (first.width, first.height), strict=True)
        )

    def draw(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The canvas with this picture on it, which stays for `picture`."""
        scale = min(self.width / frame.width, self.height / frame.height)
        width = min(self.width, _even(round(frame.width * scale)))
        height = min(self.height, _even(round(frame.height * scale)))
        fitted = self._scaler.reformat(frame, width, height, "yuv420p")
        self._planes = [
            _framed(
                bytes(plane),
                plane.line_size,
                inner=(width // part, height // part),
                outer=(self.width // part, self.height // part),
                black=black,
            )
            for plane, part, black in zip(fitted.planes, (1, 2, 2), _BLACK, strict=True)
        ]
        return self.picture()

    def picture(self) -> av.VideoFrame:
        """The canvas as it is: black until something was drawn."""
        frame = av.VideoFrame(self.width, self.height, "yuv420p")
        for number, (plane, part, black) in enumerate(
            zip(frame.planes, (1, 2, 2), _BLACK, strict=True)
        ):
            width, height, line = self.width // part, self.height // part, plane.line_size
            pixels = self._planes[number] if self._planes else bytes([black]) * (width * height)
            if line != width:
                pad = bytes(line - width)
                pixels = b"".join(pixels[y * width : (y + 1) * width] + pad for y in range(height))
            plane.update(pixels)
        return frame


def _framed(
    pixels: bytes, line: int, *, inner: tuple[int, int], outer: tuple[int, int], black: int
) -> bytes:
    """A plane of `inner` size, with lines of `line` bytes, in the middle of one of `outer` size."""
    width, height = inner
    left, top = ((out - own) // 2 for out, own in zip(outer, inner, strict=True))
    before, after = bytes([black]) * left, bytes([black]) * (outer[0] - width - left)
    lines = (before + pixels[y * line : y * line + width] + after for y in range(height))
    above, below = bytes([black]) * outer[0] * top, outer[1] - height - top
    return b"".join((above, *lines, bytes([black]) * outer[0] * below))


def _even(number: int) -> int:
    """Half of each goes into the chroma planes: an odd size would be refused by the encoder."""
    return max(2, number - number % 2)
