"""The person's browser page as the WebRTC endpoint of a call (DESIGN 3.4).

A `PageSession` is one peer connection in one page: each method says something to the page and,
where there is an answer, waits for it. When the page goes, the path is lost: the call reconnects
through whatever page is there next.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from onmeet_node.media.endpoint import (
    Connected,
    Failed,
    FirstFrame,
    FrameCarried,
    LocalCandidates,
    MediaEvent,
    MediaStats,
    PathLost,
    SessionConfig,
    SourcesGone,
    StreamStats,
)
from onmeet_node.media.errors import GatheringFailed, MediaError, SessionClosed
from onmeet_node.media.ice_report import IceReport, PairReport, ServerReport
from onmeet_node.net.waiting import either
from onmeet_node.process.faults import alone
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.room.send_limits import SendLimits
from onmeet_node.protocol.wire.messages import Candidate, Chat, Kind
from onmeet_node.web.kept import KeptStates
from onmeet_node.web.messages import FromNode
from onmeet_node.web.messages import media as say
from onmeet_node.web.messages.media import FromPageMedia
from onmeet_node.web.pages import Page, Pages

BACKLOG = 256
"""Media events that nobody has taken yet; a session has a few dozen in its life."""
RELOAD_SECONDS = 45.0
"""As long as a call waits for another page."""
DESCRIBE_SECONDS = 10.0
"""For a page to answer with its description: it gathers nothing before, so it is a matter of
milliseconds unless the browser stopped the page's script."""


class PageSilent(GatheringFailed):
    """The page that has the call's devices does not answer."""


class ChatInPage(MediaError):
    """A line of chat was to go out through a call whose chat is in a browser page."""


