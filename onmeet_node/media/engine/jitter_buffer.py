"""The audio jitter buffer: when to play which packet, and when to conceal a missing one. Pure.

aiortc's own waits for a lost packet until 16 are in and then stays 200 ms late; 5 % of loss cost a
quarter of the audio. This one plays by the clock: the position moves 20 ms every 20 ms, a packet
that is not there by then is concealed, and the delay follows the jitter both up and down.

Times are seconds of a monotonic clock, positions and durations are samples at 48 kHz.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

RATE = 48_000
FRAME = 960
"""20 ms: the unit of concealment and of changing the delay."""

START_DELAY = 0.030
"""Before anything is known about the path: one packet early, one late."""
MIN_DELAY = 0.020
MAX_DELAY = 0.240
"""Beyond it people talk over each other; later packets are given up."""
MARGIN = 0.008
"""Added to the measured jitter: our own clock ticks late, too."""
PERCENTILE = 0.97
HISTORY = 150
"""Packets (3 s) that the jitter is measured on."""
MIN_TRANSIT_SECONDS = 10.0
"""The fastest packet of this long sets the zero of the delay; follows the drift of clocks."""
PATIENCE = 0.5
"""Seconds of too much delay before a frame is skipped: a burst is no reason."""
SLACK = 0.030
"""Too much delay below this is not worth the click of a skipped frame."""
MAX_CONCEALED = 5
"""Frames in a row (100 ms); then the stream counts as paused, and begins afresh."""
MAX_PACKETS = 64
JUMP = 10 * RATE
"""A timestamp further away than this begins a new stream."""


class Why(enum.Enum):
    """Why there is no packet to play."""

    LOST = "lost"
    """Conceal it: the position moves on."""
    STRETCH = "stretch"
    """Conceal without moving on: the delay grows by a frame."""
    PAUSED = "paused"
    """Nothing is coming; play silence."""


@dataclass(frozen=True, slots=True)
class Play:
    """Decode this packet and play what it holds."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Play something invented for `samples`."""

    why: Why
    samples: int = FRAME


@dataclass(frozen=True, slots=True)
class _AudioPacket:
    payload: bytes
    duration: int


def opus_duration(payload: bytes) -> int:
    """Samples at 48 kHz in an Opus packet (RFC 6716, 3.1 and 3.2); 0 if it is malformed."""
    if not payload:
        return 0
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    many = payload[1] & 0x3F if len(payload) > 1 else 0
    count = (1, 2, 2, many)[code]
    return frame * count if frame * count <= 5760 else 0


class JitterBuffer:
    """Give packets to `push` as they come, and ask `pop` whenever something must be played."""

    def __init__(self) -> None:
        self._packets: dict[int, _AudioPacket] = {}
        self._newest: int | None = None
        self._position: int | None = None
        """What is played next; None while paused."""
        self._begin_at = 0.0
        self._transits: deque[float] = deque(maxlen=HISTORY)
        self._zero: deque[tuple[float, float]] = deque()
        """Lowest transits, oldest first, each lower than those after it (a sliding minimum)."""
        self._target = START_DELAY
        self._concealed = 0
        self._slow_since: float | None = None
        self._pushed = 0
        self.late = 0
        """Packets that came after their time."""

    @property
    def delay(self) -> float:
        """Seconds that packets wait here, as wanted now."""
        return self._target

    # ── in ───────────────────────────────────────────────────────────────────────────────────────
    def push(self, timestamp: int, payload: bytes, *, now: float) -> None:
        """Takes a packet with its RTP timestamp (32 bits), in any order."""
        duration = opus_duration(payload)
        if not duration:
            return
        at = self._unwrap(timestamp)
        if self._newest is not None and abs(at - self._newest) > JUMP:
            self._forget()
            at = timestamp
        self._newest = at if self._newest is None else max(self._newest, at)
        self._measure(at, now)
        if self._position is not None and at < self._position:
            self.late += 1
            return
        if self._position is None and not self._packets:
            self._begin_at = now + self._target
        self._packets[at] = _AudioPacket(payload, duration)
        if len(self._packets) > MAX_PACKETS:
            self._skip_to(sorted(self._packets)[-MAX_PACKETS // 2])

    def _unwrap(self, timestamp: int) -> int:
        if self._newest is None:
            return timestamp
        delta = (timestamp - self._newest) & 0xFFFF_FFFF
        return self._newest + (delta - 0x1_0000_0000 if delta >= 0x8000_0000 else delta)

    def _measure(self, at: int, now: float) -> None:
        transit = now - at / RATE
        self._transits.append(transit)
        while self._zero and self._zero[-1][1] >= transit:
            self._zero.pop()
        self._zero.append((now, transit))
        while self._zero[0][0] < now - MIN_TRANSIT_SECONDS:
            self._zero.popleft()
        self._pushed += 1
        # A late packet counts at once: the next may be as late. Otherwise every half second.
        if self._pushed % 25 == 0 or transit - self._zero[0][1] > self._target:
            ordered = sorted(self._transits)
            high = ordered[min(len(ordered) - 1, int(len(ordered) * PERCENTILE))]
            wanted = high - self._zero[0][1] + MARGIN
            if len(ordered) < HISTORY // 3:  # a guess until there is enough to go by
                wanted = max(wanted, START_DELAY)
            self._target = min(max(wanted, MIN_DELAY), MAX_DELAY)

    # ── out ──────────────────────────────────────────────────────────────────────────────────────
    def pop(self, *, now: float) -> Play | Gap:
        """What to play next. Ask again when it has been played."""
        if self._position is None:
            if not self._packets or now < self._begin_at:
                return Gap(Why.PAUSED)
            self._position = min(self._packets)
        behind = now - (self._position / RATE + self._zero[0][1] + self._target)
        if behind < -FRAME / RATE and self._concealed < MAX_CONCEALED:
            self._concealed += 1
            return Gap(Why.STRETCH)
        self._shrink(behind, now)
        if any(at < self._position for at in self._packets):  # they overlap: a confused sender
            self._skip_to(self._position)
        packet = self._packets.pop(self._position, None)
        if packet is not None:
            self._concealed = 0
            self._position += packet.duration
            return Play(packet.payload)
        return self._conceal()

    def _shrink(self, behind: float, now: float) -> None:
        """Skips a frame when the delay has been too long for a while."""
        assert self._position is not None
        if behind < SLACK:
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = now
        elif behind > MAX_DELAY or now - self._slow_since > PATIENCE:
            self._slow_since = now - PATIENCE + 0.1  # the next one in 100 ms, if still needed
            packet = self._packets.pop(self._position, None)
            self._position += packet.duration if packet else FRAME

    def _conceal(self) -> Gap:
        assert self._position is not None
        self._concealed += 1
        following = min(self._packets, default=None)
        if following is None and self._concealed > MAX_CONCEALED:
            self._position = None
            self._concealed = 0
            return Gap(Why.PAUSED)
        if following is not None and self._concealed > MAX_CONCEALED:
            self._position = following  # a long hole: go on where there is something
            return Gap(Why.LOST)
        samples = FRAME if following is None else min(FRAME, following - self._position)
        self._position += samples
        return Gap(Why.LOST, samples)

    def _skip_to(self, position: int) -> None:
        self._packets = {at: p for at, p in self._packets.items() if at >= position}
        if self._position is not None:
            self._position = max(self._position, position)

    def _forget(self) -> None:
        self._packets.clear()
        self._transits.clear()
        self._zero.clear()
        self._newest = self._position = self._slow_since = None
        self._concealed = 0
