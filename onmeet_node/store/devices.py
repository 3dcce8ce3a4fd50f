"""Devices: the own list, the newest one seen of each contact, and what a linked device was lent."""

from __future__ import annotations

from collections.abc import Iterable

from onmeet_node.store.database import Database


class DeviceLists:
    """Signed lists as they travel; nothing here checks them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def own(self) -> tuple[bytes | None, bytes | None]:
        """The own list and its details, as far as there are any."""
        ((signed, details),) = self._database.execute("SELECT list, details FROM identity")
        return signed, details

    def keep_own(self, signed: bytes, details: bytes | None) -> None:
        """Replaces both. `details`: None where nobody told them yet."""
        self._database.execute("UPDATE identity SET list = ?, details = ?", (signed, details))

    def joined(self) -> None:
        """`OwnIdentity.joins` is over: this device is on the list."""
        self._database.execute("UPDATE identity SET joins = 0")

    def of(self, identity: bytes) -> bytes | None:
        """The newest that a contact was seen with."""
        rows = self._database.execute(
            "SELECT list FROM contact_list WHERE identity = ?", (identity,)
        )
        return rows[0][0] if rows else None

    def keep(self, identity: bytes, signed: bytes) -> bool:
        """Keeps somebody's, if they are in the list of contacts; whether they are."""
        return (
            self._database.change(
                "INSERT OR REPLACE INTO contact_list "
                "SELECT identity, ? FROM contact WHERE identity = ?",
                (signed, identity),
            )
            > 0
        )


class LentKeys:
    """What a device that does not hold the identity key was lent by one that does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def signer(self, secret: bytes, epoch: int) -> tuple[bytes, bytes] | None:
        """SECRET. See `RecordSigner.lend`: for one audience and epoch."""
        rows = self._database.execute(
            "SELECT seed, signature FROM lent_signer WHERE secret = ? AND epoch = ?",
            (secret, epoch),
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def pair(self, identity: bytes) -> tuple[bytes, bytes] | None:
        """SECRET. What this person and a contact share: see `protocol.identity.person_keys`."""
        rows = self._database.execute(
            "SELECT secret, pair FROM lent_pair WHERE identity = ?", (identity,)
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def until(self) -> int | None:
        """The last epoch for which there is a key."""
        ((last,),) = self._database.execute("SELECT max(epoch) FROM lent_signer")
        return None if last is None else int(last)

    def take(
        self,
        keys: Iterable[tuple[bytes, int, bytes, bytes]],
        pairs: Iterable[tuple[bytes, bytes, bytes]],
        *,
        before: int,
    ) -> None:
        """Keeps (secret, epoch, seed, signature) and (identity, secret, pair); erases what was lent
        for epochs earlier than `before`.
        """
        with self._database.transaction():
            self._database.execute("DELETE FROM lent_signer WHERE epoch < ?", (before,))
            for key in keys:
                self._database.execute(
                    "INSERT OR REPLACE INTO lent_signer VALUES (?, ?, ?, ?)", key
                )
            for pair in pairs:
                self._database.execute("INSERT OR REPLACE INTO lent_pair VALUES (?, ?, ?)", pair)
