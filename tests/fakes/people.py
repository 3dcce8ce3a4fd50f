"""The people's part of a node over a store, without a network: who is told what, a test sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onmeet_node.contacts.address_book import AddressBook
from onmeet_node.contacts.admission import ContactDoorkeeper, NoteQuotas
from onmeet_node.contacts.codes import Codes
from onmeet_node.contacts.contacts import Contacts
from onmeet_node.contacts.locator import PeerLocator
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_card import OwnCard
from onmeet_node.events import Hub, NodeEvent
from onmeet_node.protocol.call.events import Identity
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.person_keys import HeldKeys
from onmeet_node.store import Store
from onmeet_node.store.tolerance import WriteTolerance


class NoChannels:
    """`Channels` of a node to which nobody has a channel."""

    def devices(self, _identity: object) -> tuple[()]:
        return ()


class PeopleParts:
    """Everything of `contacts/`, put together as a node does."""

    def __init__(
        self,
        store: Store,
        key: IdentityKey,
        *,
        now: Callable[[], int],
        channels: Any = None,
        hub: Hub[NodeEvent] | None = None,
    ) -> None:
        self.hub = hub or Hub()
        self.writes = WriteTolerance()
        self.codes = Codes(store, HeldKeys(key), bootstraps=tuple, changed=lambda: None, now=now)
        self.locator = PeerLocator(store, HeldKeys(key), self.writes, now=now, hints=lambda _: None)
        self.book = AddressBook(
            store,
            Identity(key.public),
            self.codes,
            self.locator,
            now=now,
            relay_only=lambda: False,
            guest_name=lambda _: None,
        )
        self.own_card = OwnCard(store, self.book)
        self.doorkeeper = ContactDoorkeeper(
            store, self.codes, self.book, self.locator, self.own_card, link_of=lambda _: None
        )
        self.quotas = NoteQuotas(now=now)
        self.messenger = Messenger(channels or NoChannels())
        self.people = Contacts(
            store,
            self.codes,
            self.book,
            self.locator,
            self.own_card,
            self.doorkeeper,
            self.quotas,
            self.messenger,
            self.hub,
            self.writes,
            now=now,
            hints=lambda _: None,
        )
