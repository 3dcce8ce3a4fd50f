"""Who is who: the people this node knows, how they are shown, named and found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.locator import PeerLocator
from onmeet_node.contacts.views import CardView, ContactView
from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.code import ContactCode, parse_code
from onmeet_node.protocol.identity.guest import is_guest
from onmeet_node.protocol.identity.keys import require_point
from onmeet_node.protocol.identity.lookalike import NAME_MARK, called, same_name
from onmeet_node.protocol.identity.policy import Relation
from onmeet_node.protocol.identity.safety import safety_number
from onmeet_node.protocol.identity.text import clean_text
from onmeet_node.protocol.wire.messages import MAX_NAME_CHARS, Card
from onmeet_node.store import Contact, ContactState, Store

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
        identity: Identity,
        codes: Codes,
        locator: PeerLocator,
        *,
        now: Callable[[], int],
        relay_only: Callable[[], bool],
        guest_name: Callable[[Identity], str | None],
    ) -> None:
        """`now` is Unix seconds. `guest_name`: what a guest who is in a call now is called; nobody
        keeps names of guests.
        """
        self._store = store
        self.identity = identity
        self._codes = codes
        self._locator = locator
        self._now = now
        self._relay_only = relay_only
        self._guest_name = guest_name

    # ── who is who ──────────────────────────────────────────────────────────────────────────────
    def all(self) -> tuple[Contact, ...]:
        """Contacts, requests in both directions, and the blocked."""
        return self._store.contacts.list()

    def first(self, *, asking: int, most: int) -> tuple[Contact, ...]:
        """`most` of all, for a page: see `ContactStore.first`."""
        return self._store.contacts.first(asking=asking, most=most)

    def identities(self, *states: ContactState) -> tuple[Identity, ...]:
        """Who is in `all`, or in these states, in no order: quick for any number of them."""
        return self._store.contacts.identities(*states)

    @property
    def version(self) -> int:
        """Another one whenever somebody came, went, or became something else to us."""
        return self._store.contacts.version

    def counts(self) -> Mapping[ContactState, int]:
        """How many people there are in each state."""
        return self._store.contacts.counts()

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

    def contacts_among(self, peers: Iterable[Identity]) -> list[Identity]:
        """Those of these who are contacts."""
        known = ((peer, self.get(peer)) for peer in peers)
        return [peer for peer, one in known if one and one.state is ContactState.ACCEPTED]

    def known(self, peer: Identity) -> bool:
        """Whether they are a contact of ours, or somebody we asked to be."""
        return self.relation(peer) is Relation.CONTACT

    def who(self, text: str) -> Identity:
        """Whom to call or invite: a name, the start of an identity, or a code.

        Text that reads as the start of an identity (6 hex digits or more) is one, and never a name;
        ``name:`` before it makes it a name. The owner's own names come first, then what contacts
        call themselves. What somebody calls themself who merely asks to be a contact, or is
        blocked, names nobody here, nor does a name that only looks like the one typed.

        Raises `NoSuchPerson`, `Ambiguous`, or what is wrong with the code.
        """
        if len(text) > MAX_NAME_CHARS:
            return self._locator.meet(self.foreign(text))  # nobody's name is as long as a code
        name = called(text)
        if name is None:
            return self._by_key(text)
        found = self._store.contacts.named(name)
        given = [c for c in found if c.name is not None]
        if len(given) == 1 and same_name(given[0].display_name) == same_name(name):
            return given[0].identity
        friends = [
            c
            for c in found
            if c.name is not None
            or c.state in {ContactState.ACCEPTED, ContactState.REQUESTED_BY_US}
        ]
        if friends:
            return self._only(name, friends)
        if ":" in name:
            return self._locator.meet(self.foreign(text))
        if found:
            raise NoSuchPerson(
                f"Nobody whom you accepted is called {name!r}. Calling themselves so, or alike: "
                f"{_listed(found)}. To mean one of them, use the start of the identity."
            )
        raise NoSuchPerson(
            f"You know nobody called {name!r}. See: onmeet contacts list - or give a contact code."
        )

    def which(self, text: str, *states: ContactState) -> Identity:
        """Whom to answer, block, remove or verify, of those in `states` (none given: in any).

        Here every name counts, and two that look alike are one too many: see `who`. Raises
        `NoSuchPerson`, `Ambiguous`.
        """
        if len(text) > MAX_NAME_CHARS:
            return self._locator.meet(self.foreign(text))
        name = called(text)
        if name is None:
            return self._by_key(text, *states)
        found = [c for c in self._store.contacts.named(name) if not states or c.state in states]
        return self._only(name, found)

    def _by_key(self, text: str, *states: ContactState) -> Identity:
        found = [c for c in self._store.contacts.starting(text) if not states or c.state in states]
        if len(found) > 1:
            raise Ambiguous(f"Several identities begin so: {_listed(found)}. Type more of it.")
        if not found:
            raise NoSuchPerson(
                f"You know nobody whose identity begins with {text!r}. If it is a name, write: "
                f"{NAME_MARK}{text}"
            )
        return found[0].identity

    def _only(self, name: str, found: Sequence[Contact]) -> Identity:
        if len(found) > 1:
            raise Ambiguous(
                f"{name!r} is, or looks like, the name of several: {_listed(found)}. "
                "Use the start of the identity."
            )
        if not found or same_name(found[0].display_name) != same_name(name):
            # No name that another chose stands in a line with a command.
            more = (
                f"Somebody's name looks like it: {_listed(found)}."
                if found
                else "See: onmeet contacts list"
            )
            raise NoSuchPerson(f"You know nobody called {name!r}. {more}")
        return found[0].identity

    def name_of(self, peer: Identity) -> str:
        """How a person is shown: the own name for them, their card's, or the key's start."""
        if is_guest(peer):
            return self._guest_name(peer) or A_GUEST
        contact = self.get(peer)
        return clean_text(contact.display_name, 80) if contact else peer.hex()[:12]

    def describe(self, peer: Identity) -> ContactView:
        """A person as they are shown, known or not."""
        contact = self.get(peer)
        card = contact.card if contact else Card()
        return ContactView(
            identity=peer,
            name=clean_text(contact.display_name) if contact else peer.hex()[:12],
            code=self._codes.label_of(contact.audience) if contact else None,
            state=contact.state.value if contact else "stranger",
            verified=contact.verified if contact else False,
            favourite=contact.favourite if contact else False,
            added=contact.added if contact else 0,
            last_seen=contact.last_seen if contact else None,
            card=CardView(name=card.name, country=card.country, phone=card.phone, email=card.email),
        )

    def foreign(self, text: str) -> ContactCode:
        """A code as text, read and found to be somebody else's and in force.

        Raises `CodeError`, `OwnCode`.
        """
        code = parse_code(text)
        if code.identity == self.identity:
            raise OwnCode("That is your own code. Give it to somebody else, and add theirs.")
        code.require_live(self._now())
        return code

    # ── what their owner says of them ───────────────────────────────────────────────────────────
    def block(self, peer: Identity) -> None:
        """Raises `BadKey` for what nobody's identity can be: it would stand in the way of whatever
        is made with each key (the tags of a room).
        """
        require_point(peer)
        self._store.contacts.block(peer, now=self._now())

    def remove(self, peer: Identity) -> None:
        """Forgets a person for good, calls included (P11)."""
        self._store.contacts.remove(peer, with_calls=True)

    def ignore(self, peer: Identity) -> None:
        """Puts a contact request away: it is shown no more, and they learn nothing."""
        contact = self.get(peer)
        if contact is not None and contact.state is ContactState.REQUESTED_BY_THEM:
            self._store.contacts.update(peer, ignored=True)

    def unblock(self, peer: Identity) -> None:
        """Makes a stranger of somebody blocked: they may ask again, with a live code."""
        contact = self.get(peer)
        if contact is None or contact.state is not ContactState.BLOCKED:
            raise NoSuchPerson("They are not blocked.")
        self._store.contacts.remove(peer, with_calls=False)

    def rename(self, peer: Identity, name: str) -> None:
        """What this person is called here; empty: as they call themselves."""
        self._known(peer, name=clean_text(name, MAX_NAME_CHARS).strip() or None)

    def set_favourite(self, peer: Identity, *, favourite: bool) -> None:
        """Favourites stand first, and their channels are kept open."""
        self._known(peer, favourite=favourite)

    def _known(self, peer: Identity, **changes: Any) -> None:
        if self._store.contacts.update(peer, **changes) is None:
            raise NoSuchPerson("You do not know this person. Add them with a code of theirs.")

    def agreed(self, peer: Identity) -> bool:
        """Whether the two are contacts, each by their own word."""
        contact = self.get(peer)
        return contact is not None and contact.state is ContactState.ACCEPTED

    def mark_verified(self, peer: Identity) -> None:
        """The two compared their safety numbers."""
        self._store.contacts.update(peer, verified=True)

    def safety_number(self, peer: Identity) -> str:
        """The 60 digits that both of you see if nobody stands between."""
        return safety_number(self.identity, peer)

    def heard_of(self, peer: Identity) -> None:
        """Keeps that this person's node was there until now."""
        if self.get(peer) is not None:
            self._store.contacts.update(peer, last_seen=self._now())

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


def _listed(found: Iterable[Contact]) -> str:
    return ", ".join(f"{clean_text(c.display_name)} ({c.identity.hex()[:12]})" for c in found)
