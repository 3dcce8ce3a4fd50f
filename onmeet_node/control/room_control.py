"""What the ``onmeet room`` commands ask of the running node (docs/API, Control)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trio

from onmeet_node.calls.call import CallOptions
from onmeet_node.control.requests import Request
from onmeet_node.errors import OnMeetError
from onmeet_node.media.checking import check_media
from onmeet_node.node.node import Node
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, Kind
from onmeet_node.protocol.wire.room import MAX_REACTION_CHARS
from onmeet_node.rooms.conference import Conference, RoomOptions
from onmeet_node.rooms.notices import SENTENCES

PUBLISH_SECONDS = 3.0
"""For the contact code inside a new room code to be findable before it is given away."""
SAID_SECONDS = 5.0
"""For everybody to hear that a room has ended, before its host is told so."""
Tell = Callable[[dict[str, Any]], Awaitable[None]]


class RoomEntryDenied(OnMeetError, kind="NotLetIn"):
    """The room is over for us before we were in."""


async def _presence(node: Node, request: Request) -> RoomOptions:
    """How we come; checked before anybody hears of it. Raises `MediaError`."""
    directory = Path(request.record) if request.record else None
    kinds = frozenset({Kind.AUDIO} if request.audio_only else Kind)
    wish = CallOptions(source=request.source, relay_only=request.relay_only)
    await node.check_media(kinds, wish)
    await check_media(None, kinds, directory=directory)
    return RoomOptions(
        name=request.name or node.people.profile().name or "",
        kinds=kinds,
        wish=wish,
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


async def room_create(node: Node, request: Request, _tell: Tell) -> Any:
    """A room of our own; with `label` the standing meeting of that name."""
    standing = bool(request.label)
    conference = await node.rooms.create(
        request.label or request.title,
        await _presence(node, request),
        knock=request.knock,
        standing=standing,
    )
    with _or_left(conference):
        code = node.rooms.code(request.label) if request.label else None
        if code is not None:
            with trio.move_on_after(PUBLISH_SECONDS):
                await node.published()
    return {**conference.describe(), "code": code}


async def room_join(node: Node, request: Request, _tell: Tell) -> Any:
    """By an invitation (`who`), or by a room code (`code`); returns when we are in."""
    presence = await _presence(node, request)
    if request.code:
        conference = await node.rooms.join_code(request.code, presence)
    else:
        conference = await node.rooms.join(request.who, presence)
    with _or_left(conference):
        await conference.inside.wait()
    if conference.room.over is not None:
        raise RoomEntryDenied(SENTENCES[RoomEnd(conference.room.over)])
    return conference.describe()


async def room_list(node: Node, _request: Request, _tell: Tell) -> Any:
    """Rooms, invitations, and standing meetings."""
    listed = node.rooms.list()
    listed["rooms"] = [await conference.describe_with_media() for conference in node.rooms.on]
    return listed


async def room_invite(node: Node, request: Request, _tell: Tell) -> Any:
    """Asks a person in."""
    conference = node.rooms.find(request.label or "")
    peer = node.people.who(request.who)
    delivered = await node.rooms.invite(conference, peer)
    return {"who": node.people.name_of(peer), "delivered": delivered}


async def room_lock(node: Node, request: Request, _tell: Tell) -> Any:
    """Locks, or unlocks."""
    conference = node.rooms.find(request.label or "")
    conference.act(lambda room, now: room.lock(locked=request.muted, now=now))
    return conference.describe()


async def room_end(node: Node, request: Request, _tell: Tell) -> Any:
    """Ends it for all; without `close_link` only we leave."""
    conference = node.rooms.find(request.label or "")
    shown = conference.describe()
    if request.close_link:
        conference.act(lambda room, now: room.end(now=now))
    else:
        conference.leave()
    with trio.move_on_after(SAID_SECONDS):
        await conference.said.wait()
    return shown


async def room_person(node: Node, request: Request, _tell: Tell) -> Any:
    """What is done about one participant, or somebody at the door: `note` says what."""
    conference = node.rooms.find(request.label or "")
    doors = list(conference.room.knocks)
    at_door = request.note in {"admit", "deny"}
    key = conference.who(request.who, doors if at_door else None)
    shown = _shown(conference, key)  # as they are called now: who is sent out has no name here
    match request.note:
        case "admit":
            conference.act(lambda room, now: room.admit(key, now=now))
        case "deny":
            conference.act(lambda room, now: room.deny(key, now=now))
        case "remove":
            conference.act(lambda room, now: room.remove(key, now=now))
        case "ask-mute":
            conference.act(lambda room, now: room.ask_mute(key, now=now))
        case "promote":
            conference.act(lambda room, now: room.promote(key, co_host=True, now=now))
        case "demote":
            conference.act(lambda room, now: room.promote(key, co_host=False, now=now))
        case "hide" | "show":
            conference.refuse(key, refused=request.note == "hide")
        case _:
            raise OnMeetError("That is nothing to do about a participant.")
    return shown


async def room_link(node: Node, request: Request, _tell: Tell) -> Any:
    """The guest link into a room of which we are the host."""
    conference = node.rooms.find(request.label or "")
    return {"url": await node.rooms.link(conference, knock=request.knock)}


async def plan_meeting(
    node: Node,
    title: str,
    *,
    start: int,
    minutes: int,
    repeats: str,
    zone: str,
    guests: bool,
) -> dict[str, Any]:
    """A standing meeting as a file for calendars, when its code can be found: see `Meeting`."""
    from onmeet_node.rooms import calendar  # noqa: PLC0415 - heavy

    title = clean_text(title, MAX_NAME_CHARS)
    code, link = await node.rooms.plan(title, guests=guests)
    with trio.move_on_after(PUBLISH_SECONDS):
        await node.published()
    meeting = calendar.Meeting(
        title=title, start=start, minutes=minutes, repeats=repeats, zone=zone, code=code, link=link
    )
    sequence = node.rooms.revision(title, calendar.digest(meeting))
    return {
        "code": code,
        "link": link,
        "name": calendar.file_name(title),
        "calendar": calendar.calendar(meeting, sequence=sequence, now=int(time.time())),
    }


async def room_plan(node: Node, request: Request, _tell: Tell) -> Any:
    """A standing meeting for calendars."""
    return await plan_meeting(
        node,
        request.label or "",
        start=request.start,
        minutes=request.minutes,
        repeats=request.repeats,
        zone=request.zone,
        guests=request.guests,
    )


async def room_code(node: Node, request: Request, _tell: Tell) -> Any:
    """The room code of a standing meeting."""
    code, _ = await node.rooms.plan(request.label or "", guests=False)
    with trio.move_on_after(PUBLISH_SECONDS):
        await node.published()
    return {"code": code}


async def room_forget(node: Node, request: Request, _tell: Tell) -> Any:
    """Forgets a standing meeting."""
    node.rooms.forget(request.label or "")
    await trio.lowlevel.checkpoint()
    return {}


async def room_hand(node: Node, request: Request, _tell: Tell) -> Any:
    """Raises or lowers our hand."""
    conference = node.rooms.find(request.label or "")
    conference.act(lambda room, now: room.raise_hand(up=request.muted, now=now))
    await trio.lowlevel.checkpoint()
    return conference.describe()


async def room_look(node: Node, request: Request, _tell: Tell) -> Any:
    """How large a participant's picture is wanted here; `who` empty: everybody's."""
    conference = node.rooms.find(request.label or "")
    keys = [conference.who(request.who)] if request.who else conference.others
    for key in keys:
        conference.act(lambda room, now, k=key: room.look(k, request.size, now=now))  # type: ignore[misc]
    await trio.lowlevel.checkpoint()
    return conference.describe()


async def room_react(node: Node, request: Request, _tell: Tell) -> Any:
    """Shows everybody a reaction."""
    node.rooms.find(request.label or "").react(request.title[:MAX_REACTION_CHARS])
    await trio.lowlevel.checkpoint()
    return {}


async def room_say(node: Node, request: Request, _tell: Tell) -> Any:
    """A line to all, or to one (`who`)."""
    conference = node.rooms.find(request.label or "")
    to = conference.who(request.who) if request.who else None
    missed = await conference.say(request.title[:4000], to)
    return {"missed": [conference.name_of(key) for key in missed]}


async def room_mute(node: Node, request: Request, _tell: Tell) -> Any:
    """Stops or resumes sending a kind to everybody."""
    conference = node.rooms.find(request.label or "")
    await conference.mute(request.kind, muted=request.muted)
    return conference.describe()


def _shown(conference: Conference, key: bytes) -> dict[str, Any]:
    return {"key": key.hex(), "name": conference.name_of(key), "room": conference.id.hex()}
