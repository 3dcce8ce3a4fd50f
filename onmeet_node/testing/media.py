"""Media without media: sessions that are connected once both descriptions are there.

Two of one `FakeStudio` hear and see each other: frames of a `FrameFeed`, or numbered ones that
`number_of` reads. Held against the real thing by what nodes do with either: every call in
tests/node goes through `MediaSessions` whatever the endpoint.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence

import trio

from onmeet_node.media.endpoint import (
    ChatReceived,
    Connected,
    FirstFrame,
    FrameCarried,
    MediaEvent,
    MediaStats,
    PathLost,
    SessionConfig,
)
from onmeet_node.media.frames import Frame, FrameFeed, FrameTap
from onmeet_node.media.ice_report import IceReport
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.room.send_limits import SendLimits
from onmeet_node.protocol.wire.messages import Candidate, Chat, Kind
from onmeet_node.testing.frames import (
    AUDIO_SECONDS,
    VIDEO_SECONDS,
    numbered_audio,
    numbered_video,
)


def description() -> str:
    """An SDP with a certificate of its own, and nothing else that anybody reads."""
    print_ = ":".join(f"{byte:02X}" for byte in os.urandom(32))
    return f"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 {print_}\r\n"


class FakeSession:
    """A `MediaSession`. `reaches`: whether a path is found; `studio`: where its peer is met."""

    def __init__(
        self,
        config: SessionConfig,
        reaches: Callable[[], bool] = lambda: True,
        studio: FakeStudio | None = None,
    ) -> None:
        self.config = config
        self.closed = False
        self.attached: frozenset[Kind] = frozenset()
        self.muted: frozenset[Kind] = frozenset()
        self.limits: SendLimits | None = None
        self.peer: FakeSession | None = None
        """The other end, in a studio."""
        self._reaches = reaches
        self._studio = studio
        self._heard: set[Kind] = set()
        self._tap: FrameTap | None = None
        self._sending = trio.CancelScope()
        self.candidates: list[Candidate] = []
        self._tell, self.events = trio.open_memory_channel[MediaEvent](64)

    def tell(self, event: MediaEvent) -> None:
        """Reports something to the node."""
        self._tell.send_nowait(event)

    def _describe(self) -> str:
        made = description()
        if self._studio is not None:
            self._studio.sessions[made] = self
        return made

    async def create_offer(self) -> str:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        return self._describe()

    async def accept_offer(self, sdp: str) -> str:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        self._connect(sdp)
        return self._describe()

    async def accept_answer(self, sdp: str) -> None:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        self._connect(sdp)

    def _connect(self, sdp: str) -> None:
        if self._studio is not None:
            self.peer = self._studio.sessions.get(sdp)
        if self._reaches():
            self.tell(Connected(MediaPath.HOST))

    async def add_candidates(self, candidates: Sequence[Candidate], *, end: bool) -> None:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        self.candidates += candidates

    async def attach(self, kinds: frozenset[Kind], config: SessionConfig | None = None) -> None:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        self.attached = kinds
        self.config = config or self.config
        if self._studio is not None:
            self._listen(self.config.tap)
            self._sending.cancel()
            self._sending = trio.CancelScope()
            self._studio.nursery.start_soon(self._send, self._sending)

    def _listen(self, tap: FrameTap | None) -> None:
        if tap is not self._tap:
            if tap is not None:
                tap.acquire()
            if self._tap is not None:
                self._tap.release()
            self._tap = tap

    async def _send(self, scope: trio.CancelScope) -> None:
        """Sends what the source has, as it comes."""
        source = self.config.source
        with scope:
            async with trio.open_nursery() as nursery:
                if isinstance(source, FrameFeed):
                    nursery.start_soon(self._pass_on, source)
                elif source == "test":
                    nursery.start_soon(self._count, numbered_audio, AUDIO_SECONDS)
                    nursery.start_soon(self._count, numbered_video, VIDEO_SECONDS)

    async def _pass_on(self, feed: FrameFeed) -> None:
        while True:
            while (sound := feed.take_audio()) is not None:
                self._to_peer(sound)
            if (picture := feed.take_video()) is not None:
                self._to_peer(picture)
            await trio.sleep(AUDIO_SECONDS)

    async def _count(self, made: Callable[[int], Frame], seconds: float) -> None:
        for number in itertools.count():
            self._to_peer(made(number))
            await trio.sleep(seconds)

    def _to_peer(self, frame: Frame) -> None:
        if self.peer is not None and frame.kind in self.attached - self.muted:
            self.peer.hear(frame)

    def cut(self) -> None:
        """Its path is gone, at both ends."""
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.cut()
        if not self.closed:
            self.tell(PathLost())

    def hear(self, frame: Frame) -> None:
        """A frame of the other end has come."""
        if self.closed:
            return
        if frame.kind not in self._heard:
            self._heard.add(frame.kind)
            self.tell(FirstFrame(frame.kind))
        if self._tap is not None and frame.kind in self._tap.kinds:
            self._tap.put(frame)

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        self.muted = self.muted | {kind} if muted else self.muted - {kind}

    async def send_chat(self, chat: Chat) -> None:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        if self.peer is not None and not self.peer.closed:
            self.peer.tell(ChatReceived(chat))

    async def carry(self, frame: bytes) -> None:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        if self.peer is not None and not self.peer.closed:
            self.peer.tell(FrameCarried(frame))

    async def shape(self, shape: SendLimits) -> None:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        self.limits = shape

    async def stats(self) -> MediaStats:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()
        return MediaStats(path=MediaPath.HOST, streams=())

    async def suspect(self) -> None:
        """See `MediaSession`."""
        await trio.lowlevel.checkpoint()

    def report(self) -> IceReport:
        """See `MediaSession`."""
        return IceReport()

    async def aclose(self) -> None:
        """See `MediaSession`."""
        self.closed = True
        self._sending.cancel()
        self._listen(None)
        if self._studio is not None:
            self._studio.forget(self)
        self._tell.close()
        await trio.lowlevel.checkpoint()


class FakeEndpoint:
    """A `MediaEndpoint`; `sessions` are the last it opened. `reaches`: whether they find a path."""

    def __init__(self, studio: FakeStudio | None = None) -> None:
        self.sessions: list[FakeSession] = []
        self.reaches = True
        self._studio = studio

    async def open_session(self, config: SessionConfig) -> FakeSession:
        """See `MediaEndpoint`."""
        await trio.lowlevel.checkpoint()
        session = FakeSession(config, lambda: self.reaches, self._studio)
        self.sessions = [*self.sessions[-15:], session]
        return session

    def cut(self) -> None:
        """Nothing of this endpoint reaches anybody from now on; both ends notice."""
        self.reaches = False
        for session in self.sessions:
            session.cut()


class FakeStudio:
    """Where sessions of different endpoints meet, so that what one sends the other has."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.sessions: dict[str, FakeSession] = {}
        """Those that are open, by their description."""

    def endpoint(self) -> FakeEndpoint:
        """One node's."""
        return FakeEndpoint(self)

    def forget(self, session: FakeSession) -> None:
        """It is closed."""
        self.sessions = {sdp: each for sdp, each in self.sessions.items() if each is not session}
