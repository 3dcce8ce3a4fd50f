"""What becomes of arriving media: jitter buffer or assembler, decoder, then the sinks.

Each player stands in for aiortc's own jitter buffer (`internals.set_packet_sink`), so aiortc keeps
doing RTP, SRTP, reports and retransmission requests, and never decodes. All of it runs in the
asyncio thread; pictures are decoded by its executor.
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections import deque
from collections.abc import Callable
from typing import Any

import av
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

from onmeet_node.media.engine.encoders import AUDIO_CLOCK, VIDEO_CLOCK
from onmeet_node.media.engine.frame_assembly import EncodedPicture, PictureAssembler, can_be_shown
from onmeet_node.media.engine.jitter_buffer import FRAME, Gap, JitterBuffer, Play, Why
from onmeet_node.media.frames import SAMPLE_RATE
from onmeet_node.process.faults import contained

log = logging.getLogger(__name__)

TICK = FRAME / SAMPLE_RATE
FADE = (1.0, 0.7, 0.4, 0.15)
"""Loudness of the repeated frame; after it, silence. A repeat of 20 ms of speech sounds like
speech, of 100 ms like a machine."""
MAX_DECODE_BACKLOG = 15
"""Pictures waiting for the decoder (half a second); beyond it we skip to a key frame ..."""
MAX_BACKLOG_BYTES = 4 << 20
"""... or when they have more than this: a call's have some 4 kB each, its key frames 40 kB."""

SILENCE = bytes(FRAME * 2)

AudioSink = Callable[[bytes, bool], None]
"""Takes 20 ms of s16 mono 48 kHz, and whether they stand in for what did not come."""


class AudioPlayer:
    """Plays Opus packets by the clock and gives 20 ms to `sink` each 20 ms."""

    def __init__(self, sink: AudioSink, fault: Callable[[], None] = lambda: None) -> None:
        """`fault` is called when what came made playing fail in a way that nobody foresaw."""
        self._sink = sink
        self._fault = fault
        self._jitter = JitterBuffer()
        self._decoder: Any = None
        self._pcm = bytearray()
        self._last = SILENCE
        self._gap = 0
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self.decoded = 0
        self.concealed = 0
        self.bytes = 0

    @property
    def delay(self) -> float:
        """Seconds that the jitter buffer adds."""
        return self._jitter.delay

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Called by aiortc's receiver; (send a PLI, frame for aiortc's own decoder)."""
        loop = asyncio.get_running_loop()
        self.bytes += len(packet.payload)
        self._jitter.push(packet.timestamp, packet.payload, now=loop.time())
        if not self._closed and (self._task is None or self._task.done()):
            self._task = loop.create_task(self._aio_guarded())
        return False, None

    async def aio_close(self) -> None:
        """Stops playing; what still comes is thrown away."""
        self._closed = True
        await _aio_cancel(self._task)

    async def _aio_guarded(self) -> None:
        with contained("media session", then=self._fault):
            await self._aio_play()

    async def _aio_play(self) -> None:
        """Until nothing comes any more; the next packet starts it again."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        paused = 0
        while paused < 50:
            while len(self._pcm) < FRAME * 2:
                step = self._jitter.pop(now=loop.time())
                paused = paused + 1 if step == Gap(Why.PAUSED) else 0
                if paused:
                    break
                self._pcm += self._render(step)
            if not paused:
                samples = bytes(self._pcm[: FRAME * 2])
                del self._pcm[: FRAME * 2]
                self._sink(samples, self._gap > 0)
            # While waiting to begin, look often: the first packet should not wait for a tick.
            due += TICK if not paused or self.decoded else 0.005
            if due < loop.time() - 0.2:  # the machine slept
                due = loop.time()
            await asyncio.sleep(max(0.0, due - loop.time()))

    def _render(self, step: Play | Gap) -> bytes:
        if isinstance(step, Play):
            samples = self._decode(step.payload)
            if samples:
                self._gap = 0
                self.decoded += 1
                self._last = samples[-FRAME * 2 :].rjust(FRAME * 2, b"\0")
                return samples
            step = Gap(Why.LOST)
        self._gap += 1
        self.concealed += 1
        return _faded(self._last, self._gap)[: step.samples * 2]

    def _decode(self, payload: bytes) -> bytes:
        if self._decoder is None:
            self._decoder = av.CodecContext.create("libopus", "r")
            self._decoder.format, self._decoder.layout = "s16", "mono"
            self._decoder.sample_rate = SAMPLE_RATE
        packet = av.Packet(payload)
        packet.time_base = AUDIO_CLOCK
        try:
            frames = self._decoder.decode(packet)
        except av.FFmpegError:  # the peer's packet is damaged; hide it like a lost one
            return b""
        return b"".join(bytes(f.planes[0])[: f.samples * 2] for f in frames)


