"""A store of a home's own."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onmeet_node.store import KeyFile, Store, create_home, open_home


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    create_home(tmp_path / "home", KeyFile(), secrets.token_bytes(32), now=int(time.time()))
    with open_home(tmp_path / "home", KeyFile()) as opened:
        yield opened
