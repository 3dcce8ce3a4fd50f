"""Rooms of real nodes: libp2p channels between room keys, real media between each pair."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from onmeet_node.calls.options import CallOptions
from onmeet_node.events import RoomInvited, RoomOver
from onmeet_node.net.channels.channel import Channel
from onmeet_node.node.node import Node
from onmeet_node.protocol.wire.messages import Kind
from onmeet_node.rooms import conference as conferences
from onmeet_node.rooms.conference import Conference
from onmeet_node.rooms.errors import BadRoomCode, NoSuchRoom
from onmeet_node.rooms.options import RoomOptions
from onmeet_node.rooms.views import RoomView, SeatView
from tests.node.conftest import befriend

pytestmark = pytest.mark.real

SECONDS = 40.0
SOUND = frozenset({Kind.AUDIO})


def presence(name: str, kinds: frozenset[Kind] = SOUND, **more: Any) -> RoomOptions:
    """Comes with the test tone: pictures of so many in one process are too much for it."""
    return RoomOptions(name=name, kinds=kinds, wish=CallOptions(source="test"), **more)


async def until(conference: Conference, holds: Callable[[RoomView], bool]) -> RoomView:
    """Waits until the room looks so; says how it looks if it does not."""
    deadline = trio.current_time() + SECONDS
    while not holds(shown := conference.describe()):
        assert trio.current_time() < deadline, str(shown)
        with trio.move_on_after(0.5):
            await conference.changed()
    return shown


def whole(names: set[str]) -> Callable[[RoomView], bool]:
    """All of these are in, and media flows both ways with each; and the room has its string."""
    return lambda shown: (
        {p.name for p in shown.people} == names
        and all(p.here and p.media and p.seen for p in shown.people)
        and shown.string is not None
    )


async def invited(node: Node) -> None:
    """Waits until somebody asked this node into a room."""
    with node.watch() as events, trio.fail_after(SECONDS):
        if not node.rooms.list().invitations:
            async for event in events:
                if isinstance(event, RoomInvited):
                    break


async def meeting(
    start: Callable[..., Awaitable[Node]], *names: str
) -> dict[str, tuple[Node, Conference]]:
    """Nodes of these people in one room, whose host, the first, knows all others."""
    nodes = {name: await start(name) for name in names}
    host = nodes[names[0]]
    rooms = {names[0]: await host.rooms.create("Tuesday", presence(names[0]))}
    for name in names[1:]:
        await befriend(host, nodes[name])
        assert await host.rooms.invite(rooms[names[0]], nodes[name].identity)
        await invited(nodes[name])
        rooms[name] = await nodes[name].rooms.join("", presence(name))
    for conference in rooms.values():
        await until(conference, whole(set(names)))
    return {name: (nodes[name], rooms[name]) for name in names}


async def test_four_people_see_and_hear_each_other(start: Any) -> None:
    people = await meeting(start, "ada", "ben", "cleo", "dora")
    shown = [conference.describe() for _, conference in people.values()]
    assert len({room.string for room in shown}) == 1
    assert len({room.version for room in shown}) == 1
    for _, conference in people.values():
        with trio.fail_after(SECONDS):
            for call in conference.calls:
                decoded = 0
                while decoded < 5:
                    stats = await call.stats()
                    decoded = min(s.frames_decoded for s in stats.streams)
                    await trio.sleep(0.1)
    for node, _ in people.values():
        assert not node.history.list(10), "nothing of a room is written down"


async def test_a_host_that_leaves_and_who_carries_on(start: Any) -> None:
    people = await meeting(start, "ada", "ben", "cleo")
    (_, hers), (_, bens), (_, cleos) = people.values()
    kept = {call.id for call in bens.calls if call.peer == cleos.me}
    hers.leave()
    for conference in (bens, cleos):
        await until(conference, whole({"ben", "cleo"}))
    assert bens.room.is_host
    assert {call.id for call in bens.calls} == kept, "their call went on"


async def test_who_says_something_learns_who_may_not_have_it(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await meeting(start, "ada", "ben")
    (_, hers), (_, bens) = people.values()
    monkeypatch.setattr(conferences, "SAID_SECONDS", 0.2)

    async def hangs(_: Channel) -> bool:
        await trio.sleep_forever()
        raise AssertionError

    monkeypatch.setattr(Channel, "flush", hangs)
    assert await hers.say("hello?") == (bens.me,)
    monkeypatch.setattr(hers._channels, "devices", lambda _: ())  # ben's line is cut
    assert await hers.say("hello?", bens.me) == (bens.me,)


async def test_muting_saying_and_sending_out(start: Any) -> None:
    people = await meeting(start, "ada", "ben")
    (ada, hers), (ben, bens) = people.values()
    with ben.watch() as heard:
        assert await hers.say("hello all") == ()
        hers.act(lambda room, now: room.ask_mute(bens.me, now=now))
        hers.act(lambda room, now: room.raise_hand(up=True, now=now))
        names = []
        with trio.fail_after(SECONDS):
            while not {"room-chat", "room-mute-asked", "room-seen"} <= set(names):
                names.append((await heard.receive()).name)
        await bens.mute(Kind.AUDIO, muted=True)
        await until(hers, lambda s: any(p.muted for p in s.people if not p.me))
        hers.act(lambda room, now: room.remove(bens.me, now=now))
        with trio.fail_after(SECONDS):
            while not isinstance(event := await heard.receive(), RoomOver):
                pass
    assert event.reason == "removed"
    assert not ben.rooms.list().rooms
    await until(hers, whole({"ada"}))
    assert not hers.calls
    del ada


async def test_a_room_code_leads_to_the_meeting_that_is_on(start: Any) -> None:
    ada, ben = await start("ada"), await start("ben")
    code = ada.rooms.code("Tuesday team")
    await ada.published()
    with pytest.raises(NoSuchRoom):
        await ben.rooms.join_code(code, presence("ben"))
    hers = await ada.rooms.create("Tuesday team", presence("ada"), standing=True)
    bens = await ben.rooms.join_code(code, presence("ben", frozenset({Kind.AUDIO})))
    await until(bens, whole({"ada", "ben"}))
    assert hers.id == bens.id
    assert ada.rooms.code("Tuesday team") == code
    with pytest.raises(BadRoomCode):
        ben.rooms._codes.read("onmeet-room:zz")


async def test_recordings_of_a_room(start: Any, tmp_path: Path) -> None:
    ada, ben = await start("ada"), await start("ben")
    await befriend(ada, ben)
    kept = tmp_path / "kept"
    kept.mkdir()
    hers = await ada.rooms.create("Notes", presence("ada", record=kept))
    await ada.rooms.invite(hers, ben.identity)
    await invited(ben)
    bens = await ben.rooms.join("Notes", presence("ben"))
    await until(bens, whole({"ada", "ben"}))
    await trio.sleep(1.5)
    bens.leave()
    with trio.fail_after(SECONDS):
        files: list[Path] = []
        while not files:
            files = [f for f in kept.iterdir() if f.stat().st_size > 10_000]
            await trio.sleep(0.1)
    assert files[0].name.startswith("ben-")


async def test_contacts_see_each_others_cards_and_strangers_do_not(start: Any) -> None:
    """P4 in a room: each card as far as its owner shares it with that kind of participant."""
    nodes = {name: await start(name) for name in ("ada", "ben", "cleo")}
    ada, ben, cleo = nodes.values()
    for other in (ben, cleo):
        await befriend(ada, other)
    for node, phone in ((ada, "+1 555 0100"), (ben, "+49 30 5550")):
        node.people.change_profile(
            {"phone": phone, "email": "me@example.org"},
            {"phone": "contacts", "email": "nobody", "name": "everyone"},
        )
    hers = await ada.rooms.create("Cards", presence("ada"))
    rooms = {"ada": hers}
    for name, node in (("ben", ben), ("cleo", cleo)):
        assert await ada.rooms.invite(hers, node.identity)
        await invited(node)
        rooms[name] = await node.rooms.join("", presence(name))

    def seen(of: str, by: str) -> SeatView:
        (seat,) = [p for p in rooms[by].describe().people if p.key == rooms[of].me]
        return seat

    def shows_phone(of: str, by: str) -> bool:
        people = rooms[by].describe().people
        return any(p.key == rooms[of].me and "phone" in p.card for p in people)

    await until(rooms["ben"], lambda _: shows_phone("ada", "ben"))
    await until(hers, lambda _: shows_phone("ben", "ada"))
    await until(rooms["cleo"], whole(set(nodes)))
    assert seen("ada", "ben").identity == ada.identity
    assert "email" not in seen("ada", "ben").card
    assert seen("ben", "cleo").identity is None, "they are no contacts"
    assert seen("ben", "cleo").card == {"name": "ben"}

    with cleo.watch() as heard:
        rooms["cleo"].refuse(rooms["ben"].me)
        await rooms["ben"].say("only for you", rooms["cleo"].me)
        assert await rooms["ben"].say("for all") == ()
        with trio.fail_after(SECONDS):
            async for event in heard:
                if event.name == "room-chat":
                    break
        assert event.as_json()["text"] == "for all", "the private line was dropped"
    assert not seen("cleo", "ben").hidden, "who is refused is not told"
