"""The entries that own devices keep together, and how they look in the other tables."""

from __future__ import annotations

import json
from collections.abc import Mapping

from onmeet_node.protocol.own.replica import Entry, EntryVersion, Extent, Name, Vector
from onmeet_node.store.database import Database, Row


class SyncedEntries:
    """An `EntryShelf` in the `kept_entry` and `kept_vector` tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: Name) -> Entry | None:
        """See `EntryShelf`."""
        rows = self._database.execute(
            "SELECT kind, key, value, counter, writer FROM kept_entry WHERE kind = ? AND key = ?",
            name,
        )
        return _entry(rows[0]) if rows else None

    def put(self, entry: Entry) -> None:
        """See `EntryShelf`."""
        self._database.execute(
            "INSERT INTO kept_entry (kind, key, value, counter, writer) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, "
            "counter = excluded.counter, writer = excluded.writer",
            (entry.kind, entry.key, entry.value, *entry.version),
        )

    def since(self, known: Mapping[bytes, int]) -> list[Entry]:
        """See `EntryShelf`."""
        rows = self._database.execute(
            "SELECT kind, key, value, counter, writer FROM kept_entry ORDER BY counter, writer"
        )
        entries = map(_entry, rows)
        return [e for e in entries if e.version.counter > known.get(e.version.writer, 0)]

    def vector(self) -> Vector:
        """See `EntryShelf`."""
        return dict(self._database.execute("SELECT writer, counter FROM kept_vector"))

    def keep_vector(self, vector: Mapping[bytes, int]) -> None:
        """See `EntryShelf`."""
        for item in vector.items():
            self._database.execute("INSERT OR REPLACE INTO kept_vector VALUES (?, ?)", item)

    def extents(self) -> dict[str, Extent]:
        """See `EntryShelf`."""
        rows = self._database.execute(
            "SELECT kind, count(*), sum(length(key) + coalesce(length(value), 0)) "
            "FROM kept_entry GROUP BY kind"
        )
        return {kind: Extent(entries, size) for kind, entries, size in rows}

    # ── how it is here ──────────────────────────────────────────────────────────────────────────
    def locals(self) -> dict[Name, bytes | None]:
        """What was last seen of each entry in the other tables."""
        rows = self._database.execute("SELECT kind, key, local FROM kept_entry")
        return {(kind, key): local for kind, key, local in rows}

    def keep_local(self, name: Name, local: bytes | None) -> None:
        """What is in the other tables now."""
        self._database.execute(
            "UPDATE kept_entry SET local = ? WHERE kind = ? AND key = ?", (local, *name)
        )


def _entry(row: Row) -> Entry:
    kind, key, value, counter, writer = row
    return Entry(kind, key, value, EntryVersion(counter, writer))


def packed(value: object) -> bytes:
    """A value of JSON as it is kept in an entry: the same value is the same bytes."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
