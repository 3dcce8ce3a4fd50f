"""Small files of the home: written whole or not at all, for the owner alone, and shredded."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from onmeet_node.process.ownership import ForeignPlace, open_own
from onmeet_node.store.errors import (
    DiskFailed,
    DiskFull,
    ForeignHome,
    HomeNotWritable,
    StoreError,
)


@contextmanager
def in_home(home: Path) -> Iterator[None]:
    """Tells what goes wrong with a file or directory of the home in our words (`StoreError`)."""
    try:
        yield
    except ForeignPlace as error:
        raise ForeignHome(str(error)) from error
    except OSError as error:
        raise translate_os_error(error, home) from error


def write_private(path: Path, data: bytes) -> None:
    """Writes a file of mode 0600 whole or not at all, synced. Raises `StoreError`."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise translate_os_error(error, path.parent) from error


def shred(path: Path) -> None:
    """Overwrites a small file with random bytes and removes it; nothing happens without it.

    Overwriting reaches the old sectors of a plain disk; flash may keep them. It costs nothing.
    """
    # A link is removed, not what it leads to.
    with (
        suppress(OSError, ForeignPlace),
        os.fdopen(open_own(path, os.O_WRONLY), "wb") as file,
    ):
        file.write(secrets.token_bytes(os.fstat(file.fileno()).st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink(missing_ok=True)


def translate_os_error(error: OSError, home: Path) -> StoreError:
    """An `OSError` of a file in the home, in words a person can act on."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(home)
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return HomeNotWritable(home, error.strerror or "not allowed")
    return DiskFailed(home, error.strerror or type(error).__name__)
