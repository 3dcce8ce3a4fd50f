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


class Election:
    """Whose roster counts, and what follows from it."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self.previous_host: tuple[RosterBody, Roster] | None = None
        """The last word of the host before the one who claimed its place."""
        self.removed_away: set[Key] = set()
        """Who was sent out while they were not there: maybe they carried on another half."""
        self.rival_rosters: dict[Key, Roster] = {}
        """Rosters of others who would be host; of use when the host is lost."""
        self.top_term = 0
        """The greatest term that any roster named."""
        self._liars: set[Key] = set()

    # ── ours ────────────────────────────────────────────────────────────────────────────────────
    def publish(self, body: RosterBody) -> None:
        """A roster of our own: signed, taken, and told to everybody."""
        self._adopt(body, rosters.sign(body, self._members.me, self._members.key.sign))
        for key in self._members.connected():
            self.tell_roster(key)

    def _adopt(self, body: RosterBody, signed: Roster) -> None:
        before, told = self._members.roster, self._members.signed
        if before is not None and told is not None and body.claims > before.claims:
            self.previous_host = before, told
        elif self.previous_host is not None and body.claims <= self.previous_host[0].claims:
            self.previous_host = None
        self._members.roster, self._members.signed = body, signed
        self.top_term = max(self.top_term, body.term)
        if before is None:
            self._members.knock = self._members.knock_until = None
        if before is None or before.host != body.host or before.term != body.term:
            self._members.at_door = {}
            self._members.host_lost_at = None
            if body.host != self._members.me and (
                not self._members.up(body.host) or self.resigned(Key(body.host))
            ):
                self._members.host_lost_at = self._members.now
            for other in self._members.others.values():
                other.was_lost = not other.up
            self.rival_rosters.clear()
        keys = {Key(seat.key) for seat in body.seats}
        if before is not None:
            for seat in before.seats:
                key = Key(seat.key)
                if key not in keys and key != self._members.me:
                    self._unseat(seat, body)
        for key in keys - {self._members.me}:
            self._members.departed.pop(key, None)
            other = self._members.obtain(key)
            other.stray_until = None
            if not other.up and other.try_at is None and self._members.wanted(key):
                other.try_at = self._members.opens_at(key)
            if not other.up and other.lost_at is None:
                other.lost_at = self._members.now
        self._members.emit(do.RosterChanged(body))
        if body.ended:
            self._members.finish(RoomEnd.ENDED)
        elif self._members.me in body.removed:
            self._members.finish(RoomEnd.REMOVED)
        else:
            self._members.plan_calls()

    def _unseat(self, seat: Seat, body: RosterBody) -> None:
        """Somebody is no longer in: their call ends; who was not sent out may come back."""
        key = Key(seat.key)
        other = self._members.others.get(key)
        if other is not None:
            if other.calling or other.media:
                self._members.emit(do.HangUpWith(key))
            other.calling = other.media = False
            other.ring_at = other.blind_since = None
        if key in body.removed:
            self._members.departed.pop(key, None)
            self._members.others.pop(key, None)
            self._members.emit(do.Close(key))
        elif other is not None and not other.up:
            self._members.departed[key] = (seat, self._members.now + timing.FORMER)
            while len(self._members.departed) > timing.MAX_FORMER:
                del self._members.departed[next(iter(self._members.departed))]
            if other.try_at is None:
                other.try_at = self._members.now + timing.MAX_RETRY

    def take_back(self, key: Key) -> None:
        """Somebody who was given up for silent is there again: nobody sent them out."""
        assert self._members.roster is not None
        seat, _ = self._members.departed[key]
        try:
            self.publish(rosters.with_seat(self._members.roster, seat))
        except RoomFull:
            self._members.turn_away(key, m.DenyReason.FULL)

    def tell_roster(self, key: Key) -> None:
        """Ours, to one of those who have a channel with us."""
        if self._members.signed is not None and self._members.up(key):
            if self.previous_host is not None:
                self._members.emit(do.SendInRoom(key, self.previous_host[1]))
            self._members.emit(do.SendInRoom(key, self._members.signed))

    # ── others' ─────────────────────────────────────────────────────────────────────────────────
    def take_roster(self, sender: Key, signed: Roster) -> None:
        """Somebody shows us a roster."""
        try:
            body = rosters.read(signed, self._members.id)
        except BadRoster:
            if sender == self._members.me:
                return
            self._members.emit(do.Close(sender))
            return
        mine = self._members.roster
        if mine is None:
            self._let_in(sender, body, signed)
            return
        self.top_term = max(self.top_term, body.term)
        before = self.previous_host
        if self._is_late_handover(body, signed):
            self._follow(body, signed)
            return
        if before is not None and signed.signer == before[0].host == body.host:
            if self._same_office(body, before[0]):
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
                self.mismatch(Key(body.host), sender)
            elif body.version < mine.version:
                self.tell_roster(sender)
        elif signed.signer == mine.host and body.term > mine.term and body.host != mine.host:
            self._follow(body, signed)  # the host names who carries on
        elif sender == mine.host and signed.signer == body.host != self._members.me:
            self._follow(body, signed)  # our host yields to another, and we with it
        else:
            self._rival(sender, body, signed)

    def _is_late_handover(self, body: RosterBody, signed: Roster) -> bool:
        """Whether the host whose place was claimed had named somebody, and we had not heard it."""
        if self.previous_host is None or self._members.roster is None:
            return False
        before = self.previous_host[0]
        named = signed.signer == before.host != body.host and body.term > before.term
        there = body.host == self._members.me or self._members.up(body.host)
        return named and there and body.claims == before.claims < self._members.roster.claims

    def _rival(self, sender: Key, body: RosterBody, signed: Roster) -> None:
        """A roster of another host: after a split, from somebody who carried on, or a pretender."""
        mine = self._members.roster
        assert mine is not None
        host = Key(body.host)
        if sender != host and signed.signer == host and self._members.seated(sender):
            self._hint(body)
        if (
            sender != host
            or signed.signer != host
            or (host in mine.removed and not self.may_outrank(host))
        ):
            return
        known = rosters.seat_of(mine, host) or (self._members.departed.get(host) or (None,))[0]
        if known is None and self.may_outrank(host):
            known = rosters.seat_of(body, host)
        if known is None or known.role is Role.GUEST:
            self._members.emit(do.Close(sender))
            return
        prevails = rosters.precedence(body) < rosters.precedence(mine)
        alive = self._members.is_host or (
            self._members.up(mine.host) and self._members.host_lost_at is None
        )
        if prevails or not alive:
            if self._members.me in body.removed:
                self._members.finish(RoomEnd.REMOVED)
            elif rosters.seat_of(body, self._members.me) is None:
                if self._members.is_host and prevails:
                    self.tell_roster(sender)  # it takes us, and those with us, in
            elif prevails or self._lost_for_good():
                was_host = self._members.is_host
                if was_host and self._members.signed is not None:
                    self._members.emit(do.SendInRoom(host, self._members.signed))
                self._follow(body, signed)
            else:
                self.rival_rosters[host] = signed
        elif self._members.is_host:
            if self._may_merge(host, body):
                self.publish(rosters.merged(mine, body))
            self.tell_roster(sender)
        else:
            self.rival_rosters[host] = signed
            self.tell_roster(sender)

    def may_outrank(self, key: bytes) -> bool:
        """Whether somebody who was sent out may be host all the same: of the half of the room that
        we lost. Whoever claims a place cannot send out the host before, or the absent.
        """
        before = self.previous_host is not None and self.previous_host[0].host == key
        return before or key in self.removed_away

    def _may_merge(self, host: Key, body: RosterBody) -> bool:
        """Whether another host's people are taken in: we had lost it, so it carried on rightly."""
        mine = self._members.roster
        assert mine is not None
        other = self._members.others.get(host)
        apart = host in self._members.departed or (other is not None and other.was_lost)
        if not apart:
            return False
        news = rosters.keys_of(body) - rosters.keys_of(mine)
        removed = set(body.removed) - set(mine.removed) - {mine.host}
        return bool((news - set(mine.removed)) or removed)

    def _follow(self, body: RosterBody, signed: Roster) -> None:
        if rosters.seat_of(body, self._members.me) is None and not body.ended:
            if self._members.me in body.removed:
                self._members.finish(RoomEnd.REMOVED)
            elif self._members.knock is None:
                # Given up while we were away: we go on alone until the host takes us in again.
                return
            return
        if body.host == self._members.me and signed.signer != self._members.me:
            # named to carry on: what everybody goes by is signed by whom they go by
            before = self._members.roster
            self._adopt(body, signed)
            late = before is not None and before.host == self._members.me
            self.publish(rosters.merged(body, before) if late and before else rosters.changed(body))
            return
        was_host = self._members.is_host
        self._adopt(body, signed)
        for key in self._members.connected():
            other = self._members.others[key]
            if key != body.host and (was_host or not other.here.host):
                self.tell_roster(key)

    def _inherit(self, sender: Key, body: RosterBody, signed: Roster) -> None:
        """Another word of the host whom we lost: of people it let in after our time, or before."""
        assert self.previous_host is not None
        known = self.previous_host[0]
        if rosters.newer(body, known):
            if self._members.me in body.removed:
                self._members.finish(RoomEnd.REMOVED)
                return
            if rosters.seat_of(body, self._members.me) is not None:
                self.previous_host = body, signed  # else the one before shows better who we are
        out = {*known.removed, *body.removed}
        mine = self._members.roster
        assert mine is not None
        for seat in body.seats:
            key = Key(seat.key)
            if (
                key in {self._members.me, body.host}
                or self._members.seated(key)
                or key in {*out, *mine.removed}
            ):
                continue
            self._members.departed.setdefault(key, (seat, self._members.now + timing.FORMER))
            if self._members.obtain(key).try_at is None and not self._members.up(key):
                self._members.obtain(key).try_at = self._members.now
        if self._members.is_host and sender in self._members.departed:
            self.take_back(sender)

    def _hint(self, body: RosterBody) -> None:
        """Somebody follows a host whom we do not know or have lost: we look for that host."""
        host = Key(body.host)
        seat = rosters.seat_of(body, host)
        if (
            host == self._members.me
            or seat is None
            or self._members.up(host)
            or self._members.seated(host)
        ):
            return
        self._members.hinted_hosts[host] = seat
        while len(self._members.hinted_hosts) > timing.MAX_LEADS:
            del self._members.hinted_hosts[next(iter(self._members.hinted_hosts))]
        other = self._members.obtain(host)
        if other.try_at is None:
            other.try_at = self._members.now

    def _let_in(self, sender: Key, body: RosterBody, signed: Roster) -> None:
        """The first roster we get is the host's at whose door we are, with us in it."""
        door = self._members.door
        if door is None or sender != door.key or sender != body.host or signed.signer != sender:
            return
        if rosters.seat_of(body, self._members.me) is None:
            return
        self._adopt(body, signed)

    def _same_office(self, one: RosterBody, other: RosterBody) -> bool:
        return (one.host, one.term, one.claims) == (other.host, other.term, other.claims)

    def _differs(self, signed: Roster) -> bool:
        return self._members.signed is not None and rosters.digest(signed) != rosters.digest(
            self._members.signed
        )

    def mismatch(self, host: Key, other: Key) -> None:
        """The host shows this other person another roster than us; told once."""
        if host != self._members.me and other not in self._liars:
            self._liars.add(other)
            self._members.emit(do.RosterMismatch(host, other))

    # ── carrying on ─────────────────────────────────────────────────────────────────────────────
    def _lost_for_good(self) -> bool:
        lost = self._members.host_lost_at
        return lost is not None and self._members.now >= lost + timing.CLAIM

    def resigned(self, host: Key) -> bool:
        """Whether this host says itself that another is host."""
        return self._members.obtain(host).here.keeper not in {None, host}

    def claim_at(self) -> float | None:
        """When we carry on in the host's place, or follow who does, if nothing changes."""
        roster, lost = self._members.roster, self._members.host_lost_at
        if roster is None or lost is None or self._members.is_host:
            return None
        if self.rival_rosters:
            return lost + timing.CLAIM
        if self._members.role in {None, Role.GUEST}:
            return None
        before = 0
        for key in rosters.succession(roster):
            if key == self._members.me:
                break
            if key != roster.host and self._members.up(key):
                before += 1
        wait = timing.CLAIM + before * timing.CLAIM_STEP
        if any(self._members.others[key].here.host for key in self._members.connected()):
            wait = max(wait, timing.WITNESS)
        return lost + wait

    def claim(self) -> None:
        """Follows whoever carries on, or carries on."""
        assert self._members.roster is not None
        best: tuple[RosterBody, Roster] | None = None
        for host, signed in list(self.rival_rosters.items()):
            body = rosters.read(signed, self._members.id)
            if not self._members.up(host) or rosters.seat_of(body, self._members.me) is None:
                continue
            if best is None or rosters.precedence(body) < rosters.precedence(best[0]):
                best = body, signed
        self.rival_rosters.clear()
        if best is not None:
            self._follow(*best)
            return
        if self._members.role is Role.GUEST:
            return
        heir = rosters.handed_to(
            self._members.roster, self._members.me, self.top_term + 1, leaving=False, claim=True
        )
        self.publish(heir)

    def left(self, key: Key) -> None:
        """Somebody said that they leave."""
        roster = self._members.roster
        assert roster is not None
        if self._members.is_host:
            self.publish(rosters.without(roster, key))
        other = self._members.others.get(key)
        if other is not None:
            if other.calling or other.media:
                self._members.emit(do.HangUpWith(key))
            other.calling = other.media = False
        if key == roster.host:
            self._members.host_lost_at = (
                self._members.now - timing.CLAIM
            )  # it named somebody, or nobody was there

    def away(self) -> list[tuple[Key, float]]:
        """Seats that have no channel with us, and when they are given up."""
        roster = self._members.roster
        assert roster is not None
        found = []
        seen_by_others = {key for o in self._members.others.values() if o.up for key in o.here.sees}
        for seat in roster.seats:
            other = self._members.others.get(Key(seat.key))
            if seat.key == self._members.me or other is None or other.up or other.lost_at is None:
                continue
            if seat.key not in seen_by_others:
                found.append((Key(seat.key), other.lost_at + timing.AWAY))
        return found
