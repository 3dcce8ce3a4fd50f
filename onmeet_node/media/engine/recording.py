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
import itertools
import logging
import os
import queue
import shutil
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from onmeet_node.media.engine.canvas import Canvas
from onmeet_node.media.errors import SinkUnavailable
from onmeet_node.media.frames import KEPT_BYTES, SAMPLE_RATE
from onmeet_node.process.faults import contained
from onmeet_node.process.ownership import ForeignPlace, open_own
from onmeet_node.protocol.wire.messages import Kind

log = logging.getLogger(__name__)

_H264 = {"preset": "ultrafast", "tune": "zerolatency"}
_VP8 = {"deadline": "realtime", "lag-in-frames": "0"}
_PIECES = {"flush_packets": "1", "max_interleave_delta": "500000"}
"""Written at once, and no kind waits more than half a second (in µs) for the other."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a suffix means."""

    name: str
    """FFmpeg's."""
    codecs: Mapping[Kind, str]
    container: Mapping[str, str] = field(default_factory=dict)
    """Options of FFmpeg's muxer."""
    picture: Mapping[str, str] = field(default_factory=dict)
    """Options of the encoder of pictures."""


_CLUSTERS = {**_PIECES, "cluster_time_limit": "1000"}
_FRAGMENTS = {
    **_PIECES,
    "movflags": "hybrid_fragmented+frag_keyframe+default_base_moof",
    "frag_duration": "1000000",
}
"""A common MP4 file once it is closed, and fragments until then."""
_AAC_H264 = {Kind.AUDIO: "aac", Kind.VIDEO: "libx264"}
FORMATS = {
    ".mkv": Format("matroska", _AAC_H264, _CLUSTERS, _H264),
    ".mp4": Format("mp4", _AAC_H264, _FRAGMENTS, _H264),
    ".webm": Format("webm", {Kind.AUDIO: "libopus", Kind.VIDEO: "libvpx"}, _CLUSTERS, _VP8),
    ".wav": Format("wav", {Kind.AUDIO: "pcm_s16le"}, _PIECES),
}
"""By suffix: what a recording may be."""
VIDEO_BITRATE = 1_000_000
MIN_FREE_BYTES = 1_000_000
"""On the disk of a recording, to begin and to go on: less than ten seconds of it. What is left lets
the file have its end, and the node write down the call."""
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


def formats() -> dict[str, Format]:
    """Those of `FORMATS` that this machine's FFmpeg can write: a distribution's may lack some."""
    there = av.codecs_available
    return {suffix: f for suffix, f in FORMATS.items() if there.issuperset(f.codecs.values())}


def check_recording(path: Path) -> Format:
    """The format of a recording at `path`. Raises `SinkUnavailable` where there can be none."""
    chosen = formats().get(path.suffix.lower())
    if chosen is None:
        known = ", ".join(formats())
        raise SinkUnavailable(f"Cannot record to {path.name}: use one of {known}.")
    require_writable(path.parent)
    return chosen


def require_writable(directory: Path) -> None:
    """Raises `SinkUnavailable` unless files can be made in `directory`."""
    if not directory.is_dir():
        raise SinkUnavailable(f"Cannot record: there is no directory {directory}. Create it.")
    if not os.access(directory, os.W_OK | os.X_OK):  # which knows of read-only disks, root or not
        raise SinkUnavailable(f"Cannot record: {directory} is not writable. Choose another.")
    if _is_full(directory):
        raise SinkUnavailable(
            f"Cannot record: the disk that holds {directory} is full. Free some space, or choose "
            "another."
        )


def _is_full(directory: Path) -> bool:
    return shutil.disk_usage(directory).free < MIN_FREE_BYTES


class OwnFile:
    """A new file, ours alone, and no link that another put there.

    After a write that failed it is as before it, and takes no more: a muxer that goes on would
    overwrite the beginning with words about an end that is not there, and a player stumbles over
    half a header.
    """

    def __init__(self, path: Path) -> None:
        """Raises `ForeignPlace` and OSError; FileExistsError if it is not new."""
        self._file = os.fdopen(
            open_own(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb", buffering=0
        )
        self._size = 0
        self._failed: OSError | None = None

    def write(self, data: bytes) -> int:
        """All of it. Raises OSError, and the same one from then on."""
        if self._failed is not None:
            raise self._failed
        at, rest = self._file.tell(), memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._failed = error
            if at == self._size:
                self._file.truncate(at)
            raise
        self._size = max(self._size, at + len(data))
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._file.tell()

    def close(self) -> None:
        """The file is as it is."""
        self._file.close()


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
        self._file: OwnFile | None = None
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
        if _is_full(self._path.parent):
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
            self._path = _unused(self._path)
            with suppress(FileExistsError):  # another recording was quicker
                self._file = OwnFile(self._path)
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


def _unused(path: Path) -> Path:
    """The path, or one with a number where there is a file already: nothing is overwritten."""
    if not os.path.lexists(path):
        return path
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(name for name in names if not os.path.lexists(name))


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
