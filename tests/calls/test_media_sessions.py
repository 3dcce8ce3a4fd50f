"""Media sessions of calls: in whose turn they open, and what becomes of those that do not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.media_sessions import (
    CLOSE_SECONDS,
    MAX_SESSIONS,
    LegKey,
    MediaSessions,
    MediaTask,
)
from onmeet_node.calls.options import CallOptions
from onmeet_node.events import Hub
from onmeet_node.media.endpoint import MediaEndpoint, SessionConfig
from onmeet_node.media.errors import MediaError, SourceUnavailable
from onmeet_node.protocol.call import effects as do
from onmeet_node.protocol.call import events as on
from onmeet_node.protocol.call.events import Device, Event, Identity
from onmeet_node.protocol.wire.messages import CallId, Kind
from onmeet_node.testing.media import FakeEndpoint, FakeSession
from tests.fakes.calls import BOTH

CALL, PHONE = CallId(b"c" * 16), Device("phone")
SOON = 0.1


class Page(FakeEndpoint):
    """An endpoint that is not there until `opened`, and whose sessions may not open or close."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = trio.Event()
        self.opened.set()
        self.asked = 0
        self.fails: MediaError | None = None
        self.hangs = False

    async def open_session(self, config: SessionConfig) -> FakeSession:
        self.asked += 1
        await self.opened.wait()
        if self.fails is not None:
            raise self.fails
        session = await super().open_session(config)
        if self.hangs:
            session.aclose = trio.sleep_forever  # type: ignore[method-assign]
        return session


class World:
    """The sessions of one call; `told` is what its machine heard."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.page = Page()
        self.told: list[Event] = []
        self.call = Call(
            CALL,
            Identity(b"i" * 32),
            outgoing=True,
            kinds=BOTH,
            wish=CallOptions(),
            feed=self.told.append,
            asks=lambda _: False,
            leave=lambda _: None,
            node_hub=Hub(),
        )
        self.sessions = MediaSessions(self._endpoint, nursery)

    async def _endpoint(self, _: Call) -> MediaEndpoint:
        await trio.lowlevel.checkpoint()
        return self.page

    async def _plan(self) -> SessionConfig:
        await trio.lowlevel.checkpoint()
        return SessionConfig(BOTH)

    def offer(self, generation: int) -> LegKey:
        """Another session with the phone, which is to make an offer."""
        key = LegKey(CALL, PHONE, generation)
        self.sessions.open(
            MediaTask(
                key=key,
                call=self.call,
                plan=self._plan,
                feed=self.told.append,
                on_frame=lambda *_: None,
                region_of=lambda _: None,
                binding=b"both",
            )
        )
        self.sessions.do(key, do.MakeOffer(*key, kinds=frozenset({Kind.AUDIO})))
        return key

    def offered(self) -> list[int]:
        return [event.generation for event in self.told if isinstance(event, on.OfferReady)]


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        yield World(nursery)
        nursery.cancel_scope.cancel()


async def test_one_more_than_a_device_may_have_waits_until_one_is_closed(
    autojump_clock: object,
) -> None:
    async with world() as w:
        keys = []
        for generation in range(MAX_SESSIONS + 1):
            keys.append(w.offer(generation))
            await trio.sleep(SOON)
        await trio.sleep(60)
        assert sorted(w.offered()) == [0, 1, 2], "however long"
        w.sessions.close(keys[1])
        await trio.sleep(SOON)
        assert sorted(w.offered()) == [0, 1, 2, 3]
        assert [session.closed for session in w.page.sessions].count(True) == 1


async def test_what_is_closed_while_its_page_is_awaited_never_opens(
    autojump_clock: object,
) -> None:
    async with world() as w:
        w.page.opened = trio.Event()
        keys = [w.offer(generation) for generation in range(MAX_SESSIONS)]
        await trio.sleep(SOON)
        for key in keys:
            w.sessions.close(key)
        last = w.offer(MAX_SESSIONS)
        await trio.sleep(SOON)
        assert w.page.asked == MAX_SESSIONS + 1, "its turn came: they gave theirs back"
        w.page.opened.set()
        await trio.sleep(SOON)
        assert w.offered() == [last.generation]
        assert len(w.page.sessions) == 1


async def test_a_session_that_does_not_close_keeps_its_turn_for_seconds_and_no_longer(
    autojump_clock: object,
) -> None:
    async with world() as w:
        w.page.hangs = True
        for generation in range(MAX_SESSIONS):
            w.offer(generation)
        await trio.sleep(SOON)
        w.sessions.end(CALL)
        w.offer(MAX_SESSIONS)
        await trio.sleep(CLOSE_SECONDS - 2 * SOON)
        assert len(w.offered()) == MAX_SESSIONS
        await trio.sleep(3 * SOON)
        assert w.offered()[-1] == MAX_SESSIONS


async def test_a_session_that_fails_says_so_to_its_call_and_closes(autojump_clock: object) -> None:
    async with world() as w:
        w.page.fails = MediaError("no port is free")
        key = w.offer(0)
        await trio.sleep(SOON)
        assert w.told == [on.MediaFailed(*key)], "another one may work"
        assert w.call.trouble == "no port is free"
        assert len(w.sessions) == 0


async def test_a_source_that_cannot_be_used_ends_the_call_as_our_own_fault(
    autojump_clock: object,
) -> None:
    async with world() as w:
        w.page.fails = SourceUnavailable("there is no file of that name")
        w.offer(0)
        await trio.sleep(SOON)
        assert w.told == [on.ProgramFault(CALL)], "another session would fail alike"
        assert w.call.own_fault == "there is no file of that name"


async def test_a_call_that_ends_does_first_what_its_sessions_were_given(
    autojump_clock: object,
) -> None:
    async with world() as w:
        key = w.offer(0)
        await trio.sleep(SOON)
        w.sessions.do(key, do.Attach(*key, kinds=BOTH))
        w.sessions.end(CALL)
        await trio.sleep(SOON)
        (session,) = w.page.sessions
        assert session.attached == BOTH
        assert session.closed
