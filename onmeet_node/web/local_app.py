"""The local app above the node: serves pages before there is a node, and around it once there is.

A page may find no home yet (first run), a locked one, or a running node; it makes or opens the home
and sees the node start. The server stays when the node's part ends, so that a page learns why.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.options import CallOptions
from onmeet_node.config import Config, of_a_person
from onmeet_node.errors import OnMeetError, first
from onmeet_node.events import CallEnded, CallEvent, NodeEvent, RoomEvent, RoomOver
from onmeet_node.node.home import create_identity
from onmeet_node.node.node import Node
from onmeet_node.node.opening import open_node
from onmeet_node.process.faults import contained, kept
from onmeet_node.protocol.call.effects import EndReason, State
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.store import (
    KeyFile,
    Keyring,
    Passphrase,
    Unlock,
    delete_everything,
    find_home_key,
    import_home,
    unlock_kind,
)
from onmeet_node.store.app_place import AppPlace
from onmeet_node.store.errors import NotAHome, StoreError
from onmeet_node.web import room_snapshots, snapshots
from onmeet_node.web.answering import refusal
from onmeet_node.web.browsers import Browsers
from onmeet_node.web.linking import link_by_page
from onmeet_node.web.messages import FromNode, FromPage, answers, own
from onmeet_node.web.messages import rooms as room
from onmeet_node.web.messages import snapshots as snap
from onmeet_node.web.messages.media import FromPageMedia
from onmeet_node.web.page_door import PageDoor, hold_call
from onmeet_node.web.page_endpoint import PageEndpoint
from onmeet_node.web.pages import Page, Pages

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between looks whether the node's connections changed: nothing tells of each."""
ROOMS_PAUSE_SECONDS = 0.015
"""What changes of the rooms meanwhile is shown together. While somebody comes in much changes, and
the page shall begin their media before it draws them."""


class NotNow(OnMeetError):
    """The node is not as far as this request needs it."""


class OtherName(OnMeetError):
    """What was typed to confirm the deletion is not the person's own name."""


Body = Callable[[Node], Awaitable[None]]


