"""Who comes into a room and who is sent out, and who may decide it."""

from __future__ import annotations

from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.attendance import Attendance
from onmeet_node.protocol.room.effects import Effect
from onmeet_node.protocol.room.errors import NotAllowed, NotInRoom, RoomFull
from onmeet_node.protocol.room.members import Knocker
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.room import Role, Seat

GOVERN = frozenset({Role.HOST, Role.CO_HOST})


class RoomAdmission(Attendance):
    """Knocking, letting in, and everything else that a host does, or a co-host asks it for."""

    def opens_to(self, *, promised: bool) -> bool:
        """Whether who comes is in without a word of anybody: the one rule of admission.

        `promised`: an invitation or a link says so. The room's own word is stricter: where
        everybody knocks, as from the moment on when somebody was sent out, or where nobody new
        comes in, no promise counts.
        """
        roster = self.roster
        return promised and roster is not None and not roster.knock and not roster.locked

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

    def invite(self, token: bytes) -> None:
        """Whoever knocks with these fresh random bytes is let in, unless the room knocks."""
        self._tokens.setdefault(token, None)

    def ask_mute(self, key: bytes, *, now: float) -> list[Effect]:
        """Asks somebody to mute themselves. Raises `NotAllowed`, `NotInRoom`."""
        self._now = now
        self._may_govern()
        if not self.seated(key):
            raise NotInRoom("They are not in the room any more.")
        self._out.append(do.SendInRoom(Key(key), w.RoomRequest(act=w.RoomAct.MUTE, seat=key)))
        return self._flush()

    # ── what happens ────────────────────────────────────────────────────────────────────────────
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
        if self.opens_to(promised=invited):
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
        self._out.append(do.SendInRoom(key, m.Wait(state=m.WaitState.SHOWN)))
        self._out.append(do.KnockCame(key, knock.name))

    def _door_told(self, waiting: dict[Key, str]) -> None:
        before, self._at_door = self._at_door, waiting
        if self.role is not Role.CO_HOST:
            return
        for key, name in waiting.items():
            if key not in before:
                self._out.append(do.KnockCame(key, name))
        for key in before.keys() - waiting.keys():
            self._out.append(do.KnockGone(key))

    def _admit(self, key: Key, knocker: Knocker) -> None:
        assert self.roster is not None
        body = rosters.with_seat(self.roster, knocker.seat)
        del self._knocks[key]
        self._out.append(do.KnockGone(key))
        self._publish(body)

    def _may_govern(self) -> None:
        if self.role not in GOVERN:
            raise NotAllowed("Only the host or a co-host may do that.")

    def _ask(self, act: w.RoomAct, key: bytes | None) -> list[Effect]:
        self._may_govern()
        assert self.roster is not None
        self._out.append(do.SendInRoom(Key(self.roster.host), w.RoomRequest(act=act, seat=key)))
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
                self._out.append(do.AskedToMute(sender))
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
        self._out.append(do.SendInRoom(key, signed))  # they are told, and then shut out
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
