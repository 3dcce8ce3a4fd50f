"""One room among a few machines: what a host, a co-host and a member can do, and cannot."""

from __future__ import annotations

import attrs
import pytest

from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.room.errors import NotAllowed, NotInRoom
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.room import MAX_SEATS, MAX_VIDEO_SEATS, Role
from tests.protocol.room.world import World, key_of


def names(world: World, of: str) -> list[str]:
    """Who is in, as somebody sees it."""
    roster = world.machines[of].roster
    assert roster is not None
    return sorted(seat.name for seat in roster.seats)


def meeting(*people: str, seed: int = 0) -> World:
    """The first is the host; all are in and see each other."""
    world = World(seed)
    world.create(people[0])
    for name in people[1:]:
        world.join(name, people[0])
        world.run(2)
    world.run(8)
    for name in people:
        assert names(world, name) == sorted(people)
    assert len(world.calls) == len(people) * (len(people) - 1) // 2
    return world


def test_whoever_is_invited_is_let_in_and_rings_those_who_are_there() -> None:
    world = meeting("a", "b", "c", "d")
    assert not world.twice
    assert len(world.strings) == 1
    assert None not in world.strings
    for name in "abcd":
        others = [world.machines[name].other(key_of(o).public) for o in "abcd" if o != name]
        assert all(other is not None and other.media for other in others)


def test_without_an_invitation_one_knocks() -> None:
    world = meeting("a", "b")
    world.join("x", "a", invited=False)
    world.run(1)
    assert names(world, "a") == ["a", "b"]
    host = world.machines["a"]
    assert list(host.knocks.values()) == ["x"]
    world.do("a", lambda room: room.admit(key_of("x").public, now=world.now))
    world.run(5)
    assert names(world, "x") == ["a", "b", "x"]


def test_who_is_denied_learns_it() -> None:
    world = meeting("a", "b")
    room = world.join("x", "a", invited=False)
    world.run(1)
    world.do("a", lambda r: r.deny(key_of("x").public, now=world.now))
    world.run(1)
    assert room.over is RoomEnd.DENIED


def test_who_was_removed_must_be_admitted_again() -> None:
    world = meeting("a", "b", "c")
    world.do("a", lambda room: room.remove(key_of("c").public, now=world.now))
    world.run(2)
    assert world.machines["c"].over is RoomEnd.REMOVED
    assert names(world, "b") == ["a", "b"]
    assert len(world.calls) == 1
    world.crash("c")
    # the same person with a new key and the invitation of before
    again = world.join("c2", "a", as_before="c")
    world.run(5)
    assert again.roster is None
    assert names(world, "a") == ["a", "b"]
    world.do("a", lambda room: room.admit(key_of("c2").public, now=world.now))
    world.run(5)
    assert names(world, "b") == ["a", "b", "c2"]


def test_the_host_leaves_and_a_co_host_carries_on() -> None:
    world = meeting("a", "b", "c", "d")
    world.do("a", lambda room: room.promote(key_of("c").public, co_host=True, now=world.now))
    world.run(2)
    calls = {pair for pair in world.calls if "a" not in pair}
    world.do("a", lambda room: room.leave(now=world.now))
    world.run(5)
    assert world.machines["c"].is_host
    assert all(names(world, name) == ["b", "c", "d"] for name in "bcd")
    assert {pair for pair in world.calls if "a" not in pair} == calls, "no call was begun anew"
    assert not world.twice


def test_the_host_dies_and_the_first_in_the_order_carries_on() -> None:
    world = meeting("a", "b", "c", "d")
    calls = {pair for pair in world.calls if "a" not in pair}
    world.crash("a")
    world.run(4)
    assert world.machines["b"].is_host
    for name in "bcd":
        roster = world.machines[name].roster
        assert roster is not None
        assert roster.host == key_of("b").public
    assert set(world.calls) == calls
    world.run(60)
    assert all(names(world, name) == ["b", "c", "d"] for name in "bcd")
    room = world.join("x", "b", invited=False)
    world.run(1)
    world.do("b", lambda r: r.admit(key_of("x").public, now=world.now))
    world.run(5)
    assert room.roster is not None
    assert names(world, "d") == ["b", "c", "d", "x"]


