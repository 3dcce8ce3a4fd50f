"""Own devices in step: what a person changes on one is so on all (PROTOCOL, "Devices in step").

The tables of the home are what counts. What is another thing there than when it was last looked at
was changed by the person at this device, and becomes an entry of the replica; an entry that comes
from another device is done in the tables.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from onmeet_node.contacts.messenger import Messenger
from onmeet_node.contacts.own_devices import OwnDevices
from onmeet_node.contacts.profile import PROFILE
from onmeet_node.errors import OnMeetError
from onmeet_node.protocol.call.events import Device
from onmeet_node.protocol.identity.policy import Relation
from onmeet_node.protocol.own.replica import Entry, EntryVersion, Name, Replica
from onmeet_node.protocol.own.room import KeptRoom
from onmeet_node.protocol.wire.own import (
    KEY_BYTES,
    MAX_ENTRIES,
    MAX_ENTRY_BYTES,
    MAX_ENTRY_KEY_BYTES,
    KeptEntries,
    KeptEntry,
    KnownSoFar,
    WriterCounter,
)
from onmeet_node.store import Setting, Store
from onmeet_node.store.settings import BUSY, REACH

log = logging.getLogger(__name__)

_SETTINGS: tuple[Setting[Any], ...] = (PROFILE, REACH, BUSY)
_NOT_TO_BE_DONE = (
    OnMeetError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""By a value that is none: JSON of another form, too deep, or too great a number."""

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
        begin: Callable[[Device], None] | None = None,
    ) -> None:
        """`changed`: is told what another device changed here. `begin`: is told to whom `give_more`
        has something to say from now on, in its time; None: all is said at once.
        """
        self._local = store.local
        self._shelf = store.synced
        self._settings = store.settings
        self._database = store.database
        self._replica = Replica(store.identity.writer, store.synced)
        self._room = KeptRoom(store.synced)
        self._looked_at: object = None
        """`Database.changes` at the last look."""
        self._own = own
        self._messenger = messenger
        self._now = now
        self._changed = changed
        self._begin = begin or self._give_all
        self._giving: dict[Device, deque[Entry]] = {}
        """What is yet to be said, before the counters that it makes true."""
        self._answered: set[Device] = set()
        """Devices that have all that was here when they asked; what comes after that is told."""

    # ── what comes and goes ─────────────────────────────────────────────────────────────────────
    def opened(self, device: Device) -> None:
        """A channel to another own device is open: it is asked for what is missing here."""
        self._room.look()
        self.gone(device)
        self._say(device, self._known(sent=False))

    def gone(self, device: Device) -> None:
        """That channel is over."""
        self._answered.discard(device)
        self._giving.pop(device, None)

    def told(self, device: Device, message: KnownSoFar | KeptEntries) -> None:
        """What another own device says."""
        match message:
            case KnownSoFar(known=known, sent=False):
                self.look()
                vector = {one.writer: one.counter for one in known}
                if device in self._giving:
                    self._giving[device].clear()  # it asks anew
                self._give(device, self._replica.missing(vector))
                self._answered.add(device)
            case KnownSoFar(known=known):
                self._replica.caught_up({one.writer: one.counter for one in known})
            case KeptEntries(entries=entries):
                self._take(device, entries)

    def _take(self, device: Device, entries: Sequence[KeptEntry]) -> None:
        self.look()  # what the person changed here meanwhile is an edit of its own
        told = [
            Entry(one.kind, one.key, one.value, EntryVersion(one.counter, one.writer))
            for one in entries
        ]
        news = [entry for entry in told if self._room.take(entry, self._replica.take)]
        if not news:
            return
        for entry in news:
            try:
                with self._database.transaction():
                    self._local.apply(entry.name, self._value, now=self._now())
                    self._require_usable(entry.name)
            except _NOT_TO_BE_DONE as error:
                log.warning("an entry of %s was not done: %s", entry.kind, type(error).__name__)
        self._remember([entry.name for entry in news])
        self._changed([entry.name for entry in news])
        for other in tuple(self._answered - {device}):
            self._give(other, news)

    def _value(self, name: Name) -> bytes | None:
        return self._replica.get(*name)

    def _require_usable(self, name: Name) -> None:
        """What was done can be read again, or is undone: a device may be stolen, or damaged."""
        kind, key = name
        for setting in _SETTINGS if kind == "setting" else ():
            if setting.name.encode() == key:
                self._settings.get(setting)
        if kind == "setting" and key == PROFILE.name.encode():
            profile = self._settings.get(PROFILE).profile()
            for relation in Relation:
                profile.card_for(relation)
        if kind == "contact" and key[:KEY_BYTES] == self._own.identity:
            raise ValueError("nobody is a contact of their own")

    # ── what changed here ───────────────────────────────────────────────────────────────────────
    def look(self) -> list[Name]:
        """Writes what the person changed here since the last look, tells the others, and says
        what it was.
        """
        if self._looked_at == self._database.changes:
            return []
        local, before = self._local.read(now=self._now()), self._shelf.locals()
        written: list[Entry] = []
        with self._database.transaction():
            for name, value in local.items():
                if before.get(name) != value and _fits(name, value):
                    written.append(self._write(name, value))
            for name, last in before.items():
                if name not in local and last is not None and self._local.deletes(name):
                    written.append(self._write(name, None))
        self._looked_at = self._database.changes
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
        people = {name[1][:KEY_BYTES] for name in names if name[0] in {"contact", "seen"}}
        local = self._local.read(now=self._now(), people=people)
        touched = {*names, *(name for name in local if name[0] == "contact")}
        with self._database.transaction():
            for name in touched:
                self._shelf.keep_local(name, local.get(name))
        self._looked_at = self._database.changes

    # ── saying it ───────────────────────────────────────────────────────────────────────────────
    def _give(self, device: Device, entries: Sequence[Entry]) -> None:
        waiting = self._giving.get(device)
        if waiting is not None:
            waiting.extend(entries)
            return
        self._giving[device] = deque(entries)
        if self.give_more(device):
            self._begin(device)

    def give_more(self, device: Device) -> bool:
        """Says one message of what waits for this device; whether there is more.

        A channel takes only so much, and so many messages a second.
        """
        waiting = self._giving.get(device)
        if waiting is None:
            return False
        if waiting:
            self._say(device, KeptEntries(entries=tuple(_batch(waiting))))
        if waiting:
            return True
        del self._giving[device]
        self._say(device, self._known(sent=True))
        return False

    def _give_all(self, device: Device) -> None:
        while self.give_more(device):
            pass

    def _known(self, *, sent: bool) -> KnownSoFar:
        vector = self._replica.vector.items()
        known = tuple(WriterCounter(writer=who, counter=to) for who, to in vector)
        return KnownSoFar(known=known, sent=sent)

    def _say(self, device: Device, message: KnownSoFar | KeptEntries) -> None:
        self._messenger.send_to(self._own.identity, device, message)


def _fits(name: Name, value: bytes) -> bool:
    return len(name[1]) <= MAX_ENTRY_KEY_BYTES and len(value) <= MAX_ENTRY_BYTES


def _batch(waiting: deque[Entry]) -> list[KeptEntry]:
    """Takes what fits into one message."""
    batch: list[KeptEntry] = []
    size = 0
    while waiting and len(batch) < MAX_ENTRIES:
        entry = waiting[0]
        size += len(entry.key) + len(entry.value or b"") + 128
        if batch and size > MESSAGE_BYTES:
            break
        waiting.popleft()
        batch.append(
            KeptEntry(
                kind=entry.kind,
                key=entry.key,
                value=entry.value,
                counter=entry.version.counter,
                writer=entry.version.writer,
            )
        )
    return batch