def _faded(samples: bytes, repeat: int) -> bytes:
    """The last frame again, the `repeat`-th time: backwards now and then, always fainter.

    Backwards, its ends meet the neighbours without a click.
    """
    if repeat > len(FADE):
        return SILENCE
    begin = FADE[repeat - 1]
    end = FADE[repeat] if repeat < len(FADE) else 0.0
    values = array("h", samples)
    if repeat % 2:
        values.reverse()
    count = len(values)
    step = (end - begin) / count
    return array("h", (int(v * (begin + step * n)) for n, v in enumerate(values))).tobytes()


class VideoPlayer:
    """Decodes VP8 pictures and gives each to `sink` as soon as it is complete."""

    def __init__(
        self,
        sink: Callable[[av.VideoFrame], None],
        round_trip: Callable[[], float] = float,
        fault: Callable[[], None] = lambda: None,
    ) -> None:
        """`round_trip`: seconds that the path takes both ways, as far as known. `fault` is called
        when what came made decoding fail in a way that nobody foresaw.
        """
        self._sink = sink
        self._fault = fault
        self._round_trip = round_trip
        self._assembler = PictureAssembler()
        self._waiting: deque[EncodedPicture] = deque()
        self._closed = False
        self._decoder: Any = None
        self._task: asyncio.Task[None] | None = None
        self.decoded = 0
        self.refused = 0
        """Pictures that were not decoded because they are too large, or none."""
        self.bytes = 0
        self.size: tuple[int, int] | None = None

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Called by aiortc's receiver; (send a PLI, frame for aiortc's own decoder)."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._closed:
            # NOTE: a picture may still be in the decoder, in another thread; a second one there
            # at the same time would crash the process.
            return False, None
        self.bytes += len(packet.payload)
        self._assembler.round_trip = self._round_trip()
        descriptor = packet.payload[0] if packet.payload else 0
        pictures = self._assembler.push(
            packet.sequence_number,
            packet.timestamp,
            packet._data,  # type: ignore[attr-defined]  # set by aiortc's receiver just before
            first=bool(descriptor & 0x10) and not descriptor & 0x07,
            marker=bool(packet.marker),
            now=now,
        )
        for picture in pictures:
            if not can_be_shown(picture):
                # What follows builds on it. The PLI for the next key frame keeps its pace.
                self.refused += 1
                self._waiting.clear()
                self._assembler.lost_picture(now=now)
                break
            self._waiting.append(picture)
        waiting = sum(len(picture.data) for picture in self._waiting)
        if len(self._waiting) > MAX_DECODE_BACKLOG or waiting > MAX_BACKLOG_BYTES:
            self._waiting.clear()
            self._assembler.lost_picture(now=now)
        if self._waiting and (self._task is None or self._task.done()):
            self._task = loop.create_task(self._aio_guarded())
        wants_pli = self._assembler.wants_pli
        if wants_pli:
            self._assembler.pli_sent(now=now)
        return wants_pli, None

    async def aio_close(self) -> None:
        """Stops decoding; what still comes is thrown away."""
        self._closed = True
        await _aio_cancel(self._task)

    async def _aio_guarded(self) -> None:
        with contained("media session", then=self._fault):
            await self._aio_decode()

    async def _aio_decode(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            picture = self._waiting.popleft()
            try:
                frames = await loop.run_in_executor(None, self._decode, picture)
            except av.FFmpegError:
                self._waiting.clear()
                self._assembler.lost_picture(now=loop.time())
                return
            for frame in frames:
                self.decoded += 1
                self.size = (frame.width, frame.height)
                self._sink(frame)

    def _decode(self, picture: EncodedPicture) -> list[av.VideoFrame]:
        if self._decoder is None:
            self._decoder = av.CodecContext.create("libvpx", "r")
        packet = av.Packet(picture.data)
        packet.pts, packet.time_base = picture.timestamp, VIDEO_CLOCK
        return list(self._decoder.decode(packet))


class LatePlayer:
    """Stands in for a player until the first packet comes, and hands on to it from then on.

    Once the session is not `alive` any more, none is made.
    """

    def __init__(
        self, make: Callable[[], AudioPlayer | VideoPlayer], alive: Callable[[], bool]
    ) -> None:
        self._make = make
        self._alive = alive
        self._player: AudioPlayer | VideoPlayer | None = None

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Called by aiortc's receiver; see the players."""
        if self._player is None:
            if not self._alive():
                return False, None
            self._player = self._make()
        return self._player.add(packet)


async def _aio_cancel(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
