"""One task for each media session of a call: does what the machine asks, in order, and reports.

A leg is a call with one device of the peer; each media re-offer is a new generation of it, with a
peer connection of its own.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import trio

from onmeet_node.calls.call import ACTIVE, Call
from onmeet_node.calls.connected_session import ConnectedSession
from onmeet_node.errors import first
from onmeet_node.events import FirstMedia, SourceEnded
from onmeet_node.media.endpoint import (
    ChatReceived,
    Connected,
    Failed,
    FirstFrame,
    FrameCarried,
    LocalCandidates,
    MediaEndpoint,
    MediaSession,
    PathLost,
    RecorderStopped,
    SessionConfig,
    SourceOver,
    SourcesGone,
)
from onmeet_node.media.engine.memory import return_memory
from onmeet_node.media.errors import MediaError, SinkUnavailable, SourceUnavailable
from onmeet_node.media.ice_report import IceReport
from onmeet_node.process.faults import contained
from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.events import Device, Event
from onmeet_node.protocol.identity.errors import BadFingerprint
from onmeet_node.protocol.wire.messages import NONCE_BYTES, CallId

MAX_SESSIONS = 3
"""Peer connections of one device in one call: the one in use, the one that is to replace it, and
one that is being closed. A newer one waits for its turn."""

CLOSE_SECONDS = 3.0
"""A session closes within 2 s by contract; past this it is left to the endpoint's own end."""

TIDY_SECONDS = 1.0
"""After a session, if no other one is on: tidying up stops everything for a tenth of a second."""

Work = (
    do.MakeOffer
    | do.MakeAnswer
    | do.TakeAnswer
    | do.TakeCandidates
    | do.Authenticate
    | do.Attach
    | do.SuspectMedia
)
Feed = Callable[[Event], None]


class LegKey(NamedTuple):
    """Names one media session."""

    call: CallId
    device: Device
    generation: int


@dataclass(frozen=True, slots=True)
class MediaTask:
    """What a session needs to know of its call."""

    key: LegKey
    call: Call
    plan: Callable[[], Awaitable[SessionConfig]]
    """What the session shall do, as of now: accepting may change it."""
    feed: Feed
    on_frame: Callable[[MediaSession, bytes], None]
    """Given each frame that comes beside the media."""
    region_of: Callable[[str], str | None]
    """Where a TURN server is, by its URL."""
    binding: bytes
    """What the authentication string is bound to besides the certificates: the two people."""

    @staticmethod
    def nonce() -> bytes:
        """Our part of a generation's authentication string."""
        return secrets.token_bytes(NONCE_BYTES)


class Agenda:
    """What a session has still to do, in order; ``async for`` takes it, until `close`.

    What a peer can ask for again and again is one entry: its candidates are put together, and a
    suspicion is one however often it is told. The machine asks for the rest once a session. So
    there are at most as many entries as there are kinds of `Work`, whatever the peer says while
    the session is busy.
    """

    def __init__(self) -> None:
        self._entries: dict[type[Work], Work] = {}
        self._closed = False
        self._changed = trio.Event()

    def add(self, work: Work) -> None:
        """One more thing to do. Never waits."""
        before = self._entries.get(type(work))
        if isinstance(work, do.TakeCandidates) and isinstance(before, do.TakeCandidates):
            candidates = before.candidates + work.candidates
            work = replace(work, candidates=candidates, end=before.end or work.end)
        self._entries[type(work)] = work
        self._changed.set()

    def close(self) -> None:
        """Nothing more will come; what is there is still done."""
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Work:
        await trio.lowlevel.checkpoint()
        while not self._entries:
            if self._closed:
                raise StopAsyncIteration
            self._changed = trio.Event()
            await self._changed.wait()
        return self._entries.pop(next(iter(self._entries)))


