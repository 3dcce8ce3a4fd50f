"""The roster: kept by its host, followed by everybody else, carried on by the next, merged after a
split (PROTOCOL, "Rooms").
"""

from __future__ import annotations

from onmeet_node.protocol.room import effects as do
from onmeet_node.protocol.room import roster as rosters
from onmeet_node.protocol.room import timing
from onmeet_node.protocol.room.effects import RoomEnd
from onmeet_node.protocol.room.errors import BadRoster, RoomFull
from onmeet_node.protocol.room.members import Members
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import messages as m
from onmeet_node.protocol.wire.room import Role, Roster, RosterBody, Seat


class Election(Members):
    """Whose roster counts, and what follows from it."""

    # ── ours ────────────────────────────────────────────────────────────────────────────────────
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
        self._out.append(do.RosterChanged(body))
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
                self._out.append(do.HangUpWith(key))
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
            self._out.append(do.KnockGone(key))
        self._out.append(do.SendInRoom(key, m.Deny(reason=reason)))
        if not self.seated(key):
            self._out.append(do.Close(key))

    def _tell_roster(self, key: Key) -> None:
        if self._signed is not None and self._up(key):
            if self._heritage is not None:
                self._out.append(do.SendInRoom(key, self._heritage[1]))
            self._out.append(do.SendInRoom(key, self._signed))

    # ── others' ─────────────────────────────────────────────────────────────────────────────────
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
                    self._out.append(do.SendInRoom(host, self._signed))
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

    def _may_outrank(self, key: bytes) -> bool:
        """Whether somebody who was sent out may be host all the same: of the half of the room that
        we lost. Whoever claims a place cannot send out the host before, or the absent.
        """
        before = self._heritage is not None and self._heritage[0].host == key
        return before or key in self._removed_away

    def _may_merge(self, host: Key, body: RosterBody) -> bool:
        """Whether another host's people are taken in: we had lost it, so it carried on rightly."""
        mine = self.roster
        assert mine is not None
        other = self._others.get(host)
        apart = host in self._former or (other is not None and other.was_lost)
        if not apart:
            return False
        news = rosters.keys_of(body) - rosters.keys_of(mine)
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
            self._out.append(do.RosterMismatch(host, other))

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
                self._out.append(do.HangUpWith(key))
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
