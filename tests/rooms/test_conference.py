"""Rooms over hosts in memory: what time does to channels, calls, knocks and last words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
import trio

from onmeet_node.events import RoomOver, RoomSaid
from onmeet_node.media.endpoint import PathLost
from onmeet_node.protocol.call.effects import State
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.rooms.conference import SAID_SECONDS
from onmeet_node.rooms.runner import OPEN_SECONDS
from tests.fakes.rooms import Meeting, Person

SOON = 1.0


@pytest.fixture
async def meeting() -> AsyncIterator[Meeting]:
    async with trio.open_nursery() as nursery:
        yield Meeting(nursery)
        nursery.cancel_scope.cancel()


def whole(*people: Person) -> bool:
    """All of them are in, media flows between each pair, and they have one string."""
    shown = [person.conference.describe() for person in people]
    return len({room.string for room in shown} - {None}) == 1 and all(
        {one.name for one in room.people} == {person.name for person in people}
        and all(one.here and one.media and one.seen for one in room.people)
        for room in shown
    )


async def meet(*people: Person, seconds: float = 10.0) -> None:
    with trio.fail_after(seconds):
        while not whole(*people):  # noqa: ASYNC110 - of each of them there is an event of its own
            await trio.sleep(0.05)


def over(person: Person) -> RoomEnd:
    """Why a room is over, as its person was told."""
    (event,) = [event for event in person.told() if isinstance(event, RoomOver)]
    return RoomEnd(event.reason)


async def test_three_people_meet_and_each_pair_has_one_call(
    meeting: Meeting, autojump_clock: object
) -> None:
    ada = await meeting.create("ada")
    ben = await meeting.join("ben", ada)
    cleo = await meeting.join("cleo", ada)
    await meet(ada, ben, cleo)
    for person in (ada, ben, cleo):
        assert len(person.conference.calls) == 2
    (call,) = [c for c in ada.conference.calls if c.peer == ben.conference.me]
    theirs = ben.conference.call_with(ada.conference.me)
    for one in (call, theirs):
        await one.string.wait()
    assert call.sas == theirs.sas is not None
    limits = {session.limits for session in ada.media.sessions if not session.closed}
    assert len(limits) == 1, "each is sent the picture for as many as are in"


async def test_a_channel_that_cannot_be_opened_is_tried_again_ever_less_often(
    meeting: Meeting, autojump_clock: object
) -> None:
    ada = await meeting.create("ada")
    ada.host.up = False
    ben = await meeting.join("ben", ada)
    await trio.sleep(60)
    assert ben.conference.room.over is None
    tries = ben.host.dials
    assert 60 / timing.MAX_RETRY <= tries <= 60 / timing.MAX_RETRY + 5
    ada.host.up = True
    await meet(ada, ben, seconds=2 * timing.MAX_RETRY)


async def test_opening_a_channel_that_hangs_is_given_up_and_begun_anew(
    meeting: Meeting, autojump_clock: object
) -> None:
    ada = await meeting.create("ada")
    begun: list[float] = []

    async def hangs(*_: object) -> None:
        begun.append(trio.current_time())
        await trio.sleep_forever()

    ada.host._handlers = dict.fromkeys(ada.host._handlers, hangs)
    ben = await meeting.join("ben", ada)
    await trio.sleep(2 * OPEN_SECONDS + 5)
    assert ben.conference.room.over is None
    pauses = [later - earlier for earlier, later in pairwise(begun)]
    assert len(pauses) >= 1
    assert all(OPEN_SECONDS <= pause <= OPEN_SECONDS + timing.MAX_RETRY for pause in pauses)


async def test_a_knock_that_nobody_answers_is_given_up(
    meeting: Meeting, autojump_clock: object
) -> None:
    ada = await meeting.create("ada", knock=True)
    ben = await meeting.join("ben", ada, invited=False)
    began = trio.current_time()
    await trio.sleep(SOON)
    assert list(ada.conference.room.knocks.values()) == ["ben"]
    await ben.ended.wait()
    assert trio.current_time() - began == pytest.approx(timing.KNOCK, abs=2 * SOON)
    assert over(ben) is RoomEnd.NO_ANSWER
    await trio.sleep(SOON)
    assert not ada.conference.room.knocks, "nor does he stand at the door any more"


async def test_who_leaves_hands_the_room_on_and_is_heard_before_the_channels_close(
    meeting: Meeting, autojump_clock: object
) -> None:
    ada = await meeting.create("ada")
    ben, cleo = await meeting.join("ben", ada), await meeting.join("cleo", ada)
    await meet(ada, ben, cleo)
    kept = ben.conference.call_with(cleo.conference.me)
    began = trio.current_time()
    ada.conference.leave()
    await ada.ended.wait()
    assert trio.current_time() - began < SOON, "both have heard"
    assert ada.conference.said.is_set()
    assert over(ada) is RoomEnd.LEFT
    assert not ada.conference.calls
    await meet(ben, cleo)
    assert [person.conference.room.is_host for person in (ben, cleo)].count(True) == 1
    assert ben.conference.call_with(cleo.conference.me) is kept, "their call went on"


async def test_who_vanishes_is_followed_at_once_and_missed_after_a_while(
    meeting: Meeting, autojump_clock: object
) -> None:
    ada = await meeting.create("ada")
    ben, cleo = await meeting.join("ben", ada), await meeting.join("cleo", ada)
    await meet(ada, ben, cleo)
    meeting.network.vanish("ada")
    for person in (ben, cleo):
        person.conference.call_with(ada.conference.me).session.tell(PathLost())
    began = trio.current_time()
    with trio.fail_after(2 * timing.CLAIM + SOON):
        while not (ben.conference.room.is_host or cleo.conference.room.is_host):
            await ben.conference.changed()
    with trio.fail_after(timing.AWAY + 5):
        while len(ben.conference.others) == 2:
            await ben.conference.changed()
    assert trio.current_time() - began >= timing.AWAY
    await meet(ben, cleo)


async def test_who_says_something_learns_who_may_not_have_it(
    meeting: Meeting, autojump_clock: object
) -> None:
    ada = await meeting.create("ada")
    ben, cleo = await meeting.join("ben", ada), await meeting.join("cleo", ada)
    await meet(ada, ben, cleo)
    assert await ada.conference.say("hello all") == ()
    assert [e.text for e in cleo.told() if isinstance(e, RoomSaid)] == ["hello all"]
    meeting.network.mute("cleo")
    began = trio.current_time()
    assert await ada.conference.say("still there?") == (cleo.conference.me,)
    assert trio.current_time() - began <= SAID_SECONDS + 0.1
    assert [e.text for e in ben.told() if isinstance(e, RoomSaid)] == ["hello all", "still there?"]


async def test_what_is_muted_is_not_sent_to_those_who_come_later_either(
    meeting: Meeting, autojump_clock: object
) -> None:
    ada = await meeting.create("ada")
    await ada.conference.mute(Kind.AUDIO, muted=True)
    ben = await meeting.join("ben", ada)
    await meet(ada, ben)
    await trio.sleep(SOON)
    assert [session.muted for session in ada.media.sessions] == [{Kind.AUDIO}]
    (seen,) = [one for one in ben.conference.describe().people if one.name == "ada"]
    assert seen.muted, "and they are told"


async def test_media_that_is_lost_between_two_is_rung_again_by_one_of_them(
    meeting: Meeting, autojump_clock: object
) -> None:
    ada = await meeting.create("ada")
    ben = await meeting.join("ben", ada)
    await meet(ada, ben)
    (before,) = ada.conference.calls
    ada.media.reaches = ben.media.reaches = False
    for person in (ada, ben):
        person.media.sessions[-1].tell(PathLost())
    with trio.fail_after(60):
        while before.state is not State.ENDED:
            await ada.conference.changed()
    assert len(ada.conference.others) == 1, "he is in all the same"
    ada.media.reaches = ben.media.reaches = True
    await meet(ada, ben, seconds=60)
    assert [call.id != before.id for call in ada.conference.calls] == [True]


async def test_the_room_is_ended_for_all(meeting: Meeting, autojump_clock: object) -> None:
    ada = await meeting.create("ada")
    ben = await meeting.join("ben", ada)
    await meet(ada, ben)
    ada.conference.act(lambda room, now: room.end(now=now))
    for person in (ada, ben):
        with trio.fail_after(5):
            await person.ended.wait()
        assert over(person) is RoomEnd.ENDED
        assert all(session.closed for session in person.media.sessions)
