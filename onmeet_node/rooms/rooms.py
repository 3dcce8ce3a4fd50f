"""The rooms of this node: made, joined by invitation or by room code, and left (PROTOCOL, "Rooms").

Nothing of a room is kept: it lives as long as somebody is in it. What a home keeps are the names of
standing meetings and the secret in each one's room code; every meeting has fresh keys.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.interfaces import MediaSetup
from onmeet_node.contacts.acquaintances import RoomContacts
from onmeet_node.errors import OnMeetError
from onmeet_node.events import Hub, NodeEvent, RoomInvited
from onmeet_node.guests.guests import Guests
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.net.channels.channels import ChannelNetwork
from onmeet_node.process.faults import contained
from onmeet_node.process.leaving import in_order
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.lookalike import meant
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.room.effects import Effect
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, CallId, Kind, Message
from onmeet_node.rooms.changes import ChangeSignal
from onmeet_node.rooms.codes import RoomCodes
from onmeet_node.rooms.conference import Conference, open_conference
from onmeet_node.rooms.errors import NoSuchRoom
from onmeet_node.rooms.guests import RoomGuests
from onmeet_node.rooms.interfaces import AddressBookView
from onmeet_node.rooms.invitations import Invitation, Invitations
from onmeet_node.rooms.inviting import RoomInviter
from onmeet_node.rooms.links import RoomLinks
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.rooms.standing import Standing
from onmeet_node.rooms.views import InvitationView, RoomsView
from onmeet_node.store import Store

MAX_ROOMS = 4
"""Of one node at once."""


class Rooms:
    """All rooms of one node. Live in `run`."""

    def __init__(
        self,
        network: Callable[[bytes], ChannelNetwork],
        contacts: RoomContacts,
        setup: MediaSetup,
        store: Store,
        hub: Hub[NodeEvent],
        guests: Guests,
        *,
        book: AddressBookView,
        where: Callable[[], tuple[str, ...]],
        device: str,
        lend: Callable[[], Awaitable[tuple[TurnServer, ...]]],
    ) -> None:
        """`network`: where the channels of one room are opened. `where`: multiaddrs at which
        participants reach this node. `lend`: TURN for one guest.
        """
        self._network = network
        self._contacts = contacts
        self._setup = setup
        self._hub = hub
        self._book = book
        self._where = where
        self._device = device
        self._lend = lend
        self._standing = Standing(store)
        self._codes = RoomCodes(contacts, self._standing)
        self._links = RoomLinks(guests, self._standing, self._codes)
        self._invitations = Invitations(trio.current_time)
        self._inviter = RoomInviter(contacts)
        self._rooms: dict[bytes, Conference] = {}
        self._nursery: trio.Nursery | None = None
        self._changes = ChangeSignal()

    def calls(self) -> tuple[Call, ...]:
        """Those of every room that we are in, one with each participant."""
        return tuple(call for conference in self._rooms.values() for call in conference.calls)

    async def changed(self) -> None:
        """Waits until something of the rooms, or an invitation, may be different."""
        await self._changes.wait()

    async def leave_all(self) -> None:
        """Leaves every room, and returns when those in it have heard so."""
        for conference in self._rooms.values():
            conference.leave()
        while self._rooms:
            await self.changed()

    async def run(self) -> None:
        """Until cancelled; then every room is left."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._changes.notify()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    # ── coming in ───────────────────────────────────────────────────────────────────────────────
    async def create(
        self, title: str, presence: RoomOptions, *, knock: bool = False, standing: bool = False
    ) -> Conference:
        """A room of our own. `standing`: its name keeps its room code from meeting to meeting."""
        room, key = secrets.token_bytes(w.ROOM_ID_BYTES), _fresh_key()
        title = clean_text(title, MAX_NAME_CHARS)
        machine = Room.create(
            key,
            room,
            self._seat(presence),
            now=trio.current_time(),
            title=title,
            knock=knock,
        )
        if standing:
            if self._codes.room_of(title) in self._rooms:
                raise NoSuchRoom(f"{title} is on already. See it with: onmeet room list")
            self._codes.lead(title, room)
        conference = await self._open((machine, []), key, presence)
        link = self._standing.link(title) if standing else None
        if link is not None:
            self._links.lead(link, room)
        return conference

    async def join(self, which: str, presence: RoomOptions) -> Conference:
        """Takes an invitation (the start of the room's id, or its title; empty: the only one).

        Returns when the host has answered. Raises `NoSuchRoom`, `OnMeetError` if not let in.
        """
        return await self._join(self._invitations.find(which), presence)

    async def join_code(self, text: str, presence: RoomOptions) -> Conference:
        """Joins the standing meeting of a room code, if it is on.

        Raises `BadRoomCode`, `NoSuchRoom`, and what is wrong with the contact code inside.
        """
        return await self._join(await self._codes.ask(text), presence)

    async def _join(self, invitation: Invitation, presence: RoomOptions) -> Conference:
        invite = invitation.invite
        self._invitations.remove(invite.room)
        if invite.room in self._rooms:
            return self._rooms[invite.room]
        key = _fresh_key()
        host = w.Seat(key=invite.host, order=0, device=invitation.device)
        knock = w.RoomKnock(
            room=invite.room,
            name=presence.name,
            addresses=self._where()[: w.MAX_ADDRESSES],
            token=invite.token,
            video=Kind.VIDEO in presence.kinds,
        )
        start = Room.join(key, host, knock, now=trio.current_time())
        return await self._open(start, key, presence)

    async def _open(
        self, start: tuple[Room, list[Effect]], key: IdentityKey, presence: RoomOptions
    ) -> Conference:
        while self._nursery is None:
            await self.changed()  # the node is just starting
        if len(self._rooms) >= MAX_ROOMS:
            raise NoSuchRoom(f"This node is in {MAX_ROOMS} rooms already. Leave one first.")
        conference: Conference = await self._nursery.start(self._hold, start, key, presence)
        return conference

    async def _hold(
        self,
        start: tuple[Room, list[Effect]],
        key: IdentityKey,
        presence: RoomOptions,
        *,
        task_status: trio.TaskStatus[Conference],
    ) -> None:
        room = start[0].id
        opening = open_conference(
            start,
            key,
            presence,
            network=self._network(room),
            setup=self._setup,
            hub=self._hub,
            contacts=self._book,
            guests=partial(RoomGuests, lend=self._lend),
            on_change=self._changes.notify,
        )
        # What fails before the room is there is told to whoever wants it; later, it ends the room.
        with ExitStack() as border:
            try:
                async with in_order(opening) as (conference, guests):
                    border.enter_context(contained("room"))
                    self._rooms[room] = conference
                    self._links.room_opened(conference, guests)
                    task_status.started(conference)
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(_then_cancel, conference.over.wait, nursery)
                        nursery.start_soon(_then_cancel, conference.left.wait, nursery)
            finally:
                self._rooms.pop(room, None)
                self._changes.notify()
                self._links.room_over(room)
                self._codes.room_over(room)
                self._inviter.room_over(room)

    def _seat(self, presence: RoomOptions) -> w.Seat:
        return w.Seat(
            key=bytes(w.KEY_BYTES),
            order=0,
            name=presence.name,
            device=self._device,
            addresses=self._where()[: w.MAX_ADDRESSES],
            video=Kind.VIDEO in presence.kinds,
        )

    # ── others ──────────────────────────────────────────────────────────────────────────────────
    async def invite(self, conference: Conference, peer: Identity) -> bool:
        """Asks a person into a room of which we are the host; whether a device of theirs heard it.

        Raises `NoSuchRoom` if another is its host.
        """
        return await self._inviter.invite(conference, peer)

    def message(self, peer: Identity, device: Device, message: Message) -> bool:
        """What a person says about rooms over their own channel; False if it is something else."""
        match message:
            case w.RoomInvite():
                sender = self._contacts.came_by(peer) or peer
                self._invited(Invitation(peer, device, message, sender))
            case w.AskRoom(code=code):
                conference = self._rooms.get(self._codes.room_behind(code) or b"")
                answer: Message = w.NoRoom(code=code)
                if conference is not None and conference.room.is_host:
                    answer = self._inviter.invitation(conference, peer)
                self._contacts.send(peer, device, answer)
            case w.NoRoom(code=code):
                self._codes.no_room(code)
            case _:
                return False
        return True

    def _invited(self, invitation: Invitation) -> None:
        if self._codes.invited(invitation) or not self._invitations.came(invitation):
            return
        self._changes.notify()
        invite = invitation.invite
        self._hub.publish(
            RoomInvited(
                room=invite.room,
                identity=invitation.peer,
                who=self._contacts.name_of(invitation.peer),
                title=clean_text(invite.title, MAX_NAME_CHARS),
            )
        )

    def dismiss(self, room: bytes) -> None:
        """Puts an invitation away; who sent it is not told."""
        self._invitations.remove(room)
        self._changes.notify()

    # ── standing meetings, and links for guests ─────────────────────────────────────────────────
    def code(self, title: str) -> str:
        """The room code of a standing meeting: whoever has it may ask this node for the room."""
        return self._codes.code(title)

    def code_of(self, conference: Conference) -> str | None:
        """The room code that leads into this room, if it is a standing meeting of ours."""
        title = self._codes.title_of(conference.id)
        return self.code(title) if title is not None else None

    async def link(self, conference: Conference, *, knock: bool = True) -> str:
        """The link by which guests come into this room, made if there is none. It ends with the
        room, or stays if that is a standing meeting. `knock`: somebody must let each guest in.

        Raises `NoSuchRoom` if another is host, and what `links.Links.new` raises.
        """
        return await self._links.link(conference, knock=knock)

    def link_of(self, conference: Conference) -> str | None:
        """The guest link into this room, if there is one."""
        return self._links.link_of(conference.id)

    async def plan(self, title: str, *, guests: bool) -> tuple[str, str | None]:
        """Room code and (with `guests`, where one can be made) guest link of a standing meeting,
        which is made if there is none of this title.
        """
        title = clean_text(title, MAX_NAME_CHARS)
        if not title:
            raise NoSuchRoom("A standing meeting needs a name.")
        code = self.code(title)
        self._changes.notify()
        return code, await self._links.of_meeting(title) if guests else None

    def revision(self, title: str, digest: str) -> int:
        """Number of this calendar file of a standing meeting: see `Standing.revision`."""
        return self._standing.revision(clean_text(title, MAX_NAME_CHARS), digest)

    def forget(self, title: str) -> None:
        """Forgets a standing meeting: its room code and its guest link lead nowhere from now on.

        A meeting of it that is on goes on. Raises `NoSuchRoom`.
        """
        if title not in self._standing.titles:
            raise NoSuchRoom(f"There is no standing meeting called {title!r}.")
        self._codes.forget(title)
        link = self._standing.link(title)
        self._standing.forget(title)
        self._changes.notify()
        if link is not None:
            self._links.close(link)
        with suppress(OnMeetError):  # it was revoked by hand
            self._codes.revoke(title)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    def find(self, which: str = "") -> Conference:
        """The room with this title or start of an id; the only one if none is said.

        Raises `NoSuchRoom`.
        """
        titles = {room: conference.title for room, conference in self._rooms.items()}
        found = [self._rooms[room] for room in (meant(which, titles) if which else titles)]
        if len(found) != 1:
            raise NoSuchRoom(
                "You are in no room. See: onmeet room --help"
                if not self._rooms
                else f"No single room is meant by {which!r}. See: onmeet room list"
            )
        return found[0]

    def list(self) -> RoomsView:
        """The rooms we are in, the invitations, and the standing meetings."""
        return RoomsView(
            rooms=tuple(conference.describe() for conference in self.on),
            invitations=tuple(
                InvitationView(
                    room=invitation.invite.room,
                    title=clean_text(invitation.invite.title, MAX_NAME_CHARS),
                    from_=self._contacts.name_of(invitation.peer),
                )
                for invitation in self._invitations
            ),
            standing=self._standing.titles,
        )

    @property
    def on(self) -> tuple[Conference, ...]:
        """The rooms we are in, or at whose door we are."""
        return tuple(c for c in self._rooms.values() if c.room.over is None)

    @property
    def invitations(self) -> tuple[Invitation, ...]:
        """Those that were neither taken nor put away, the oldest first."""
        return tuple(self._invitations)

    @property
    def standing(self) -> tuple[str, ...]:
        """Names of standing meetings."""
        return self._standing.titles

    def get(self, room: bytes) -> Conference:
        """The room with this id. Raises `NoSuchRoom`."""
        conference = self._rooms.get(room)
        if conference is None:
            raise NoSuchRoom("You are not in that room any more.")
        return conference

    def call(self, call_id: CallId) -> Call | None:
        """A call with a participant of any room."""
        found = (c for conference in self._rooms.values() for c in conference.calls)
        return next((call for call in found if call.id == call_id), None)


async def _then_cancel(wait: Callable[[], Any], nursery: trio.Nursery) -> None:
    await wait()
    nursery.cancel_scope.cancel()


def _fresh_key() -> IdentityKey:
    """A key of one visit to one room: nothing else of ours is signed with it."""
    return IdentityKey.from_seed(secrets.token_bytes(32))
