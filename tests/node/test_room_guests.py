"""Guests in rooms of real nodes, through a real gateway; the guests are `onmeet join`'s."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from itertools import product
from typing import Any

import attrs
import pytest
import trio
from onmeet_bootstrap.config.model import BootstrapConfig, ephemeral_config

from onmeet_node.errors import OnMeetError
from onmeet_node.joining.errors import EntryDenied
from onmeet_node.joining.join import join
from onmeet_node.joining.line import open_line
from onmeet_node.joining.options import GuestOptions
from onmeet_node.media.engine.endpoint import AiortcSession
from onmeet_node.net.channels.channel import End
from onmeet_node.net.channels.channels import Channels
from onmeet_node.net.errors import NetError
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.room import Role
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.runner import RoomRunner
from tests.node.test_rooms import SECONDS, meeting, presence, until, whole

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def bootstrap_config() -> BootstrapConfig:
    """A bootstrap with a door for guests, who all come from one address here."""
    config = ephemeral_config(guests=True)
    guests = attrs.evolve(config.guests, tries_per_minute=1e6, tries_burst=100_000)
    return attrs.evolve(config, guests=guests)


class Visit:
    """A guest on the way in, or in: what they are told, and how it ended."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.over = trio.Event()
        self.ended: str | EntryDenied | None = None

    def tell(self, event: str, **fields: Any) -> None:
        self.told.append((event, fields))

    def string(self) -> str | None:
        """The room's authentication string as they see it."""
        strings = [fields["string"] for event, fields in self.told if event == "room"]
        return strings[-1] if strings else None


@asynccontextmanager
async def visiting(url: str, name: str) -> AsyncIterator[Visit]:
    """A guest with a link, until the block ends."""
    guest = Visit()

    async def come() -> None:
        try:
            guest.ended = await join(url, GuestOptions(name=name), guest.tell)
        except* EntryDenied as denied:
            error: BaseException = denied
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            assert isinstance(error, EntryDenied)
            guest.ended = error
        guest.over.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(come)
        yield guest
        nursery.cancel_scope.cancel()


async def link_into(node: Node, room: Conference, *, knock: bool = True) -> str:
    with trio.fail_after(15):
        while not node.guests.links.possible():
            await node._network.gateways_changed()
    return await node.rooms.link(room, knock=knock)


async def let_in(room: Conference, name: str) -> bytes:
    """Waits for the knock of this guest, and opens."""
    await until(room, lambda shown: any(k.name == name for k in shown.knocking))
    key = room.who(name, list(room.room.knocks))
    room.act(lambda r, now: r.admit(key, now=now))
    return key


Start = Callable[..., Awaitable[Node]]


async def test_two_guests_talk_with_everybody_and_outlast_the_host(start: Any) -> None:
    people = await meeting(start, "ada", "ben")
    (ada, hers), (ben, bens) = people.values()
    url = await link_into(ada, hers)
    assert url == await ada.rooms.link(hers), "one link a room"
    async with visiting(url, "Gina") as gina, visiting(url, "Hugo") as hugo:
        for name in ("Gina", "Hugo"):
            await let_in(hers, name)
        everybody = {"ada", "ben", "Gina", "Hugo"}
        for room in (hers, bens):
            await until(room, whole(everybody))
        strings = {room.describe().string for room in (hers, bens)}
        with trio.fail_after(SECONDS):
            while {gina.string(), hugo.string()} != strings:  # noqa: ASYNC110 - as it is shown
                await trio.sleep(0.1)
        roles = {p.name: p.role for p in bens.describe().people}
        assert roles == {"ada": "host", "ben": "member", "Gina": "guest", "Hugo": "guest"}

        kept = {call.id for call in bens.calls if call.peer != hers.me}
        hers.leave()
        await until(bens, whole(everybody - {"ada"}))
        assert bens.room.is_host
        await until(bens, lambda _: {call.id for call in bens.calls} == kept)
        assert not ada.rooms.list().rooms

        async with visiting(await link_into(ben, bens, knock=False), "Ines") as ines:
            await until(bens, whole(everybody - {"ada"} | {"Ines"}))
            with trio.fail_after(SECONDS):
                strings = {bens.describe().string}
                while {gina.string(), hugo.string(), ines.string()} != strings:  # noqa: ASYNC110
                    await trio.sleep(0.1)
            assert not gina.over.is_set()
            bens.act(lambda room, now: room.end(now=now))
            with trio.fail_after(SECONDS):
                for guest in (gina, hugo, ines):
                    await guest.over.wait()
                    assert guest.ended == "ended"


