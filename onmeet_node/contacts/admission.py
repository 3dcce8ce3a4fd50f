"""Who gets a channel to this node, what it says of itself there, and what strangers may tell it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.locator import PeerLocator
from onmeet_node.contacts.own_card import OwnCard
from onmeet_node.net.rates import MAX_SENDERS, AllowedRate, RateLimit
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.audience import proof
from onmeet_node.protocol.identity.guest import is_guest
from onmeet_node.protocol.identity.policy import Admission, Relation, decide
from onmeet_node.protocol.wire.messages import Hello
from onmeet_node.protocol.wire.vocabulary import CAPABILITIES
from onmeet_node.store import Store
from onmeet_node.store.history import ANYONE, by_code, by_link
from onmeet_node.store.settings import REACH

MAX_CAME_BY = 4_096
"""Strangers of whom it is remembered by which code they came."""
NOTES = AllowedRate(burst=32, per_minute=6)
"""Missed calls that one contact may tell: at once as many as an outbox holds. What is too much is
not confirmed, so an honest node tells it again later."""
STRANGERS_NOTES = AllowedRate(burst=8, per_minute=1)
NOTES_BY_CODE = AllowedRate(burst=32, per_minute=6)
"""Of all strangers who came by one code together, rings that nobody took included."""


class ContactDoorkeeper:
    """The `Doorkeeper` of the channels between people, which also knows by what each came."""

    def __init__(
        self,
        store: Store,
        codes: Codes,
        book: AddressBook,
        locator: PeerLocator,
        own_card: OwnCard,
        *,
        link_of: Callable[[Identity], str | None],
    ) -> None:
        """`link_of`: by which link a guest came who is in a call now."""
        self._settings = store.settings
        self._codes = codes
        self._book = book
        self._locator = locator
        self._own_card = own_card
        self._link_of = link_of
        self._came_by: OrderedDict[Identity, int] = OrderedDict()
        """The audience of ours whose secret somebody showed, the latest last."""

    def greet(self, identity: Identity, opening_hash: bytes) -> Hello:
        """What we say of ourselves to this person on a channel that we open.

        Our card only if the two have agreed to be contacts: message 1 is open to whoever steals
        their key later (PROTOCOL, "Sealed channel"). Else `Contacts.channel_opened` sends it.
        """
        secret = next(iter(self._locator.secrets_of(identity)), None)
        shown = proof(secret, opening_hash) if secret is not None else None
        card = self._own_card.seen_by(identity) if self._book.agreed(identity) else None
        return Hello(card=card, caps=CAPABILITIES, proof=shown)

    def admit(self, identity: Identity, hello: Hello, opening_hash: bytes) -> Hello | None:
        """Our Hello to somebody who opens a channel; None if they do not get through (P5, P6)."""
        if identity == self._book.identity:
            return Hello(caps=CAPABILITIES)  # another device of this person
        came_by = self._codes.proven(hello.proof, opening_hash)
        policy = self._settings.get(REACH)
        admission = decide(policy, self._book.relation(identity), proven=came_by is not None)
        if admission is Admission.DROP:
            return None
        if came_by is not None:
            self._came_by[identity] = came_by.id
            self._came_by.move_to_end(identity)
            if len(self._came_by) > MAX_CAME_BY:
                self._came_by.popitem(last=False)
        return Hello(card=self._own_card.seen_by(identity), caps=CAPABILITIES)

    def came_by(self, peer: Identity) -> str | None:
        """With whom this person shares a quota, as in `CallRecord.came_by`; None: a contact."""
        if is_guest(peer):
            return by_link(self._link_of(peer) or "")
        if self._book.relation(peer) is Relation.CONTACT:
            return None
        audience = self.audience_of(peer)
        return by_code(audience) if audience is not None else ANYONE

    def audience_of(self, peer: Identity) -> int | None:
        """The audience of ours by which somebody came last, or asked to be a contact."""
        contact = self._book.get(peer)
        asked_by = contact.audience if contact is not None else None
        return self._came_by.get(peer, asked_by)

    def code_of(self, peer: Identity) -> str | None:
        """What the code of ours is called by which somebody came, if it is still in force."""
        return self._codes.label_of(self.audience_of(peer))

    def forget(self, peer: Identity) -> None:
        """Forgets by what somebody came."""
        self._came_by.pop(peer, None)

    def forget_audience(self, audience: int) -> list[Identity]:
        """Forgets everybody who came by this one, and says who they are."""
        gone = [peer for peer, by in self._came_by.items() if by == audience]
        for peer in gone:
            del self._came_by[peer]
        return gone


class NoteQuotas:
    """How many missed calls, told or rung, one person may have written here."""

    def __init__(self, *, now: Callable[[], int]) -> None:
        self._contacts = RateLimit(NOTES, now, max_keys=MAX_SENDERS)
        self._strangers = RateLimit(STRANGERS_NOTES, now, max_keys=MAX_SENDERS)
        self._codes = RateLimit(NOTES_BY_CODE, now, max_keys=MAX_SENDERS)

    def may_tell(self, peer: Identity, came_by: str | None) -> bool:
        """Whether a note of theirs is written; counts it if so. `came_by`: as of `CallRecord`."""
        if came_by is None:
            return self._contacts.allow(peer)
        return self._strangers.allow(peer) and self._codes.allow(came_by)

    def may_ring(self, came_by: str) -> bool:
        """Whether a ring of a stranger, which nobody took, is written; counts it if so."""
        return self._codes.allow(came_by)
