"""Views: what commands answer that no other package has a view of. `as_json` makes JSON of them."""

from __future__ import annotations

from typing import Self

import attrs

from onmeet_node.contacts.views import ContactView
from onmeet_node.guests.views import GuestLinkView
from onmeet_node.protocol.call.events import Identity
from onmeet_node.rooms.views import InvitationView, RoomView, RoomWithMedia


# ── people ───────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class CodeRevoked:
    """A contact code works no more."""

    dropped: int
    """How many requests that came by it were erased; none unless that was asked for."""


@attrs.frozen(kw_only=True)
class CodeOwner:
    """Whose contact code it is. `name`: as the code says, nobody vouches for it."""

    identity: Identity
    name: str | None
    expires: int | None
    """Unix seconds; None: never."""
    known: bool
    """Whether we know them already."""


@attrs.frozen(kw_only=True)
class ContactAdded(ContactView):
    """Somebody who is a contact, or asked to be one, now."""

    delivered: bool
    """Whether the request has reached them."""

    @classmethod
    def of(cls, contact: ContactView, *, delivered: bool) -> Self:
        """The same, and whether they have it."""
        return cls(**attrs.asdict(contact, recurse=False), delivered=delivered)


@attrs.frozen(kw_only=True)
class ContactNumber(ContactView):
    """A contact, and the number to compare with them."""

    safety_number: str
    """60 digits, the same on both sides."""

    @classmethod
    def of(cls, contact: ContactView, safety_number: str) -> Self:
        """The same, and the number."""
        return cls(**attrs.asdict(contact, recurse=False), safety_number=safety_number)


@attrs.frozen(kw_only=True)
class QrCode:
    """A QR code: see `qr.qr_rows`."""

    rows: tuple[str, ...]


@attrs.frozen(kw_only=True)
class PersonReached:
    """Whether a sealed channel to somebody could be opened."""

    reachable: bool


@attrs.frozen(kw_only=True)
class PictureData:
    """A picture of somebody: a JPEG without metadata; None: it is gone."""

    data: bytes | None


# ── guests ───────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class GuestLinkMade(GuestLinkView):
    """A fresh link for guests, whose door is open."""

    host: str | None
    """Our name, for the words that it is sent with."""

    @classmethod
    def of(cls, link: GuestLinkView, *, host: str | None) -> Self:
        """The same, and whose it is."""
        return cls(**attrs.asdict(link, recurse=False), host=host)


# ── calls ────────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class CallsDeleted:
    """So many past calls were deleted for good."""

    deleted: int


# ── rooms ────────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class RoomCreated(RoomView):
    """A room of our own."""

    code: str | None = attrs.field(repr=False)
    """Its room code, if it is a standing meeting."""

    @classmethod
    def of(cls, room: RoomView, *, code: str | None) -> Self:
        """The same, and what leads into it."""
        return cls(**attrs.asdict(room, recurse=False), code=code)


@attrs.frozen(kw_only=True)
class RoomList:
    """The rooms of a node, with the counters of their media: see `RoomsView`."""

    rooms: tuple[RoomWithMedia, ...]
    invitations: tuple[InvitationView, ...]
    standing: tuple[str, ...]


@attrs.frozen(kw_only=True)
class InvitationSent:
    """Whether a device of somebody has the invitation. `who`: how we call them."""

    who: str
    delivered: bool


@attrs.frozen(kw_only=True)
class RoomGuestLink:
    """The guest link into a room."""

    url: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class MeetingPlan:
    """A standing meeting for calendars, and what leads into it."""

    code: str = attrs.field(repr=False)
    """Its room code."""
    link: str | None = attrs.field(repr=False)
    """Its guest link."""
    name: str
    """For the file, with its ending."""
    calendar: str = attrs.field(repr=False)
    """A file of type text/calendar (RFC 5545)."""


@attrs.frozen(kw_only=True)
class RoomCode:
    """The room code of a standing meeting."""

    code: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class SeatChanged:
    """A participant, or somebody at the door, about whom something was done."""

    key: bytes
    name: str
    room: bytes


@attrs.frozen(kw_only=True)
class LineSaid:
    """A line was said, and perhaps not to everybody."""

    missed: tuple[str, ...]
    """Names of those who may not have it."""
    keys: tuple[bytes, ...]
    """Theirs, in the same order."""


# ── devices ──────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class DeviceRevoked:
    """A device is off the list. `codes`: labels of those by which it may still be met."""

    device: str
    codes: tuple[str, ...]


# ── the node ─────────────────────────────────────────────────────────────────────────────────────
@attrs.frozen(kw_only=True)
class Exported:
    """The file with everything that this home holds."""

    path: str


@attrs.frozen(kw_only=True)
class AppAddress:
    """Opens one window of the app, once."""

    url: str = attrs.field(repr=False)
