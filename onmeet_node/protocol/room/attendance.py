"""Who sees whom in a room: what everybody says of it, and what is wrong when they say otherwise."""

from __future__ import annotations

from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.authentication import CommitmentRound, StringAuthentication
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.room.election import Election
from onmeet_node.protocol.room.members import Members
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.room import Role


class Attendance:
    """What everybody is told of who is there, and what is wrong when they say otherwise."""

    def __init__(self, members: Members, election: Election) -> None:
        self._members = members
        self._election = election
        self.alone_since: float | None = None
        """Since when a guest reaches nobody who could carry on; a node does so itself."""
        self._authentication = StringAuthentication(members.me, members.key.sign)
        self._string_told: bytes | None = None
        """The roster of which it was told that it has an authentication string."""

    @property
    def waiting(self) -> dict[Key, str]:
        """Who is at the door, and what they call themselves; nobody unless we may decide."""
        if self._members.is_host:
            return {key: knocker.seat.name for key, knocker in self._members.knocks.items()}
        return dict(self._members.at_door) if self._members.role is Role.CO_HOST else {}

    @property
    def string(self) -> str | None:
        """The room's authentication string; None until everybody has said their part of it."""
        round_ = self._round()
        return round_.string if round_ is not None else None

    def heard(self, key: Key, here: w.Here) -> None:
        """Somebody says whom they see, and which roster they go by."""
        other = self._members.obtain(key)
        if other.here != here:
            other.here = here
            self._members.emit(do.MemberChanged(key))
        if self._members.signed is None or self._members.roster is None or here.digest is None:
            return
        if key == self._members.roster.host:
            if not self._election.resigned(key):
                self._members.host_lost_at = None
            elif self._members.host_lost_at is None:
                self._members.host_lost_at = (
                    self._members.now
                )  # it follows another; we have lost it
        if here.keeper != self._members.me and self._members.is_host:
            self._election.tell_roster(key)  # they follow another than us
        if here.keeper == self._members.me and not self._members.is_host:
            self._election.tell_roster(key)  # they follow us, who follow another by now
        same = (here.keeper, here.term) == (self._members.roster.host, self._members.roster.term)
        if same and here.version == self._members.roster.version:
            if here.digest != rosters.digest(self._members.signed):
                self._election.mismatch(Key(self._members.roster.host), key)
        elif same and here.version < self._members.roster.version:
            self._election.tell_roster(key)

    def _watch_halves(self) -> None:
        """Media that flows one way between us and somebody, or not at all."""
        for key in self._members.connected():
            other = self._members.others[key]
            whole = other.media and self._members.me in other.here.sees
            if whole:
                if other.blind_told:
                    self._members.emit(do.MediaRestored(self._members.me, key))
                other.blind_since, other.blind_told = None, False
            elif other.blind_since is None:
                other.blind_since = self._members.now
            elif not other.blind_told and self._members.now >= other.blind_since + timing.BLIND:
                other.blind_told = True
                self._members.emit(do.OneWayMedia(self._members.me, key))

    def _tell_here(self) -> None:
        round_ = self._round()
        if round_ is None or self._members.roster is None or self._members.over is not None:
            return
        here = w.Here(
            sees=tuple(sorted(key for key, other in self._members.others.items() if other.media)),
            host=self._members.is_host or self._members.up(self._members.roster.host),
            hand=self._members.hand,
            digest=round_.digest,
            version=self._members.roster.version,
            term=self._members.roster.term,
            keeper=self._members.roster.host,
            commitment=round_.commitment,
            nonce=round_.nonce,
        )
        for key in self._members.connected():
            other = self._members.others[key]
            if other.told != here:
                other.told = here
                self._members.emit(do.SendInRoom(key, here))
        if round_.complete and self._string_told != round_.digest:
            self._string_told = round_.digest
            self._members.emit(do.StringReady(self._members.roster))

    def _round(self) -> CommitmentRound | None:
        """The commitments for the roster we go by, with all that others have said of it."""
        if self._members.roster is None or self._members.signed is None:
            return None
        round_ = self._authentication.round(
            self._members.roster, rosters.digest(self._members.signed)
        )
        for key, other in self._members.others.items():
            if other.here.digest == round_.digest:
                round_.take(key, other.here.commitment, other.here.nonce)
        return round_

    def _tell_door(self) -> None:
        """Co-hosts decide, too: they are told who waits."""
        if not self._members.is_host or self._members.roster is None:
            return
        names = self.waiting.items()
        waiting = tuple(w.Waiting(key=key, name=name) for key, name in names)
        for seat in self._members.roster.seats:
            other = self._members.others.get(Key(seat.key))
            if seat.role is not Role.CO_HOST or other is None or not other.up:
                continue
            if other.door_told != waiting:
                other.door_told = waiting
                self._members.emit(do.SendInRoom(Key(seat.key), w.AtDoor(waiting=waiting)))

    def _watch_alone(self) -> None:
        """Guests carry no room on: without anybody who could, it is over for them."""
        if not self._members.as_guest or self._members.roster is None:
            return
        if any(self._members.up(key) for key in rosters.succession(self._members.roster)):
            self.alone_since = None
        elif self.alone_since is None:
            self.alone_since = self._members.now
        elif self._members.now >= self.alone_since + timing.AWAY:
            self._members.finish(RoomEnd.LOST)

    def tell(self) -> None:
        """What others are told, before any effects go out."""
        if self._members.over is None:
            self._watch_alone()
        if self._members.over is None:
            self._watch_halves()
            self._tell_here()
            self._tell_door()