class PageSession:
    """One peer connection in a page. See `media.endpoint.MediaSession` for the methods."""

    def __init__(self, number: int, page: Page, config: SessionConfig) -> None:
        self.number = number
        self.page = page
        self.call = config.call.hex() if config.call is not None else ""
        self._config = config
        self._sender, self.events = trio.open_memory_channel[MediaEvent](BACKLOG)
        self._described = trio.Event()
        self._sdp = ""
        self._path: MediaPath | None = None
        self._counters = say.MediaCounters(session=number)
        self._closed = trio.Event()

    # ── the node asks ─────────────────────────────────────────────────────────────────────────────
    async def create_offer(self) -> str:
        """See `MediaSession`; candidates follow in `LocalCandidates`."""
        self._say(say.MakeOffer(session=self.number))
        return await self._description()

    async def accept_offer(self, sdp: str) -> str:
        """See `MediaSession`."""
        self._say(say.TakeOffer(session=self.number, sdp=sdp))
        return await self._description()

    async def accept_answer(self, sdp: str) -> None:
        """See `MediaSession`."""
        self._say(say.TakeAnswer(session=self.number, sdp=sdp))
        await trio.lowlevel.checkpoint()

    async def add_candidates(self, candidates: Sequence[Candidate], *, end: bool) -> None:
        """See `MediaSession`."""
        self._say(say.TakeCandidates(session=self.number, candidates=tuple(candidates), end=end))
        await trio.lowlevel.checkpoint()

    async def attach(self, kinds: frozenset[Kind], config: SessionConfig | None = None) -> None:
        """See `MediaSession`; what is opened is what the person chose in the page."""
        del config
        self._say(say.AttachMedia(session=self.number, kinds=tuple(sorted(kinds))))
        await trio.lowlevel.checkpoint()

    async def mute(self, kind: Kind, *, muted: bool) -> None:
        """See `MediaSession`."""
        self._say(say.MuteMedia(session=self.number, kind=kind, muted=muted))
        await trio.lowlevel.checkpoint()

    async def send_chat(self, chat: Chat) -> None:
        """Raises `ChatInPage`: the data channel is the page's own."""
        del chat
        await trio.lowlevel.checkpoint()
        raise ChatInPage("This call runs in the browser; write its chat there.")

    async def carry(self, frame: bytes) -> None:
        """See `MediaSession`."""
        self._say(say.CarryMedia(session=self.number, data=frame))
        await trio.lowlevel.checkpoint()

    async def shape(self, shape: SendLimits) -> None:
        """See `MediaSession`."""
        self._say(
            say.ShapeMedia(
                session=self.number,
                bitrate=shape.bitrate,
                height=shape.height,
                frame_rate=shape.frame_rate,
                share_bitrate=shape.share_bitrate,
            )
        )
        await trio.lowlevel.checkpoint()

    async def stats(self) -> MediaStats:
        """See `MediaSession`; as the page said within the last 2 s."""
        await trio.lowlevel.checkpoint()
        return MediaStats(
            path=self._path,
            streams=tuple(_stream(counters) for counters in self._counters.streams),
            local_candidate_types=self._counters.local,
            remote_candidate_types=self._counters.remote,
        )

    async def suspect(self) -> None:
        """See `MediaSession`."""
        self._say(say.SuspectMedia(session=self.number))
        await trio.lowlevel.checkpoint()

    def report(self) -> IceReport:
        """See `MediaSession`; what kind of NAT there is, a page cannot tell."""
        seen = self._counters
        return IceReport(
            local=seen.local,
            remote=seen.remote,
            pairs=tuple(PairReport(p.local, p.remote, p.state, p.count) for p in seen.pairs),
            servers=tuple(ServerReport(s.kind, s.worked, s.error) for s in seen.servers),
            relay_only=self._config.relay_only,
        )

    async def aclose(self) -> None:
        """See `MediaSession`."""
        if not self._closed.is_set():
            self._closed.set()
            self.page.send(say.CloseMedia(session=self.number))
            self._sender.close()
        await trio.lowlevel.checkpoint()

    # ── the page says ─────────────────────────────────────────────────────────────────────────────
    def take(self, message: FromPageMedia) -> None:
        """Something the page said about this session. Never waits."""
        match message:
            case say.Described(sdp=sdp):
                self._sdp = sdp
                self._described.set()
            case say.Found(candidates=candidates, end=end):
                self._tell(LocalCandidates(candidates, end))
            case say.MediaConnected(path=path, server=server):
                self._path = path
                self._tell(Connected(self._path, server))
            case say.MediaFirstFrame(kind=kind):
                self._tell(FirstFrame(kind))
            case say.MediaPathLost():
                self._tell(PathLost())
            case say.MediaFailed(why=why):
                self._tell(Failed(why))
            case say.MediaCounters():
                self._counters = message
            case say.Carried(data=data):
                self._tell(FrameCarried(data))

    async def watch_page(self) -> None:
        """Until the session is closed or its page goes: then its path is lost."""
        await either(self._closed.wait(), self.page.gone.wait())
        if not self._closed.is_set():
            self._tell(SourcesGone())
            self._tell(PathLost() if self._path is not None else Failed("The page was closed."))

    async def closed(self) -> None:
        """Waits for `aclose`."""
        await self._closed.wait()

    # ── inside ────────────────────────────────────────────────────────────────────────────────────
    def _say(self, message: FromNode) -> None:
        if self._closed.is_set():
            raise SessionClosed("This media session is closed.")
        # To a page that is gone nothing is said: its loss is told by `watch_page`.
        self.page.send(message)

    async def _description(self) -> str:
        with trio.move_on_after(DESCRIBE_SECONDS):
            await either(self._described.wait(), self.page.gone.wait())
        if not self._described.is_set():
            raise PageSilent(
                "The browser page of this call does not answer. Bring its window to the front or "
                "reload it, and call again."
            )
        return self._sdp

    def _tell(self, event: MediaEvent) -> None:
        if self._closed.is_set():
            return
        try:
            # Driven by the page, but for the frames, which a peer sends as it likes: those are lost
            # and their channel with them, not the person's page.
            self._sender.send_nowait(event)
        except trio.WouldBlock:
            if not isinstance(event, FrameCarried):
                self.page.close("It says more about a call than the node can take.")
        except trio.BrokenResourceError:
            return  # nobody listens any more


