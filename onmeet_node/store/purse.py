"""Tokens, and what they are made of while they are bought: an encrypted database of their own.

Beside the home's database, under its key, and there only where a seat was entered. Not part of an
export: a token is spent once, so a copy of it on a second machine is worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import attrs

from onmeet_node.errors import OnMeetError
from onmeet_node.process.ownership import require_own_file
from onmeet_node.protocol.wire.bootstrap_api import TokenTerms
from onmeet_node.protocol.wire.seat import SeatLink
from onmeet_node.protocol.wire.weeks import GRACE_SECONDS, epoch_of
from onmeet_node.store.database import DATABASE_COMPANIONS, DATABASE_NAME, Database
from onmeet_node.store.errors import StoreError
from onmeet_node.store.files import in_home, write_private
from onmeet_node.store.keys import DatabaseKey

PURSE_NAME = f"{DATABASE_NAME}.purse"
"""NOTE: begins as the database does, so that deleting the home deletes it."""
SCHEMAS = (
    """
    CREATE TABLE seat (id INTEGER PRIMARY KEY CHECK (id = 1), issuer TEXT NOT NULL,
        code BLOB NOT NULL, via TEXT NOT NULL);
    CREATE TABLE week (epoch INTEGER PRIMARY KEY, key_id BLOB NOT NULL, bought INTEGER NOT NULL,
        at_need INTEGER NOT NULL);
    CREATE TABLE pending (epoch INTEGER NOT NULL, number INTEGER NOT NULL, bootstrap TEXT NOT NULL,
        spki BLOB NOT NULL, randomness BLOB NOT NULL, PRIMARY KEY (epoch, number));
    CREATE TABLE token (token BLOB PRIMARY KEY, epoch INTEGER NOT NULL, bootstrap TEXT NOT NULL);
    CREATE INDEX token_of ON token (bootstrap, epoch);
    """,
)


class NoPurse(OnMeetError):
    """The home has no seat."""

    def __init__(self) -> None:
        super().__init__("This node has no seat. Enter one: onmeet account seat LINK")


@attrs.frozen
class PendingBatch:
    """A purchase that was begun: kept before it is sent, so that it can be sent again."""

    epoch: int
    spki: bytes
    """Of the issuer's key."""
    items: tuple[tuple[str, bytes], ...] = attrs.field(repr=False)
    """For which bootstrap, and the random bytes of each token."""


@attrs.frozen
class BoughtWeek:
    """What was bought for a week."""

    epoch: int
    key_id: bytes
    bought: int
    at_need: bool
    """When it was needed rather than the day before, so that its time may say something."""


@attrs.frozen
class TokenCount:
    """Tokens that are left for one bootstrap and week."""

    bootstrap: str
    epoch: int
    count: int


