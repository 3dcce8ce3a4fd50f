"""What a sender sends: an outlet stays with its sender and is fed by a source once attached.

aiortc's sender polls every 20 ms while it has no track, and loses up to that much at the start of a
call. An outlet is a track from the beginning, silent and without a device until `aio_attach`, so
that attaching needs no renegotiation and the first frame leaves at once. It encodes here and gives
aiortc finished packets, which keeps bit rates, frame sizes and key frames in our hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from onmeet_node.media.engine.encoders import AUDIO_CLOCK, VIDEO_CLOCK, OpusEncoder, Vp8Encoder
from onmeet_node.media.engine.rate_control import RateControl
from onmeet_node.media.engine.sources import FRAME_SAMPLES, EndOfSource, Source
from onmeet_node.media.errors import MediaError, SessionClosed
from onmeet_node.protocol.wire.messages import Kind

KEYFRAME_GAP = 0.3
"""Seconds between key frames that the peer asks for: each is ten times a common frame."""
HIDDEN_GAP = 0.1
"""Seconds until a picture that nobody shows is looked at again: as late as it may come back."""

OpenSource = Callable[[], Awaitable[Source | None]]


class MediaSender(MediaStreamTrack):
    """Sends one kind of media as long as a source is attached and not muted."""

    def __init__(self, kind: Kind, rate: RateControl) -> None:
        super().__init__()
        self.kind = kind.value
        self.frames = 0
        """Frames sent so far."""
        self._rate = rate
        self._open: OpenSource | None = None
        self._source: Source | None = None
        self._flowing = asyncio.Event()
        self._changing = asyncio.Lock()
        self._muted = False

    # ── control ──────────────────────────────────────────────────────────────────────────────────
    async def aio_attach(self, open_source: OpenSource) -> None:
        """Opens the source and sends it. Attached again, it changes the source."""
        async with self._changing:
            self._open = open_source
            await self._aio_drop_source()
            if not self._muted:
                await self._aio_start()

    async def aio_mute(self, *, muted: bool) -> None:
        """Stops or resumes; a device is closed meanwhile, a file goes on where it was."""
        async with self._changing:
            self._muted = muted
            if not muted:
                await self._aio_start()
                return
            self._flowing.clear()
            if self._source is not None and self._source.is_device:
                await self._aio_drop_source()

    async def _aio_start(self) -> None:
        if self._source is None and self._open is not None:
            source = await self._open()
            if self.readyState == "ended":
                if source is not None:
                    await source.aio_close()
                raise SessionClosed("The session was closed while its source was opened.")
            self._source = source
        if self._source is not None:
            self._flowing.set()

    async def _aio_drop_source(self) -> None:
        self._flowing.clear()
        source, self._source = self._source, None
        if source is not None:
            await source.aio_close()

    async def aio_close(self) -> None:
        """Closes the source; `recv` ends."""
        self.stop()
        await self._aio_drop_source()

    # ── for aiortc's sender ──────────────────────────────────────────────────────────────────────
    async def recv(self) -> av.Packet[Any]:
        """The next encoded frame, when there is one."""
        while self.readyState == "live":
            await self._flowing.wait()
            source = self._source
            if source is None:
                continue
            try:
                frame = await source.aio_frame()
            except (EndOfSource, MediaError):
                if source is self._source:
                    self._flowing.clear()
                continue
            if not self._flowing.is_set() or source is not self._source:
                continue
            packet = await self._aio_encode(frame)
            if packet is not None:
                self.frames += 1
                return packet
        raise MediaStreamError

    async def _aio_encode(self, frame: object) -> av.Packet[Any] | None:
        raise NotImplementedError


class AudioOutlet(MediaSender):
    """Opus, mono, 20 ms."""

    def __init__(self, rate: RateControl) -> None:
        super().__init__(Kind.AUDIO, rate)
        self._encoder = OpusEncoder()
        self._next: int | None = None

    async def _aio_encode(self, frame: object) -> av.Packet[Any] | None:
        assert isinstance(frame, av.AudioFrame)
        if frame.samples != FRAME_SAMPLES:  # the last piece of a file
            return None
        # NOTE: encoded right here: 20 ms of Opus cost 0.2 ms, a hop to another thread more.
        data = self._encoder.encode(frame, self._rate.target.audio_bitrate)
        now = int(asyncio.get_running_loop().time() * 48_000)
        # Steady while it flows; after a pause the clock says how long it was.
        if self._next is None or abs(now - self._next) > 5 * FRAME_SAMPLES:
            self._next = now
        packet: av.Packet[Any] = av.Packet(data)
        packet.pts, packet.time_base = self._next, AUDIO_CLOCK
        self._next += FRAME_SAMPLES
        return packet


class VideoOutlet(MediaSender):
    """VP8, in the size, rate and quality that rate control allows."""

    def __init__(self, rate: RateControl) -> None:
        super().__init__(Kind.VIDEO, rate)
        self._encoder = Vp8Encoder()
        self._wants_keyframe = True
        self._keyframe_at = float("-inf")
        self._not_before = float("-inf")

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height sent now."""
        return self._encoder.size

    def request_keyframe(self) -> None:
        """The peer lost the picture (PLI or FIR)."""
        self._wants_keyframe = True

    async def _aio_encode(self, frame: object) -> av.Packet[Any] | None:
        assert isinstance(frame, av.VideoFrame)
        loop = asyncio.get_running_loop()
        now = loop.time()
        target = self._rate.target
        if now < self._not_before:
            return None
        if target.frame_rate == 0:  # shown nowhere
            self._wants_keyframe = True
            self._not_before = now + HIDDEN_GAP
            return None
        # A little early is on time: sources do not tick to the microsecond.
        self._not_before = now + 0.8 / target.frame_rate
        keyframe = self._wants_keyframe and now - self._keyframe_at > KEYFRAME_GAP
        if keyframe:
            self._wants_keyframe, self._keyframe_at = False, now
        data = await loop.run_in_executor(None, self._encoder.encode, frame, target, keyframe)
        if not data:
            return None
        packet: av.Packet[Any] = av.Packet(data)
        packet.pts, packet.time_base = int(now * 90_000), VIDEO_CLOCK
        return packet
