"""Rooms as pages ask for them, without a browser: each request once, at a node in a process."""

import re

import pytest
import trio

from onmeet_node.control.requests.rooms import (
    ChangeRoom,
    ChangeSeat,
    ForgetMeeting,
    JoinRoom,
    LinkToRoom,
    LookAt,
    NewRoom,
    PlanMeeting,
    ReactInRoom,
    RoomAction,
    SayInRoom,
    SeatAction,
)
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.protocol.wire.room import PictureSize, Role
from onmeet_node.web.messages import answers, own
from onmeet_node.web.messages import rooms as room
from onmeet_node.web.messages import snapshots as snap
from tests.web.client import token_for
from tests.web.test_app import app, first_run, window

pytestmark = pytest.mark.real
KINDS = tuple(Kind)


async def test_a_page_makes_a_room_and_does_what_one_does_in_it(tmp_path):
    async with app(tmp_path / "home") as it, window(it) as page:
        await first_run(page)
        made = await page.ask(
            NewRoom, room.RoomMade, title="Team", standing=True, knock=True, kinds=KINDS
        )
        shown = await page.sees(room.Rooms, lambda rooms: bool(rooms.rooms))
        (mine,) = shown.rooms
        assert mine.room == made.room
        assert (mine.title, mine.state, mine.role) == ("Team", room.RoomState.IN, Role.HOST)
        assert mine.page is not None
        assert mine.knock
        assert mine.standing
        assert mine.code is not None
        assert mine.code.startswith("onmeet-room:")
        (me,) = mine.people
        assert (me.name, me.me, me.here) == ("Ann", True, True)

        await page.ask(ChangeRoom, room=mine.room, action=RoomAction.LOCK)
        await page.sees(room.Rooms, lambda rooms: rooms.rooms[0].locked)
        await page.ask(ChangeRoom, room=mine.room, action=RoomAction.RAISE_HAND)
        await page.sees(room.Rooms, lambda rooms: rooms.rooms[0].people[0].hand)
        said = await page.ask(
            SayInRoom, answer=room.SaidInRoom, room=mine.room, text="to nobody yet"
        )
        assert said.missed == ()
        line = await page.sees(room.RoomLine)
        assert (line.text, line.mine, line.to) == ("to nobody yet", True, None)
        await page.say(ReactInRoom(room=mine.room, emoji="👏"))
        assert (await page.sees(room.RoomReaction)).emoji == "👏"
        await page.say(LookAt(room=mine.room, key=me.key, size=PictureSize.LARGE))

        file = await page.ask(
            PlanMeeting, room.Calendar, title="Team", start=1_800_000_000, minutes=45
        )
        assert file.name == "Team.ics"
        assert mine.code[:40] in re.sub(r"\r\n ", "", file.text)
        refused = await page.ask(LinkToRoom, answers.Refused, room=mine.room)
        assert refused.kind == "NoGateway"
        refused = await page.ask(
            ChangeSeat,
            answers.Refused,
            room=mine.room,
            key="00" * 32,
            action=SeatAction.ADMIT,
        )
        assert refused.kind == "NotInRoom"

        await page.ask(ChangeRoom, room=mine.room, action=RoomAction.END)
        over = await page.sees(room.RoomOver)
        assert (over.reason, over.title) == ("ended", "Team")
        left = await page.sees(room.Rooms, lambda rooms: not rooms.rooms)
        assert [meeting.title for meeting in left.meetings] == ["Team"]
        await page.ask(ForgetMeeting, title="Team")
        await page.sees(room.Rooms, lambda rooms: not rooms.meetings)
        refused = await page.ask(
            ChangeRoom, answers.Refused, room=mine.room, action=RoomAction.LEAVE
        )
        assert refused.kind == "NoSuchRoom"
        with trio.fail_after(5):
            refused = await page.ask(JoinRoom, answers.Refused, code="nonsense", kinds=KINDS)
        assert refused.kind == "BadRoomCode"


async def test_somebody_alone_in_a_room_who_reloads_is_still_in_it_and_as_muted_as_before(tmp_path):
    async with app(tmp_path / "home") as it:
        token = await token_for(it.port, it.code)
        async with window(it, token) as page:
            await first_run(page)
            made = await page.ask(
                NewRoom, room.RoomMade, title="T", standing=False, knock=False, kinds=KINDS
            )
            await page.say(own.Keep(target=made.room, muted=True, camera_off=True))
            await page.ask(ChangeRoom, room=made.room, action=RoomAction.RAISE_HAND)
        async with window(it, token) as page:
            welcome = await page.sees(snap.Welcome)
            kept = await page.sees(snap.Kept)
            shown = await page.sees(room.Rooms, lambda rooms: bool(rooms.rooms))
            assert (kept.target, kept.muted, kept.camera_off) == (made.room, True, True)
            assert shown.rooms[0].page == welcome.page
            assert shown.rooms[0].people[0].hand
            await page.ask(ChangeRoom, room=made.room, action=RoomAction.LEAVE)
            await page.sees(room.Rooms, lambda rooms: not rooms.rooms)
        async with window(it, token) as page:
            await page.sees(snap.Calls)
            assert snap.Kept not in page.heard, "nothing of it is left"
