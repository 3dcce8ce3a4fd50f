"""Who the participants of a room are to us: their cards, which of them we know, whom we refuse."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Protocol

from onmeet_node.contacts.acquaintances import Known, Tie
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.acquaint import STEPS, TAG_BYTES, recognized, tags
from onmeet_node.protocol.identity.policy import Relation
from onmeet_node.protocol.identity.profile import clean_card
from onmeet_node.protocol.room.roster import Key
from onmeet_node.protocol.wire.messages import Card
from onmeet_node.protocol.wire.room import Acquaint


class AddressBookView(Protocol):
    """What a room needs of the people we know; the node has the real one."""

    def known(self) -> Mapping[Identity, Tie]:
        """Contacts and the blocked."""
        ...

    def get(self, peer: Identity) -> Known | None:
        """What we know of one of them."""
        ...

    def card(self, peer: Identity | None) -> Card:
        """Ours as this person sees it; None: as anybody does."""
        ...


class Participants:
    """Everybody in one room. `me`: our key there."""

    def __init__(self, room: bytes, me: Key, circle: AddressBookView) -> None:
        self._room = room
        self._me = me
        self._circle = circle
        self._cards: dict[Key, Card] = {}
        self._known: dict[Key, Identity] = {}
        self._refused: set[Key] = set()

    def came(self, key: Key, card: Card) -> Acquaint:
        """A channel with them is open; what to say to them so that our contacts know us."""
        self._cards[key] = clean_card(card)
        contacts = [k.pair for k in self._circle.known().values() if k.relation is Relation.CONTACT]
        random = secrets.token_bytes(max(STEPS) * TAG_BYTES)
        return Acquaint(tags=tags(contacts, self._room, self._me, key, random))

    def acquainted(self, key: Key, message: Acquaint) -> Card | None:
        """They said their tags. What to show them now, if we know them: as they are a contact."""
        known = self._circle.known()
        pairs = {identity: one.pair for identity, one in known.items()}
        identity = recognized(pairs, self._room, key, self._me, message.tags)
        if identity is None or identity in self._known.values():
            return None
        if known[identity].relation is Relation.BLOCKED:
            self._refused.add(key)
            return None
        self._known[key] = identity
        return self._circle.card(identity)

    def changed(self, key: Key, card: Card) -> None:
        """They show us something else."""
        self._cards[key] = clean_card(card)

    def keys(self) -> set[Key]:
        """Everybody of whom something is known."""
        return {*self._cards, *self._known, *self._refused}

    def gone(self, key: Key) -> None:
        """Their channel is closed; who they are is proven anew on the next."""
        self._cards.pop(key, None)
        self._known.pop(key, None)

    def forget(self, key: Key) -> None:
        """They are not in any more."""
        self.gone(key)
        self._refused.discard(key)

    def refuse(self, key: Key, *, refused: bool) -> None:
        """Refuses contact with them, or no longer (P6)."""
        if refused:
            self._refused.add(key)
        else:
            self._refused.discard(key)

    def refuses(self, key: Key) -> bool:
        """Whether contact with them is refused, here or because the person is blocked."""
        return key in self._refused

    def card(self, key: Key) -> Card:
        """What they show us of themselves."""
        return self._cards.get(key, Card())

    def identity(self, key: Key) -> Identity | None:
        """Whom we know them as, proven."""
        return self._known.get(key)

    def known(self, key: Key) -> Known | None:
        """What we know of them."""
        identity = self._known.get(key)
        return self._circle.get(identity) if identity is not None else None
