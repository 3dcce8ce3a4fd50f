"""One room as one of its people sees it: events and the time in, effects out (PROTOCOL, "Rooms").

The host keeps the roster; everybody else goes by the newest one it signed. Who loses the host waits
a moment and follows the first in the order of succession. Channels and media are between each pair;
this machine says when to open and to ring, and never repeats what is open. Its parts: `members`
(what is known), `election` (whose roster counts), `connections` (channels and calls with each),
`attendance` (who sees whom), `admission` (who comes in). `phases` is the table of where we stand.
"""

from __future__ import annotations

import attrs

from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.admission import RoomAdmission
from onmeet_node.protocol.room.attendance import Attendance
from onmeet_node.protocol.room.connections import MemberConnections
from onmeet_node.protocol.room.effects import Effect, RoomEnd
from onmeet_node.protocol.room.election import Election
from onmeet_node.protocol.room.errors import NotInRoom
from onmeet_node.protocol.room.members import Members, Other
from onmeet_node.protocol.room.phases import HEARD, Phase
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import Message
from onmeet_node.protocol.wire.room import PictureSize, Role, RosterBody, Seat


class Room:
    """Made by `create` or `join`. All methods take `now`: seconds that never go back."""

    def __init__(
        self, key: IdentityKey, room: bytes, *, now: float, as_guest: bool = False
    ) -> None:
        self._members = Members(key, room, now=now, as_guest=as_guest)
        self._election = Election(self._members)
        self._attendance = Attendance(self._members, self._election)
        self._admission = RoomAdmission(self._members, self._election)
        self._connections = MemberConnections(self._members, self._election)
        self._told_end = False

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
        seat = attrs.evolve(seat, key=self._members.me, role=Role.HOST, order=0)
        self._election.publish(
            RosterBody(room=room, host=self._members.me, title=title, knock=knock, seats=(seat,))
        )
        self._members.out.clear()
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
        self._members.door, self._members.knock = host, knock
        self._members.knock_until = now + timing.KNOCK
        self._members.obtain(Key(host.key)).try_at = now
        return self, self.tick(now=now)

    # ── looking ─────────────────────────────────────────────────────────────────────────────────
    @property
    def me(self) -> Key:
        """Our key in this room."""
        return self._members.me

    @property
    def id(self) -> bytes:
        """Of the room."""
        return self._members.id

    @property
    def over(self) -> RoomEnd | None:
        """Why it is over for us; None while it is not."""
        return self._members.over

    @property
    def phase(self) -> Phase:
        """Where we stand."""
        if self._members.over is not None:
            return Phase.OVER
        if self._members.roster is None:
            return Phase.AT_DOOR
        if self._members.is_host:
            return Phase.HOST
        lost = self._members.host_lost_at is not None
        return Phase.HOST_LOST if lost else Phase.MEMBER

    @property
    def roster(self) -> RosterBody | None:
        """Who is in, as far as we know; None until we are let in."""
        return self._members.roster

    @property
    def digest(self) -> bytes | None:
        """Of the roster that we go by: see `roster.digest`."""
        return rosters.digest(self._members.signed) if self._members.signed is not None else None

    @property
    def hand(self) -> bool:
        """Whether we have raised ours."""
        return self._members.hand

    @property
    def role(self) -> Role | None:
        """Ours; None while we are not in."""
        return self._members.role

    @property
    def is_host(self) -> bool:
        """Whether we keep the roster."""
        return self._members.is_host

    @property
    def knocks(self) -> dict[Key, str]:
        """Who is at the door, and what they call themselves; nobody unless we may decide."""
        return self._attendance.waiting

    @property
    def string(self) -> str | None:
        """The room's authentication string; None until everybody has said their part of it."""
        return self._attendance.string

    def other(self, key: bytes) -> Other | None:
        """What is known of somebody besides their seat."""
        return self._members.other(key)

    def seated(self, key: bytes) -> bool:
        """Whether they are in, as far as we know."""
        return self._members.seated(key)

    def opens_to(self, *, promised: bool) -> bool:
        """Whether who comes is in without a word of anybody. See `RoomAdmission.opens_to`."""
        return self._admission.opens_to(promised=promised)

    def welcome(self, key: bytes) -> bool:
        """Whether a channel with this key has any business with us."""
        return self._connections.welcome(key)

    @property
    def next_timeout(self) -> float | None:
        """When `tick` wants to be called."""
        if self._members.over is not None:
            return None
        alone = self._attendance.alone_since
        times = [self._members.knock_until, self._election.claim_at()]
        times.append(alone + timing.AWAY if alone is not None else None)
        for other in self._members.others.values():
            times += [other.try_at, other.ring_at, other.stray_until]
        for key in self._members.connected():
            other = self._members.others[key]
            if other.blind_since is not None and not other.blind_told:
                times.append(other.blind_since + timing.BLIND)
        if self._members.is_host:
            times += [away for _, away in self._election.away()]
        times += [knocker.until for knocker in self._members.knocks.values()]
        return min((time for time in times if time is not None), default=None)

    # ── what people do ──────────────────────────────────────────────────────────────────────────
    def leave(self, *, now: float, reason: RoomEnd = RoomEnd.LEFT) -> list[Effect]:
        """Leaves; a host first names who carries on: the first in the order who is there.

        `reason`: `RoomEnd.FAULT` if it is not a person who leaves.
        """
        self._members.now = now
        if self._members.over is not None:
            return []
        if self._members.is_host and self._members.roster is not None:
            heirs = [
                key for key in rosters.succession(self._members.roster) if self._members.up(key)
            ]
            if heirs:
                body = rosters.handed_to(
                    self._members.roster, heirs[0], self._election.top_term + 1, leaving=True
                )
            else:  # guests alone would be left, who carry nothing on
                body = rosters.changed(self._members.roster, ended=True)
            signed = rosters.sign(body, self._members.me, self._members.key.sign)
            for key in self._members.connected():
                self._members.emit(do.SendInRoom(key, signed))
        for key in self._members.connected():
            self._members.emit(do.SendInRoom(key, w.RoomLeave()))
        self._members.finish(reason)
        return self._flush()

    def invite(self, token: bytes) -> None:
        """Whoever knocks with these fresh random bytes is let in, unless the room knocks."""
        self._admission.invite(token)

    def admit(self, key: bytes, *, now: float) -> list[Effect]:
        """Lets somebody in who knocks. Raises `NotInRoom`, `NotAllowed`, `RoomFull`."""
        return self._act(w.RoomAct.ADMIT, key, now)

    def deny(self, key: bytes, *, now: float) -> list[Effect]:
        """Sends somebody away from the door. Raises `NotAllowed`."""
        return self._act(w.RoomAct.DENY, key, now)

    def remove(self, key: bytes, *, now: float) -> list[Effect]:
        """Sends somebody out; to come back they must be admitted. Raises `NotInRoom`."""
        return self._act(w.RoomAct.REMOVE, key, now)

    def lock(self, *, locked: bool, now: float) -> list[Effect]:
        """Nobody new comes in while it is locked. Raises `NotAllowed`."""
        return self._act(w.RoomAct.LOCK if locked else w.RoomAct.UNLOCK, None, now)

    def promote(self, key: bytes, *, co_host: bool, now: float) -> list[Effect]:
        """Makes a member a co-host, or a co-host a member. Raises `NotInRoom` for guests."""
        return self._act(w.RoomAct.PROMOTE if co_host else w.RoomAct.DEMOTE, key, now)

    def end(self, *, now: float) -> list[Effect]:
        """Ends the room for all. Raises `NotAllowed`."""
        return self._act(w.RoomAct.END, None, now)

    def _act(self, act: w.RoomAct, key: bytes | None, now: float) -> list[Effect]:
        self._members.now = now
        self._admission.act(act, key)
        return self._flush()

    def ask_mute(self, key: bytes, *, now: float) -> list[Effect]:
        """Asks somebody to mute themselves. Raises `NotAllowed`, `NotInRoom`."""
        self._members.now = now
        self._admission.ask_mute(key)
        return self._flush()

    def raise_hand(self, *, up: bool, now: float) -> list[Effect]:
        """Shows everybody that we would like to speak."""
        self._members.now = now
        self._members.hand = up
        return self._flush()

    def say(self, text: str, to: bytes | None = None, *, now: float) -> list[Effect]:
        """A line to everybody, or to one. Raises `NotInRoom`."""
        self._members.now = now
        if to is not None and not self._members.seated(to):
            raise NotInRoom("They are not in the room any more.")
        message = w.RoomSay(text=text, private=to is not None)
        for key in [Key(to)] if to is not None else self._members.connected():
            self._members.emit(do.SendInRoom(key, message))
        return self._flush()

    def react(self, emoji: str, *, now: float) -> list[Effect]:
        """Shows everybody a reaction."""
        self._members.now = now
        for key in self._members.connected():
            self._members.emit(do.SendInRoom(key, w.React(emoji=emoji)))
        return self._flush()

    def look(self, key: bytes, size: PictureSize, *, now: float) -> list[Effect]:
        """We show somebody's picture in this size from now on. Nobody of that key: nothing."""
        self._members.now = now
        other = self._members.others.get(Key(key))
        if other is not None and other.looks is not size and self._members.seated(key):
            other.looks = size
            if other.up:
                self._members.emit(do.SendInRoom(Key(key), w.Look(size=size)))
        return self._flush()

    # ── what happens ────────────────────────────────────────────────────────────────────────────
    def opened(self, key: bytes, device: str, *, now: float) -> list[Effect]:
        """The first channel with this key is open, to this libp2p PeerId (empty: a guest's)."""
        self._members.now = now
        self._connections.opened(Key(key), device)
        return self._flush()

    def lost(self, key: bytes, *, now: float) -> list[Effect]:
        """The last channel with this key is gone, or none could be opened."""
        self._members.now = now
        if self._members.over is not None:
            return []
        self._connections.lost(Key(key))
        return self._flush()

    def received(self, key: bytes, message: Message, *, now: float) -> list[Effect]:
        """A message over the channel with this key. Whatever it is, it is dealt with."""
        self._members.now = now
        key = Key(key)
        if self._members.over is not None:
            return []
        if self.phase not in HEARD.get(type(message), ()):
            return self._flush()
        match message:
            case w.Roster():
                self._election.take_roster(key, message)
            case w.RoomKnock():
                self._admission.knocked(key, message)
            case m.Deny(reason=reason):
                ends = {m.DenyReason.FULL: RoomEnd.FULL, m.DenyReason.LINK_CLOSED: RoomEnd.LOCKED}
                self._members.finish(ends.get(reason, RoomEnd.DENIED))
            case _ if not self._members.seated(key):
                pass  # who is not in has nothing to say about the room
            case w.Here():
                self._attendance.heard(key, message)
            case w.AtDoor(waiting=waiting):
                if self._members.roster is not None and key == self._members.roster.host:
                    self._admission.door_told({Key(one.key): one.name for one in waiting})
            case w.RoomRequest(act=act, seat=seat):
                self._admission.requested(key, act, seat)
            case w.RoomSay(text=text, private=private):
                self._members.emit(do.Said(key, text, private))
            case w.React(emoji=emoji):
                self._members.emit(do.Reacted(key, emoji))
            case w.Look(size=size):
                self._members.obtain(key).shown = size
                self._members.emit(do.MemberChanged(key))
            case w.RoomLeave():
                self._election.left(key)
            case _:
                pass
        return self._flush()

    def media(self, key: bytes, *, up: bool, now: float) -> list[Effect]:
        """Media of this seat reaches us, or no more."""
        self._members.now = now
        self._connections.media(Key(key), up=up)
        return self._flush()

    def call_over(self, key: bytes, *, now: float) -> list[Effect]:
        """The call with this seat is over; while both are in, it is begun again."""
        self._members.now = now
        self._connections.call_over(Key(key))
        return self._flush()

    def called(self, key: bytes, *, now: float) -> list[Effect]:
        """They have begun the call with us."""
        self._members.now = now
        self._connections.called(Key(key))
        return self._flush()

    def tick(self, *, now: float) -> list[Effect]:
        """Does what is due. Early and repeated calls do no harm."""
        self._members.now = now
        if self._members.over is not None:
            return []
        if self._members.knock_until is not None and now >= self._members.knock_until:
            self._members.finish(RoomEnd.NO_ANSWER)
            return self._flush()
        for key, knocker in list(self._members.knocks.items()):
            if now >= knocker.until:
                self._members.turn_away(key, m.DenyReason.NO_ANSWER)
        self._members.forget_departed()
        self._connections.tick()
        claim_at = self._election.claim_at()
        if claim_at is not None and now >= claim_at:
            self._election.claim()
        if self._members.is_host and self._members.roster is not None:
            gone = [key for key, at in self._election.away() if now >= at]
            if gone:
                self._election.publish(rosters.without(self._members.roster, *gone))
        self._members.plan_calls()
        return self._flush()

    def _flush(self) -> list[Effect]:
        self._attendance.tell()
        if self._members.over is not None and not self._told_end:
            self._told_end = True
            self._members.emit(do.EndOfRoom(self._members.over))
        effects, self._members.out = self._members.out, []
        return effects
