"""A node's home directory: making, locking, opening and deleting it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from onmeet_node.process.ownership import (
    fits_a_socket,
    make_own_directory,
    open_own,
    require_own_directory,
    require_own_file,
)
from onmeet_node.store.audiences import Audiences
from onmeet_node.store.contacts import ContactStore
from onmeet_node.store.database import (
    DATABASE_COMPANIONS,
    DATABASE_NAME,
    Database,
    load_schemas,
)
from onmeet_node.store.devices import DeviceLists, LentKeys
from onmeet_node.store.errors import (
    HomeDamaged,
    HomeExists,
    HomeInUse,
    HomeNotLockable,
    HomePathTooLong,
    NotAHome,
    Rejected,
    StoreError,
)
from onmeet_node.store.files import in_home, shred, write_private
from onmeet_node.store.history import CallStore
from onmeet_node.store.keys import (
    MAX_HEADER_BYTES,
    DatabaseKey,
    Header,
    Keyring,
    Unlock,
    find_key,
    forget_key,
    make_key,
)
from onmeet_node.store.links import LinkStore
from onmeet_node.store.local_state import LocalState
from onmeet_node.store.outbox import Outbox
from onmeet_node.store.pictures import Pictures
from onmeet_node.store.settings import Settings
from onmeet_node.store.synced import SyncedEntries

HEADER_NAME = "home.json"
LOCK_NAME = "lock"
APP_NAME = "app.json"
"""See `app_place`."""
SOCKET_NAME = "control.sock"
"""Of the node that runs in the home."""
SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """Who this node is: a person, A, and one device of theirs. All keys are Ed25519."""

    seed: bytes | None = field(repr=False)
    """Of A; None at a linked device, which does not hold it."""
    public: bytes
    """A."""
    device: bytes = field(repr=False)
    """Seed of the device's own key."""
    created: int
    writer: bytes
    """Names this home in the versions of entries that own devices keep together."""
    joins: bool
    """Whether it is still to put itself on the list, which others may have signed meanwhile."""


