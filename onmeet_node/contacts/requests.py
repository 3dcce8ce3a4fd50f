"""Contact requests in both directions: asking somebody, being asked, and agreeing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from onmeet_node.contacts.address_book import AddressBook, NoSuchPerson
from onmeet_node.contacts.admission import ContactDoorkeeper
from onmeet_node.contacts.cards import Cards
from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.grants import SecretGrants
from onmeet_node.contacts.locator import PeerLocator
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.events import ContactConfirmed, ContactRequested, Hub, NodeEvent
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.wire.messages import (
    MAX_NOTE_CHARS,
    Card,
    ContactAccepted,
    ContactRequest,
)
from onmeet_node.store import Contact, ContactState, Store
from onmeet_node.store.errors import Rejected
from onmeet_node.store.settings import BOOTSTRAPS

log = logging.getLogger(__name__)


class ContactRequests:
    """Makes contacts of people who ask, and of people we ask."""

    def __init__(
        self,
        store: Store,
        codes: Codes,
        book: AddressBook,
        doorkeeper: ContactDoorkeeper,
        messenger: Messenger,
        cards: Cards,
        grants: SecretGrants,
        locator: PeerLocator,
        hub: Hub[NodeEvent],
        *,
        now: Callable[[], int],
        hints: Callable[[Iterable[str]], None],
    ) -> None:
        """`hints` is given the bootstraps that a code names."""
        self._store = store
        self._codes = codes
        self._book = book
        self._doorkeeper = doorkeeper
        self._messenger = messenger
        self._cards = cards
        self._grants = grants
        self._locator = locator
        self._hub = hub
        self._now = now
        self._hints = hints
        self._notes: dict[Identity, str] = {}
        self._their_notes: dict[Identity, str] = {}
        self._asked_again: set[Identity] = set()
        """Contacts whose fresh code was added: they may have lost us. Until the node stops."""

    # ── asking ──────────────────────────────────────────────────────────────────────────────────
    def add(self, text: str, *, name: str | None, note: str | None) -> Contact:
        """Adds the person whose code this is; `send` asks them. See `Contacts.add`."""
        code = self._book.foreign(text)
        peer = Identity(code.identity)
        self._hints(code.bootstraps)
        if code.bootstraps and not self._store.settings.get(BOOTSTRAPS):
            # Whoever has no bootstrap yet gets theirs, for the next start too.
            self._store.settings.put(BOOTSTRAPS, code.bootstraps)
        if note:
            self._notes[peer] = note[:MAX_NOTE_CHARS]
        known = self._book.get(peer)
        contact = Contact(
            identity=peer,
            state=ContactState.REQUESTED_BY_US,
            added=self._now(),
            name=name or (known.name if known else None),
            card=known.card if known else Card(name=code.name),
            secret=code.secret,
        )
        if known is not None and known.state in {
            ContactState.ACCEPTED,
            ContactState.REQUESTED_BY_THEM,
        }:
            self._store.contacts.update(peer, name=contact.name)
            # NOTE: what they granted us is kept beside it: this code may expire before they are
            # met, and they have no reason to grant anew until then.
            self._locator.meet(code)
            if known.state is ContactState.REQUESTED_BY_THEM:
                self.accept(peer)
            else:
                self._asked_again.add(peer)
        else:
            self._store.contacts.save(contact)
        return self._book.get(peer) or contact

    def waiting(self) -> list[Identity]:
        """Everybody whom we ask and who has not answered."""
        asked = self._store.contacts.identities(ContactState.REQUESTED_BY_US)
        return [*asked, *(peer for peer in self._asked_again if peer not in asked)]

    def asks(self, contact: Contact) -> bool:
        """Whether this person is still to be asked."""
        return (
            contact.state is ContactState.REQUESTED_BY_US or contact.identity in self._asked_again
        )

    def send(self, peer: Identity) -> None:
        """Asks somebody over their open channels."""
        self._messenger.send(peer, ContactRequest(note=self._notes.get(peer)))
        # With it goes what they need to tell us the answer when we are the one they look for.
        self._grants.give(peer)

    def accepted(self, peer: Identity) -> None:
        """Somebody whom we asked says yes."""
        self._asked_again.discard(peer)
        contact = self._book.get(peer)
        if contact is None or contact.state is not ContactState.REQUESTED_BY_US:
            return
        self._befriend(peer)
        self._cards.pictures.want(peer)
        self._grants.give(peer)
        self._codes.refresh()
        self._hub.publish(ContactConfirmed(identity=peer, card_name=contact.card.name))

    # ── being asked ─────────────────────────────────────────────────────────────────────────────
    def asked(self, peer: Identity, note: str | None) -> None:
        """Somebody asks to be a contact."""
        contact = self._book.get(peer)
        match contact.state if contact else None:
            case ContactState.ACCEPTED:
                # They did not get it, or lost it, and our secret with it.
                self._grants.give_again(peer)
                self._tell_accepted(peer)
            case ContactState.REQUESTED_BY_US:
                self._befriend(peer)
                self._tell_accepted(peer)  # both asked: both agreed
            case ContactState.REQUESTED_BY_THEM | ContactState.BLOCKED:
                return
            case None:
                self._keep(peer, note)

    def _keep(self, peer: Identity, note: str | None) -> None:
        audience = self._doorkeeper.audience_of(peer)
        label = self._codes.label_of(audience)
        card = self._cards.of_stranger(peer)
        try:
            self._store.contacts.save(
                Contact(
                    identity=peer,
                    state=ContactState.REQUESTED_BY_THEM,
                    added=self._now(),
                    card=card,
                    via=label,
                    audience=audience,
                    last_seen=self._now(),
                )
            )
        except Rejected:
            log.info("a contact request is not kept: too many wait who came by the same code")
            return
        if note:
            self._their_notes[peer] = clean_text(note, MAX_NOTE_CHARS)
        self._hub.publish(
            ContactRequested(
                identity=peer,
                card_name=card.name,
                note=self._their_notes.get(peer),
                code=label,
            )
        )

    def note_of(self, peer: Identity) -> str | None:
        """What somebody wrote with their request, if it came while this node runs."""
        return self._their_notes.get(peer)

    def forget_note(self, peer: Identity) -> None:
        """Their request is answered, or gone."""
        self._their_notes.pop(peer, None)
        self._asked_again.discard(peer)

    def accept(self, peer: Identity) -> None:
        """Makes a contact of somebody who asked. Raises `NoSuchPerson` if nobody did."""
        contact = self._book.get(peer)
        if contact is None or contact.state is ContactState.REQUESTED_BY_US:
            raise NoSuchPerson("They have not asked to be a contact. Send them a code of yours.")
        self._befriend(peer)
        self._tell_accepted(peer)
        self._codes.refresh()

    def _befriend(self, peer: Identity) -> None:
        self._store.contacts.update(peer, state=ContactState.ACCEPTED, audience=None, ignored=False)
        self._store.calls.befriended(peer)

    def _tell_accepted(self, peer: Identity) -> None:
        self._messenger.send(peer, ContactAccepted())
        self._cards.tell(peer)
        self._cards.pictures.want(peer)
        self._grants.give(peer)
