"""Rosters: signed, checked, compared, and merged (PROTOCOL, "Rooms").

Of two rosters the one that descends from fewer claims outranks the other; after that the one whose
host comes first in the order of succession. So a host who lives cannot be pushed aside, and two
halves of a room that lost each other agree on one host again without talking about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NewType

import attrs

from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.identity.keys import verify
from onmeet_node.protocol.room.errors import BadRoster, RoomFull
from onmeet_node.protocol.wire.codec import Codec
from onmeet_node.protocol.wire.room import (
    MAX_REMOVED,
    MAX_ROSTER_BYTES,
    MAX_SEATS,
    MAX_VIDEO_SEATS,
    Role,
    Roster,
    RosterBody,
    Seat,
)

Key = NewType("Key", bytes)
"""Somebody in a room: the 32 bytes of the public key of this visit."""

DOMAIN = b"onmeet room roster 1"
_codec: Codec[RosterBody] = Codec(RosterBody, limit=MAX_ROSTER_BYTES)

Signer = Callable[[bytes], bytes]


def sign(body: RosterBody, signer: Key, by: Signer) -> Roster:
    """The body as it travels. `by` makes a 64-byte RFC 8032 signature with the key of `signer`."""
    data = _codec.encode(body)
    return Roster(body=data, signer=signer, signature=by(DOMAIN + data))


def read(roster: Roster, room: bytes) -> RosterBody:
    """What a roster says, if it is one of this room and its signature holds. Raises `BadRoster`.

    Whether its signer may sign is for the reader to know (`machine`).
    """
    if not verify(roster.signer, DOMAIN + roster.body, roster.signature):
        raise BadRoster("Its signature does not hold.")
    try:
        body = _codec.decode(roster.body)
    except OnMeetError as error:
        raise BadRoster(f"It does not read: {error}") from error
    if not isinstance(body, RosterBody) or body.room != room:
        raise BadRoster("It is of another room.")
    keys = keys_of(body)
    orders = {seat.order for seat in body.seats}
    hosts = [seat.key for seat in body.seats if seat.role is Role.HOST]
    if len(keys) != len(body.seats) or len(orders) != len(body.seats):
        raise BadRoster("Somebody sits there twice.")
    if hosts != [body.host] or max(orders) >= body.next_order:
        raise BadRoster("Its host is not its host.")
    if keys & set(body.removed):
        raise BadRoster("Somebody sits there who was sent out.")
    return body


def digest(roster: Roster) -> bytes:
    """16 bytes that name what a roster says (BLAKE2b-128 of its body)."""
    return hashlib.blake2b(roster.body, digest_size=16).digest()


def keys_of(body: RosterBody) -> frozenset[Key]:
    """Of everybody who is in."""
    return frozenset(Key(seat.key) for seat in body.seats)


def seat_of(body: RosterBody, key: bytes) -> Seat | None:
    """The seat with this key."""
    return next((seat for seat in body.seats if seat.key == key), None)


def succession(body: RosterBody) -> list[Key]:
    """Who carries the room on, in this order: the host, co-hosts, members; never guests."""
    able = [seat for seat in body.seats if seat.role is not Role.GUEST]
    rank = {Role.HOST: 0, Role.CO_HOST: 1, Role.MEMBER: 2}
    return [Key(seat.key) for seat in sorted(able, key=lambda s: (rank[s.role], s.order))]


def precedence(body: RosterBody) -> tuple[int, int, bytes]:
    """What decides between the rosters of two hosts who are both there: the lesser prevails."""
    host = seat_of(body, body.host)
    assert host is not None, "checked when it was read"
    return body.claims, host.order, body.host


def newer(one: RosterBody, other: RosterBody) -> bool:
    """Whether `one` is a later word of the same host in the same office."""
    same = (one.host, one.term, one.claims) == (other.host, other.term, other.claims)
    return same and one.version > other.version


# ── changes, each a new version ──────────────────────────────────────────────────────────────────
def changed(body: RosterBody, **what: object) -> RosterBody:
    """With this changed, as the next version."""
    return attrs.evolve(body, version=body.version + 1, **what)  # type: ignore[arg-type]


def with_seat(body: RosterBody, seat: Seat) -> RosterBody:
    """With somebody more, who comes last. Raises `RoomFull`."""
    check_room_for(body, video=seat.video)
    seat = attrs.evolve(seat, order=body.next_order)
    return changed(
        body,
        seats=(*body.seats, seat),
        next_order=body.next_order + 1,
        removed=tuple(key for key in body.removed if key != seat.key),
    )


def check_room_for(body: RosterBody, *, video: bool) -> None:
    """Raises `RoomFull`, saying how many fit and what would help."""
    if len(body.seats) >= MAX_SEATS:
        raise RoomFull(
            f"The room is full: {MAX_SEATS} people fit, because each sends to each. Somebody has "
            "to leave first."
        )
    with_video = sum(seat.video for seat in body.seats)
    if video and with_video >= MAX_VIDEO_SEATS:
        raise RoomFull(
            f"The room is full: {MAX_VIDEO_SEATS} people fit with picture, because each sends to "
            f"each. Come with sound alone, which has room for {MAX_SEATS}."
        )


def without(body: RosterBody, *gone: bytes, removed: bool = False) -> RosterBody:
    """Without these; with `removed` they were sent out, and the room knocks from now on."""
    seats = tuple(seat for seat in body.seats if seat.key not in gone)
    if not removed:
        return changed(body, seats=seats)
    names = (*(key for key in body.removed if key not in gone), *gone)[-MAX_REMOVED:]
    return changed(body, seats=seats, removed=names, knock=True)


def with_role(body: RosterBody, key: bytes, role: Role) -> RosterBody:
    """With another role for somebody."""
    return changed(
        body,
        seats=tuple(attrs.evolve(s, role=role) if s.key == key else s for s in body.seats),
    )


def handed_to(
    body: RosterBody, heir: bytes, term: int, *, leaving: bool, claim: bool = False
) -> RosterBody:
    """Under another host, with a term that nobody used. `leaving`: the host so far is no longer in.
    `claim`: nobody named them.

    Orders stay as they are, so everybody's rank is known before and after.
    """
    seats = []
    for seat in body.seats:
        if seat.key == body.host:
            if leaving:
                continue
            seat = attrs.evolve(seat, role=Role.CO_HOST)  # noqa: PLW2901 - changed, and kept
        elif seat.key == heir:
            seat = attrs.evolve(seat, role=Role.HOST)  # noqa: PLW2901
        seats.append(seat)
    return attrs.evolve(
        body,
        host=heir,
        term=term,
        claims=body.claims + claim,
        version=0,
        seats=tuple(seats),
    )


def merged(mine: RosterBody, theirs: RosterBody) -> RosterBody:
    """Mine with those who came while the room was split; without whom either half sent out."""
    removed = tuple(dict.fromkeys((*mine.removed, *theirs.removed)))
    removed = tuple(key for key in removed if key != mine.host)[-MAX_REMOVED:]
    seats = [seat for seat in mine.seats if seat.key not in removed]
    order = max(mine.next_order, theirs.next_order)
    here = {seat.key for seat in seats}
    for seat in sorted(theirs.seats, key=lambda s: s.order):
        if seat.key in here or seat.key in removed or len(seats) >= MAX_SEATS:
            continue
        role = Role.MEMBER if seat.role is Role.HOST else seat.role
        seats.append(attrs.evolve(seat, role=role, order=order))
        order += 1
    return changed(
        mine,
        seats=tuple(seats),
        removed=removed,
        next_order=order,
        knock=mine.knock or theirs.knock,
        locked=mine.locked or theirs.locked,
    )
