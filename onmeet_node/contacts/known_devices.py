"""Whose device is whose: the newest list seen of each person, and the keys of their devices."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable

import attrs

from onmeet_node.contacts.own_devices import OwnDevices
from onmeet_node.net.errors import PeerUnreachable
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.devices import DeviceList, judge, read_list, require_listed
from onmeet_node.protocol.identity.errors import (
    DeviceListError,
    DeviceListExpired,
    DeviceListForked,
    DeviceListOlder,
)
from onmeet_node.protocol.identity.keys import IdentityKey
from onmeet_node.protocol.identity.record import Listing, Presence
from onmeet_node.protocol.wire.errors import HandshakeError
from onmeet_node.protocol.wire.messages import Hello
from onmeet_node.store import Store
from onmeet_node.store.contacts import MAX_CONTACTS

log = logging.getLogger(__name__)

MAX_REMEMBERED = 4_096
"""People, and devices, of whom something is remembered; of contacts the list is kept for good."""
MAX_OF_CONTACTS = 2 * MAX_CONTACTS
"""Devices of contacts, and own ones."""


class DeviceCredentials:
    """The `Credentials` of people's channels.

    Of every person the newest list that was seen decides which devices are theirs, whatever list
    is offered: an older one, or another one of the same number, changes nothing.
    """

    def __init__(self, store: Store, own: OwnDevices, *, now: Callable[[], int]) -> None:
        self._lists = store.devices
        self._own = own
        self._now = now
        self._seen: OrderedDict[Identity, DeviceList] = OrderedDict()
        self._kept: set[Identity] = set()
        """Of whom the newest is in the store."""
        self._keys: OrderedDict[tuple[Identity, Device], bytes] = OrderedDict()
        self._keys_of_contacts: OrderedDict[tuple[Identity, Device], bytes] = OrderedDict()
        """Apart, so that strangers, who may be any number, put none of them out."""

    # ── Credentials ─────────────────────────────────────────────────────────────────────────────
    @property
    def identity(self) -> Identity:
        """See `Credentials`."""
        return self._own.identity

    @property
    def device(self) -> IdentityKey:
        """See `Credentials`."""
        return self._own.key

    def introduce(self, hello: Hello) -> Hello:
        """See `Credentials`."""
        own = self._own.list
        signed = own.signed if own is not None else None
        return attrs.evolve(hello, device=self._own.key.public, devices=signed)

    def key_of(self, identity: Identity, device: Device) -> bytes:
        """See `Credentials`."""
        key = self.known_key(identity, device)
        if key is None:
            raise PeerUnreachable(device)
        return key

    def check(self, identity: Identity, key: bytes, hello: Hello) -> None:
        """See `Credentials`."""
        if hello.devices is None:
            raise HandshakeError("it shows no list of devices")
        require_listed(self._believed(identity, hello.devices), key)

    def met(self, identity: Identity, device: Device, key: bytes) -> None:
        """See `Credentials`."""
        self._remember(identity, device, key)

    # ── what lists say ──────────────────────────────────────────────────────────────────────────
    def newest(self, identity: Identity) -> DeviceList | None:
        """The newest list seen of this person."""
        if identity == self._own.identity:
            return self._own.list
        seen = self._seen.get(identity)
        if seen is None:
            kept = self._lists.of(identity)
            if kept is None:
                return None
            seen = read_list(identity, kept)
            self._put(identity, seen)
            self._kept.add(identity)
        self._seen.move_to_end(identity)
        return seen

    def listed(self, identity: Identity, key: bytes) -> bool:
        """Whether that device is, by the newest list, one of the person's."""
        newest = self.newest(identity)
        return newest is not None and newest.has(key)

    def speaks(self, identity: Identity, device: Device) -> bool:
        """Whether what comes from this device is heard: its key is (still) in the newest list."""
        key = self.known_key(identity, device)
        return key is not None and self.listed(identity, key)

    def learn(self, identity: Identity, signed: bytes, details: bytes | None = None) -> bool:
        """Takes a list that somebody offers; whether it is newer than all before.

        Raises `DeviceListError` if it is none of theirs, or not to be believed.
        """
        before = self.newest(identity)
        if identity == self._own.identity:
            return self._own.learn(read_list(identity, signed), details)
        return self._believed(identity, signed) is not before

    def _believed(self, identity: Identity, signed: bytes) -> DeviceList:
        """The newest list, `signed` considered; it is in force."""
        if identity == self._own.identity:
            return self._own_list(signed)
        seen = self.newest(identity)
        now = self._now()
        if seen is not None and seen.signed == signed:
            newest = seen
        else:
            offered = read_list(identity, signed)
            try:
                newest = judge(offered, seen, now=now)
            except (DeviceListOlder, DeviceListForked) as error:
                assert seen is not None, "there is one that is newer"
                log.debug("a list of devices changes nothing: %s", type(error).__name__)
                newest = seen
            if newest is offered:
                self._put(identity, offered)
                self._kept.discard(identity)
        if newest.until <= now:
            raise DeviceListExpired
        if identity not in self._kept and self._lists.keep(identity, newest.signed):
            self._kept.add(identity)
        return newest

    def _own_list(self, signed: bytes) -> DeviceList:
        self._own.learn(read_list(self._own.identity, signed))
        newest = self._own.list
        if newest is None or newest.until <= self._now():
            raise DeviceListExpired
        return newest

    def _put(self, identity: Identity, newest: DeviceList) -> None:
        self._seen[identity] = newest
        self._seen.move_to_end(identity)
        if len(self._seen) > MAX_REMEMBERED:
            gone, _ = self._seen.popitem(last=False)
            self._kept.discard(gone)

    # ── where devices are ───────────────────────────────────────────────────────────────────────
    def found(self, identity: Identity, listing: Listing) -> tuple[Presence, ...]:
        """Those of a record's devices that are the person's by the newest list."""
        if listing.devices is not None:
            try:
                self._believed(identity, listing.devices.signed)
            except DeviceListError as error:
                log.debug("a record's devices are nobody's: %s", type(error).__name__)
                return ()
        return self.expected(identity, listing.presences)

    def expected(self, identity: Identity, presences: Iterable[Presence]) -> tuple[Presence, ...]:
        """The same of devices that were found earlier; their keys are those to expect."""
        known = tuple(p for p in presences if p.key and self.listed(identity, p.key))
        for presence in known:
            self._remember(identity, Device(presence.peer_id), presence.key)
        return known

    def known_key(self, identity: Identity, device: Device) -> bytes | None:
        """The key that this device was last met or found with, if it is remembered."""
        found = self._keys_of_contacts.get((identity, device))
        return found if found is not None else self._keys.get((identity, device))

    def _remember(self, identity: Identity, device: Device, key: bytes) -> None:
        own = identity == self._own.identity
        kept, most = self._keys, MAX_REMEMBERED
        if own or (self.newest(identity) is not None and identity in self._kept):
            kept, most = self._keys_of_contacts, MAX_OF_CONTACTS
        kept[identity, device] = key
        kept.move_to_end((identity, device))
        if len(kept) > most:
            kept.popitem(last=False)
