"""How much to send: bit rate, picture size and frame rate from what the receiver reports. Pure.

Both signs of a full link count: lost packets, and delay that grows, which the receiver reports as
its estimate (REMB, draft-alvestrand-rmcat-remb-03) and the round-trip time shows.
"""

from __future__ import annotations

from dataclasses import dataclass

START_BITRATE = 400_000
MIN_BITRATE = 50_000
MAX_BITRATE = 1_800_000
"""Bits per second of video."""
AUDIO_BITRATE = 32_000
LOW_AUDIO_BITRATE = 24_000
LOW_AUDIO_BELOW = 120_000
"""Of video: below it, audio makes room too."""

LOSS_TO_LOWER, LOSS_TO_RAISE = 0.10, 0.02
"""Fractions, as in Google congestion control (draft-ietf-rmcat-gcc-02, 6)."""
RAISE = 1.08
"""Per report, about one a second."""
QUEUE_TO_LOWER = 0.12
"""Seconds by which the round trip may exceed the shortest seen before we slow down."""
QUEUE_FACTOR = 0.8
HOLD_SECONDS = 3.0
"""After lowering, nothing is raised: the queue must drain first."""
BASE_RTT_SECONDS = 60.0
"""The shortest round trip is looked for again after this: routes change."""
REMB_SHARE = 0.9
"""Of the receiver's estimate: the rest is for audio, retransmissions and headers."""


@dataclass(frozen=True, slots=True)
class Target:
    """What encoders may use."""

    bitrate: int
    """Bits per second of video."""
    height: int
    """Most rows of a picture; a smaller one is sent as it is."""
    frame_rate: int
    audio_bitrate: int


LADDER = ((1_100_000, 720, 30), (550_000, 480, 30), (180_000, 360, 30), (100_000, 240, 15))
"""From this bit rate on: picture height and frames per second."""
LOWEST = (180, 10)
STEP_UP_MARGIN = 1.25
"""A larger picture needs this much more than its step, so that sizes do not flicker."""


class RateControl:
    """Keeps the target; times are seconds of one monotonic clock."""

    def __init__(self, start: int = START_BITRATE) -> None:
        self._bitrate = float(start)
        self._ceiling = float(MAX_BITRATE)
        self._held_until = float("-inf")
        self._base_rtt: float | None = None
        self._base_until = float("-inf")
        self._step = self._step_for(1.0)

    @property
    def target(self) -> Target:
        """What is allowed now."""
        bitrate = int(self._bitrate)
        height, frame_rate = self._step
        audio = LOW_AUDIO_BITRATE if bitrate < LOW_AUDIO_BELOW else AUDIO_BITRATE
        return Target(bitrate, height, frame_rate, audio)

    def on_estimate(self, bitrate: int, *, now: float) -> None:
        """The receiver's estimate of what the path carries, in bits per second (REMB)."""
        self._ceiling = max(MIN_BITRATE, min(bitrate * REMB_SHARE, MAX_BITRATE))
        if self._ceiling < self._bitrate:
            self._set(self._ceiling, now)
            self._held_until = now + HOLD_SECONDS

    def on_report(self, *, lost: float, rtt: float | None, now: float) -> None:
        """A receiver report: fraction of packets `lost` since the last, round trip in seconds."""
        queue = 0.0
        if rtt is not None:
            if self._base_rtt is None or rtt < self._base_rtt or now > self._base_until:
                self._base_rtt, self._base_until = rtt, now + BASE_RTT_SECONDS
            queue = rtt - self._base_rtt
        if queue > QUEUE_TO_LOWER or lost > LOSS_TO_LOWER:
            if now < self._held_until - HOLD_SECONDS / 2:
                return
            factor = min(1 - lost / 2, QUEUE_FACTOR if queue > QUEUE_TO_LOWER else 1.0)
            self._set(self._bitrate * factor, now)
            self._held_until = now + HOLD_SECONDS
        elif lost < LOSS_TO_RAISE and now >= self._held_until:
            self._set(self._bitrate * RAISE, now)

    def _set(self, bitrate: float, now: float) -> None:
        del now
        self._bitrate = max(MIN_BITRATE, min(bitrate, self._ceiling, MAX_BITRATE))
        lower, higher = self._step_for(1.0), self._step_for(STEP_UP_MARGIN)
        if lower[0] < self._step[0]:
            self._step = lower
        elif higher[0] > self._step[0]:
            self._step = higher

    def _step_for(self, margin: float) -> tuple[int, int]:
        for bitrate, height, frame_rate in LADDER:
            if self._bitrate >= bitrate * margin:
                return height, frame_rate
        return LOWEST
