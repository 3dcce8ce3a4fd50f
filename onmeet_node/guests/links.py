"""Guest links of this node: made, each kept at a door of a gateway, and ended (PROTOCOL, "Guests").

A link works while its door is open, and the door while this node runs and its gateway is there.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import replace
from typing import Protocol

import trio

from onmeet_node.events import Hub, LinkChanged, NodeEvent
from onmeet_node.guests.errors import NoGateway, NoSuchLink
from onmeet_node.guests.views import GuestLinkView
from onmeet_node.net.backoff import Backoff
from onmeet_node.net.bootstraps.doors import GuestStream, HostDoor
from onmeet_node.net.errors import NetError, PeerUnreachable, RelayInterrupted
from onmeet_node.net.waiting import either
from onmeet_node.process.faults import contained, kept
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.wire.link import SECRET_BYTES, GuestLink, make_link
from onmeet_node.store import LinkRow, Store
from onmeet_node.store.links import MAX_TITLE_CHARS

log = logging.getLogger(__name__)

DOOR_SECONDS = 20.0
"""For a gateway to open a door, asking it again after a break included."""
LAST_WORDS_SECONDS = 3.0
"""For guests to be told that a link was closed, before its door is."""
MIN_ID_CHARS = 4
MAX_SLEEP = 3_600.0
"""Between looks at the wall clock, which may be set."""


class GuestGateways(Protocol):
    """The gateways in use, and doors at them; `node.network.Network` has a node's."""

    def gateways(self) -> tuple[str, ...]:
        """PeerIds of the gateways in use, the preferred first."""
        ...

    async def gateways_changed(self) -> None:
        """Returns when `gateways` may give something else."""
        ...

    def open_door(self, gateway: str, secret: bytes) -> AbstractAsyncContextManager[HostDoor]:
        """A door while the block lasts. Raises NetError."""
        ...


class Link:
    """One link, while it lets guests in and until the last of them has gone."""

    def __init__(self, row: LinkRow) -> None:
        self.row = row
        self.public: GuestLink = make_link(
            door_secret=row.door_secret,
            private_key=row.key,
            secret=row.secret,
            expires=row.expires,
        )
        self.origin = row.origin
        self.open = False
        """Whether guests can knock now."""
        self.ended = False
        """Nobody new is let in any more."""
        self.trouble = ""
        """Why its door is not open, in a sentence."""
        self.opened = trio.Event()
        self.done = trio.Event()
        """Its door may be closed."""

    def __repr__(self) -> str:
        return f"<Link {self.id}>"

    @property
    def id(self) -> str:
        """What the commands call it: the start of its door's id, in hex."""
        return self.public.door.hex()[:8]

    @property
    def key(self) -> bytes:
        """The X25519 private key."""
        return self.row.key

    def describe(self) -> GuestLinkView:
        """As it is now."""
        row = self.row
        return GuestLinkView(
            link=self.id,
            title=row.title,
            url=self.public.url(self.origin),
            once=row.once,
            knock=row.knock,
            created=row.created,
            expires=row.expires,
            open=self.open,
            trouble=self.trouble or None,
        )


