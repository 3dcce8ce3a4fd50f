"""What several devices keep together, each entry merging by itself (PROTOCOL, "Devices in step").

An entry is a value under a name, or its deletion, with the version under which it was written: a
counter that is greater than every one its writer had seen (Lamport), then the writer. Of two
versions the greater wins, on every device, whatever order they come in; no clock is asked. A
deletion is an entry like any other, so what was deleted stays deleted until somebody who has seen
that writes it anew.

For each writer a device knows up to which counter it has everything. Whoever is told that vector
sends what is missing, what others wrote included, so that two devices that never meet are kept in
step by a third.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import attrs

MAX_LEAP = 2**20
"""How much greater a counter may be than all before: nobody has changed so much meanwhile. A
device that is stolen would else use up the counters, and nobody's later edit could win."""
MAX_WRITERS = 64
"""Devices that ever wrote, of which it is known up to where. What those wrote that are too many is
sent again each time."""

Name = tuple[str, bytes]
"""A kind, and which one of it."""
Vector = dict[bytes, int]
"""Of each writer, the counter up to which everything is known."""


class EntryVersion(NamedTuple):
    """Compared as a tuple."""

    counter: int
    writer: bytes


@attrs.frozen
class Entry:
    """A value that a device wrote, or a deletion (None)."""

    kind: str
    key: bytes = attrs.field(repr=False)
    value: bytes | None = attrs.field(repr=False)
    version: EntryVersion

    @property
    def name(self) -> Name:
        """What it is an entry of."""
        return self.kind, self.key


class Extent(NamedTuple):
    """How much is kept of one kind, or may be."""

    entries: int
    size: int
    """Bytes of keys and values."""


class EntryShelf(Protocol):
    """Where entries are kept: `store.synced.SyncedEntries`, or `EntriesInMemory`."""

    def get(self, name: Name) -> Entry | None:
        """The entry of this name."""
        ...

    def put(self, entry: Entry) -> None:
        """In place of the one of that name."""
        ...

    def since(self, known: Mapping[bytes, int]) -> list[Entry]:
        """All whose writer's counter in `known` is lower, by their counters."""
        ...

    def extents(self) -> dict[str, Extent]:
        """How much there is of each kind."""
        ...

    def vector(self) -> Vector:
        """As it was kept."""
        ...

    def keep_vector(self, vector: Mapping[bytes, int]) -> None:
        """In place of the one before."""
        ...


class EntriesInMemory:
    """An `EntryShelf` that is gone with the process."""

    def __init__(self) -> None:
        self._entries: dict[Name, Entry] = {}
        self._vector: Vector = {}

    def get(self, name: Name) -> Entry | None:
        """See `EntryShelf`."""
        return self._entries.get(name)

    def put(self, entry: Entry) -> None:
        """See `EntryShelf`."""
        self._entries[entry.name] = entry

    def since(self, known: Mapping[bytes, int]) -> list[Entry]:
        """See `EntryShelf`."""
        missing = (
            entry
            for entry in self._entries.values()
            if entry.version.counter > known.get(entry.version.writer, 0)
        )
        return sorted(missing, key=lambda entry: entry.version)

    def extents(self) -> dict[str, Extent]:
        """See `EntryShelf`."""
        found: dict[str, Extent] = {}
        for entry in self._entries.values():
            entries, size = found.get(entry.kind, (0, 0))
            more = len(entry.key) + len(entry.value or b"")
            found[entry.kind] = Extent(entries + 1, size + more)
        return found

    def vector(self) -> Vector:
        """See `EntryShelf`."""
        return dict(self._vector)

    def keep_vector(self, vector: Mapping[bytes, int]) -> None:
        """See `EntryShelf`."""
        self._vector = dict(vector)


class Replica:
    """One device's part."""

    def __init__(self, device: bytes, shelf: EntryShelf) -> None:
        self._device = device
        self._shelf = shelf
        self._vector = shelf.vector()
        self._greatest = max(self._vector.values(), default=0)
        """Of the counters that were seen."""

    @property
    def vector(self) -> Vector:
        """Up to where everything is known here."""
        return dict(self._vector)

    def get(self, kind: str, key: bytes) -> bytes | None:
        """The value; None if there is none, or no more."""
        entry = self._shelf.get((kind, key))
        return entry.value if entry is not None else None

    def write(self, kind: str, key: bytes, value: bytes | None) -> Entry:
        """A change that was made on this device; None deletes."""
        before = self._shelf.get((kind, key))
        seen = before.version.counter if before is not None else 0
        counter = max(seen, self._greatest) + 1
        entry = Entry(kind, key, value, EntryVersion(counter, self._device))
        self._shelf.put(entry)
        self._greatest = counter
        self._advance({self._device: counter})
        return entry

    def take(self, entry: Entry) -> bool:
        """An entry of another device; whether it is news here, to be done and passed on."""
        if entry.version.counter > self._greatest + MAX_LEAP:
            return False
        self._greatest = max(self._greatest, entry.version.counter)
        before = self._shelf.get(entry.name)
        if before is not None and before.version >= entry.version:
            return False
        self._shelf.put(entry)
        return True

    def missing(self, known: Mapping[bytes, int]) -> list[Entry]:
        """What a device with this vector does not have, the oldest first."""
        return self._shelf.since(known)

    def caught_up(self, vector: Mapping[bytes, int]) -> None:
        """Everything of a device with that vector was taken.

        It had an entry as great as its greatest counter, so one that was not seen here is made up.
        """
        self._advance({who: to for who, to in vector.items() if to <= self._greatest})

    def _advance(self, vector: Mapping[bytes, int]) -> None:
        room = MAX_WRITERS - len(self._vector.keys() | {self._device})
        new = [who for who in vector if who != self._device and who not in self._vector]
        beyond = set(new[room:])
        ahead = {
            who: to
            for who, to in vector.items()
            if to > self._vector.get(who, 0) and who not in beyond
        }
        if ahead:
            self._vector |= ahead
            self._shelf.keep_vector(self._vector)


def exchange(one: Replica, other: Replica) -> None:
    """Brings two up to date with each other; what channels do in messages, in one step."""
    for giver, taker in ((one, other), (other, one)):
        pass_on(giver, taker, giver.missing(taker.vector))


def pass_on(giver: Replica, taker: Replica, entries: Iterable[Entry]) -> None:
    """One direction of `exchange`."""
    for entry in entries:
        taker.take(entry)
    taker.caught_up(giver.vector)
