"""Recordings: what arrives of one person, in one file that plays whatever becomes of us.

A recording has a picture of one size from its beginning, the canvas, into which each picture is
fitted with bars beside it: senders change theirs with the weather and turn their phones, and few
players follow. A call with a picture has it from the start, black until there is one; a picture
that stops stays. All is written in pieces of a second that need no end to be played, so neither a
killed process nor a full disk costs more than the last of them.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import queue
import threading
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from onmeet_node.media.engine.canvas import Canvas
from onmeet_node.media.engine.recording_file import RecordingFile, unused
from onmeet_node.media.engine.recording_formats import check_recording, is_full
from onmeet_node.media.frames import KEPT_BYTES, SAMPLE_RATE
from onmeet_node.process.faults import contained
from onmeet_node.process.ownership import ForeignPlace
from onmeet_node.protocol.wire.messages import Kind

log = logging.getLogger(__name__)

VIDEO_BITRATE = 1_000_000
LOOK_SECONDS = 1.0
"""Of media, between looks at the disk."""
QUEUE_FRAMES = 100
"""Frames waiting for the disk (two seconds); beyond it, or beyond `KEPT_BYTES`, frames are left out
of the recording."""
WAIT_FOR_OTHER_KIND = 2.0
"""Seconds that a recording of the first kind waits for the second: its first picture says how large
the canvas is."""
STILL = 1000
"""Ticks after which a picture that nothing follows is written again: until there is one the sound
waits in memory, since a muxer orders by time."""
CLOSE_SECONDS = 0.7
CLOCK = 1000
"""Ticks per second of the pictures of a recording."""


class Recorder:
    """Writes what arrives to a file, in a thread of its own. Nothing arrived: no file."""

    def __init__(self, path: Path, kinds: frozenset[Kind]) -> None:
        """Raises `SinkUnavailable` when the file cannot be written or the suffix is unknown."""
        self._format = check_recording(path)
        self._path = path
        self.kinds = kinds
        """The kinds that were asked for; a format may have no place for one."""
        self._codecs = {k: codec for k, codec in self._format.codecs.items() if k in kinds}
        self._queue: queue.Queue[tuple[Any, float] | None] = queue.Queue(QUEUE_FRAMES)
        self._early: list[tuple[Any, float]] = []
        self._waiting = 0
        self._lock = threading.Lock()
        self._file: RecordingFile | None = None
        self._container: Any = None
        self._streams: dict[Kind, Any] = {}
        self._canvas = Canvas()
        self._begun = 0.0
        self._last: dict[Kind, int] = {}
        self._looked = 0.0
        self._thread = threading.Thread(target=self._guarded, name="onmeet-recorder", daemon=True)
        self._thread.start()
        self.dropped = 0
        """Frames left out because the disk was too slow."""
        self.trouble: str | None = None
        """Why the recording stopped, if it did, for people."""
        self._told = False

    def put(self, frame: av.AudioFrame | av.VideoFrame, at: float) -> None:
        """Takes a frame played at `at` (monotonic seconds); never waits."""
        if self.trouble is not None or self._waiting + _bytes(frame) > KEPT_BYTES:
            self.dropped += 1
            return
        try:
            self._queue.put_nowait((frame, at))
        except queue.Full:
            self.dropped += 1
        else:
            self._wait(_bytes(frame))

    def has_place_for(self, kind: Kind) -> bool:
        """Whether the format has; the file has it only if it was among `kinds`."""
        return kind in self._format.codecs

    def take_trouble(self) -> str | None:
        """`trouble`, the first time that there is some."""
        if self.trouble is None or self._told:
            return None
        self._told = True
        return self.trouble

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
        def stopped() -> None:
            self.trouble = self.trouble or self._stopped("an error of this program")

        with contained("recording", then=stopped):
            self._run()

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                frame, at = item
                self._take(frame, at)
                self._look_at_disk(at)
            if self._container is None and self._early:
                self._begin()
            self._finish()
        except (av.FFmpegError, ForeignPlace, OSError, ValueError) as error:
            self.trouble = self._stopped(_why(error))
            log.warning("%s", self.trouble)
            self._early.clear()
            self._abandon()
        finally:
            if self._file is not None:
                self._file.close()

    def _look_at_disk(self, at: float) -> None:
        if at - self._looked < LOOK_SECONDS:
            return
        self._looked = at
        if is_full(self._path.parent):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _stopped(self, why: str) -> str:
        kept = "" if self._container is None else " What was recorded until then is kept."
        return f"The recording {self._path.name} stopped: {why}.{kept} The call goes on."

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
        while self._file is None:
            self._path = unused(self._path)
            with suppress(FileExistsError):  # another recording was quicker
                self._file = RecordingFile(self._path)
        self._container = av.open(
            self._file, "w", format=self._format.name, options=dict(self._format.container)
        )
        self._begun = self._early[0][1]
        first = next((f for f, _ in self._early if _kind(f) is Kind.VIDEO), None)
        if first is not None:
            self._canvas.begin(first)
            self._canvas.draw(first)  # what is shown until its turn comes
        for kind in sorted(self._codecs):
            self._streams[kind] = self._add_stream(kind)
        early, self._early = self._early, []
        for frame, at in early:
            self._write(frame, at)
            self._wait(-_bytes(frame))

    def _add_stream(self, kind: Kind) -> Any:
        if kind is Kind.AUDIO:
            return self._container.add_stream(self._codecs[kind], rate=SAMPLE_RATE, layout="mono")
        stream = self._container.add_stream(self._codecs[kind], rate=30)
        stream.width, stream.height = self._canvas.width, self._canvas.height
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = VIDEO_BITRATE
        stream.codec_context.time_base = Fraction(1, CLOCK)
        stream.options = dict(self._format.picture)
        return stream

    def _write(self, frame: Any, at: float) -> None:
        if _kind(frame) is Kind.VIDEO:
            self._write_picture(self._canvas.draw(frame), round((at - self._begun) * CLOCK))
            return
        ticks = round((at - self._begun) * SAMPLE_RATE)
        # Played by an even clock: only a pause moves it.
        follows = self._last.get(Kind.AUDIO, 0)
        pts = ticks if abs(ticks - follows) > SAMPLE_RATE // 5 and ticks > follows else follows
        self._last[Kind.AUDIO] = pts + frame.samples
        frame.pts, frame.time_base = pts, Fraction(1, SAMPLE_RATE)
        self._container.mux(self._streams[Kind.AUDIO].encode(frame))
        self._keep_picture(pts * CLOCK // SAMPLE_RATE)

    def _keep_picture(self, now: int) -> None:
        if Kind.VIDEO in self._streams and now - self._last.get(Kind.VIDEO, -STILL) >= STILL:
            self._write_picture(self._canvas.picture(), now)

    def _write_picture(self, picture: av.VideoFrame, at: int) -> None:
        pts = max(at, self._last.get(Kind.VIDEO, -1) + 1)
        self._last[Kind.VIDEO] = pts
        picture.pts, picture.time_base = pts, Fraction(1, CLOCK)
        picture.pict_type = av.video.frame.PictureType.NONE
        self._container.mux(self._streams[Kind.VIDEO].encode(picture))

    def _finish(self) -> None:
        if self._container is None:
            return
        for stream in self._streams.values():
            self._container.mux(stream.encode(None))
        self._container.close()

    def _abandon(self) -> None:
        """Lets go of the file, with its end if there is place for one."""
        if self._container is None:
            return
        for end in (self._finish, self._container.close):
            try:
                end()
            except (av.FFmpegError, OSError, ValueError) as error:
                log.info("the recording %s has no end: %s", self._path.name, type(error).__name__)


def _why(error: Exception) -> str:
    """What a person is told of an error of the disk, with a remedy; follows a colon."""
    match getattr(error, "errno", None):
        case errno.ENOSPC:
            return "the disk is full. Free some space"
        case errno.EDQUOT:
            return "your share of the disk is used up. Free some space"
        case errno.EFBIG:
            return "the file is as large as this disk or its limits allow"
        case _:
            return getattr(error, "strerror", None) or str(error).rstrip(".")


def _bytes(frame: av.AudioFrame | av.VideoFrame) -> int:
    """About what it holds: two bytes a sample, or one and a half a pixel."""
    if isinstance(frame, av.AudioFrame):
        return frame.samples * 2
    return frame.width * frame.height * 3 // 2


def _kind(frame: av.AudioFrame | av.VideoFrame) -> Kind:
    return Kind.AUDIO if isinstance(frame, av.AudioFrame) else Kind.VIDEO


class Recorders:
    """The recordings of an endpoint. Sessions of one call, one after the other, share a file.

    A session with a kind that the file has no place for begins another, with a number.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[Path, frozenset[Kind]], tuple[Recorder, int]] = {}

    def take(self, path: Path, kinds: frozenset[Kind]) -> Recorder:
        """The recorder of this file, new or in use. Raises `SinkUnavailable`."""
        for (name, known), (recorder, users) in self._open.items():
            if name == path and kinds <= known:
                self._open[name, known] = (recorder, users + 1)
                return recorder
        recorder = Recorder(path, kinds)
        self._open[path, kinds] = (recorder, 1)
        return recorder

    async def aio_release(self, path: Path, recorder: Recorder) -> None:
        """Finishes the file when its last user lets it go."""
        key = (path, recorder.kinds)
        _, users = self._open[key]
        if users > 1:
            self._open[key] = (recorder, users - 1)
            return
        del self._open[key]
        await recorder.aio_close()