class Links:
    """All links of a node. Live in `run`."""

    def __init__(
        self,
        store: Store,
        gateways: GuestGateways,
        hub: Hub[NodeEvent],
        *,
        now: Callable[[], int],
        serve: Callable[[Link, GuestStream], Awaitable[None]],
        send_away: Callable[[Link, bool], Awaitable[None]],
    ) -> None:
        """`serve` takes care of one guest, to its end.

        `send_away` tells those who wait at a link that it is closed (or, if so said, expired), and
        returns when the last guest of it has gone.
        """
        self._store = store
        self._gateways = gateways
        self._hub = hub
        self._now = now
        self._serve = serve
        self._send_away = send_away
        self._links: dict[bytes, Link] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Keeps the doors of all links open, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for row in self._store.links.list():
                    self._begin(row)
                await trio.sleep_forever()
            finally:
                self._nursery = None

    # ── what a person does ──────────────────────────────────────────────────────────────────────
    async def new(
        self,
        title: str = "",
        *,
        seconds: int | None = None,
        once: bool = True,
        knock: bool = True,
    ) -> GuestLinkView:
        """A fresh link, whose door is open.

        `title`: shown to guests. `seconds`: how long it works; None: until it is closed. `once`:
        one guest, after whose call nothing is left of it; else as many as come. `knock`: somebody
        must let each guest in. Raises `NoGateway`, the store's `Rejected`, and NetError.
        """
        gateways = self._gateways.gateways()
        if not gateways or self._nursery is None:
            raise NoGateway(
                "None of the bootstraps in use lets guests in from a browser, so there is nowhere "
                "for a link to lead. Add one that does: onmeet settings --add-bootstrap"
            )
        now = self._now()
        row = LinkRow(
            door_secret=secrets.token_bytes(SECRET_BYTES),
            key=secrets.token_bytes(32),
            secret=secrets.token_bytes(SECRET_BYTES),
            title=clean_text(title, MAX_TITLE_CHARS),
            gateway=gateways[0],
            origin="",
            once=once,
            knock=knock,
            created=now,
            expires=now + seconds if seconds else None,
        )
        link = Link(row)
        with trio.move_on_after(DOOR_SECONDS) as limit:
            await self._open_first(link, self._nursery)
        if limit.cancelled_caught:
            raise NoGateway(
                f"The gateway did not answer within {DOOR_SECONDS:.0f} seconds. Try again, or look "
                "at: onmeet doctor"
            )
        return link.describe()

    def possible(self) -> bool:
        """Whether a link can be made now: some bootstrap in use is a gateway."""
        return bool(self._gateways.gateways())

    def close(self, which: str) -> GuestLinkView:
        """Ends a link (the start of its id, or its title) at once; whoever waits at it is told.

        Raises `NoSuchLink`.
        """
        live = [link for link in self._links.values() if not link.ended]
        chosen = [
            link
            for link in live
            if (len(which) >= MIN_ID_CHARS and link.id.startswith(which)) or link.row.title == which
        ]
        if len(chosen) != 1:
            raise NoSuchLink(
                f"No single guest link is called {which!r}. See them with: onmeet invite list"
            )
        self.end(chosen[0])
        return chosen[0].describe()

    def list(self) -> tuple[GuestLinkView, ...]:
        """The links that let guests in, the oldest first."""
        return tuple(link.describe() for link in self._links.values() if not link.ended)

    def end(self, link: Link, *, expired: bool = False) -> None:
        """Erases a link and lets nobody new in; its door goes when the last guest has."""
        if link.ended:
            return
        link.ended = True
        if self._nursery is not None:
            self._nursery.start_soon(self._finish, link, expired)
        self._tell()
        self._store.links.remove(link.row.door_secret)

    def require_knock(self, link: Link) -> None:
        """Somebody who came by it was sent away: from now on nobody walks in by it."""
        if link.row.knock or link.ended:
            return
        link.row = replace(link.row, knock=True)
        self._store.links.require_knock(link.row.door_secret)
        self._tell()

    async def _finish(self, link: Link, expired: bool) -> None:
        with contained("guest link"):
            await self._send_away(link, expired)
        link.done.set()

    # ── the doors ───────────────────────────────────────────────────────────────────────────────
    def _begin(self, row: LinkRow) -> None:
        assert self._nursery is not None, "only while it runs"
        link = self._links[row.door_secret] = Link(row)
        self._nursery.start_soon(kept, "guest link", self._keep, link)

    def _open_door(self, link: Link) -> AbstractAsyncContextManager[HostDoor]:
        return self._gateways.open_door(link.row.gateway, link.row.door_secret)

    async def _open_first(self, link: Link, nursery: trio.Nursery) -> None:
        backoff = Backoff()
        while True:
            door = self._open_door(link)
            try:
                await nursery.start(self._keep_first, link, door)
                return
            except (RelayInterrupted, PeerUnreachable):
                # Its connection broke just now, and is being made again.
                await trio.sleep(backoff.next())

    async def _keep_first(
        self,
        link: Link,
        door: AbstractAsyncContextManager[HostDoor],
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """A link comes into being with its door, or not at all."""
        with ExitStack() as border:  # what fails before is told to whoever wants the link
            async with door as opened:
                link.origin = opened.origin
                link.row = replace(link.row, origin=opened.origin)
                self._store.links.add(link.row)
                self._links[link.row.door_secret] = link
                border.enter_context(contained("guest link"))
                task_status.started()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._expire, link)
                    await self._through(link, opened)
                    nursery.cancel_scope.cancel()
        await kept("guest link", self._keep, link)

    async def _keep(self, link: Link) -> None:
        """Opens the link's door, again and again, until the link has ended."""
        backoff = Backoff()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._expire, link)
            while not link.done.is_set():
                if link.row.gateway not in self._gateways.gateways():
                    self._set(link, trouble="Its gateway is not connected; it is being tried.")
                    await either(self._gateways.gateways_changed(), link.done.wait())
                    continue
                try:
                    async with self._open_door(link) as door:
                        backoff.reset()
                        link.origin = door.origin  # it may have moved
                        await self._through(link, door)
                except (NetError, trio.BrokenResourceError) as error:
                    self._set(link, trouble=str(error))
                    with trio.move_on_after(backoff.next()):
                        await link.done.wait()
            nursery.cancel_scope.cancel()
        self._links.pop(link.row.door_secret, None)

    async def _through(self, link: Link, door: HostDoor) -> None:
        """Serves who comes through an open door, until it is gone or the link has ended."""
        self._set(link, is_open=True)
        link.opened.set()
        try:
            async with trio.open_nursery() as nursery:

                async def receive() -> None:
                    async for stream in door.guests:
                        nursery.start_soon(self._serve_alone, link, stream)

                nursery.start_soon(receive)
                await either(door.gone.wait(), link.done.wait())
                nursery.cancel_scope.cancel()
        finally:
            self._set(link, is_open=False)

    async def _serve_alone(self, link: Link, stream: GuestStream) -> None:
        with contained("guest", then=stream.abort):
            await self._serve(link, stream)

    async def _expire(self, link: Link) -> None:
        while link.row.expires is not None and not link.ended:
            left = link.row.expires - self._now()
            if left <= 0:
                self.end(link, expired=True)
                return
            await trio.sleep(min(left, MAX_SLEEP))

    def _set(self, link: Link, *, is_open: bool = False, trouble: str = "") -> None:
        if (link.open, link.trouble) != (is_open, trouble):
            link.open, link.trouble = is_open, trouble
            self._tell()

    def _tell(self) -> None:
        self._hub.publish(LinkChanged())
