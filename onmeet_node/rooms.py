"""The rooms of this node: made, joined by invitation or by room code, and left (PROTOCOL, "Rooms").

Nothing of a room is kept: it lives as long as somebody is in it. What a home keeps are the names of
standing meetings and the secret in each one's room code; every meeting has fresh keys.
"""

from __future__ import annotations

import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import trio

from onmeet_node.call.events import Device, Identity
from onmeet_node.conference import Conference, Presence, open_conference
from onmeet_node.errors import OnMeetError
from onmeet_node.events import Hub, NodeEvent, RoomInvited
from onmeet_node.identity.keys import IdentityKey
from onmeet_node.identity.text import clean_text
from onmeet_node.net.channels import Network
from onmeet_node.room.effects import Effect
from onmeet_node.room.machine import Room
from onmeet_node.store import Store
from onmeet_node.store.settings import Setting
from onmeet_node.studio import Studio
from onmeet_node.wire import room as w
from onmeet_node.wire.messages import MAX_NAME_CHARS, Card, Kind, Message

log = logging.getLogger(__name__)

MAX_INVITATIONS = 32
"""Into rooms, that nobody has taken yet; the oldest gives way."""
MAX_ROOMS = 4
"""Of one node at once."""
ASK_SECONDS = 10.0
"""For the host of a standing meeting to answer its room code."""
SCHEME = "onmeet-room:"
STANDING: Setting[tuple[tuple[str, str], ...]] = Setting(
    "standing-rooms", tuple[tuple[str, str], ...], (), most=64
)
"""Names of standing meetings, each with the secret of its room code in hex."""


class NoSuchRoom(OnMeetError):
    """No single room, or invitation into one, is meant."""


class BadRoomCode(OnMeetError):
    """That is no room code."""


class Street(Protocol):
    """What rooms need of the network."""

    def of(self, room: bytes) -> Network:
        """Where the channels of one room are opened."""
        ...


class Folk(Protocol):
    """What rooms need of people; the node has the real one."""

    def name_of(self, peer: Identity) -> str:
        """How a person is shown."""
        ...

    def send(self, peer: Identity, device: Device, message: Message) -> bool:
        """RoomEnd the open channel to this device of theirs."""
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


@dataclass(frozen=True, slots=True)
class Invitation:
    """A room that somebody asked us into."""

    peer: Identity
    device: Device
    invite: w.RoomInvite


