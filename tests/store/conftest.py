"""Homes for the tests, with a key derivation that costs nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from onmeet_node.store import KdfCost, KeyFile, Passphrase, Store, create_home, open_home

NOW = 1_800_000_000


class MemoryKeyring:
    """A keyring backend that keeps its entries here; `locked` makes it refuse."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def _check(self) -> None:
        if self.locked:
            raise RuntimeError("the collection is locked")

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._check()
        del self.entries[service, username]


@pytest.fixture
def memory_keyring() -> MemoryKeyring:
    return MemoryKeyring()


@pytest.fixture
def now() -> int:
    return NOW


@pytest.fixture
def cheap() -> KdfCost:
    return KdfCost(passes=1, memory=8192)


@pytest.fixture
def passphrase(cheap: KdfCost) -> Passphrase:
    return Passphrase("correct horse", cost=cheap)


@pytest.fixture
def seed() -> bytes:
    return secrets.token_bytes(32)


@pytest.fixture
def home(tmp_path: Path, seed: bytes) -> Path:
    """A home with a key file, which is the fastest to open."""
    path = tmp_path / "home"
    create_home(path, KeyFile(), seed, now=NOW)
    return path


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with open_home(home, KeyFile()) as opened:
        yield opened
