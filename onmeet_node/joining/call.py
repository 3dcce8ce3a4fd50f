"""Joining a call by a guest link without a browser: for bots, tests and the audit.

No home, no identity: what the guest page does, with aiortc in place of the browser's media.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
from trio_websocket import HandshakeError

from onmeet_node.calls.options import CallOptions
from onmeet_node.errors import OnMeetError, first
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.joining.line import DoorClosed, GuestLine, open_line
from onmeet_node.joining.room import GuestConference, open_guest_conference
from onmeet_node.media.checking import check_media
from onmeet_node.media.endpoint import (
    Connected,
    Failed,
    FirstFrame,
    IceServer,
    LocalCandidates,
    MediaSession,
    PathLost,
    RecorderStopped,
    SessionConfig,
)
from onmeet_node.media.engine.endpoint import open_endpoint
from onmeet_node.net.backoff import Backoff
from onmeet_node.process.leaving import in_order
from onmeet_node.protocol.identity.safety import fingerprint_from_sdp, sas
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.door import HOST_GONE, MALFORMED, NO_DOOR, TOO_MANY
from onmeet_node.protocol.wire.link import read_link
from onmeet_node.protocol.wire.messages import CALL_ID_BYTES, CallId, Kind
from onmeet_node.rooms.conference import RoomOptions

GOODBYE_SECONDS = 2.0
"""For the host to hear that a guest leaves."""
LONGEST_WAIT_SECONDS = 12.0
"""Between tries of somebody whose host may be away for long."""
CROWDED_WAIT_SECONDS = 30.0
"""For a gateway that said that too many come."""
PATH_SECONDS = 30.0
"""For a path of media that was lost to come back, as a guest page waits."""
_FINAL = frozenset({1002, 1003, MALFORMED})
"""Close codes that another try does not mend."""
_AWAY = (DoorClosed, OSError, HandshakeError, trio.TooSlowError, ExceptionGroup)
"""What opening a line raises while the door is away."""

Tell = Callable[..., None]
"""Called with the name of an event and its fields."""

_DENIED = {
    m.DenyReason.DENIED: "The host did not let you in.",
    m.DenyReason.REMOVED: "The host sent you out of the call.",
    m.DenyReason.LINK_CLOSED: "This link was closed. Ask for a new one.",
    m.DenyReason.EXPIRED: "This link has expired. Ask for a new one.",
    m.DenyReason.FULL: "Too many guests are waiting. Try again in a while.",
    m.DenyReason.NO_ANSWER: "Nobody opened. Try again later, or ask your host.",
    m.DenyReason.FAULT: "An error in your host's program sent you away. Knock again.",
}


class EntryDenied(OnMeetError, kind="NotLetIn"):
    """The host denied the guest."""

    def __init__(self, reason: m.DenyReason) -> None:
        super().__init__(_DENIED[reason])
        self.reason = reason


class NoMedia(OnMeetError):
    """No path for sound and picture was found, or it was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOptions:
    """How a guest comes."""

    name: str
    source: str = "none"
    record: Path | None = None
    relay_only: bool = False
    seconds: float | None = None
    """After so long in the call the guest leaves; None: when the host ends it."""
    patience: float = 0.0
    """For so many seconds the door is tried again while it is away."""
    plain: bool = False


async def join(url: str, visitor: GuestOptions, tell: Tell) -> str:
    """Joins, stays, and leaves; gives ``left`` or the reason of the host's hang-up.

    Until the guest is in, a door that is away is tried again, and each try told. Raises
    `EntryDenied`, `DoorClosed`, `NoMedia`, and `LinkError` for what is no link.
    """
    _, link = read_link(url)
    kinds = frozenset(Kind)
    await check_media(visitor.source, kinds)
    until = trio.current_time() + visitor.patience
    backoff, tries, inside = Backoff(most=LONGEST_WAIT_SECONDS), 0, trio.Event()
    while True:
        try:
            return await _come(url, visitor, tell, inside)
        except _AWAY as error:
            cause = first(error)
            closed = link.expires is not None and link.expires < time.time()
            if inside.is_set() or trio.current_time() >= until or not _passes(cause, closed=closed):
                raise
        tries += 1
        await _pause(cause, tries, tell, backoff)


async def _pause(cause: BaseException, tries: int, tell: Tell, backoff: Backoff) -> None:
    """Tells of the next try, and waits for it."""
    tell("trying", why=str(cause) or type(cause).__name__, tries=tries)
    crowded = isinstance(cause, DoorClosed) and cause.code == TOO_MANY
    await trio.sleep(CROWDED_WAIT_SECONDS if crowded else backoff.next())


def _passes(error: BaseException, *, closed: bool) -> bool:
    """Whether the door may be there in a moment: a gateway or a host that begins again."""
    if isinstance(error, DoorClosed):
        return error.code not in _FINAL and not (closed and error.code == NO_DOOR)
    return isinstance(error, OSError | HandshakeError | trio.TooSlowError)


