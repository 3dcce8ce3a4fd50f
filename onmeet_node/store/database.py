"""One SQLCipher connection: opening, schema upgrades, transactions, and errors in our words.

Synchronous on purpose: a query takes well under a millisecond, less than a trip to a worker thread.
Only deriving the key is slow, and that happens before (keys.py).
"""

from __future__ import annotations

import functools
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any, Self

from sqlcipher3 import dbapi2 as sqlcipher

from onmeet_node.process.work import WORK
from onmeet_node.protocol.identity.keys import SEED_BYTES, IdentityKey
from onmeet_node.protocol.identity.lookalike import look_of, same_name
from onmeet_node.store.errors import (
    DiskFailed,
    DiskFull,
    HomeDamaged,
    HomeNotWritable,
    HomeTooNew,
    Rejected,
    StoreError,
    UpgradeFailed,
)
from onmeet_node.store.files import translate_os_error
from onmeet_node.store.keys import DatabaseKey

DATABASE_NAME = "onmeet.db"
DATABASE_COMPANIONS = ("-wal", "-shm", "-journal")
"""Files that SQLite keeps beside it, by their ending."""
Row = tuple[Any, ...]

# Primary result codes, https://www.sqlite.org/rescode.html
_NOT_WRITABLE = {3, 8, 14}  # PERM, READONLY, CANTOPEN
_IO_ERROR = 10
_FULL = 13
_DAMAGED = {11, 26}  # CORRUPT, NOTADB


@functools.cache
def load_schemas() -> tuple[str, ...]:
    """The scripts schema-1.sql, schema-2.sql …: number n turns format n-1 into format n."""
    found = {
        int(match[1]): entry.read_text("utf-8")
        for entry in resources.files(__package__).iterdir()
        if (match := re.fullmatch(r"schema-(\d+)\.sql", entry.name))
    }
    if sorted(found) != list(range(1, len(found) + 1)) or not found:
        raise StoreError("On-Meet is installed incompletely: schema files are missing. Reinstall.")
    return tuple(found[number] for number in sorted(found))


def public_of(seed: bytes) -> bytes:
    """The public half of the Ed25519 key with this seed."""
    return IdentityKey(seed).public


def fresh_seed() -> bytes:
    """SECRET. 32 random bytes, for a key of its own."""
    return secrets.token_bytes(SEED_BYTES)


