"""Puts VP8 pictures together from RTP packets (RFC 7741). Pure.

aiortc's own gives a picture out when the next one begins, 33 ms late, and waits for ever for a
packet whose retransmission was lost too.
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_WAIT, MAX_WAIT = 0.25, 0.8
"""Seconds to wait for a retransmission before the picture is given up."""
WAIT_ROUND_TRIPS = 1.7
"""The same by the path: one to get it, the rest because the next picture shows the gap."""
PLI_GAP = 0.4
"""Seconds between requests for a key frame ..."""
PLI_ROUND_TRIPS = 1.3
"""... and round trips: one to get it."""
MAX_PACKETS = 1024

MAX_SIDE = 4_096
MAX_PIXELS = 4_096 * 2_304
"""Of a picture that is decoded: a whole screen of 4K, and 14 MB for each copy that the decoder and
those behind it keep. VP8 could have 16,383 a side, 400 MB, in a key frame of 22 kB."""
_START_CODE = b"\x9d\x01\x2a"


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """One encoded picture."""

    data: bytes
    timestamp: int
    keyframe: bool


def can_be_shown(picture: EncodedPicture) -> bool:
    """Whether a picture may be given to the decoder.

    Its size is in its key frame, after a tag of 3 bytes and a start code: two numbers of 14 bits,
    each below two bits of scaling (RFC 6386, 9.1). Other frames keep the size of the last one.
    """
    if not picture.keyframe:
        return True
    head = picture.data[3:10]
    if len(head) < 7 or head[:3] != _START_CODE:
        return False
    width = int.from_bytes(head[3:5], "little") & 0x3FFF
    height = int.from_bytes(head[5:7], "little") & 0x3FFF
    return 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and width * height <= MAX_PIXELS


@dataclass(frozen=True, slots=True)
class _VideoPacket:
    timestamp: int
    marker: bool
    first: bool
    data: bytes
    at: float


class PictureAssembler:
    """Give packets to `push`; it returns the pictures that this one completed, in order."""

    def __init__(self) -> None:
        self._packets: dict[int, _VideoPacket] = {}
        self._next: int | None = None
        self._newest: int | None = None
        self._needs_keyframe = True
        self._pli_at = float("-inf")
        self.round_trip = 0.0
        """Of the path, in seconds, as far as known; kept up to date by the owner."""
        self.wants_pli = False
        """A key frame should be asked for; whoever asks calls `pli_sent`."""

    def push(
        self, sequence: int, timestamp: int, data: bytes, *, first: bool, marker: bool, now: float
    ) -> list[EncodedPicture]:
        """Takes a packet: RTP sequence number and timestamp, and VP8 data without descriptor.

        `first`: it begins a picture. `now`: seconds of a monotonic clock.
        """
        if self._newest is not None and _is_before(sequence, self._newest):
            if self._next is None:
                return []  # a retransmission for a picture that was given up
        else:
            self._newest = sequence
        if self._next is None:
            if not first or not _is_keyframe(data):
                self._ask(now)
                return []
            self._next = sequence
        ahead = (sequence - self._next) & 0xFFFF
        if ahead >= 0x8000:
            return []
        if ahead >= MAX_PACKETS:
            self._give_up(now)
            return []
        self._packets[sequence] = _VideoPacket(timestamp, marker, first, data, now)
        done = self._collect()
        if (
            not done
            and self._packets
            and now - min(p.at for p in self._packets.values()) > self._patience
        ):
            self._skip_to_keyframe(now)
            done = self._collect()
        return done

    def lost_picture(self, *, now: float) -> None:
        """The decoder could not use a picture: only a key frame helps."""
        self._give_up(now)

    def pli_sent(self, *, now: float) -> None:
        """A key frame was asked for."""
        self.wants_pli = False
        self._pli_at = now

    def _collect(self) -> list[EncodedPicture]:
        done: list[EncodedPicture] = []
        while self._next is not None:
            parts: list[_VideoPacket] = []
            sequence = self._next
            while (packet := self._packets.get(sequence)) is not None:
                sequence = (sequence + 1) & 0xFFFF
                if not packet.data and not parts:  # padding between pictures
                    self._packets.pop((sequence - 1) & 0xFFFF)
                    self._next = sequence
                    continue
                parts.append(packet)
                if packet.marker:
                    break
            if not parts or not parts[-1].marker:
                break
            for number in range(len(parts)):
                self._packets.pop((self._next + number) & 0xFFFF)
            self._next = sequence
            keyframe = _is_keyframe(parts[0].data)
            if parts[0].first and (keyframe or not self._needs_keyframe):
                self._needs_keyframe = False
                done.append(
                    EncodedPicture(b"".join(p.data for p in parts), parts[0].timestamp, keyframe)
                )
        return done

    def _skip_to_keyframe(self, now: float) -> None:
        """Drops what waits for a lost packet, up to the next key frame if it is here already."""
        assert self._next is not None
        base = self._next
        starts = [
            sequence
            for sequence, packet in self._packets.items()
            if packet.first and _is_keyframe(packet.data) and sequence != base
        ]
        if not starts:
            self._give_up(now)
            return
        self._next = min(starts, key=lambda sequence: (sequence - base) & 0xFFFF)
        keep = (self._next - base) & 0xFFFF
        self._packets = {
            s: packet for s, packet in self._packets.items() if (s - base) & 0xFFFF >= keep
        }

    @property
    def _patience(self) -> float:
        return min(max(MIN_WAIT, WAIT_ROUND_TRIPS * self.round_trip), MAX_WAIT)

    def _give_up(self, now: float) -> None:
        self._packets.clear()
        self._next = None
        self._needs_keyframe = True
        self._ask(now)

    def _ask(self, now: float) -> None:
        self.wants_pli = now - self._pli_at > max(PLI_GAP, PLI_ROUND_TRIPS * self.round_trip)


def _is_before(a: int, b: int) -> bool:
    return (a - b) & 0xFFFF >= 0x8000


def _is_keyframe(data: bytes) -> bool:
    """VP8 frame header (RFC 6386, 9.1): the lowest bit is 0 in a key frame."""
    return bool(data) and not data[0] & 1
