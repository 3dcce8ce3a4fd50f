"""Where decoded media goes besides the statistics: a file, a first picture, a program's tap."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import queue
import shutil
import threading
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import VideoReformatter

from onmeet_node.faults import contained
from onmeet_node.media.errors import SinkUnavailable
from onmeet_node.media.frames import KEPT_BYTES, SAMPLE_RATE, AudioFrame, FrameTap, VideoFrame
from onmeet_node.media.sources import audio_frame
from onmeet_node.ownership import ForeignPlace, create_own
from onmeet_node.wire.messages import Kind

log = logging.getLogger(__name__)

CODECS = {
    ".mkv": {Kind.AUDIO: "aac", Kind.VIDEO: "libx264"},
    ".mp4": {Kind.AUDIO: "aac", Kind.VIDEO: "libx264"},
    ".webm": {Kind.AUDIO: "libopus", Kind.VIDEO: "libvpx"},
    ".wav": {Kind.AUDIO: "pcm_s16le"},
}
"""By suffix: what a recording may be."""
VIDEO_BITRATE = 1_000_000
MIN_FREE_BYTES = 1_000_000
"""On the disk of a recording that begins: less than ten seconds of it."""
QUEUE_FRAMES = 100
"""Frames waiting for the disk (two seconds); beyond it, or beyond `KEPT_BYTES`, frames are left out
of the recording."""
WAIT_FOR_OTHER_KIND = 2.0
"""Seconds that a recording of the first kind waits for the second, to have both in its header."""
CLOSE_SECONDS = 0.7
CLOCK = 1000
"""Ticks per second of the pictures of a recording."""


def check_recording(path: Path) -> Mapping[Kind, str]:
    """The codecs of a recording at `path`. Raises `SinkUnavailable` where there can be none."""
    codecs = CODECS.get(path.suffix.lower())
    if codecs is None:
        known = ", ".join(CODECS)
        raise SinkUnavailable(f"Cannot record to {path.name}: use one of {known}.")
    require_writable(path.parent)
    return codecs


def require_writable(directory: Path) -> None:
    """Raises `SinkUnavailable` unless files can be made in `directory`."""
    if not directory.is_dir():
        raise SinkUnavailable(f"Cannot record: there is no directory {directory}. Create it.")
    if not os.access(directory, os.W_OK | os.X_OK):  # which knows of read-only disks, root or not
        raise SinkUnavailable(f"Cannot record: {directory} is not writable. Choose another.")
    if shutil.disk_usage(directory).free < MIN_FREE_BYTES:
        raise SinkUnavailable(
            f"Cannot record: the disk that holds {directory} is full. Free some space, or choose "
            "another."
        )


class Recorder:
    """Writes what arrives to a file, in a thread of its own. Nothing arrived: no file."""

    def __init__(self, path: Path, kinds: frozenset[Kind]) -> None:
        """Raises `SinkUnavailable` when the file cannot be written or the suffix is unknown."""
        codecs = check_recording(path)
        self._path = _unused(path)
        self._codecs = {kind: codec for kind, codec in codecs.items() if kind in kinds}
        self._queue: queue.Queue[tuple[Any, float] | None] = queue.Queue(QUEUE_FRAMES)
        self._early: list[tuple[Any, float]] = []
        self._waiting = 0
        self._lock = threading.Lock()
        self._container: Any = None
        self._streams: dict[Kind, Any] = {}
        self._begun = 0.0
        self._last: dict[Kind, int] = {}
        # NOTE: of our own, because a frame keeps the one of its own `reformat`, and other sinks use
        # the same frame in other threads.
        self._scaler = VideoReformatter()
        self._thread = threading.Thread(target=self._guarded, name="onmeet-recorder", daemon=True)
        self._thread.start()
        self.dropped = 0
        """Frames left out because the disk was too slow."""
        self.trouble: str | None = None
        """Why the recording stopped, if it did."""

    def put(self, frame: av.AudioFrame | av.VideoFrame, at: float) -> None:
        """Takes a frame played at `at` (monotonic seconds); never waits."""
        if self._waiting + _bytes(frame) > KEPT_BYTES:
            self.dropped += 1
            return
        try:
            self._queue.put_nowait((frame, at))
        except queue.Full:
            self.dropped += 1
        else:
            self._wait(_bytes(frame))

    def _wait(self, more: int) -> None:
        with self._lock:  # both threads count
            self._waiting += more

    async def aio_close(self) -> None:
        """Finishes the file."""
        while True:
            try:
                self._queue.put_nowait(None)
                break
            except queue.Full:
                self._queue.get_nowait()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._thread.join, CLOSE_SECONDS)

    # ── in the recorder's thread ─────────────────────────────────────────────────────────────────
    def _guarded(self) -> None:
        with contained("recording"):
            self._run()

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                frame, at = item
                self._take(frame, at)
            if self._container is None and self._early:
                self._begin()
            self._finish()
        except (av.FFmpegError, ForeignPlace, OSError, ValueError) as error:
            self.trouble = f"The recording {self._path.name} stopped: {error}."
            log.warning("%s", self.trouble)

    def _take(self, frame: Any, at: float) -> None:
        if _kind(frame) not in self._codecs:
            self._wait(-_bytes(frame))
            return
        if self._container is not None:
            self._write(frame, at)
            self._wait(-_bytes(frame))
            return
        self._early.append((frame, at))
        seen = {_kind(f) for f, _ in self._early}
        enough = seen == set(self._codecs) or self._waiting > KEPT_BYTES // 2
        if enough or at - self._early[0][1] > WAIT_FOR_OTHER_KIND:
            self._begin()

    def _begin(self) -> None:
        os.close(create_own(self._path))  # ours alone, and no link that another put there
        self._container = av.open(str(self._path), "w")
        self._begun = self._early[0][1]
        for frame, _ in self._early:
            kind = _kind(frame)
            if kind not in self._streams:
                self._streams[kind] = self._add_stream(kind, frame)
        early, self._early = self._early, []
        for frame, at in early:
            self._write(frame, at)
            self._wait(-_bytes(frame))

    def _add_stream(self, kind: Kind, frame: Any) -> Any:
        if kind is Kind.AUDIO:
            return self._container.add_stream(self._codecs[kind], rate=SAMPLE_RATE, layout="mono")
        stream = self._container.add_stream(self._codecs[kind], rate=30)
        # Half of each goes into the chroma planes: an odd size would be refused by the encoder.
        stream.width, stream.height = (max(2, n - n % 2) for n in (frame.width, frame.height))
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = VIDEO_BITRATE
        stream.codec_context.time_base = Fraction(1, CLOCK)
        fast = {"libx264": {"preset": "ultrafast"}, "libvpx": {"deadline": "realtime"}}
        stream.options = fast[self._codecs[kind]]
        return stream

    def _write(self, frame: Any, at: float) -> None:
        kind = _kind(frame)
        stream = self._streams.get(kind)
        if stream is None:
            return
        if kind is Kind.AUDIO:
            ticks = round((at - self._begun) * SAMPLE_RATE)
            # Played by an even clock: only a pause moves it.
            follows = self._last.get(kind, 0)
            pts = ticks if abs(ticks - follows) > SAMPLE_RATE // 5 and ticks > follows else follows
            self._last[kind] = pts + frame.samples
            frame.pts, frame.time_base = pts, Fraction(1, SAMPLE_RATE)
        else:
            pts = max(round((at - self._begun) * CLOCK), self._last.get(kind, -1) + 1)
            self._last[kind] = pts
            if (frame.width, frame.height) != (stream.width, stream.height):
                frame = self._scaler.reformat(frame, stream.width, stream.height)
            frame.pts, frame.time_base = pts, Fraction(1, CLOCK)
            frame.pict_type = av.video.frame.PictureType.NONE
        self._container.mux(stream.encode(frame))

    def _finish(self) -> None:
        if self._container is None:
            return
        for stream in self._streams.values():
            self._container.mux(stream.encode(None))
        self._container.close()


def _bytes(frame: av.AudioFrame | av.VideoFrame) -> int:
    """About what it holds: two bytes a sample, or one and a half a pixel."""
    if isinstance(frame, av.AudioFrame):
        return frame.samples * 2
    return frame.width * frame.height * 3 // 2


def _kind(frame: av.AudioFrame | av.VideoFrame) -> Kind:
    return Kind.AUDIO if isinstance(frame, av.AudioFrame) else Kind.VIDEO


def encode_png(frame: av.VideoFrame) -> bytes:
    """The picture as a PNG file."""
    codec = av.CodecContext.create("png", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = frame.width, frame.height, "rgb24"
    codec.time_base = Fraction(1, CLOCK)
    picture = VideoReformatter().reformat(frame, format="rgb24")
    picture.pts = 0
    packets = [*codec.encode(picture), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def _unused(path: Path) -> Path:
    """The path, or one with a number where there is a file already: nothing is overwritten."""
    if not os.path.lexists(path):
        return path
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(name for name in names if not os.path.lexists(name))


class Recorders:
    """The recordings of an endpoint. Sessions of one call, one after the other, share a file."""

    def __init__(self) -> None:
        self._open: dict[Path, tuple[Recorder, int]] = {}

    def take(self, path: Path, kinds: frozenset[Kind]) -> Recorder:
        """The recorder of this file, new or in use. Raises `SinkUnavailable`."""
        found = self._open.get(path)
        recorder, users = found if found else (Recorder(path, kinds), 0)
        self._open[path] = (recorder, users + 1)
        return recorder

    async def aio_release(self, path: Path) -> None:
        """Finishes the file when its last user lets it go."""
        recorder, users = self._open[path]
        if users > 1:
            self._open[path] = (recorder, users - 1)
            return
        del self._open[path]
        await recorder.aio_close()


class Sinks:
    """All sinks of one session. Called in the asyncio thread, once per played frame."""

    def __init__(
        self,
        *,
        kinds: frozenset[Kind],
        recorders: Recorders,
        record: Path | None = None,
        picture: Path | None = None,
        tap: FrameTap | None = None,
    ) -> None:
        self._record = record
        self._recorders = recorders
        self._recorder = recorders.take(record, kinds) if record is not None else None
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
            self._recorder.put(frame, asyncio.get_running_loop().time())

    async def aio_close(self) -> None:
        """Finishes files and the tap, unless another session of the call goes on with them."""
        if self._tap is not None:
            self._tap.release()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._record is not None:
            await self._recorders.aio_release(self._record)


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