async def _come(url: str, visitor: GuestOptions, tell: Tell, inside: trio.Event) -> str:
    """One visit, from the door on; sets `inside` when the guest is let in."""
    async with in_order(open_line(url, plain=visitor.plain)) as line:
        tell("door", host=line.welcome.card.name, title=line.welcome.title)
        room, host = line.welcome.room, line.welcome.host
        try:
            in_room = room is not None and host is not None
            await check_media(
                None,
                frozenset(Kind),
                record=None if in_room else visitor.record,
                directory=visitor.record if in_room else None,
            )
            if room is not None and host is not None:
                return await _in_room(line, room, host, visitor, tell, inside)
            await line.say(m.Knock(name=visitor.name))
            admit = await _admitted(line, tell)
            inside.set()
            tell("admitted")
            async with in_order(_media(visitor, admit)) as session:
                call = _Call(url, line, session, admit, visitor, tell)
                try:
                    return await call.run()
                finally:
                    with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                        await call.say_goodbye()
        finally:
            with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                await line.close("left")


async def _in_room(
    line: GuestLine, room: bytes, host: bytes, visitor: GuestOptions, tell: Tell, inside: trio.Event
) -> str:
    """The link leads into a room: what its other members do, with their channels carried."""
    presence = RoomOptions(
        name=visitor.name,
        kinds=frozenset(Kind),
        wish=CallOptions(source=visitor.source, relay_only=visitor.relay_only),
        record=visitor.record,
    )

    async def say(frame: bytes) -> None:
        try:
            await line.say(m.Carry(data=frame))
        except DoorClosed as closed:
            raise trio.BrokenResourceError from closed

    hub: Hub[NodeEvent] = Hub()
    denied: list[m.DenyReason] = []
    lost: list[DoorClosed] = []

    @asynccontextmanager
    async def in_it() -> AsyncIterator[GuestConference]:
        async with (
            open_endpoint() as endpoint,
            # NOTE: outside the conference: what is answered to its last words comes over the line.
            trio.open_nursery() as nursery,
            open_guest_conference(
                room, host, presence, line=say, endpoint=endpoint, hub=hub
            ) as conference,
        ):

            async def carry() -> None:
                try:
                    while True:
                        message = await line.hear()
                        if isinstance(message, m.Carry):
                            conference.frames.carried(message.data)
                        elif isinstance(message, m.Deny) and not conference.inside.is_set():
                            denied.append(message.reason)
                            conference.inside.set()
                        elif isinstance(message, m.Bye):
                            raise DoorClosed(HOST_GONE)
                except DoorClosed as closed:
                    if not conference.inside.is_set():
                        lost.append(closed)
                        conference.inside.set()
                conference.frames.line_lost()

            nursery.start_soon(carry)
            try:
                yield conference
            finally:
                nursery.start_soon(_then_cancel, conference.said.wait, nursery)

    with hub.watch() as events:
        async with in_order(in_it()) as conference, trio.open_nursery() as nursery:

            async def follow() -> None:
                async for event in events:
                    told = event.as_json()
                    del told["t"]
                    tell(told.pop("event"), **told)

            nursery.start_soon(follow)
            await conference.inside.wait()
            with trio.move_on_after(math.inf if visitor.seconds is None else visitor.seconds):
                if not denied and not lost:
                    inside.set()
                    await conference.over.wait()
            over = conference.room.over
            nursery.cancel_scope.cancel()
    if denied:
        raise EntryDenied(denied[0])
    if lost:
        raise lost[0]
    return over.value if over is not None else "left"


async def _then_cancel(wait: Callable[[], Awaitable[object]], nursery: trio.Nursery) -> None:
    await wait()
    nursery.cancel_scope.cancel()


async def _admitted(line: GuestLine, tell: Tell) -> m.Admit:
    while True:
        match await line.hear():
            case m.Wait(state=state):
                tell("waiting", state=state.value)
            case m.Admit() as admit:
                return admit
            case m.Deny(reason=reason):
                raise EntryDenied(reason)
            case m.Bye():
                raise DoorClosed(HOST_GONE)
            case _:
                continue


@asynccontextmanager
async def _media(visitor: GuestOptions, admit: m.Admit) -> AsyncIterator[MediaSession]:
    config = SessionConfig(
        kinds=frozenset(Kind),
        ice_servers=tuple(IceServer(s.url, s.username, s.credential) for s in admit.servers),
        relay_only=visitor.relay_only,
        source=visitor.source,
        record=visitor.record,
    )
    async with open_endpoint() as endpoint:
        session = await endpoint.open_session(config)
        try:
            yield session
        finally:
            with trio.CancelScope(shield=True):
                await session.aclose()