class HomeLock:
    """Holds the home for this process (flock): released by `release` or the process's death."""

    def __init__(self, home: Path) -> None:
        """Raises `HomeInUse`, `HomeNotLockable`, `ForeignHome`, `HomeNotWritable`, `DiskFull`."""
        with in_home(home):
            self._descriptor = open_own(home / LOCK_NAME, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                os.close(self._descriptor)
                raise HomeNotLockable(home, error.strerror or "not supported") from error
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "ignore").strip()
            os.close(self._descriptor)
            raise HomeInUse(home, int(holder) if holder.isdigit() else None) from None
        with suppress(OSError):  # a full disk: the lock holds, the number is a courtesy
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Lets others in. Harmless when done twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Store:
    """Everything a person keeps, decrypted, held for this process and used by one thread.

    A context manager; see the attributes' classes for what each keeps.
    """

    def __init__(self, home: Path, database: Database, lock: HomeLock) -> None:
        self.home = home
        self.database = database
        self._lock = lock
        self.contacts = ContactStore(database)
        self.calls = CallStore(database)
        self.settings = Settings(database)
        self.audiences = Audiences(database)
        self.outbox = Outbox(database)
        self.pictures = Pictures(database)
        self.links = LinkStore(database)
        self.devices = DeviceLists(database)
        self.lent = LentKeys(database)
        self.synced = SyncedEntries(database)
        self.local = LocalState(database, self.contacts, self.audiences)
        rows = database.execute("SELECT seed, public, device, created, writer, joins FROM identity")
        if len(rows) != 1:
            raise HomeDamaged(str(database.path))
        seed, public, device, created, writer, joins = rows[0]
        self.identity = OwnIdentity(seed, public, device, created, writer, bool(joins))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Flushes, closes, and lets other processes in. Harmless when done twice."""
        self.database.close()
        self._lock.release()


def create_home(
    home: Path,
    unlock: Unlock,
    identity_seed: bytes,
    *,
    now: int,
    schemas: Sequence[str] | None = None,
) -> None:
    """Makes `home` (mode 0700) with a fresh database in it, opened by `unlock`.

    Blocks for the time of the passphrase's `KdfCost`: call it in a worker thread. Raises
    `HomeExists` rather than touch an earlier home, `ForeignHome`, `HomeNotWritable`, `DiskFull`,
    `UnlockError`; after any of them nothing is left behind.
    """
    if len(identity_seed) != SEED_BYTES:
        raise Rejected(f"An identity seed has {SEED_BYTES} bytes.")
    new_home(
        home,
        unlock,
        schemas=load_schemas() if schemas is None else schemas,
        fill=lambda database: database.execute(
            "INSERT INTO identity (one, seed, public, device, created, writer, joins) "
            "VALUES (1, ?, public_of(?), fresh_seed(), ?, fresh_seed(), 0)",
            (identity_seed, identity_seed, now),
        ),
    )


def create_linked_home(
    home: Path,
    unlock: Unlock,
    identity: bytes,
    device_seed: bytes,
    devices: tuple[bytes, bytes | None],
    *,
    now: int,
) -> None:
    """Makes the home of a device that does not hold the identity key A.

    `devices`: the signed list that names it, and its details as far as they are known. The rest is
    as in `create_home`.
    """
    if len(device_seed) != SEED_BYTES:
        raise Rejected(f"The seed of a device's key has {SEED_BYTES} bytes.")
    new_home(
        home,
        unlock,
        schemas=load_schemas(),
        fill=lambda database: database.execute(
            "INSERT INTO identity (one, public, device, created, list, details, writer, joins) "
            "VALUES (1, ?, ?, ?, ?, ?, fresh_seed(), 0)",
            (identity, device_seed, now, *devices),
        ),
    )


def new_home(
    home: Path, unlock: Unlock, *, schemas: Sequence[str], fill: Callable[[Database], object]
) -> None:
    """Makes a home whose database `fill` supplied with its first rows, or leaves nothing."""
    if not fits_a_socket(home / SOCKET_NAME):
        raise HomePathTooLong(home)
    there = os.path.lexists(home)
    with in_home(home):
        make_own_directory(home)
    if _has_any(home):
        raise HomeExists(home)
    lock = HomeLock(home)
    header = None
    try:
        key, header = make_key(home, unlock)
        _require_own_files(home)
        write_private(home / DATABASE_NAME, b"")  # SQLite would make it as the umask says
        with Database(home / DATABASE_NAME, key, schemas=schemas) as database:
            with database.transaction():
                fill(database)
            database.flush()
        # Last, because it makes the directory a home.
        write_private(home / HEADER_NAME, header.to_bytes())
    except BaseException:
        if header is not None:
            forget_key(home, header, unlock if isinstance(unlock, Keyring) else Keyring())
        _remove_files(home)
        if not there:
            with suppress(OSError):
                home.rmdir()
        raise
    finally:
        lock.release()


def require_no_home(home: Path) -> None:
    """Raises `HomeExists` where there is one: what comes next would be for nothing."""
    if _has_any(home):
        raise HomeExists(home)


def unlock_kind(home: Path) -> str:
    """How this home is opened: ``passphrase``, ``keyring`` or ``key-file``. Raises `NotAHome`."""
    return read_header(home).kind


def find_home_key(home: Path, unlock: Unlock) -> DatabaseKey:
    """The slow half of `open_home` (up to a second of Argon2id): call it in a worker thread.

    Raises `NotAHome`, `HomeDamaged`, `HomeTooNew`, `UnlockError` (`WrongPassphrase` …).
    """
    return find_key(home, read_header(home), unlock)


def open_store(home: Path, key: DatabaseKey, *, schemas: Sequence[str] | None = None) -> Store:
    """The fast half: locks the home and opens its database, in the thread that will use it.

    Raises `HomeInUse`, `ForeignHome`, `HomeNotWritable`, `HomeTooNew`, `HomeDamaged`,
    `UpgradeFailed`, `DiskFull`.
    """
    read_header(home)
    lock = HomeLock(home)
    try:
        _require_own_files(home)
        path = home / DATABASE_NAME
        if not path.exists():
            raise NotAHome(home)
        database = Database(path, key, schemas=load_schemas() if schemas is None else schemas)
        try:
            return Store(home, database, lock)
        except BaseException:
            database.close()
            raise
    except BaseException:
        lock.release()
        raise


def open_home(home: Path, unlock: Unlock, *, schemas: Sequence[str] | None = None) -> Store:
    """`find_home_key` and `open_store` in one, for whoever may block."""
    return open_store(home, find_home_key(home, unlock), schemas=schemas)


def delete_everything(home: Path, *, keyring: Keyring | None = None) -> None:
    """Deletes the home for good (P11): the key first, then every file of ours.

    Files that On-Meet did not make stay, and so does then the directory. Needs no passphrase.
    Raises `NotAHome`, `ForeignHome`, and `HomeInUse` while a node runs in it.
    """
    _require_own_home(home)
    if not _has_any(home):
        raise NotAHome(home)
    lock = HomeLock(home)
    try:
        with suppress(StoreError, OSError):  # a damaged header keeps nobody's data alive
            forget_key(home, read_header(home), keyring or Keyring())
        _remove_files(home)
        with suppress(OSError):  # other files of the person are in it
            home.rmdir()
    finally:
        lock.release()


def read_header(home: Path) -> Header:
    """`home.json`, checked. Raises `NotAHome`, `ForeignHome`, `HomeDamaged`, `HomeTooNew`."""
    _require_own_home(home)
    path = home / HEADER_NAME
    with in_home(home):
        try:
            descriptor = open_own(path, os.O_RDONLY)
        except FileNotFoundError:
            raise NotAHome(home) from None
        with os.fdopen(descriptor, "rb") as file:
            return Header.from_bytes(file.read(MAX_HEADER_BYTES + 1), path)


def _require_own_home(home: Path) -> None:
    with in_home(home):
        try:
            require_own_directory(home)
        except (FileNotFoundError, NotADirectoryError):
            raise NotAHome(home) from None


def _require_own_files(home: Path) -> None:
    """SQLite opens these by itself, and would follow links."""
    with in_home(home):
        for ending in ("", *DATABASE_COMPANIONS):
            require_own_file(home / f"{DATABASE_NAME}{ending}")


def _has_any(home: Path) -> bool:
    return any(os.path.lexists(home / name) for name in (HEADER_NAME, DATABASE_NAME))


def _remove_files(home: Path) -> None:
    shred(home / HEADER_NAME)
    for path in sorted(home.glob(DATABASE_NAME + "*")):
        path.unlink(missing_ok=True)
    (home / APP_NAME).unlink(missing_ok=True)
    (home / LOCK_NAME).unlink(missing_ok=True)
