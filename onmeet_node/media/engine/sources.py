"""Where outgoing audio and video come from. All ``aio_…`` functions run in the asyncio thread."""

from __future__ import annotations

import array
import asyncio
import math
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeVar

import av

from onmeet_node.media.engine.test_picture import TestPicture
from onmeet_node.media.errors import SourceUnavailable
from onmeet_node.media.frames import SAMPLE_RATE, FrameFeed
from onmeet_node.protocol.wire.messages import Kind

T = TypeVar("T")

FRAME_SAMPLES = 960
"""20 ms at 48 kHz, the frame that Opus and every browser use for calls."""
CLOCK = Fraction(1, SAMPLE_RATE)
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
FRAME_RATE = 30
TONE_HERTZ = 450
"""A whole number of periods in 20 ms, so that one frame repeats without a click."""
TONE_LEVEL = 0.25
CATCH_UP_SECONDS = 0.2
"""A source that is later than this skips ahead instead of sending a burst."""
FEED_POLL_SECONDS = 0.005


class EndOfSource(Exception):
    """A file is over; nothing more will come."""


class Source(Protocol):
    """A stream of frames of one kind, in real time: a tone, a file (`FileSource`), a device …"""

    is_device: bool
    """A camera or microphone: closed while muted, so that its light goes out."""

    async def aio_frame(self) -> Any:
        """The next frame when it is due: 20 ms of s16 mono 48 kHz, or a picture.

        Raises `EndOfSource` and `SourceUnavailable`.
        """
        ...

    async def aio_close(self) -> None:
        """Gives devices, files and threads back."""
        ...


class SourceWithEnd:
    """A source whose end is told, once, by `over`."""

    def __init__(self, source: Source, over: Callable[[], None]) -> None:
        self.is_device = source.is_device
        self._source = source
        self._over: Callable[[], None] | None = over

    async def aio_frame(self) -> Any:
        """See `Source`."""
        try:
            return await self._source.aio_frame()
        except EndOfSource:
            if self._over is not None:
                self._over()
                self._over = None
            raise

    async def aio_close(self) -> None:
        """See `Source`."""
        await self._source.aio_close()