class LocalApp:
    """The `server.Service` of a person's own node."""

    def __init__(
        self,
        config: Config,
        *,
        release: str,
        unlock: Unlock | None,
        body: Body,
        place: AppPlace | None = None,
    ) -> None:
        """`unlock`: as given on the command line; None: as the home says, or a page.

        `body` runs beside the node, from its start to its end. `place`: where the app is, and whose
        browsers may come back; None: only for this run, and nobody's.
        """
        self.pages = Pages()
        self.browsers = (
            Browsers(place, trio.current_time, lambda: self._refresh(snap.Home)) if place else None
        )
        self._place = place
        self._config = config
        self._release = release
        self._unlock = unlock
        self._body = body
        self._phase = snap.Phase.STARTING
        self._trouble: str | None = None
        self._opened = trio.Event()
        self._opened_with: Unlock | None = None
        self._node: Node | None = None
        self._door: PageDoor | None = None
        self._endpoint: PageEndpoint | None = None
        self._delete = False
        self._shown: dict[str, snap.CallShown] = {}
        """Calls as they were shown last, until their end is told."""
        self._last: dict[type, FromNode] = {}

    async def run(self) -> None:
        """Waits for a home, runs its node, until the node is stopped. Raises what stops it."""
        unlock = await self._key()
        self._enter(snap.Phase.STARTING)
        try:
            async with open_node(config=of_a_person(self._config), unlock=unlock) as node:
                await self._run_beside(node)
        finally:
            self._node = self._door = None
        if self._delete:
            delete_everything(self._config.home)
        self._enter(snap.Phase.STOPPED)

    async def _key(self) -> Unlock:
        if self._unlock is not None:
            return self._unlock
        try:
            kind = unlock_kind(self._config.home)
        except NotAHome:
            self._enter(snap.Phase.NEW)
        else:
            if kind != "passphrase":
                return Keyring() if kind == "keyring" else KeyFile()
            self._enter(snap.Phase.LOCKED)
        await self._opened.wait()
        assert self._opened_with is not None, "a page opened it"
        return self._opened_with

    async def _run_beside(self, node: Node) -> None:
        async with trio.open_nursery() as nursery:

            async def begin(peer: Identity, kinds: frozenset[Kind], wish: CallOptions) -> Call:
                begun: Call = await nursery.start(hold_call, node, peer, kinds, wish)
                return begun

            endpoint = self._endpoint = PageEndpoint(self.pages, nursery)
            self._node = node
            self._door = PageDoor(node, endpoint, begin)
            node.use_app(lambda: endpoint if self.pages.focused() is not None else None)
            nursery.start_soon(kept, "app", self._follow, node)
            nursery.start_soon(kept, "app", self._look)
            nursery.start_soon(kept, "app", self._follow_rooms, node)
            nursery.start_soon(kept, "app", self._ring, node)
            if self._place is not None:
                with suppress(StoreError):  # a full disk: it is chosen anew at the next start
                    self._place.keep()
            self._enter(snap.Phase.RUNNING)
            self._refresh()
            await self._body(node)
            nursery.cancel_scope.cancel()

    async def _ring(self, node: Node) -> None:
        """While a call can be noticed in a page, it rings; one that came before rings then."""
        while True:
            while not self.pages.can_notice():
                await self.pages.wait_changed()
            async with node.incoming() as ringer, trio.open_nursery() as nursery:
                nursery.start_soon(_drain, ringer)
                for call in node.calls:
                    if call.state is State.RINGING_IN:
                        call.alert()
                while self.pages.can_notice():
                    await self.pages.wait_changed()
                nursery.cancel_scope.cancel()

    # ── what pages are shown ──────────────────────────────────────────────────────────────────────
    async def _follow(self, node: Node) -> None:
        with node.watch() as events:
            async for event in events:
                with contained("app"):  # they miss this one
                    self._show_event(node, event)

    def _show_event(self, node: Node, event: NodeEvent) -> None:
        if isinstance(event, CallEvent):
            self._refresh(snap.Calls, snap.Guests)
            if isinstance(event, CallEnded):
                self._forget(event.call)
                ended = self._shown.pop(event.call.hex(), None)
                if ended is not None and event.reason is not EndReason.SUPERSEDED:
                    self.pages.broadcast(snapshots.over(ended, event))
        elif isinstance(event, RoomOver):
            self._forget(event.room)
        elif not isinstance(event, RoomEvent):  # those are followed by `_follow_rooms`
            self._refresh()
        told = snapshots.news(node, event) or room_snapshots.told(event)
        if told is not None:
            self.pages.broadcast(told)

    def _forget(self, target: bytes) -> None:
        if self._endpoint is not None:
            self._endpoint.kept.forget(target.hex())

    async def _follow_rooms(self, node: Node) -> None:
        while True:
            await node.rooms.changed()
            await trio.sleep(ROOMS_PAUSE_SECONDS)
            self._refresh(room.Rooms)

    async def _look(self) -> None:
        while True:
            await trio.sleep(LOOK_SECONDS)
            self._refresh(snap.Home, snap.Guests)

    def _refresh(self, *only: type) -> None:
        """Sends every page what is new among these snapshots (none given: all)."""
        for message in self._snapshots(only):
            if self._last.get(type(message)) != message:
                self._last[type(message)] = message
                self.pages.broadcast(message)

    def _snapshots(self, only: tuple[type, ...]) -> list[FromNode]:
        node, endpoint = self._node, self._endpoint
        makers: list[tuple[type, Callable[[], FromNode]]] = [(snap.Home, self._home)]
        if node is not None and endpoint is not None:
            makers += [
                (snap.Me, partial(snapshots.me, node)),
                (snap.People, partial(snapshots.people, node)),
                (snap.Guests, partial(snapshots.guests, node)),
                (room.Rooms, partial(room_snapshots.rooms, node, endpoint)),
                (snap.Calls, partial(self._calls, node, endpoint)),
            ]
        made: list[FromNode] = []
        for kind, make in makers:
            if only and kind not in only:
                continue
            with contained("app"):  # that part of the pages stays as it was
                try:
                    made.append(make())
                except StoreError as error:
                    log.warning("the pages are not shown what is new: %s", type(error).__name__)
        return made

    def _calls(self, node: Node, endpoint: PageEndpoint) -> snap.Calls:
        calls = snapshots.calls(node, endpoint)
        self._shown |= {shown.call: shown for shown in calls.calls}
        return calls

    def _home(self) -> snap.Home:
        node = self._node
        status = node.status() if node is not None else None
        return snap.Home(
            phase=self._phase,
            reachable=status is not None and status.reachable,
            bootstraps=status.bootstraps if status is not None else 0,
            trouble=self._trouble,
            asking=self.browsers.numbers if self.browsers is not None else (),
        )

    def _enter(self, phase: snap.Phase) -> None:
        self._phase = phase
        self._refresh(snap.Home)

    # ── Service ───────────────────────────────────────────────────────────────────────────────────
    def welcome(self, page: Page, hello: own.Hello) -> None:
        """See `server.Service`."""
        del hello
        page.send(snap.Welcome(page=page.number, release=self._release, keyring=_has_keyring()))
        if self._door is not None:
            with contained("app"):
                self._door.rooms_go_on(page)
        if self._endpoint is not None:
            for state in self._endpoint.kept.all():
                page.send(state)
        for message in self._snapshots(()):
            page.send(message)

    async def handle(self, page: Page, message: FromPage) -> None:
        """See `server.Service`."""
        number: int = getattr(message, "id", 0)  # 0: no answer is wanted
        answer: FromNode | None = answers.Refused(
            id=number, kind="Failure", sentence="The node made an error; its log says which."
        )
        with contained("page"):
            try:
                answer = await self._answer(page, message)
            except* OnMeetError as errors:
                told = first(errors)
                assert isinstance(told, OnMeetError)
                answer = refusal(number, told)
        if number:
            self._refresh()  # before the answer: who waits for it finds what it changed
            if answer is not None:
                page.send(answer)

    async def _answer(self, page: Page, message: FromPage) -> FromNode | None:
        match message:
            case own.Focus():
                page.focused = trio.current_time()
                return None
            case own.Noticeable(noticeable=noticeable):
                self.pages.says(page, noticeable=noticeable)
                return None
            case own.CreateHome(id=n, name=name, keeper=keeper, passphrase=passphrase):
                if self._phase is not snap.Phase.NEW:
                    raise NotNow("There is a home already.")
                unlock = _unlock(keeper, passphrase)
                await trio.to_thread.run_sync(create_identity, self._config.home, unlock, name)
                self._open(unlock)
                return answers.Done(id=n)
            case own.LinkHome(id=n, keeper=keeper, passphrase=passphrase):
                if self._phase is not snap.Phase.NEW:
                    raise NotNow("There is a home already.")
                unlock = _unlock(keeper, passphrase)
                self._open(await link_by_page(page, self._config, unlock, message))
                return answers.Done(id=n)
            case own.UnlockHome(id=n, passphrase=passphrase):
                if self._phase is not snap.Phase.LOCKED:
                    raise NotNow("The home is open.")
                unlock = Passphrase(passphrase)
                await trio.to_thread.run_sync(find_home_key, self._config.home, unlock)
                self._open(unlock)
                return answers.Done(id=n)
            case own.DeleteEverything(id=n, name=name):
                return self._delete_all(n, name)
            case own.LetIn(id=n, asking=asking, let_in=let_in):
                if self.browsers is None or not self.browsers.decide(asking, let_in=let_in):
                    raise NotNow("That window does not ask any more.")
                return answers.Done(id=n)
            case _:
                pass  # for the node
        if isinstance(message, FromPageMedia) and self._endpoint is not None:
            self._endpoint.take(page, message)
            return None
        if self._door is None:
            raise NotNow("The node is not running yet. Wait a moment, or look at what it says.")
        return await self._door.answer(page, message)

    def _open(self, unlock: Unlock) -> None:
        self._opened_with = unlock
        self._opened.set()

    def _delete_all(self, number: int, name: str) -> FromNode:
        if self._node is None:
            raise NotNow("The node is not running: there is nothing to delete from here.")
        own = self._node.people.profile().name or ""
        if name.strip() != own.strip():
            raise OtherName("That is not the name of your profile. Nothing was deleted.")
        self._delete = True
        self._node.stop()
        return answers.Done(id=number)

    async def export(self, passphrase: str) -> bytes:
        """See `server.Service`. Raises `NotNow`, `BadPassphrase` and what the disk has to say."""
        if self._node is None:
            raise NotNow("The node is not running yet.")
        with tempfile.TemporaryDirectory(dir=self._config.home) as directory:
            path = Path(directory) / "export"
            await self._node.export(path, passphrase)
            return path.read_bytes()

    async def restore(self, data: bytes, options: Mapping[str, str]) -> None:
        """See `server.Service`. `options`: export_passphrase, keeper, passphrase."""
        if self._phase is not snap.Phase.NEW:
            raise NotNow("There is a home already; an export is read only into a new one.")
        try:
            keeper = own.Keeper(options.get("keeper", ""))
        except ValueError:
            raise NotNow("It is not said what shall keep the key of this home.") from None
        unlock = _unlock(keeper, options.get("passphrase"))
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "export"
            path.write_bytes(data)
            secret = options.get("export_passphrase", "")
            await trio.to_thread.run_sync(import_home, path, secret, self._config.home, unlock)
        self._open(unlock)


def _unlock(keeper: own.Keeper, passphrase: str | None) -> Unlock:
    match keeper:
        case own.Keeper.PASSPHRASE:
            if not passphrase:
                raise NotNow("A passphrase is needed to keep your key.")
            return Passphrase(passphrase)
        case own.Keeper.KEYRING:
            return Keyring()
        case own.Keeper.KEY_FILE:
            return KeyFile()


def _has_keyring() -> bool:
    import keyring  # noqa: PLC0415 - looks for its backends when it is loaded
    from keyring.backends import fail  # noqa: PLC0415

    return not isinstance(keyring.get_keyring(), fail.Keyring)


async def _drain(ringer: trio.MemoryReceiveChannel[Call]) -> None:
    async for _ in ringer:
        pass
