"""Who the participants of a room are to us: their cards, which of them we know, whom we refuse."""

from __future__ import annotations

import secrets

from onmeet_node.contacts.acquaintances import Known
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.acquaint import STEPS, TAG_BYTES, recognized, tags
from onmeet_node.protocol.identity.policy import Relation
from onmeet_node.protocol.identity.profile import clean_card
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.room.machine import Room
from onmeet_node.protocol.room.roster import Key, seat_of
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, Card
from onmeet_node.protocol.wire.room import Acquaint
from onmeet_node.rooms.interfaces import AddressBookView


class Participants:
    """Everybody in one room, as they are shown here."""

    def __init__(self, room: Room, contacts: AddressBookView) -> None:
        self._room = room
        self._contacts = contacts
        self._cards: dict[Key, Card] = {}
        self._known: dict[Key, Identity] = {}
        self._refused: set[Key] = set()

    def came(self, key: Key, card: Card) -> Acquaint:
        """A channel with them is open; what to say to them so that our contacts know us."""
        self._cards[key] = clean_card(card)
        known = self._contacts.known().values()
        contacts = [tie.pair for tie in known if tie.relation is Relation.CONTACT]
        random = secrets.token_bytes(max(STEPS) * TAG_BYTES)
        return Acquaint(tags=tags(contacts, self._room.id, self._room.me, key, random))

    def acquainted(self, key: Key, message: Acquaint) -> Card | None:
        """They said their tags. What to show them now, if we know them: as they are a contact."""
        known = self._contacts.known()
        pairs = {identity: one.pair for identity, one in known.items()}
        identity = recognized(pairs, self._room.id, key, self._room.me, message.tags)
        if identity is None or identity in self._known.values():
            return None
        if known[identity].relation is Relation.BLOCKED:
            self._refused.add(key)
            return None
        self._known[key] = identity
        return self._contacts.card(identity)

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
        return self._contacts.get(identity) if identity is not None else None

    # ── how they are shown ──────────────────────────────────────────────────────────────────────
    @property
    def title(self) -> str:
        """What the room's host named it; empty until we are in."""
        roster = self._room.roster
        return clean_text(roster.title, MAX_NAME_CHARS) if roster is not None else ""

    def name_of(self, key: bytes) -> str:
        """How a participant is shown: a contact as we call them, others as they call themselves."""
        known = self.known(Key(key))
        if known is not None and known.name:
            return known.name
        seat = seat_of(self._room.roster, key) if self._room.roster else None
        return clean_text(seat.name, MAX_NAME_CHARS) if seat and seat.name else key.hex()[:8]
