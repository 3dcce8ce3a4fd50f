"""Who is who: the people this node knows, how they are shown, named and found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from onmeet_node.call.events import Device, Identity
from onmeet_node.codes import Codes
from onmeet_node.errors import OnMeetError
from onmeet_node.history import History
from onmeet_node.identity.audience import Audience, pair_secret
from onmeet_node.identity.code import ContactCode, parse_code
from onmeet_node.identity.guest import is_guest
from onmeet_node.identity.keys import IdentityKey
from onmeet_node.identity.policy import Relation
from onmeet_node.identity.record import Presence
from onmeet_node.identity.text import clean_text
from onmeet_node.store import Contact, ContactState, KnownDevice, Store
from onmeet_node.wire.messages import Card

PRESENCE_SECONDS = 6 * 3600
"""How long an address is worth dialling before the DHT has answered: one epoch."""


A_GUEST = "A guest"
"""Who was here once: their names are forgotten (P7)."""


class NoSuchPerson(OnMeetError):
    """Nobody is known by that name, identity or code."""


class Ambiguous(OnMeetError):
    """Several people fit."""


class OwnCode(OnMeetError):
    """The code is one of this node's own."""


class AddressBook:
    """Contacts, requests, the blocked, and strangers met by a code."""

    def __init__(
        self,
        store: Store,
        key: IdentityKey,
        codes: Codes,
        *,
        now: Callable[[], int],
        hints: Callable[[Iterable[str]], None],
        relay_only: Callable[[], bool],
    ) -> None:
        """`hints` is given the bootstraps that a code names; `now` is Unix seconds."""
        self._store = store
        self._key = key
        self._now = now
        self._hints = hints
        self._relay_only = relay_only
        self._strangers: dict[Identity, bytes] = {}
        self.codes = codes
        self.guests: Callable[[Identity], str | None] = lambda _: None
        """What a guest who is in a call now is called; the history knows no names of guests."""
        self.history = History(store, name_of=self.name_of)

    # ── who is who ──────────────────────────────────────────────────────────────────────────────
    def all(self) -> tuple[Contact, ...]:
        """Contacts, requests in both directions, and the blocked."""
        return self._store.contacts.list()

    def get(self, peer: Identity) -> Contact | None:
        """What is known of this person."""
        return self._store.contacts.get(peer)

    def relation(self, peer: Identity) -> Relation:
        """What this person is to us. Whom we asked ourselves is treated as a contact."""
        contact = self.get(peer)
        match contact.state if contact else None:
            case ContactState.ACCEPTED | ContactState.REQUESTED_BY_US:
                return Relation.CONTACT
            case ContactState.BLOCKED:
                return Relation.BLOCKED
            case ContactState.REQUESTED_BY_THEM | None:
                return Relation.STRANGER

    def who(self, text: str) -> Identity:
        """The person meant by a name, the start of an identity, or a code.

        Raises `NoSuchPerson`, `Ambiguous`, or what is wrong with the code.
        """
        found = self._store.contacts.find(text)
        if len(found) > 1:
            names = ", ".join(f"{c.display_name} ({c.identity.hex()[:8]})" for c in found)
            raise Ambiguous(f"{text!r} may be any of: {names}. Use the start of the identity.")
        if found:
            return found[0].identity
        if ":" in text or len(text) > 64:
            return self.meet(self.foreign(text))
        raise NoSuchPerson(
            f"You know nobody called {text!r}. See: onmeet contacts list - or give a contact code."
        )

    def meet(self, code: ContactCode) -> Identity:
        """Remembers, until the node stops, how to find somebody by a code alone."""
        peer = Identity(code.identity)
        self._strangers[peer] = code.secret
        self._hints(code.bootstraps)
        return peer

    def name_of(self, peer: Identity) -> str:
        """How a person is shown: the own name for them, their card's, or the key's start."""
        if is_guest(peer):
            return self.guests(peer) or A_GUEST
        contact = self.get(peer)
        return clean_text(contact.display_name, 80) if contact else peer.hex()[:12]

    def describe(self, peer: Identity) -> dict[str, Any]:
        """A person for the command line and the app."""
        contact = self.get(peer)
        card = contact.card if contact else Card()
        return {
            "identity": peer.hex(),
            "name": self.name_of(peer),
            "state": contact.state.value if contact else "stranger",
            "verified": contact.verified if contact else False,
            "favourite": contact.favourite if contact else False,
            "last_seen": contact.last_seen if contact else None,
            "card": {
                "name": card.name,
                "country": card.country,
                "phone": card.phone,
                "email": card.email,
            },
        }

    def foreign(self, text: str) -> ContactCode:
        """A code as text, read and found to be somebody else's and in force.

        Raises `CodeError`, `OwnCode`.
        """
        code = parse_code(text)
        if code.identity == self._key.public:
            raise OwnCode("That is your own code. Give it to somebody else, and add theirs.")
        code.require_live(self._now())
        return code

    # ── finding people (reach asks) ─────────────────────────────────────────────────────────────
    def audiences(self) -> list[Audience]:
        """Whoever shall find us now."""
        current = self.codes.contacts_audience().id
        without = [
            c.identity
            for c in self._store.contacts.list(ContactState.ACCEPTED)
            if c.granted != current
        ]
        return self.codes.published(without)

    def secrets_of(self, peer: Identity) -> tuple[bytes, ...]:
        """Audience secrets under which this person's record may be found, likeliest first."""
        contact = self.get(peer)
        known = [contact.secret] if contact and contact.secret else []
        known += [self._strangers[peer]] if peer in self._strangers else []
        if contact is not None and contact.state is ContactState.ACCEPTED:
            known.append(pair_secret(self._key, peer))
        return tuple(dict.fromkeys(known))

    def seen_at(self, peer: Identity) -> tuple[Presence, ...]:
        """Where this person's devices were lately."""
        return tuple(
            Presence(peer_id=known.device, addresses=known.addresses)
            for known in self._store.contacts.devices(peer, now=self._now())
        )

    def remember(self, peer: Identity, presences: Iterable[Presence]) -> None:
        """Keeps where a contact's devices are."""
        with self.history.tolerate():
            self._store.contacts.remember_devices(
                peer,
                [
                    KnownDevice(
                        Device(presence.peer_id),
                        (*presence.addresses, *presence.relays),
                        self._now() + PRESENCE_SECONDS,
                    )
                    for presence in presences
                ],
            )

    def shows_direct(self, peer: Identity) -> bool:
        """Whether media may be set up with this peer before a call is accepted.

        With relay-only no address of ours is in it.
        """
        contact = self.get(peer)
        return (
            contact is not None
            and contact.state is ContactState.ACCEPTED
            and (contact.may_see_direct or self._relay_only())
        )
