"""How much own devices keep together: a device that is stolen fills no other one's disk.

A new entry is refused where its kind has no room left, and any entry that is too long. One that
is there already may change, so what the person does goes on while the room is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onmeet_node.protocol.own.replica import Entry, EntryShelf, Extent

MEGABYTE = 2**20
ROOM: Mapping[str, Extent] = {
    "contact": Extent(200_000, 64 * MEGABYTE),
    "contacts-secret": Extent(16, MEGABYTE // 16),
    "code": Extent(4_096, MEGABYTE),
    "setting": Extent(64, MEGABYTE // 2),
    "seen": Extent(200_000, 16 * MEGABYTE),
}
"""`contact`: 10,000 people of all fields, and as many that are gone."""
UNKNOWN_ROOM = Extent(1_024, MEGABYTE)
"""For what later versions keep, all kinds together."""
NOTHING = Extent(0, 0)
SMALL_BYTES = 256
"""An entry that is there may grow to this, whatever room is left."""


class KeptRoom:
    """How much room is left on a shelf; what others wrote comes through here."""

    def __init__(self, shelf: EntryShelf) -> None:
        self._shelf = shelf
        self._taken: dict[str, Extent] = {}
        self.look()

    def look(self) -> None:
        """Counts what is there; slow where it is much."""
        self._taken = {}
        for kind, extent in self._shelf.extents().items():
            self._add(kind, extent)

    def take(self, entry: Entry, put: Callable[[Entry], bool]) -> bool:
        """Whether there is room for it and `put` took it."""
        before = self._shelf.get(entry.name)
        was = 0 if before is None else len(entry.key) + len(before.value or b"")
        size = len(entry.key) + len(entry.value or b"")
        more = Extent(int(before is None), size - was)
        small = before is not None and size <= max(was, SMALL_BYTES)
        if not (small or self._has(entry.kind, more)) or not put(entry):
            return False
        self._add(entry.kind, more)
        return True

    def _has(self, kind: str, more: Extent) -> bool:
        most = ROOM.get(kind, UNKNOWN_ROOM)
        taken = self._taken.get(_group(kind), NOTHING)
        return taken.entries + more.entries <= most.entries and taken.size + more.size <= most.size

    def _add(self, kind: str, more: Extent) -> None:
        taken = self._taken.get(_group(kind), NOTHING)
        self._taken[_group(kind)] = Extent(taken.entries + more.entries, taken.size + more.size)


def _group(kind: str) -> str:
    return kind if kind in ROOM else ""