def test_two_halves_become_one_room_again() -> None:
    world = meeting("a", "b", "c", "d")
    world.split({"a": 0, "b": 0, "c": 1, "d": 1})
    world.run(10)
    assert world.machines["c"].is_host
    world.groups["x"] = 1
    world.join("x", "c", invited=False)
    world.run(1)
    world.do("c", lambda room: room.admit(key_of("x").public, now=world.now))
    world.run(100)
    assert names(world, "c") == ["c", "d", "x"]
    assert names(world, "a") == ["a", "b"]
    world.heal()
    world.run(60)
    assert all(names(world, name) == ["a", "b", "c", "d", "x"] for name in "abcdx")
    assert world.machines["a"].is_host
    assert len(world.calls) == 10
    assert not world.twice


def test_a_channel_that_broke_gives_no_second_tile() -> None:
    world = meeting("a", "b", "c")
    for _ in range(5):
        world.cut("a", "c")
        world.cut("b", "c")
        world.run(8)
    assert names(world, "b") == ["a", "b", "c"]
    assert not world.twice


def test_a_locked_room_lets_nobody_in() -> None:
    world = meeting("a", "b")
    world.do("a", lambda room: room.lock(locked=True, now=world.now))
    room = world.join("x", "a")
    world.run(3)
    assert room.over is RoomEnd.LOCKED


def test_a_co_host_asks_the_host_and_a_member_may_not() -> None:
    world = meeting("a", "b", "c")
    with pytest.raises(NotAllowed):
        world.machines["b"].lock(locked=True, now=world.now)
    world.do("a", lambda room: room.promote(key_of("b").public, co_host=True, now=world.now))
    world.run(1)
    world.do("b", lambda room: room.lock(locked=True, now=world.now))
    world.do("b", lambda room: room.remove(key_of("c").public, now=world.now))
    world.run(3)
    assert world.machines["a"].roster is not None
    assert world.machines["a"].roster.locked
    assert world.machines["c"].over is RoomEnd.REMOVED
    with pytest.raises(NotInRoom):
        world.machines["b"].ask_mute(key_of("c").public, now=world.now)


def test_a_member_who_asks_all_the_same_is_not_heard() -> None:
    world = meeting("a", "b", "c")
    sender = world.machines["b"].me
    request = w.RoomRequest(act=w.RoomAct.REMOVE, seat=key_of("c").public)
    world.do("a", lambda room: room.received(sender, request, now=world.now))
    mute = w.RoomRequest(act=w.RoomAct.MUTE, seat=key_of("c").public)
    world.do("c", lambda room: room.received(sender, mute, now=world.now))
    world.run(2)
    assert names(world, "a") == ["a", "b", "c"]
    assert not any(isinstance(effect, do.AskedToMute) for effect in world.effects["c"])


def test_forged_and_old_rosters_change_nothing() -> None:
    world = meeting("a", "b", "c")
    victim, host, liar = (world.machines[n] for n in "cab")
    roster = victim.roster
    assert roster is not None
    # its own signature under another's name; its own claim while the host lives; an old one
    body = attrs.evolve(roster, version=roster.version + 5, locked=True)
    forged = rosters.sign(body, host.me, key_of("b").sign)
    pushed = rosters.sign(
        rosters.handed_to(roster, liar.me, 9, leaving=False, claim=True), liar.me, key_of("b").sign
    )
    old = rosters.sign(attrs.evolve(roster, version=0), host.me, key_of("a").sign)
    claimed = rosters.sign(
        rosters.with_role(roster, liar.me, Role.CO_HOST), liar.me, key_of("b").sign
    )
    for message in (forged, pushed, old, claimed):
        world.do("c", lambda room, m=message: room.received(liar.me, m, now=world.now))
        world.run(3)
        assert victim.roster is not None
        assert victim.roster.host == host.me
        assert not victim.roster.locked
    world.run(10)
    assert names(world, "c") == ["a", "b", "c"]


