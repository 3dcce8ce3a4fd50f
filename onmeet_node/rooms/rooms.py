"""The rooms of this node: made, joined by invitation or by room code, and left (PROTOCOL, "Rooms").

Nothing of a room is kept: it lives as long as somebody is in it. What a home keeps are the names of
standing meetings and the secret in each one's room code; every meeting has fresh keys.
"""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import trio

from onmeet_node.calls.call import Call
from onmeet_node.calls.media_setup import NodeMediaSetup
from onmeet_node.errors import OnMeetError
from onmeet_node.events import Hub, NodeEvent, RoomInvited
from onmeet_node.guests.links import Link, Links, NoSuchLink
from onmeet_node.net.bootstraps.turn import TurnServer
from onmeet_node.net.channels.channels import ChannelNetwork
from onmeet_node.net.rates import MAX_SENDERS, AllowedRate, RateLimit
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
from onmeet_node.rooms.conference import Conference, RoomOptions, open_conference
from onmeet_node.rooms.guests import DoorLine, RoomGuests, Threshold
from onmeet_node.rooms.participants import AddressBookView
from onmeet_node.rooms.standing import Standing
from onmeet_node.store import Store

log = logging.getLogger(__name__)

MAX_INVITATIONS = 32
"""Into rooms, that nobody has taken yet; over it the oldest gives way of whoever has the most."""
MAX_INVITATIONS_OF_ONE = 4
"""Of one contact, or of all strangers together who came by one code: their own oldest gives way."""
INVITATIONS = AllowedRate(burst=8, per_minute=6)
"""That one of these may send. More are not heard."""
MAX_ROOMS = 4
"""Of one node at once."""
ASK_SECONDS = 10.0
"""For the host of a standing meeting to answer its room code."""
SCHEME = "onmeet-room:"


class NoSuchRoom(OnMeetError):
    """No single room, or invitation into one, is meant."""


class BadRoomCode(OnMeetError):
    """That is no room code."""


class Street(Protocol):
    """What rooms need of the network."""

    def of(self, room: bytes) -> ChannelNetwork:
        """Where the channels of one room are opened."""
        ...


class Folk(Protocol):
    """What rooms need of people; the node has the real one."""

    def name_of(self, peer: Identity) -> str:
        """How a person is shown."""
        ...

    def send(self, peer: Identity, device: Device, message: Message) -> bool:
        """Over the open channel to this device of theirs; whether there is one."""
        ...

    def came_by(self, peer: Identity) -> str | None:
        """With whom a stranger shares a quota; None: a contact."""
        ...

    async def send_any(self, peer: Identity, message: Message) -> bool:
        """To every device of theirs, looking for them first; whether anybody was reached."""
        ...

    def meet(self, code: str) -> Identity:
        """Whose contact code this is. Raises what is wrong with it."""
        ...

    def code(self, label: str) -> str:
        """A live contact code of ours with this label, made if there is none."""
        ...

    def revoke(self, label: str) -> None:
        """Ends that code. Raises what is wrong with the label."""
        ...


