"""Where a home's app is, and which browsers may open it: `app.json` in the home.

Nothing in it is secret: a port, and public keys whose private halves the browsers do not give away.
So it is there before the home is opened, when its app asks for the passphrase.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from onmeet_node.process.ownership import ForeignPlace, open_own, require_own_directory
from onmeet_node.store.errors import ForeignHome
from onmeet_node.store.files import write_private
from onmeet_node.store.home import APP_NAME, HEADER_NAME

FIRST_PORT, LAST_PORT = 20_000, 32_767
"""Below those that Linux gives to connections, of which one might have ours at the next start."""
MAX_BROWSERS = 16
"""The one that was let in longest ago gives way."""
KEY_BYTES = 65
_MAX_FILE_BYTES = 8_192


class AppPlace:
    """Chosen once for each home; `keep` writes it when the home is there."""

    def __init__(self, home: Path, port: int, browsers: Sequence[bytes] | None = None) -> None:
        """`browsers`: as the home has them; None: it has nothing yet."""
        self._home = home
        self.port = port
        self._browsers = list(browsers or ())
        self._kept = browsers is not None

    @classmethod
    def of(cls, home: Path) -> Self:
        """As the home says; chosen now where it says nothing that can be used.

        Raises `ForeignHome`.
        """
        data = b""
        try:
            require_own_directory(home)
            with os.fdopen(open_own(home / APP_NAME, os.O_RDONLY), "rb") as file:
                data = file.read(_MAX_FILE_BYTES)
        except ForeignPlace as error:
            raise ForeignHome(str(error)) from error
        except OSError:
            pass  # there is no home yet, or no app was served from it
        try:
            return cls(home, *_read(data))
        except (ValueError, TypeError, KeyError, RecursionError):
            return cls(home, FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT + 1))

    def knows(self, browser: bytes) -> bool:
        """Whether the browser with this public key was let in."""
        return browser in self._browsers

    def let_in(self, browser: bytes) -> None:
        """Remembers a browser by its public key: an uncompressed point of P-256 (SEC 1, 2.3.3)."""
        if browser in self._browsers:
            return
        self._browsers = [*self._browsers, browser][-MAX_BROWSERS:]
        self._kept = False
        self.keep()

    def keep(self) -> None:
        """Writes what is new, if there is a home to write it to. Raises `StoreError`."""
        if self._kept or not (self._home / HEADER_NAME).exists():
            return
        told = {"port": self.port, "browsers": [one.hex() for one in self._browsers]}
        write_private(self._home / APP_NAME, json.dumps(told).encode())
        self._kept = True


def _read(data: bytes) -> tuple[int, list[bytes]]:
    told: dict[str, Any] = json.loads(data)
    port, browsers = told["port"], [bytes.fromhex(one) for one in told["browsers"]]
    if type(port) is not int or not FIRST_PORT <= port <= LAST_PORT:
        raise ValueError("no port of ours")
    if len(browsers) > MAX_BROWSERS or any(len(one) != KEY_BYTES for one in browsers):
        raise ValueError("no keys of browsers")
    return port, browsers
