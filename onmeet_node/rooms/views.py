"""What is shown of rooms, of invitations into others', and of standing meetings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from onmeet_node.calls.views import StreamView
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.media import MediaPath
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire.messages import CallId
from onmeet_node.protocol.wire.room import Role


@attrs.frozen
class SeatView:
    """Somebody who is in a room."""

    key: Key
    name: str
    """How they are shown."""
    role: Role
    me: bool
    here: bool
    """Whether a channel with them is open."""
    media: bool
    """Whether theirs reaches us."""
    seen: bool
    """Whether ours reaches them."""
    hand: bool
    muted: bool
    camera_off: bool
    sharing: bool
    contact: str | None
    """What we call them, if we know them."""
    identity: Identity | None
    """Whom we know them as, proven."""
    verified: bool
    card: Mapping[str, str]
    """What they show us of themselves: those of name, country, phone and email that they do."""
    path: MediaPath | None
    call: CallId | None
    hidden: bool
    """Whether contact with them is refused."""


@attrs.frozen
class SeatWithMedia(SeatView):
    """Somebody who is in a room, with the counters of the call with them."""

    streams: tuple[StreamView, ...]
    """Empty while there is no media."""

    @classmethod
    def of(cls, seat: SeatView, streams: Iterable[StreamView]) -> SeatWithMedia:
        """A seat, and its counters."""
        return cls(**attrs.asdict(seat, recurse=False), streams=tuple(streams))


@attrs.frozen
class KnockView:
    """Somebody at the door of a room."""

    key: Key
    name: str
    """As they call themselves, cleaned."""


@attrs.frozen
class RoomView:
    """A room as it is now."""

    room: bytes
    title: str
    """What its host named it; empty until we are in."""
    state: str
    """``knocking``, ``in`` or ``over``."""
    role: Role | None
    """Ours; None while we are not in."""
    locked: bool
    knock: bool
    """Whether whoever comes must be let in."""
    host: Key | None
    version: tuple[int, int, int] | None
    """Of the roster: how often its host was another, its term, and its number in that."""
    string: str | None
    """The numbers to compare; None until everybody has said their part of it."""
    people: tuple[SeatView, ...]
    knocking: tuple[KnockView, ...]
    warnings: tuple[str, ...]
    """What is wrong between whom, in sentences."""


@attrs.frozen
class RoomWithMedia:
    """A room as it is now, with the counters of each participant's media: see `RoomView`."""

    room: bytes
    title: str
    state: str
    role: Role | None
    locked: bool
    knock: bool
    host: Key | None
    version: tuple[int, int, int] | None
    string: str | None
    people: tuple[SeatWithMedia, ...]
    knocking: tuple[KnockView, ...]
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, room: RoomView, people: Iterable[SeatWithMedia]) -> RoomWithMedia:
        """A room, and who is in it with their counters."""
        shown = attrs.asdict(room, recurse=False) | {"people": tuple(people)}
        return cls(**shown)


@attrs.frozen
class InvitationView:
    """A room that somebody asked us into."""

    room: bytes
    title: str
    from_: str
    """How they are shown."""


@attrs.frozen
class RoomsView:
    """The rooms of a node."""

    rooms: tuple[RoomView, ...]
    """Those we are in, or at whose door we are."""
    invitations: tuple[InvitationView, ...]
    """Those that were neither taken nor put away, the oldest first."""
    standing: tuple[str, ...]
    """Names of standing meetings."""
