"""Own devices in step: what a person changes on one is so on all (PROTOCOL, "Devices in step").

The tables of the home are what counts. What is another thing there than when it was last looked at
was changed by the person at this device, and becomes an entry of the replica; an entry that comes
from another device is done in the tables.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_devices import OwnDevices
from onmeet_node.protocol.call.events import Device
from onmeet_node.protocol.own.replica import Entry, EntryVersion, Name, Replica
from onmeet_node.protocol.wire.own import (
    MAX_ENTRIES,
    MAX_ENTRY_BYTES,
    MAX_ENTRY_KEY_BYTES,
    KeptEntries,
    KeptEntry,
    KnownSoFar,
    WriterCounter,
)
from onmeet_node.store import Store
from onmeet_node.store.errors import StoreError

log = logging.getLogger(__name__)

MESSAGE_BYTES = 30_000
"""Of entries in one message; a frame takes 65,535."""


class DevicesInStep:
    """What this device keeps together with the person's others."""

    def __init__(
        self,
        store: Store,
        own: OwnDevices,
        messenger: Messenger,
        *,
        now: Callable[[], int],
        changed: Callable[[Sequence[Name]], None],
    ) -> None:
        """`changed`: is told what another device changed here."""
        self._local = store.local
        self._shelf = store.synced
        self._database = store.database
        self._replica = Replica(store.identity.writer, store.synced)
        self._own = own
        self._messenger = messenger
        self._now = now
        self._changed = changed
        self._answered: set[Device] = set()
        """Devices that have all that was here when they asked; what comes after that is told."""

    # ── what comes and goes ─────────────────────────────────────────────────────────────────────
    def opened(self, device: Device) -> None:
        """A channel to another own device is open: it is asked for what is missing here."""
        self._answered.discard(device)
        self._say(device, self._known(sent=False))

    def gone(self, device: Device) -> None:
        """That channel is over."""
        self._answered.discard(device)

    def told(self, device: Device, message: KnownSoFar | KeptEntries) -> None:
        """What another own device says."""
        match message:
            case KnownSoFar(known=known, sent=False):
                self.look()
                vector = {one.writer: one.counter for one in known}
                self._give(device, self._replica.missing(vector))
                self._answered.add(device)
            case KnownSoFar(known=known):
                self._replica.caught_up({one.writer: one.counter for one in known})
            case KeptEntries(entries=entries):
                self._take(device, entries)

    def _take(self, device: Device, entries: Sequence[KeptEntry]) -> None:
        self.look()  # what the person changed here meanwhile is an edit of its own
        news = [
            entry
            for one in entries
            if self._replica.take(
                entry := Entry(one.kind, one.key, one.value, EntryVersion(one.counter, one.writer))
            )
        ]
        if not news:
            return
        for entry in news:
            try:
                with self._database.transaction():
                    self._local.apply(entry.name, self._value, now=self._now())
            except (StoreError, ValueError, TypeError, KeyError) as error:
                log.warning("an entry of %s was not done: %s", entry.kind, type(error).__name__)
        self._remember([entry.name for entry in news])
        self._changed([entry.name for entry in news])
        for other in tuple(self._answered - {device}):
            self._give(other, news)

    def _value(self, name: Name) -> bytes | None:
        return self._replica.get(*name)

    # ── what changed here ───────────────────────────────────────────────────────────────────────
    def look(self) -> list[Name]:
        """Writes what the person changed here since the last look, tells the others, and says
        what it was.
        """
        local, before = self._local.read(now=self._now()), self._shelf.locals()
        written: list[Entry] = []
        with self._database.transaction():
            for name, value in local.items():
                if before.get(name) != value and _fits(name, value):
                    written.append(self._write(name, value))
            for name, last in before.items():
                if name not in local and last is not None and self._local.deletes(name):
                    written.append(self._write(name, None))
        for device in tuple(self._answered) if written else ():
            self._give(device, written)
        return [entry.name for entry in written]

    def _write(self, name: Name, value: bytes | None) -> Entry:
        kept = self._shelf.get(name)
        if kept is not None and kept.value == value:
            entry = kept  # the same was done elsewhere
        else:
            entry = self._replica.write(*name, value)
        self._shelf.keep_local(name, value)
        return entry

    def _remember(self, names: Sequence[Name]) -> None:
        """What is in the tables now that these were done, as far as they could be."""
        local = self._local.read(now=self._now())
        touched = set(names)
        people = {name[1][:32] for name in names if name[0] == "contact"}
        touched |= {name for name in local if name[0] == "contact" and name[1][:32] in people}
        with self._database.transaction():
            for name in touched:
                self._shelf.keep_local(name, local.get(name))

    # ── saying it ───────────────────────────────────────────────────────────────────────────────
    def _give(self, device: Device, entries: Sequence[Entry]) -> None:
        for batch in _batches(entries):
            self._say(device, KeptEntries(entries=tuple(batch)))
        self._say(device, self._known(sent=True))

    def _known(self, *, sent: bool) -> KnownSoFar:
        vector = self._replica.vector.items()
        known = tuple(WriterCounter(writer=who, counter=to) for who, to in vector)
        return KnownSoFar(known=known, sent=sent)

    def _say(self, device: Device, message: KnownSoFar | KeptEntries) -> None:
        self._messenger.send_to(self._own.identity, device, message)


def _fits(name: Name, value: bytes) -> bool:
    return len(name[1]) <= MAX_ENTRY_KEY_BYTES and len(value) <= MAX_ENTRY_BYTES


def _batches(entries: Sequence[Entry]) -> Iterator[list[KeptEntry]]:
    batch: list[KeptEntry] = []
    size = 0
    for entry in entries:
        length = len(entry.key) + len(entry.value or b"") + 128
        if batch and (len(batch) == MAX_ENTRIES or size + length > MESSAGE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(
            KeptEntry(
                kind=entry.kind,
                key=entry.key,
                value=entry.value,
                counter=entry.version.counter,
                writer=entry.version.writer,
            )
        )
        size += length
    if batch:
        yield batch