BURN = "while True: pass"


@contextmanager
def busy_machine() -> Iterator[None]:
    """Every core is busy with something else, at the same priority."""
    burners = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


@pytest.mark.timeout(1800)
async def test_everybody_reads_the_true_end_on_a_busy_machine(start: Any) -> None:
    """The last word is heard before what carries it goes: 30 times of 30 under ONMEET_FULL."""
    ada = await start("ada")
    with busy_machine():
        for _ in range(30 if os.environ.get("ONMEET_FULL") else 3):
            hers = await ada.rooms.create("Tuesday", presence("ada"))
            url = None
            while url is None:
                with suppress(NetError, OnMeetError):  # the bootstrap is busy, too
                    url = await link_into(ada, hers, knock=False)
            async with AsyncExitStack() as stack:
                names = ("Gina", "Hugo", "Ines")
                guests = [await stack.enter_async_context(visiting(url, n)) for n in names]
                with trio.fail_after(300):
                    while len(hers.others) < len(names):
                        await hers.changed()
                    hers.act(lambda room, now: room.end(now=now))
                    for guest in guests:
                        await guest.over.wait()
                assert [guest.ended for guest in guests] == ["ended"] * len(names)


async def test_a_guest_who_is_denied_or_sent_out_learns_it(start: Any) -> None:
    ada = await start("ada")
    hers = await ada.rooms.create("Tuesday", presence("ada"))
    url = await link_into(ada, hers)
    async with visiting(url, "Mallory") as mallory:
        await until(hers, lambda shown: bool(shown.knocking))
        key = hers.who("Mallory", list(hers.room.knocks))
        hers.act(lambda room, now: room.deny(key, now=now))
        with trio.fail_after(10):
            await mallory.over.wait()
        assert mallory.ended == "denied"
    async with visiting(url, "Gina") as gina:
        key = await let_in(hers, "Gina")
        await until(hers, whole({"ada", "Gina"}))
        hers.act(lambda room, now: room.remove(key, now=now))
        with trio.fail_after(10):
            await gina.over.wait()
        assert gina.ended == "removed"
        await until(hers, whole({"ada"}))
    hers.leave()
    with trio.fail_after(10):
        while ada.guests.links.list():  # noqa: ASYNC110
            await trio.sleep(0.05)


@asynccontextmanager
async def host_by_now(start: Any) -> AsyncIterator[tuple[Conference, Visit]]:
    """Ben and a guest who came by Ada's door: she has left, and he speaks beside the media."""
    people = await meeting(start, "ada", "ben")
    (ada, hers), (_, bens) = people.values()
    async with visiting(await link_into(ada, hers), "Hugo") as hugo:
        await let_in(hers, "Hugo")
        await until(bens, whole({"ada", "ben", "Hugo"}))
        hers.leave()
        await until(bens, whole({"ben", "Hugo"}))
        yield bens, hugo


