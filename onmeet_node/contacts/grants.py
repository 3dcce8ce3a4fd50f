"""The secret by which contacts find this node, given to each until they confirm it (DESIGN 4.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.net.rates import MAX_SENDERS, AllowedRate, RateLimit
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.wire.messages import Grant, Received
from onmeet_node.store import Store

GRANTS = AllowedRate(burst=8, per_minute=2)
"""Secrets that one contact may give us; what is too much is not confirmed."""


class SecretGrants:
    """Gives contacts our present secret, and takes theirs."""

    def __init__(
        self,
        store: Store,
        codes: Codes,
        book: AddressBook,
        messenger: Messenger,
        *,
        now: Callable[[], int],
    ) -> None:
        self._contacts = store.contacts
        self._codes = codes
        self._book = book
        self._messenger = messenger
        self._rate = RateLimit(GRANTS, now, max_keys=MAX_SENDERS)

    def give(self, peer: Identity) -> None:
        """Gives the current contacts secret to whoever has not confirmed it yet, once on each
        channel.
        """
        contact = self._book.get(peer)
        if contact is not None and contact.granted != self._codes.contacts_audience().id:
            self._say(peer)

    def give_again(self, peer: Identity) -> None:
        """Gives it to somebody who has lost it, by what they say, though they once confirmed it."""
        if self._say(peer):
            self._contacts.update(peer, granted=None)

    def _say(self, peer: Identity) -> bool:
        current = self._codes.contacts_audience()
        grant = Grant(secret=current.secret, direct=current.direct)
        return self._messenger.send_once(peer, grant)

    def owed(self) -> list[Identity]:
        """Contacts who do not have the present secret: after a block, all of them."""
        return list(self._contacts.ungranted(self._codes.contacts_audience().id))

    def confirmed(self, peer: Identity, ref: bytes) -> bool:
        """Whether this confirms the present secret, which is noted."""
        contact, current = self._book.get(peer), self._codes.contacts_audience()
        if ref != grant_ref(current.secret):
            return False
        if contact is not None and contact.granted != current.id:
            self._contacts.update(peer, granted=current.id)
            self._codes.refresh()
        return True

    def take(self, peer: Identity, secret: bytes) -> None:
        """Keeps the secret by which somebody we know is found, and confirms it."""
        contact = self._book.get(peer)
        if contact is None or not self._rate.allow(peer):
            return  # not confirmed: they say it again on another channel
        if contact.secret != secret:
            self._contacts.update(peer, secret=secret)
        self._messenger.send(peer, Received(ref=grant_ref(secret)))


def grant_ref(secret: bytes) -> bytes:
    """What confirms a `Grant`: BLAKE2b-128 of the secret, which does not give it away."""
    return hashlib.blake2b(secret, digest_size=16).digest()
