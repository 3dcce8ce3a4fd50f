"""Decoded frames as plain values, and the two bounded pipes that carry them across the threads.

Frames cross from the media thread only for API users who ask for them: see `asyncio_thread`.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

import trio

from onmeet_node.media.kinds import require_kinds
from onmeet_node.process.leaving import require_trio
from onmeet_node.protocol.wire.messages import Kind

SAMPLE_RATE = 48_000
"""Hz, of all audio here; always mono, signed 16 bit, native byte order."""

TAP_FRAMES = 100
"""2 s of audio: a reader that is slower than that loses the oldest."""
KEPT_BYTES = 64 << 20
"""Of the frames that wait for one reader or recording: 100 pictures of a common call, but four of
the largest that a peer can send."""


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """Mono audio at 48 kHz; from the network always 20 ms."""

    samples: bytes = field(repr=False)
    """Signed 16-bit samples, native byte order."""
    concealed: bool = False
    """Invented here because the peer's packet did not arrive in time."""

    kind = Kind.AUDIO

    @property
    def nbytes(self) -> int:
        """What it holds."""
        return len(self.samples)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One picture: planar YUV 4:2:0, rows without padding; sides are even numbers of pixels."""

    width: int
    height: int
    y: bytes = field(repr=False)
    u: bytes = field(repr=False)
    v: bytes = field(repr=False)

    kind = Kind.VIDEO

    @property
    def nbytes(self) -> int:
        """What it holds."""
        return len(self.y) + len(self.u) + len(self.v)


Frame = AudioFrame | VideoFrame


class FrameTap:
    """Receives what the peer sends: ``async for frame in tap``, until the call's media is closed.

    Give it to `SessionConfig.tap`. Sessions that take over from one another share it (a media
    re-offer); the last of them ends it, or `close`. `kinds` limits what is copied out.
    """

    def __init__(
        self, kinds: frozenset[Kind] = frozenset(Kind), *, capacity: int = TAP_FRAMES
    ) -> None:
        self.kinds = require_kinds(kinds)
        self.dropped = 0
        """Frames lost because nobody took them in time."""
        self._frames: deque[Frame] = deque()
        self._capacity = capacity
        self._bytes = 0
        self._lock = threading.Lock()
        self._closed = False
        self._users = 0
        self._token: trio.lowlevel.TrioToken | None = None
        self._arrived = trio.Event()

    def acquire(self) -> None:
        """One more session feeds it. Called by the media thread, as are `put` and `release`."""
        self._users += 1

    def release(self) -> None:
        """One session less; the last one ends the reader's loop."""
        self._users -= 1
        if self._users == 0:
            self.close()

    def put(self, frame: Frame) -> None:
        """Adds a frame. Called by the media thread; never waits."""
        with self._lock:
            self._frames.append(frame)
            self._bytes += frame.nbytes
            while len(self._frames) > self._capacity or self._bytes > KEPT_BYTES:
                self._bytes -= self._frames.popleft().nbytes
                self.dropped += 1
        self._notify()

    def close(self) -> None:
        """Ends the reader's loop after the frames already here. From any thread, at any time."""
        self._closed = True
        self._notify()

    def _notify(self) -> None:
        if self._token is not None:
            try:
                self._token.run_sync_soon(self._wake, idempotent=True)
            except trio.RunFinishedError:  # the reader is gone with its trio
                self._token = None

    def _wake(self) -> None:
        self._arrived.set()

    def __aiter__(self) -> FrameTap:
        return self

    async def __anext__(self) -> Frame:
        if self._token is None:
            require_trio()
        self._token = trio.lowlevel.current_trio_token()
        while True:
            while not self._frames:
                if self._closed:
                    raise StopAsyncIteration
                self._arrived = trio.Event()
                await self._arrived.wait()
            await trio.lowlevel.checkpoint()
            if (frame := self._take()) is not None:
                return frame

    def _take(self) -> Frame | None:
        with self._lock:
            if not self._frames:
                return None
            frame = self._frames.popleft()
            self._bytes -= frame.nbytes
            return frame


class FrameFeed:
    """Sends what a program makes: give it to `SessionConfig.source`, then `send` frames.

    Audio may come in pieces of any length. Frames sent while nobody asks are kept up to
    `capacity`, then the oldest is lost. The sender of a live stream sets the pace.
    """

    def __init__(self, *, capacity: int = TAP_FRAMES) -> None:
        self.dropped = 0
        """Frames lost because they came faster than they are sent."""
        self._audio: deque[AudioFrame] = deque(maxlen=capacity)
        self._video: deque[VideoFrame] = deque(maxlen=2)

    def send(self, frame: Frame) -> None:
        """Adds a frame. From any thread; never waits."""
        queue: deque[AudioFrame] | deque[VideoFrame]
        queue = self._audio if isinstance(frame, AudioFrame) else self._video
        if len(queue) == queue.maxlen:
            self.dropped += 1
        queue.append(frame)  # type: ignore[arg-type]  # each kind goes to its own queue

    def take_audio(self) -> AudioFrame | None:
        """The oldest audio, for the media thread."""
        return self._audio.popleft() if self._audio else None

    def take_video(self) -> VideoFrame | None:
        """The newest picture, for the media thread; older ones are dropped."""
        newest = None
        while self._video:
            newest = self._video.popleft()
        return newest