@dataclass(slots=True)
class _Turns:
    """How many more sessions of one device may be open, and how many want to be."""

    free: trio.Semaphore = field(default_factory=lambda: trio.Semaphore(MAX_SESSIONS))
    users: int = 0


class MediaSessions:
    """The media sessions of a node, each with its task in the given nursery."""

    def __init__(
        self, endpoint: Callable[[Call], Awaitable[MediaEndpoint]], nursery: trio.Nursery
    ) -> None:
        """`endpoint`: where this call's media is now; it changes when a person takes it over."""
        self._endpoint = endpoint
        self._nursery = nursery
        self._work: dict[LegKey, Agenda] = {}
        self._turns: dict[tuple[CallId, Device], _Turns] = {}
        self._opening: dict[LegKey, trio.CancelScope] = {}
        self._sessions: dict[LegKey, MediaSession] = {}

    def __len__(self) -> int:
        return len(self._work)

    def open(self, leg: MediaTask) -> None:
        """Begins a session, which reports to `leg.feed`; `do` may follow at once."""
        agenda = self._work[leg.key] = Agenda()
        self._nursery.start_soon(self._alone, leg, agenda)

    def do(self, key: LegKey, work: Work) -> None:
        """Gives the session something to do, after all it was given before."""
        agenda = self._work.get(key)
        if agenda is not None:
            agenda.add(work)

    def close(self, key: LegKey) -> None:
        """Ends the session when it has done what it was given; at once if it is not open yet."""
        agenda = self._work.pop(key, None)
        if agenda is not None:
            agenda.close()
        if key in self._opening:
            self._opening[key].cancel()

    def end(self, call: CallId) -> None:
        """Closes whatever is left of a call that is over."""
        for key in [key for key in self._work if key.call == call]:
            self.close(key)

    def report(self, call: CallId) -> IceReport | None:
        """What ICE did in the newest session of a call; also just after it was told to close."""
        mine = [key for key in self._sessions if key.call == call]
        newest = max(mine, key=lambda key: key.generation, default=None)
        return self._sessions[newest].report() if newest is not None else None

    async def _alone(self, leg: MediaTask, work: Agenda) -> None:
        """An error of ours in a session ends its call, and no other one."""
        with contained("call", then=lambda: leg.feed(on.ProgramFault(leg.call.id))):
            await self._run(leg, work)

    async def _run(self, leg: MediaTask, work: Agenda) -> None:
        with self._turns_of(leg.key) as turns:
            await self._serve(leg, work, turns)
        await trio.sleep(TIDY_SECONDS)
        if not self._work:
            await trio.to_thread.run_sync(return_memory)

    @contextlib.contextmanager
    def _turns_of(self, key: LegKey) -> Iterator[trio.Semaphore]:
        name = (key.call, key.device)
        turns = self._turns.setdefault(name, _Turns())
        turns.users += 1
        try:
            yield turns.free
        finally:
            turns.users -= 1
            if not turns.users:
                del self._turns[name]

    async def _serve(self, leg: MediaTask, work: Agenda, turns: trio.Semaphore) -> None:
        session: MediaSession | None = None
        try:
            opened = await self._open_session(leg, turns)
            if opened is None:
                return
            endpoint, session = opened
            self._sessions[leg.key] = session
            link = ConnectedSession(session, endpoint)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._report, leg, link)
                async for item in work:
                    await self._carry_out(item, leg, link)
                nursery.cancel_scope.cancel()
        except* (MediaError, BadFingerprint) as errors:
            error = first(errors)
            leg.call.trouble = str(error)
            if session is not None:
                leg.call.report = session.report()
            if isinstance(error, SourceUnavailable | SinkUnavailable):
                # Nothing of the network, and another session would fail alike.
                leg.call.own_fault = str(error)
                leg.feed(on.ProgramFault(leg.call.id))
            else:
                leg.feed(on.MediaFailed(*leg.key))
        finally:
            self.close(leg.key)
            if session is not None:
                del self._sessions[leg.key]
                leg.call.unlink(leg.key.device, session)
                # At shutdown the engine may be gone already, and the session with it.
                with (
                    contained("call"),  # which goes on, on another session perhaps
                    trio.CancelScope(shield=True),
                    trio.move_on_after(CLOSE_SECONDS),
                    contextlib.suppress(MediaError),
                ):
                    await session.aclose()
                turns.release()

    async def _open_session(
        self, leg: MediaTask, turns: trio.Semaphore
    ) -> tuple[MediaEndpoint, MediaSession] | None:
        """In its turn, which it keeps; None if it was closed first: a page may be waited for."""
        with trio.CancelScope() as scope:
            self._opening[leg.key] = scope
            try:
                await turns.acquire()
                session: MediaSession | None = None
                try:
                    endpoint = await self._endpoint(leg.call)
                    session = await endpoint.open_session(await leg.plan())
                    return endpoint, session
                finally:
                    if session is None:
                        turns.release()
            finally:
                del self._opening[leg.key]
        return None

    async def _carry_out(self, item: Work, leg: MediaTask, link: ConnectedSession) -> None:
        session = link.session
        match item:
            case do.MakeOffer():
                link.local_sdp = await session.create_offer()
                leg.feed(on.OfferReady(*leg.key, sdp=link.local_sdp, nonce=leg.nonce()))
            case do.MakeAnswer(sdp=offer):
                answer = await session.accept_offer(offer)
                link.described(answer, offer)
                leg.feed(on.AnswerReady(*leg.key, sdp=answer, nonce=leg.nonce()))
            case do.TakeAnswer(sdp=answer):
                assert link.local_sdp is not None, "the machine made an offer first"
                await session.accept_answer(answer)
                link.described(link.local_sdp, answer)
            case do.TakeCandidates(candidates=candidates, end=end):
                await session.add_candidates(candidates, end=end)
            case do.Authenticate(outcome=outcome):
                link.authenticate(leg.binding, outcome)
                leg.call.string.changed()
            case do.Attach(kinds=kinds):
                if await self._endpoint(leg.call) is link.endpoint:
                    await session.attach(kinds, await leg.plan())
                elif (
                    leg.call.state in ACTIVE
                ):  # it was prepared in one page and taken in another, or on the command line
                    leg.feed(on.RestartMedia(leg.call.id))
            case do.SuspectMedia():
                await session.suspect()

    async def _report(self, leg: MediaTask, link: ConnectedSession) -> None:
        async for event in link.session.events:
            match event:
                case Connected(path=path, server=server):
                    before, known = (link.path, link.region), link.path is not None
                    link.path, link.region = path, leg.region_of(server) if server else None
                    leg.call.link(leg.key.device, link)
                    leg.feed(on.MediaConnected(*leg.key))
                    if known and before != (link.path, link.region):
                        leg.call.path_changed()
                case FirstFrame(kind=kind):
                    leg.call.publish(FirstMedia(call=leg.call.id, kind=kind))
                case PathLost():
                    leg.feed(on.MediaPathLost(*leg.key))
                case Failed(why=why):
                    leg.call.trouble = why
                    leg.call.report = link.session.report()
                    leg.feed(on.MediaFailed(*leg.key))
                case ChatReceived(chat=chat):
                    leg.call.lines.heard(chat)
                case FrameCarried(data=data):
                    leg.on_frame(link.session, data)
                case RecorderStopped(why=why):
                    leg.call.recording_stopped(why)
                case SourceOver(kind=kind):
                    leg.call.publish(SourceEnded(call=leg.call.id, kind=kind))
                case SourcesGone():
                    if leg.call.state in ACTIVE:
                        leg.call.tell_media(muted=True, camera_off=True, sharing=False)
                case LocalCandidates(candidates=candidates, end=end):
                    leg.feed(on.CandidatesReady(*leg.key, candidates=candidates, end=end))
