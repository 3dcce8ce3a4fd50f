"""One room as one of its people sees it: events and the time in, effects out (PROTOCOL, "Rooms").

The host keeps the roster; everybody else goes by the newest one it signed. Who loses the host waits
a moment and follows the first in the order of succession. Channels and media are between each pair;
this machine says when to open and to ring, and never repeats what is open.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import attrs

from onmeet_node.identity.keys import IdentityKey
from onmeet_node.room import effects as do
from onmeet_node.room import roster as rosters
from onmeet_node.room import timing
from onmeet_node.room.effects import Effect, RoomEnd
from onmeet_node.room.errors import BadRoster, NotAllowed, NotInRoom, RoomFull
from onmeet_node.room.roster import Key
from onmeet_node.wire import messages as m
from onmeet_node.wire import room as w
from onmeet_node.wire.messages import Message
from onmeet_node.wire.room import PictureSize, Role, Roster, RosterBody, Seat

GOVERN = frozenset({Role.HOST, Role.CO_HOST})


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


class Room:
    """Made by `create` or `join`. All methods take `now`: seconds that never go back."""

    def __init__(
        self, key: IdentityKey, room: bytes, *, now: float, as_guest: bool = False
    ) -> None:
        self.me = Key(key.public)
        self._as_guest = as_guest
        """We have no address: others carry our channels, which we open ourselves."""
        self.id = room
        self.over: RoomEnd | None = None
        self.roster: RosterBody | None = None
        """Who is in, as far as we know; None until we are let in."""
        self.hand = False
        self._key = key
        self._now = now
        self._signed: Roster | None = None
        self._others: dict[Key, Other] = {}
        self._former: dict[Key, tuple[Seat, float]] = {}
        self._knocks: dict[Key, Knocker] = {}
        self._at_door: dict[Key, str] = {}
        """Who knocks, as the host tells its co-hosts."""
        self._tokens: dict[bytes, Key | None] = {}
        """What lets somebody in who was invited, and whom it has let in."""
        self._claims: dict[Key, Roster] = {}
        """Rosters of others who would be host; of use when the host is lost."""
        self._knock: w.RoomKnock | None = None
        self._door: Seat | None = None
        self._knock_until: float | None = None
        self._host_lost_at: float | None = None
        self._told_end = False
        self._heritage: tuple[RosterBody, Roster] | None = None
        """The last word of the host before the one who claimed its place."""
        self._removed_away: set[Key] = set()
        self._leads: dict[Key, Seat] = {}
        """Hosts of other halves, of whom others told us: to be asked, never taken at their word."""
        self._top = 0
        """The greatest term that any roster named."""
        self._liars: set[Key] = set()
        self._out: list[Effect] = []

    @classmethod
    def create(
        cls,
        key: IdentityKey,
        room: bytes,
        seat: Seat,
        *,
        now: float,
        title: str = "",
        knock: bool = False,
    ) -> Room:
        """A new room with us alone in it, as its host. `knock`: whoever comes must be admitted."""
        self = cls(key, room, now=now)
        seat = attrs.evolve(seat, key=self.me, role=Role.HOST, order=0)
        self._publish(RosterBody(room=room, host=self.me, title=title, knock=knock, seats=(seat,)))
        self._out.clear()
        return self

    @classmethod
    def join(
        cls,
        key: IdentityKey,
        host: Seat,
        knock: w.RoomKnock,
        *,
        now: float,
        as_guest: bool = False,
    ) -> tuple[Room, list[Effect]]:
        """Asks to be let into `knock.room` by the host at this seat. `as_guest`: by a link."""
        self = cls(key, knock.room, now=now, as_guest=as_guest)
        self._door, self._knock = host, knock
        self._knock_until = now + timing.KNOCK
        self._other(Key(host.key)).try_at = now
        return self, self.tick(now=now)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    @property
    def role(self) -> Role | None:
        """Ours; None while we are not in."""
        seat = rosters.seat_of(self.roster, self.me) if self.roster else None
        return seat.role if seat else None

    @property
    def is_host(self) -> bool:
        """Whether we keep the roster."""
        return self.roster is not None and self.roster.host == self.me

    @property
    def knocks(self) -> dict[Key, str]:
        """Who is at the door, and what they call themselves; nobody unless we may decide."""
        if self.is_host:
            return {key: knocker.seat.name for key, knocker in self._knocks.items()}
        return dict(self._at_door) if self.role is Role.CO_HOST else {}

    def other(self, key: bytes) -> Other | None:
        """What is known of somebody besides their seat."""
        return self._others.get(Key(key))

    def seated(self, key: bytes) -> bool:
        """Whether they are in, as far as we know."""
        return self.roster is not None and rosters.seat_of(self.roster, key) is not None

    def welcome(self, key: bytes) -> bool:
        """Whether a channel with this key has any business with us."""
        if self.over is not None:
            return False
        if self.roster is None:
            return self._door is not None and key == self._door.key
        return key not in self.roster.removed or self._may_outrank(key)

    def _may_outrank(self, key: bytes) -> bool:
        """Whether somebody who was sent out may be host all the same: of the half of the room that
        we lost. Whoever claims a place cannot send out the host before, or the absent.
        """
        before = self._heritage is not None and self._heritage[0].host == key
        return before or key in self._removed_away

    @property
    def next_timeout(self) -> float | None:
        """When `tick` wants to be called."""
        if self.over is not None:
            return None
        times = [self._knock_until, self._claim_at()]
        for other in self._others.values():
            times += [other.try_at, other.ring_at, other.stray_until]
        for key in self._here():
            other = self._others[key]
            if other.blind_since is not None and not other.blind_told:
                times.append(other.blind_since + timing.BLIND)
        if self.is_host:
            times += [away for _, away in self._away()]
        times += [knocker.until for knocker in self._knocks.values()]
        return min((time for time in times if time is not None), default=None)

    # ── what people do ──────────────────────────────────────────────────────────────────────────
    def admit(self, key: bytes, *, now: float) -> list[Effect]:
        """Lets somebody in who knocks. Raises `NotInRoom`, `NotAllowed`, `RoomFull`."""
        self._now = now
        if not self.is_host:
            return self._ask(w.RoomAct.ADMIT, key)
        knocker = self._knocks.get(Key(key))
        if knocker is None:
            raise NotInRoom("They have gone, or are in already.")
        self._admit(Key(key), knocker)
        return self._flush()

    def deny(self, key: bytes, *, now: float) -> list[Effect]:
        """Sends somebody away from the door."""
        self._now = now
        if not self.is_host:
            return self._ask(w.RoomAct.DENY, key)
        self._turn_away(Key(key), m.DenyReason.DENIED)
        return self._flush()

    def remove(self, key: bytes, *, now: float) -> list[Effect]:
        """Sends somebody out; to come back they must be admitted. Raises `NotInRoom`."""
        self._now = now
        if not self.is_host:
            return self._ask(w.RoomAct.REMOVE, key)
        self._remove(Key(key))
        return self._flush()

    def lock(self, *, locked: bool, now: float) -> list[Effect]:
        """Nobody new comes in while it is locked."""
        self._now = now
        if not self.is_host:
            return self._ask(w.RoomAct.LOCK if locked else w.RoomAct.UNLOCK, None)
        self._lock(locked=locked)
        return self._flush()

    def promote(self, key: bytes, *, co_host: bool, now: float) -> list[Effect]:
        """Makes a member a co-host, or a co-host a member. Raises `NotInRoom` for guests."""
        self._now = now
        if not self.is_host:
            return self._ask(w.RoomAct.PROMOTE if co_host else w.RoomAct.DEMOTE, key)
        self._promote(Key(key), co_host=co_host)
        return self._flush()

    def end(self, *, now: float) -> list[Effect]:
        """Ends the room for all."""
        self._now = now
        if not self.is_host:
            return self._ask(w.RoomAct.END, None)
        self._end_for_all()
        return self._flush()

    def leave(self, *, now: float) -> list[Effect]:
        """Leaves; a host first names who carries on: the first in the order who is there."""
        self._now = now
        if self.over is not None:
            return []
        if self.is_host and self.roster is not None:
            heirs = [key for key in rosters.succession(self.roster) if self._up(key)]
            if heirs:
                body = rosters.handed_to(self.roster, heirs[0], self._top + 1, leaving=True)
                signed = rosters.sign(body, self.me, self._key.sign)
                for key in self._here():
                    self._out.append(do.Send(key, signed))
        for key in self._here():
            self._out.append(do.Send(key, w.RoomLeave()))
        self._finish(RoomEnd.LEFT)
        return self._flush()

    def invite(self, token: bytes) -> None:
        """Whoever knocks with these fresh random bytes is let in, unless the room knocks."""
        self._tokens.setdefault(token, None)

    def ask_mute(self, key: bytes, *, now: float) -> list[Effect]:
        """Asks somebody to mute themselves. Raises `NotAllowed`, `NotInRoom`."""
        self._now = now
        self._may_govern()
        if not self.seated(key):
            raise NotInRoom("They are not in the room any more.")
        self._out.append(do.Send(Key(key), w.RoomRequest(act=w.RoomAct.MUTE, seat=key)))
        return self._flush()

    def raise_hand(self, *, up: bool, now: float) -> list[Effect]:
        """Shows everybody that we would like to speak."""
        self._now = now
        self.hand = up
        return self._flush()

    def say(self, text: str, to: bytes | None = None, *, now: float) -> list[Effect]:
        """A line to everybody, or to one. Raises `NotInRoom`."""
        self._now = now
        if to is not None and not self.seated(to):
            raise NotInRoom("They are not in the room any more.")
        message = w.RoomSay(text=text, private=to is not None)
        for key in [Key(to)] if to is not None else self._here():
            self._out.append(do.Send(key, message))
        return self._flush()

    def react(self, emoji: str, *, now: float) -> list[Effect]:
        """Shows everybody a reaction."""
        self._now = now
        for key in self._here():
            self._out.append(do.Send(key, w.React(emoji=emoji)))
        return self._flush()

    def look(self, key: bytes, size: PictureSize, *, now: float) -> list[Effect]:
        """We show somebody's picture in this size from now on. Nobody of that key: nothing."""
        self._now = now
        other = self._others.get(Key(key))
        if other is not None and other.looks is not size and self.seated(key):
            other.looks = size
            if other.up:
                self._out.append(do.Send(Key(key), w.Look(size=size)))
        return self._flush()

    # ── what happens ────────────────────────────────────────────────────────────────────────────
    def opened(self, key: bytes, device: str, *, now: float) -> list[Effect]:
        """The first channel with this key is open, to this libp2p PeerId (empty: a guest's)."""
        self._now = now
        if not self.welcome(key):
            if self._signed is not None and self.over is None:  # that they were sent out
                if self._heritage is not None:
                    self._out.append(do.Send(Key(key), self._heritage[1]))
                self._out.append(do.Send(Key(key), self._signed))
            self._out.append(do.Close(Key(key)))
            return self._flush()
        other = self._other(Key(key))
        other.device = device
        other.up, other.lost_at, other.try_at, other.pause = True, None, None, timing.RETRY
        other.told, other.door_told = None, ()
        other.shown = PictureSize.SMALL
        if other.looks is not PictureSize.SMALL and self.seated(key):
            self._out.append(do.Send(Key(key), w.Look(size=other.looks)))
        if self.roster is not None and key == self.roster.host:
            self._host_lost_at = None
        if self._knock is not None and self._door is not None and key == self._door.key:
            self._out.append(do.Send(Key(key), self._knock))
        if self.is_host and Key(key) in self._former:
            self._take_back(Key(key))
        if self.seated(key) or Key(key) in {*self._former, *self._leads, *self._removed_away}:
            self._tell_roster(Key(key))
        self._leads.pop(Key(key), None)
        if self.roster is not None and not self.seated(key):
            other.stray_until = now + timing.STRAY
        self._out.append(do.Seen(Key(key)))
        self._plan_calls()
        return self._flush()

    def lost(self, key: bytes, *, now: float) -> list[Effect]:
        """The last channel with this key is gone, or none could be opened."""
        self._now = now
        key = Key(key)
        if self.over is not None:
            return []
        if self._knocks.pop(key, None) is not None:
            self._out.append(do.KnockOver(key))
        other = self._others.get(key)
        if other is None:
            return self._flush()
        if other.up or other.lost_at is None:
            other.lost_at = now
        other.up = False
        other.was_lost = True
        other.blind_since = other.ring_at = other.stray_until = None
        other.here = w.Here(host=False)
        if self._wanted(key):
            other.try_at = max(now + other.pause, self._opens_at(key))
            other.pause = min(other.pause * 2, timing.MAX_RETRY)
        elif not self.seated(key) and not other.calling:
            del self._others[key]
        if self.roster is not None and key == self.roster.host and self._host_lost_at is None:
            self._host_lost_at = now
        self._out.append(do.Seen(key))
        return self._flush()

    def received(self, key: bytes, message: Message, *, now: float) -> list[Effect]:
        """A message over the channel with this key. Whatever it is, it is dealt with."""
        self._now = now
        key = Key(key)
        if self.over is not None:
            return []
        match message:
            case w.Roster():
                self._take_roster(key, message)
            case w.RoomKnock():
                self._knocked(key, message)
            case m.Deny(reason=reason) if self.roster is None:
                ends = {m.DenyReason.FULL: RoomEnd.FULL, m.DenyReason.LINK_CLOSED: RoomEnd.LOCKED}
                self._finish(ends.get(reason, RoomEnd.DENIED))
            case _ if not self.seated(key):
                pass  # who is not in has nothing to say about the room
            case w.Here():
                self._heard(key, message)
            case w.AtDoor(waiting=waiting):
                if self.roster is not None and key == self.roster.host:
                    self._door_told({Key(one.key): one.name for one in waiting})
            case w.RoomRequest(act=act, seat=seat):
                self._requested(key, act, seat)
            case w.RoomSay(text=text, private=private):
                self._out.append(do.Said(key, text, private))
            case w.React(emoji=emoji):
                self._out.append(do.Reacted(key, emoji))
            case w.Look(size=size):
                self._other(key).shown = size
                self._out.append(do.Seen(key))
            case w.RoomLeave():
                self._left(key)
            case _:
                pass
        return self._flush()

    def media(self, key: bytes, *, up: bool, now: float) -> list[Effect]:
        """Media of this seat reaches us, or no more."""
        self._now = now
        other = self._others.get(Key(key))
        if other is not None:
            other.media = up
            if up:
                other.calling = True
        return self._flush()

    def call_over(self, key: bytes, *, now: float) -> list[Effect]:
        """The call with this seat is over; while both are in, it is begun again."""
        self._now = now
        other = self._others.get(Key(key))
        if other is not None:
            other.media = other.calling = False
            if other.up and self._is_caller(Key(key)):
                other.ring_at = now + 2 * timing.RETRY
        return self._flush()

    def called(self, key: bytes, *, now: float) -> list[Effect]:
        """They have begun the call with us."""
        self._now = now
        self._other(Key(key)).calling = True
        return self._flush()

    def tick(self, *, now: float) -> list[Effect]:
        """Does what is due. Early and repeated calls do no harm."""
        self._now = now
        if self.over is not None:
            return []
        if self._knock_until is not None and now >= self._knock_until:
            self._finish(RoomEnd.NO_ANSWER)
            return self._flush()
        for key, knocker in list(self._knocks.items()):
            if now >= knocker.until:
                self._turn_away(key, m.DenyReason.NO_ANSWER)
        self._forget()
        for key, other in list(self._others.items()):
            if other.stray_until is not None and now >= other.stray_until:
                other.stray_until = None
                if not self.seated(key) and key not in self._knocks:
                    self._out.append(do.Close(key))
            if other.try_at is not None and now >= other.try_at:
                other.try_at = None
                seat = self._seat_to_open(key)
                if seat is not None and not other.up:
                    self._out.append(do.Open(seat))
        claim_at = self._claim_at()
        if claim_at is not None and now >= claim_at:
            self._claim()
        if self.is_host and self.roster is not None:
            gone = [key for key, at in self._away() if now >= at]
            if gone:
                self._publish(rosters.without(self.roster, *gone))
        self._plan_calls()
        return self._flush()

    # ── the roster ──────────────────────────────────────────────────────────────────────────────
    def _publish(self, body: RosterBody) -> None:
        """A roster of our own: signed, taken, and told to everybody."""
        self._adopt(body, rosters.sign(body, self.me, self._key.sign))
        for key in self._here():
            self._tell_roster(key)

    def _adopt(self, body: RosterBody, signed: Roster) -> None:
        before, told = self.roster, self._signed
        if before is not None and told is not None and body.claims > before.claims:
            self._heritage = before, told
        elif self._heritage is not None and body.claims <= self._heritage[0].claims:
            self._heritage = None
        self.roster, self._signed = body, signed
        self._top = max(self._top, body.term)
        if before is None:
            self._knock = self._knock_until = None
        if before is None or before.host != body.host or before.term != body.term:
            self._at_door = {}
            self._host_lost_at = None
            if body.host != self.me and (not self._up(body.host) or self._resigned(Key(body.host))):
                self._host_lost_at = self._now
            for other in self._others.values():
                other.was_lost = not other.up
            self._claims.clear()
        keys = {Key(seat.key) for seat in body.seats}
        if before is not None:
            for seat in before.seats:
                key = Key(seat.key)
                if key not in keys and key != self.me:
                    self._unseat(seat, body)
        for key in keys - {self.me}:
            self._former.pop(key, None)
            other = self._other(key)
            other.stray_until = None
            if not other.up and other.try_at is None and self._wanted(key):
                other.try_at = self._opens_at(key)
            if not other.up and other.lost_at is None:
                other.lost_at = self._now
        self._out.append(do.Changed(body))
        if body.ended:
            self._finish(RoomEnd.ENDED)
        elif self.me in body.removed:
            self._finish(RoomEnd.REMOVED)
        else:
            self._plan_calls()

    def _unseat(self, seat: Seat, body: RosterBody) -> None:
        """Somebody is no longer in: their call ends; who was not sent out may come back."""
        key = Key(seat.key)
        other = self._others.get(key)
        if other is not None:
            if other.calling or other.media:
                self._out.append(do.HangUp(key))
            other.calling = other.media = False
            other.ring_at = other.blind_since = None
        if key in body.removed:
            self._former.pop(key, None)
            self._others.pop(key, None)
            self._out.append(do.Close(key))
        elif other is not None and not other.up:
            self._former[key] = (seat, self._now + timing.FORMER)
            while len(self._former) > timing.MAX_FORMER:
                del self._former[next(iter(self._former))]
            if other.try_at is None:
                other.try_at = self._now + timing.MAX_RETRY

    def _take_roster(self, sender: Key, signed: Roster) -> None:
        try:
            body = rosters.read(signed, self.id)
        except BadRoster:
            if sender == self.me:
                return
            self._out.append(do.Close(sender))
            return
        mine = self.roster
        if mine is None:
            self._let_in(sender, body, signed)
            return
        self._top = max(self._top, body.term)
        heritage = self._heritage
        if self._is_late_handover(body, signed):
            self._follow(body, signed)
            return
        if heritage is not None and signed.signer == heritage[0].host == body.host:
            if self._same_office(body, heritage[0]):
                self._inherit(sender, body, signed)
            ours = rosters.newer(body, mine) or self._same_office(body, mine)
            if not ours and sender != body.host:
                return
        if signed.signer not in (body.host, mine.host) or mine.ended:
            return
        if rosters.newer(body, mine) and signed.signer == mine.host:
            self._follow(body, signed)
        elif self._same_office(body, mine):
            if body.version == mine.version and self._differs(signed):
                self._lied(Key(body.host), sender)
            elif body.version < mine.version:
                self._tell_roster(sender)
        elif signed.signer == mine.host and body.term > mine.term and body.host != mine.host:
            self._follow(body, signed)  # the host names who carries on
        elif sender == mine.host and signed.signer == body.host != self.me:
            self._follow(body, signed)  # our host yields to another, and we with it
        else:
            self._rival(sender, body, signed)

    def _is_late_handover(self, body: RosterBody, signed: Roster) -> bool:
        """Whether the host whose place was claimed had named somebody, and we had not heard it."""
        if self._heritage is None or self.roster is None:
            return False
        before = self._heritage[0]
        named = signed.signer == before.host != body.host and body.term > before.term
        there = body.host == self.me or self._up(body.host)
        return named and there and body.claims == before.claims < self.roster.claims

    def _rival(self, sender: Key, body: RosterBody, signed: Roster) -> None:
        """A roster of another host: after a split, from somebody who carried on, or a pretender."""
        mine = self.roster
        assert mine is not None
        host = Key(body.host)
        if sender != host and signed.signer == host and self.seated(sender):
            self._lead(body)
        if (
            sender != host
            or signed.signer != host
            or (host in mine.removed and not self._may_outrank(host))
        ):
            return
        known = rosters.seat_of(mine, host) or (self._former.get(host) or (None,))[0]
        if known is None and self._may_outrank(host):
            known = rosters.seat_of(body, host)
        if known is None or known.role is Role.GUEST:
            self._out.append(do.Close(sender))
            return
        prevails = rosters.standing(body) < rosters.standing(mine)
        alive = self.is_host or (self._up(mine.host) and self._host_lost_at is None)
        if prevails or not alive:
            if self.me in body.removed:
                self._finish(RoomEnd.REMOVED)
            elif rosters.seat_of(body, self.me) is None:
                if self.is_host and prevails:
                    self._tell_roster(sender)  # it takes us, and those with us, in
            elif prevails or self._lost_for_good():
                was_host = self.is_host
                if was_host and self._signed is not None:
                    self._out.append(do.Send(host, self._signed))
                self._follow(body, signed)
            else:
                self._claims[host] = signed
        elif self.is_host:
            if self._may_merge(host, body):
                self._publish(rosters.merged(mine, body))
            self._tell_roster(sender)
        else:
            self._claims[host] = signed
            self._tell_roster(sender)

    def _may_merge(self, host: Key, body: RosterBody) -> bool:
        """Whether another host's people are taken in: we had lost it, so it carried on rightly."""
        mine = self.roster
        assert mine is not None
        other = self._others.get(host)
        apart = host in self._former or (other is not None and other.was_lost)
        if not apart:
            return False
        news = {seat.key for seat in body.seats} - {seat.key for seat in mine.seats}
        removed = set(body.removed) - set(mine.removed) - {mine.host}
        return bool((news - set(mine.removed)) or removed)

    def _follow(self, body: RosterBody, signed: Roster) -> None:
        if rosters.seat_of(body, self.me) is None and not body.ended:
            if self.me in body.removed:
                self._finish(RoomEnd.REMOVED)
            elif self._knock is None:
                # Given up while we were away: we go on alone until the host takes us in again.
                return
            return
        if body.host == self.me and signed.signer != self.me:
            # named to carry on: what everybody goes by is signed by whom they go by
            before = self.roster
            self._adopt(body, signed)
            late = before is not None and before.host == self.me
            self._publish(
                rosters.merged(body, before) if late and before else rosters.changed(body)
            )
            return
        was_host = self.is_host
        self._adopt(body, signed)
        for key in self._here():
            other = self._others[key]
            if key != body.host and (was_host or not other.here.host):
                self._tell_roster(key)

    def _inherit(self, sender: Key, body: RosterBody, signed: Roster) -> None:
        """Another word of the host whom we lost: of people it let in after our time, or before."""
        assert self._heritage is not None
        known = self._heritage[0]
        if rosters.newer(body, known):
            if self.me in body.removed:
                self._finish(RoomEnd.REMOVED)
                return
            if rosters.seat_of(body, self.me) is not None:
                self._heritage = body, signed  # else the one before shows better who we are
        out = {*known.removed, *body.removed}
        mine = self.roster
        assert mine is not None
        for seat in body.seats:
            key = Key(seat.key)
            if key in {self.me, body.host} or self.seated(key) or key in {*out, *mine.removed}:
                continue
            self._former.setdefault(key, (seat, self._now + timing.FORMER))
            if self._other(key).try_at is None and not self._up(key):
                self._other(key).try_at = self._now
        if self.is_host and sender in self._former:
            self._take_back(sender)

    def _lead(self, body: RosterBody) -> None:
        """Somebody follows a host whom we do not know or have lost: we look for that host."""
        host = Key(body.host)
        seat = rosters.seat_of(body, host)
        if host == self.me or seat is None or self._up(host) or self.seated(host):
            return
        self._leads[host] = seat
        while len(self._leads) > timing.MAX_LEADS:
            del self._leads[next(iter(self._leads))]
        other = self._other(host)
        if other.try_at is None:
            other.try_at = self._now

    def _let_in(self, sender: Key, body: RosterBody, signed: Roster) -> None:
        """The first roster we get is the host's at whose door we are, with us in it."""
        door = self._door
        if door is None or sender != door.key or sender != body.host or signed.signer != sender:
            return
        if rosters.seat_of(body, self.me) is None:
            return
        self._adopt(body, signed)

    def _same_office(self, one: RosterBody, other: RosterBody) -> bool:
        return (one.host, one.term, one.claims) == (other.host, other.term, other.claims)

    def _differs(self, signed: Roster) -> bool:
        return self._signed is not None and rosters.digest(signed) != rosters.digest(self._signed)

    def _lied(self, host: Key, other: Key) -> None:
        if host != self.me and other not in self._liars:
            self._liars.add(other)
            self._out.append(do.HostLied(host, other))

    def _tell_roster(self, key: Key) -> None:
        if self._signed is not None and self._up(key):
            if self._heritage is not None:
                self._out.append(do.Send(key, self._heritage[1]))
            self._out.append(do.Send(key, self._signed))

    # ── carrying on ─────────────────────────────────────────────────────────────────────────────
    def _lost_for_good(self) -> bool:
        lost = self._host_lost_at
        return lost is not None and self._now >= lost + timing.CLAIM

    def _resigned(self, host: Key) -> bool:
        """Whether this host says itself that another is host."""
        return self._other(host).here.keeper not in {None, host}

    def _claim_at(self) -> float | None:
        """When we carry on in the host's place, or follow who does, if nothing changes."""
        roster, lost = self.roster, self._host_lost_at
        if roster is None or lost is None or self.is_host:
            return None
        if self._claims:
            return lost + timing.CLAIM
        if self.role in {None, Role.GUEST}:
            return None
        before = 0
        for key in rosters.succession(roster):
            if key == self.me:
                break
            if key != roster.host and self._up(key):
                before += 1
        wait = timing.CLAIM + before * timing.CLAIM_STEP
        if any(self._others[key].here.host for key in self._here()):
            wait = max(wait, timing.WITNESS)
        return lost + wait

    def _claim(self) -> None:
        assert self.roster is not None
        best: tuple[RosterBody, Roster] | None = None
        for host, signed in list(self._claims.items()):
            body = rosters.read(signed, self.id)
            if not self._up(host) or rosters.seat_of(body, self.me) is None:
                continue
            if best is None or rosters.standing(body) < rosters.standing(best[0]):
                best = body, signed
        self._claims.clear()
        if best is not None:
            self._follow(*best)
            return
        if self.role is Role.GUEST:
            return
        heir = rosters.handed_to(self.roster, self.me, self._top + 1, leaving=False, claim=True)
        self._publish(heir)

    def _left(self, key: Key) -> None:
        roster = self.roster
        assert roster is not None
        if self.is_host:
            self._publish(rosters.without(roster, key))
        other = self._others.get(key)
        if other is not None:
            if other.calling or other.media:
                self._out.append(do.HangUp(key))
            other.calling = other.media = False
        if key == roster.host:
            self._host_lost_at = self._now - timing.CLAIM  # it named somebody, or nobody was there

    def _away(self) -> list[tuple[Key, float]]:
        """Seats that have no channel with us, and when they are given up."""
        roster = self.roster
        assert roster is not None
        found = []
        seen_by_others = {key for o in self._others.values() if o.up for key in o.here.sees}
        for seat in roster.seats:
            other = self._others.get(Key(seat.key))
            if seat.key == self.me or other is None or other.up or other.lost_at is None:
                continue
            if seat.key not in seen_by_others:
                found.append((Key(seat.key), other.lost_at + timing.AWAY))
        return found

    # ── the door ────────────────────────────────────────────────────────────────────────────────
    def _knocked(self, key: Key, knock: w.RoomKnock) -> None:
        roster = self.roster
        if not self.is_host or roster is None or knock.room != self.id:
            return
        if self.seated(key):
            self._tell_roster(key)  # twice: they are in
            return
        if key in self._knocks:
            return
        if roster.locked:
            self._turn_away(key, m.DenyReason.LINK_CLOSED)
            return
        other = self._other(key)
        other.stray_until = None
        device = other.device
        seat = Seat(
            key=key,
            role=Role.MEMBER if device else Role.GUEST,
            order=0,
            name=knock.name,
            device=device,
            addresses=knock.addresses,
            video=knock.video,
        )
        try:
            rosters.check_room_for(roster, video=knock.video)
        except RoomFull:
            self._turn_away(key, m.DenyReason.FULL)
            return
        invited = knock.token is not None and knock.token in self._tokens
        if invited and not roster.knock:
            assert knock.token is not None
            before = self._tokens[knock.token]
            self._tokens[knock.token] = key
            if before is not None and self.seated(before):
                # the same person, started again: one tile
                roster = rosters.without(roster, before)
            self._publish(rosters.with_seat(roster, seat))
            return
        if len(self._knocks) >= w.MAX_KNOCKS:
            self._turn_away(key, m.DenyReason.FULL)
            return
        self._knocks[key] = Knocker(seat, self._now + timing.KNOCK)
        self._out.append(do.Send(key, m.Wait(state=m.WaitState.SHOWN)))
        self._out.append(do.Knocked(key, knock.name))

    def _door_told(self, waiting: dict[Key, str]) -> None:
        before, self._at_door = self._at_door, waiting
        if self.role is not Role.CO_HOST:
            return
        for key, name in waiting.items():
            if key not in before:
                self._out.append(do.Knocked(key, name))
        for key in before.keys() - waiting.keys():
            self._out.append(do.KnockOver(key))

    def _tell_door(self) -> None:
        """Co-hosts decide, too: they are told who waits."""
        if not self.is_host or self.roster is None:
            return
        names = self.knocks.items()
        waiting = tuple(w.Waiting(key=key, name=name) for key, name in names)
        for seat in self.roster.seats:
            other = self._others.get(Key(seat.key))
            if seat.role is not Role.CO_HOST or other is None or not other.up:
                continue
            if other.door_told != waiting:
                other.door_told = waiting
                self._out.append(do.Send(Key(seat.key), w.AtDoor(waiting=waiting)))

    def _admit(self, key: Key, knocker: Knocker) -> None:
        assert self.roster is not None
        body = rosters.with_seat(self.roster, knocker.seat)
        del self._knocks[key]
        self._out.append(do.KnockOver(key))
        self._publish(body)

    def _take_back(self, key: Key) -> None:
        """Somebody who was given up for silent is there again: nobody sent them out."""
        assert self.roster is not None
        seat, _ = self._former[key]
        try:
            self._publish(rosters.with_seat(self.roster, seat))
        except RoomFull:
            self._turn_away(key, m.DenyReason.FULL)

    def _turn_away(self, key: Key, reason: m.DenyReason) -> None:
        if self._knocks.pop(key, None) is not None:
            self._out.append(do.KnockOver(key))
        self._out.append(do.Send(key, m.Deny(reason=reason)))
        if not self.seated(key):
            self._out.append(do.Close(key))

    # ── requests ────────────────────────────────────────────────────────────────────────────────
    def _may_govern(self) -> None:
        if self.role not in GOVERN:
            raise NotAllowed("Only the host or a co-host may do that.")

    def _ask(self, act: w.RoomAct, key: bytes | None) -> list[Effect]:
        self._may_govern()
        assert self.roster is not None
        self._out.append(do.Send(Key(self.roster.host), w.RoomRequest(act=act, seat=key)))
        return self._flush()

    def _requested(self, sender: Key, act: w.RoomAct, seat: bytes | None) -> None:
        roster = self.roster
        assert roster is not None
        asking = rosters.seat_of(roster, sender)
        other = self._other(sender)
        other.asked = [at for at in other.asked if self._now - at < timing.REQUEST_WINDOW]
        if asking is None or asking.role not in GOVERN or len(other.asked) >= timing.REQUESTS:
            return
        other.asked.append(self._now)
        if act is w.RoomAct.MUTE:
            if seat == self.me:
                self._out.append(do.Asked(sender))
            return
        if not self.is_host:
            return
        try:
            match act:
                case w.RoomAct.ADMIT if seat is not None:
                    knocker = self._knocks.get(Key(seat))
                    if knocker is not None:
                        self._admit(Key(seat), knocker)
                case w.RoomAct.DENY if seat is not None:
                    self._turn_away(Key(seat), m.DenyReason.DENIED)
                case w.RoomAct.REMOVE if seat is not None:
                    self._remove(Key(seat))
                case w.RoomAct.PROMOTE if seat is not None:
                    self._promote(Key(seat), co_host=True)
                case w.RoomAct.DEMOTE if seat is not None:
                    self._promote(Key(seat), co_host=False)
                case w.RoomAct.LOCK:
                    self._lock(locked=True)
                case w.RoomAct.UNLOCK:
                    self._lock(locked=False)
                case w.RoomAct.END:
                    self._end_for_all()
                case _:
                    pass
        except (NotInRoom, RoomFull):
            return  # it crossed somebody's going

    def _remove(self, key: Key) -> None:
        assert self.roster is not None
        if key == self.me or not self.seated(key):
            raise NotInRoom("They are not in the room any more.")
        if not self._up(key):
            self._removed_away.add(key)
        for token, holder in list(self._tokens.items()):
            if holder == key:
                del self._tokens[token]
        body = rosters.without(self.roster, key, removed=True)
        signed = rosters.sign(body, self.me, self._key.sign)
        self._out.append(do.Send(key, signed))  # they are told, and then shut out
        self._publish(body)

    def _promote(self, key: Key, *, co_host: bool) -> None:
        assert self.roster is not None
        seat = rosters.seat_of(self.roster, key)
        if seat is None or seat.role not in {Role.MEMBER, Role.CO_HOST}:
            raise NotInRoom("Only a member of the room can be a co-host.")
        role = Role.CO_HOST if co_host else Role.MEMBER
        if seat.role is not role:
            self._publish(rosters.with_role(self.roster, key, role))

    def _lock(self, *, locked: bool) -> None:
        assert self.roster is not None
        if self.roster.locked is not locked:
            self._publish(rosters.changed(self.roster, locked=locked))
        if locked:
            for key in list(self._knocks):
                self._turn_away(key, m.DenyReason.LINK_CLOSED)

    def _end_for_all(self) -> None:
        assert self.roster is not None
        for key in list(self._knocks):
            self._turn_away(key, m.DenyReason.LINK_CLOSED)
        self._publish(rosters.changed(self.roster, ended=True))

    # ── who sees whom ───────────────────────────────────────────────────────────────────────────
    def _heard(self, key: Key, here: w.Here) -> None:
        other = self._other(key)
        if other.here != here:
            other.here = here
            self._out.append(do.Seen(key))
        if self._signed is None or self.roster is None or here.digest is None:
            return
        if key == self.roster.host:
            if not self._resigned(key):
                self._host_lost_at = None
            elif self._host_lost_at is None:
                self._host_lost_at = self._now  # it follows another; we have lost it
        if here.keeper != self.me and self.is_host:
            self._tell_roster(key)  # they follow another than us
        if here.keeper == self.me and not self.is_host:
            self._tell_roster(key)  # they follow us, who follow another by now
        same = (here.keeper, here.term) == (self.roster.host, self.roster.term)
        if same and here.version == self.roster.version:
            if here.digest != rosters.digest(self._signed):
                self._lied(Key(self.roster.host), key)
        elif same and here.version < self.roster.version:
            self._tell_roster(key)

    def _watch_halves(self) -> None:
        """Media that flows one way between us and somebody, or not at all."""
        for key in self._here():
            other = self._others[key]
            whole = other.media and self.me in other.here.sees
            if whole:
                other.blind_since, other.blind_told = None, False
            elif other.blind_since is None:
                other.blind_since = self._now
            elif not other.blind_told and self._now >= other.blind_since + timing.BLIND:
                other.blind_told = True
                self._out.append(do.HalfBlind(self.me, key))

    def _tell_here(self) -> None:
        if self.roster is None or self._signed is None or self.over is not None:
            return
        here = w.Here(
            sees=tuple(sorted(key for key, other in self._others.items() if other.media)),
            host=self.is_host or self._up(self.roster.host),
            hand=self.hand,
            digest=rosters.digest(self._signed),
            version=self.roster.version,
            term=self.roster.term,
            keeper=self.roster.host,
        )
        for key in self._here():
            other = self._others[key]
            if other.told != here:
                other.told = here
                self._out.append(do.Send(key, here))

    # ── inside ──────────────────────────────────────────────────────────────────────────────────
    def _other(self, key: Key) -> Other:
        return self._others.setdefault(key, Other())

    def _up(self, key: bytes) -> bool:
        other = self._others.get(Key(key))
        return other is not None and other.up

    def _here(self) -> list[Key]:
        """Everybody else in the room with whom a channel is open."""
        if self.roster is None:
            return []
        return [Key(s.key) for s in self.roster.seats if s.key != self.me and self._up(s.key)]

    def _wanted(self, key: Key) -> bool:
        """Whether there is a reason and a way to open a channel to them."""
        return self._seat_to_open(key) is not None

    def _seat_to_open(self, key: Key) -> Seat | None:
        roster = self.roster
        if roster is None:
            return self._door if self._door is not None and key == self._door.key else None
        seat = rosters.seat_of(roster, key)
        if seat is None:
            former = self._former.get(key)
            seat = former[0] if former is not None else self._leads.get(key)
        if seat is None or (not seat.device and not self._as_guest):
            return None
        if not seat.device and not self._is_caller(key):
            return None  # of two guests who came later opens
        return seat

    def _opens_at(self, key: Key) -> float:
        """When to open a channel first: who came later does, the other only if that did not work
        (as when both go by different rosters after a split).
        """
        ours = self._as_guest or self._is_caller(key)
        return self._now + (0.0 if ours else timing.STANDBY)

    def _is_caller(self, key: Key) -> bool:
        """Whether the call with this seat is ours to begin: who came later offers."""
        if self.roster is None:
            return False
        mine, seat = rosters.seat_of(self.roster, self.me), rosters.seat_of(self.roster, key)
        return mine is not None and seat is not None and mine.order > seat.order

    def _plan_calls(self) -> None:
        """Rings those who were there before us, once each; all at the same time."""
        roster = self.roster
        mine = rosters.seat_of(roster, self.me) if roster else None
        if roster is None or mine is None or self.over is not None:
            return
        for seat in roster.seats:
            other = self._others.get(Key(seat.key))
            if other is None:
                continue
            if other.calling or seat.order >= mine.order:
                other.ring_at = None
                continue
            if not other.up:
                continue
            if other.ring_at is not None and self._now < other.ring_at:
                continue
            other.ring_at = None
            other.calling = True
            self._out.append(do.Ring(Key(seat.key)))

    def _forget(self) -> None:
        for key, (_, until) in list(self._former.items()):
            if self._now >= until:
                del self._former[key]
                if not self.seated(key):
                    self._others.pop(key, None)

    def _finish(self, reason: RoomEnd) -> None:
        if self.over is not None:
            return
        self.over = reason
        for key, other in self._others.items():
            if other.calling or other.media:
                self._out.append(do.HangUp(key))

    def _flush(self) -> list[Effect]:
        if self.over is None:
            self._watch_halves()
            self._tell_here()
            self._tell_door()
        elif not self._told_end:
            self._told_end = True
            self._out.append(do.Ended(self.over))
        effects, self._out = self._out, []
        return effects
