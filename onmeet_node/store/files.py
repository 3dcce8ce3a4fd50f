"""Small files of the home: written whole or not at all, for the owner alone, and shredded."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from onmeet_node.store.errors import DiskFailed, DiskFull, HomeNotWritable, StoreError


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
    try:
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        pass
    path.unlink(missing_ok=True)


def translate_os_error(error: OSError, home: Path) -> StoreError:
    """An `OSError` of a file in the home, in words a person can act on."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(home)
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return HomeNotWritable(home, error.strerror or "not allowed")
    return DiskFailed(home, error.strerror or type(error).__name__)
