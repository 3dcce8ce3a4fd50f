"""How much to send: bit rate, picture size and frame rate from what the receiver reports. Pure.

Both signs of a full link count: lost packets, and delay that grows, from which the receiver makes
its estimate (REMB, draft-alvestrand-rmcat-remb-03).
"""

from __future__ import annotations

from dataclasses import dataclass

from onmeet_node.protocol.room.send_limits import SendLimits

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
LEAST_FACTOR = 0.5
"""Of one step down: a second without any network says nothing about the network after it."""
RAISE = 1.08
"""Per report, about one a second."""
RAISE_BACK, RETURN_SHARE = 1.25, 0.8
"""Faster, up to a share of what there was before the last step down."""
HOLD_SECONDS = 3.0
"""After lowering, nothing is raised: the queue must drain first."""
LOWER_GAP = 0.8
"""Seconds between two steps down: the first must show in a report before the second."""
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
        self._worked = 0.0
        self._shape: SendLimits | None = None
        self._step = self._step_for(1.0)

    @property
    def target(self) -> Target:
        """What is allowed now."""
        bitrate = int(self._bitrate)
        height, frame_rate = self._step
        audio = LOW_AUDIO_BITRATE if bitrate < LOW_AUDIO_BELOW else AUDIO_BITRATE
        most = self._shape
        if most is not None:
            bitrate = min(bitrate, most.bitrate)
            height, frame_rate = min(height, most.height), min(frame_rate, most.frame_rate)
        return Target(bitrate, height, frame_rate, audio)

    def shape(self, shape: SendLimits) -> None:
        """The most that is wanted at the other end, whatever the path carries: what is not sent now
        says nothing about the path.
        """
        self._shape = shape

    def on_estimate(self, bitrate: int, *, now: float) -> None:
        """The receiver's estimate of what the path carries, in bits per second (REMB)."""
        self._ceiling = max(MIN_BITRATE, min(bitrate * REMB_SHARE, MAX_BITRATE))
        if self._ceiling < self._bitrate:
            self._set(self._ceiling)
            self._held_until = now + HOLD_SECONDS

    def on_report(self, *, lost: float, now: float) -> None:
        """A receiver report: the fraction of packets `lost` since the one before."""
        if lost > LOSS_TO_LOWER:
            if now >= self._held_until - HOLD_SECONDS + LOWER_GAP:
                self._worked = self._bitrate
                self._set(self._bitrate * max(1 - lost, LEAST_FACTOR))
                self._held_until = now + HOLD_SECONDS
        elif lost < LOSS_TO_RAISE and now >= self._held_until:
            below = self._bitrate < self._worked * RETURN_SHARE
            self._set(self._bitrate * (RAISE_BACK if below else RAISE))

    def _set(self, bitrate: float) -> None:
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


RETRANSMIT_SHARE = 0.3
"""Of the target; a link that is full is not helped by sending more."""
RETRANSMIT_BURST = 0.5
"""Seconds of that share that may be used at once."""
RETRANSMIT_AGAIN = 0.04
"""Seconds before the same packet is sent once more: it may just be on its way."""
PACKET_BYTES = 1_200


class RetransmitBudget:
    """Decides which requests for lost packets (NACK, RFC 4585) are honoured."""

    def __init__(self) -> None:
        self._bytes = float(PACKET_BYTES * 8)
        self._at = float("-inf")
        self._sent: dict[int, float] = {}

    def allow(self, sequence: int, target: Target, *, now: float) -> bool:
        """Whether the packet with this number may be sent again now."""
        share = target.bitrate / 8 * RETRANSMIT_SHARE
        most = max(share * RETRANSMIT_BURST, PACKET_BYTES * 8.0)
        self._bytes = min(self._bytes + min(now - self._at, 10.0) * share, most)
        self._at = now
        self._sent = {s: at for s, at in self._sent.items() if now - at < RETRANSMIT_AGAIN}
        if sequence in self._sent or self._bytes < PACKET_BYTES:
            return False
        self._sent[sequence] = now
        self._bytes -= PACKET_BYTES
        return True
