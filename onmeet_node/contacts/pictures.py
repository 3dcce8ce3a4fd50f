"""Pictures of people: fetched once from contacts, given to whoever sees ours, and forgotten."""

from __future__ import annotations

import logging

from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_card import OwnCard
from onmeet_node.events import CardChanged, Hub, NodeEvent
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.errors import BadPicture
from onmeet_node.protocol.identity.picture import clean_picture, digest_of
from onmeet_node.protocol.wire.messages import AskPicture, Picture
from onmeet_node.store import ContactState, Store
from onmeet_node.store.tolerance import WriteTolerance

log = logging.getLogger(__name__)


class CardPictures:
    """The pictures that cards name by their digest."""

    def __init__(
        self,
        store: Store,
        book: AddressBook,
        own_card: OwnCard,
        messenger: Messenger,
        hub: Hub[NodeEvent],
        writes: WriteTolerance,
    ) -> None:
        self._store = store
        self._book = book
        self._own_card = own_card
        self._messenger = messenger
        self._hub = hub
        self._writes = writes
        self._given: set[tuple[Identity, bytes]] = set()

    def get(self, digest: bytes) -> bytes | None:
        """The picture that a card names, if it is here."""
        return self._store.pictures.get(digest)

    def digests(self) -> frozenset[bytes]:
        """The digests of all pictures that are here."""
        return self._store.pictures.digests()

    def forget(self, digest: bytes | None) -> None:
        """Erases a picture that nobody's card names any more."""
        if digest is None or digest == self._own_card.picture:
            return
        if not self._store.contacts.shows_picture(digest):
            self._store.pictures.forget(digest)

    def forget_unused(self) -> None:
        """Erases all pictures that nobody's card names any more."""
        for digest in self.digests():
            self.forget(digest)

    def want(self, peer: Identity) -> None:
        """Asks for the picture that a contact's card names. Those of strangers are not fetched."""
        contact = self._book.get(peer)
        if contact is None or contact.state is not ContactState.ACCEPTED:
            return
        digest = contact.card.picture
        if digest is not None and self.get(digest) is None:
            self._messenger.send(peer, AskPicture(digest=digest))

    def asked(self, peer: Identity, digest: bytes) -> None:
        """Gives ours to somebody who asks, if the card they see names it."""
        # Once for each card that was sent: asking costs a peer nothing and us 24 kB.
        if self._own_card.seen_by(peer).picture != digest or (peer, digest) in self._given:
            return
        data = self.get(digest)
        if data is not None and self._messenger.send(peer, Picture(data=data)):
            self._given.add((peer, digest))

    def allow(self, peer: Identity) -> None:
        """A card was sent to a person, or is about to be: they may ask again."""
        self._given = {given for given in self._given if given[0] != peer}

    def take(self, peer: Identity, data: bytes) -> None:
        """Keeps the picture of a contact whose card names it."""
        contact = self._book.get(peer)
        if (
            contact is None
            or contact.state is not ContactState.ACCEPTED
            or contact.card.picture != digest_of(data)
            or self.get(contact.card.picture) is not None
        ):
            return
        try:
            clean = clean_picture(data) == data
        except BadPicture:
            clean = False
        if not clean:
            log.info("a contact's picture was refused: it is none that we show")
            return
        with self._writes.tolerate():
            self._store.pictures.keep(data)
            self._hub.publish(CardChanged(identity=peer))
