"""The people of this node and how it is found by them: one object for all that a person does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.admission import ContactDoorkeeper, NoteQuotas
from onmeet_node.contacts.cards import Cards
from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.delivery import Delivery
from onmeet_node.contacts.grants import SecretGrants
from onmeet_node.contacts.locator import PeerLocator
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_card import OwnCard
from onmeet_node.contacts.requests import ContactRequests
from onmeet_node.contacts.views import ContactView, ProfileView
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.audience import Audience
from onmeet_node.protocol.identity.code import ContactCode
from onmeet_node.protocol.identity.policy import ReachPolicy, Relation
from onmeet_node.protocol.identity.profile import Field
from onmeet_node.protocol.own.replica import Name
from onmeet_node.protocol.wire.messages import (
    AskPicture,
    CardUpdate,
    ContactAccepted,
    ContactRequest,
    Grant,
    Hello,
    Message,
    MissedCall,
    Picture,
    Received,
)
from onmeet_node.store import Contact, ContactState, Store
from onmeet_node.store.tolerance import WriteTolerance

log = logging.getLogger(__name__)


class Contacts:
    """Everybody this node knows, and all that passes between them and us besides calls.

    What is of one part alone is asked of that part: `codes`, `book`, `cards`, `requests`,
    `delivery`. What concerns several is done here.
    """

    def __init__(
        self,
        store: Store,
        codes: Codes,
        book: AddressBook,
        locator: PeerLocator,
        own_card: OwnCard,
        doorkeeper: ContactDoorkeeper,
        quotas: NoteQuotas,
        messenger: Messenger,
        hub: Hub[NodeEvent],
        writes: WriteTolerance,
        *,
        now: Callable[[], int],
        hints: Callable[[Iterable[str]], None],
    ) -> None:
        """`hints` is given the bootstraps that a code names; `now` is Unix seconds."""
        self.codes = codes
        self.book = book
        self.cards = Cards(store, book, own_card, messenger, hub, writes, now=now)
        self._own_card = own_card
        self._locator = locator
        self._store = store
        self._doorkeeper = doorkeeper
        self._messenger = messenger
        self._grants = SecretGrants(store, codes, book, messenger, now=now)
        self.requests = ContactRequests(
            store,
            codes,
            book,
            doorkeeper,
            messenger,
            self.cards,
            self._grants,
            locator,
            hub,
            now=now,
            hints=hints,
        )
        self.delivery = Delivery(
            store,
            book,
            doorkeeper,
            messenger,
            self.requests,
            self._grants,
            quotas,
            hub,
            writes,
            now=now,
        )

    async def run(self) -> None:
        """Writes the cards that changed too often, until cancelled."""
        await self.cards.run()

    def audiences(self) -> list[Audience]:
        """Whoever shall find us now."""
        return self.codes.published(self.delivery.owed())

    def meet(self, code: ContactCode) -> Identity:
        """Remembers, until the node stops, how to find somebody by a code alone."""
        return self._locator.meet(code)

    # ── what comes over their channels ──────────────────────────────────────────────────────────
    def channel_opened(self, peer: Identity, hello: Hello, *, incoming: bool) -> None:
        """A channel is open: what waits for this person goes out, our card first if message 1
        did not say it.
        """
        self._messenger.opened(peer)
        if not incoming and not self.book.agreed(peer):
            self.cards.tell(peer)
        self.cards.opened(peer, hello.card)
        self.delivery.hand_over(peer)

    def channel_closed(self, peer: Identity) -> None:
        """The last channel to this person is closed."""
        self._messenger.closed(peer)
        self.cards.closed(peer)
        self.book.heard_of(peer)

    def message(self, peer: Identity, message: Message) -> None:
        """Anything that is not about a call."""
        match message:
            case ContactRequest(note=note):
                self.requests.asked(peer, note)
            case ContactAccepted():
                self.requests.accepted(peer)
            case Grant(secret=secret):
                self._grants.take(peer, secret)
            case CardUpdate(card=card):
                self.cards.seen(peer, card)
            case AskPicture(digest=digest):
                self.cards.pictures.asked(peer, digest)
            case Picture(data=data):
                self.cards.pictures.take(peer, data)
            case MissedCall():
                self.delivery.missed(peer, message)
            case Received(ref=ref):
                self.delivery.confirmed(peer, ref)
            case _:
                log.debug("a message of type %s has no meaning here", type(message).__name__)

    # ── asking, agreeing, refusing ──────────────────────────────────────────────────────────────
    def add(self, text: str, *, name: str | None = None, note: str | None = None) -> Contact:
        """Adds the person whose code this is; `Node.deliver` or `run_delivery` sends the request.

        `note` goes with it, as long as this node runs.

        Raises `CodeError`, `OwnCode`.
        """
        contact = self.requests.add(text, name=name, note=note)
        self.delivery.look_again()
        return contact

    def accept(self, peer: Identity) -> None:
        """Makes a contact of somebody who asked. Raises `NoSuchPerson` if nobody did."""
        self.requests.accept(peer)
        self.delivery.look_again()

    def ignore(self, peer: Identity) -> None:
        """Puts a contact request away: it is shown no more, and they learn nothing."""
        self.book.ignore(peer)

    def block(self, peer: Identity) -> None:
        """Refuses all contact with this person, who learns nothing of it (P6).

        Raises `BadKey` for what nobody's identity can be.
        """
        self.book.block(peer)
        self._cut_off(peer)

    def unblock(self, peer: Identity) -> None:
        """Makes a stranger of somebody blocked. Raises `NoSuchPerson` if they are not."""
        self.book.unblock(peer)

    def remove(self, peer: Identity) -> None:
        """Forgets a person for good, calls included (P11)."""
        self.book.remove(peer)
        self.cards.pictures.forget_unused()
        self._cut_off(peer)

    def _cut_off(self, peer: Identity) -> None:
        self._locator.forget(peer)
        self._doorkeeper.forget(peer)
        self.requests.forget_note(peer)
        self._messenger.close(peer)
        self.renew_secret()

    def renew_secret(self) -> None:
        """Whoever had the contacts' secret finds this node no more; contacts get the new one."""
        self.codes.rotate_contacts_secret()
        for contact in self.book.contacts_among(self._messenger.here):
            self._grants.give(contact)
        self.delivery.look_again()

    def done_elsewhere(self, names: Sequence[Name]) -> None:
        """Another device of this person changed these; what follows from it here is done.

        Whoever is no contact any more, or is blocked, loses what they have here as if it were done
        here; contacts and strangers are told anew what they may know.
        """
        cut, secret = False, any(kind == "contacts-secret" for kind, _ in names)
        people = {
            Identity(key[:32])
            for kind, key in names
            if kind == "contact" and key.endswith(b"/state")
        }
        for peer in people:
            known = self.book.get(peer)
            if known is None or known.state is ContactState.BLOCKED:
                cut = True
                self._locator.forget(peer)
                if peer in self._messenger.here:
                    self._messenger.close(peer)
        if any(kind == "setting" for kind, _ in names):
            self.cards.tell_all()
        if cut and not secret:
            self.renew_secret()  # who cut them off could not, if it does not hold the identity
        if secret:
            for contact in self.book.contacts_among(self._messenger.here):
                self._grants.give(contact)
        self.codes.refresh()
        self.delivery.look_again()

    def revoke(self, label: str, *, drop: bool = False) -> int:
        """Ends a code at once, and the channels of strangers who came by it. How many requests
        that came by it were erased too, with `drop`; without, they stay.

        Raises `UnknownCode`.
        """
        audience = self.codes.revoke(label)
        dropped = self._store.contacts.drop_requests(audience) if drop else ()
        for peer in dropped:
            self.requests.forget_note(peer)
        for peer in self._doorkeeper.forget_audience(audience):
            if self.book.relation(peer) is Relation.STRANGER:
                self._messenger.close(peer)
        return len(dropped)

    # ── who they are ────────────────────────────────────────────────────────────────────────────
    def all(self) -> tuple[Contact, ...]:
        """Contacts, requests in both directions, and the blocked."""
        return self.book.all()

    def first(self, *, asking: int, most: int) -> tuple[Contact, ...]:
        """`most` of all, for a page: see `ContactStore.first`."""
        return self.book.first(asking=asking, most=most)

    def identities(self, *states: ContactState) -> tuple[Identity, ...]:
        """Who is in `all`, or in these states, in no order: quick for any number of them."""
        return self.book.identities(*states)

    def counts(self) -> Mapping[ContactState, int]:
        """How many people there are in each state."""
        return self.book.counts()

    def get(self, peer: Identity) -> Contact | None:
        """What is known of this person."""
        return self.book.get(peer)

    def who(self, text: str) -> Identity:
        """Whom to call or invite: see `AddressBook.who`."""
        return self.book.who(text)

    def which(self, text: str, *states: ContactState) -> Identity:
        """Whom to answer, block, remove or verify: see `AddressBook.which`."""
        return self.book.which(text, *states)

    def foreign(self, text: str) -> ContactCode:
        """A code as text, read and found to be somebody else's and in force.

        Raises `CodeError`, `OwnCode`.
        """
        return self.book.foreign(text)

    def name_of(self, peer: Identity) -> str:
        """How a person is shown: the own name for them, their card's, or the key's start."""
        return self.book.name_of(peer)

    def describe(self, peer: Identity) -> ContactView:
        """A person as they are shown, known or not."""
        return self.book.describe(peer)

    def rename(self, peer: Identity, name: str) -> None:
        """What this person is called here; empty: as they call themselves."""
        self.book.rename(peer, name)

    def set_favourite(self, peer: Identity, *, favourite: bool) -> None:
        """Favourites stand first, and their channels are kept open."""
        self.book.set_favourite(peer, favourite=favourite)

    def request_note(self, peer: Identity) -> str | None:
        """What somebody wrote with their contact request, if it came while this node runs."""
        return self.requests.note_of(peer)

    def mark_verified(self, peer: Identity) -> None:
        """The two compared their safety numbers."""
        self.book.mark_verified(peer)

    def safety_number(self, peer: Identity) -> str:
        """The 60 digits that both of you see if nobody stands between."""
        return self.book.safety_number(peer)

    # ── what we show them ───────────────────────────────────────────────────────────────────────
    def profile(self) -> ProfileView:
        """The own profile, who may see which field, and who can reach us."""
        return self._own_card.profile()

    def change_profile(
        self,
        fields: dict[str, str],
        shares: dict[str, str],
        *,
        reach: ReachPolicy | None = None,
        busy: Busy | None = None,
    ) -> ProfileView:
        """Changes the profile and tells open channels. See `profile.change_profile`."""
        result = self._own_card.change(fields, shares, reach=reach, busy=busy)
        self.cards.tell_all()
        self.codes.refresh()
        return result

    def set_picture(self, data: bytes | None) -> None:
        """Another picture of the person, a JPEG, or none. Raises `BadPicture`.

        It is kept, and sent, without metadata; who sees it is a field like the others.
        """
        self.cards.set_picture(data)

    def picture(self, digest: bytes) -> bytes | None:
        """The picture that a card names, if it is here."""
        return self.cards.pictures.get(digest)

    def pictures(self) -> frozenset[bytes]:
        """The digests of all pictures that are here."""
        return self.cards.pictures.digests()

    def show_to(self, peer: Identity, field: Field, *, shown: bool | None) -> None:
        """Whether this one contact sees a field; None: as all contacts do (P4)."""
        self.cards.show_to(peer, field, shown=shown)