class _Call:
    """The guest's side of one call: it dials, the host takes it."""

    def __init__(
        self,
        url: str,
        line: GuestLine,
        session: MediaSession,
        admit: m.Admit,
        visitor: GuestOptions,
        tell: Tell,
    ) -> None:
        self._url = url
        self._line = line
        self._session = session
        self._admit = admit
        self._visitor = visitor
        self._tell = tell
        self._call = CallId(secrets.token_bytes(CALL_ID_BYTES))
        self._offer = ""
        self._connected = False
        self._lost: trio.CancelScope | None = None
        """The wait for a path that was lost."""
        self._reason: str | None = None
        self._trouble: BaseException | None = None

    async def run(self) -> str:
        """From the invite to the end."""
        self._offer = await self._session.create_offer()
        await self._line.say(m.Invite(call=self._call, kinds=tuple(Kind), sdp=self._offer))
        async with trio.open_nursery() as nursery:

            async def media() -> None:
                await self._watch_media(nursery)
                nursery.cancel_scope.cancel()

            async def signaling() -> None:
                broken = await self._hear()
                if broken is not None:
                    await self._come_back(broken)
                nursery.cancel_scope.cancel()

            nursery.start_soon(media)
            nursery.start_soon(signaling)
        if self._trouble is not None:
            raise self._trouble
        return self._reason or "left"

    async def say_goodbye(self) -> None:
        """Ends the call at the host, if it was not the host who ended it."""
        if self._reason is None:
            try:
                await self._line.say(m.Hangup(call=self._call))
            except DoorClosed:
                return

    async def _come_back(self, broken: BaseException) -> None:
        """Over new lines into the same call, whose media goes on meanwhile (PROTOCOL, "Guests", 5).

        Returns when the call is over.
        """
        backoff, tries = Backoff(most=LONGEST_WAIT_SECONDS), 0
        cause: BaseException | None = broken
        while cause is not None and _passes(cause, closed=False):
            tries += 1
            await _pause(cause, tries, self._tell, backoff)
            try:
                async with in_order(open_line(self._url, plain=self._visitor.plain)) as line:
                    self._line = line
                    try:
                        name, ticket = self._visitor.name, self._admit.ticket
                        await line.say(m.Knock(name=name, ticket=ticket))
                        await _admitted(line, self._tell)
                        self._tell("admitted")
                        backoff.reset()
                        tries = 0
                        cause = await self._hear()
                    finally:
                        with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                            await self.say_goodbye()
                            await line.close("left")
            except (EntryDenied, *_AWAY) as error:
                cause = first(error)
        if cause is not None:
            self._trouble = cause

    async def _hear(self) -> DoorClosed | None:
        """Until the call is over, or the line of one that goes on without: why that ended."""
        while self._reason is None:
            try:
                message = await self._line.hear()
            except DoorClosed as closed:
                if self._connected:
                    return closed
                self._trouble = closed
                return None
            match message:
                case m.Answer(call=self._call, generation=0, sdp=sdp):
                    await self._session.accept_answer(sdp)
                    await self._session.attach(frozenset(Kind))
                    self._tell("answered", sas=self._string(sdp))
                case m.Candidates(call=self._call, candidates=candidates, end=end):
                    await self._session.add_candidates(candidates, end=end)
                case m.Hangup(call=self._call, reason=reason):
                    self._reason = reason.value
                case m.Decline(call=self._call, reason=declined):
                    self._reason = declined.value
                case m.Deny(reason=denied):
                    self._trouble = EntryDenied(denied)
                    return None
                case m.Bye():
                    self._reason = "host-left"
                case _:
                    continue
        return None

    def _string(self, answer: str) -> str:
        binding = b"".join(sorted((self._line.link.key, self._admit.guest)))
        return sas(binding, fingerprint_from_sdp(self._offer), fingerprint_from_sdp(answer))

    async def _watch_media(self, nursery: trio.Nursery) -> None:
        async for event in self._session.events:
            match event:
                case Connected(path=path):
                    first_time, self._connected = not self._connected, True
                    if self._lost is not None:
                        self._lost.cancel()
                    self._tell("connected", path=path.value)
                    if first_time and self._visitor.seconds is not None:
                        nursery.start_soon(self._leave_after, self._visitor.seconds, nursery)
                case FirstFrame(kind=kind):
                    self._tell("media", kind=kind.value)
                case RecorderStopped(why=why):
                    self._tell("recording-stopped", sentence=why)
                case Failed(why=why):
                    self._trouble = NoMedia(why)
                    return
                case PathLost():
                    self._tell("reconnecting")
                    nursery.start_soon(self._wait_for_path, nursery)
                case LocalCandidates(candidates=candidates, end=end):
                    message: Any = m.Candidates(
                        call=self._call, candidates=tuple(candidates), end=end
                    )
                    with suppress(DoorClosed):  # whoever hears the line knows
                        await self._line.say(message)
                case _:
                    continue

    async def _wait_for_path(self, nursery: trio.Nursery) -> None:
        with trio.CancelScope() as self._lost:
            await trio.sleep(PATH_SECONDS)
            self._trouble = NoMedia("The path of sound and picture was lost.")
            nursery.cancel_scope.cancel()

    async def _leave_after(self, seconds: float, nursery: trio.Nursery) -> None:
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()
