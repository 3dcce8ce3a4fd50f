"""Pictures of people, named by what is in them (P3)."""

from __future__ import annotations

from onmeet_node.protocol.identity.picture import digest_of
from onmeet_node.store.database import Database


class Pictures:
    """The `picture` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, picture: bytes) -> bytes:
        """Keeps a clean picture (`protocol.identity.picture`) and returns its digest."""
        digest = digest_of(picture)
        self._database.execute("INSERT OR IGNORE INTO picture VALUES (?, ?)", (digest, picture))
        return digest

    def get(self, digest: bytes) -> bytes | None:
        """The picture of this digest, if it is here."""
        rows = self._database.execute("SELECT data FROM picture WHERE digest = ?", (digest,))
        return bytes(rows[0][0]) if rows else None

    def digests(self) -> frozenset[bytes]:
        """Of all that are here."""
        return frozenset(
            bytes(row[0]) for row in self._database.execute("SELECT digest FROM picture")
        )

    def forget(self, digest: bytes) -> None:
        """Erases one (P11); nothing if it is not here."""
        if self.get(digest) is not None:
            with self._database.erasing():
                self._database.execute("DELETE FROM picture WHERE digest = ?", (digest,))
