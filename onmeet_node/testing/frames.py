"""Frames that say which they are: a test reads the number of one that came through a call."""

from __future__ import annotations

import struct

from onmeet_node.media.frames import SAMPLE_RATE, AudioFrame, VideoFrame

AUDIO_SECONDS = 0.02
"""Of one frame of sound, as from the network."""
VIDEO_SECONDS = 1 / 15
"""Between two pictures."""
WIDTH, HEIGHT = 32, 16
_NUMBER = struct.Struct("!Q")
_SAMPLES = int(SAMPLE_RATE * AUDIO_SECONDS)


def numbered_audio(number: int) -> AudioFrame:
    """20 ms of sound that `number_of` reads; to an ear it is a click."""
    return AudioFrame(_NUMBER.pack(number).ljust(_SAMPLES * 2, b"\0"))


def numbered_video(number: int) -> VideoFrame:
    """A grey picture of 32 × 16 that `number_of` reads."""
    chroma = b"\x80" * (WIDTH * HEIGHT // 4)
    return VideoFrame(
        WIDTH, HEIGHT, _NUMBER.pack(number).ljust(WIDTH * HEIGHT, b"\x80"), chroma, chroma
    )


def number_of(frame: AudioFrame | VideoFrame) -> int:
    """Which frame it is, counted from 0 by whoever made it.

    Of frames that came as they were sent, in memory: a real codec leaves no such number.
    """
    data = frame.samples if isinstance(frame, AudioFrame) else frame.y
    number: int = _NUMBER.unpack(data[: _NUMBER.size])[0]
    return number
