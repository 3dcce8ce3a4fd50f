"""Rooms over a network in memory that delays, breaks channels, splits and heals: no clock."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room.effects import Effect
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.phases import Phase, may_become
from onmeet_node.protocol.wire.room import RoomKnock, Seat
from tests.protocol.room.page import Pages

ROOM = b"r" * 16


def key_of(name: str) -> IdentityKey:
    """The same key for the same name."""
    return IdentityKey(name.encode().ljust(32, b"."))


@dataclass
class Channel:
    """An open channel: in order, and lossless until it breaks."""

    ends: tuple[str, str]
    open: bool = True
    arrives: dict[str, float] = field(default_factory=dict)


class World:
    """Machines by name. Everything random comes from `seed`."""

    def __init__(self, seed: int = 0, pages: Pages | None = None) -> None:
        """`pages`: whose machines the guests are; None: of nodes."""
        self.now = 0.0
        self._pages = pages
        self.machines: dict[str, Room] = {}
        self.phases: dict[str, Phase] = {}
        self.doors: dict[str, str] = {}
        """Guests, and at whose door each is."""
        self.groups: dict[str, int] = {}
        self.effects: dict[str, list[Effect]] = {}
        self.calls: dict[frozenset[str], bool] = {}
        self.twice: list[tuple[str, str]] = []
        self.sent_out: set[str] = set()
        """Who was sent out while they were there."""
        self.heard: dict[str, set[bytes]] = {}
        """Of whom each has heard that they were sent out."""
        self._random = random.Random(seed)
        self._channels: dict[frozenset[str], Channel] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._names: dict[bytes, str] = {}

    @property
    def strings(self) -> set[str | None]:
        """The room's authentication string, as each sees it."""
        return {room.string for room in self.machines.values()}

    # ── people ──────────────────────────────────────────────────────────────────────────────────
    def create(self, name: str, *, knock: bool = False) -> Room:
        """A room with its host."""
        room = Room.create(key_of(name), ROOM, self.seat(name), now=self.now, knock=knock)
        self._add(name, room)
        return room

    def join(
        self,
        name: str,
        host: str,
        *,
        invited: bool = True,
        as_before: str | None = None,
        video: bool = True,
        guest: bool = False,
    ) -> Room:
        """Somebody knocks at a host's door, with an invitation of their own or (`as_before`) with
        the one that somebody had."""
        token = None
        if as_before is not None:
            token = as_before.encode().ljust(16, b"!")
        elif invited:
            token = name.encode().ljust(16, b"!")
            self.machines[host].invite(token)
        if guest:
            self.doors[name] = host
        knock = RoomKnock(room=ROOM, name=name, token=token, video=video)
        if guest and self._pages is not None:
            me = key_of(name).public
            room, effects = self._pages.join(me, self.seat(host), knock, now=self.now)
        else:
            room, effects = Room.join(
                key_of(name), self.seat(host), knock, now=self.now, as_guest=guest
            )
        self._add(name, room)
        self._perform(name, effects)
        return room

    def seat(self, name: str) -> Seat:
        """How somebody is found."""
        device = "" if name in self.doors else name
        return Seat(key=key_of(name).public, order=0, name=name, device=device)

    def _add(self, name: str, room: Room) -> None:
        self.machines[name] = room
        self.phases[name] = room.phase
        self.groups.setdefault(name, 0)
        self.effects[name] = []
        self.heard[name] = set()
        self._names[room.me] = name

    def do(self, name: str, act: Callable[[Room], list[Effect]]) -> None:
        """Somebody does something."""
        self._perform(name, act(self.machines[name]))

    def crash(self, name: str) -> None:
        """Gone without a word."""
        del self.machines[name]
        for pair in [pair for pair in self._channels if name in pair]:
            self._break(pair)
        for pair in [pair for pair in self.calls if name in pair]:
            self._end_call(pair, name)

    def split(self, groups: dict[str, int]) -> None:
        """Only those of one group reach each other from now on."""
        self.groups.update(groups)
        for pair in list(self._channels):
            if not self._reach(*pair):
                self._break(pair)
        for pair in list(self.calls):
            if not self._reach(*pair):
                self._end_call(pair, None)

    def heal(self) -> None:
        """Everybody reaches everybody."""
        self.groups = dict.fromkeys(self.groups, 0)

    def cut(self, a: str, b: str) -> None:
        """One channel breaks; it can be opened again."""
        pair = frozenset((a, b))
        if pair in self._channels:
            self._break(pair)

    # ── time ────────────────────────────────────────────────────────────────────────────────────
    def run(self, seconds: float) -> None:
        """Lets everything happen that is due in this time."""
        until = self.now + seconds
        woken, last = 0, ("", -1.0)
        for _ in range(60_000):
            due = [
                (at, name)
                for name, machine in self.machines.items()
                if (at := machine.next_timeout) is not None
            ]
            tick = min(due, default=(float("inf"), ""))
            event = self._queue[0][0] if self._queue else float("inf")
            if min(tick[0], event) > until:
                break
            if event <= tick[0]:
                at, _, act = heapq.heappop(self._queue)
                self.now = max(self.now, at)
                act()
            else:
                self.now = max(self.now, tick[0])
                name = tick[1]
                self._perform(name, self.machines[name].tick(now=self.now))
                woken = woken + 1 if (name, self.now) == last else 0
                last = (name, self.now)
                assert woken < 20, f"{name} asks to be woken for nothing"
        else:
            raise AssertionError("it never comes to rest")
        self.now = until

    def _later(self, delay: float, act: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._queue, (self.now + delay, self._number, act))

    def _delay(self) -> float:
        return self._random.choice((0.0, 0.01, 0.05, 0.2, 0.6))

    # ── effects ─────────────────────────────────────────────────────────────────────────────────
    def _perform(self, name: str, effects: list[Effect]) -> None:
        before, after = self.phases[name], self.machines[name].phase
        assert may_become(before, after), f"{name}: from {before} to {after}"
        self.phases[name] = after
        self.effects[name] += effects
        for effect in effects:
            match effect:
                case do.SendInRoom(to=to, message=message):
                    self._send(name, self._names.get(to, ""), message)
                case do.Open(seat=seat):
                    self._open(name, self._names[seat.key])
                case do.KnockCame(key=key) if self._names[key] in self.doors:
                    self._later(1.0, lambda n=name, k=key: self._let_in(n, k))  # type: ignore[misc]
                case do.Close(key=key):
                    self._close(name, self._names.get(key, ""))
                case do.RingMember(key=key):
                    self._ring(name, self._names[key])
                case do.HangUpWith(key=key):
                    pair = frozenset((name, self._names[key]))
                    if pair in self.calls:
                        self._end_call(pair, name)
                case do.EndOfRoom():
                    for pair in [pair for pair in self._channels if name in pair]:
                        self._close(name, next(iter(pair - {name})))
                    for pair in [pair for pair in self.calls if name in pair]:
                        self._end_call(pair, name)
                case do.RosterChanged(roster=roster):
                    self.heard[name] |= set(roster.removed)
                case _:
                    pass

    def _let_in(self, name: str, key: bytes) -> None:
        if name in self.machines and key in self.machines[name].knocks:
            self._perform(name, self.machines[name].admit(key, now=self.now))

    def _carried(self, name: str, to: str) -> bool:
        """Whether there is a way from a guest: its door, its call, or through a member."""
        if name not in self.doors:
            return to not in self.doors  # nodes cannot open to guests
        if self.doors[name] == to or self.calls.get(frozenset((name, to))):
            return True
        return any(
            frozenset((name, via)) in self._channels and self._reach(via, to)
            for via in self.machines
            if via not in self.doors
        )

    def _reach(self, a: str, b: str) -> bool:
        there = all(n in self.machines and self.machines[n].over is None for n in (a, b))
        return there and self.groups[a] == self.groups[b]

    def _feed(self, name: str, act: Callable[[Room], list[Effect]]) -> None:
        if name in self.machines:
            self._perform(name, act(self.machines[name]))

    def _open(self, name: str, to: str) -> None:
        def arrive() -> None:
            pair = frozenset((name, to))
            if pair in self._channels:
                return
            if not self._reach(name, to) or not self._carried(name, to):
                key = key_of(to).public
                self._feed(name, lambda room: room.lost(key, now=self.now))
                return
            self._channels[pair] = Channel((name, to))
            for here, there in ((name, to), (to, name)):
                key, device = self.machines[there].me, "" if there in self.doors else there
                self._feed(here, lambda room, k=key, d=device: room.opened(k, d, now=self.now))

        self._later(self._delay(), arrive)

    def _close(self, name: str, to: str) -> None:
        """In order: what was sent before arrives."""
        pair = frozenset((name, to))
        channel = self._channels.get(pair)
        if channel is None:
            return

        def over() -> None:
            if self._channels.get(pair) is channel:
                self._break(pair)

        self._later(max(channel.arrives.get(to, 0.0) - self.now, 0.0), over)

    def _break(self, pair: frozenset[str]) -> None:
        channel = self._channels.pop(pair)
        channel.open = False
        for here, there in (channel.ends, channel.ends[::-1]):
            key = key_of(there).public

            def lose(here: str = here, key: bytes = key) -> None:
                if frozenset((here, self._names[key])) not in self._channels:
                    self._feed(here, lambda room: room.lost(key, now=self.now))

            self._later(self._delay(), lose)

    def _send(self, name: str, to: str, message: object) -> None:
        channel = self._channels.get(frozenset((name, to)))
        if channel is None:
            return
        at = max(channel.arrives.get(to, 0.0), self.now + self._delay())
        channel.arrives[to] = at
        key = self.machines[name].me

        def arrive() -> None:
            if channel.open:
                self._feed(to, lambda room: room.received(key, message, now=self.now))  # type: ignore[arg-type]

        self._later(at - self.now, arrive)

    def _ring(self, name: str, to: str, *, again: bool = False) -> None:
        pair = frozenset((name, to))
        if self.calls.get(pair):
            if not again:  # else both rang, by different rosters: glare leaves one (tests/call)
                self.twice.append((name, to))
            return
        if not self._reach(name, to):
            key = key_of(to).public

            def over() -> None:
                if not self.calls.get(pair):  # else theirs took its place meanwhile
                    self._feed(name, lambda room: room.call_over(key, now=self.now))

            self._later(1.0, over)
            return
        if not self.machines[to].seated(key_of(name).public):
            self._later(
                0.1, lambda: self._ring(name, to, again=True)
            )  # it rings until we know them
            return
        self.calls[pair] = True
        for here, there in ((name, to), (to, name)):
            key = self.machines[there].me
            if here == to:
                self._feed(here, lambda room, k=key: room.called(k, now=self.now))

            def up(here: str = here, key: bytes = key) -> None:
                if self.calls.get(pair):
                    self._feed(here, lambda room: room.media(key, up=True, now=self.now))

            self._later(self._delay() + 0.1, up)

    def _end_call(self, pair: frozenset[str], by: str | None) -> None:
        if not self.calls.pop(pair, False):
            return
        a, b = sorted(pair)
        for here, there in ((a, b), (b, a)):
            if here != by:
                key = key_of(there).public
                self._feed(here, lambda room, k=key: room.call_over(k, now=self.now))
