"""The people we know, as rooms need them."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from onmeet_node.contacts.contacts import Contacts
from onmeet_node.contacts.reach import PeerTransport
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.acquaint import pair_key
from onmeet_node.protocol.identity.code import parse_code
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.policy import Relation
from onmeet_node.protocol.wire.messages import Card, Message
from onmeet_node.store import ContactState


@attrs.frozen
class Known:
    """Somebody in our address book."""

    name: str
    verified: bool


@attrs.frozen
class Tie:
    """What somebody in our address book is to us."""

    relation: Relation
    pair: bytes = attrs.field(repr=False)
    """SECRET. See `protocol.identity.acquaint.pair_key`."""


class Acquaintances:
    """A `AddressBookView`: contacts and the blocked, with the keys that we two alone have."""

    def __init__(self, people: Contacts, key: IdentityKey) -> None:
        self._people = people
        self._key = key
        self._pairs: dict[Identity, bytes] = {}
        self._version: int | None = None
        self._known: Mapping[Identity, Tie] = {}

    def known(self) -> Mapping[Identity, Tie]:
        """See `AddressBookView`. It is asked for with each channel of a room, and there may be
        10,000 people: made anew only when they are others.
        """
        if self._version != self._people.version:
            self._version = self._people.version
            states = ContactState
            contacts = self._people.identities(states.ACCEPTED, states.REQUESTED_BY_US)
            blocked = self._people.identities(states.BLOCKED)
            self._known = {
                peer: Tie(relation, self._pair(peer))
                for peers, relation in ((contacts, Relation.CONTACT), (blocked, Relation.BLOCKED))
                for peer in peers
            }
        return self._known

    def _pair(self, peer: Identity) -> bytes:
        if peer not in self._pairs:
            self._pairs[peer] = pair_key(self._key, peer)
        return self._pairs[peer]

    def get(self, peer: Identity) -> Known | None:
        """See `AddressBookView`."""
        contact, relation = self._people.get(peer), self._people.relation(peer)
        if contact is None or relation is Relation.STRANGER:
            return None
        return Known(contact.display_name, contact.verified)

    def card(self, peer: Identity | None) -> Card:
        """See `AddressBookView`."""
        return self._people.card_for(peer)


class RoomContacts:
    """A `rooms.rooms.Folk`: people, and the way to them."""

    def __init__(self, reacher: PeerTransport, people: Contacts) -> None:
        self._reacher = reacher
        self._people = people
        self.name_of = people.name_of
        self.came_by = people.came_by

    def send(self, peer: Identity, device: Device, message: Message) -> bool:
        """See `rooms.Folk`."""
        return self._reacher.send_to(peer, device, message)

    async def send_any(self, peer: Identity, message: Message) -> bool:
        """See `rooms.Folk`."""
        return await self._reacher.channel(peer) and self._reacher.send_any(peer, message)

    def meet(self, code: str) -> Identity:
        """See `rooms.Folk`."""
        return self._people.meet(parse_code(code))

    def revoke(self, label: str) -> None:
        """See `rooms.Folk`."""
        self._people.codes.revoke(label)

    def code(self, label: str) -> str:
        """See `rooms.Folk`."""
        codes = self._people.codes
        live = next((code for code in codes.live() if code["label"] == label), None)
        made: str = (live or codes.new(label))["uri"]
        return made
