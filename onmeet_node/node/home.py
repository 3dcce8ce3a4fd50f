"""Making a home: a new identity, or the one of an export."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from onmeet_node.contacts.profile import change_profile
from onmeet_node.store import Unlock, create_home, open_home


def create_identity(home: Path, unlock: Unlock, name: str | None) -> bytes:
    """Makes a new identity and the encrypted home that holds it; returns its public key.

    A passphrase costs its Argon2id: call it in a worker thread. Raises `HomeExists`, `BadProfile`
    and what the store has to say of the disk.
    """
    create_home(home, unlock, secrets.token_bytes(32), now=int(time.time()))
    with open_home(home, unlock) as store:
        change_profile(store, {"name": name} if name else {}, {})
        return store.identity.public
