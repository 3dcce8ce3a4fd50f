"""Commands about rooms."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import trio

from onmeet_node.control import names
from onmeet_node.control.commands.people import published
from onmeet_node.control.door import Door
from onmeet_node.control.requests import rooms as ask
from onmeet_node.control.views import (
    InvitationSent,
    LineSaid,
    MeetingPlan,
    RoomCode,
    RoomCreated,
    RoomGuestLink,
    RoomList,
    SeatChanged,
)
from onmeet_node.errors import OnMeetError
from onmeet_node.media.checking import check_media
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.notices import SENTENCES
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.rooms.views import RoomView

HEARD_SECONDS = 5.0
"""For everybody to hear that a room has ended, before its host is told so."""


class RoomEntryDenied(OnMeetError, kind="NotLetIn"):
    """The room is over for us before we were in."""


# ── coming in ────────────────────────────────────────────────────────────────────────────────────
async def new_room(door: Door, request: ask.NewRoom) -> RoomCreated:
    """See `NewRoom`. Raises `MediaError` before anybody hears of the room."""
    rooms = door.node.rooms
    conference = await rooms.create(
        request.title,
        await _presence(door, request),
        knock=request.knock,
        standing=request.standing,
    )
    with _or_left(conference):
        code = rooms.code(request.title) if request.standing else None
        if code is not None and request.settle:
            await published(door.node)
    return RoomCreated.of(conference.describe(), code=code)


async def join_room(door: Door, request: ask.JoinRoom) -> RoomView:
    """See `JoinRoom`. Raises `NoSuchRoom`, `BadRoomCode`, `RoomEntryDenied`, and `MediaError`."""
    presence = await _presence(door, request)
    rooms = door.node.rooms
    if request.code is not None:
        conference = await rooms.join_code(request.code, presence)
    else:
        conference = await rooms.join(request.room or "", presence)
    if request.inside:
        with _or_left(conference):
            await conference.inside.wait()
        if conference.room.over is not None:
            raise RoomEntryDenied(SENTENCES[RoomEnd(conference.room.over)])
    return conference.describe()


async def _presence(door: Door, request: ask.NewRoom | ask.JoinRoom) -> RoomOptions:
    """How we come; checked before anybody hears of it. Raises `MediaError`."""
    kinds = frozenset(request.kinds)
    headless = request.headless
    directory = Path(headless.record) if headless and headless.record else None
    # What is recorded is each participant's, and not the call's.
    alone = attrs.evolve(headless, record=None) if headless is not None else None
    options = door.options(relay_only=request.relay_only, headless=alone)
    await door.node.check_media(kinds, options)
    await check_media(None, kinds, directory=directory)
    return RoomOptions(
        name=request.name or door.node.people.profile().name or "",
        kinds=kinds,
        wish=options,
        record=directory,
    )


@contextmanager
def _or_left(conference: Conference) -> Iterator[None]:
    """Who gives up while a room is being made or knocked at is not in it afterwards."""
    try:
        yield
    except BaseException:
        conference.leave()
        raise


async def list_rooms(door: Door, _: ask.ListRooms) -> RoomList:
    """See `ListRooms`."""
    listed = door.node.rooms.list()
    rooms = [await conference.describe_with_media() for conference in door.node.rooms.on]
    return RoomList(rooms=tuple(rooms), invitations=listed.invitations, standing=listed.standing)


async def dismiss_invitation(door: Door, request: ask.DismissInvitation) -> None:
    """See `DismissInvitation`."""
    door.node.rooms.dismiss(bytes.fromhex(request.room))


# ── who else comes ───────────────────────────────────────────────────────────────────────────────
async def invite_to_room(door: Door, request: ask.InviteToRoom) -> InvitationSent:
    """See `InviteToRoom`."""
    conference = names.room(door.node, request.room)
    peer = names.callee(door.node, request.who)
    delivered = await door.node.rooms.invite(conference, peer)
    return InvitationSent(who=door.node.people.name_of(peer), delivered=delivered)


async def link_to_room(door: Door, request: ask.LinkToRoom) -> RoomGuestLink:
    """See `LinkToRoom`. Raises `NoSuchRoom` if another is host, and `NoGateway`."""
    conference = names.room(door.node, request.room)
    return RoomGuestLink(url=await door.node.rooms.link(conference, knock=request.knock))


async def plan_meeting(door: Door, request: ask.PlanMeeting) -> MeetingPlan:
    """See `PlanMeeting`. Answered when its code can be found."""
    from onmeet_node.rooms import calendar  # noqa: PLC0415 - heavy

    rooms = door.node.rooms
    title = clean_text(request.title, MAX_NAME_CHARS)
    code, link = await rooms.plan(title, guests=request.guests)
    await published(door.node)
    meeting = calendar.Meeting(
        title=title,
        start=request.start,
        minutes=request.minutes,
        repeats=request.repeats.value,
        zone=request.zone,
        code=code,
        link=link,
    )
    sequence = rooms.revision(title, calendar.digest(meeting))
    return MeetingPlan(
        code=code,
        link=link,
        name=calendar.file_name(title),
        calendar=calendar.calendar(meeting, sequence=sequence, now=int(time.time())),
    )


async def meeting_code(door: Door, request: ask.MeetingCode) -> RoomCode:
    """See `MeetingCode`. Answered when it can be found."""
    code, _ = await door.node.rooms.plan(request.title, guests=False)
    await published(door.node)
    return RoomCode(code=code)


async def forget_meeting(door: Door, request: ask.ForgetMeeting) -> None:
    """See `ForgetMeeting`. Raises `NoSuchRoom`."""
    door.node.rooms.forget(request.title)


# ── inside ───────────────────────────────────────────────────────────────────────────────────────
async def change_room(door: Door, request: ask.ChangeRoom) -> RoomView:
    """See `ChangeRoom`. Answers the room: as it was, if we leave it."""
    conference, do = names.room(door.node, request.room), ask.RoomAction
    before = conference.describe()
    match request.action:
        case do.LOCK | do.UNLOCK:
            locked = request.action is do.LOCK
            conference.act(lambda room, now: room.lock(locked=locked, now=now))
        case do.RAISE_HAND | do.LOWER_HAND:
            up = request.action is do.RAISE_HAND
            conference.act(lambda room, now: room.raise_hand(up=up, now=now))
        case do.MOVE_HERE:
            conference.move(door.devices())
        case do.LEAVE | do.END:
            if request.action is do.END:
                conference.act(lambda room, now: room.end(now=now))
            else:
                conference.leave()
            if request.settle:
                with trio.move_on_after(HEARD_SECONDS):
                    await conference.said.wait()
            return before
    return conference.describe()


async def change_seat(door: Door, request: ask.ChangeSeat) -> SeatChanged:
    """See `ChangeSeat`. Raises `NotInRoom`."""
    conference, do = names.room(door.node, request.room), ask.SeatAction
    at_door = request.action in {do.ADMIT, do.DENY}
    key = names.participant(conference, request.key, at_door=at_door)
    # As they are called now: who is sent out has no name here.
    shown = SeatChanged(key=key, name=conference.name_of(key), room=conference.id)
    match request.action:
        case do.ADMIT:
            conference.act(lambda room, now: room.admit(key, now=now))
        case do.DENY:
            conference.act(lambda room, now: room.deny(key, now=now))
        case do.REMOVE:
            conference.act(lambda room, now: room.remove(key, now=now))
        case do.ASK_MUTE:
            conference.act(lambda room, now: room.ask_mute(key, now=now))
        case do.PROMOTE | do.DEMOTE:
            co_host = request.action is do.PROMOTE
            conference.act(lambda room, now: room.promote(key, co_host=co_host, now=now))
        case do.HIDE | do.SHOW:
            conference.refuse(key, refused=request.action is do.HIDE)
    return shown


async def say_in_room(door: Door, request: ask.SayInRoom) -> LineSaid:
    """See `SayInRoom`. Raises `NotInRoom`."""
    conference = names.room(door.node, request.room)
    to = names.participant(conference, request.to) if request.to is not None else None
    missed = await conference.say(request.text, to)
    return LineSaid(missed=tuple(map(conference.name_of, missed)), keys=missed)


async def react_in_room(door: Door, request: ask.ReactInRoom) -> None:
    """See `ReactInRoom`."""
    names.room(door.node, request.room).react(request.emoji)


async def look_at(door: Door, request: ask.LookAt) -> RoomView:
    """See `LookAt`. Answers the room."""
    conference = names.room(door.node, request.room)
    keys = [names.participant(conference, request.key)] if request.key else conference.others
    for key in keys:
        conference.act(lambda room, now, k=key: room.look(k, request.size, now=now))  # type: ignore[misc]
    return conference.describe()


async def mute_room(door: Door, request: ask.MuteRoom) -> RoomView:
    """See `MuteRoom`. Answers the room."""
    conference = names.room(door.node, request.room)
    await conference.mute(request.kind, muted=request.muted)
    return conference.describe()


COMMANDS = (
    new_room,
    join_room,
    list_rooms,
    dismiss_invitation,
    invite_to_room,
    link_to_room,
    plan_meeting,
    meeting_code,
    forget_meeting,
    change_room,
    change_seat,
    say_in_room,
    react_in_room,
    look_at,
    mute_room,
)
