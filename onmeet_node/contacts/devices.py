"""What is done about the devices of this person, and what others are told and tell of theirs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import trio

from onmeet_node.contacts.contacts import Contacts
from onmeet_node.contacts.in_step import DevicesInStep
from onmeet_node.contacts.known_devices import DeviceCredentials
from onmeet_node.contacts.lending import lend_pairs, lend_signers
from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_devices import DeviceView, OwnDevices
from onmeet_node.events import DevicesChanged, Hub, NodeEvent
from onmeet_node.net.backoff import Backoff
from onmeet_node.process.faults import alone
from onmeet_node.protocol.call.events import Device, Identity
from onmeet_node.protocol.identity.blinding import epoch_at
from onmeet_node.protocol.identity.errors import DeviceListError
from onmeet_node.protocol.own.replica import Name
from onmeet_node.protocol.wire.messages import DevicesUpdate, Message
from onmeet_node.protocol.wire.own import (
    MAX_LENT,
    KeptEntries,
    KnownSoFar,
    LentKeySet,
    LentPairKeys,
    LentSignerKey,
)
from onmeet_node.store import Store

T = TypeVar("T")
log = logging.getLogger(__name__)

LOOK_SECONDS = 3_600.0
"""How often it is looked whether the list is due."""
JOIN_PATIENCE = 10.0
"""Seconds for a home that joins to hear from the network which devices there are by now."""
STEP_SECONDS = 2.0
"""How soon other own devices are told of what changed here."""
FIND_SECONDS = 900.0
"""How often own devices that are not there are looked for in the end."""
AT_ONCE = 8
"""Signers that are made in one go: a third of a millisecond each."""
LEND_PAUSE = 0.05
"""Seconds between these, for calls to have the processor, and since a peer takes so much alone."""
GIVE_PAUSE = 0.05
"""The same between messages of entries: both together stay below `Timing.rate`."""


class Devices:
    """The devices of this person, and the lists that others show."""

    def __init__(
        self,
        own: OwnDevices,
        known: DeviceCredentials,
        people: Contacts,
        messenger: Messenger,
        hub: Hub[NodeEvent],
        store: Store,
        nursery: trio.Nursery,
        *,
        now: Callable[[], int],
        published: Callable[[], None],
    ) -> None:
        """`published`: called when every record has to be put anew. In `nursery` keys are lent."""
        self.own = own
        self._known = known
        self._people = people
        self._messenger = messenger
        self._hub = hub
        self._published = published
        self._now = now
        self._database = store.database
        self._lent = store.lent
        self._lending = nursery
        self._news = trio.Event()
        self._patience = Backoff(start=1.0, most=FIND_SECONDS)
        self._look_at = 0.0
        self._step = DevicesInStep(
            store,
            own,
            messenger,
            now=now,
            changed=self._done_elsewhere,
            begin=lambda device: nursery.start_soon(alone, "own devices", self._give, device),
        )

    def all(self) -> tuple[DeviceView, ...]:
        """All of them, this one among them."""
        return self.own.views()

    def revoke(self, name: str) -> DeviceView:
        """Takes a device off the list for good, and makes what it knows worth little.

        Every contact gets the new list and a new contacts secret, those with an open channel now.
        Raises `NoSuchDevice`, `NotHere`.
        """
        gone = self.own.revoke(name)
        self._people.renew_secret()
        self._changed()
        return gone

    def add(self, key: bytes, name: str) -> DeviceView:
        """Puts a linked device on the list. Raises `NotHere`, `TooManyDevices`."""
        view = self.own.add(key, name)
        self._changed()
        return view

    def _changed(self) -> None:
        """The own list is another one: whoever is there is told, and records are put anew."""
        own = self.own.list
        if own is None:
            return
        mine = self.own.identity
        self._messenger.part(mine, own.has)
        for peer in tuple(self._messenger.here):
            details = self.own.details if peer == mine else None
            self._messenger.send(peer, DevicesUpdate(devices=own.signed, details=details))
        self._published()
        self._hub.publish(DevicesChanged())
        self._look_soon()

    def _look_soon(self) -> None:
        """Another own device may be there now."""
        self._patience.reset()
        self._look_at = 0.0
        self._news.set()

    def _done_elsewhere(self, names: Sequence[Name]) -> None:
        """Another own device changed something here."""
        self._people.done_elsewhere(names)
        self._lend_for(names)
        self._published()
        self._hub.publish(DevicesChanged())

    # ── what comes over channels ────────────────────────────────────────────────────────────────
    def speaks(self, peer: Identity, device: Device) -> bool:
        """Whether what comes from this device is heard: it may have been on its way."""
        return self._known.speaks(peer, device)

    def opened(self, peer: Identity) -> None:
        """A channel is open, whose Hello may have brought a newer list."""
        self._part(peer)
        if peer == self.own.identity and self.own.list is not None:
            update = DevicesUpdate(devices=self.own.list.signed, details=self.own.details)
            self._messenger.send(peer, update)

    def told(self, peer: Identity, update: DevicesUpdate) -> None:
        """Somebody's list has changed; one that is not to be believed changes nothing."""
        own = peer == self.own.identity
        details = update.details if own else None
        try:
            news = self._known.learn(peer, update.devices, details)
        except DeviceListError as error:
            log.debug("a list is not believed: %s", type(error).__name__)
            return
        if news and own:
            self._changed()
        elif news:
            self._part(peer)

    def _part(self, peer: Identity) -> None:
        """Closes the channels of devices that the newest list does not have."""
        self._messenger.part(peer, lambda key: self._known.listed(peer, key))

    async def run(self, find: Callable[[], Awaitable[None]]) -> None:
        """Keeps the list in force and own devices in step, until cancelled.

        `find` opens channels to those other own devices that are there.
        """
        changes: object = None
        patience = trio.current_time() + JOIN_PATIENCE
        while True:
            joins = self.own.joins and trio.current_time() >= patience
            if self.own.renew() or (joins and self.own.join()):
                self._changed()
            several = len(self.own.views()) > 1
            if several and changes != self._database.changes:
                self._lend_for(self._step.look())
                changes = self._database.changes
            if several and trio.current_time() >= self._look_at:
                self._look_at = trio.current_time() + self._patience.next()
                await alone("own devices", find)
            self._news = trio.Event()
            waits = STEP_SECONDS if several or self.own.joins else LOOK_SECONDS
            with trio.move_on_after(waits):
                await self._news.wait()

    # ── other own devices ───────────────────────────────────────────────────────────────────────
    def own_opened(self, device: Device) -> None:
        """A channel to another own device is open."""
        self._messenger.opened(self.own.identity)
        self.opened(self.own.identity)
        self._step.opened(device)
        self._lend(device)

    def own_gone(self, device: Device, *, last: bool) -> None:
        """It is over; `last`: there is none to any."""
        self._step.gone(device)
        self._look_soon()
        if last:
            self._messenger.closed(self.own.identity)

    def own_told(self, device: Device, message: Message) -> None:
        """What another own device says."""
        match message:
            case DevicesUpdate():
                self.told(self.own.identity, message)
            case KnownSoFar() | KeptEntries():
                self._step.told(device, message)
            case LentKeySet(signers=signers, pairs=pairs) if self._borrows_from(device):
                self._lent.take(
                    [(one.secret, one.epoch, one.seed, one.signature) for one in signers],
                    [(one.identity, one.secret, one.pair) for one in pairs],
                    before=epoch_at(self._now()) - 1,
                )
                self._published()
            case _:
                log.debug("a message between own devices has no meaning here")

    def _borrows_from(self, device: Device) -> bool:
        """Whether that one holds the identity, and this one does not: another linked device could
        make this one unfindable by keys that are none.
        """
        key = self._known.known_key(self.own.identity, device)
        lender = None if key is None else self.own.note_of(key)
        return not self.own.holds_identity and lender is not None and lender.holds_identity

    def _lend_for(self, names: Sequence[Name]) -> None:
        """Another audience, or another contact, needs keys that were not lent yet."""
        states = (kind == "contact" and key.endswith(b"/state") for kind, key in names)
        if any(states) or any(kind in {"code", "contacts-secret"} for kind, _ in names):
            for device in self._messenger.devices(self.own.identity):
                self._lend(device)

    def _lend(self, device: Device) -> None:
        """Whoever holds the identity lends those what they need who do not."""
        if self.own.holds_identity:
            self._lending.start_soon(alone, "own devices", self._lend_all, device)

    async def _give(self, device: Device) -> None:
        """Says what waits for a device as fast as it takes it."""
        while True:
            await trio.sleep(GIVE_PAUSE)
            await self._messenger.taken(self.own.identity, device)
            if not self._step.give_more(device):
                return

    async def _lend_all(self, device: Device) -> None:
        secrets = [audience.secret for audience in self._people.audiences() if not audience.single]
        contacts = self._people.identities()
        for pairs in batches(lend_pairs(self.own.keys, contacts), MAX_LENT):
            self._messenger.send_to(
                self.own.identity,
                device,
                LentKeySet(
                    pairs=tuple(
                        LentPairKeys(identity=peer, secret=secret, pair=pair)
                        for peer, secret, pair in pairs
                    )
                ),
            )
            await self._messenger.taken(self.own.identity, device)
            await trio.sleep(LEND_PAUSE)
        for signers in batches(lend_signers(self.own.keys, secrets, now=self._now()), AT_ONCE):
            self._messenger.send_to(
                self.own.identity,
                device,
                LentKeySet(
                    signers=tuple(
                        LentSignerKey(secret=secret, epoch=epoch, seed=seed, signature=signature)
                        for secret, epoch, seed, signature in signers
                    )
                ),
            )
            await self._messenger.taken(self.own.identity, device)
            await trio.sleep(LEND_PAUSE)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, at most so many at once."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
