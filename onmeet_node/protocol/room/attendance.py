"""Who sees whom in a room: what everybody says of it, and what is wrong when they say otherwise."""

from __future__ import annotations

from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.authentication import CommitmentRound
from onmeet_node.protocol.room.effects import Effect, RoomEnd
from onmeet_node.protocol.room.election import Election
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.room import Role


class Attendance(Election):
    """What others are told, before any effects go out."""

    @property
    def knocks(self) -> dict[Key, str]:
        """Who is at the door, and what they call themselves; nobody unless we may decide."""
        if self.is_host:
            return {key: knocker.seat.name for key, knocker in self._knocks.items()}
        return dict(self._at_door) if self.role is Role.CO_HOST else {}

    @property
    def string(self) -> str | None:
        """The room's authentication string; None until everybody has said their part of it."""
        round_ = self._round()
        return round_.string if round_ is not None else None

    def _heard(self, key: Key, here: w.Here) -> None:
        other = self._other(key)
        if other.here != here:
            other.here = here
            self._out.append(do.MemberChanged(key))
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
                if other.blind_told:
                    self._out.append(do.MediaRestored(self.me, key))
                other.blind_since, other.blind_told = None, False
            elif other.blind_since is None:
                other.blind_since = self._now
            elif not other.blind_told and self._now >= other.blind_since + timing.BLIND:
                other.blind_told = True
                self._out.append(do.OneWayMedia(self.me, key))

    def _tell_here(self) -> None:
        round_ = self._round()
        if round_ is None or self.roster is None or self.over is not None:
            return
        here = w.Here(
            sees=tuple(sorted(key for key, other in self._others.items() if other.media)),
            host=self.is_host or self._up(self.roster.host),
            hand=self.hand,
            digest=round_.digest,
            version=self.roster.version,
            term=self.roster.term,
            keeper=self.roster.host,
            commitment=round_.commitment,
            nonce=round_.nonce,
        )
        for key in self._here():
            other = self._others[key]
            if other.told != here:
                other.told = here
                self._out.append(do.SendInRoom(key, here))
        if round_.complete and self._numbered != round_.digest:
            self._numbered = round_.digest
            self._out.append(do.StringReady(self.roster))

    def _round(self) -> CommitmentRound | None:
        """The pledges for the roster we go by, with all that others have said of it."""
        if self.roster is None or self._signed is None:
            return None
        round_ = self._pledges.round(self.roster, rosters.digest(self._signed))
        for key, other in self._others.items():
            if other.here.digest == round_.digest:
                round_.take(key, other.here.commitment, other.here.nonce)
        return round_

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
                self._out.append(do.SendInRoom(Key(seat.key), w.AtDoor(waiting=waiting)))

    def _watch_alone(self) -> None:
        """Guests carry no room on: without anybody who could, it is over for them."""
        if not self._as_guest or self.roster is None:
            return
        if any(self._up(key) for key in rosters.succession(self.roster)):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = self._now
        elif self._now >= self._alone_since + timing.AWAY:
            self._finish(RoomEnd.LOST)

    def _flush(self) -> list[Effect]:
        if self.over is None:
            self._watch_alone()
        if self.over is None:
            self._watch_halves()
            self._tell_here()
            self._tell_door()
        elif not self._told_end:
            self._told_end = True
            self._out.append(do.EndOfRoom(self.over))
        effects, self._out = self._out, []
        return effects
