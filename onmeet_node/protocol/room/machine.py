"""One room as one of its people sees it: events and the time in, effects out (PROTOCOL, "Rooms").

The host keeps the roster; everybody else goes by the newest one it signed. Who loses the host waits
a moment and follows the first in the order of succession. Channels and media are between each pair;
this machine says when to open and to ring, and never repeats what is open. It is built in layers:
`seats` (what is known), `keeping` (the roster), `sight` (who sees whom), `door` (who comes in).
"""

from __future__ import annotations

import attrs

from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.admission import RoomAdmission
from onmeet_node.protocol.room.effects import Effect, RoomEnd
from onmeet_node.protocol.room.errors import NotInRoom
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import Message
from onmeet_node.protocol.wire.room import PictureSize, Role, RosterBody, Seat


class Room(RoomAdmission):
    """Made by `create` or `join`. All methods take `now`: seconds that never go back."""

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
    def welcome(self, key: bytes) -> bool:
        """Whether a channel with this key has any business with us."""
        if self.over is not None:
            return False
        if self.roster is None:
            return self._door is not None and key == self._door.key
        return key not in self.roster.removed or self._may_outrank(key)

    @property
    def next_timeout(self) -> float | None:
        """When `tick` wants to be called."""
        if self.over is not None:
            return None
        alone = self._alone_since
        times = [self._knock_until, self._claim_at()]
        times.append(alone + timing.AWAY if alone is not None else None)
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
    def leave(self, *, now: float, reason: RoomEnd = RoomEnd.LEFT) -> list[Effect]:
        """Leaves; a host first names who carries on: the first in the order who is there.

        `reason`: `RoomEnd.FAULT` if it is not a person who leaves.
        """
        self._now = now
        if self.over is not None:
            return []
        if self.is_host and self.roster is not None:
            heirs = [key for key in rosters.succession(self.roster) if self._up(key)]
            if heirs:
                body = rosters.handed_to(self.roster, heirs[0], self._top + 1, leaving=True)
            else:  # guests alone would be left, who carry nothing on
                body = rosters.changed(self.roster, ended=True)
            signed = rosters.sign(body, self.me, self._key.sign)
            for key in self._here():
                self._out.append(do.SendInRoom(key, signed))
        for key in self._here():
            self._out.append(do.SendInRoom(key, w.RoomLeave()))
        self._finish(reason)
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
            self._out.append(do.SendInRoom(key, message))
        return self._flush()

    def react(self, emoji: str, *, now: float) -> list[Effect]:
        """Shows everybody a reaction."""
        self._now = now
        for key in self._here():
            self._out.append(do.SendInRoom(key, w.React(emoji=emoji)))
        return self._flush()

    def look(self, key: bytes, size: PictureSize, *, now: float) -> list[Effect]:
        """We show somebody's picture in this size from now on. Nobody of that key: nothing."""
        self._now = now
        other = self._others.get(Key(key))
        if other is not None and other.looks is not size and self.seated(key):
            other.looks = size
            if other.up:
                self._out.append(do.SendInRoom(Key(key), w.Look(size=size)))
        return self._flush()

    # ── what happens ────────────────────────────────────────────────────────────────────────────
    def opened(self, key: bytes, device: str, *, now: float) -> list[Effect]:
        """The first channel with this key is open, to this libp2p PeerId (empty: a guest's)."""
        self._now = now
        if not self.welcome(key):
            if self._signed is not None and self.over is None:  # that they were sent out
                if self._heritage is not None:
                    self._out.append(do.SendInRoom(Key(key), self._heritage[1]))
                self._out.append(do.SendInRoom(Key(key), self._signed))
            self._out.append(do.Close(Key(key)))
            return self._flush()
        other = self._other(Key(key))
        other.device = device
        other.up, other.lost_at, other.try_at, other.pause = True, None, None, timing.RETRY
        other.told, other.door_told = None, ()
        other.shown = PictureSize.SMALL
        if other.looks is not PictureSize.SMALL and self.seated(key):
            self._out.append(do.SendInRoom(Key(key), w.Look(size=other.looks)))
        if self.roster is not None and key == self.roster.host:
            self._host_lost_at = None
        if self._knock is not None and self._door is not None and key == self._door.key:
            self._out.append(do.SendInRoom(Key(key), self._knock))
        if self.is_host and Key(key) in self._former:
            self._take_back(Key(key))
        if self.seated(key) or Key(key) in {*self._former, *self._leads, *self._removed_away}:
            self._tell_roster(Key(key))
        self._leads.pop(Key(key), None)
        if self.roster is not None and not self.seated(key):
            other.stray_until = now + timing.STRAY
        self._out.append(do.MemberChanged(Key(key)))
        self._plan_calls()
        return self._flush()

    def lost(self, key: bytes, *, now: float) -> list[Effect]:
        """The last channel with this key is gone, or none could be opened."""
        self._now = now
        key = Key(key)
        if self.over is not None:
            return []
        if self._knocks.pop(key, None) is not None:
            self._out.append(do.KnockGone(key))
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
        self._out.append(do.MemberChanged(key))
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
                self._out.append(do.MemberChanged(key))
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