class Purse:
    """An open purse."""

    def __init__(self, home: Path, key: DatabaseKey) -> None:
        """Makes one where there is none. Raises the store's errors."""
        path = home / PURSE_NAME
        with in_home(home):
            for ending in ("", *DATABASE_COMPANIONS):
                require_own_file(home / f"{PURSE_NAME}{ending}")
        if not path.exists():
            write_private(path, b"")  # SQLite would make it as the umask says
        self._database = Database(path, key, schemas=SCHEMAS)
        self._closed = False

    def close(self) -> None:
        """Harmless when done twice."""
        if not self._closed:
            self._closed = True
            self._database.close()

    # ── the seat ────────────────────────────────────────────────────────────────────────────────
    def seat(self) -> tuple[SeatLink, str] | None:
        """The seat, and by which proxy its issuer is asked ("": directly)."""
        for issuer, code, via in self._database.execute("SELECT issuer, code, via FROM seat"):
            return SeatLink(issuer, code), via
        return None

    def set_seat(self, link: SeatLink, via: str) -> None:
        """Keeps the seat's link. With another issuer what was bought at the last one goes."""
        before = self.seat()
        with self._database.erasing():
            if before is not None and before[0].issuer != link.issuer:
                for table in ("week", "pending", "token"):
                    self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - ours
            self._database.execute(
                "INSERT OR REPLACE INTO seat VALUES (1, ?, ?, ?)", (link.issuer, link.code, via)
            )

    # ── buying ──────────────────────────────────────────────────────────────────────────────────
    def week(self, epoch: int) -> BoughtWeek | None:
        """What was bought for this week, and under which key."""
        query = "SELECT epoch, key_id, bought, at_need FROM week WHERE epoch = ?"
        for number, key_id, bought, at_need in self._database.execute(query, (epoch,)):
            return BoughtWeek(number, key_id, bought, bool(at_need))
        return None

    def pending(self, epoch: int) -> PendingBatch | None:
        """A purchase for this week that was begun."""
        rows = self._database.execute(
            "SELECT spki, bootstrap, randomness FROM pending WHERE epoch = ? ORDER BY number",
            (epoch,),
        )
        if not rows:
            return None
        return PendingBatch(epoch, rows[0][0], tuple((peer, data) for _, peer, data in rows))

    def begin(self, batch: PendingBatch, key_id: bytes) -> None:
        """Keeps a purchase before it is sent, and which key its week has."""
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO week VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING", (batch.epoch, key_id)
            )
            for number, (peer, randomness) in enumerate(batch.items):
                self._database.execute(
                    "INSERT INTO pending VALUES (?, ?, ?, ?, ?)",
                    (batch.epoch, number, peer, batch.spki, randomness),
                )

    def drop(self, epoch: int) -> None:
        """The purchase will not be: what its tokens were made of is erased."""
        with self._database.erasing():
            self._database.execute("DELETE FROM pending WHERE epoch = ?", (epoch,))

    def finish(self, epoch: int, tokens: Sequence[tuple[str, bytes]], *, at_need: bool) -> None:
        """The purchase has come: keeps its tokens, and erases what they were made of."""
        with self._database.erasing():
            self._database.execute("DELETE FROM pending WHERE epoch = ?", (epoch,))
            for peer, token in tokens:
                self._database.execute("INSERT INTO token VALUES (?, ?, ?)", (token, epoch, peer))
            self._database.execute(
                "UPDATE week SET bought = bought + ?, at_need = ? WHERE epoch = ?",
                (len(tokens), int(at_need), epoch),
            )

    def forget_before(self, epoch: int) -> None:
        """Erases weeks before this one."""
        with self._database.erasing():
            for table in ("week", "pending", "token"):
                self._database.execute(f"DELETE FROM {table} WHERE epoch < ?", (epoch,))  # noqa: S608

    # ── spending ────────────────────────────────────────────────────────────────────────────────
    def take(self, bootstrap: str, epoch: int) -> bytes | None:
        """A token, which is kept no longer."""
        with self._database.transaction():
            rows = self._database.execute(
                "DELETE FROM token WHERE token = (SELECT token FROM token WHERE bootstrap = ? "
                "AND epoch = ? LIMIT 1) RETURNING token",
                (bootstrap, epoch),
            )
        return rows[0][0] if rows else None

    def put_back(self, bootstrap: str, epoch: int, token: bytes) -> None:
        """A token that was not spent."""
        self._database.execute(
            "INSERT OR IGNORE INTO token VALUES (?, ?, ?)", (token, epoch, bootstrap)
        )

    def counts(self) -> list[TokenCount]:
        """What is left."""
        return [
            TokenCount(*row)
            for row in self._database.execute(
                "SELECT bootstrap, epoch, count(*) FROM token GROUP BY bootstrap, epoch "
                "ORDER BY epoch, bootstrap"
            )
        ]


class PurseSlot:
    """Where a node's purse is, if it has one. What takes tokens out for TURN (`TokenPurse`)."""

    def __init__(self, home: Path, key: DatabaseKey, *, now: Callable[[], float]) -> None:
        self._home = home
        self._key = key
        self._now = now
        self.purse: Purse | None = Purse(home, key) if (home / PURSE_NAME).exists() else None
        self.trouble = ""
        """Why tokens are not spent though there are some, in a sentence for the user."""

    def close(self) -> None:
        """Harmless when done twice."""
        if self.purse is not None:
            self.purse.close()

    def make(self) -> Purse:
        """The purse, made if there was none. Raises the store's errors."""
        if self.purse is None:
            self.purse = Purse(self._home, self._key)
        return self.purse

    def require(self) -> Purse:
        """The purse. Raises `NoPurse`."""
        if self.purse is None:
            raise NoPurse
        return self.purse

    def remove(self) -> None:
        """Erases seat and tokens for good."""
        self.close()
        self.purse = None
        for ending in ("", *DATABASE_COMPANIONS):
            with suppress(FileNotFoundError):
                (self._home / f"{PURSE_NAME}{ending}").unlink()

    def take(self, bootstrap: str, terms: TokenTerms) -> bytes | None:
        """See `TokenPurse`."""
        if self.purse is None:
            return None
        try:
            seat = self.purse.seat()
            if seat is None or seat[0].issuer != terms.issuer:
                return None
            for epoch in self._spendable():
                if self._same_key(self.purse, epoch, terms):
                    token = self.purse.take(bootstrap, epoch)
                    if token is not None:
                        self.trouble = ""
                        return token
        except StoreError as error:  # a full disk: what is not taken out would be spent twice
            self.trouble = str(error)
        return None

    def _spendable(self) -> Iterable[int]:
        now = self._now()
        return sorted({epoch_of(now), epoch_of(now - GRACE_SECONDS)}, reverse=True)

    def _same_key(self, purse: Purse, epoch: int, terms: TokenTerms) -> bool:
        week = purse.week(epoch)
        if week is None:
            return False
        if {key.id for key in terms.keys if key.epoch == epoch} - {week.key_id}:
            self.trouble = (
                "A bootstrap now names another key for this week's tokens than when they were "
                "bought, so none is spent: one that is shown to you alone would tell who you are. "
                "Ask its operator."
            )
            return False
        return True

    def give_back(self, bootstrap: str, token: bytes) -> None:
        """See `TokenPurse`."""
        with suppress(StoreError):
            if self.purse is None:
                return
            # Of which week it is matters to nothing but when it is tried, and erased.
            self.purse.put_back(bootstrap, epoch_of(self._now()), token)
