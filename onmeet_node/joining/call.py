"""A guest's call without a browser, from the moment that the host lets the guest in."""

from __future__ import annotations

import logging
from contextlib import suppress

import trio

from onmeet_node.errors import first
from onmeet_node.joining.errors import EntryDenied, NoMedia
from onmeet_node.joining.line import DoorClosed, GuestLine, open_line
from onmeet_node.joining.media import GuestMedia, MediaGeneration
from onmeet_node.joining.options import GuestOptions, Tell
from onmeet_node.joining.retrying import AWAY, LONGEST_WAIT_SECONDS, passes, pause
from onmeet_node.media.endpoint import (
    Connected,
    Failed,
    FirstFrame,
    LocalCandidates,
    PathLost,
    RecorderStopped,
)
from onmeet_node.media.errors import MediaError
from onmeet_node.net.backoff import Backoff
from onmeet_node.process.leaving import in_order
from onmeet_node.protocol.call.authentication import StringDoubt
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.door import HOST_GONE
from onmeet_node.protocol.wire.messages import CallId, Message

log = logging.getLogger(__name__)

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


class GuestCall:
    """The guest's side of one call: it dials, the host takes it."""

    def __init__(
        self,
        url: str,
        line: GuestLine,
        media: GuestMedia,
        call: CallId,
        admit: m.Admit,
        visitor: GuestOptions,
        tell: Tell,
    ) -> None:
        self._url = url
        self._line = line
        self._media = media
        self._call = call
        self._admit = admit
        self._visitor = visitor
        self._tell = tell
        self._connected = False
        self._lost: trio.CancelScope | None = None
        """The wait for a path that was lost."""
        self._reason: str | None = None
        self._trouble: BaseException | None = None

    async def run(self) -> str:
        """From the invite to the end."""
        await self._line.say(await self._media.offer())
        async with trio.open_nursery() as self._nursery:
            nursery = self._nursery

            async def signaling() -> None:
                broken = await self._hear()
                if broken is not None:
                    await self._come_back(broken)
                nursery.cancel_scope.cancel()

            nursery.start_soon(self._watch_media, self._media.newest)
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
                    await self._answered(answer)
                case m.Renegotiate(call=self._call) as offer:
                    await self._offered(offer)
                case m.Reveal(call=self._call) as reveal:
                    self._authenticated(self._media.revealed(reveal))
                case m.Candidates(call=self._call) as candidates:
                    await self._media.add_candidates(candidates)
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
        before = self._media.newest.nonces.outcome
        reveal = await self._media.answered(answer)
        if reveal is not None:
            await self._say(reveal)
        if before is None:
            self._authenticated(self._media.newest)

    async def _offered(self, offer: m.Renegotiate) -> None:
        before = self._media.newest
        try:
            answer = await self._media.offered(offer)
        except MediaError as error:
            log.info("what the host offered anew cannot be used: %s", type(error).__name__)
            return
        if answer is not None:
            await self._say(answer)
        if self._media.newest is not before:
            self._nursery.start_soon(self._watch_media, self._media.newest)

    def _authenticated(self, made: MediaGeneration | None) -> None:
        if made is None:
            return
        match self._media.string(made):
            case StringDoubt() as doubt:
                self._tell("answered", sas=None, doubt=doubt)
            case str() as string:
                self._tell("answered", sas=string)
            case None:
                pass

    async def _say(self, message: Message) -> None:
        with suppress(DoorClosed):  # whoever hears the line knows; the host asks for it again
            await self._line.say(message)

    async def _watch_media(self, made: MediaGeneration) -> None:
        async for event in made.session.events:
            match event:
                case Connected(path=path):
                    first_time, self._connected = not self._connected, True
                    if self._lost is not None:
                        self._lost.cancel()
                    self._tell("connected", path=path.value)
                    if first_time and self._visitor.seconds is not None:
                        self._nursery.start_soon(self._leave_after, self._visitor.seconds)
                    await self._media.connected(made)
                case FirstFrame(kind=kind):
                    self._tell("media", kind=kind.value)
                case RecorderStopped(why=why):
                    self._tell("recording-stopped", sentence=why)
                case Failed() if made is not self._media.newest or made.number > 0:
                    await self._media.give_up(made)  # the host offers again, or gives up
                case Failed(why=why):
                    self._trouble = NoMedia(why)
                    self._nursery.cancel_scope.cancel()
                case PathLost() if made is self._media.newest:
                    self._tell("reconnecting")
                    self._nursery.start_soon(self._wait_for_path)
                case LocalCandidates(candidates=candidates, end=end):
                    await self._say(
                        m.Candidates(
                            call=self._call,
                            generation=made.number,
                            candidates=tuple(candidates),
                            end=end,
                        )
                    )
                case _:
                    continue

    async def _wait_for_path(self) -> None:
        with trio.CancelScope() as self._lost:
            await trio.sleep(PATH_SECONDS)
            self._trouble = NoMedia("The path of sound and picture was lost.")
            self._nursery.cancel_scope.cancel()

    async def _leave_after(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self._nursery.cancel_scope.cancel()