class Database:
    """An open, decrypted database of the newest format. Belongs to the thread that opened it."""

    def __init__(self, path: Path, key: DatabaseKey, *, schemas: Sequence[str]) -> None:
        """Opens or creates `path` and upgrades it to the last of `schemas`.

        Before an upgrade the file is copied to `<path>.format-<n>`. Raises `HomeTooNew`,
        `HomeDamaged`, `UpgradeFailed`, `HomeNotWritable`, `DiskFull`.
        """
        self.path = path
        self._schemas = tuple(schemas)
        self._erases = False
        self._undone = 0
        self._aside = 0
        self._later: list[Callable[[], None]] = []
        with self._translated():
            # isolation_level None: transactions are ours alone, never begun behind our back.
            self._connection = sqlcipher.connect(str(path), isolation_level=None)
        try:
            self._prepare(key)
            self._upgrade()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self, key: DatabaseKey) -> None:
        run = self.execute
        run("PRAGMA cipher_log_level = NONE")  # it writes to stderr of its own accord otherwise
        run(f"PRAGMA key = \"x'{key.raw.hex()}'\"")
        # Exclusive: one process by `HomeLock` anyway; WAL then needs no shared-memory file.
        run("PRAGMA locking_mode = EXCLUSIVE")
        try:
            run("PRAGMA journal_mode = WAL")
        except HomeDamaged:
            raise HomeDamaged(f"{self.path} (or the key file belongs to another home)") from None
        # NORMAL: a crash of the node loses nothing, a power cut at most the last seconds, and the
        # trio loop never waits for the disk to sync on the way to a ringing phone.
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA foreign_keys = ON")
        run("PRAGMA secure_delete = ON")
        run("PRAGMA trusted_schema = OFF")
        for function in (same_name, look_of, public_of):  # for upgrades alone
            self._connection.create_function(function.__name__, 1, function, deterministic=True)
        self._connection.create_function(fresh_seed.__name__, 0, fresh_seed)

    # ── queries ─────────────────────────────────────────────────────────────────────────────────
    def execute(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Runs one statement and returns all its rows."""
        self.catch_up()
        WORK.statements += 1
        with self._translated():
            return list(self._connection.execute(sql, values))

    def watch(self, told: Callable[[str], None] | None) -> None:
        """Tells of each statement that runs from now on, its values filled in; None: no more."""
        self._connection.set_trace_callback(told)

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Runs one statement and returns how many rows it changed."""
        self.catch_up()
        WORK.statements += 1
        with self._translated():
            return int(self._connection.execute(sql, values).rowcount)

    def later(self, write: Callable[[], None]) -> None:
        """Has `write` done by `catch_up`, or before anything else is read or written here.

        So nobody sees a state without it. It must not raise. What is not written when the process
        is killed is lost; `close` writes it.
        """
        self._later.append(write)

    def catch_up(self) -> None:
        """Does what was put off; within a transaction, which may be undone, not yet."""
        if not self._later or self._connection.in_transaction:
            return
        due, self._later = self._later, []
        for write in due:
            write()

    @property
    def changes(self) -> tuple[int, int]:
        """Another value whenever a row may have changed, or changed back: for `ReadCache`."""
        return self._connection.total_changes - self._aside, self._undone

    @contextmanager
    def aside(self) -> Iterator[None]:
        """For writing to tables of which nothing is kept in memory: no sign of it in `changes`."""
        before = self._connection.total_changes
        try:
            yield
        finally:
            self._aside += self._connection.total_changes - before

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or, on any exception, nothing of it. May be nested: the outermost counts."""
        if self._connection.in_transaction:
            yield
            return
        self.catch_up()
        self._erases = False
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self._undone += 1
            # After some errors (a full disk, for one) SQLite has rolled back by itself.
            if self._connection.in_transaction:
                self.execute("ROLLBACK")
            raise
        if self._erases:
            for copy in self.copies():
                copy.unlink(missing_ok=True)
            self.flush()

    @contextmanager
    def erasing(self) -> Iterator[None]:
        """A transaction whose deletions leave no trace in any file of the home (P11).

        secure_delete zeroes the freed parts of pages, the truncated WAL drops older versions of
        those pages, and copies kept before an upgrade, which still hold the rows, are removed.
        """
        with self.transaction():
            self._erases = True
            yield

    def flush(self) -> None:
        """Brings the WAL into the database and truncates it, synced to disk."""
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def copies(self) -> list[Path]:
        """The copies kept before upgrades."""
        return sorted(self.path.parent.glob(self.path.name + ".format-*"))

    def close(self) -> None:
        """Flushes and closes. Never raises: what was committed is in the WAL in any case."""
        with suppress(StoreError):
            self.catch_up()
            self.flush()
        self._connection.close()

    @staticmethod
    def span(start: str, length: int) -> tuple[bytes, bytes] | None:
        """The first and last of the blobs of `length` bytes whose hex begins with `start`."""
        digits = 2 * length
        if len(start) > digits:
            return None
        try:
            return bytes.fromhex(start.ljust(digits, "0")), bytes.fromhex(start.ljust(digits, "f"))
        except ValueError:
            return None

    # ── formats ─────────────────────────────────────────────────────────────────────────────────
    @property
    def format(self) -> int:
        """How many of the schema scripts this database has been through."""
        return int(self.execute("PRAGMA user_version")[0][0])

    def _upgrade(self) -> None:
        found, known = self.format, len(self._schemas)
        if found > known:
            raise HomeTooNew(str(self.path), found, known)
        copy = self._copy(found) if 0 < found < known else None
        for number in range(found + 1, known + 1):
            script = self._schemas[number - 1]
            try:
                with self._translated():
                    self._connection.executescript(
                        f"BEGIN IMMEDIATE;\n{script};\nPRAGMA user_version = {number};\nCOMMIT;"
                    )
            except (StoreError, sqlcipher.Error) as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, DiskFull):
                    raise
                raise UpgradeFailed(number, copy) from error

    def _copy(self, found: int) -> Path:
        self.flush()
        copy = self.path.with_name(f"{self.path.name}.format-{found}")
        partial = copy.with_suffix(".partial")
        try:
            partial.unlink(missing_ok=True)
            made = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "wb") as target, self.path.open("rb") as source:
                shutil.copyfileobj(source, target)
            partial.replace(copy)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise translate_os_error(error, self.path.parent) from error
        return copy

    # ── errors ──────────────────────────────────────────────────────────────────────────────────
    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlcipher.DatabaseError as error:
            known = self._known_error(error)
            if known is None:
                raise  # a mistake in our own SQL or a constraint: a bug, shown as one
            raise known from error
        except UnicodeEncodeError as error:  # lone surrogates, as a file name may hold
            raise Rejected("That text has characters that are none. Type it again.") from error

    def _known_error(self, error: Exception) -> StoreError | None:
        home = self.path.parent
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == _FULL:
            return DiskFull(home)
        if code in _NOT_WRITABLE:
            return HomeNotWritable(home, str(error))
        if code == _IO_ERROR:
            return DiskFailed(self.path, str(error))
        if code in _DAMAGED:
            return HomeDamaged(str(self.path))
        return None
