"""Whatever happens to a room's people and their network: who is connected agrees in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.room.errors import RoomError
from onmeet_node.protocol.wire.room import Role
from tests.examples import FULL, examples
from tests.protocol.room.page import UI, Pages, build
from tests.protocol.room.world import World, key_of
from tests.requirements import need

PEOPLE = "abcdef"
# With FULL: other cases at every run, and more. Of the wildest (25 splits, crashes and removals in
# a minute) one or two in a thousand still leave somebody alone in a room of their own.


@dataclass(frozen=True)
class Split:
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Crash:
    who: int


@dataclass(frozen=True)
class Leave:
    who: int


@dataclass(frozen=True)
class Remove:
    by: int
    who: int


@dataclass(frozen=True)
class Promote:
    by: int
    who: int


@dataclass(frozen=True)
class Cut:
    a: int
    b: int


@dataclass(frozen=True)
class Run:
    seconds: float


@dataclass(frozen=True)
class Heal:
    pass


WHO = st.integers(0, len(PEOPLE) - 1)
ACTIONS = st.one_of(
    st.builds(Split, st.tuples(*[st.integers(0, 2)] * len(PEOPLE))),
    st.builds(Heal),
    st.builds(Crash, WHO),
    st.builds(Leave, WHO),
    st.builds(Remove, WHO, WHO),
    st.builds(Promote, WHO, WHO),
    st.builds(Cut, WHO, WHO),
    st.builds(Run, st.sampled_from((0.1, 1.0, 3.0, 12.0, 60.0))),
)


def act(world: World, action: object) -> None:
    """Does one of these, if it can be done."""

    def there(n: int) -> str | None:
        name = PEOPLE[n]
        room = world.machines.get(name)
        return name if room is not None and room.over is None else None

    match action:
        case Split(groups=groups):
            world.split({n: g for n, g in zip(PEOPLE, groups, strict=True) if n in world.groups})
        case Heal():
            world.heal()
        case Crash(who=who):
            if name := there(who):
                world.crash(name)
        case Leave(who=who):
            if name := there(who):
                world.do(name, lambda room: room.leave(now=world.now))
        case Remove(by=by, who=who) | Promote(by=by, who=who) if by != who:
            name, key = there(by), key_of(PEOPLE[who]).public
            if name is None or world.machines[name].role not in {Role.HOST, Role.CO_HOST}:
                return
            try:
                if isinstance(action, Remove):
                    other = world.machines[name].other(key)
                    there_now = other is not None and other.up
                    world.do(name, lambda room: room.remove(key, now=world.now))
                    if there_now and world.machines[name].is_host:
                        world.sent_out.add(PEOPLE[who])
                else:
                    world.do(name, lambda room: room.promote(key, co_host=True, now=world.now))
            except RoomError:
                pass
        case Cut(a=a, b=b) if a != b:
            world.cut(PEOPLE[a], PEOPLE[b])
        case Run(seconds=seconds):
            world.run(seconds)
        case _:
            pass


def check(world: World) -> None:
    """After all is healed and quiet."""
    inside = {
        name: room
        for name, room in world.machines.items()
        if room.over is None and room.roster is not None
    }
    event(f"{len(inside)} are in at the end")
    said = {name: [s.name for s in room.roster.seats] for name, room in inside.items()}  # type: ignore[union-attr]
    for name, room in inside.items():
        assert room.roster is not None
        assert sorted(said[name]) == sorted(inside), said
    assert len({room.roster.host for room in inside.values() if room.roster}) <= 1
    assert len({room.digest for room in inside.values()}) <= 1
    strings = {room.string for room in inside.values()}
    assert len(strings) == min(len(inside), 1)
    assert None not in strings
    for name in inside:
        heard = any(room.me in world.heard[other] for other in inside if other != name)
        assert not (heard and name in world.sent_out), f"{name} was sent out, and is in"
    pairs = {frozenset((a, b)) for a in inside for b in inside if a != b}
    assert set(world.calls) == pairs
    assert not world.twice
    for a in inside:
        for b in inside:
            other = world.machines[a].other(key_of(b).public)
            assert a == b or (other is not None and other.media)
    assert not any(room.over is RoomEnd.DENIED for room in world.machines.values())


HISTORIES = given(
    st.integers(3, len(PEOPLE)),
    st.integers(0, 2**32),
    st.booleans(),
    st.integers(0, 2),
    st.lists(ACTIONS, max_size=10),
)


def converges(
    world: World, people: int, guests: int, actions: list[object], *, at_once: bool
) -> None:
    """The last of the people are guests, whom others carry."""
    world.create("a")
    for name in PEOPLE[1:people]:
        guest = name in PEOPLE[max(1, people - guests) : people]
        world.join(name, "a", invited=not guest, guest=guest)
        if not at_once:
            world.run(2)
    world.run(5 if not at_once else 0.5)
    for action in actions:
        act(world, action)
    world.run(3)
    world.heal()
    world.run(400)
    check(world)


@settings(
    max_examples=examples(150, full=1_000),
    derandomize=not FULL,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@HISTORIES
def test_everybody_who_is_connected_agrees(
    people: int, seed: int, at_once: bool, guests: int, actions: list[object]
) -> None:
    converges(World(seed), people, guests, actions, at_once=at_once)


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    """Machines of the guest page."""
    if not (UI / "node_modules").exists():
        need("the page's packages are not installed (make ui, with Node.js 20)")
    build()
    with Pages() as running:
        yield running


@pytest.mark.real
@settings(
    max_examples=examples(40, full=400),
    derandomize=not FULL,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@HISTORIES
def test_guests_with_a_page_agree_with_everybody(
    pages: Pages, people: int, seed: int, at_once: bool, guests: int, actions: list[object]
) -> None:
    """The page's machine, in its own language, among the node's."""
    converges(World(seed, pages), people, max(1, guests), actions, at_once=at_once)
