"""The issuer's public keys, as the accounts service writes them to a file for bootstraps."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from onmeet_bootstrap.errors import SettingsError
from onmeet_node.protocol.wire.token_directory import MAX_DIRECTORY_BYTES, IssuerDirectory
from onmeet_node.protocol.wire.tokens import BadToken, TokenKey

log = logging.getLogger("bootstrap")

LOOK_SECONDS = 30.0
"""Between looks whether the file is a new one."""


class IssuerKeys:
    """Keys by week, from a file that is read again when it was replaced."""

    def __init__(self, path: Path, *, steady: Callable[[], float] = time.monotonic) -> None:
        """Raises `SettingsError` for a file that cannot be read, or holds no keys."""
        self._path = path
        self._steady = steady
        self._seen = self._stamp()
        self._keys = self._read()
        self._looked = steady()

    def current(self) -> Mapping[int, TokenKey]:
        """Those that were read last: a file that is damaged or gone leaves them in use."""
        if self._steady() - self._looked >= LOOK_SECONDS:
            self._looked = self._steady()
            try:
                stamp = self._stamp()
                if stamp != self._seen:
                    self._keys, self._seen = self._read(), stamp
            except SettingsError as error:
                log.warning("the token keys stay as they were: %s", error)
        return self._keys

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise self._unreadable(error) from error
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> Mapping[int, TokenKey]:
        try:
            with self._path.open("rb") as file:
                return IssuerDirectory.decode(file.read(MAX_DIRECTORY_BYTES + 1)).keys
        except OSError as error:
            raise self._unreadable(error) from error
        except BadToken as error:
            raise SettingsError(f"[tokens] keys: {self._path}: {error}") from error

    def _unreadable(self, error: OSError) -> SettingsError:
        return SettingsError(
            f"[tokens] keys: cannot read {self._path}: {error.strerror}. It is written by "
            "onmeet-bootstrap accounts run; start that first, and let this user read it."
        )