def test_a_host_that_tells_two_people_two_things_is_found_out() -> None:
    world = meeting("a", "b", "c")
    host = world.machines["a"]
    assert host.roster is not None
    for name, title in (("b", "one"), ("c", "two")):
        body = rosters.changed(host.roster, title=title)
        signed = rosters.sign(body, host.me, key_of("a").sign)
        world.do(name, lambda room, s=signed: room.received(host.me, s, now=world.now))
    world.run(3)
    lies = [e for name in "bc" for e in world.effects[name] if isinstance(e, do.RosterMismatch)]
    assert {lie.host for lie in lies} == {host.me}


def test_knocking_twice_and_in_floods_opens_one_seat() -> None:
    world = meeting("a", "b")
    host = world.machines["a"]
    room = world.join("x", "a")
    world.run(2)
    knock = w.RoomKnock(room=host.id, name="x")
    for _ in range(50):
        world.do("a", lambda r: r.received(room.me, knock, now=world.now))
    world.run(2)
    assert names(world, "b") == ["a", "b", "x"]
    for n in range(60):
        world.join(f"flood{n}", "a", invited=False)
    world.run(5)
    assert len(host.knocks) <= 32


def test_the_same_invitation_again_takes_the_place_of_before() -> None:
    """Somebody whose program was started again has one tile."""
    world = meeting("a", "b")
    world.crash("b")
    world.join("b2", "a", as_before="b")
    world.run(8)
    assert names(world, "a") == ["a", "b2"]


def test_media_that_flows_one_way_is_told_to_both() -> None:
    world = meeting("a", "b", "c")
    key = world.machines["c"].me
    world.do("b", lambda room: room.media(key, up=False, now=world.now))
    world.run(12)
    for name, other in (("b", "c"), ("c", "b")):
        told = [e for e in world.effects[name] if isinstance(e, do.OneWayMedia)]
        assert [effect.b for effect in told] == [key_of(other).public]
    assert not any(isinstance(e, do.OneWayMedia) for e in world.effects["a"])
    world.do("b", lambda room: room.media(key, up=True, now=world.now))
    world.run(1)
    for name in "bc":
        assert any(isinstance(e, do.MediaRestored) for e in world.effects[name])


def test_more_people_than_fit_are_refused() -> None:
    world = World()
    world.create("a")
    for n in range(MAX_VIDEO_SEATS - 1):
        world.join(f"v{n}", "a")
        world.run(3)
    late = world.join("late", "a", invited=False)
    world.run(2)
    assert late.over is RoomEnd.FULL
    for n in range(MAX_SEATS - MAX_VIDEO_SEATS):
        world.join(f"s{n}", "a", video=False)
        world.run(3)
    assert len(names(world, "a")) == MAX_SEATS
    last = world.join("last", "a", invited=False, video=False)
    world.run(2)
    assert last.over is RoomEnd.FULL


def test_the_end_for_all() -> None:
    world = meeting("a", "b", "c")
    world.do("a", lambda room: room.end(now=world.now))
    world.run(2)
    assert {room.over for room in world.machines.values()} == {RoomEnd.ENDED}
    assert not world.calls


def test_the_last_one_leaves_and_nothing_is_left() -> None:
    world = meeting("a", "b")
    world.do("a", lambda room: room.leave(now=world.now))
    world.run(3)
    assert world.machines["b"].is_host
    world.do("b", lambda room: room.leave(now=world.now))
    world.run(1)
    assert {room.over for room in world.machines.values()} == {RoomEnd.LEFT}
    assert all(room.next_timeout is None for room in world.machines.values())


def test_a_co_host_sees_who_knocks_and_lets_them_in() -> None:
    world = meeting("a", "b", "c")
    world.do("a", lambda room: room.promote(key_of("b").public, co_host=True, now=world.now))
    world.run(2)
    world.join("x", "a", invited=False)
    world.run(2)
    assert list(world.machines["b"].knocks.values()) == ["x"]
    assert not world.machines["c"].knocks
    world.do("b", lambda room: room.admit(key_of("x").public, now=world.now))
    world.run(5)
    assert names(world, "x") == ["a", "b", "c", "x"]
    assert not world.machines["b"].knocks
