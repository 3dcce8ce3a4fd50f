"""What pages ask about rooms, what they are shown of them, and what they are told."""

from __future__ import annotations

from typing import Any

from onmeet_node import events as told
from onmeet_node.calls.call import Call, CallOptions
from onmeet_node.control.room_control import plan_meeting
from onmeet_node.events import NodeEvent
from onmeet_node.node.node import Node
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, MAX_TEXT_CHARS, Kind
from onmeet_node.protocol.wire.room import Role
from onmeet_node.rooms.conference import Conference, RoomOptions
from onmeet_node.web import messages as say
from onmeet_node.web import room_messages as room
from onmeet_node.web.page_endpoint import BoundPageEndpoint, PageEndpoint
from onmeet_node.web.pages import Page
from onmeet_node.web.shapes import CardShown


class RoomApi:
    """The requests about rooms, for as long as one node runs."""

    def __init__(self, node: Node, endpoint: PageEndpoint) -> None:
        self._node = node
        self._rooms = node.rooms
        self._endpoint = endpoint

    async def answer(self, page: Page, message: say.FromPage) -> say.FromNode | None:
        """Does what is asked; None where it needs no answer. Raises `OnMeetError`."""
        rooms = self._rooms
        match message:
            case room.NewRoom(id=n, title=title, standing=standing, knock=knock, kinds=kinds):
                presence = self._presence(page, kinds)
                made = await rooms.create(title, presence, knock=knock, standing=standing)
                return room.RoomMade(id=n, room=made.id.hex())
            case room.JoinRoom(id=n, room=which, code=code, kinds=kinds):
                presence = self._presence(page, kinds)
                joined = await (
                    rooms.join_code(code, presence)
                    if code is not None
                    else rooms.join(which or "", presence)
                )
                return room.RoomMade(id=n, room=joined.id.hex())
            case room.DismissInvitation(id=n, room=which):
                rooms.dismiss(bytes.fromhex(which))
                return say.Done(id=n)
            case room.ForgetMeeting(id=n, title=title):
                rooms.forget(title)
                return say.Done(id=n)
            case room.InviteToRoom(id=n, room=which, identity=identity):
                peer = Identity(bytes.fromhex(identity))
                return room.Invited(id=n, delivered=await rooms.invite(self._room(which), peer))
            case room.LinkToRoom(id=n, room=which):
                return room.RoomLink(id=n, url=await rooms.link(self._room(which)))
            case room.ChangeRoom(id=n, room=which, action=action):
                self._change(page, self._room(which), action)
                return say.Done(id=n)
            case room.ChangeSeat(id=n, room=which, key=key, action=seat_action):
                _change_seat(self._room(which), bytes.fromhex(key), seat_action)
                return say.Done(id=n)
            case room.SayInRoom(id=n, room=which, text=text, to=to):
                to_key = bytes.fromhex(to) if to is not None else None
                missed = await self._room(which).say(text, to_key)
                return room.SaidInRoom(id=n, missed=tuple(key.hex() for key in missed))
            case room.ReactInRoom(room=which, emoji=emoji):
                self._room(which).react(emoji)
            case room.LookAt(room=which, key=key, size=size):
                seat = bytes.fromhex(key)
                self._room(which).act(lambda r, now: r.look(seat, size, now=now))
            case room.PlanMeeting(id=n):
                return await self._plan(n, message)
            case _:
                pass
        return None

    def go_on(self, page: Page) -> None:
        """A room whose page was reloaded goes on in this one, though we are alone in it. Where
        others are in, the calls with them do.
        """
        for conference in self._rooms.on:
            before = conference.presence.wish.endpoint
            if isinstance(before, BoundPageEndpoint) and before.just_left and not conference.calls:
                self._endpoint.kept.opened(conference.id.hex(), page, taken_over=True)
                conference.move(self._endpoint.on_page(page))

    def has(self, which: str) -> bool:
        """Whether this is a room we are in, or at whose door we are."""
        return any(one.id.hex() == which for one in self._rooms.on)

    def _room(self, which: str) -> Conference:
        return self._rooms.get(bytes.fromhex(which))

    def _presence(self, page: Page, kinds: tuple[Kind, ...]) -> RoomOptions:
        return RoomOptions(
            name=self._node.people.profile().name or "",
            kinds=frozenset(kinds),
            wish=CallOptions(endpoint=self._endpoint.on_page(page)),
        )

    def _change(self, page: Page, conference: Conference, action: room.RoomAction) -> None:
        do = room.RoomAction
        match action:
            case do.LOCK | do.UNLOCK:
                locked = action is do.LOCK
                conference.act(lambda r, now: r.lock(locked=locked, now=now))
            case do.RAISE_HAND | do.LOWER_HAND:
                up = action is do.RAISE_HAND
                conference.act(lambda r, now: r.raise_hand(up=up, now=now))
            case do.LEAVE:
                conference.leave()
            case do.END:
                conference.act(lambda r, now: r.end(now=now))
            case do.MOVE_HERE:
                self._endpoint.kept.opened(conference.id.hex(), page, taken_over=True)
                conference.move(self._endpoint.on_page(page))

    async def _plan(self, number: int, wanted: room.PlanMeeting) -> room.Calendar:
        made = await plan_meeting(
            self._node,
            wanted.title,
            start=wanted.start,
            minutes=wanted.minutes,
            repeats=wanted.repeats.value,
            zone=wanted.zone,
            guests=wanted.guests,
        )
        return room.Calendar(id=number, name=made["name"], text=made["calendar"])

    # ── what pages are shown ────────────────────────────────────────────────────────────────────
    def snapshot(self) -> room.Rooms:
        """Rooms, invitations and standing meetings."""
        rooms = self._rooms
        return room.Rooms(
            rooms=tuple(map(self._shown, rooms.on)),
            invitations=tuple(
                room.Invitation(
                    room=one.invite.room.hex(),
                    title=clean_text(one.invite.title, MAX_NAME_CHARS),
                    identity=one.peer.hex(),
                    name=self._node.people.name_of(one.peer),
                )
                for one in rooms.invitations
            ),
            meetings=tuple(
                room.Meeting(title=title, code=rooms.code(title)) for title in rooms.standing
            ),
        )

    def _shown(self, conference: Conference) -> room.RoomShown:
        shown = conference.describe()
        code = self._rooms.code_of(conference)
        return room.RoomShown(
            room=shown["room"],
            title=shown["title"],
            state=room.RoomState(shown["state"]),
            page=self._page_of(conference),
            role=conference.room.role,
            locked=shown["locked"],
            knock=shown["knock"],
            string=shown["string"],
            since=conference.since,
            standing=code is not None,
            code=code,
            link=self._rooms.link_of(conference),
            people=tuple(
                self._participant(person, conference.call_with(bytes.fromhex(person["key"])))
                for person in shown["people"]
            ),
            knocking=tuple(
                room.Knocker(key=one["key"], name=one["name"]) for one in shown["knocking"][:64]
            ),
            warnings=tuple(shown["warnings"][: room.MAX_WARNINGS]),
        )

    def _participant(self, person: dict[str, Any], call: Call | None) -> room.Participant:
        where = self._endpoint.session_of(call.id.hex()) if call is not None else None
        return room.Participant(
            key=person["key"],
            name=person["name"],
            role=Role(person["role"]),
            me=person["me"],
            here=person["here"],
            media=person["media"],
            seen=person["seen"],
            hand=person["hand"],
            muted=person["muted"],
            camera_off=person["camera_off"],
            sharing=person["sharing"],
            path=MediaPath(person["path"]) if person["path"] else None,
            call=person["call"],
            session=where[1] if where is not None else None,
            hidden=person["hidden"],
            identity=person["identity"],
            verified=person["verified"],
            card=CardShown(
                **{name: person["card"].get(name) for name in ("name", "country", "phone", "email")}
            ),
        )

    def _page_of(self, conference: Conference) -> int | None:
        for call in reversed(conference.calls):
            where = self._endpoint.session_of(call.id.hex())
            if where is not None:
                return where[0]
        endpoint = conference.presence.wish.endpoint
        return endpoint.number if isinstance(endpoint, BoundPageEndpoint) else None


