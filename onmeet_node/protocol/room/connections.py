"""The channels and calls with the others of a room: what follows when one opens or is lost."""

from __future__ import annotations

from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.election import Election
from onmeet_node.protocol.room.members import Members
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.room import PictureSize


class MemberConnections:
    """Who has a channel and a call with us, who may, and when a lost one is opened anew."""

    def __init__(self, members: Members, election: Election) -> None:
        self._members = members
        self._election = election

    def welcome(self, key: bytes) -> bool:
        """Whether a channel with this key has any business with us."""
        if self._members.over is not None:
            return False
        if self._members.roster is None:
            return self._members.door is not None and key == self._members.door.key
        return key not in self._members.roster.removed or self._election.may_outrank(key)

    # ── channels ────────────────────────────────────────────────────────────────────────────────
    def opened(self, key: Key, device: str) -> None:
        """The first channel with them is open."""
        members = self._members
        if not self.welcome(key):
            self._shut_out(key)
            return
        other = members.obtain(key)
        other.device = device
        other.up, other.lost_at, other.try_at, other.pause = True, None, None, timing.RETRY
        other.told, other.door_told = None, ()
        other.shown = PictureSize.SMALL
        if other.looks is not PictureSize.SMALL and members.seated(key):
            members.emit(do.SendInRoom(key, w.Look(size=other.looks)))
        if members.roster is not None and key == members.roster.host:
            members.host_lost_at = None
        if members.knock is not None and members.door is not None and key == members.door.key:
            members.emit(do.SendInRoom(key, members.knock))
        self._bring_up_to_date(key)
        if members.roster is not None and not members.seated(key):
            other.stray_until = members.now + timing.STRAY
        members.emit(do.MemberChanged(key))
        members.plan_calls()

    def _shut_out(self, key: Key) -> None:
        """They are told that they were sent out, if we know it, and are sent away."""
        if self._members.signed is not None and self._members.over is None:
            if self._election.previous_host is not None:
                self._members.emit(do.SendInRoom(key, self._election.previous_host[1]))
            self._members.emit(do.SendInRoom(key, self._members.signed))
        self._members.emit(do.Close(key))

    def _bring_up_to_date(self, key: Key) -> None:
        """Who is in, or was, gets the roster; whom we gave up too early is taken back."""
        members = self._members
        if members.is_host and key in members.departed:
            self._election.take_back(key)
        known = {*members.departed, *members.hinted_hosts, *self._election.removed_away}
        if members.seated(key) or key in known:
            self._election.tell_roster(key)
        members.hinted_hosts.pop(key, None)

    def lost(self, key: Key) -> None:
        """The last channel with them is gone, or none could be opened."""
        members = self._members
        if members.knocks.pop(key, None) is not None:
            members.emit(do.KnockGone(key))
        other = members.others.get(key)
        if other is None:
            return
        if other.up or other.lost_at is None:
            other.lost_at = members.now
        other.up = False
        other.was_lost = True
        other.blind_since = other.ring_at = other.stray_until = None
        other.here = w.Here(host=False)
        if members.wanted(key):
            other.try_at = max(members.now + other.pause, members.opens_at(key))
            other.pause = min(other.pause * 2, timing.MAX_RETRY)
        elif not members.seated(key) and not other.calling:
            del members.others[key]
        of_host = members.roster is not None and key == members.roster.host
        if of_host and members.host_lost_at is None:
            members.host_lost_at = members.now
        members.emit(do.MemberChanged(key))

    def tick(self) -> None:
        """Closes to strangers whose time is over, and opens what it is time to open."""
        members = self._members
        for key, other in list(members.others.items()):
            if other.stray_until is not None and members.now >= other.stray_until:
                other.stray_until = None
                if not members.seated(key) and key not in members.knocks:
                    members.emit(do.Close(key))
            if other.try_at is not None and members.now >= other.try_at:
                other.try_at = None
                seat = members.seat_to_open(key)
                if seat is not None and not other.up:
                    members.emit(do.Open(seat))

    # ── calls ───────────────────────────────────────────────────────────────────────────────────
    def called(self, key: Key) -> None:
        """They have begun the call with us."""
        self._members.obtain(key).calling = True

    def media(self, key: Key, *, up: bool) -> None:
        """Their media reaches us, or no more."""
        other = self._members.others.get(key)
        if other is not None:
            other.media = up
            if up:
                other.calling = True

    def call_over(self, key: Key) -> None:
        """The call with them is over; while both are in, it is begun again."""
        other = self._members.others.get(key)
        if other is not None:
            other.media = other.calling = False
            if other.up and self._members.is_caller(key):
                other.ring_at = self._members.now + 2 * timing.RETRY
