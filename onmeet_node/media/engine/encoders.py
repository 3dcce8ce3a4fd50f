"""Opus and VP8 with settings of our own. aiortc's are fixed at 96 kbit/s and 250-1500 kbit/s."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av

from onmeet_node.media.engine.rate_control import Target
from onmeet_node.media.frames import SAMPLE_RATE

BITRATE_TOLERANCE = 0.25
"""The encoder is made anew, at the cost of a key frame, when the target is off by more."""
OPUS_COMPLEXITY = "3"
"""Of 0-10: at 32 kbit/s nobody hears more, and it costs a third less than libopus' own 10."""
AUDIO_CLOCK = Fraction(1, SAMPLE_RATE)
VIDEO_CLOCK = Fraction(1, 90_000)
"""RTP clocks of Opus (RFC 7587) and VP8 (RFC 7741)."""
TICKS = 90
"""Per second: tells the encoder how far frames are apart, whatever their rate."""
PICTURE_CLOCK = Fraction(1, TICKS)


class OpusEncoder:
    """Mono voice, 20 ms."""

    def __init__(self) -> None:
        self._codec: Any = None
        self._bitrate = 0
        self._samples = 0

    def encode(self, frame: av.AudioFrame, bitrate: int) -> bytes:
        """One packet for 20 ms of s16 mono 48 kHz; `bitrate` in bits per second."""
        if self._codec is None or bitrate != self._bitrate:
            self._codec = av.CodecContext.create("libopus", "w")
            self._codec.bit_rate = self._bitrate = bitrate
            self._codec.format, self._codec.layout = "s16", "mono"
            self._codec.sample_rate = SAMPLE_RATE
            self._codec.time_base = AUDIO_CLOCK
            self._codec.options = {
                "application": "voip",
                "frame_duration": "20",
                "compression_level": OPUS_COMPLEXITY,
            }
            self._samples = 0
        frame.pts, frame.time_base = self._samples, AUDIO_CLOCK
        self._samples += frame.samples
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


class Vp8Encoder:
    """VP8 for calls: constant bit rate, no look-ahead, key frames only when asked for."""

    def __init__(self) -> None:
        self._codec: Any = None
        self._bitrate = 0
        self._ticks = 0
        self.size: tuple[int, int] | None = None

    def encode(self, frame: av.VideoFrame, target: Target, keyframe: bool) -> bytes:
        """One encoded picture, no larger than the target's height. Blocks for some milliseconds."""
        size = fit(frame.width, frame.height, target.height)
        if frame.format.name != "yuv420p" or size != (frame.width, frame.height):
            frame = frame.reformat(width=size[0], height=size[1], format="yuv420p")
        off = abs(target.bitrate - self._bitrate) > BITRATE_TOLERANCE * self._bitrate
        if self._codec is None or off or size != self.size:
            self._codec = self._make(size, target.bitrate)
            self._bitrate, self.size = target.bitrate, size
        # NOTE: a frame object may come twice, or out of a decoder with its own type; libvpx makes a
        # key frame of everything that is marked I (measured: 2,100 instead of 520 kbit/s).
        picture_type = av.video.frame.PictureType
        frame.pict_type = picture_type.I if keyframe else picture_type.NONE
        frame.pts, frame.time_base = self._ticks, PICTURE_CLOCK
        self._ticks += TICKS // target.frame_rate
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))

    def _make(self, size: tuple[int, int], bitrate: int) -> Any:
        codec = av.CodecContext.create("libvpx", "w")
        codec.width, codec.height = size
        codec.pix_fmt = "yuv420p"
        codec.time_base = PICTURE_CLOCK
        codec.bit_rate = bitrate
        codec.gop_size = 3000
        codec.qmin, codec.qmax = 2, 56
        codec.thread_count = 1
        rate = str(bitrate)
        codec.options = {
            "minrate": rate,
            "maxrate": rate,
            "bufsize": rate,  # one second, in FFmpeg's unit
            "cpu-used": "-6",
            "deadline": "realtime",
            "lag-in-frames": "0",
            "error-resilient": "default",
            "noise-sensitivity": "0",
            "static-thresh": "1",
            "overshoot-pct": "15",
            "undershoot-pct": "100",
            "max-intra-rate": "450",
        }
        return codec


def fit(width: int, height: int, limit: int) -> tuple[int, int]:
    """The largest even size of the same shape whose shorter side is at most `limit` rows."""
    shorter = min(width, height)
    if shorter <= limit:
        return width - width % 2, height - height % 2
    return round(width * limit / shorter / 2) * 2, round(height * limit / shorter / 2) * 2