class Entrance:
    """A room that a guest link leads into: a `guests.Entrance`."""

    def __init__(self, conference: Conference, guests: RoomGuests) -> None:
        self.room = conference.id
        self.host: bytes = conference.me
        self._conference = conference
        self._guests = guests

    @property
    def knock(self) -> bool:
        """See `guests.Entrance`."""
        return not self._conference.room.opens_to(promised=True)

    def enter(self, line: DoorLine, *, knock: bool) -> Threshold:
        """See `guests.Entrance`."""
        return self._guests.enter(line, knock=knock)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A room that somebody asked us into."""

    peer: Identity
    device: Device
    invite: w.RoomInvite
    sender: Identity | str
    """Whose quota it is of: the contact, or by what strangers came."""


class Rooms:
    """All rooms of one node. Live in `run`."""

    def __init__(
        self,
        street: Street,
        folk: Folk,
        studio: NodeMediaSetup,
        store: Store,
        hub: Hub[NodeEvent],
        links: Links,
        *,
        circle: AddressBookView,
        where: Callable[[], tuple[str, ...]],
        device: str,
        lend: Callable[[], Awaitable[tuple[TurnServer, ...]]],
        began: Callable[[str], None],
    ) -> None:
        """`where`: multiaddrs at which participants reach this node. `lend`: TURN for one guest.
        `began`: told of each link that leads into a room from now on.
        """
        self._street = street
        self._folk = folk
        self._studio = studio
        self._standing = Standing(store)
        self._hub = hub
        self._links = links
        self._circle = circle
        self._lend = lend
        self._began = began
        self._where = where
        self._device = device
        self._rooms: dict[bytes, Conference] = {}
        self._invitations: OrderedDict[bytes, Invitation] = OrderedDict()
        self._heard = RateLimit(INVITATIONS, trio.current_time, max_keys=MAX_SENDERS)
        self._tokens: dict[tuple[bytes, Identity], bytes] = {}
        """The token of each person whom we asked into a room of ours."""
        self._codes: dict[bytes, bytes] = {}
        """Secret of a room code: the room it leads to now."""
        self._asked: dict[bytes, trio.Event] = {}
        self._hosts: dict[bytes, Identity] = {}
        """Of whom we ask which room code."""
        self._answers: dict[bytes, Invitation | None] = {}
        self._leads: dict[str, bytes] = {}
        """Id of a guest link: the room that it leads into."""
        self._nursery: trio.Nursery | None = None
        self._news = trio.Event()

    async def changed(self) -> None:
        """Waits until something of the rooms, or an invitation, may be different."""
        await self._news.wait()

    def _changed(self) -> None:
        self._news.set()
        self._news = trio.Event()

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
            self._changed()
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
            if self._codes.get(self._standing.secret(title)) in self._rooms:
                raise NoSuchRoom(f"{title} is on already. See it with: onmeet room list")
            self._codes[self._standing.secret(title)] = room
        conference = await self._open((machine, []), key, presence)
        link = self._standing.link(title) if standing else None
        if link is not None:
            self._lead(link, room)
        return conference

    async def join(self, which: str, presence: RoomOptions) -> Conference:
        """Takes an invitation (the start of the room's id, or its title; empty: the only one).

        Returns when the host has answered. Raises `NoSuchRoom`, `OnMeetError` if not let in.
        """
        titles = {room: one.invite.title for room, one in self._invitations.items()}
        found = meant(which, titles) if which else list(titles)
        if len(found) != 1:
            raise NoSuchRoom(
                f"No single invitation is meant by {which!r}. See them with: onmeet room list"
            )
        return await self._join(self._invitations[found[0]], presence)

    async def join_code(self, text: str, presence: RoomOptions) -> Conference:
        """Joins the standing meeting of a room code, if it is on.

        Raises `BadRoomCode`, `NoSuchRoom`, and what is wrong with the contact code inside.
        """
        secret, peer = self.read_code(text)
        answered = self._asked[secret] = trio.Event()
        try:
            if not await self._folk.send_any(peer, w.AskRoom(code=secret)):
                raise NoSuchRoom("Its host cannot be reached just now. Try again later.")
            with trio.move_on_after(ASK_SECONDS):
                await answered.wait()
            invitation = self._answers.pop(secret, None)
        finally:
            del self._asked[secret], self._hosts[secret]
        if invitation is None:
            raise NoSuchRoom("That meeting is not on just now. Its host begins it.")
        return await self._join(invitation, presence)

    async def _join(self, invitation: Invitation, presence: RoomOptions) -> Conference:
        invite = invitation.invite
        self._invitations.pop(invite.room, None)
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
            street=self._street.of(room),
            studio=self._studio,
            hub=self._hub,
            circle=self._circle,
            lend=self._lend,
            on_change=self._changed,
        )
        # What fails before the room is there is told to whoever wants it; later, it ends the room.
        with ExitStack() as border:
            try:
                async with in_order(opening) as conference:
                    border.enter_context(contained("room"))
                    self._rooms[room] = conference
                    task_status.started(conference)
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(_then_cancel, conference.over.wait, nursery)
                        nursery.start_soon(_then_cancel, conference.left.wait, nursery)
            finally:
                self._rooms.pop(room, None)
                self._changed()
                self._end_links(room)
                for secret in [s for s, r in self._codes.items() if r == room]:
                    del self._codes[secret]
                for invited in [one for one in self._tokens if one[0] == room]:
                    del self._tokens[invited]

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
        return await self._folk.send_any(peer, self._invitation(conference, peer))

    def _invitation(self, conference: Conference, peer: Identity) -> w.RoomInvite:
        roster = conference.room.roster
        if roster is None or not conference.room.is_host:
            raise NoSuchRoom("Only the room's host invites people. Ask them to.")
        # One for each person, however often they ask.
        fresh = secrets.token_bytes(w.TOKEN_BYTES)
        token = self._tokens.setdefault((conference.id, peer), fresh)
        conference.room.invite(token)
        return w.RoomInvite(room=conference.id, host=roster.host, token=token, title=roster.title)

    def message(self, peer: Identity, device: Device, message: Message) -> bool:
        """What a person says about rooms over their own channel; False if it is something else."""
        match message:
            case w.RoomInvite():
                self._invited(Invitation(peer, device, message, self._folk.came_by(peer) or peer))
            case w.AskRoom(code=code):
                conference = self._rooms.get(self._codes.get(code, b""))
                answer: Message = w.NoRoom(code=code)
                if conference is not None and conference.room.is_host:
                    answer = self._invitation(conference, peer)
                self._folk.send(peer, device, answer)
            case w.NoRoom(code=code):
                self._answer(code, None)
            case _:
                return False
        return True

    def _invited(self, invitation: Invitation) -> None:
        for secret in self._asked:
            if self._hosts.get(secret) == invitation.peer:
                self._answer(secret, invitation)
                return
        invite = invitation.invite
        known = self._invitations.get(invite.room)
        if known is not None and known.peer != invitation.peer:
            return  # nobody's invitation is replaced by another's
        if known is None and not self._heard.allow(invitation.sender):
            return
        self._invitations[invite.room] = invitation
        self._invitations.move_to_end(invite.room)
        self._keep_quotas(invitation.sender)
        if known is not None and known.invite.title == invite.title:
            return  # said again: there is nothing to tell
        self._changed()
        self._hub.publish(
            RoomInvited(
                room=invite.room,
                identity=invitation.peer,
                who=self._folk.name_of(invitation.peer),
                title=clean_text(invite.title, MAX_NAME_CHARS),
            )
        )

    def _keep_quotas(self, sender: Identity | str) -> None:
        theirs = self._of(sender)
        if len(theirs) > MAX_INVITATIONS_OF_ONE:
            del self._invitations[theirs[0]]
        elif len(self._invitations) > MAX_INVITATIONS:
            senders = [one.sender for one in self._invitations.values()]
            # Strangers before contacts, where nobody has more than others.
            most = max(senders, key=lambda one: (senders.count(one), isinstance(one, str)))
            del self._invitations[self._of(most)[0]]

    def _of(self, sender: Identity | str) -> list[bytes]:
        return [room for room, one in self._invitations.items() if one.sender == sender]

    def _answer(self, secret: bytes, invitation: Invitation | None) -> None:
        event = self._asked.get(secret)
        if event is not None:
            self._answers[secret] = invitation
            event.set()

    # ── room codes ──────────────────────────────────────────────────────────────────────────────
    def code(self, title: str) -> str:
        """The room code of a standing meeting: whoever has it may ask this node for the room."""
        return f"{SCHEME}{self._standing.secret(title).hex()}@{self._folk.code(f'room {title}')}"

    def read_code(self, text: str) -> tuple[bytes, Identity]:
        """The secret in a room code, and whose meeting it is. Raises `BadRoomCode`."""
        secret, at, contact = text.strip().removeprefix(SCHEME).partition("@")
        if not text.strip().startswith(SCHEME) or not at or len(secret) != 2 * w.TOKEN_BYTES:
            raise BadRoomCode(f"That is no room code: it begins with {SCHEME}. Copy it as a whole.")
        try:
            raw = bytes.fromhex(secret)
        except ValueError:
            raise BadRoomCode("There is a typing error in that room code. Copy it again.") from None
        peer = self._folk.meet(contact)
        self._hosts[raw] = peer
        return raw, peer

    def code_of(self, conference: Conference) -> str | None:
        """The room code that leads into this room, if it is a standing meeting of ours."""
        title = self._standing_title(conference.id)
        return self.code(title) if title is not None else None

    def _standing_title(self, room: bytes) -> str | None:
        leading = [secret for secret, leads in self._codes.items() if leads == room]
        return self._standing.title(leading[0]) if leading else None

    def forget(self, title: str) -> None:
        """Forgets a standing meeting: its room code and its guest link lead nowhere from now on.

        A meeting of it that is on goes on. Raises `NoSuchRoom`.
        """
        if title not in self._standing.titles:
            raise NoSuchRoom(f"There is no standing meeting called {title!r}.")
        self._codes.pop(self._standing.secret(title), None)
        link = self._standing.link(title)
        self._standing.forget(title)
        self._changed()
        if link is not None:
            self._close_link(link)
        with suppress(OnMeetError):  # it was revoked by hand
            self._folk.revoke(f"room {title}")

    # ── guest links ─────────────────────────────────────────────────────────────────────────────
    async def link(self, conference: Conference, *, knock: bool = True) -> str:
        """The link by which guests come into this room, made if there is none. It ends with the
        room, or stays if that is a standing meeting. `knock`: somebody must let each guest in.

        Raises `NoSuchRoom` if another is host, and what `links.Links.new` raises.
        """
        if not conference.room.is_host:
            raise NoSuchRoom("Only the room's host makes its guest link. Ask them to.")
        known = self.link_of(conference)
        if known is not None:
            return known
        title = self._standing_title(conference.id)
        if title is not None:
            url, link = await self._standing_link(title, knock=knock)
        else:
            url, link = await self._new_link(conference.title, knock=knock)
        self._lead(link, conference.id)
        return url

    def link_of(self, conference: Conference) -> str | None:
        """The guest link into this room, if there is one."""
        return next(
            (
                url
                for url, link in map(_url_and_id, self._links.list())
                if self._leads.get(link) == conference.id
            ),
            None,
        )

    async def plan(self, title: str, *, guests: bool) -> tuple[str, str | None]:
        """Room code and (with `guests`, where one can be made) guest link of a standing meeting,
        which is made if there is none of this title.
        """
        title = clean_text(title, MAX_NAME_CHARS)
        if not title:
            raise NoSuchRoom("A standing meeting needs a name.")
        code = self.code(title)
        self._changed()
        url = None
        if guests and self._links.possible():
            url, link = await self._standing_link(title, knock=True)
            room = self._codes.get(self._standing.secret(title))
            if room in self._rooms:
                self._lead(link, room)
        return code, url

    def revision(self, title: str, digest: str) -> int:
        """Number of this calendar file of a standing meeting: see `Standing.revision`."""
        return self._standing.revision(clean_text(title, MAX_NAME_CHARS), digest)

    async def _standing_link(self, title: str, *, knock: bool) -> tuple[str, str]:
        kept = self._standing.link(title)
        for url, link in map(_url_and_id, self._links.list()):
            if link == kept:
                return url, link
        url, link = await self._new_link(title, knock=knock)
        self._standing.keep_link(title, link)
        return url, link

    async def _new_link(self, title: str, *, knock: bool) -> tuple[str, str]:
        made = await self._links.new(title, once=False, knock=knock)
        return _url_and_id(made)

    def _lead(self, link: str, room: bytes) -> None:
        self._leads[link] = room
        self._began(link)

    def _end_links(self, room: bytes) -> None:
        standing = self._standing.links
        for link in [link for link, leads in self._leads.items() if leads == room]:
            del self._leads[link]
            if link not in standing:
                self._close_link(link)

    def _close_link(self, link: str) -> None:
        with suppress(NoSuchLink):  # closed by hand
            self._links.close(link)

    def entrance(self, link: Link) -> Entrance | None:
        """Where a link leads now, if that is a room whose host we are."""
        conference = self._rooms.get(self._leads.get(link.id, b""))
        if conference is None or not conference.room.is_host:
            return None
        assert isinstance(conference.guests, RoomGuests), "this is a node"
        return Entrance(conference, conference.guests)

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

    def list(self) -> dict[str, Any]:
        """The rooms we are in, the invitations, and the standing meetings."""
        return {
            "rooms": [c.describe() for c in self._rooms.values() if c.room.over is None],
            "invitations": [
                {
                    "room": room.hex(),
                    "title": clean_text(invitation.invite.title, MAX_NAME_CHARS),
                    "from": self._folk.name_of(invitation.peer),
                }
                for room, invitation in self._invitations.items()
            ],
            "standing": list(self._standing.titles),
        }

    @property
    def on(self) -> tuple[Conference, ...]:
        """The rooms we are in, or at whose door we are."""
        return tuple(c for c in self._rooms.values() if c.room.over is None)

    @property
    def invitations(self) -> tuple[Invitation, ...]:
        """Those that were neither taken nor put away, the oldest first."""
        return tuple(self._invitations.values())

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

    def dismiss(self, room: bytes) -> None:
        """Puts an invitation away; who sent it is not told."""
        self._invitations.pop(room, None)
        self._changed()

    def call(self, call_id: CallId) -> Call | None:
        """A call with a participant of any room."""
        found = (c for conference in self._rooms.values() for c in conference.calls)
        return next((call for call in found if call.id == call_id), None)


def _url_and_id(link: dict[str, Any]) -> tuple[str, str]:
    return link["url"], link["link"]


async def _then_cancel(wait: Callable[[], Any], nursery: trio.Nursery) -> None:
    await wait()
    nursery.cancel_scope.cancel()


def _fresh_key() -> IdentityKey:
    """A key of one visit to one room: nothing else of ours is signed with it."""
    return IdentityKey.from_seed(secrets.token_bytes(32))
