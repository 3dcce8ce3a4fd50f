"""Who comes into a room and who is sent out, and who may decide it."""

from __future__ import annotations

from contextlib import suppress

from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.election import Election
from onmeet_node.protocol.room.errors import NotAllowed, NotInRoom, RoomFull
from onmeet_node.protocol.room.members import Knocker, Members
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.room import Role, Seat

GOVERN = frozenset({Role.HOST, Role.CO_HOST})


class RoomAdmission:
    """Knocking, letting in, and everything else that a host does, or a co-host asks it for."""

    def __init__(self, members: Members, election: Election) -> None:
        self._members = members
        self._election = election
        self._tokens: dict[bytes, Key | None] = {}
        """What lets somebody in who was invited, and whom it has let in."""

    def opens_to(self, *, promised: bool) -> bool:
        """Whether who comes is in without a word of anybody: the one rule of admission.

        `promised`: an invitation or a link says so. The room's own word is stricter: where
        everybody knocks, as from the moment on when somebody was sent out, or where nobody new
        comes in, no promise counts.
        """
        roster = self._members.roster
        return promised and roster is not None and not roster.knock and not roster.locked

    # ── what people do ──────────────────────────────────────────────────────────────────────────
    def act(self, act: w.RoomAct, key: bytes | None) -> None:
        """The host does it, a co-host asks the host.

        Raises `NotInRoom`, `NotAllowed`, `RoomFull`.
        """
        if self._members.is_host:
            self._do(act, key)
            return
        self._may_govern()
        assert self._members.roster is not None
        request = w.RoomRequest(act=act, seat=key)
        self._members.emit(do.SendInRoom(Key(self._members.roster.host), request))

    def invite(self, token: bytes) -> None:
        """Whoever knocks with these fresh random bytes is let in, unless the room knocks."""
        self._tokens.setdefault(token, None)

    def ask_mute(self, key: bytes) -> None:
        """Asks somebody to mute themselves. Raises `NotAllowed`, `NotInRoom`."""
        self._may_govern()
        if not self._members.seated(key):
            raise NotInRoom("They are not in the room any more.")
        request = w.RoomRequest(act=w.RoomAct.MUTE, seat=key)
        self._members.emit(do.SendInRoom(Key(key), request))

    # ── what happens ────────────────────────────────────────────────────────────────────────────
    def knocked(self, key: Key, knock: w.RoomKnock) -> None:
        """Somebody asks to be let in."""
        roster = self._members.roster
        if not self._members.is_host or roster is None or knock.room != self._members.id:
            return
        if self._members.seated(key):
            self._election.tell_roster(key)  # twice: they are in
            return
        if key in self._members.knocks:
            return
        if roster.locked:
            self._members.turn_away(key, m.DenyReason.LINK_CLOSED)
            return
        other = self._members.obtain(key)
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
            self._members.turn_away(key, m.DenyReason.FULL)
            return
        invited = knock.token is not None and knock.token in self._tokens
        if self.opens_to(promised=invited):
            assert knock.token is not None
            before = self._tokens[knock.token]
            self._tokens[knock.token] = key
            if before is not None and self._members.seated(before):
                # the same person, started again: one tile
                roster = rosters.without(roster, before)
            self._election.publish(rosters.with_seat(roster, seat))
            return
        if len(self._members.knocks) >= w.MAX_KNOCKS:
            self._members.turn_away(key, m.DenyReason.FULL)
            return
        self._members.knocks[key] = Knocker(seat, self._members.now + timing.KNOCK)
        self._members.emit(do.SendInRoom(key, m.Wait(state=m.WaitState.SHOWN)))
        self._members.emit(do.KnockCame(key, knock.name))

    def door_told(self, waiting: dict[Key, str]) -> None:
        """The host tells us, its co-host, who waits."""
        before, self._members.at_door = self._members.at_door, waiting
        if self._members.role is not Role.CO_HOST:
            return
        for key, name in waiting.items():
            if key not in before:
                self._members.emit(do.KnockCame(key, name))
        for key in before.keys() - waiting.keys():
            self._members.emit(do.KnockGone(key))

    def _admit(self, key: Key) -> None:
        assert self._members.roster is not None
        knocker = self._members.knocks.get(key)
        if knocker is None:
            raise NotInRoom("They have gone, or are in already.")
        body = rosters.with_seat(self._members.roster, knocker.seat)
        del self._members.knocks[key]
        self._members.emit(do.KnockGone(key))
        self._election.publish(body)

    def _may_govern(self) -> None:
        if self._members.role not in GOVERN:
            raise NotAllowed("Only the host or a co-host may do that.")

    def requested(self, sender: Key, act: w.RoomAct, seat: bytes | None) -> None:
        """Somebody asks the host, or us, to do something."""
        roster = self._members.roster
        assert roster is not None
        asking = rosters.seat_of(roster, sender)
        other = self._members.obtain(sender)
        other.asked = [at for at in other.asked if self._members.now - at < timing.REQUEST_WINDOW]
        if asking is None or asking.role not in GOVERN or len(other.asked) >= timing.REQUESTS:
            return
        other.asked.append(self._members.now)
        if act is w.RoomAct.MUTE:
            if seat == self._members.me:
                self._members.emit(do.AskedToMute(sender))
            return
        if not self._members.is_host:
            return
        with suppress(NotInRoom, RoomFull):  # it crossed somebody's going
            self._do(act, seat)

    def _do(self, act: w.RoomAct, seat: bytes | None) -> None:
        match act:
            case w.RoomAct.ADMIT if seat is not None:
                self._admit(Key(seat))
            case w.RoomAct.DENY if seat is not None:
                self._members.turn_away(Key(seat), m.DenyReason.DENIED)
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

    def _remove(self, key: Key) -> None:
        assert self._members.roster is not None
        if key == self._members.me or not self._members.seated(key):
            raise NotInRoom("They are not in the room any more.")
        if not self._members.up(key):
            self._election.removed_away.add(key)
        for token, holder in list(self._tokens.items()):
            if holder == key:
                del self._tokens[token]
        body = rosters.without(self._members.roster, key, removed=True)
        signed = rosters.sign(body, self._members.me, self._members.key.sign)
        self._members.emit(do.SendInRoom(key, signed))  # they are told, and then shut out
        self._election.publish(body)

    def _promote(self, key: Key, *, co_host: bool) -> None:
        assert self._members.roster is not None
        seat = rosters.seat_of(self._members.roster, key)
        if seat is None or seat.role not in {Role.MEMBER, Role.CO_HOST}:
            raise NotInRoom("Only a member of the room can be a co-host.")
        role = Role.CO_HOST if co_host else Role.MEMBER
        if seat.role is not role:
            self._election.publish(rosters.with_role(self._members.roster, key, role))

    def _lock(self, *, locked: bool) -> None:
        assert self._members.roster is not None
        if self._members.roster.locked is not locked:
            self._election.publish(rosters.changed(self._members.roster, locked=locked))
        if locked:
            for key in list(self._members.knocks):
                self._members.turn_away(key, m.DenyReason.LINK_CLOSED)

    def _end_for_all(self) -> None:
        assert self._members.roster is not None
        for key in list(self._members.knocks):
            self._members.turn_away(key, m.DenyReason.LINK_CLOSED)
        self._election.publish(rosters.changed(self._members.roster, ended=True))