def _change_seat(conference: Conference, key: bytes, action: room.SeatAction) -> None:
    do = room.SeatAction
    match action:
        case do.ADMIT:
            conference.act(lambda r, now: r.admit(key, now=now))
        case do.DENY:
            conference.act(lambda r, now: r.deny(key, now=now))
        case do.REMOVE:
            conference.act(lambda r, now: r.remove(key, now=now))
        case do.ASK_MUTE:
            conference.act(lambda r, now: r.ask_mute(key, now=now))
        case do.PROMOTE | do.DEMOTE:
            co_host = action is do.PROMOTE
            conference.act(lambda r, now: r.promote(key, co_host=co_host, now=now))
        case do.HIDE | do.SHOW:
            conference.refuse(key, refused=action is do.HIDE)


def telling(event: NodeEvent) -> say.FromNode | None:
    """What pages are told of an event of a room at once; None for most."""
    match event:
        case told.RoomSaid():
            return room.RoomLine(
                room=event.room.hex(),
                key=event.key.hex(),
                name=event.who,
                mine=event.mine,
                text=clean_text(event.text, MAX_TEXT_CHARS) or " ",
                to=event.to.hex() if event.to is not None else None,
            )
        case told.RoomReacted():
            return room.RoomReaction(
                room=event.room.hex(), key=event.key.hex(), name=event.who, emoji=event.emoji
            )
        case told.MuteAsked():
            return room.RoomMuteAsked(room=event.room.hex(), name=event.who)
        case told.RoomOver():
            return room.RoomOver(
                room=event.room.hex(),
                title=event.title,
                reason=RoomEnd(event.reason),
                sentence=event.sentence,
            )
        case _:
            return None
