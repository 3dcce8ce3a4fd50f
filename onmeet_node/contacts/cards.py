"""Cards: what we show people of ourselves (P4), and what they show us."""

from __future__ import annotations

from collections.abc import Callable

import trio

from onmeet_node.contacts.address_book import AddressBook, NoSuchPerson
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_card import OwnCard
from onmeet_node.contacts.pictures import CardPictures
from onmeet_node.events import CardChanged, Hub, NodeEvent
from onmeet_node.net.rates import MAX_SENDERS, AllowedRate, RateLimit
from onmeet_node.process.faults import contained
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.profile import Field, clean_card
from onmeet_node.protocol.wire.messages import Card, CardUpdate
from onmeet_node.store import ContactState, Store
from onmeet_node.store.tolerance import WriteTolerance

CARDS = AllowedRate(burst=12, per_minute=12)
"""Changes of one card that are written at once; of more, the last is, a little later."""
SEEN_SECONDS = 60
"""How exactly it is kept when somebody was last heard of."""


class Cards:
    """Tells people our card when it changes, and keeps theirs. Live in `run`."""

    def __init__(
        self,
        store: Store,
        book: AddressBook,
        own_card: OwnCard,
        messenger: Messenger,
        hub: Hub[NodeEvent],
        writes: WriteTolerance,
        *,
        now: Callable[[], int],
    ) -> None:
        self.pictures = CardPictures(store, book, own_card, messenger, hub, writes)
        self._contacts = store.contacts
        self._book = book
        self._own_card = own_card
        self._messenger = messenger
        self._hub = hub
        self._writes = writes
        self._now = now
        self._rate = RateLimit(CARDS, now, max_keys=MAX_SENDERS)
        self._late: dict[Identity, Card] = {}
        """Of people with an open channel, not written yet."""
        self._some_late = trio.Event()
        self._of_others: dict[Identity, Card] = {}
        """Of people with an open channel who are not in the address book, or blocked."""

    async def run(self) -> None:
        """Writes the cards that changed too often, one at a time, until cancelled."""
        while True:
            await self._some_late.wait()
            self._some_late = trio.Event()
            while self._late:
                await trio.sleep(CARDS.interval)
                for peer in list(self._late):
                    with contained("card"), self._writes.tolerate():
                        self._keep(peer, self._late.pop(peer))

    # ── ours ────────────────────────────────────────────────────────────────────────────────────
    def tell_all(self) -> None:
        """Shows our card, which changed, to every contact with an open channel."""
        for peer in self._book.contacts_among(self._messenger.here):
            self.tell(peer)

    def tell(self, peer: Identity) -> None:
        """Shows our card to one person over their open channels."""
        self.pictures.allow(peer)
        self._messenger.send(peer, CardUpdate(card=self._own_card.seen_by(peer)))

    def set_picture(self, data: bytes | None) -> None:
        """See `Contacts.set_picture`."""
        self._own_card.set_picture(data)
        self.pictures.forget_unused()
        self.tell_all()

    def show_to(self, peer: Identity, field: Field, *, shown: bool | None) -> None:
        """See `Contacts.show_to`."""
        contact = self._book.get(peer)
        if contact is None or contact.state is not ContactState.ACCEPTED:
            raise NoSuchPerson("Only what a contact sees can be chosen one by one.")
        chosen = {**contact.shown, field.value: shown}
        kept = {name: value for name, value in chosen.items() if value is not None}
        self._contacts.update(peer, shown=kept)
        self.tell(peer)

    # ── theirs ──────────────────────────────────────────────────────────────────────────────────
    def of_stranger(self, peer: Identity) -> Card:
        """What somebody shows us who has an open channel, and is not in the address book."""
        return self._of_others.get(peer, Card())

    def opened(self, peer: Identity, card: Card | None) -> None:
        """A channel to this person is open; it began with this card, or theirs will follow."""
        self.pictures.allow(peer)  # it may be another device of theirs, which has none
        if card is not None:
            self.seen(peer, card)

    def closed(self, peer: Identity) -> None:
        """The last channel to this person is closed."""
        self._of_others.pop(peer, None)
        self.pictures.allow(peer)
        late = self._late.pop(peer, None)
        if late is not None:
            self._keep(peer, late)

    def seen(self, peer: Identity, card: Card) -> None:
        """Somebody shows us their card, the same one or another."""
        contact, card = self._book.get(peer), clean_card(card)
        if contact is None or contact.state is ContactState.BLOCKED:
            self._of_others[peer] = card
        elif card == contact.card:
            self._late.pop(peer, None)
            self._keep(peer, card)
        elif peer in self._late or not self._rate.allow(peer):
            self._late[peer] = card
            self._some_late.set()
        else:
            self._keep(peer, card)

    def _keep(self, peer: Identity, card: Card) -> None:
        contact = self._book.get(peer)
        if contact is None or contact.state is ContactState.BLOCKED:
            return
        if card != contact.card:
            self._contacts.update(peer, card=card, last_seen=self._now())
            if contact.card.picture not in {None, card.picture}:
                self.pictures.forget(contact.card.picture)
            self._hub.publish(CardChanged(identity=peer))
        elif self._now() - (contact.last_seen or 0) >= SEEN_SECONDS:
            self._contacts.update(peer, last_seen=self._now())
        self.pictures.want(peer)
