"""Everybody in a room as one of them knows them, and who opens to whom: what the machine knows."""

from __future__ import annotations

from dataclasses import dataclass, field

from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.effects import Effect, RoomEnd
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.room import PictureSize, Role, Roster, RosterBody, Seat


@dataclass(slots=True)
class Other:
    """What is known of somebody else in the room, beside their seat."""

    up: bool = False
    """A channel is open."""
    lost_at: float | None = None
    """Since when there is none."""
    was_lost: bool = False
    """The channel was lost since we are host: they may have been in another half of the room."""
    try_at: float | None = None
    pause: float = timing.RETRY
    calling: bool = False
    """The call with them was begun, by either side."""
    ring_at: float | None = None
    media: bool = False
    """Their media reaches us."""
    here: w.Here = field(default_factory=w.Here)
    told: w.Here | None = None
    """What we told them last."""
    door_told: tuple[w.Waiting, ...] = ()
    """Who waits at the door, as we told them last."""
    blind_since: float | None = None
    blind_told: bool = False
    asked: list[float] = field(default_factory=list)
    device: str = ""
    """libp2p PeerId at the other end of the channel; empty for a guest."""
    shown: PictureSize = PictureSize.SMALL
    """How large they show our picture."""
    looks: PictureSize = PictureSize.SMALL
    """How large we show theirs."""
    stray_until: float | None = None
    """They have no seat that we know of: time for them to show a roster with one, or to knock."""


@dataclass(slots=True)
class Knocker:
    """Somebody at the door."""

    seat: Seat
    until: float


class Members:
    """What one machine knows of everybody, and what is to be done, in order (`out`)."""

    def __init__(
        self, key: IdentityKey, room: bytes, *, now: float, as_guest: bool = False
    ) -> None:
        self.me = Key(key.public)
        self.as_guest = as_guest
        """We have no address: others carry our channels, which we open ourselves."""
        self.id = room
        self.over: RoomEnd | None = None
        self.roster: RosterBody | None = None
        """Who is in, as far as we know; None until we are let in."""
        self.hand = False
        self.key = key
        self.now = now
        self.signed: Roster | None = None
        self.others: dict[Key, Other] = {}
        self.departed: dict[Key, tuple[Seat, float]] = {}
        self.hinted_hosts: dict[Key, Seat] = {}
        """Hosts of other halves, of whom others told us: to be asked, never taken at their word."""
        self.knocks: dict[Key, Knocker] = {}
        self.at_door: dict[Key, str] = {}
        """Who knocks, as the host tells its co-hosts."""
        self.knock: w.RoomKnock | None = None
        self.door: Seat | None = None
        self.knock_until: float | None = None
        self.host_lost_at: float | None = None
        self.out: list[Effect] = []

    @property
    def role(self) -> Role | None:
        """Ours; None while we are not in."""
        seat = rosters.seat_of(self.roster, self.me) if self.roster else None
        return seat.role if seat else None

    @property
    def is_host(self) -> bool:
        """Whether we keep the roster."""
        return self.roster is not None and self.roster.host == self.me

    def other(self, key: bytes) -> Other | None:
        """What is known of somebody besides their seat."""
        return self.others.get(Key(key))

    def seated(self, key: bytes) -> bool:
        """Whether they are in, as far as we know."""
        return self.roster is not None and rosters.seat_of(self.roster, key) is not None

    # ── for the other parts of the machine ──────────────────────────────────────────────────────
    def emit(self, effect: Effect) -> None:
        """To be done, after what is to be done already."""
        self.out.append(effect)

    def obtain(self, key: Key) -> Other:
        """What is known of somebody, from now on at least."""
        return self.others.setdefault(key, Other())

    def up(self, key: bytes) -> bool:
        """Whether a channel with them is open."""
        other = self.others.get(Key(key))
        return other is not None and other.up

    def connected(self) -> list[Key]:
        """Everybody else in the room with whom a channel is open."""
        if self.roster is None:
            return []
        return [Key(s.key) for s in self.roster.seats if s.key != self.me and self.up(s.key)]

    def wanted(self, key: Key) -> bool:
        """Whether there is a reason and a way to open a channel to them."""
        return self.seat_to_open(key) is not None

    def seat_to_open(self, key: Key) -> Seat | None:
        """Where to open a channel to, if there is a reason and a way."""
        roster = self.roster
        if roster is None:
            return self.door if self.door is not None and key == self.door.key else None
        seat = rosters.seat_of(roster, key)
        if seat is None:
            former = self.departed.get(key)
            seat = former[0] if former is not None else self.hinted_hosts.get(key)
        if seat is None or (not seat.device and not self.as_guest):
            return None
        if not seat.device and not self.is_caller(key):
            return None  # of two guests who came later opens
        return seat

    def opens_at(self, key: Key) -> float:
        """When to open a channel first: who came later does, the other only if that did not work
        (as when both go by different rosters after a split).
        """
        ours = self.as_guest or self.is_caller(key)
        return self.now + (0.0 if ours else timing.STANDBY)

    def is_caller(self, key: Key) -> bool:
        """Whether the call with this seat is ours to begin: who came later offers."""
        if self.roster is None:
            return False
        mine, seat = rosters.seat_of(self.roster, self.me), rosters.seat_of(self.roster, key)
        return mine is not None and seat is not None and mine.order > seat.order

    def plan_calls(self) -> None:
        """Rings those who were there before us, once each; all at the same time."""
        roster = self.roster
        mine = rosters.seat_of(roster, self.me) if roster else None
        if roster is None or mine is None or self.over is not None:
            return
        for seat in roster.seats:
            other = self.others.get(Key(seat.key))
            if other is None:
                continue
            if other.calling or seat.order >= mine.order:
                other.ring_at = None
                continue
            if not other.up:
                continue
            if other.ring_at is not None and self.now < other.ring_at:
                continue
            other.ring_at = None
            other.calling = True
            self.emit(do.RingMember(Key(seat.key)))

    def forget_departed(self) -> None:
        """Drops those who were given up too long ago to come back without a word."""
        for key, (_, until) in list(self.departed.items()):
            if self.now >= until:
                del self.departed[key]
                if not self.seated(key):
                    self.others.pop(key, None)

    def finish(self, reason: RoomEnd) -> None:
        """It is over for us."""
        if self.over is not None:
            return
        self.over = reason
        for key, other in self.others.items():
            if other.calling or other.media:
                self.emit(do.HangUpWith(key))

    def turn_away(self, key: Key, reason: m.DenyReason) -> None:
        """Sends somebody away from the door."""
        if self.knocks.pop(key, None) is not None:
            self.emit(do.KnockGone(key))
        self.emit(do.SendInRoom(key, m.Deny(reason=reason)))
        if not self.seated(key):
            self.emit(do.Close(key))
