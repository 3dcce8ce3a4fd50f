"""The people we know, as rooms need them."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.admission import ContactDoorkeeper
from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.locator import PeerLocator
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_card import OwnCard
from onmeet_node.contacts.reach import PeerTransport
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.code import parse_code
from onmeet_node.protocol.identity.person_keys import PersonKeys
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

    def __init__(self, book: AddressBook, own_card: OwnCard, keys: PersonKeys) -> None:
        self._book = book
        self._own_card = own_card
        self._keys = keys
        self._pairs: dict[Identity, bytes] = {}
        self._version: int | None = None
        self._known: Mapping[Identity, Tie] = {}

    def known(self) -> Mapping[Identity, Tie]:
        """See `AddressBookView`. It is asked for with each channel of a room, and there may be
        10,000 people: made anew only when they are others.
        """
        if self._version != self._book.version:
            self._version = self._book.version
            states = ContactState
            contacts = self._book.identities(states.ACCEPTED, states.REQUESTED_BY_US)
            blocked = self._book.identities(states.BLOCKED)
            self._known = {
                peer: Tie(relation, pair)
                for peers, relation in ((contacts, Relation.CONTACT), (blocked, Relation.BLOCKED))
                for peer in peers
                if (pair := self._pair(peer)) is not None
            }
        return self._known

    def _pair(self, peer: Identity) -> bytes | None:
        if peer not in self._pairs and (pair := self._keys.pair_key(peer)) is not None:
            self._pairs[peer] = pair
        return self._pairs.get(peer)

    def get(self, peer: Identity) -> Known | None:
        """See `AddressBookView`."""
        contact, relation = self._book.get(peer), self._book.relation(peer)
        if contact is None or relation is Relation.STRANGER:
            return None
        return Known(contact.display_name, contact.verified)

    def card(self, peer: Identity | None) -> Card:
        """See `AddressBookView`."""
        return self._own_card.seen_by(peer)


class RoomContacts:
    """What rooms need of people: who they are, the way to them, and codes for them."""

    def __init__(
        self,
        transport: PeerTransport,
        messenger: Messenger,
        book: AddressBook,
        locator: PeerLocator,
        doorkeeper: ContactDoorkeeper,
        codes: Codes,
    ) -> None:
        self._transport = transport
        self._messenger = messenger
        self._locator = locator
        self._codes = codes
        self.name_of = book.name_of
        self.came_by = doorkeeper.came_by

    def send(self, peer: Identity, device: Device, message: Message) -> bool:
        """Over the open channel to this device of theirs; whether there is one."""
        return self._messenger.send_to(peer, device, message)

    async def send_any(self, peer: Identity, message: Message) -> bool:
        """To every device of theirs, looking for them first; whether anybody was reached."""
        return await self._transport.channel(peer) and self._messenger.send(peer, message)

    def meet(self, code: str) -> Identity:
        """Whose contact code this is. Raises what is wrong with it."""
        return self._locator.meet(parse_code(code))

    def revoke(self, label: str) -> None:
        """Ends that code. Raises what is wrong with the label."""
        self._codes.revoke(label)

    def code(self, label: str) -> str:
        """A live contact code of ours with this label, made if there is none."""
        live = next((code for code in self._codes.live() if code.label == label), None)
        return (live or self._codes.new(label)).uri
