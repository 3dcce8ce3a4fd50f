"""Messages that wait until a peer is online: no server has a mailbox (PROTOCOL, "Contacts")."""

from __future__ import annotations

from dataclasses import dataclass, field

from onmeet_node.protocol.call.events import Identity
from onmeet_node.store.database import Database
from onmeet_node.store.errors import Rejected

MAX_MESSAGE_BYTES = 65_536
MAX_PER_PEER = 32
"""More missed calls than that say nothing new; the oldest goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One encoded message for one peer. Times are Unix seconds."""

    id: int
    peer: Identity
    ref: bytes
    """What the peer's receipt will name; of a missed call, its call id."""
    message: bytes = field(repr=False)
    created: int
    expires: int


class Outbox:
    """The `outbox` table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, peer: Identity, ref: bytes, message: bytes, *, now: int, expires: int) -> None:
        """Keeps `message` for `peer`; the same `ref` again replaces it. Raises `Rejected`."""
        if len(message) > MAX_MESSAGE_BYTES:
            raise Rejected(f"A waiting message has at most {MAX_MESSAGE_BYTES} bytes.")
        if expires <= now:
            raise Rejected("A waiting message must expire in the future.")
        with self._database.transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO outbox (peer, ref, message, created, expires) "
                "VALUES (?, ?, ?, ?, ?)",
                (peer, ref, message, now, expires),
            )
            self._database.execute(
                "DELETE FROM outbox WHERE peer = ?1 AND id NOT IN "
                "(SELECT id FROM outbox WHERE peer = ?1 ORDER BY id DESC LIMIT ?2)",
                (peer, MAX_PER_PEER),
            )

    def waiting(self, peer: Identity, *, now: int) -> list[OutboxItem]:
        """What waits for `peer`, oldest first, the expired left out."""
        return [
            OutboxItem(
                id=number, peer=Identity(to), ref=ref, message=message, created=at, expires=until
            )
            for number, to, ref, message, at, until in self._database.execute(
                "SELECT id, peer, ref, message, created, expires FROM outbox "
                "WHERE peer = ? AND expires > ? ORDER BY id",
                (peer, now),
            )
        ]

    def peers(self, *, now: int) -> list[Identity]:
        """Everybody for whom something waits."""
        rows = self._database.execute(
            "SELECT DISTINCT peer FROM outbox WHERE expires > ? ORDER BY peer", (now,)
        )
        return [Identity(peer) for (peer,) in rows]

    def delivered(self, peer: Identity, ref: bytes) -> bool:
        """The peer confirmed: erases the message. False when none of theirs has this `ref`."""
        if not self._database.execute(
            "SELECT 1 FROM outbox WHERE peer = ? AND ref = ?", (peer, ref)
        ):
            return False  # erasing syncs the disk, and a peer may say anything
        with self._database.erasing():
            return (
                self._database.change("DELETE FROM outbox WHERE peer = ? AND ref = ?", (peer, ref))
                > 0
            )

    def purge(self, *, now: int) -> int:
        """Erases what expired; returns how many there were."""
        rows = self._database.execute("SELECT count(*) FROM outbox WHERE expires <= ?", (now,))
        if rows[0][0]:
            with self._database.erasing():
                self._database.execute("DELETE FROM outbox WHERE expires <= ?", (now,))
        return int(rows[0][0])
