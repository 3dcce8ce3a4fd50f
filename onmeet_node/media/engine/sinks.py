"""Where decoded media goes besides the statistics: a file, a first picture, a program's tap."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from onmeet_node.media.engine.recording import Recorder, Recorders
from onmeet_node.media.engine.sources import audio_frame
from onmeet_node.media.errors import SinkUnavailable
from onmeet_node.media.frames import AudioFrame, FrameTap, VideoFrame
from onmeet_node.process.ownership import ForeignPlace, create_own
from onmeet_node.protocol.wire.messages import Kind

log = logging.getLogger(__name__)


def encode_png(frame: av.VideoFrame) -> bytes:
    """The picture as a PNG file."""
    codec = av.CodecContext.create("png", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "rgb24"
    codec.time_base = Fraction(1, 1)
    picture = VideoReformatter().reformat(frame, format="rgb24")
    picture.pts = 0
    packets = [*codec.encode(picture), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


class Sinks:
    """All sinks of one session. Called in the asyncio thread, once per played frame."""

    def __init__(
        self,
        *,
        kinds: frozenset[Kind],
        recorders: Recorders,
        stopped: Callable[[str], None],
        record: Path | None = None,
        picture: Path | None = None,
        tap: FrameTap | None = None,
    ) -> None:
        """`stopped` is told once if the recording stops before its time, and why."""
        self._stopped = stopped
        self._record = record
        self._recorders = recorders
        self._recorder = recorders.take(record, kinds) if record is not None else None
        self._tried_pictures = False
        self._picture = picture
        self._tap = tap
        if tap is not None:
            tap.acquire()
        self._tasks: set[asyncio.Future[None]] = set()

    def audio(self, samples: bytes, *, concealed: bool) -> None:
        """20 ms of s16 mono."""
        if self._tap is not None and Kind.AUDIO in self._tap.kinds:
            self._tap.put(AudioFrame(samples, concealed))
        if self._recorder is not None:
            self._recorder.put(audio_frame(samples), asyncio.get_running_loop().time())
            self._look()

    def video(self, frame: av.VideoFrame) -> None:
        """One picture."""
        if self._picture is not None:
            path, self._picture = self._picture, None
            task = asyncio.get_running_loop().run_in_executor(None, _save, path, frame)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._tap is not None and Kind.VIDEO in self._tap.kinds:
            self._tap.put(copy_picture(frame))
        if self._recorder is not None:
            self._make_place_for_pictures(self._recorder)
            self._recorder.put(frame, asyncio.get_running_loop().time())
            self._look()

    def _make_place_for_pictures(self, before: Recorder) -> None:
        """Goes on in another file: a camera was turned on in a voice call, and all streams of a
        file are in its header.
        """
        if self._record is None or Kind.VIDEO in before.kinds or self._tried_pictures:
            return
        self._tried_pictures = True
        if not before.has_place_for(Kind.VIDEO):
            return
        try:
            self._recorder = self._recorders.take(self._record, before.kinds | {Kind.VIDEO})
        except SinkUnavailable as error:
            self._stopped(str(error))
            return
        task = asyncio.ensure_future(self._recorders.aio_release(self._record, before))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _look(self) -> None:
        # With each frame, which costs less than waking this thread from the recorder's.
        trouble = self._recorder.take_trouble() if self._recorder is not None else None
        if trouble is not None:
            self._stopped(trouble)

    async def aio_close(self) -> None:
        """Finishes files and the tap, unless another session of the call goes on with them."""
        if self._tap is not None:
            self._tap.release()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._record is not None and self._recorder is not None:
            await self._recorders.aio_release(self._record, self._recorder)
            self._look()


def _save(path: Path, frame: av.VideoFrame) -> None:
    try:
        with os.fdopen(create_own(path), "wb") as file:
            file.write(encode_png(frame))
    except (ForeignPlace, OSError) as error:
        log.warning("The picture %s was not written: %s", path.name, error)


def copy_picture(frame: av.VideoFrame) -> VideoFrame:
    """The picture as plain bytes, without padding."""
    if frame.format.name != "yuv420p":
        frame = VideoReformatter().reformat(frame, format="yuv420p")
    sizes = ((frame.width, frame.height), *[((frame.width + 1) // 2, (frame.height + 1) // 2)] * 2)
    planes = []
    for plane, (width, height) in zip(frame.planes, sizes, strict=True):
        pixels, line = bytes(plane), plane.line_size
        if line != width:
            pixels = b"".join(pixels[y * line : y * line + width] for y in range(height))
        planes.append(pixels)
    return VideoFrame(frame.width, frame.height, *planes)
