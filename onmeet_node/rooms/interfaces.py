"""What a room asks of whoever is in it: a node, or a guest without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from onmeet_node.calls.call import Call
from onmeet_node.contacts.acquaintances import Known, Tie
from onmeet_node.media.endpoint import MediaSession
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire import room as w
from onmeet_node.protocol.wire.messages import Card


class AddressBookView(Protocol):
    """What a room needs of the people we know: a node has `Acquaintances`, a guest `NoContacts`."""

    def known(self) -> Mapping[Identity, Tie]:
        """Contacts and the blocked."""
        ...

    def get(self, peer: Identity) -> Known | None:
        """What we know of one of them."""
        ...

    def card(self, peer: Identity | None) -> Card:
        """Ours as this person sees it; None: as anybody does."""
        ...


class GuestChannels(Protocol):
    """What carries the channels between guests and everybody: `guests.RoomGuests` at a node, and
    `CarriedGuestChannels` at a guest.
    """

    def is_guest(self, key: bytes) -> bool:
        """Whether frames travel beside the media of the call with this seat."""
        ...

    def may_enter(self, key: bytes) -> bool:
        """Whether their link lets them in without a word of anybody."""
        ...

    async def open(self, seat: w.Seat, call: Call | None) -> None:
        """Opens a channel to a seat, with whom this call is on. Raises `NetError` and
        `trio.BrokenResourceError`.
        """
        ...

    def piped(self, sender: Key, message: w.Pipe) -> None:
        """A frame came over the channel with `sender`."""
        ...

    def beside(self, key: Key, session: MediaSession, data: bytes) -> None:
        """A frame came beside the media of the call with this seat."""
        ...

    def lent(self, message: w.Lent) -> None:
        """Somebody lends us TURN servers."""
        ...

    def way_lost(self, way: object) -> None:
        """A channel that carried (its key), or a media session, is gone."""
        ...

    def roster_changed(self) -> None:
        """Somebody came or went, or another is host."""
        ...
