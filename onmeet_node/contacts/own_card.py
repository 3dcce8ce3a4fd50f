"""Our own profile, as its owner changes it and as each person sees it (P4)."""

from __future__ import annotations

from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.profile import PROFILE, card_for, change_picture, change_profile
from onmeet_node.contacts.views import ProfileView
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.call.node_calls import Busy
from onmeet_node.protocol.identity.policy import ReachPolicy, Relation
from onmeet_node.protocol.identity.profile import Field
from onmeet_node.protocol.wire.messages import Card
from onmeet_node.store import Store


class OwnCard:
    """The card of the person whose node this is."""

    def __init__(self, store: Store, book: AddressBook) -> None:
        self._store = store
        self._book = book

    def seen_by(self, peer: Identity | None) -> Card:
        """As this person sees it; None: as somebody does of whom nothing is known."""
        if peer is None:
            return card_for(self._store, Relation.STRANGER)
        contact = self._book.get(peer)
        chosen = contact.shown if contact is not None else {}
        shown = {Field(name): value for name, value in chosen.items() if name in set(Field)}
        return card_for(self._store, self._book.relation(peer), shown)

    @property
    def picture(self) -> bytes | None:
        """Digest of the owner's picture."""
        digest = self._store.settings.get(PROFILE).picture
        return bytes.fromhex(digest) if digest else None

    def profile(self) -> ProfileView:
        """The profile, who may see which field, and who can reach us."""
        return change_profile(self._store, {}, {})

    def change(
        self,
        fields: dict[str, str],
        shares: dict[str, str],
        *,
        reach: ReachPolicy | None = None,
        busy: Busy | None = None,
    ) -> ProfileView:
        """See `profile.change_profile`."""
        return change_profile(self._store, fields, shares, reach=reach, busy=busy)

    def set_picture(self, data: bytes | None) -> None:
        """Keeps another picture, or none. Raises `BadPicture`."""
        change_picture(self._store, data)
