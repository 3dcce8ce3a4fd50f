"""A guest's call without a browser, from the moment that the host lets the guest in."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio

from onmeet_node.errors import first
from onmeet_node.joining.errors import EntryDenied, NoMedia
from onmeet_node.joining.line import DoorClosed, GuestLine, open_line
from onmeet_node.joining.options import GuestOptions, Tell
from onmeet_node.joining.retrying import AWAY, LONGEST_WAIT_SECONDS, passes, pause
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
from onmeet_node.protocol.call.authentication import NonceExchange, Nonces, StringAllowance
from onmeet_node.protocol.identity.safety import fingerprint_from_sdp, sas
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.door import HOST_GONE
from onmeet_node.protocol.wire.messages import CALL_ID_BYTES, NONCE_BYTES, CallId, Kind

GOODBYE_SECONDS = 2.0
"""For the host to hear that a guest leaves."""
PATH_SECONDS = 30.0
"""For a path of media that was lost to come back, as a guest page waits."""


async def admitted(line: GuestLine, tell: Tell) -> m.Admit:
    """Waits until the host lets us in. Raises `EntryDenied`, `DoorClosed`."""
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
async def open_media(visitor: GuestOptions, admit: m.Admit) -> AsyncIterator[MediaSession]:
    """The session of the one call, with the servers lent for it, while the block lasts."""
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


class GuestCall:
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
        self._nonces = NonceExchange(self._call, 0, StringAllowance(), ours=True)
        self._connected = False
        self._lost: trio.CancelScope | None = None
        """The wait for a path that was lost."""
        self._reason: str | None = None
        self._trouble: BaseException | None = None

    async def run(self) -> str:
        """From the invite to the end."""
        self._offer = await self._session.create_offer()
        self._nonces.offer(secrets.token_bytes(NONCE_BYTES))
        await self._line.say(
            m.Invite(
                call=self._call,
                kinds=tuple(Kind),
                sdp=self._offer,
                commitment=self._nonces.commitment,
            )
        )
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
        while cause is not None and passes(cause, closed=False):
            tries += 1
            await pause(cause, tries, self._tell, backoff)
            try:
                async with in_order(open_line(self._url, plain=self._visitor.plain)) as line:
                    self._line = line
                    try:
                        name, ticket = self._visitor.name, self._admit.ticket
                        await line.say(m.Knock(name=name, ticket=ticket))
                        await admitted(line, self._tell)
                        self._tell("admitted")
                        backoff.reset()
                        tries = 0
                        cause = await self._hear()
                    finally:
                        with trio.move_on_after(GOODBYE_SECONDS, shield=True):
                            await self.say_goodbye()
                            await line.close("left")
            except (EntryDenied, *AWAY) as error:
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
                case m.Answer(call=self._call, generation=0) as answer:
                    if self._nonces.outcome is None:
                        await self._answered(answer)
                    elif self._nonces.shown is not None:  # said again: they await what follows
                        await self._reveal(self._nonces.shown)
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

    async def _answered(self, answer: m.Answer) -> None:
        self._nonces.answered(answer.nonce)
        if self._nonces.shown is not None:
            await self._reveal(self._nonces.shown)
        await self._session.accept_answer(answer.sdp)
        await self._session.attach(frozenset(Kind))
        match self._nonces.outcome:
            case Nonces(offerer=ours, answerer=theirs):
                self._tell("answered", sas=self._string(answer.sdp, ours, theirs))
            case doubt:
                self._tell("answered", sas=None, doubt=doubt)

    async def _reveal(self, nonce: bytes) -> None:
        with suppress(DoorClosed):  # whoever hears the line knows; they ask for it again
            await self._line.say(m.Reveal(call=self._call, generation=0, nonce=nonce))

    def _string(self, answer: str, ours: bytes, theirs: bytes) -> str:
        binding = b"".join(sorted((self._line.link.key, self._admit.guest)))
        certificates = fingerprint_from_sdp(self._offer), fingerprint_from_sdp(answer)
        return sas(binding, *certificates, (ours, theirs))

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
