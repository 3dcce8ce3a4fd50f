"""Media without media: sessions that are connected once both descriptions are there.

Held against the real thing by what nodes do with either: every call in tests/node goes through
`MediaSessions` whatever the endpoint.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import trio

from onmeet_node.media.endpoint import (
    Connected,
    MediaEvent,
    MediaStats,
    SessionConfig,
)
from onmeet_node.media.ice_report import IceReport
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.room.send_limits import SendLimits
from onmeet_node.protocol.wire.messages import Candidate, Chat, Kind


def description() -> str:
    """An SDP with a certificate of its own, and nothing else that anybody reads."""
    print_ = ":".join(f"{byte:02X}" for byte in os.urandom(32))
    return f"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 {print_}\r\n"


class FakeSession:
    """A `MediaSession`. `reaches`: whether a path is found."""

    def __init__(self, config: SessionConfig, reaches: Callable[[], bool] = lambda: True) -> None:
        self.config = config
        self.closed = False
        self.attached: frozenset[Kind] = frozenset()
        self.muted: frozenset[Kind] = frozenset()
        self.limits: SendLimits | None = None
        self._reaches = reaches
        self.candidates: list[Candidate] = []
        self._tell, self.events = trio.open_memory_channel[MediaEvent](64)

    def tell(self, event: MediaEvent) -> None:
        """Reports something to the node."""
        self._tell.send_nowait(event)

    async def create_offer(self) -> str:
        await trio.lowlevel.checkpoint()
        return description()

    async def accept_offer(self, sdp: str) -> str:
        await trio.lowlevel.checkpoint()
        self._connect()
        return description()

    async def accept_answer(self, sdp: str) -> None:
        await trio.lowlevel.checkpoint()
        self._connect()

    def _connect(self) -> None:
        if self._reaches():
            self.tell(Connected(MediaPath.HOST))

    async def add_candidates(self, candidates: Sequence[Candidate], *, end: bool) -> None:
        await trio.lowlevel.checkpoint()
        self.candidates += candidates

    async def attach(self, kinds: frozenset[Kind], config: SessionConfig | None = None) -> None:
        await trio.lowlevel.checkpoint()
        self.attached = kinds

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        await trio.lowlevel.checkpoint()
        self.muted = self.muted | {kind} if muted else self.muted - {kind}

    async def send_chat(self, chat: Chat) -> None:
        await trio.lowlevel.checkpoint()

    async def carry(self, frame: bytes) -> None:
        await trio.lowlevel.checkpoint()

    async def shape(self, shape: SendLimits) -> None:
        await trio.lowlevel.checkpoint()
        self.limits = shape

    async def stats(self) -> MediaStats:
        await trio.lowlevel.checkpoint()
        return MediaStats(path=MediaPath.HOST, streams=())

    async def suspect(self) -> None:
        await trio.lowlevel.checkpoint()

    def report(self) -> IceReport:
        return IceReport()

    async def aclose(self) -> None:
        self.closed = True
        self._tell.close()
        await trio.lowlevel.checkpoint()


class FakeEndpoint:
    """A `MediaEndpoint`; `sessions` are the last it opened. `reaches`: whether they find a path."""

    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []
        self.reaches = True

    async def open_session(self, config: SessionConfig) -> FakeSession:
        await trio.lowlevel.checkpoint()
        session = FakeSession(config, lambda: self.reaches)
        self.sessions = [*self.sessions[-15:], session]
        return session