class BoundPageEndpoint:
    """The endpoint of the calls that a person dialled or took in one page.

    When that page is gone its calls go on in whatever page is looked at next.
    """

    def __init__(self, endpoint: PageEndpoint, page: Page) -> None:
        self._endpoint = endpoint
        self._page = page

    @property
    def number(self) -> int | None:
        """The page's; None if it is gone."""
        return None if self._page.gone.is_set() else self._page.number

    @property
    def just_left(self) -> bool:
        """It is gone since a moment: a reload, as far as one can tell."""
        return self._page.gone.is_set() and trio.current_time() - self._page.left < RELOAD_SECONDS

    async def open_session(self, config: SessionConfig) -> PageSession:
        """A peer connection in this page. Waits for another page if it is gone."""
        gone = self._page.gone.is_set()
        return await self._endpoint.open_on(None if gone else self._page, config, taken_over=gone)


class PageEndpoint:
    """All media sessions that run in pages. Its own sessions open in the page looked at last."""

    def __init__(self, pages: Pages, nursery: trio.Nursery) -> None:
        """`nursery`: for a small task per session, which ends with it."""
        self._pages = pages
        self._nursery = nursery
        self._sessions: dict[int, PageSession] = {}
        self._last = 0
        self._bound: dict[int, BoundPageEndpoint] = {}
        self.kept = KeptStates(pages)

    def on_page(self, page: Page) -> BoundPageEndpoint:
        """The endpoint bound to this page: always the same object for the same page."""
        return self._bound.setdefault(page.number, BoundPageEndpoint(self, page))

    async def open_session(self, config: SessionConfig) -> PageSession:
        """A peer connection in the page that the person looked at last."""
        return await self.open_on(None, config)

    async def open_on(
        self, page: Page | None, config: SessionConfig, *, taken_over: bool = False
    ) -> PageSession:
        """A peer connection in `page`; None: in the page looked at last, waiting for one.

        `taken_over`: the call was another page's, which is gone.
        """
        while page is None:
            page = self._pages.focused()
            if page is None:
                await self._pages.wait_changed()
        target = config.room or config.call
        if target is not None:
            self.kept.opened(target.hex(), page, taken_over=taken_over)
        self._last += 1
        session = PageSession(self._last, page, config)
        self._sessions[session.number] = session
        self._nursery.start_soon(alone, "page", self._watch, session)
        page.send(
            say.OpenMedia(
                session=session.number,
                call=session.call,
                kinds=tuple(sorted(config.kinds)),
                servers=tuple(
                    say.Server(url=s.url, username=s.username, credential=s.credential)
                    for s in config.ice_servers[:16]
                ),
                relay_only=config.relay_only,
                room=config.room.hex() if config.room is not None else None,
                carry=config.carry,
            )
        )
        await trio.lowlevel.checkpoint()
        return session

    def take(self, page: Page, message: FromPageMedia) -> None:
        """What a page says about a session; late words and those about others' are ignored."""
        session = self._sessions.get(message.session)
        if session is not None and session.page is page:
            session.take(message)

    def session_of(self, call: str) -> tuple[int, int] | None:
        """Page and session that carry this call (its id in hex) now, if a page does."""
        mine = [s for s in self._sessions.values() if s.call == call]
        newest = max(mine, key=lambda s: s.number, default=None)
        return (newest.page.number, newest.number) if newest is not None else None

    async def _watch(self, session: PageSession) -> None:
        await session.watch_page()
        if session.page.gone.is_set():
            self._bound.pop(session.page.number, None)
        await session.closed()
        del self._sessions[session.number]


def _stream(counters: say.StreamCounters) -> StreamStats:
    return StreamStats(
        kind=counters.kind,
        frames_sent=counters.frames_sent,
        frames_decoded=counters.frames_decoded,
        frames_concealed=counters.frames_concealed,
        packets_sent=counters.packets_sent,
        packets_received=counters.packets_received,
        packets_lost=counters.packets_lost,
        bytes_sent=counters.bytes_sent,
        bytes_received=counters.bytes_received,
        jitter_ms=float(counters.jitter_ms),
        round_trip_ms=None if counters.round_trip_ms is None else float(counters.round_trip_ms),
    )