async def test_who_is_sent_out_hears_so_though_words_and_media_go_the_same_way(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry = AiortcSession.carry

    async def unhurried(session: AiortcSession, data: bytes) -> None:
        await trio.sleep(0.1)
        await carry(session, data)

    async with host_by_now(start) as (bens, hugo):
        monkeypatch.setattr(AiortcSession, "carry", unhurried)
        bens.act(lambda room, now: room.remove(bens.who("Hugo"), now=now))
        with trio.fail_after(SECONDS):
            await hugo.over.wait()
        assert hugo.ended == "removed"


async def test_who_is_sent_out_while_their_channel_is_lost_hears_so_on_the_next(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    books: list[Channels] = []
    listen = RoomRunner._listen

    async def noted(runner: RoomRunner) -> None:
        books.append(runner._channels)
        await listen(runner)

    monkeypatch.setattr(RoomRunner, "_listen", noted)
    async with host_by_now(start) as (bens, hugo):
        key = bens.who("Hugo")
        for book, identity in product(books, (Identity(key), Identity(bens.me))):
            for device in book.devices(identity):
                channel = book.get(identity, device)
                assert channel is not None
                channel.fail(End.LOST)
        await until(bens, lambda shown: not next(p for p in shown.people if p.key == key).here)
        bens.act(lambda room, now: room.remove(key, now=now))
        with trio.fail_after(SECONDS):
            await hugo.over.wait()
        assert hugo.ended == "removed"


async def test_who_was_sent_out_does_not_walk_in_again_by_a_link_that_lets_in(start: Any) -> None:
    ada = await start("ada")
    hers = await ada.rooms.create("Tuesday", presence("ada"))
    url = await link_into(ada, hers, knock=False)
    async with visiting(url, "Gina") as gina:
        await until(hers, whole({"ada", "Gina"}))
        key = hers.who("Gina", list(hers.others))
        hers.act(lambda room, now: room.remove(key, now=now))
        with trio.fail_after(10):
            await gina.over.wait()
        assert gina.ended == "removed"
    async with open_line(url) as line:
        assert line.welcome.knock, "the page says that one knocks here"
    async with visiting(url, "Gina"):
        await let_in(hers, "Gina")  # they knock, and somebody decides
        await until(hers, whole({"ada", "Gina"}))


async def test_a_link_that_lets_in_does_not_open_a_room_where_everybody_knocks(
    start: Any,
) -> None:
    ada = await start("ada")
    hers = await ada.rooms.create("Tuesday", presence("ada"), knock=True)
    url = await link_into(ada, hers, knock=False)
    async with visiting(url, "Gina"):
        await let_in(hers, "Gina")
        await until(hers, whole({"ada", "Gina"}))


async def test_who_waits_at_a_meetings_link_comes_in_when_it_begins(start: Any) -> None:
    ada = await start("ada")
    with trio.fail_after(15):
        while not ada.guests.links.possible():
            await ada._network.gateways_changed()
    code, url = await ada.rooms.plan("Tuesday team", guests=True)
    assert url is not None
    assert (code, url) == await ada.rooms.plan("Tuesday team", guests=True)
    async with open_line(url) as line:
        assert line.welcome.room is None
        await line.say(m.Knock(name="Gina"))
        with trio.fail_after(10):
            await line.hear_one(m.Wait)
        hers = await ada.rooms.create("Tuesday team", presence("ada"), standing=True)
        with trio.fail_after(10):
            again = await line.hear_one(m.Welcome)
    assert again.room == hers.id
    assert again.host == hers.me
    async with visiting(url, "Gina"):
        await let_in(hers, "Gina")
        await until(hers, whole({"ada", "Gina"}))
        seat = next(s for s in hers.room.roster.seats if s.name == "Gina")  # type: ignore[union-attr]
        assert seat.role is Role.GUEST
        assert not seat.device
    hers.leave()
    with trio.fail_after(10):
        while ada.rooms.on:
            await ada.rooms.changed()
    assert [link.url for link in ada.guests.links.list()] == [url], "for the next time too"
    ada.rooms.forget("Tuesday team")
    assert not ada.guests.links.list()
    assert not ada.rooms.standing