class _Clock:
    """Wakes up at even intervals, skipping what is long past."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._due: float | None = None

    async def aio_tick(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._due is None or now - self._due > CATCH_UP_SECONDS:
            self._due = now
        elif now < self._due:
            await asyncio.sleep(self._due - now)
        self._due += self._interval


class TestTone:
    """A steady tone of 450 Hz."""

    __test__ = False
    is_device = False

    def __init__(self) -> None:
        wave = (
            int(32_767 * TONE_LEVEL * math.sin(2 * math.pi * TONE_HERTZ * n / SAMPLE_RATE))
            for n in range(FRAME_SAMPLES)
        )
        self._samples = array.array("h", wave).tobytes()
        self._clock = _Clock(FRAME_SECONDS)

    async def aio_frame(self) -> av.AudioFrame:  # noqa: D102 - see Source
        await self._clock.aio_tick()
        return audio_frame(self._samples)

    async def aio_close(self) -> None:  # noqa: D102 - see Source
        return


class TestVideo:
    """The moving test picture, 640 x 360 at 30 frames a second."""

    __test__ = False
    is_device = False

    def __init__(self) -> None:
        self._picture = TestPicture()
        self._number = 0
        self._clock = _Clock(1 / FRAME_RATE)

    async def aio_frame(self) -> av.VideoFrame:  # noqa: D102 - see Source
        await self._clock.aio_tick()
        frame = self._picture.draw(self._number)
        self._number += 1
        return frame

    async def aio_close(self) -> None:  # noqa: D102 - see Source
        return


class FeedAudio:
    """What a program sends, cut into 20 ms."""

    is_device = False

    def __init__(self, feed: FrameFeed) -> None:
        self._feed = feed
        self._left = b""

    async def aio_frame(self) -> av.AudioFrame:  # noqa: D102 - see Source
        need = FRAME_SAMPLES * 2
        while len(self._left) < need:
            frame = self._feed.take_audio()
            if frame is None:
                await asyncio.sleep(FEED_POLL_SECONDS)
            else:
                self._left += frame.samples
        samples, self._left = self._left[:need], self._left[need:]
        return audio_frame(samples)

    async def aio_close(self) -> None:  # noqa: D102 - see Source
        return


class FeedVideo:
    """The newest picture a program has sent."""

    is_device = False

    def __init__(self, feed: FrameFeed) -> None:
        self._feed = feed

    async def aio_frame(self) -> av.VideoFrame:  # noqa: D102 - see Source
        while (picture := self._feed.take_video()) is None:  # noqa: ASYNC110 - fed from another thread
            await asyncio.sleep(FEED_POLL_SECONDS)
        frame = av.VideoFrame(picture.width, picture.height, "yuv420p")
        half = picture.width // 2
        rows = ((picture.y, picture.width), (picture.u, half), (picture.v, half))
        for plane, (pixels, width) in zip(frame.planes, rows, strict=True):
            plane.update(_padded(pixels, width, plane.line_size))
        return frame

    async def aio_close(self) -> None:  # noqa: D102 - see Source
        return


class _Container:
    """A file or device opened by PyAV, read by a thread of its own because reading blocks."""

    def __init__(self, name: str, kind: Kind, *, form: str | None, options: dict[str, str]) -> None:
        self._name, self._kind, self._form, self._options = name, kind, form, options
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"onmeet-{kind}-source")
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())

    async def aio_call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def open(self) -> None:
        try:
            self._container = av.open(self._name, format=self._form, options=self._options)
            stream = next(s for s in self._container.streams if s.type == self._kind)
        except StopIteration:
            raise SourceUnavailable(
                f"{self._name} has no {self._kind}. Choose a file that has it"
                + (", or call with --audio-only." if self._kind is Kind.VIDEO else ".")
            ) from None
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceUnavailable(_trouble(self._name, self._kind, self._form, error)) from error
        self._frames = self._decode(stream)

    def _decode(self, stream: Any) -> Iterator[Any]:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE, FRAME_SAMPLES)
        for frame in self._container.decode(stream):
            if self._kind is Kind.AUDIO:
                yield from resampler.resample(frame)
            else:
                yield frame

    def read(self) -> Any:
        try:
            return next(self._frames, None)
        except (av.FFmpegError, OSError) as error:
            raise SourceUnavailable(_trouble(self._name, self._kind, self._form, error)) from error

    def close(self) -> None:
        if self._container is not None:
            self._frames = iter(())
            self._container.close()

    async def aio_close(self) -> None:
        try:
            await asyncio.shield(self.aio_call(self.close))
        finally:
            self._thread.shutdown(wait=False)


class FileSource:
    """One stream of a media file, played once at its own speed."""

    is_device = False

    def __init__(self, container: _Container) -> None:
        self._container = container
        self._begun: float | None = None

    async def aio_frame(self) -> Any:  # noqa: D102 - see Source
        frame = await self._container.aio_call(self._container.read)
        if frame is None:
            raise EndOfSource
        loop = asyncio.get_running_loop()
        at = float(frame.time or 0.0)
        if self._begun is None or loop.time() - self._begun - at > CATCH_UP_SECONDS:
            self._begun = loop.time() - at  # the first frame, or after a pause
        await asyncio.sleep(max(0.0, self._begun + at - loop.time()))
        return frame

    async def aio_close(self) -> None:  # noqa: D102 - see Source
        await self._container.aio_close()


class DeviceSource:
    """A camera or microphone; it sets the pace itself."""

    is_device = True

    def __init__(self, container: _Container) -> None:
        self._container = container

    async def aio_frame(self) -> Any:  # noqa: D102 - see Source
        frame = await self._container.aio_call(self._container.read)
        if frame is None:
            raise SourceUnavailable(
                "The camera or microphone was unplugged. Plug it in and unmute."
            )
        return frame

    async def aio_close(self) -> None:  # noqa: D102 - see Source
        await self._container.aio_close()


async def aio_open_source(spec: str | FrameFeed, kind: Kind) -> Source | None:
    """Opens what `spec` names (see `SessionConfig.source`) for one kind; None if it is ``none``.

    Raises `SourceUnavailable`.
    """
    audio = kind is Kind.AUDIO
    if isinstance(spec, FrameFeed):
        return FeedAudio(spec) if audio else FeedVideo(spec)
    if spec == "none":
        return None
    if spec == "test":
        return TestTone() if audio else TestVideo()
    container = _container(spec, kind)
    try:
        await container.aio_call(container.open)
    except BaseException:
        await container.aio_close()
        raise
    return DeviceSource(container) if spec == "devices" else FileSource(container)


def check_source(spec: str, kind: Kind) -> None:
    """Opens what `spec` names, for one kind, and closes it. Blocks. Raises `SourceUnavailable`."""
    container = _container(spec, kind)
    try:
        container.open()
    finally:
        container.close()


def _container(spec: str, kind: Kind) -> _Container:
    if spec == "devices":
        name, form, options = _device(kind)
        return _Container(name, kind, form=form, options=options)
    if not Path(spec).is_file():
        raise SourceUnavailable(f"There is no file {spec!r}. Use test, none, devices or a file.")
    return _Container(spec, kind, form=None, options={})


def _device(kind: Kind) -> tuple[str, str, dict[str, str]]:
    """FFmpeg's name, format and options of this system's default camera or microphone."""
    audio = kind is Kind.AUDIO
    platform: str = sys.platform  # not narrowed by mypy to the machine it runs on
    if platform == "linux":
        if audio:
            return "default", "alsa", {}
        return "/dev/video0", "v4l2", {"framerate": str(FRAME_RATE), "video_size": "640x480"}
    if platform == "darwin":
        options = {} if audio else {"framerate": str(FRAME_RATE), "video_size": "640x480"}
        return (":default" if audio else "default:none"), "avfoundation", options
    raise SourceUnavailable(
        "On this system the node cannot find the camera and microphone by itself. Call from the "
        "local app in your browser, or name a file."
    )


def _trouble(name: str, kind: Kind, form: str | None, error: Exception) -> str:
    if form is None:
        return f"The file {name} could not be read as {kind}: {error}."
    device = "microphone" if kind is Kind.AUDIO else "camera"
    return (
        f"The {device} ({name}, {form}) could not be opened: {error}. Plug one in, give this user "
        "the right to use it, or call with a file or --source test."
    )


def audio_frame(samples: bytes) -> av.AudioFrame:
    """A PyAV frame of mono 48 kHz samples (s16)."""
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
    frame.sample_rate = SAMPLE_RATE
    frame.time_base = CLOCK
    plane = frame.planes[0]
    gap = plane.buffer_size - len(samples)
    plane.update(samples + bytes(gap) if gap else samples)
    return frame


def _padded(pixels: bytes, width: int, line: int) -> bytes:
    if line == width:
        return pixels
    gap = bytes(line - width)
    return b"".join(pixels[i : i + width] + gap for i in range(0, len(pixels), width))