class Rooms:
    """All rooms of one node. Live in `run`."""

    def __init__(
        self,
        street: Street,
        folk: Folk,
        studio: Studio,
        store: Store,
        hub: Hub[NodeEvent],
        *,
        card: Callable[[], Card],
        where: Callable[[], tuple[str, ...]],
        device: str,
    ) -> None:
        """`card`: as participants see it. `where`: multiaddrs at which they reach this node."""
        self._street = street
        self._folk = folk
        self._studio = studio
        self._settings = store.settings
        self._hub = hub
        self._card = card
        self._where = where
        self._device = device
        self._rooms: dict[bytes, Conference] = {}
        self._invitations: OrderedDict[bytes, Invitation] = OrderedDict()
        self._codes: dict[bytes, bytes] = {}
        """Secret of a room code: the room it leads to now."""
        self._asked: dict[bytes, trio.Event] = {}
        self._hosts: dict[bytes, Identity] = {}
        """Of whom we ask which room code."""
        self._answers: dict[bytes, Invitation | None] = {}
        self._stops: dict[bytes, trio.Event] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Until cancelled; then every room is left."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    # ── coming in ───────────────────────────────────────────────────────────────────────────────
    async def create(
        self, title: str, presence: Presence, *, knock: bool = False, standing: bool = False
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
            self._codes[self._secret(title)] = room
        return await self._open((machine, []), key, presence)

    async def join(self, which: str, presence: Presence) -> Conference:
        """Takes an invitation (the start of the room's id, or its title; empty: the only one).

        Returns when the host has answered. Raises `NoSuchRoom`, `OnMeetError` if not let in.
        """
        found = [
            invitation
            for room, invitation in self._invitations.items()
            if not which
            or (len(which) >= 4 and room.hex().startswith(which))
            or clean_text(invitation.invite.title, MAX_NAME_CHARS) == which
        ]
        if len(found) != 1:
            raise NoSuchRoom(
                f"No single invitation is meant by {which!r}. See them with: onmeet room list"
            )
        return await self._join(found[0], presence)

    async def join_code(self, text: str, presence: Presence) -> Conference:
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

    async def _join(self, invitation: Invitation, presence: Presence) -> Conference:
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
        self, start: tuple[Room, list[Effect]], key: IdentityKey, presence: Presence
    ) -> Conference:
        if len(self._rooms) >= MAX_ROOMS or self._nursery is None:
            raise NoSuchRoom(f"This node is in {MAX_ROOMS} rooms already. Leave one first.")
        conference: Conference = await self._nursery.start(self._hold, start, key, presence)
        return conference

    async def _hold(
        self,
        start: tuple[Room, list[Effect]],
        key: IdentityKey,
        presence: Presence,
        *,
        task_status: trio.TaskStatus[Conference],
    ) -> None:
        room = start[0].id
        stop = self._stops[room] = trio.Event()
        try:
            async with open_conference(
                start,
                key,
                presence,
                street=self._street.of(room),
                studio=self._studio,
                hub=self._hub,
                card=lambda _: self._card(),
            ) as conference:
                self._rooms[room] = conference
                task_status.started(conference)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_then_cancel, conference.over.wait, nursery)
                    nursery.start_soon(_then_cancel, stop.wait, nursery)
        finally:
            self._rooms.pop(room, None)
            self._stops.pop(room, None)
            for secret in [s for s, r in self._codes.items() if r == room]:
                del self._codes[secret]

    def _seat(self, presence: Presence) -> w.Seat:
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
        return await self._folk.send_any(peer, self._invitation(conference))

    def _invitation(self, conference: Conference) -> w.RoomInvite:
        roster = conference.room.roster
        if roster is None or not conference.room.is_host:
            raise NoSuchRoom("Only the room's host invites people. Ask them to.")
        token = secrets.token_bytes(w.TOKEN_BYTES)
        conference.room.invite(token)
        return w.RoomInvite(room=conference.id, host=roster.host, token=token, title=roster.title)

    def message(self, peer: Identity, device: Device, message: Message) -> bool:
        """What a person says about rooms over their own channel; False if it is something else."""
        match message:
            case w.RoomInvite():
                self._invited(Invitation(peer, device, message))
            case w.AskRoom(code=code):
                conference = self._rooms.get(self._codes.get(code, b""))
                answer: Message = w.NoRoom(code=code)
                if conference is not None and conference.room.is_host:
                    answer = self._invitation(conference)
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
        self._invitations[invite.room] = invitation
        self._invitations.move_to_end(invite.room)
        while len(self._invitations) > MAX_INVITATIONS:
            self._invitations.popitem(last=False)
        self._hub.publish(
            RoomInvited(
                room=invite.room,
                identity=invitation.peer,
                who=self._folk.name_of(invitation.peer),
                title=clean_text(invite.title, MAX_NAME_CHARS),
            )
        )

    def _answer(self, secret: bytes, invitation: Invitation | None) -> None:
        event = self._asked.get(secret)
        if event is not None:
            self._answers[secret] = invitation
            event.set()

    # ── room codes ──────────────────────────────────────────────────────────────────────────────
    def code(self, title: str) -> str:
        """The room code of a standing meeting: whoever has it may ask this node for the room."""
        return f"{SCHEME}{self._secret(title).hex()}@{self._folk.code(f'room {title}')}"

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

    def _secret(self, title: str) -> bytes:
        standing: tuple[tuple[str, str], ...] = self._settings.get(STANDING)
        kept = dict(standing)
        if title not in kept:
            kept[title] = secrets.token_bytes(w.TOKEN_BYTES).hex()
            self._settings.put(STANDING, tuple(kept.items()))
        return bytes.fromhex(kept[title])

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    def find(self, which: str = "") -> Conference:
        """The room with this title or start of an id; the only one if none is said.

        Raises `NoSuchRoom`.
        """
        found = [
            conference
            for room, conference in self._rooms.items()
            if not which
            or (len(which) >= 4 and room.hex().startswith(which))
            or conference.describe()["title"] == which
        ]
        if len(found) != 1:
            raise NoSuchRoom(
                "You are in no room. See: onmeet room --help"
                if not self._rooms
                else f"No single room is meant by {which!r}. See: onmeet room list"
            )
        return found[0]

    def list(self) -> dict[str, Any]:
        """The rooms we are in, the invitations, and the standing meetings."""
        standing: tuple[tuple[str, str], ...] = self._settings.get(STANDING)
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
            "standing": [name for name, _ in standing],
        }

    def leave(self, conference: Conference) -> None:
        """Leaves a room; others carry it on."""
        stop = self._stops.get(conference.id)
        if stop is not None:
            stop.set()


async def _then_cancel(wait: Callable[[], Any], nursery: trio.Nursery) -> None:
    await wait()
    nursery.cancel_scope.cancel()


def _fresh_key() -> IdentityKey:
    """A key of one visit to one room: nothing else of ours is signed with it."""
    return IdentityKey.from_seed(secrets.token_bytes(32))
